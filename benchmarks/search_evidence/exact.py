"""A space so small that every design of it is evaluated: how far is a search from the optimum?

Mesh width and height, vector length, tensor rows and supply voltage are free, in the levels below;
everything else is as in one good start. Searches get the whole box of 34 coordinates all the same:
29 of them do nothing, which no strategy knows.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from asic_compiler.explore.problem import ChipProblem
from asic_compiler.explore.protocol import Evaluation, FloatArray, IntArray, ObjectiveRange
from asic_compiler.explore.strategies.flat import merit
from asic_compiler.hardware.space import CONTINUOUS, INDEX

from .plan import EVERY
from .runs import searched
from .workloads import problem_of

LEVELS: dict[str, tuple[float, ...]] = {
    "vlen": (128, 256, 512, 1024, 2048),
    "rows": (1, 2, 3, 4, 6, 8, 12, 16),
    "vdd": (0.0, 0.25, 0.5, 0.75, 1.0),
}
"""Values of the free variables besides the mesh."""

MESHES = 64 * 64
SIZE = MESHES * 5 * 8 * 5
"""Designs of the space."""

CHUNK = 8192


class ReducedProblem:
    """A chip problem with all variables but a few held fast, and those on a coarse grid."""

    def __init__(self, whole: ChipProblem) -> None:
        self._whole = whole
        self.feature_names, self.observed = whole.feature_names, whole.observed
        self.discrete_names, self.continuous_names = whole.discrete_names, whole.continuous_names
        self.tile_parameters, self.weights = whole.tile_parameters, whole.weights
        base_discrete, self._base = _good_start(whole)
        self.discrete_low, self.discrete_high = whole.discrete_low, whole.discrete_high
        self.discrete_low[2:] = self.discrete_high[2:] = base_discrete[2:]
        self._levels = {
            INDEX[name]: CONTINUOUS[INDEX[name]].encode(np.array(values, dtype=np.float64))
            for name, values in LEVELS.items()
        }

    @property
    def ranges(self) -> tuple[ObjectiveRange, ObjectiveRange, ObjectiveRange]:
        """Those of the whole problem."""
        return self._whole.ranges

    def start(self, count: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """Starts of the whole problem, brought into this space."""
        return self._held(*self._whole.start(count, rng))

    def evaluate(self, discrete: IntArray, continuous: FloatArray) -> Evaluation:
        """Brings the designs into this space and evaluates them."""
        return self._whole.evaluate(*self._held(discrete, continuous))

    def _held(self, discrete: IntArray, continuous: FloatArray) -> tuple[IntArray, FloatArray]:
        held = np.tile(self._base, (len(discrete), 1))
        for index, levels in self._levels.items():
            nearest = np.abs(continuous[:, index, None] - levels).argmin(axis=1)
            held[:, index] = levels[nearest]
        return np.clip(discrete, self.discrete_low, self.discrete_high), held

    def members(self, begin: int, end: int) -> tuple[IntArray, FloatArray]:
        """Designs ``begin`` to ``end`` of the space, in a fixed order."""
        sizes = [64, 64, *(len(levels) for levels in self._levels.values())]
        at = np.unravel_index(np.arange(begin, min(end, SIZE)), sizes)
        discrete = np.tile(self.discrete_low, (len(at[0]), 1))
        discrete[:, 0], discrete[:, 1] = at[0] + 1, at[1] + 1
        continuous = np.tile(self._base, (len(at[0]), 1))
        for which, (index, levels) in zip(at[2:], self._levels.items(), strict=True):
            continuous[:, index] = levels[which]
        return discrete, continuous


def _good_start(whole: ChipProblem) -> tuple[IntArray, FloatArray]:
    """The best of 4,096 starts: the same for every search, and none of theirs."""
    discrete, continuous = whole.start(4096, np.random.default_rng(4096))
    best = int(merit(whole.evaluate(discrete, continuous), whole).argmax())
    return discrete[best], continuous[best]


@cache
def reduced(workload: str, node: str) -> ReducedProblem:
    """The reduced problem of a workload and node."""
    return ReducedProblem(problem_of(workload, node))


def enumerate_part(workload: str, node: str, begin: int, end: int) -> tuple[float, int, int]:
    """Best merit of the designs ``begin`` to ``end``, its index, and how many are feasible."""
    problem = reduced(workload, node)
    best, at, feasible = -np.inf, -1, 0
    for first in range(begin, min(end, SIZE), CHUNK):
        found = problem.evaluate(*problem.members(first, min(first + CHUNK, end)))
        merits = merit(found, problem)
        feasible += int(found.feasible.sum())
        if merits.max() > best:
            best, at = float(merits.max()), first + int(merits.argmax())
    return best, at, feasible


def describe(workload: str, node: str, index: int) -> str:
    """A member of the space in a few words."""
    discrete, continuous = reduced(workload, node).members(index, index + 1)
    values = ", ".join(
        f"{name} {float(CONTINUOUS[INDEX[name]].decode(continuous[0, INDEX[name]])):g}"
        for name in LEVELS
    )
    return f"{discrete[0, 0]}x{discrete[0, 1]}, {values}"


def reduced_score(
    workload: str, node: str, label: str, seed: int, evaluations: int
) -> float | None:
    """What a strategy finds of the reduced space; None if nothing feasible."""
    budget = EVERY[label].budget(evaluations)
    return searched(reduced(workload, node), label, budget, seed).best_score
