"""The chip problem: the PPA model behind the arrays that a search works on."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from asic_compiler.explore.constraints import Restrictions
from asic_compiler.explore.features import CONTEXT_NAMES, FEATURE_NAMES, OBSERVED, context, features
from asic_compiler.explore.foresight import foresight
from asic_compiler.explore.goal import Bound, Goal, excess
from asic_compiler.explore.projection import Projection
from asic_compiler.explore.protocol import (
    BoolArray,
    Evaluation,
    FloatArray,
    IntArray,
    ObjectiveRange,
    octaves,
)
from asic_compiler.hardware.design import DesignBatch, Freedom, decode, encode_projection
from asic_compiler.hardware.legality import REASONS, Reason
from asic_compiler.hardware.space import (
    CONTINUOUS,
    CONTINUOUS_NAMES,
    DISCRETE,
    DISCRETE_NAMES,
    INDEX,
    TILE_PARAMETERS,
)
from asic_compiler.mapping.profile import Profile
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.ppa.metrics import Metrics
from asic_compiler.ppa.model import PPAModel
from asic_compiler.technology.node import Technology

_CALIBRATION_DESIGNS = 4096
_SPAN = 100.0
_MEMORY_REASONS = [REASONS.index(r) for r in (Reason.WMEM, Reason.DMEM, Reason.IMEM)]
_USUAL = {
    "fetch": 2.0, "stanum": 8.0, "vlen": 1024.0, "rows": 3.0, "dmem": 64.0 * 1024,
    "wmem_bank": 64.0 * 1024, "imem": 16.0 * 1024, "dflit": 1024.0, "xr_wp": 2.0, "vr_wp": 1.0,
    "xdpnum": 2.0, "vdpnum": 1.0, "clock": 0.8, "vdd": 0.3, "weight_precision": 0.0,
    "dmem_input": 0.5, "dmem_output": 0.5, "dmem_scratch": 0.2, "load_balance": 0.0,
    "matmul_ratio": 0.7, "conv_ratio": 0.7, "general_ratio": 0.7, "stream_chunks": 4.0,
    "stream_buffers": 2.0, "k_split": 0.3, "allreduce": 0.5, "stages": 0.0, "heterogeneity": 0.5,
    "locality": 0.5, "kv_precision": 0.0,
}  # fmt: skip
"""A middling design, from which starts are drawn: what an architect would sketch first."""
_THRIFTY = _USUAL | {
    "fetch": 1.0, "stanum": 2.0, "vlen": 128.0, "rows": 1.0, "dmem": 16.0 * 1024,
    "imem": 2.0 * 1024, "dflit": 64.0, "xr_wp": 1.0, "xdpnum": 1.0, "vdd": 0.0,
}  # fmt: skip
_STAGES = FEATURE_NAMES.index("stages")
_MATMUL_SHARE = FEATURE_NAMES.index("rho_matmul")
_LEAST_SHARE = 1.0 / 64.0
"""Of the rows: one of the most that a mesh has."""

_TIED = np.array([
    [name in group for name in (*DISCRETE_NAMES, *CONTINUOUS_NAMES)]
    for group in (
        ("vlen", "matmul_ratio", "heterogeneity"),
        ("mesh_width", "mesh_height", "vlen", "rows", "matmul_ratio", "general_ratio",
         "stream_chunks", "k_split", "stages", "heterogeneity"),
    )
])  # fmt: skip
_THRIFTY_TILE_W = 1e-3
"""Where the budget leaves a tile less than this, mostly leakage, starts are drawn from the smallest
tile at the lowest supply instead."""


class ChipProblem:
    """Search space and objective of one workload on one node.

    Args:
        profile: The workload.
        technology: The node.
        conditions: Temperature, budgets, fixed clock.
        freedom: What the user lets the search change.
        weights: Of performance, power and area; they sum to one.
        goal: What else is to be kept, and what stands for performance.
        restrictions: Variables that are pinned or kept within a range.

    Raises:
        UserError: No design can keep the restrictions.
    """

    def __init__(
        self,
        profile: Profile,
        technology: Technology,
        conditions: Conditions,
        freedom: Freedom,
        weights: tuple[float, float, float],
        goal: Goal | None = None,
        restrictions: Restrictions | None = None,
    ) -> None:
        self.goal = goal
        self.projection = (
            Projection(restrictions, profile, technology, freedom) if restrictions else None
        )
        self.model = PPAModel(profile, technology, conditions)
        self.technology = technology
        self.freedom = freedom
        self._weights = weights

    @property
    def restrictions(self) -> Restrictions:
        """Variables that are pinned or kept within a range."""
        return Restrictions() if self.projection is None else self.projection.restrictions

    @property
    def further_bounds(self) -> tuple[Bound, ...]:
        """Constraints of the goal that the cost model does not check by itself."""
        return () if self.goal is None else self.goal.further_bounds

    def performance(self, metrics: Metrics) -> FloatArray:
        """[N] 1/s, what is maximised: throughput unless the goal says otherwise."""
        return metrics.tokens_per_s if self.goal is None else self.goal.performance(metrics)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the 73 features."""
        return FEATURE_NAMES

    @property
    def observed(self) -> IntArray:
        """[52] indices of the features that the actor sees."""
        return OBSERVED

    @property
    def context_names(self) -> tuple[str, ...]:
        """Names of what differs from problem to problem."""
        return CONTEXT_NAMES

    @cached_property
    def context(self) -> FloatArray:
        """[C] what a policy for many problems needs to know of this one."""
        return context(
            self.model.profile,
            self.technology,
            self.model.conditions,
            self.freedom,
            self.weights,
            None if self.goal is None else self.goal.objective,
        )

    def niche(self, evaluation: Evaluation) -> IntArray:
        """[N, 3] octave of the tiles, pipeline stages, and to which power of two the share of the
        rows that matmuls have is nearest.

        The best meshes found for two stages have more tiles at a lower supply than those for one,
        and few tiles with long vectors for matmuls are as good as many with short ones; small
        changes did not lead from one to the other.
        """
        # The feature is half the logarithm: times 8 all eight counts round to different numbers.
        stages = np.rint(8.0 * evaluation.features[:, _STAGES])
        share = (evaluation.features[:, _MATMUL_SHARE] + 1.0) / 2.0
        matmul = np.rint(np.log2(np.maximum(share, _LEAST_SHARE)))
        kinds = np.stack([stages, matmul], axis=1).astype(np.int64)
        return np.concatenate([octaves(evaluation), kinds], axis=1)

    @property
    def tied(self) -> BoolArray:
        """[2, 34] how long the vectors are where matmuls run and elsewhere; and all that says how
        the work is cut.

        For example: half as many rows for matmuls need vectors twice as long there but not
        elsewhere, which takes another average and another heterogeneity.
        """
        return _TIED

    @property
    def discrete_names(self) -> tuple[str, ...]:
        """Mesh width and height, super-cluster x and y."""
        return DISCRETE_NAMES

    @property
    def continuous_names(self) -> tuple[str, ...]:
        """Names of the 30 continuous variables."""
        return CONTINUOUS_NAMES

    @property
    def discrete_low(self) -> IntArray:
        """[4] smallest values."""
        if self.projection is not None:
            return self.projection.lowest
        return np.array([v.low for v in DISCRETE], dtype=np.int64)

    @property
    def discrete_high(self) -> IntArray:
        """[4] largest values."""
        if self.projection is not None:
            return self.projection.highest
        return np.array([v.high for v in DISCRETE], dtype=np.int64)

    @property
    def tile_parameters(self) -> IntArray:
        """Indices of the tile parameters among the 30."""
        return TILE_PARAMETERS

    @property
    def weights(self) -> tuple[float, float, float]:
        """Weights of performance, power and area."""
        return self._weights

    @property
    def ranges(self) -> tuple[ObjectiveRange, ObjectiveRange, ObjectiveRange]:
        """Normalisers of performance, power and area: two decades each, on a logarithmic scale.

        Performance and power end at the largest, area begins at the smallest among the legal of
        4,096 fixed designs. With equal spans the score is the logarithm of
        performance^a / (power^b area^c), which prefers the same design whatever the units. (On a
        linear scale with equal weights of performance and power, a chip that does almost nothing
        scores as well as any.) The fixed designs are not part of a search's budget, no search
        sees them, and restrictions do not touch them, so that scores with and without compare.
        """
        return self._ranges

    @cached_property
    def _ranges(self) -> tuple[ObjectiveRange, ObjectiveRange, ObjectiveRange]:
        metrics = self._calibration
        chosen = metrics.legal if metrics.legal.any() else np.ones(_CALIBRATION_DESIGNS, dtype=bool)
        fastest = float(self.performance(metrics)[chosen].max())
        hottest = float(metrics.power_w[chosen].max())
        smallest = float(metrics.area_mm2[chosen].min())
        return (
            ObjectiveRange(fastest / _SPAN, fastest, logarithmic=True),
            ObjectiveRange(hottest / _SPAN, hottest, logarithmic=True),
            ObjectiveRange(smallest, smallest * _SPAN, logarithmic=True),
        )

    @cached_property
    def _calibration(self) -> Metrics:
        rng = np.random.default_rng(0)
        actions = self._sketches(_CALIBRATION_DESIGNS, rng)
        return self.model.evaluate(decode(*actions, self.technology, self.freedom))

    @cached_property
    def _power_scale(self) -> float:
        budget = self.model.conditions.constraints.power_w
        return budget if budget is not None else max(self.ranges[1].high, 1e-9)

    def start(self, count: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """Starting designs: a mesh that could hold weights and cache, a tile near the usual."""
        return self.project(*self._sketches(count, rng))

    def _sketches(self, count: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """Starting designs before restrictions."""
        profile = self.model.profile
        narrow = min(f.weight_bits for f in self.freedom.formats) / 16.0
        on_chip = not all(store.off_chip for store in self.freedom.weight_stores)
        cache_tiles = profile.total_kv_bytes * min(self.freedom.kv_bits) / 16.0 / (420.0 * 1024)
        weight_tiles = profile.weight_bytes * narrow * on_chip / (24.0 * 2**20)
        activation_tiles = profile.activation_bytes / (200.0 * 1024)  # beside inputs and sums
        least = max(cache_tiles, weight_tiles, activation_tiles, 1.0)
        budget = self.model.conditions.constraints.power_w
        thrifty = budget is not None and budget / least < _THRIFTY_TILE_W
        octaves = 0.7 if thrifty else 2.0
        tiles = np.clip(least * 2.0 ** rng.uniform(0.0, octaves, count), 1.0, 4096.0)
        aspect = 2.0 ** rng.uniform(-0.5, 0.5, count)
        width = np.rint(np.sqrt(tiles * aspect))
        height = np.rint(np.sqrt(tiles / aspect))
        cluster = rng.integers(1, 3, (count, 2))
        discrete = np.stack([width, height, cluster[:, 0], cluster[:, 1]], axis=1).astype(np.int64)
        discrete = np.clip(discrete, [v.low for v in DISCRETE], [v.high for v in DISCRETE])
        centre = _THRIFTY if thrifty else _USUAL
        usual = np.array([v.encode(np.asarray(centre[v.name])) for v in CONTINUOUS])
        noise = 0.25 if thrifty else 0.4
        continuous = np.clip(usual + rng.normal(0.0, noise, (count, len(CONTINUOUS))), -1.0, 1.0)
        if thrifty:  # a fixed clock is slowed down by giving the matmuls fewer tiles
            continuous[:, INDEX["matmul_ratio"]] = rng.uniform(-1.0, 1.0, count)
            continuous[:, INDEX["vdd"]] = np.where(
                rng.random(count) < 0.75, -1.0, continuous[:, INDEX["vdd"]]
            )
        continuous[:, INDEX["stages"]] = np.where(
            rng.random(count) < 0.75, -1.0, continuous[:, INDEX["stages"]]
        )
        return discrete, continuous

    def project(self, discrete: IntArray, continuous: FloatArray) -> tuple[IntArray, FloatArray]:
        """The nearest actions that keep the restrictions; the same arrays where there are none."""
        if self.projection is None:
            return discrete, continuous
        return self.projection.project(discrete, continuous)

    def decode(self, discrete: IntArray, continuous: FloatArray) -> DesignBatch:
        """Designs for action vectors, moved to where they keep the restrictions."""
        design = decode(*self.project(discrete, continuous), self.technology, self.freedom)
        if self.projection is None:
            return design
        return self.projection.settle(replace(design, limits=self.projection.limits), self.model)

    def foresight(self, discrete: IntArray, continuous: FloatArray) -> FloatArray:
        """[N, F] what is known of designs before the cost model is asked."""
        discrete, continuous = self.project(discrete, continuous)
        design = decode(discrete, continuous, self.technology, self.freedom)
        if self.projection is not None:
            design = replace(design, limits=self.projection.limits)
        return foresight(self.model.profile, self.technology, design, continuous)

    def excess(self, design: DesignBatch, metrics: Metrics) -> FloatArray:
        """[N, bounds] relative excess over what the cost model does not check by itself.

        First the goal's ``further_bounds``, then a column for each restriction, and one for tiles
        whose operators' restrictions contradict each other.
        """
        over = excess(self.further_bounds, metrics)
        if self.projection is None:
            return over
        broken = self.projection.broken(design, metrics, self.model.profile.has_conv)
        return np.concatenate([over, broken], axis=1)

    def evaluate(self, discrete: IntArray, continuous: FloatArray) -> Evaluation:
        """Projects, quantises and evaluates N designs."""
        discrete, continuous = self.project(discrete, continuous)
        design = self.decode(discrete, continuous)
        metrics = self.model.evaluate(design)
        projected = design.with_(
            dmem=metrics.dmem_average,
            imem=metrics.imem_average,
            clock=np.minimum(metrics.clock_fraction, 1.0),
        )
        budget = self.model.conditions.constraints.power_w
        margin = (budget - metrics.power_w) / budget if budget is not None else 0.0
        over = self.excess(design, metrics)
        at = np.stack(
            [design.mesh_width, design.mesh_height, design.sc_x, design.sc_y], axis=1
        ).astype(np.int64)
        return Evaluation(
            discrete=at,
            continuous=encode_projection(continuous, projected),
            features=features(
                self.model.profile, self.technology, projected, metrics, self._power_scale
            ),
            performance=self.performance(metrics),
            power_w=metrics.power_w,
            area_mm2=metrics.area_mm2,
            feasible=metrics.legal & np.all(over <= 0.0, axis=1),
            violation=metrics.violation + over.sum(axis=1),
            power_margin=np.broadcast_to(margin, metrics.power_w.shape).copy(),
            memory_overuse=metrics.violations[:, _MEMORY_REASONS].max(axis=1),
            hazards=metrics.hazards,
        )
