"""The loop: walk, remember, learn."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from asic_compiler.explore.environment import (
    DesignEnvironment,
    uniform_actions,
    uniform_choices,
)
from asic_compiler.explore.observer import Observer
from asic_compiler.explore.protocol import FloatArray, IntArray, Problem
from asic_compiler.explore.recorder import Recorder
from asic_compiler.explore.reward import reward
from asic_compiler.explore.search import SearchResult, conclude
from asic_compiler.explore.strategies.sac_moe.agent import Agent
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.elite import Elite
from asic_compiler.explore.strategies.sac_moe.epsilon import EpsilonSchedule
from asic_compiler.explore.strategies.sac_moe.networks import Dimensions
from asic_compiler.explore.strategies.sac_moe.replay import Replay
from asic_compiler.explore.strategies.sac_moe.reward_scale import RewardScale


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
        recorder = Recorder(problem, budget, observer)
        with _one_deterministic_thread():
            _Run(self.config, recorder, seed).to_the_end()
        return conclude(self.name, seed, recorder)


class _Run:
    """The moving parts of one run."""

    def __init__(self, config: SacMoeConfig, recorder: Recorder, seed: int) -> None:
        problem, budget = recorder.problem, recorder.budget
        # One seed, four streams: what one part draws does not shift what another gets.
        starts, actions, draws, network = np.random.SeedSequence(seed).spawn(4)
        self._config = config
        self._recorder = recorder
        self._rng = np.random.default_rng(actions)
        self._sizes = Dimensions(
            len(problem.observed), len(problem.discrete_names), len(problem.continuous_names)
        )
        self._replay = Replay(
            min(config.replay_capacity, max(budget, config.environments)),
            self._sizes.observed,
            self._sizes.discrete,
            self._sizes.continuous,
            np.random.default_rng(draws),
        )
        generator = torch.Generator().manual_seed(int(network.generate_state(1, np.uint64)[0]) >> 1)
        self._agent = Agent(self._sizes, config, generator)
        self._epsilon = EpsilonSchedule(config, budget)
        self._warm_up = min(config.warm_up, int(config.warm_up_share * budget))
        self._elite = Elite(config.elite, self._sizes.discrete, self._sizes.continuous)
        returning = int(config.return_share * config.environments)
        self._environment = DesignEnvironment(
            recorder,
            config.environments,
            config.episode_length,
            np.random.default_rng(starts),
            returns=lambda count: self._elite.returns(min(count, returning)),
        )
        self._offer_starts()

    def to_the_end(self) -> None:
        """Walks and learns until the budget is spent."""
        while not self._environment.exhausted:
            observation = self._environment.observation
            choices, continuous = self._act(observation)
            transition = self._environment.step(choices, continuous)
            count = len(transition.reward)
            self._replay.add(
                observation[:count],
                choices[:count],
                continuous[:count],
                transition.reward,
                transition.next_observation,
                transition.terminated,
            )
            # As evaluated: what projection raised or lowered stays so in the moves around it.
            seen = transition.evaluation
            self._elite.offer(seen.discrete, seen.continuous, transition.reward)
            if transition.truncated:
                self._offer_starts()
            self._epsilon.advance(count, self._recorder.feasible > 0)
            # After the last step there is nobody left to act on what would be learned.
            if self._learning and not self._environment.exhausted:
                self._agent.reward_scale = RewardScale.of(self._replay.rewards)
                for _ in range(self._config.updates_per_step):
                    self._agent.update(self._replay.sample(self._config.batch))

    @property
    def _learning(self) -> bool:
        return self._recorder.evaluations >= self._warm_up

    def _offer_starts(self) -> None:
        start = self._environment.current
        self._elite.offer(start.discrete, start.continuous, reward(start, self._recorder.problem))

    def _act(self, observation: FloatArray) -> tuple[IntArray, FloatArray]:
        count = len(observation)
        choices = uniform_choices(count, self._sizes.discrete, self._rng)
        continuous = uniform_actions(count, self._sizes.continuous, self._rng)
        near = self._rng.random((count, 1)) < self._config.elite_share
        near_choices, near_continuous = self._elite.actions(
            self._environment.current.discrete, self._rng
        )
        choices = np.where(near, near_choices, choices)
        continuous = np.where(near, near_continuous, continuous)
        if not self._learning:
            return choices, continuous
        explores = self._rng.random((count, 1)) < self._epsilon.value
        greedy = self._rng.random(count) < self._config.greedy_share
        policy_choices, policy_continuous = self._agent.act(observation, greedy)
        return (
            np.where(explores, choices, policy_choices),
            np.where(explores, continuous, policy_continuous),
        )


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
