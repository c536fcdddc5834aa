"""Simulated annealing (Kirkpatrick et al. 1983): a few chains side by side, cooled together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.explore.observer import Observer
from asic_compiler.explore.protocol import FloatArray, Problem
from asic_compiler.explore.strategies.flat import FlatSearch
from asic_compiler.explore.strategy import SearchResult


@dataclass(frozen=True, slots=True)
class Annealing:
    """Metropolis walks from the best starts; temperature and moves shrink with the budget."""

    chains: int = 8
    """Walks side by side: few, so that each is long; several, because a batch costs little more
    than one design."""
    hot: float = 0.05
    """First temperature, in units of the score: a step down by as much is taken once in e times."""
    cold: float = 2e-4
    """Last temperature."""
    changed: float = 0.15
    """Chance that a move changes a coordinate; one is always changed."""
    coarsest: float = 0.5
    finest: float = 0.02
    """Standard deviations of the moves, first and last; each move's own is drawn between the
    coarsest and the current one, on a logarithmic scale."""

    @property
    def name(self) -> str:
        """``annealing``."""
        return "annealing"

    def run(
        self, problem: Problem, budget: int, seed: int, observer: Observer | None = None
    ) -> SearchResult:
        """Evaluates exactly ``budget`` designs."""
        flat = FlatSearch(problem, budget, seed, observer)
        points, merits = flat.start()
        best = np.argsort(-merits, kind="stable")[: self.chains]
        points, merits = points[best], merits[best]
        steps = max(flat.remaining // len(points), 1)
        for step in range(steps + 1):
            if not flat.remaining:
                break
            cooled = min(step / steps, 1.0)
            temperature = self.hot * (self.cold / self.hot) ** cooled
            proposed = self._moved(points, cooled, flat.rng)
            outcome = flat.evaluate(proposed)
            uphill = outcome - merits[: len(outcome)]
            taken = np.log(flat.rng.random(len(outcome))) * temperature < uphill
            rows = np.flatnonzero(taken)
            points[rows], merits[rows] = proposed[rows], outcome[rows]
        return flat.conclude(self.name)

    def _moved(self, points: FloatArray, cooled: float, rng: np.random.Generator) -> FloatArray:
        count, dimensions = points.shape
        finest = self.coarsest * (self.finest / self.coarsest) ** cooled
        scale = np.exp(rng.uniform(np.log(finest), np.log(self.coarsest), (count, 1)))
        chosen = rng.random(points.shape) < self.changed
        chosen[np.arange(count), rng.integers(0, dimensions, count)] = True
        moved = points + chosen * scale * rng.standard_normal(points.shape)
        return np.clip(moved, -1.0, 1.0)
