"""Links that packets pass on a mesh, compiled: a search of placements asks for nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit  # pyright: ignore

F = TypeVar("F", bound=Callable[..., Any])


def _compiled(function: F) -> F:
    """Compiles a function, and keeps it for the next process where that can be written."""
    try:
        return cast(F, njit(cache=True)(function))
    except RuntimeError:  # neither this folder nor the user's can be written
        return cast(F, njit(function))


@_compiled
def hop_bits(
    source: Any,
    target: Any,
    bits: Any,
    start: Any,
    tiles: Any,
    sender: tuple[int, int, int, int, int],
    receiver: tuple[int, int, int, int, int],
    mesh: tuple[int, int, int, int],
) -> int:
    """Bits times links of packets, both ends turned.

    A packet goes along the row of its source and from there up and down the columns of its
    targets, as the timing simulator's multicasts do.

    Args:
        source: [packets] Tile of each.
        target: [packets] Its target set, ascending.
        bits: [packets]
        start: [sets + 1] Where each set begins in ``tiles``.
        tiles: Of all target sets.
        sender: Region of the sources (x, y, width, height), and how far they are turned.
        receiver: The same of the targets.
        mesh: Width and height in tiles, and the columns and rows of tiles that share a router.
    """
    width, height, sc_x, sc_y = mesh
    columns = (width + sc_x - 1) // sc_x
    rows = (height + sc_y - 1) // sc_y
    low, high = np.empty(columns, np.int64), np.empty(columns, np.int64)
    used = np.empty(columns, np.int64)
    count, current, left, right, total = 0, -1, 0, 0, 0
    x0, y0, w, h, turn = receiver
    a0, b0, c, d, by = sender
    for packet in range(len(source)):
        if target[packet] != current:
            current = target[packet]
            for i in range(columns):
                low[i], high[i] = rows, -1
            count, left, right = 0, columns, -1
            for i in range(start[current], start[current + 1]):
                tile = tiles[i]
                local = ((tile // width - y0) * w + tile % width - x0 + turn) % (w * h)
                x = (x0 + local % w) // sc_x
                y = (y0 + local // w) // sc_y
                if high[x] < 0:
                    used[count] = x
                    count += 1
                low[x], high[x] = min(low[x], y), max(high[x], y)
                left, right = min(left, x), max(right, x)
        tile = source[packet]
        local = ((tile // width - b0) * c + tile % width - a0 + by) % (c * d)
        x = (a0 + local % c) // sc_x
        y = (b0 + local // c) // sc_y
        links = max(right, x) - min(left, x)
        for i in range(count):
            column = used[i]
            links += max(high[column], y) - min(low[column], y)
        total += links * bits[packet]
    return total
