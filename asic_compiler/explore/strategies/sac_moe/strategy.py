"""SAC-MoE behind the protocol of strategies."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from asic_compiler.explore.checkpoint.keeper import Identity, Keeper
from asic_compiler.explore.observer import Observer
from asic_compiler.explore.protocol import Problem
from asic_compiler.explore.recorder import Recorder
from asic_compiler.explore.search import SearchResult, conclude
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.loop import Loop


@dataclass(frozen=True, slots=True)
class SacMoe:
    """Soft actor-critic with a mixture-of-experts policy, trained from nothing in the loop."""

    config: SacMoeConfig = field(default_factory=SacMoeConfig)

    @property
    def name(self) -> str:
        """``sac-moe``."""
        return "sac-moe"

    def run(
        self, problem: Problem, budget: int, seed: int, observer: Observer | None = None
    ) -> SearchResult:
        """Evaluates exactly ``budget`` designs, learning meanwhile."""
        return self.run_kept(problem, budget, seed, observer, Keeper())

    def run_kept(
        self, problem: Problem, budget: int, seed: int, observer: Observer | None, keeper: Keeper
    ) -> SearchResult:
        """As :meth:`run`, with checkpoints.

        Raises:
            UserError: The checkpoint to go on from is not one of this run.
        """
        recorder = Recorder(problem, budget, observer)
        with _one_deterministic_thread():
            with keeper.resuming(lambda: self._identity(problem, budget, seed)) as resumed:
                loop = Loop(self.config, recorder, seed, resumed)
            keeper.offer(recorder.evaluations, loop.state, always=True)
            loop.to_the_end(keeper)
        return conclude(self.name, seed, recorder)

    def _identity(self, problem: Problem, budget: int, seed: int) -> Identity:
        return Identity.of(problem, self.name, dict(self.config.describe()), budget, seed)


@contextmanager
def _one_deterministic_thread() -> Generator[None, None, None]:
    """Torch on one thread with deterministic algorithms, and as it was afterwards.

    With more threads the order of a sum may depend on their number, and so would the result.
    """
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        torch.set_num_threads(threads)
