"""Evaluations made to explain a result. They are no part of the search's budget."""

from __future__ import annotations

from typing import Any

import numpy as np

from asic_compiler.explore.problem import ChipProblem
from asic_compiler.explore.protocol import Evaluation, FloatArray, IntArray
from asic_compiler.explore.reward import score
from asic_compiler.hardware.space import CONTINUOUS, INDEX

Json = dict[str, Any]

_NUDGE = 0.1
"""A twentieth of the range: the step of a variable that has none."""


_SAME = 1e-6
"""Difference of scores below which two designs are equally good: above what encoding rounds."""


class Variants:
    """Evaluates variants of one design and counts.

    Args:
        problem: What was searched; its ranges score all designs, those of relaxed problems too.
        best: The chosen design, one row.
    """

    def __init__(self, problem: ChipProblem, best: Evaluation) -> None:
        self.problem = problem
        self.best = best
        self.evaluations = 0
        self.score = float(score(best, problem)[0])
        self.discrete, self.continuous = best.discrete[0].copy(), best.continuous[0].copy()
        self.fastest_clock = self._free_clock()

    def evaluate(
        self, discrete: IntArray, continuous: FloatArray, problem: ChipProblem | None = None
    ) -> tuple[Evaluation, FloatArray]:
        """Designs and their scores ([N], minus infinity where infeasible)."""
        self.evaluations += len(discrete)
        found = (problem or self.problem).evaluate(discrete, continuous)
        return found, np.where(found.feasible, score(found, self.problem), -np.inf)

    def neighbours(self, problem: ChipProblem) -> tuple[list[str], IntArray, FloatArray]:
        """Designs one step from the best in one variable: whose step, [M, 4] and [M, 30]."""
        names: list[str] = []
        discrete: list[IntArray] = []
        continuous: list[FloatArray] = []
        for axis, name in enumerate(self.problem.discrete_names):
            for step in (-1, 1):
                moved = self.discrete.copy()
                moved[axis] += step
                if problem.discrete_low[axis] <= moved[axis] <= problem.discrete_high[axis]:
                    names.append(name)
                    discrete.append(moved)
                    continuous.append(self.continuous)
        for column, name in enumerate(self.problem.continuous_names):
            for x in step_from(name, float(self.continuous[column])):
                changed = self.continuous.copy()
                changed[column] = x
                names.append(name)
                discrete.append(self.discrete)
                continuous.append(changed)
        return names, np.array(discrete), np.array(continuous)

    def _free_clock(self) -> bool:
        """Whether the best runs as fast as supply, structure and power budget allow.

        Then every variant is asked to run as fast as it may, too: the clock was no choice.
        """
        column = INDEX["clock"]
        asked = self.continuous.copy()
        asked[column] = 1.0
        _, value = self.evaluate(self.discrete[None], asked[None])
        free = bool(abs(value[0] - self.score) <= _SAME)
        if free:
            self.continuous = asked
        return free


def step_from(name: str, x: float) -> list[float]:
    """The actions one step of the variable below and above ``x``, where there are any."""
    variable = CONTINUOUS[INDEX[name]]
    if variable.step == 0.0:
        ends = (max(-1.0, x - _NUDGE), min(1.0, x + _NUDGE))
        return [end for end in ends if end != x]
    value = float(variable.decode(np.array(x)))
    out: list[float] = []
    for sign in (-1.0, 1.0):
        moved = value * 2.0**sign if variable.step < 0 else value + sign * variable.step
        if variable.unit == "byte" and variable.step > 0:  # at least a quarter of an octave
            octave = value * 2.0 ** (0.25 * sign)
            moved = max(moved, octave) if sign > 0 else min(moved, octave)
        moved = float(variable.quantise(np.array(max(moved, variable.low))))
        if moved != value:
            out.append(float(variable.encode(np.array(moved))))
    return out


def outcome(found: Evaluation, row: int, value: float) -> Json:
    """Score and objectives of one design; the score is None where it is infeasible."""
    return {
        "feasible": bool(found.feasible[row]),
        "violation": float(found.violation[row]),
        "score": value if np.isfinite(value) else None,
        "performance": float(found.performance[row]),
        "power_w": float(found.power_w[row]),
        "area_mm2": float(found.area_mm2[row]),
    }
