"""Grid search: full grids over the variables that matter most, each finer than the one before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.explore.observer import Observer
from asic_compiler.explore.protocol import FloatArray, IntArray, Problem
from asic_compiler.explore.strategies.flat import FlatSearch
from asic_compiler.explore.strategy import SearchResult


@dataclass(frozen=True, slots=True)
class GridSearch:
    """Grids around the best design so far.

    34 variables cannot be enumerated. Before a grid every variable is tried alone at both ends of
    its span (68 designs); those that move the merit most become the axes, as many as the budget
    has room for. The first grid spans the whole box, each further one half as much.
    """

    levels: int = 3
    """Values an axis: both ends of the span and its middle."""
    share: float = 0.5
    """Of the budget left, what one grid may take."""
    batch: int = 256
    """Designs evaluated at once."""

    @property
    def name(self) -> str:
        """``grid``."""
        return "grid"

    def run(
        self, problem: Problem, budget: int, seed: int, observer: Observer | None = None
    ) -> SearchResult:
        """Evaluates exactly ``budget`` designs."""
        flat = FlatSearch(problem, budget, seed, observer)
        points, merits = flat.start()
        centre, peak, span = points[merits.argmax()], merits.max(), 2.0
        while flat.remaining:
            alone = _one_at_a_time(centre, span)
            effects = flat.evaluate(alone)
            if len(effects) < len(alone) or not flat.remaining:
                break
            axes = self._axes(np.abs(effects - peak), flat.remaining)
            tried, values = [alone], [effects]
            grid = _grid(centre, span, axes, self.levels)
            for begin in range(0, len(grid), self.batch):
                if flat.remaining:
                    values.append(flat.evaluate(grid[begin : begin + self.batch]))
                    tried.append(grid[begin : begin + len(values[-1])])
            everything, outcome = np.concatenate(tried), np.concatenate(values)
            if outcome.max() > peak:
                centre, peak = everything[outcome.argmax()], outcome.max()
            span = min(span / 2.0, 0.5)
        return flat.conclude(self.name)

    def _axes(self, effects: FloatArray, remaining: int) -> IntArray:
        """The variables of largest effect, in order: as many as fit, at least one."""
        room = max(self.share * remaining, self.levels)
        count = int(np.log(room) / np.log(self.levels) + 1e-9)
        largest = effects.reshape(-1, 2).max(axis=1)
        return np.sort(np.argsort(-largest, kind="stable")[:count])


def _one_at_a_time(centre: FloatArray, span: float) -> FloatArray:
    """[2 D, D] the centre with one coordinate at a time at the lower and the upper end."""
    points = np.repeat(centre[None], 2 * len(centre), axis=0)
    rows = np.arange(len(centre))
    points[2 * rows, rows] = np.maximum(centre - span, -1.0)
    points[2 * rows + 1, rows] = np.minimum(centre + span, 1.0)
    return points


def _grid(centre: FloatArray, span: float, axes: IntArray, levels: int) -> FloatArray:
    """[levels^axes, D] all combinations along the axes, the other coordinates at the centre."""
    low, high = np.maximum(centre - span, -1.0), np.minimum(centre + span, 1.0)
    values = [np.linspace(low[axis], high[axis], levels) for axis in axes]
    combinations = np.stack([part.ravel() for part in np.meshgrid(*values, indexing="ij")], axis=1)
    points = np.repeat(centre[None], len(combinations), axis=0)
    points[:, axes] = combinations
    return points
