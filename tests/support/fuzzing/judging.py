"""What no input may bring a reader to, and how that is seen."""

from __future__ import annotations

import contextlib
import io
import re
import resource
import signal
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from asic_compiler.diagnostics import UserError

MOST_SECONDS, MOST_BYTES = 2.0, 2**30
"""Of processor time and memory that one input may take."""
HANGS_AFTER = 10 * MOST_SECONDS

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_MESSAGE = re.compile(r": (?:error|note|warning): |^note: ")


class FaultError(AssertionError):
    """What no input may bring a tool to."""


class _HangError(BaseException):
    """Too much time is gone; no ``except Exception`` of what is tried catches it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one input: ``accepted``, ``refused``, or ``fault`` with what is wrong and where."""

    kind: str
    told: str = ""
    signature: str = ""
    """The same for faults of the same place."""


def check_message(told: str) -> None:
    """What is told of a wrong input is an error and notes, a line each, nothing that acts.

    Raises:
        FaultError: It is not.
    """
    if (odd := _CONTROL.search(told)) is not None:
        raise FaultError(f"control character {odd[0]!r} in a message: {told[:300]!r}")
    lines = told.rstrip("\n").split("\n")
    if not any(": error: " in line for line in lines):
        raise FaultError(f"no error is told: {told[:300]!r}")
    for line in lines:
        if not _MESSAGE.search(line):
            raise FaultError(f"a line is no message: {line[:300]!r}")
    if "does not fit into the memory" in told:
        raise FaultError(f"memory ran out: {told[:300]!r}")


def called(main: Callable[[list[str]], int], arguments: Sequence[str]) -> tuple[int, str]:
    """Exit code and stdout of a tool, which has told a wrong input as it should.

    Raises:
        FaultError: It has not.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*arguments])
    told = err.getvalue()
    if code not in (0, 1):
        raise FaultError(f"exit code {code}: {told[:500]}")
    if code == 1:
        check_message(told)
    elif (odd := _CONTROL.search(told)) is not None:
        raise FaultError(f"control character {odd[0]!r} on stderr: {told[:300]!r}")
    return code, out.getvalue()


def judged(run: Callable[[bytes, Path], None], data: bytes, folder: Path) -> Outcome:
    """What a reader makes of an input, within its time and memory."""
    peak, started = _peak_bytes(), time.process_time()
    try:
        with _alarm():
            run(data, folder)
        outcome = Outcome("accepted")
    except FaultError as fault:
        outcome = Outcome("fault", str(fault), _signature_of_fault(str(fault)))
    except (UserError, OSError) as error:
        outcome = _refusal(error)
    except (_HangError, MemoryError, Exception) as error:
        outcome = Outcome("fault", f"{type(error).__name__}: {error}"[:500], _place(error))
    seconds, more = time.process_time() - started, _peak_bytes() - peak
    if outcome.kind != "fault" and seconds > MOST_SECONDS:
        return Outcome("fault", f"{seconds:.1f} s of processor time", "slow")
    if outcome.kind != "fault" and more > MOST_BYTES:
        return Outcome("fault", f"{more / 1e9:.1f} GB of memory", "memory")
    return outcome


def _refusal(error: UserError | OSError) -> Outcome:
    told = error.render() if isinstance(error, UserError) else f"x: error: {error.strerror}"
    try:
        check_message(told)
    except FaultError as fault:
        return Outcome("fault", str(fault), _signature_of_fault(str(fault)))
    return Outcome("refused", told)


@contextlib.contextmanager
def _alarm() -> Generator[None, None, None]:
    def stop(_number: int, _frame: object) -> None:
        raise _HangError(f"more than {HANGS_AFTER:g} s of processor time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, HANGS_AFTER)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _place(error: BaseException) -> str:
    """Kind and innermost place of ours, and of anyone's."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "asic_compiler" in f.filename] or frames
    places = (f"{Path(f.filename).name}:{f.lineno}({f.name})" for f in (ours[-1], frames[-1]))
    # An exception that says what some IR breaks is thrown at one place for all that does.
    rule = re.search(r"'[\w.]+': [a-z ]*", str(error)) if "verify" in str(error) else None
    said = "" if rule is None else f": {rule[0]}"
    return f"{type(error).__name__} at {' / '.join(places)}{said}"


def _signature_of_fault(told: str) -> str:
    return re.sub(r"'[^']*'|\"[^\"]*\"|\d+", "_", told)[:80]


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
