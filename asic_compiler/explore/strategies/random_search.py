"""Random search: the baseline that every other strategy must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.explore.checkpoint.keeper import Identity, Keeper
from asic_compiler.explore.checkpoint.state import State, generator_state
from asic_compiler.explore.environment import uniform_actions
from asic_compiler.explore.observer import Observer
from asic_compiler.explore.protocol import Problem
from asic_compiler.explore.recorder import Recorder
from asic_compiler.explore.strategy import SearchResult, conclude


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
        return self.run_kept(problem, budget, seed, observer, Keeper())

    def run_kept(
        self, problem: Problem, budget: int, seed: int, observer: Observer | None, keeper: Keeper
    ) -> SearchResult:
        """As :meth:`run`, with checkpoints; raises UserError if there is none to resume from."""
        rng = np.random.default_rng(seed)
        recorder = Recorder(problem, budget, observer)

        def identity() -> Identity:
            return Identity.of(problem, self.name, {"batch": self.batch}, budget, seed)

        with keeper.resuming(identity) as resumed:
            if resumed is not None:
                rng = resumed.generator("rng")
                recorder.restore(resumed.part("recorder"))

        def state() -> State:
            return {"rng": generator_state(rng), "recorder": recorder.state()}

        keeper.offer(recorder.evaluations, state, always=True)
        low, high = problem.discrete_low, problem.discrete_high
        variables = len(problem.continuous_names)
        while recorder.remaining:
            discrete = rng.integers(low, high, size=(self.batch, len(low)), endpoint=True)
            recorder.evaluate(discrete, uniform_actions(self.batch, variables, rng))
            keeper.offer(recorder.evaluations, state)
        return conclude(self.name, seed, recorder)
