"""What number formats mean, written from the documents alone: it shares nothing with the compiler.

Exact fractions decide scales and codes of what is stored; f32 arithmetic is NumPy's, one operation
at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Range = tuple[int, int]
GROUP = {8: 1 << 20, 4: 128}
"""Weights of a row that share a scale."""


def parts(size: int, count: int) -> list[Range]:
    """The ranges that a size is cut in."""
    step = -(-size // count)
    return [(min(i * step, size), min((i + 1) * step, size)) for i in range(count)]


def scale_of(values: Array, bits: int) -> np.float16:
    """The smallest f16 not below the largest magnitude over the largest code."""
    largest = max((abs(Fraction(float(v))) for v in values), default=Fraction(0))
    wanted = largest / (2 ** (bits - 1) - 1)
    scale = np.float16(float(wanted))
    while Fraction(float(scale)) < wanted:
        scale = np.nextafter(scale, np.float16(np.inf))
    below = np.nextafter(scale, np.float16(-1))
    while below >= 0 and Fraction(float(below)) >= wanted:
        scale, below = below, np.nextafter(below, np.float16(-1))
    return scale


def stored(row: Array, bits: int, group: int) -> tuple[Array, Array]:
    """[k] codes and [k] scales of a row of floats."""
    codes, scales = np.zeros(len(row), np.int64), np.zeros(len(row), np.float16)
    for start in range(0, len(row), group):
        stop = min(start + group, len(row))
        scale = scale_of(row[start:stop], bits)
        scales[start:stop] = scale
        for i in range(start, stop):
            if scale:
                # round() of a fraction takes ties to the even integer.
                codes[i] = round(Fraction(float(row[i])) / Fraction(float(scale)))
    return codes, scales


def stored_rows(matrix: Array, bits: int, group: int | None = None) -> tuple[Array, Array]:
    """[n, k] codes and scales, row by row."""
    size = GROUP[bits] if group is None else group
    pairs = [stored(row, bits, min(size, len(row))) for row in matrix]
    return np.array([c for c, _ in pairs]), np.array([s for _, s in pairs])


def read_back(codes: Array, scales: Array) -> Array:
    """What floating-point multipliers get: one f16 rounding of an exact product."""
    return (codes.astype(np.float64) * scales.astype(np.float64)).astype(np.float16)


def rows8(values: Array) -> tuple[Array, Array]:
    """[m, k] codes and [m, 1] f32 scales of activations, of the whole range of k given."""
    x = values.astype(np.float32)
    scale = np.abs(x).max(axis=1, keepdims=True) / np.float32(127)
    quotient = np.divide(x, scale, out=np.zeros_like(x), where=scale > 0)
    return np.clip(np.round(quotient), -127, 127).astype(np.int64), scale


def product8(
    x: Array,
    codes: Array,
    scales: Array,
    depth: Range,
    group: int,
    before: Array | None = None,
) -> Array:
    """[m, n] f32 sums over a range of k, groups with a scale of their own one after another."""
    low, high = depth
    own, scale = rows8(x[:, low:high]) if high > low else (None, None)
    total = np.zeros((len(x), len(codes)), np.float32) if before is None else before
    for a, b in runs(low, high, group):
        assert own is not None
        sums = own[:, a - low : b - low] @ codes[:, a:b].T
        assert np.abs(sums).max(initial=0) < 2**31
        total = total + sums.astype(np.float32) * scale * scales[:, a].astype(np.float32)[None, :]
    return total


def runs(low: int, high: int, group: int) -> list[Range]:
    """A range of k, cut where a group of weights ends."""
    edges = sorted({low, high, *range(-(-low // group) * group, high, group)})
    return list(pairwise(edges))


def combined(partial: Sequence[Array], scatter: bool) -> Array:
    """Partial sums in f32: in order, or in pairs at distances 1, 2, 4, ..."""
    held = list(partial)
    if scatter:
        total = held[0]
        for other in held[1:]:
            total = total + other
        return total
    distance = 1
    while distance < len(held):
        for place in range(0, len(held) - distance, 2 * distance):
            held[place] = held[place] + held[place + distance]
        distance *= 2
    return held[0]


def matmul8(
    x: Array, codes: Array, scales: Array, group: int, *, k: int, pieces: int, scatter: bool
) -> Array:
    """[m, n] f16: k in parts on tiles, each part in pieces as its input arrives."""
    partial: list[Array] = []
    for low, high in parts(x.shape[1], k):
        total: Array | None = None
        for a, b in parts(high - low, pieces):
            total = product8(x, codes, scales, (low + a, low + b), group, total)
        assert total is not None
        partial.append(total)
    return combined(partial, scatter and k > 1).astype(np.float16)
