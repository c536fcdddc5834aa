"""Where the stages of a pipeline stand on the mesh."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np

from asic_compiler.hardware.space import STAGE_GRIDS, FloatArray, IntArray

ORDERS: tuple[str, ...] = ("rows", "snake", "spiral")
"""Orders that ``locality`` chooses from: 0, 0.5, 1."""


@cache
def stage_positions(grid: int, order: int) -> tuple[tuple[int, int], ...]:
    """(column, row) of each stage in program order, on ``STAGE_GRIDS[grid]``."""
    columns, rows = STAGE_GRIDS[grid]
    cells = [(x, y) for y in range(rows) for x in range(columns)]
    if ORDERS[order] == "snake":
        return tuple((x if y % 2 == 0 else columns - 1 - x, y) for x, y in cells)
    if ORDERS[order] == "spiral":
        return tuple(_spiral(columns, rows))
    return tuple(cells)


def _spiral(columns: int, rows: int) -> list[tuple[int, int]]:
    """From the rim inwards, reversed: the last stage ends on the rim, the first at the centre."""
    left, right, top, bottom = 0, columns - 1, 0, rows - 1
    path: list[tuple[int, int]] = []
    while left <= right and top <= bottom:
        path += [(x, top) for x in range(left, right + 1)]
        path += [(right, y) for y in range(top + 1, bottom + 1)]
        if top < bottom:
            path += [(x, bottom) for x in range(right - 1, left - 1, -1)]
        if left < right:
            path += [(left, y) for y in range(bottom - 1, top, -1)]
        left, right, top, bottom = left + 1, right - 1, top + 1, bottom - 1
    return path[::-1]


@cache
def _pitches() -> FloatArray:
    """[grids, orders, 2] largest step between consecutive stages, in stage widths and heights."""
    table = np.zeros((len(STAGE_GRIDS), len(ORDERS), 2))
    for grid in range(len(STAGE_GRIDS)):
        for order in range(len(ORDERS)):
            at = stage_positions(grid, order)
            steps = [(abs(a - c), abs(b - d)) for (a, b), (c, d) in pairwise(at)]
            if steps:
                table[grid, order] = max(steps, key=lambda s: (s[0] + s[1], s))
    return table


def stage_distance(stage_grid: IntArray, locality: FloatArray) -> FloatArray:
    """[N, 2] stage widths and heights that the longest transfer between stages crosses."""
    order = np.rint(np.clip(locality, 0.0, 1.0) * (len(ORDERS) - 1)).astype(np.int64)
    return _pitches()[stage_grid, order]
