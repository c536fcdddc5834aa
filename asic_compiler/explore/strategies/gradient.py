"""Gradient ascent on the smoothed merit, its gradient estimated by pairs of evaluations.

The cost model is NumPy with quantised variables: it has no derivative to propagate, and between two
steps of a variable it is flat. What is differentiated is therefore the expected merit under a
normal perturbation of the point, which is smooth, and its gradient is estimated from mirrored pairs
of perturbed designs, each evaluated and counted (evolution strategies as in Salimans et al. 2017).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.explore.observer import Observer
from asic_compiler.explore.protocol import FloatArray, Problem
from asic_compiler.explore.strategies.flat import FlatSearch
from asic_compiler.explore.strategy import SearchResult


@dataclass(frozen=True, slots=True)
class GradientAscent:
    """Adam (Kingma and Ba 2015) from the best start, on gradients of 32 designs each.

    An ascent through a neural surrogate of what was evaluated (4 networks, refitted every 32
    designs) found no better designs and took some twenty times as long.
    """

    pairs: int = 16
    """Mirrored perturbations a gradient."""
    wide: float = 0.3
    narrow: float = 0.03
    """Standard deviation of the perturbation, first and last, of a half range."""
    fast: float = 0.08
    slow: float = 0.02
    """Step of a coordinate, first and last."""

    @property
    def name(self) -> str:
        """``gradient``."""
        return "gradient"

    def run(
        self, problem: Problem, budget: int, seed: int, observer: Observer | None = None
    ) -> SearchResult:
        """Evaluates exactly ``budget`` designs."""
        flat = FlatSearch(problem, budget, seed, observer)
        points, merits = flat.start()
        point, total = points[merits.argmax()].copy(), max(flat.remaining, 1)
        adam = _Adam(flat.dimensions)
        while flat.remaining:
            spent = 1.0 - flat.remaining / total
            width = self.wide * (self.narrow / self.wide) ** spent
            step = self.fast * (self.slow / self.fast) ** spent
            noise = flat.rng.standard_normal((self.pairs, flat.dimensions))
            asked = np.clip(point + width * np.concatenate([noise, -noise]), -1.0, 1.0)
            merits = flat.evaluate(asked)
            if len(merits) == len(asked):
                # Ranks instead of merits: the cliff to infeasible designs counts as one rank.
                ranks = np.argsort(np.argsort(merits, kind="stable"), kind="stable")
                slopes = (ranks[: self.pairs] - ranks[self.pairs :]) / (2.0 * self.pairs)
                gradient = (slopes[:, None] * noise).mean(axis=0)
                point = np.clip(point + step * adam.direction(gradient), -1.0, 1.0)
        return flat.conclude(self.name)


class _Adam:
    """First and second moments of the gradients seen, and where they point."""

    def __init__(self, size: int, first: float = 0.9, second: float = 0.99) -> None:
        self._decay = (first, second)
        self._mean, self._square, self._steps = np.zeros(size), np.zeros(size), 0

    def direction(self, gradient: FloatArray) -> FloatArray:
        first, second = self._decay
        self._steps += 1
        self._mean = first * self._mean + (1.0 - first) * gradient
        self._square = second * self._square + (1.0 - second) * gradient**2
        mean = self._mean / (1.0 - first**self._steps)
        return mean / (np.sqrt(self._square / (1.0 - second**self._steps)) + 1e-8)
