"""SAC-MoE behind the protocol of strategies."""

from __future__ import annotations

from dataclasses import dataclass, field

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.checkpoint.keeper import Identity, Keeper
from asic_compiler.explore.observer import Observer
from asic_compiler.explore.protocol import Problem
from asic_compiler.explore.recorder import Recorder
from asic_compiler.explore.strategies.learning.torch_state import one_deterministic_thread
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig, parse_config
from asic_compiler.explore.strategies.sac_moe.loop import Loop
from asic_compiler.explore.strategies.sac_moe.policy_file import choose_policy
from asic_compiler.explore.strategy import Learning, SearchResult, conclude
from asic_compiler.explore.unseen import is_unseen


@dataclass(frozen=True, slots=True)
class SacMoe:
    """Soft actor-critic with a mixture-of-experts policy, trained in the loop."""

    config: SacMoeConfig = field(default_factory=SacMoeConfig)
    policy: str = "none"
    """What it begins with: ``none`` (nothing), ``default`` (the shipped policy, if there is one and
    it fits; otherwise nothing, and the result says so), or the path of a policy."""
    train: bool | None = True
    """Whether it learns. Without, a policy acts, beside the exploring actions; where none is
    shipped, ``default`` learns all the same. None: it learns where there is no policy, or where
    the policy was not trained on such a workload and goal."""

    @classmethod
    def configured(cls, policy: str, train: bool | None, learner: str) -> SacMoe:
        """The strategy that these options of a search ask for.

        Raises:
            UserError: ``learner`` has no meaning.
        """
        return cls(parse_config(learner), policy, train)

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
            UserError: The checkpoint to go on from is not one of this run, the policy does not fit,
                or there is neither policy nor training.
        """
        recorder = Recorder(problem, budget, observer)
        policy, note = choose_policy(self.policy, problem, self.config)
        if policy is None and note is None and self.train is False:
            raise UserError(
                "policy=none and train=false leave nothing to act with", notes=["use train=true"]
            )
        unseen = policy is not None and is_unseen(problem, policy.known.context)
        train = policy is None or (unseen if self.train is None else self.train)
        configuration = {**self.config.describe(), "train": train, "policy": "none"}
        if policy is not None:
            configuration["policy"] = policy.digest

        def identity() -> Identity:
            return Identity.of(problem, self.name, configuration, budget, seed)

        with one_deterministic_thread():
            with keeper.resuming(identity) as resumed:
                loop = Loop(self.config, recorder, seed, resumed, policy, train)
            keeper.offer(recorder.evaluations, loop.state, always=True)
            loop.to_the_end(keeper)
        notes = () if note is None else (note,)
        return conclude(self.name, seed, recorder, notes, Learning(train, unseen))
