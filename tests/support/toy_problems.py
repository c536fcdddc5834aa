"""Problems with a known answer, so that a search can be judged without a chip."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from asic_compiler.explore.protocol import Evaluation, FloatArray, IntArray, ObjectiveRange

DISCRETE, CONTINUOUS, FEATURES, OBSERVED = 4, 30, 73, 52


@dataclass
class WalkAndTune:
    """A mesh to be walked to and 30 knobs to be tuned, under a power budget.

    Throughput is tiles x quality, quality = 1 - mean((x - x*)^2) and falls with every super-cluster
    side away from 2; power is tiles x (1 + mean((x - x*)^2) / 2); area is tiles. Whatever the
    mesh, x* is best in all three objectives, so that the optimum is found by trying all meshes.
    """

    power_budget_w: float = 400.0
    seed: int = 7
    side: int = 32
    weights: tuple[float, float, float] = (0.8, 0.1, 0.1)
    calls: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.optimum = np.random.default_rng(self.seed).uniform(-0.7, 0.7, CONTINUOUS)
        self.feature_names = tuple(f"feature_{i}" for i in range(FEATURES))
        self.observed = np.arange(OBSERVED)
        self.discrete_names = ("width", "height", "sc_x", "sc_y")
        self.continuous_names = tuple(f"knob_{i}" for i in range(CONTINUOUS))
        self.discrete_low = np.array([1, 1, 1, 1])
        self.discrete_high = np.array([self.side, self.side, 4, 4])
        self.tile_parameters = np.arange(15)
        budget = self.power_budget_w
        self.ranges = (
            ObjectiveRange(0.0, budget),
            ObjectiveRange(0.0, budget),
            ObjectiveRange(0.0, budget),
        )

    def start(self, count: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        discrete = np.tile(np.array([6, 6, 1, 1]), (count, 1)) + rng.integers(0, 3, (count, 4))
        return np.minimum(discrete, self.discrete_high), rng.uniform(-1, 1, (count, CONTINUOUS))

    def evaluate(self, discrete: IntArray, continuous: FloatArray) -> Evaluation:
        self.calls.append(len(discrete))
        tiles = (discrete[:, 0] * discrete[:, 1]).astype(np.float64)
        miss = ((continuous - self.optimum) ** 2).mean(axis=1)
        cluster = np.abs(discrete[:, 2:] - 2).sum(axis=1) * 0.1
        performance = tiles * np.maximum(1.0 - miss - cluster, 0.0)
        power_w = tiles * (1.0 + miss / 2)
        over = np.maximum(power_w / self.power_budget_w - 1.0, 0.0)
        features = np.zeros((len(discrete), FEATURES))
        features[:, :4] = 2.0 * discrete / self.discrete_high - 1.0
        features[:, 4] = performance / self.power_budget_w
        features[:, 5] = np.minimum(power_w / self.power_budget_w, 3.0)
        features[:, 6:36] = continuous
        return Evaluation(
            discrete=discrete,
            continuous=continuous,
            features=features,
            performance=performance,
            power_w=power_w,
            area_mm2=tiles,
            feasible=over <= 0,
            violation=over,
            power_margin=np.maximum(1.0 - power_w / self.power_budget_w, 0.0),
            memory_overuse=np.zeros(len(discrete)),
            hazards=np.zeros(len(discrete)),
        )

    def best_score(self) -> float:
        """The score of the best design there is, by trying every mesh at x*."""
        from asic_compiler.explore.reward import score

        sides = np.arange(1, self.side + 1)
        width, height = (grid.ravel() for grid in np.meshgrid(sides, sides))
        discrete = np.stack([width, height, 0 * width + 2, 0 * width + 2], axis=1)
        everything = self.evaluate(discrete, np.tile(self.optimum, (len(discrete), 1)))
        self.calls.pop()
        return float(score(everything, self)[everything.feasible].max())


class NothingFits(WalkAndTune):
    """The same with a budget below one tile: the smallest mesh at x* is the nearest."""

    def __post_init__(self) -> None:
        self.power_budget_w = 0.5
        super().__post_init__()
