"""Random search: the baseline that every other strategy must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.explore.environment import uniform_actions
from asic_compiler.explore.observer import Observer
from asic_compiler.explore.protocol import Problem
from asic_compiler.explore.recorder import Recorder
from asic_compiler.explore.search import SearchResult, conclude


@dataclass(frozen=True, slots=True)
class RandomSearch:
    """Uniform over the discrete ranges and the continuous box, a batch at a time."""

    batch: int = 256
    """Designs evaluated at once. It changes the speed, and which designs a seed draws."""

    @property
    def name(self) -> str:
        """``random``."""
        return "random"

    def run(
        self, problem: Problem, budget: int, seed: int, observer: Observer | None = None
    ) -> SearchResult:
        """Evaluates exactly ``budget`` designs, each drawn independently."""
        rng = np.random.default_rng(seed)
        recorder = Recorder(problem, budget, observer)
        low, high = problem.discrete_low, problem.discrete_high
        variables = len(problem.continuous_names)
        while recorder.remaining:
            discrete = rng.integers(low, high, size=(self.batch, len(low)), endpoint=True)
            recorder.evaluate(discrete, uniform_actions(self.batch, variables, rng))
        return conclude(self.name, seed, recorder)
