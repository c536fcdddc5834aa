"""All targets, and one input of them tried."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from asic_compiler.diagnostics import UserError
from fuzzing.judging import FaultError, Outcome, judged
from fuzzing.modules import MODULES
from fuzzing.readers import READERS
from fuzzing.runs import RUNS
from fuzzing.states import STATES
from fuzzing.target import Target

TARGETS: dict[str, Target] = {**MODULES, **READERS, **STATES, **RUNS}

_WARMED_BY = 5
"""Inputs that are tried before time is counted: they load what is loaded once."""


def made(name: str, number: int) -> bytes:
    """The input of a number."""
    return TARGETS[name].make(random.Random(f"{name}.{number}"))


@cache
def warm(name: str) -> None:
    """Imports, grammars and seeds are loaded before time is counted."""
    target = TARGETS[name]
    with TemporaryDirectory() as folder:
        for number in range(-_WARMED_BY, 0):
            data = made(name, number)
            try:
                target.run(data, Path(folder))
            except (UserError, OSError, FaultError):
                pass
            except Exception:  # it is found again when the input's turn comes
                pass


def fuzzed(name: str, number: int, folder: Path) -> Outcome:
    """What becomes of the changed input of this number."""
    warm(name)
    return judged(TARGETS[name].run, made(name, number), folder)
