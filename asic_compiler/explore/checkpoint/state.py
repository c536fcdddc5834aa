"""What a part of a search tells of itself, and how it is read back: every value is checked.

A state is a tree of arrays and plain values. A part gives its own by ``state()`` and takes it by
``restore(reader)``, where it says of every entry what it must be: what a file claims is never
believed. Entries that nobody asks for are refused too.
"""

from __future__ import annotations

import math
import re
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array: TypeAlias = NDArray[Any]
State: TypeAlias = dict[str, "Array | str | int | float | bool | State"]

Shape: TypeAlias = tuple[int | None, ...]
"""Lengths of an array's axes; None where any length will do."""

_WORD = re.compile("[0-9a-f]{32}")


class StateError(ValueError):
    """A state that is not what its reader needs."""


class StateReader:
    """One level of a state.

    Args:
        state: The entries.
        where: Names of the levels above, for messages.
    """

    def __init__(self, state: State, where: str = "") -> None:
        self._state = state
        self._where = where
        self._taken: dict[str, StateReader | None] = {}

    def part(self, name: str) -> StateReader:
        """The level below that has this name.

        Raises:
            StateError: As all methods here: it is missing, or is something else.
        """
        value = self._take(name)
        if not isinstance(value, dict):
            raise StateError(f"'{self._path(name)}' is not a group of entries")
        reader = StateReader(value, self._path(name))
        self._taken[name] = reader
        return reader

    def array(
        self,
        name: str,
        dtype: DTypeLike,
        shape: Shape,
        low: float = -math.inf,
        high: float = math.inf,
    ) -> Array:
        """A copy of an array of exactly this type and shape, every value finite and in the range.

        Args:
            name: Of the entry.
            dtype: Of the elements.
            shape: None stands for any length.
            low: Least value.
            high: Largest value.
        """
        value = self._take(name)
        if not isinstance(value, np.ndarray):
            raise StateError(f"'{self._path(name)}' is not an array")
        if value.dtype != np.dtype(dtype):
            raise StateError(f"'{self._path(name)}' holds {value.dtype}, not {np.dtype(dtype)}")
        fits = len(shape) == value.ndim and all(
            wanted is None or wanted == length
            for wanted, length in zip(shape, value.shape, strict=True)
        )
        if not fits:
            wanted = " x ".join("any" if length is None else str(length) for length in shape)
            raise StateError(
                f"'{self._path(name)}' has shape {list(value.shape)}, not {wanted or 'a scalar'}"
            )
        if not np.isfinite(value).all():
            raise StateError(f"'{self._path(name)}' holds values that are not finite")
        if value.size and not (low <= value.min() and value.max() <= high):
            raise StateError(f"'{self._path(name)}' has values outside [{low:g}, {high:g}]")
        return value.copy()

    def integer(self, name: str, low: int = 0, high: int = 2**63 - 1) -> int:
        """A whole number in the range."""
        value = self._take(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise StateError(f"'{self._path(name)}' is not a whole number")
        if not low <= value <= high:
            raise StateError(f"'{self._path(name)}' is {value}, outside [{low}, {high}]")
        return value

    def number(self, name: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number in the range."""
        value = self._take(name)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise StateError(f"'{self._path(name)}' is not a number")
        if not math.isfinite(value) or not low <= value <= high:
            raise StateError(f"'{self._path(name)}' is {value}, outside [{low:g}, {high:g}]")
        return float(value)

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._take(name)
        if not isinstance(value, bool):
            raise StateError(f"'{self._path(name)}' is neither true nor false")
        return value

    def text(self, name: str) -> str:
        """A text."""
        value = self._take(name)
        if not isinstance(value, str):
            raise StateError(f"'{self._path(name)}' is not text")
        return value

    def names(self) -> tuple[str, ...]:
        """Names of all entries, in order."""
        return tuple(self._state)

    def generator(self, name: str) -> np.random.Generator:
        """A generator in the state that :func:`generator_state` told."""
        part = self.part(name)
        words = {key: part.text(key) for key in ("state", "increment")}
        for key, word in words.items():
            if not _WORD.fullmatch(word):
                raise StateError(f"'{part._path(key)}' is not 128 bits in hexadecimal")
        bits = np.random.PCG64(0)
        bits.state = {
            "bit_generator": "PCG64",
            "state": {"state": int(words["state"], 16), "inc": int(words["increment"], 16)},
            "has_uint32": part.integer("has_uint32", 0, 1),
            "uinteger": part.integer("uinteger", 0, 2**32 - 1),
        }
        return np.random.Generator(bits)

    def finish(self) -> None:
        """Refuses entries, here or below, that nobody asked for.

        Raises:
            StateError: There is one.
        """
        for name in self._state:
            if name not in self._taken:
                raise StateError(f"'{self._path(name)}' is not an entry of this state")
        for below in self._taken.values():
            if below is not None:
                below.finish()

    def _take(self, name: str) -> Array | str | int | float | bool | State:
        if name not in self._state:
            raise StateError(f"'{self._path(name)}' is missing")
        self._taken.setdefault(name, None)
        return self._state[name]

    def _path(self, name: str) -> str:
        # What a file calls its entries may be anything, and long.
        return f"{self._where}/{name}"[:200] if self._where else name[:200]


def generator_state(rng: np.random.Generator) -> State:
    """The state of a generator of numpy's default kind (PCG64).

    Raises:
        ValueError: It is of another kind.
    """
    state = cast("dict[str, Any]", rng.bit_generator.state)
    if state["bit_generator"] != "PCG64":
        raise ValueError(f"a generator of kind {state['bit_generator']} cannot be kept")
    # 128 bits each: as hexadecimal text, for JSON readers that know 64 bits only.
    return {
        "state": f"{state['state']['state']:032x}",
        "increment": f"{state['state']['inc']:032x}",
        "has_uint32": int(state["has_uint32"]),
        "uinteger": int(state["uinteger"]),
    }
