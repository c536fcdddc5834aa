"""Rows that belong to designs: every design has one or more, next to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.space import FloatArray, IntArray

_Number = TypeVar("_Number", np.float64, np.bool_)


@dataclass(frozen=True, slots=True)
class Segments:
    """M rows of N designs. A design with several kinds of pipeline stage has a row for each."""

    owner: IntArray
    """[M] the design of each row; ascending, without gaps."""
    first: IntArray
    """[N] the first row of each design."""

    @classmethod
    def of_lengths(cls, lengths: IntArray) -> Segments:
        """Segments of ``lengths`` rows each, [N], all positive."""
        first = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
        return cls(np.repeat(np.arange(len(lengths), dtype=np.int64), lengths), first)

    def spread(self, values: NDArray[_Number]) -> NDArray[_Number]:
        """[N, ...] to [M, ...]: every row gets its design's value."""
        if self._single:
            return values
        if values.flags.c_contiguous:
            return np.take(values, self.owner, axis=0)  # faster than by index: whole rows
        return np.take(values.T, self.owner, axis=-1).T  # design after design in each column

    def total(self, values: FloatArray) -> FloatArray:
        """[M, ...] to [N, ...]: sum over each design's rows."""
        return values if self._single else np.add.reduceat(values, self.first, axis=0)

    def largest(self, values: FloatArray) -> FloatArray:
        """[M, ...] to [N, ...]: largest of each design's rows."""
        return values if self._single else np.maximum.reduceat(values, self.first, axis=0)

    def least(self, values: FloatArray) -> FloatArray:
        """[M, ...] to [N, ...]: smallest of each design's rows."""
        return values if self._single else np.minimum.reduceat(values, self.first, axis=0)

    @property
    def _single(self) -> bool:
        return len(self.owner) == len(self.first)
