"""Reading takes time and memory in proportion to the text.

Four times the text may take four times as long, not sixteen times. Times are those of the
processor, the best of several, and only where they are long enough to be told apart; memory is
counted by Python.
"""

import json
import struct
import time
import tracemalloc

import pytest
from fuzzing import judged

from asic_compiler.explore.constraint_text import parse_constraints
from asic_compiler.explore.goal_text import parse_goal
from asic_compiler.explore.request import Request
from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.frontends.models.config import _read as read_config
from asic_compiler.frontends.models.config import find_recipe
from asic_compiler.frontends.models.factory import split
from asic_compiler.frontends.spec import ImportSpec
from asic_compiler.passes.rl_explore import RLExplorePass
from asic_compiler.registry import PASSES
from asic_compiler.report.html.run_report import _read as read_report
from asic_compiler.simulate.images import _index as read_index
from asic_compiler.technology.document import parse_document
from asic_compiler.technology.liberty.cells import read_library
from asic_compiler.tensors.files import TensorFile
from asic_compiler.tools.pass_options import build_pass, parse_flag, parse_pipeline

SMALL, TIMES = 4000, 4
MOST = 9.0
"""Between what is linear (4) and what is quadratic (16)."""
UNSEEN_SECONDS, UNSEEN_BYTES = 0.03, 4_000_000
"""Below, a clock's grain and what is allocated once are all that is seen."""
TRIES = 3

