"""The harness itself: it sees what it is there to see. A fault of each kind is put in."""

import os
import re
import signal
from itertools import pairwise

import pytest
from fuzzing import TARGETS, Outcome, fuzzed, judged, judging, made, modules, workers
from fuzzing.judging import FaultError, called, check_message

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.dialects.text import ExactPrinter
from asic_compiler.explore import goal_text


def outcome(run, tmp_path, data=b"x"):
    return judged(lambda data, folder: run(), data, tmp_path)


def raises(error):
    def run():
        raise error

    return run


def test_an_input_follows_from_its_number():
    for target in TARGETS:
        first, again, other = (made(target, number) for number in (7, 7, 8))
        assert first == again != other


def test_what_is_refused_in_one_line_is_no_fault(tmp_path):
    error = UserError("no", SourceLocation("a", 1, 2), ["write yes"])
    assert outcome(raises(error), tmp_path).kind == "refused"
    assert outcome(raises(FileNotFoundError(2, "no such file")), tmp_path).kind == "refused"
    assert outcome(lambda: None, tmp_path) == Outcome("accepted")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ZeroDivisionError("by zero"), "ZeroDivisionError"),
        (RecursionError("too deep"), "RecursionError"),
        (MemoryError(), "MemoryError"),
        (FaultError("it does not read back"), "read back"),
        (UserError("it does not fit into the memory of this machine"), "memory ran out"),
    ],
)
def test_what_is_raised_is_a_fault(tmp_path, error, told):
    found = outcome(raises(error), tmp_path)
    assert found.kind == "fault"
    assert told in found.told
    assert found.signature


def test_time_beyond_the_limit_is_a_fault(tmp_path, monkeypatch):
    """An exponential scan: each further letter doubles the time."""
    exponential = re.compile(r"(a+)+b")
    monkeypatch.setattr(judging, "MOST_SECONDS", 0.02)
    found = outcome(lambda: exponential.match("a" * 22), tmp_path)
    assert (found.kind, found.signature) == ("fault", "slow")


def test_a_hang_is_ended_whatever_is_caught_on_the_way(tmp_path, monkeypatch):
    def hang():
        while True:
            try:
                sum(range(1000))
            except Exception:
                continue

    monkeypatch.setattr(judging, "HANGS_AFTER", 0.05)
    found = outcome(hang, tmp_path)
    assert found.kind == "fault"
    assert "processor time" in found.told


def test_memory_beyond_the_limit_is_a_fault(tmp_path, monkeypatch):
    peaks = iter([10 * 2**20, 10 * 2**20 + judging.MOST_BYTES + 1])
    monkeypatch.setattr(judging, "_peak_bytes", lambda: next(peaks))
    found = outcome(lambda: None, tmp_path)
    assert (found.kind, found.signature) == ("fault", "memory")


@pytest.mark.parametrize(
    "told",
    [
        "a.mlir:1:1: error: a tile is called '\x1b[31m'",
        "a.mlir:1:1: error: first\rsecond",
        "a.mlir:1:1: error: a\u2028b",
        "a.mlir:1:1: error: first\nsecond",
        "a.mlir:1:1: note: nothing else",
        "",
    ],
)
def test_a_message_that_is_not_lines_of_text_is_a_fault(told):
    with pytest.raises(FaultError):
        check_message(told)


def test_an_exit_code_that_is_no_users_error_is_a_fault():
    with pytest.raises(FaultError, match="exit code 70"):
        called(lambda arguments: 70, [])
    with pytest.raises(FaultError, match="no error is told"):
        called(lambda arguments: 1, [])


def faults(target, count, folder):
    return [n for n in range(count) if fuzzed(target, n, folder).kind == "fault"]


def test_a_printer_that_loses_something_is_found(tmp_path, monkeypatch):
    """Each float twice its value: what is printed reads back, and prints as another text."""
    plain = ExactPrinter.print_float
    monkeypatch.setattr(
        ExactPrinter, "print_float", lambda self, value, kind: plain(self, value * 2, kind)
    )
    assert faults("round-trip", 100, tmp_path)


def test_a_reader_that_raises_what_it_should_not_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(goal_text, "_known", lambda *arguments: {}["missing"])
    assert faults("goal", 100, tmp_path)


def test_a_pass_that_leaves_wrong_ir_is_found(tmp_path, monkeypatch):
    plain = modules.verify_module

    def refuse(module, *, written_by=None):
        plain(module, written_by=written_by)
        if written_by == "convert-linalg-to-asic":
            raise ValueError("the IR does not verify")

    monkeypatch.setattr(modules, "verify_module", refuse)
    assert faults("convert", 100, tmp_path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork beside torch's idle threads
def test_an_input_that_ends_the_process_is_a_fault_and_the_next_goes_on():
    def trial(number, folder):
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome("accepted")

    first = workers.tried(trial, 0, 10, 60.0)
    assert (first.tried, dict(first.kinds)) == (4, {"accepted": 3, "fault": 1})
    assert [(number, found.told) for number, found in first.faults] == [
        (3, "the process was ended by SIGKILL")
    ]
    rest = workers.tried(trial, first.tried, 10 - first.tried, 60.0)
    assert (rest.tried, rest.faults) == (6, [])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_memory_of_a_worker_has_a_limit(tmp_path):
    """What would take the machine's memory is refused to it, and the worker tells of it."""

    def trial(number, folder):
        return judged(lambda data, folder: bytearray(100 * 2**30), b"", folder)

    found = workers.tried(trial, 0, 1, 60.0).faults
    assert [outcome.told for _, outcome in found] == ["MemoryError: "]


def test_changes_of_a_text_leave_most_of_it():
    """A target whose inputs are noise tries nothing behind the lexer."""
    seed = modules.MODEL.read_text(encoding="utf-8")
    lengths = [len(made("convert", number)) for number in range(100)]
    assert max(lengths) < 20 * len(seed)
    assert sum(a != b for a, b in pairwise(lengths)) > 50


def test_every_target_accepts_some_and_refuses_some(tmp_path):
    for target in ("round-trip", "convert", "goal", "options", "config", "report", "gguf"):
        kinds = {fuzzed(target, number, tmp_path).kind for number in range(120)}
        assert {"accepted", "refused"} <= kinds, target
