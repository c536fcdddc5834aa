"""Reading takes time in proportion to the text: eight times as much, never fifty times as long."""

import contextlib
import time

import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.passes.rl_explore import RLExplorePass
from asic_compiler.technology.document import parse_document
from asic_compiler.technology.liberty.cells import read_library

SMALL = 1500
TIMES = 8
MOST = 50  # of a linear scan about 8; of a quadratic one 64

PIECES = {
    "blanks": lambda n: "  " * n,
    "lines": lambda n: "\n\n" * n,
    "comments": lambda n: "\n // a remark\n" * n,
    "slashes": lambda n: "/" * n,
    "quote": lambda n: '"' + "a" * n,
    "quotes": lambda n: '"' * n,
    "escapes": lambda n: '"' + "\\n" * n,
    "digits": lambda n: "9" * n,
    "parentheses": lambda n: "(" * n,
    "brackets": lambda n: "[" * n,
    "braces": lambda n: "{" * n,
    "words": lambda n: "a." * n,
}
READERS = {
    "mlir": lambda text: parse_module(text, "x"),
    "mlir-end": lambda text: parse_module(f"builtin.module {{}} {text}", "x"),
    "toml": lambda text: parse_document(f"a = {text}", "x"),
    "toml-key": lambda text: parse_document(text, "x"),
    "goal": lambda text: RLExplorePass(goal=f"maximize {text}").check(),
    "constraints": lambda text: RLExplorePass(constraints=f"vlen = {text}").check(),
    "liberty": lambda text: read_library(f"library (a) {{ {text}", "x"),
}


def seconds(read, text):
    started = time.process_time()
    with contextlib.suppress(UserError):
        read(text)
    return time.process_time() - started


@pytest.mark.parametrize("reader", READERS)
def test_no_scan_is_worse_than_linear(reader):
    read = READERS[reader]
    seconds(read, "")  # what is loaded once is no part of it
    for name, piece in PIECES.items():
        small, large = piece(SMALL), piece(SMALL * TIMES)
        took = seconds(read, large)
        # A fast one is not measured twice: the clock's grain would be all that is seen.
        if took > 0.2:
            assert took < MOST * max(seconds(read, small), 0.004), name


def test_thousands_of_blank_lines_before_a_module_are_read_at_once():
    """They took twice as long with every line: 32 of them hung."""
    assert seconds(lambda text: parse_module(text, "x"), "\n\n" * 20_000 + "module {}") < 2.0


def test_a_string_without_an_end_is_refused_at_once():
    """xDSL's pattern for strings tried every way to cut it."""
    assert seconds(lambda text: parse_module(text, "x"), '"' + "a" * 100_000) < 2.0
