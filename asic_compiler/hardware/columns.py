"""How the arrays of a batch lie in memory: column after column (Fortran order).

There are thousands of designs and a few columns: bands, regions, operator classes. An operation
with a constant of each column, or a reduction over them, then runs along designs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.space import FloatArray

_Value = TypeVar("_Value", np.float64, np.bool_)
_PAIRWISE = 8
"""Terms from which numpy adds up a row pairwise instead of one after another."""
_LARGE_BLOCK_BYTES = 30 * 2**20
"""The C library heeds blocks of up to 32 MiB."""


def columns(values: NDArray[_Value], count: int) -> NDArray[_Value]:
    """[N] to [N, count]: the same in every column."""
    return np.repeat(values[None], count, axis=0).T


def sum_rows(values: FloatArray) -> FloatArray:
    """[M] sums of the rows of [M, C], to the bit those of an array that lies row after row."""
    return add_up(list(values.T)) if values.shape[1] else np.zeros(len(values))


def add_up(terms: Sequence[FloatArray]) -> FloatArray:
    """Sum of one or more arrays, to the bit that of rows that hold a term each of them."""
    if len(terms) >= _PAIRWISE:
        return np.stack(terms, axis=-1).sum(axis=-1)
    return reduce(np.add, terms)


def keep_memory() -> None:
    """Has the C library keep the memory of a batch for the next, not return and map it each time.

    Once a large block was freed, glibc takes smaller ones from its heap, and lets twice as much
    stand free (mallopt(3), M_MMAP_THRESHOLD).
    """
    np.empty(_LARGE_BLOCK_BYTES, dtype=np.uint8)  # is never written, and freed at once
