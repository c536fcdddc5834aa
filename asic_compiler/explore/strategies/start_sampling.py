"""Sampling of starts: how far the knowledge gets that every other strategy begins with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.explore.observer import Observer
from asic_compiler.explore.protocol import Problem
from asic_compiler.explore.recorder import Recorder
from asic_compiler.explore.strategy import SearchResult, conclude


@dataclass(frozen=True, slots=True)
class StartSampling:
    """Draws from ``problem.start`` and nothing else, a batch at a time.

    Random search is uniform over the whole space, where few designs are feasible; others begin at
    starts. This one is random search with the same knowledge.
    """

    batch: int = 256
    """Designs evaluated at once. It changes the speed, and which designs a seed draws."""

    @property
    def name(self) -> str:
        """``starts``."""
        return "starts"

    def run(
        self, problem: Problem, budget: int, seed: int, observer: Observer | None = None
    ) -> SearchResult:
        """Evaluates exactly ``budget`` designs, each drawn independently."""
        rng = np.random.default_rng(seed)
        recorder = Recorder(problem, budget, observer)
        while recorder.remaining:
            recorder.evaluate(*problem.start(self.batch, rng))
        return conclude(self.name, seed, recorder)
