"""Careless and hostile libraries of cells: linear, one line, never a trace."""

import time

import pytest

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.technology.liberty.cells import read_library
from asic_compiler.technology.liberty.function import truth_table
from asic_compiler.technology.liberty.syntax import Value, parse_liberty

HERE = SourceLocation("a.lib", 1, 1)


@pytest.mark.parametrize(
    "text",
    [
        'library (a) { b : "' + "\\\n" * 20_000,  # twice as long with every line
        'library (a) { b : "' + "a" * 200_000,
        "library (a) { /*" + "* " * 100_000,
        "library (a) { " + "g () {" * 20_000 + "}" * 20_000 + "}",
        'library (a) { time_unit : "' + " " * 100_000 + 'x"; }',
    ],
    ids=["continued", "unterminated", "comment", "nested", "blanks"],
)
def test_it_is_refused_at_once(text):
    started = time.process_time()
    with pytest.raises(UserError):
        read_library(text, "a.lib")
    assert time.process_time() - started < 5.0


def test_a_continued_string_is_one_line():
    group = parse_liberty('library (a) { b ("1, \\\n 2"); }', "a.lib")
    (value,) = group.attributes[0].values
    assert value.text.split() == ["1,", "2"]


def test_a_function_of_many_pins_has_no_table():
    """Thirty pins would have been 2^30 rows."""
    pins = [f"A{i}" for i in range(30)]
    assert truth_table(Value("&".join(pins), HERE), pins) is None


def test_a_function_that_nests_too_deeply_is_refused():
    with pytest.raises(UserError, match="nests too deeply"):
        truth_table(Value("!" * 50_000 + "A", HERE), ["A"])
