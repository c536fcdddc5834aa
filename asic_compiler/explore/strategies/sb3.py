"""SAC (Haarnoja et al. 2018) and PPO (Schulman et al. 2017) of Stable-Baselines3.

They walk our Gymnasium environment with a flat action: one network each, no experts, no moves
around what was good, no return to it. Every episode begins at a fresh design of ``problem.start``,
which costs budget like any other. Both keep the library's hyper-parameters except those below: a
budget of thousands is far less than they are meant for.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import gymnasium
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.vec_env import DummyVecEnv

from asic_compiler.explore.gym_env import BudgetSpentError, ChipDesignEnv, FlatActions
from asic_compiler.explore.observer import Observer
from asic_compiler.explore.protocol import Problem
from asic_compiler.explore.recorder import Recorder
from asic_compiler.explore.strategies.learning.torch_state import one_deterministic_thread
from asic_compiler.explore.strategy import SearchResult, conclude


@dataclass(frozen=True, slots=True)
class Sb3Sac:
    """Soft actor-critic, one update a step, as the library has it."""

    episode_length: int = 16
    warm_up: int = 256
    """Steps with uniform actions. The library's is 100."""

    @property
    def name(self) -> str:
        """``sb3-sac``."""
        return "sb3-sac"

    def run(
        self, problem: Problem, budget: int, seed: int, observer: Observer | None = None
    ) -> SearchResult:
        """Evaluates exactly ``budget`` designs."""
        recorder = Recorder(problem, budget, observer)
        with one_deterministic_thread():
            walk = _environment(recorder, self.episode_length)
            warm_up = min(self.warm_up, budget // 4)
            _learn(SAC("MlpPolicy", walk, learning_starts=warm_up, seed=seed, device="cpu"), budget)
        return conclude(self.name, seed, recorder)


@dataclass(frozen=True, slots=True)
class Sb3Ppo:
    """Proximal policy optimisation: 256 steps, then ten epochs over them."""

    episode_length: int = 16
    rollout: int = 256
    """Steps between two updates of the policy. The library's is 2,048: two in a budget."""

    @property
    def name(self) -> str:
        """``sb3-ppo``."""
        return "sb3-ppo"

    def run(
        self, problem: Problem, budget: int, seed: int, observer: Observer | None = None
    ) -> SearchResult:
        """Evaluates exactly ``budget`` designs."""
        recorder = Recorder(problem, budget, observer)
        with one_deterministic_thread():
            walk = _environment(recorder, self.episode_length)
            _learn(PPO("MlpPolicy", walk, n_steps=self.rollout, seed=seed, device="cpu"), budget)
        return conclude(self.name, seed, recorder)


def _environment(recorder: Recorder, episode_length: int) -> DummyVecEnv:
    def make() -> gymnasium.Env[Any, Any]:
        return FlatActions(ChipDesignEnv(recorder.problem, episode_length, recorder))

    return DummyVecEnv([make])


def _learn(model: SAC | PPO, budget: int) -> None:
    # A step costs an evaluation and a reset another: the budget always ends first.
    with suppress(BudgetSpentError):
        model.learn(total_timesteps=budget + 1)  # pyright: ignore[reportUnknownMemberType]
