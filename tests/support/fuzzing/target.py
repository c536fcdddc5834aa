"""A reader that inputs are tried on: how one is made, and what is done with it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fuzzing.changes import changed


@dataclass(frozen=True)
class Target:
    """What is tried.

    ``make`` gives an input; ``run`` reads it, in a folder of its own, and raises `UserError` or
    `OSError` where it refuses it, `FaultError` where what it made of it is wrong.
    """

    make: Callable[[random.Random], bytes]
    run: Callable[[bytes, Path], object]
    share: int
    """Of a thousand inputs of all targets."""
    quick: int = 200
    """Inputs in `make test`."""


def texts(seeds: Callable[[], tuple[str, ...]]) -> Callable[[random.Random], bytes]:
    """Changed texts."""

    def make(draw: random.Random) -> bytes:
        pool = seeds()
        return changed(draw.choice(pool), pool, draw).encode("utf-8", "surrogatepass")

    return make


def shown(data: bytes) -> str:
    """The text of an input for readers that take text, not bytes."""
    return data.decode("utf-8", "replace")
