# pyright: basic
"""CMA-ES (Hansen and Ostermeier 2001) by pycma, with restarts of growing population."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cma
import numpy as np

from asic_compiler.explore.observer import Observer
from asic_compiler.explore.protocol import FloatArray, Problem
from asic_compiler.explore.strategies.flat import FlatSearch
from asic_compiler.explore.strategy import SearchResult


@dataclass(frozen=True, slots=True)
class CmaEs:
    """Covariance matrix adaptation from the best start; IPOP restarts (Auger and Hansen 2005)."""

    population: int = 20
    """Designs a generation in the first run; each restart doubles it. pycma's own default for 34
    variables is 14."""
    sigma: float = 0.3
    """Initial standard deviation, in units of half a variable's range."""

    @property
    def name(self) -> str:
        """``cma-es``."""
        return "cma-es"

    def run(
        self, problem: Problem, budget: int, seed: int, observer: Observer | None = None
    ) -> SearchResult:
        """Evaluates exactly ``budget`` designs."""
        flat = FlatSearch(problem, budget, seed, observer)
        points, merits = flat.start()
        best, peak = points[merits.argmax()], merits.max()
        population = self.population
        while flat.remaining:
            strategy = cma.CMAEvolutionStrategy(best, self.sigma, _options(population, flat))
            while flat.remaining and not strategy.stop():
                asked = np.array(strategy.ask())
                merits = flat.evaluate(asked)
                if merits.max() > peak:
                    best, peak = asked[merits.argmax()], merits.max()
                if len(merits) == len(asked):
                    strategy.tell(list(asked), list(-merits))
            population *= 2
        return flat.conclude(self.name)


def _options(population: int, flat: FlatSearch) -> dict[str, Any]:
    def normal(*shape: int) -> FloatArray:
        return flat.rng.standard_normal(shape)

    return {
        "popsize": population,
        "bounds": [-1.0, 1.0],
        "randn": normal,
        "seed": np.nan,  # the global generator stays as it is
        "verbose": -9,
        "verb_log": 0,
        "maxfevals": np.inf,
    }
