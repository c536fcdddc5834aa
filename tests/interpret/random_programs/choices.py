"""Where the choices of a random program come from: hypothesis, which shrinks them, or a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Choices:
    """Choices of a seed, for long runs."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def integer(self, low: int, high: int) -> int:
        """From ``low`` to ``high``, both included."""
        return self._random.randint(low, high)

    def pick(self, options: Sequence[T]) -> T:
        return options[self.integer(0, len(options) - 1)]

    def flip(self, percent: int = 50) -> bool:
        """True so often; the first to be tried when a failure shrinks is False."""
        return self.integer(0, 99) >= 100 - percent

    def shuffled(self, items: Sequence[T]) -> list[T]:
        rest, found = list(items), []
        while rest:
            found.append(rest.pop(self.integer(0, len(rest) - 1)))
        return found


class Drawn(Choices):
    """Choices that hypothesis makes."""

    def __init__(self, draw: Any) -> None:
        super().__init__()
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))
