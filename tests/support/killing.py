"""Processes that are killed at a call of a given number: what a kill leaves, without a clock."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

Call = Callable[..., Any]


def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def on_the_way_to(call: Call) -> Call:
    """Dies instead of the call."""
    return lambda *arguments: dies()


def on_the_way_from(call: Call) -> Call:
    """Dies when the call is done."""

    def done(*arguments: Any) -> None:
        call(*arguments)
        dies()

    return done


def in_the_midst_of(sync: Call) -> Call:
    """Dies when half of a file has come to the disk."""

    def half(descriptor: int) -> None:
        os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
        sync(descriptor)
        dies()

    return half


Moment = tuple[Any, str, Callable[[Call], Call]]
"""A function by its owner and name, and where in a call of it the process dies."""

WRITING: dict[str, Moment] = {
    "half of the file": (os, "fsync", in_the_midst_of),
    "before the renaming": (Path, "replace", on_the_way_to),
    "after the renaming": (Path, "replace", on_the_way_from),
}
"""Of files that appear whole or not at all."""


def killed(work: Callable[[], object], moment: Moment, count: int) -> bool:
    """Whether a process of its own, which does the work, was killed at the call of this number."""
    child = os.fork()
    if child == 0:
        owner, name, end = moment
        call, calls = getattr(owner, name), itertools.count(1)
        last = end(call)
        setattr(owner, name, lambda *args: (last if next(calls) == count else call)(*args))
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
