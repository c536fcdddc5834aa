"""What the command-line tools share: exit codes, rendered errors, whole-file output."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from errno import EINVAL
from pathlib import Path

from asic_compiler.diagnostics import UserError, one_line
from asic_compiler.files import (
    LARGEST_INPUT,
    is_special,
    read_regular,
    refusal,
    remove_leftovers,
    write_atomic,
)

EXIT_USER_ERROR = 1
EXIT_INTERNAL_ERROR = 70
"""EX_SOFTWARE of BSD's sysexits."""
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
"""What a shell reports for a program that SIGPIPE ended."""

_PIECE = 1 << 15


def ensure_stderr() -> None:
    """Where the caller has closed stderr, messages go nowhere.

    Python has None for it then, and what is printed to None ends up in the module on stdout.
    """
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  (stays open)


def guarded(program: str, body: Callable[[], int], *, debug: bool = False) -> int:
    """Runs a tool; whatever goes wrong becomes one message on stderr and an exit code.

    Args:
        program: Name that stands in front of messages without a location.
        body: The tool; returns its exit code.
        debug: Print the Python trace of an error as well.
    """
    ensure_stderr()
    try:
        with ended_by_signals():
            code = body()
        if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison]
            sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Terminated as error:
        print(f"{program}: ended by {error.signal.name}", file=sys.stderr)
        return 128 + error.signal
    except BrokenPipeError:
        # The reader is gone; without this the interpreter complains again while it shuts down.
        if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison]
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except UserError as error:
        _trace(debug)
        print(error.render(program), file=sys.stderr)
        return EXIT_USER_ERROR
    except OSError as error:
        _trace(debug)
        print(_from_os_error(error).render(program), file=sys.stderr)
        return EXIT_USER_ERROR
    except Exception as error:
        _trace(debug)
        detail = " ".join(str(error).split())[:500]
        context = "".join(f" ({note})" for note in getattr(error, "__notes__", ())[-1:])
        print(
            one_line(f"{program}: internal error: {type(error).__name__}: {detail}{context}"),
            file=sys.stderr,
        )
        print(
            f"{program}: note: this is a defect of the compiler; --debug shows the trace",
            file=sys.stderr,
        )
        return EXIT_INTERNAL_ERROR
    return code


class Terminated(BaseException):
    """A signal asked the process to end: like Ctrl-C, it leaves nothing half-done behind."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = signal.Signals(number)


@contextmanager
def ended_by_signals() -> Generator[None, None, None]:
    """SIGTERM and SIGHUP end the ``with`` block by an exception, so that temporary files go."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _frame: object) -> None:
        raise Terminated(number)

    # A process that was told to ignore a signal (nohup) goes on ignoring it.
    ours = [s for s in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(s) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def check_output(path: str | None) -> None:
    """Refuses, before the work starts, an output that cannot be written when it ends.

    Raises:
        UserError: The folder is missing or read-only, or the path is a folder.
    """
    if path is None or path == "-":
        return
    target = Path(path)
    try:
        # A link stays, what it points to is replaced.
        if target.is_symlink() and not is_special(target):
            target = target.resolve(strict=False)
    except (OSError, ValueError, RuntimeError) as error:
        why = "its links lead in a circle" if isinstance(error, RuntimeError) else str(error)
        raise UserError(f"cannot write '{path}': {why}") from error
    if (why := refusal(target)) is not None:
        raise UserError(f"cannot write '{path}': {why}")


def write_output(path: str | None, text: str) -> None:
    """Writes to stdout (None or ``-``) or to a file that appears whole or not at all."""
    if path is None or path == "-":
        if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise UserError("cannot write: stdout is closed")
        # In pieces: unbuffered (PYTHONUNBUFFERED), one large write hides that the reader left.
        for start in range(0, len(text), _PIECE):
            sys.stdout.write(text[start : start + _PIECE])
        sys.stdout.flush()
        return
    target = Path(path)
    if is_special(target):
        target.write_text(text, encoding="utf-8")
        return
    target = target.resolve()
    remove_leftovers(target)
    write_atomic(target, text)


def read_input(path: str | None) -> tuple[bytes, str]:
    """The bytes of a file, or of stdin (None or ``-``), and the name to show in messages.

    Raises:
        UserError: The file does not exist or is a folder.
    """
    if path is None or path == "-":
        if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise UserError("cannot read: stdin is closed")
        if sys.stdin.isatty():
            print("reading MLIR from the terminal; end with Ctrl-D", file=sys.stderr)
        data = sys.stdin.buffer.read(LARGEST_INPUT + 1)
        if len(data) > LARGEST_INPUT:
            raise UserError(f"stdin has more than {LARGEST_INPUT} bytes")
        return data, "<stdin>"
    try:
        return read_regular(Path(path), LARGEST_INPUT), path
    except FileNotFoundError:
        looks_like_option = "=" in path and not path.endswith(".mlir")
        notes = [f'pass options follow an equals sign: --rl-explore="{path}"']
        raise UserError(f"no such file: '{path}'", notes=notes if looks_like_option else ()) from (
            None
        )
    except IsADirectoryError:
        raise UserError(f"'{path}' is a folder, not a file") from None
    except OSError as error:
        notes = ["what a pipe or a device gives is read from stdin: give - as the input"]
        special = is_special(Path(path)) if error.errno == EINVAL and "\0" not in path else False
        raise UserError(
            f"cannot read '{path}': {error.strerror}", notes=notes if special else ()
        ) from error


def _trace(debug: bool) -> None:
    if debug:
        traceback.print_exc()


def _from_os_error(error: OSError) -> UserError:
    what = error.strerror or str(error)
    return UserError(f"{what}: '{error.filename}'" if error.filename else what)
