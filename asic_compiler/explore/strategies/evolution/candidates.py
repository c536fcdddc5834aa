"""Designs that are only thought of: proposed by exploration, judged in imagination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from asic_compiler.explore.protocol import BoolArray, FloatArray, IntArray


class Designs(Protocol):
    """Designs as their variables: evaluated ones, or some that are only thought of."""

    @property
    def discrete(self) -> IntArray:
        """[n, 4] the discrete variables."""
        ...

    @property
    def continuous(self) -> FloatArray:
        """[n, 30] the continuous ones."""
        ...


@dataclass(frozen=True, slots=True)
class Candidates:
    """Designs that have not been evaluated."""

    discrete: IntArray
    """[n, 4]"""
    continuous: FloatArray
    """[n, 30]"""

    def __len__(self) -> int:
        return len(self.discrete)

    def take(self, rows: IntArray) -> Candidates:
        """The designs of these rows."""
        return Candidates(self.discrete[rows], self.continuous[rows])

    def where(self, rows: BoolArray, others: Candidates) -> Candidates:
        """These designs in ``rows`` [n], the others elsewhere."""
        mine = rows[:, None]
        return Candidates(
            np.where(mine, self.discrete, others.discrete),
            np.where(mine, self.continuous, others.continuous),
        )
