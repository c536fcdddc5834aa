"""Products of 8-bit integers: exact sums in i32, scaled in f32.

Rows of activations are quantised where they enter the tensor unit; weights and caches enter as the
integers that they are stored as.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asic_compiler.tensors.elements import Array

LARGEST = np.float32(127)


@dataclass(frozen=True, eq=False, slots=True)
class Codes:
    """Integers and their scales: of rows of ``depth``, each in groups that share a scale."""

    codes: NDArray[np.int8]
    """[..., rows, depth]"""
    scale: NDArray[np.float32]
    """[..., rows, groups]"""
    starts: tuple[int, ...] = (0,)
    """[groups] Place of a row that each group begins at."""

    def at(self, rows: NDArray[np.int64]) -> Codes:
        """Some rows, in the shape of ``rows``; only of codes [rows, depth]."""
        return Codes(self.codes[rows], self.scale[rows], self.starts)

    def between(self, low: int, high: int) -> Codes:
        """Places low to high of each row."""
        ends = (*self.starts[1:], self.codes.shape[-1])
        kept = [
            g
            for g, (a, b) in enumerate(zip(self.starts, ends, strict=True))
            if a < high and b > low
        ]
        starts = tuple(max(self.starts[g] - low, 0) for g in kept)
        return Codes(self.codes[..., low:high], self.scale[..., kept], starts)


def quantise_rows(values: Array) -> Codes | None:
    """Each row symmetric to 8 bits, with an f32 scale.

    The scale is the largest magnitude over 127, a code the integer nearest to the quotient of the
    number and the scale, ties to even, at most 127; both quotients are those of f32. A row of zeros
    has scale 0 and codes 0.

    Args:
        values: [..., depth] Floats of at most 32 bits.

    Returns:
        Codes with one group; None where a number is not finite.
    """
    wide = values.astype(np.float32, copy=False)
    scale: Any = np.max(np.abs(wide), axis=-1, keepdims=True, initial=0.0) / LARGEST
    if not np.all(np.isfinite(scale)):
        return None
    codes = np.rint(wide / np.where(scale == 0, np.float32(1), scale))
    return Codes(np.clip(codes, -LARGEST, LARGEST).astype(np.int8), scale)


def accumulate_integers(before: Array | None, lhs: Codes, rhs: Codes) -> Array:
    """``sum_k lhs[m, k] * rhs[n, k]``, and what was there before.

    The sum of a group is exact. It is rounded to f32, multiplied by the scale of the row and then
    by that of the column, each product rounded; groups are added in order to ``before``.

    Args:
        before: [b, m, n] f32; None for zeros.
        lhs: [b, m, k], one group.
        rhs: [b or 1, n, k].

    Returns:
        [b, m, n] f32.
    """
    ends = (*rhs.starts[1:], rhs.codes.shape[-1])
    shape = (lhs.codes.shape[0], lhs.codes.shape[1], rhs.codes.shape[1])
    total = np.zeros(shape, np.float32) if before is None else before
    for group, (low, high) in enumerate(zip(rhs.starts, ends, strict=True)):
        # Integers below 2^53: f64 holds every sum exactly, in whatever order they are added.
        left = lhs.codes[..., low:high].astype(np.float64)
        right = np.swapaxes(rhs.codes[..., low:high], -1, -2).astype(np.float64)
        sums = np.matmul(left, right).astype(np.float32)
        total = total + sums * lhs.scale * rhs.scale[..., group][:, None, :]
    return total
