"""How large what is read may be: far beyond any chip or model, and small enough to compute with.

Each of them keeps a number of the text from becoming that much memory or time, or from leaving
the integers that arrays hold exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

LARGEST = 2**31 - 1
"""A size, an index or a count that has no limit of its own."""
LARGEST_ELEMENTS = 2**40
"""Of a tensor, and points of an iteration space."""
LARGEST_RANK = 32
"""Dimensions of a tensor, as many as NumPy's oldest releases take."""
LARGEST_BYTES = 2**43
"""Of a memory, a transfer or an address."""
LARGEST_CYCLES = 2**53
"""Cycles that a float counts one by one."""
LARGEST_SIDE = 1024
"""Tiles of a row or a column of a mesh; the search uses up to 64."""
LARGEST_UNITS = 4096
"""Of what a tile has several: ports, stations, rows, instructions a cycle."""
LARGEST_OPERATORS = 2**17
"""Of a program: arrays have a row for each."""
LARGEST_PIECES = 4096
"""Pieces that an input arrives in, and the buffers for them; the search asks for up to 16."""
LARGEST_BLOCKS = 1024
"""Of a region: xDSL's verifier counts them all at the end of each."""
LARGEST_BITS = 1024
"""Of a stored element."""


LEAST_NUMBER, LARGEST_NUMBER = 1e-30, 1e30
"""A quantity that people write, in SI units: squares and quotients of two are still numbers."""


def shape_fault(shape: Sequence[int]) -> str | None:
    """Why a tensor of this shape is too large, None if it is not; unknown sizes are negative."""
    if len(shape) > LARGEST_RANK:
        return f"has {len(shape)} dimensions, more than {LARGEST_RANK}"
    if prod(size for size in shape if size > 0) > LARGEST_ELEMENTS:
        return f"has more than {LARGEST_ELEMENTS} elements"
    return None
