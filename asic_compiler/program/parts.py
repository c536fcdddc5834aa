"""Elements of tensors on tiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Elements: TypeAlias = NDArray[np.int64]
"""Numbers of elements, ascending and distinct."""
Place: TypeAlias = tuple[int, int]
"""Column and row of a tile."""
Rectangle: TypeAlias = tuple[int, int, int, int]
"""Column, row, width and height."""
NOTHING: Elements = np.zeros(0, dtype=np.int64)


def distinct(values: NDArray[np.int64]) -> Elements:
    """The different values, ascending: as ``np.unique``, at once where they ascend already."""
    flat = values.reshape(-1)
    if (flat[1:] < flat[:-1]).any():
        flat = np.sort(flat)
    new = flat[1:] != flat[:-1]
    return flat if new.all() else flat[np.concatenate(([True], new))]


@dataclass(frozen=True, eq=False)
class Parts:
    """Elements of one tensor on tiles; a tile that is not named has none."""

    places: tuple[Place, ...]
    elements: tuple[Elements, ...]

    @cached_property
    def on(self) -> dict[Place, Elements]:
        """By tile."""
        return dict(zip(self.places, self.elements, strict=True))

    @cached_property
    def _known(self) -> dict[object, tuple[object, int]]:
        """Answers given before; what they are about is kept, so that its id stays its own."""
        return {}

    @cached_property
    def overlap(self) -> bool:
        """Whether some element lies on several tiles."""
        several = list({id(elements): elements for elements in self.elements}.values())
        if len(several) < sum(len(elements) > 0 for elements in self.elements):
            return True
        total = sum(len(elements) for elements in several)
        return total > len(distinct(np.concatenate(several))) if several else False

    def most(self, places: Sequence[Rectangle] | None = None) -> int:
        """Elements of the largest part, of the tiles of some rectangles if they are given."""
        key = None if places is None else tuple(places)
        if key not in self._known:
            sizes = (
                len(elements)
                for (x, y), elements in zip(self.places, self.elements, strict=True)
                if places is None or within(x, y, places)
            )
            self._known[key] = None, max(sizes, default=0)
        return self._known[key][1]

    def covers(self, other: Parts) -> bool:
        """Whether every tile has here all that it has in ``other``."""
        if self is other:
            return True
        if id(other) not in self._known:
            self._known[id(other)] = other, int(self._covers(other))
        return bool(self._known[id(other)][1])

    def _covers(self, other: Parts) -> bool:
        mine = self.on
        seen: dict[tuple[int, int], bool] = {}
        for place, wanted in zip(other.places, other.elements, strict=True):
            if len(wanted) == 0:
                continue
            held = mine.get(place)
            if held is None or len(held) < len(wanted):
                return False
            key = id(held), id(wanted)
            if key not in seen:
                at = np.minimum(np.searchsorted(held, wanted), len(held) - 1)
                seen[key] = held is wanted or bool((held[at] == wanted).all())
            if not seen[key]:
                return False
        return True


def within(x: int, y: int, rectangles: Iterable[Rectangle]) -> bool:
    """Whether a tile lies in one of some rectangles [x, y, width, height]."""
    return any(a <= x < a + w and b <= y < b + h for a, b, w, h in rectangles)
