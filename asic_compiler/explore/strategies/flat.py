"""A problem as one function of a point in a box: what most libraries of optimisation want.

A point has a coordinate in [-1, 1] a variable: the 4 discrete ones first, on a logarithmic scale
and rounded to the nearest value (a mesh of 1..64 is as far from 8 to 16 as from 16 to 32), then the
30 continuous ones as they are. Every strategy that works on points also begins with the same
designs: :data:`STARTS` of ``problem.start``, which depend on the seed alone.
"""

from __future__ import annotations

import numpy as np

from asic_compiler.explore.observer import Observer
from asic_compiler.explore.protocol import Evaluation, FloatArray, IntArray, Problem
from asic_compiler.explore.recorder import Recorder
from asic_compiler.explore.reward import score
from asic_compiler.explore.strategy import SearchResult, conclude

STARTS = 64
"""Designs of ``problem.start`` that a search on points begins with."""

FLOOR = -1.0
"""Merit below which every infeasible design lies. The weights sum to one, so that a design at the
worst corner of the normalised ranges (no performance, all power and area) has a score of -1 or
more; what is worse still counts as -1."""


def merit(evaluation: Evaluation, problem: Problem) -> FloatArray:
    """[N] what single-objective strategies maximise.

    The score where feasible (at least :data:`FLOOR`), else ``FLOOR - log(1 + violation) / 10``:
    among infeasible designs less violation is better, and all are below all feasible ones. A mesh
    that is over by a factor of a hundred stays on the scale of the scores, which matters to those
    that model the merit (Gaussian processes); others see only its order.
    """
    return np.where(
        evaluation.feasible,
        np.maximum(score(evaluation, problem), FLOOR),
        FLOOR - np.log1p(evaluation.violation) / 10.0,
    )


def to_designs(points: FloatArray, problem: Problem) -> tuple[IntArray, FloatArray]:
    """Discrete values [N, 4] and continuous ones [N, 30] of points [N, 34], clipped to the box."""
    low, high = problem.discrete_low, problem.discrete_high
    inside = np.clip(points, -1.0, 1.0)
    share = (inside[:, : len(low)] + 1.0) / 2.0
    values = np.rint(low * (high / low) ** share).astype(np.int64)
    return np.clip(values, low, high), inside[:, len(low) :]


def to_points(discrete: IntArray, continuous: FloatArray, problem: Problem) -> FloatArray:
    """[N, 34] points that :func:`to_designs` turns into these designs again."""
    low, high = problem.discrete_low, problem.discrete_high
    octaves = np.log(high / low)
    share = np.log(discrete / low) / np.where(octaves > 0.0, octaves, 1.0)
    return np.concatenate([2.0 * share - 1.0, continuous], axis=1)


class FlatSearch:
    """The budget of one run, spent on points.

    Args:
        problem: What is searched.
        budget: Designs to evaluate, exactly.
        seed: Of the starts and of :attr:`rng`, two independent streams.
        observer: Told once a batch.
    """

    def __init__(
        self, problem: Problem, budget: int, seed: int, observer: Observer | None = None
    ) -> None:
        starts, moves = np.random.SeedSequence(seed).spawn(2)
        self.problem = problem
        self.rng = np.random.default_rng(moves)
        self._seed = seed
        self._starts = np.random.default_rng(starts)
        self._recorder = Recorder(problem, budget, observer)
        self.last: Evaluation | None = None
        """What :meth:`evaluate` evaluated last."""

    @property
    def dimensions(self) -> int:
        """Coordinates of a point."""
        return len(self.problem.discrete_names) + len(self.problem.continuous_names)

    @property
    def remaining(self) -> int:
        """Designs that may still be evaluated; a strategy's loop ends at 0."""
        return self._recorder.remaining

    def library_seed(self) -> int:
        """A fresh seed for a library that has generators of its own."""
        return int(self.rng.integers(1, 2**31 - 1))

    def start_points(self) -> FloatArray:
        """[64, 34] the starting designs, not evaluated yet."""
        return to_points(*self.problem.start(STARTS, self._starts), self.problem)

    def start(self) -> tuple[FloatArray, FloatArray]:
        """Evaluates the starting designs: points [n, 34] and merits [n], n <= the budget."""
        points = self.start_points()
        merits = self.evaluate(points)
        return points[: len(merits)], merits

    def evaluate(self, points: FloatArray) -> FloatArray:
        """[n] merits of points [N, 34]; n < N where the budget ends.

        Raises:
            RuntimeError: If the budget is spent: the caller's loop is wrong.
        """
        self.last = self._recorder.evaluate(*to_designs(points, self.problem))
        return merit(self.last, self.problem)

    def conclude(self, strategy: str) -> SearchResult:
        """The result of the run."""
        return conclude(strategy, self._seed, self._recorder)
