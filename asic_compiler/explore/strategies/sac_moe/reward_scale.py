"""Rewards on one scale, whatever the problem's units, weights and ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from asic_compiler.explore.protocol import Float32Array

_CENTRE, _TOP = 0.5, 0.95
"""Quantiles of the rewards seen that map to 0 and to 1."""

_FLOOR = -3.0
"""Lowest standardised reward: how bad a bad design is matters little, that it is bad does."""

_NARROWEST = 1e-6
"""Spread below which rewards count as equal."""


@dataclass(frozen=True, slots=True)
class RewardScale:
    """An affine map with a floor, by quantiles of the rewards in the replay buffer.

    A constant in the reward (the feasibility bonus) adds 1 / (1 - gamma) = 100 times itself to
    every value, which the critics would spend the budget on learning; centring takes it out (Naik
    et al. 2024). Quantiles and not moments, because the penalties of infeasible designs would
    drown the differences between good ones. The order of two rewards above the floor is kept.
    """

    centre: float = 0.0
    spread: float = 1.0
    floor: float = -math.inf
    """Lowest standardised reward."""

    @staticmethod
    def of(rewards: Float32Array) -> RewardScale:
        """The scale by which the median of ``rewards`` [N] is 0 and their 95th percentile 1."""
        centre, top = (float(q) for q in np.quantile(rewards, [_CENTRE, _TOP]))
        return RewardScale(centre, max(top - centre, _NARROWEST), _FLOOR)

    def apply(self, reward: Tensor) -> Tensor:
        """Standardised rewards, not below the floor."""
        return ((reward - self.centre) / self.spread).clamp_min(self.floor)
