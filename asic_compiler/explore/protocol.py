"""What a search needs to know of the problem it searches: arrays, never IR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The outcome of N designs, one row a design.

    ``discrete`` and ``continuous`` are the designs *after* projection and quantisation: what was
    evaluated, not what was asked for.
    """

    discrete: IntArray
    """[N, 4] mesh width, mesh height, super-cluster x, super-cluster y."""
    continuous: FloatArray
    """[N, 30] in [-1, 1]."""
    features: FloatArray
    """[N, 73] the state features, each scaled to about [-1, 1]."""
    performance: FloatArray
    """[N] tokens (or inferences) a second."""
    power_w: FloatArray
    """[N] watt."""
    area_mm2: FloatArray
    """[N] square millimetre, all dies together."""
    feasible: BoolArray
    """[N] legal (everything fits) and within every budget."""
    violation: FloatArray
    """[N] how far over the constraints, relative (0.1 = 10 % over); 0 where feasible."""
    power_margin: FloatArray
    """[N] (budget - power) / budget; 0 where there is no power budget."""
    memory_overuse: FloatArray
    """[N] required over available memory, minus one, floored at 0, worst tile."""
    hazards: FloatArray
    """[N] share of issue slots lost to hazards, in [0, 1]."""

    def __len__(self) -> int:
        return len(self.performance)


@dataclass(frozen=True, slots=True)
class ObjectiveRange:
    """Fixed normalisers of one objective: where its 0 and its 1 lie."""

    low: float
    high: float
    logarithmic: bool = False
    """Measure the position between them on a logarithmic scale; both are positive then."""


class Problem(Protocol):
    """A design space with a batched, pure and deterministic evaluation.

    A problem may also have ``context``, [C] in about [-1, 1]: what does not change from design to
    design but from problem to problem (node, workload, weights of the goal, budgets), so that one
    policy can serve many. :func:`context_of` reads it.

    And it may have ``niche(evaluation)``, [N, any] whole numbers: designs whose rows are equal are
    of one kind, and from one kind to another small changes do not lead. :func:`niche_of` calls it.

    And ``tied``, [G, 34] bool: groups of variables, the discrete ones first, that are tied to each
    other: a better value of one is found only with others of the rest. :func:`tied_of` reads it.

    And ``foresight(discrete, continuous)``, [N, F] in about [-1, 1]: what is known of designs
    before they are evaluated. :func:`foresight_of` calls it.
    """

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the 73 features."""
        ...

    @property
    def observed(self) -> IntArray:
        """[52] indices of the features that the actor sees."""
        ...

    @property
    def discrete_names(self) -> tuple[str, ...]:
        """Names of the 4 discrete variables, each moved by a step in -2..+2."""
        ...

    @property
    def continuous_names(self) -> tuple[str, ...]:
        """Names of the 30 continuous variables, each in [-1, 1] (absolute, not a step)."""
        ...

    @property
    def discrete_low(self) -> IntArray:
        """[4] smallest legal value of each discrete variable."""
        ...

    @property
    def discrete_high(self) -> IntArray:
        """[4] largest legal value of each discrete variable."""
        ...

    @property
    def tile_parameters(self) -> IntArray:
        """Indices, among the 30, of the tile parameters (those a model-predictive plan moves)."""
        ...

    @property
    def ranges(self) -> tuple[ObjectiveRange, ObjectiveRange, ObjectiveRange]:
        """Normalisers of performance, power and area for this node and workload."""
        ...

    @property
    def weights(self) -> tuple[float, float, float]:
        """Weights of performance, power and area; they sum to one."""
        ...

    def start(self, count: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """``count`` sensible starting designs: discrete [count, 4] and continuous [count, 30]."""
        ...

    def evaluate(self, discrete: IntArray, continuous: FloatArray) -> Evaluation:
        """Projects, quantises and evaluates N designs."""
        ...


def context_of(problem: Problem) -> FloatArray:
    """[C] the problem's context; empty where it has none."""
    return np.asarray(getattr(problem, "context", ()), dtype=np.float64)


def niche_of(problem: Problem, designs: Evaluation) -> IntArray:
    """[N, any] the kind of each design; :func:`octaves` where the problem tells none."""
    told = getattr(problem, "niche", octaves)
    return np.asarray(told(designs), dtype=np.int64)


def tied_of(problem: Problem) -> BoolArray:
    """[G, 34] groups of variables that are tied to each other; none where it tells nothing."""
    count = len(problem.discrete_names) + len(problem.continuous_names)
    return np.asarray(getattr(problem, "tied", np.zeros((0, count))), dtype=np.bool_)


def foresight_of(problem: Problem, discrete: IntArray, continuous: FloatArray) -> FloatArray:
    """[N, F] what is known of designs before they are evaluated.

    Where the problem tells nothing: the discrete variables by their logarithm, and the others.
    """
    told = getattr(problem, "foresight", None)
    if told is not None:
        return np.asarray(told(discrete, continuous), dtype=np.float64)
    low, high = problem.discrete_low, problem.discrete_high
    span = np.maximum(np.log1p(high - low), 1e-9)
    return np.concatenate([2.0 * np.log1p(discrete - low) / span - 1.0, continuous], axis=1)


def octaves(designs: Evaluation) -> IntArray:
    """[N, 1] the power of two up to which the mesh has tiles."""
    tiles = designs.discrete[:, 0] * designs.discrete[:, 1]
    return np.floor(np.log2(tiles)).astype(np.int64)[:, None]