PIECES = {
    "blanks": lambda n: " " * n,
    "lines": lambda n: "\n" * n,
    "blanks and lines": lambda n: "  \n" * (n // 3),
    "comments": lambda n: "\n // a remark" * (n // 12),
    "hashes": lambda n: "\n# a remark" * (n // 11),
    "slashes": lambda n: "/" * n,
    "stars": lambda n: "/*" * (n // 2),
    "quote": lambda n: '"' + "a" * n,
    "one quote": lambda n: "'" + "a" * n,
    "quotes": lambda n: '"' * n,
    "strings": lambda n: '"a" ' * (n // 4),
    "escapes": lambda n: '"' + "\\n" * (n // 2),
    "backslashes": lambda n: "\\" * n,
    "digits": lambda n: "9" * n,
    "points": lambda n: "1." * (n // 2),
    "signs": lambda n: "-" * n,
    "parentheses": lambda n: "(" * n,
    "brackets": lambda n: "[" * n,
    "braces": lambda n: "{" * n,
    "angles": lambda n: "<" * n,
    "pairs": lambda n: "[]" * (n // 2),
    "words": lambda n: "a " * (n // 2),
    "parts": lambda n: "a." * (n // 2),
    "one word": lambda n: "a" * n,
    "commas": lambda n: "a, " * (n // 3),
    "values": lambda n: "%a = " * (n // 5),
    "keys": lambda n: "a = 1\n" * (n // 6),
    "semicolons": lambda n: "a = 1; " * (n // 7),
    "letters beyond ASCII": lambda n: "é" * n,
}


def listed(text):
    """A JSON document with a text in it, and a list as long."""
    count = len(text) // 16
    return json.dumps({"a": text, "b": [0] * count, **{str(i): i for i in range(count)}})


def of_file(name, read, wrap=lambda text: text):
    """A reader of a file, here of one with this name."""

    def run(text, folder):
        path = folder / name
        path.write_text(wrap(text), encoding="utf-8")
        read(path)

    return run


def tensors(text, folder):
    header = json.dumps({"__metadata__": {"a": text}}).encode()
    path = folder / "t.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    TensorFile(path)


def pipeline(text, folder):
    for request in parse_pipeline(text, tuple(PASSES)):
        build_pass(RLExplorePass, request)


READERS = {
    "mlir": lambda text, _: parse_module(text, "x"),
    "mlir behind a module": lambda text, _: parse_module(f"builtin.module {{}} {text}", "x"),
    "mlir in an attribute": lambda text, _: parse_module(f"module attributes {{a = {text}", "x"),
    "mlir in a type": lambda text, _: parse_module(f"func.func @f(%a: tensor<{text}", "x"),
    "toml": lambda text, _: parse_document(f"a = {text}", "x"),
    "toml keys": lambda text, _: parse_document(text, "x"),
    "goal": lambda text, _: parse_goal(text),
    "goal behind": lambda text, _: parse_goal(f"maximize tokens_per_s subject to {text}"),
    "constraints": lambda text, _: parse_constraints(text),
    "constraints behind": lambda text, _: parse_constraints(f"vlen = {text}"),
    "options": lambda text, _: build_pass(RLExplorePass, parse_flag("rl-explore", text)),
    "options behind": lambda text, _: parse_flag("rl-explore", f"goal={text}"),
    "pipeline": pipeline,
    "pipeline behind": lambda text, folder: pipeline(f"rl-explore{{goal={text}", folder),
    "learner": lambda text, _: Request(learner=text).check(),
    "liberty": lambda text, _: read_library(text, "x"),
    "liberty behind": lambda text, _: read_library(f"library (a) {{ {text}", "x"),
    "config": of_file("config.json", read_config),
    "config with it": of_file("config.json", read_config, listed),
    "index": of_file("index.json", lambda path: read_index(path.parent)),
    "report": of_file("hardware.json", read_report),
    "safetensors": tensors,
    "model": lambda text, _: split(text) if ":" in text else find_recipe(ImportSpec(text[:200])),
}


def reading(read, text, folder):
    """Seconds of the processor, the best of a few."""
    best = float("inf")
    for _ in range(TRIES):
        started = time.process_time()
        outcome = judged(lambda data, folder: read(text, folder), b"", folder)
        best = min(best, time.process_time() - started)
        assert outcome.kind != "fault", outcome
        if best < UNSEEN_SECONDS:
            break
    return best


def peak(read, text, folder):
    """Bytes that Python has at most."""
    tracemalloc.start()
    try:
        judged(lambda data, folder: read(text, folder), b"", folder)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def check_growth(read, piece, folder):
    small, large = piece(SMALL), piece(SMALL * TIMES)
    slow = reading(read, large, folder)
    if slow > UNSEEN_SECONDS:
        assert slow < MOST * max(reading(read, small, folder), UNSEEN_SECONDS / TIMES)
    much = peak(read, large, folder)
    if much > UNSEEN_BYTES:
        assert much < MOST * max(peak(read, small, folder), UNSEEN_BYTES / TIMES)


@pytest.mark.parametrize("reader", READERS)
def test_no_scan_is_worse_than_linear(reader, tmp_path):
    reading(READERS[reader], "", tmp_path)  # what is loaded once is no part of it
    for name, piece in PIECES.items():
        try:
            check_growth(READERS[reader], piece, tmp_path)
        except AssertionError as error:
            raise AssertionError(f"{reader}, {name}: {error}") from error


def test_a_scan_that_is_quadratic_is_found(tmp_path):
    """The harness itself: each letter looks through all before it."""

    def quadratic(text, _):
        for place in range(len(text)):
            text.count("b", 0, place)
            text.count("c", 0, place)

    with pytest.raises(AssertionError):
        check_growth(quadratic, lambda n: "a" * (3 * n), tmp_path)


def test_memory_that_is_quadratic_is_found(tmp_path):
    def quadratic(text, _):
        return bytearray(len(text) ** 2)

    with pytest.raises(AssertionError):
        check_growth(quadratic, lambda n: "a" * n, tmp_path)


def test_thousands_of_blank_lines_before_a_module_are_read_at_once(tmp_path):
    """They took twice as long with every line: 32 of them hung."""
    read = READERS["mlir"]
    assert reading(read, "\n\n" * 20_000 + "module {}", tmp_path) < 2.0
