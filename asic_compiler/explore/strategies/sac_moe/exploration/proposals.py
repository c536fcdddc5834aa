"""Exploring actions: at random, or near one of the best designs."""

from __future__ import annotations

import numpy as np

from asic_compiler.explore.environment import uniform_actions, uniform_choices
from asic_compiler.explore.protocol import BoolArray, FloatArray, IntArray
from asic_compiler.explore.strategies.sac_moe.exploration.elite import Elite


def exploring_actions(
    elite: Elite, current: IntArray, near: BoolArray, rng: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    """Choices [n, 4] and values [n, 30] for designs at ``current`` [n, 4].

    Args:
        elite: The best designs so far.
        current: Discrete values of the designs.
        near: [n] whether an action walks to an elite design; the others are uniform.
        rng: For all of them.
    """
    count = len(current)
    choices = uniform_choices(count, current.shape[1], rng)
    values = uniform_actions(count, elite.continuous.shape[1], rng)
    near_choices, near_values = elite.actions(current, rng)
    here = near[:, None]
    return np.where(here, near_choices, choices), np.where(here, near_values, values)
