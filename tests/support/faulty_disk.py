"""Processes whose disk fails, or that are killed, at a counted event of what they write.

Events are what changes a folder: a file or folder made, renamed, removed, and a file's bytes
brought to the disk. Python tells of all but the last (``sys.addaudithook``).
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

How = Literal["killed", "full"]

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_NEEDS_SPACE = ("open", "os.mkdir", "fsync")
"""What a full disk refuses; names are changed and taken away on it all the same."""
_CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    killed: bool
    code: int = -1
    """Of the work."""
    told: str = ""
    """On stderr."""
    events: tuple[str, ...] = ()
    """Of the folder, in order."""


def ended(work: Callable[[], int], folder: Path, number: int = -1, how: How = "killed") -> Ended:
    """Does the work in a process of its own, whose disk fails at the event of this number.

    Args:
        work: Returns an exit code.
        folder: Events are those in it.
        number: From 0; negative for none.
        how: Killed before the event, bytes half written; or no space from there on.
    """
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        events: list[str] = []
        err = io.StringIO()
        _watch(folder, events, number, how)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
            try:
                code = work()
            except BaseException as error:
                code, _ = 70, err.write(repr(error))
        os.write(tell, json.dumps([code, err.getvalue()[:4000], events]).encode())
        os._exit(0)
    os.close(tell)
    with os.fdopen(told, "rb") as stream:
        text = stream.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == -signal.SIGKILL:
        return Ended(killed=True)
    code, err_text, events_seen = json.loads(text)
    return Ended(False, code, err_text, tuple(events_seen))


def _watch(folder: Path, events: list[str], number: int, how: How) -> None:
    """Counts the events of a process, and lets it fail at one."""
    root = str(folder.resolve())

    def happen(event: str, descriptor: int | None = None) -> None:
        events.append(event)
        at = len(events) - 1
        if how == "killed" and at == number:
            if descriptor is not None:
                os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "full" and 0 <= number <= at and event in _NEEDS_SPACE:
            if descriptor is not None:
                os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        changes = event in _CHANGES
        if event == "open":
            changes = isinstance(arguments[2], int) and bool(arguments[2] & _WRITING)
        if changes and _is_below(arguments[0], root):
            happen(event)

    plain = os.fsync

    def fsync(descriptor: int) -> None:
        happen("fsync", descriptor)
        plain(descriptor)

    os.fsync = fsync
    sys.addaudithook(hook)


def _is_below(path: Any, root: str) -> bool:
    if not isinstance(path, str | bytes | os.PathLike):
        return False
    name = os.fsdecode(path)
    # What is relative is relative to a folder that is being removed.
    return not name.startswith("/") or os.path.normpath(name).startswith(root)


def contents(folder: Path) -> dict[str, bytes]:
    """Files below a folder by their path in it, hidden ones left out."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            found[str(name)] = path.read_bytes()
    return found


def hidden(folder: Path) -> list[str]:
    """What is left that no user sees."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob(".*"))
