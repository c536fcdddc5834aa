"""Which sizes a tile's own front end and vectors may have, by the regions that the tile serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

REGIONS = 3
"""Matmul, convolution, general: bit r of a code says whether a band serves region r."""


def nearest(values: FloatArray, allowed: FloatArray, logarithmic: bool = True) -> FloatArray:
    """The closest of ``allowed`` (ascending) for each value, the smaller where two are as close.

    Args:
        values: Any shape; positive where the distance is logarithmic.
        allowed: [A], at least one.
        logarithmic: Measure distance by ratio.
    """
    low, high = allowed[:-1], allowed[1:]
    middle = np.sqrt(low * high) if logarithmic else 0.5 * (low + high)
    return allowed[np.searchsorted(middle, values, side="left")]


@dataclass(frozen=True)
class TileLimits:
    """Sizes that tiles may have; the same for every design of a batch.

    A band of tiles that serves several regions obeys all of them, one that serves none (idle
    tiles) what holds for every tile.
    """

    allowed: Mapping[str, tuple[FloatArray | None, ...]]
    """Of each bounded size (``vlen``, ``fetch``): ascending values, one entry a code in 0..7, None
    where nothing is bounded, empty where the regions contradict each other."""

    @staticmethod
    def of(
        domains: Mapping[str, FloatArray], bounds: Mapping[str, Sequence[FloatArray | None]]
    ) -> TileLimits:
        """Limits from each size's domain and its bounds.

        Args:
            domains: Every value of a size, ascending.
            bounds: Allowed values: for every tile first, then for those of each region.
        """
        return TileLimits({name: _by_code(domains[name], bounds[name]) for name in bounds})

    def apply(self, name: str, sizes: FloatArray, member: BoolArray) -> FloatArray:
        """[N, 4] sizes of bands moved to the nearest that is allowed.

        Args:
            name: Of the size.
            sizes: [N, 4] as derived.
            member: [N, 4, 3] regions of each band.
        """
        if name not in self.allowed:
            return sizes
        code, out = _codes(member), sizes.copy()
        for number, values in enumerate(self.allowed[name]):
            if values is not None and len(values):
                mine = code == number
                out[mine] = nearest(sizes[mine], values)
        return out

    def contradictions(self, member: BoolArray, rows: FloatArray) -> FloatArray:
        """[N] how many bounds no size of some band can keep, of [N, 4, 3] members, [N, 4] rows."""
        code, found = _codes(member), np.zeros(len(member))
        for values in self.allowed.values():
            empty = np.array([v is not None and len(v) == 0 for v in values])
            found += (empty[code] & (rows > 0)).any(axis=1)
        return found


def _by_code(
    domain: FloatArray, bounds: Sequence[FloatArray | None]
) -> tuple[FloatArray | None, ...]:
    out: list[FloatArray | None] = []
    for code in range(2**REGIONS):
        used = [bounds[0], *(bounds[1 + r] for r in range(REGIONS) if code >> r & 1)]
        stated = [values for values in used if values is not None]
        kept = domain
        for values in stated:
            kept = kept[np.isin(kept, values)]
        out.append(kept if stated else None)
    return tuple(out)


def _codes(member: BoolArray) -> NDArray[np.int64]:
    return member.astype(np.int64) @ (1 << np.arange(REGIONS, dtype=np.int64))
