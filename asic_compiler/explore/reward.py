"""What one evaluated design is worth: a score to compare results by, a reward to learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.explore.protocol import Evaluation, FloatArray, ObjectiveRange, Problem


@dataclass(frozen=True, slots=True)
class RewardCoefficients:
    """The shape of the reward. The seed paper gives the terms but none of these values."""

    feasibility: float = 1.0
    """Scale s of the bonus ``s * (1 + margin * power margin)`` and of the penalty on violation."""
    margin: float = 0.02
    """Weight of the power margin in the bonus. The seed has 1, and with it a chip that does
    nothing earns more by its margin than the weighted performance of any chip can make up for;
    power has its weight in the objectives already, so that here it only breaks ties."""
    memory: float = 0.5
    """Cost of needing twice the memory there is (memory overuse of 1), in the worst tile."""
    hazards: float = 0.1
    """Cost of losing every issue slot to hazards."""
    knee: float = 2.0
    """Value of ``(1 + v) * v**2`` from which the penalty grows only logarithmically.

    2 is v = 1, twice the budget. Random meshes are over by a factor of hundreds; a cubic of that
    would drown every other difference in the critic's squared error.
    """


def normalised(evaluation: Evaluation, problem: Problem) -> FloatArray:
    """[N, 3] performance, power and area, min-max by the problem's fixed ranges, not clipped.

    Inside the ranges the values are in [0, 1], linearly or logarithmically as the range says; an
    empty range divides by 1.
    """
    columns = (evaluation.performance, evaluation.power_w, evaluation.area_mm2)
    return np.stack(
        [_position(column, span) for column, span in zip(columns, problem.ranges, strict=True)],
        axis=1,
    )


def _position(values: FloatArray, span: ObjectiveRange) -> FloatArray:
    if span.logarithmic:
        return np.log(np.maximum(values, 1e-300) / span.low) / np.log(span.high / span.low)
    return (values - span.low) / ((span.high - span.low) or 1.0)


def score(evaluation: Evaluation, problem: Problem) -> FloatArray:
    """[N] ``a * performance - b * power - c * area``, each normalised; higher is better.

    It compares feasible designs with each other and says nothing about feasibility.
    """
    return _weighted(normalised(evaluation, problem), problem)


def reward(
    evaluation: Evaluation, problem: Problem, coefficients: RewardCoefficients | None = None
) -> FloatArray:
    """[N] the reward of arriving at each design, after the seed paper's section on learning.

    ``a * perf - b * power - c * area``, plus ``s * (1 + margin * power margin)`` if feasible, else
    minus ``s * (1 + v) * v**2`` for a violation v, minus memory overuse, minus hazards. The
    objectives of an infeasible design are clipped to their ranges: a design that is nine times too
    big must not earn by its performance what it loses by its size.
    """
    chosen = coefficients or RewardCoefficients()
    values = normalised(evaluation, problem)
    feasible = evaluation.feasible
    values = np.where(feasible[:, None], values, np.clip(values, 0.0, 1.0))
    bonus = chosen.feasibility * (1.0 + chosen.margin * evaluation.power_margin)
    penalty = chosen.feasibility * violation_penalty(evaluation.violation, chosen.knee)
    return (
        _weighted(values, problem)
        + np.where(feasible, bonus, -penalty)
        - chosen.memory * np.minimum(evaluation.memory_overuse, 1.0)
        - chosen.hazards * evaluation.hazards
    )


def violation_penalty(violation: FloatArray, knee: float) -> FloatArray:
    """[N] ``(1 + v) * v**2`` up to ``knee``, its logarithmic continuation (same slope) beyond."""
    cubic = (1.0 + violation) * violation**2
    return np.where(cubic <= knee, cubic, knee * (1.0 + np.log(np.maximum(cubic, knee) / knee)))


def _weighted(values: FloatArray, problem: Problem) -> FloatArray:
    performance, power, area = problem.weights
    return performance * values[:, 0] - power * values[:, 1] - area * values[:, 2]
