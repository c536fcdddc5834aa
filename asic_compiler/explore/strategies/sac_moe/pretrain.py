"""One policy trained on many problems at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.environment import DesignEnvironment
from asic_compiler.explore.protocol import Evaluation, Problem
from asic_compiler.explore.recorder import Recorder
from asic_compiler.explore.reward import score
from asic_compiler.explore.strategies.evolution.elite import Elite
from asic_compiler.explore.strategies.evolution.moves import exploring_actions
from asic_compiler.explore.strategies.flat import merit
from asic_compiler.explore.strategies.learning.torch_state import one_deterministic_thread
from asic_compiler.explore.strategies.sac_moe.agent import Agent
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.epsilon import EpsilonSchedule
from asic_compiler.explore.strategies.sac_moe.networks import Actor, dimensions_of
from asic_compiler.explore.strategies.sac_moe.policy_file import variables_of
from asic_compiler.explore.strategies.sac_moe.replay import Replay
from asic_compiler.explore.strategies.sac_moe.reward_scale import RewardScale


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands."""

    evaluations: int
    """Of all problems together."""
    scores: tuple[float | None, ...]
    """Best score so far of each problem; None where nothing feasible was found."""


class _Walk:
    """One problem: its designs, its best, and its scale of rewards."""

    def __init__(
        self, problem: Problem, config: SacMoeConfig, budget: int, rng: np.random.Generator
    ) -> None:
        self.recorder = Recorder(problem, budget)
        self.elite = Elite(config.elite, config.elite_per_mesh)
        returning = int(config.return_share * config.environments)
        self.environment = DesignEnvironment(
            self.recorder,
            config.environments,
            config.episode_length,
            rng,
            returns=lambda count: self.elite.best(min(count, returning)),
        )
        self.rewards = np.zeros(0, np.float32)
        self.offer_starts()

    def offer_starts(self) -> None:
        start = self.environment.current
        self.elite.offer(start, merit(start, self.recorder.problem))

    def standardised(self, rewards: np.ndarray) -> np.ndarray:
        """Rewards on this problem's own scale, so that problems count alike."""
        self.rewards = np.concatenate([self.rewards, rewards.astype(np.float32)])
        scaled = RewardScale.of(self.rewards).apply(torch.as_tensor(rewards))
        return scaled.numpy()


@one_deterministic_thread()
def pretrain(
    problems: Sequence[Problem],
    evaluations: int,
    config: SacMoeConfig | None = None,
    seed: int = 0,
    watch: Callable[[Progress], None] | None = None,
) -> tuple[Actor, list[Evaluation]]:
    """Trains one actor on all ``problems``, a batch of each in turn.

    The learner is that of a search: the same agent, replay, exploration and elite. Three things
    differ. Each problem's rewards are standardised by its own quantiles before they are stored.
    Nothing is screened or planned: what counts is the policy and not the designs. And the replay
    holds all problems, which the context in the observation tells apart.

    Args:
        problems: At least one; all have the same variables.
        evaluations: Designs evaluated in all, shared equally.
        config: Of the agent.
        seed: Of every random number.
        watch: Told now and then.

    Returns:
        The actor, and of each problem the best designs found, best first.

    Raises:
        UserError: There is no problem, they differ in their variables, or there are too few
            evaluations for a batch of each.
    """
    config = config or SacMoeConfig()
    if not problems:
        raise UserError("there is nothing to train on")
    if len({variables_of(problem) for problem in problems}) > 1:
        raise UserError("the problems differ in their variables: one policy cannot serve them")
    budget = evaluations // len(problems)
    if budget < 2 * config.environments:
        raise UserError(
            f"{evaluations} evaluations are too few for {len(problems)} problems",
            notes=[f"at least {2 * config.environments * len(problems)}"],
        )
    sizes = dimensions_of(problems[0])
    starts, actions, draws, network = np.random.SeedSequence(seed).spawn(4)
    rng = np.random.default_rng(actions)
    agent = Agent(sizes, config, torch.Generator().manual_seed(int(network.generate_state(1)[0])))
    replay = Replay(
        min(config.replay_capacity, evaluations),
        sizes.observed,
        sizes.discrete,
        sizes.continuous,
        np.random.default_rng(draws),
        config.priority_exponent,
    )
    walks = [
        _Walk(problem, config, budget, np.random.default_rng(stream))
        for problem, stream in zip(problems, starts.spawn(len(problems)), strict=True)
    ]
    epsilon = EpsilonSchedule(config, evaluations)
    warm_up = min(config.warm_up * len(problems), int(config.warm_up_share * evaluations))
    while not walks[-1].environment.exhausted:
        for walk in walks:
            done = sum(w.recorder.evaluations for w in walks)
            value = epsilon.value if done >= warm_up else 1.0
            epsilon.advance(_step(walk, agent, replay, config, value, rng), True)
            if done < warm_up:
                continue
            importance = config.importance_start
            importance += (1.0 - importance) * done / evaluations
            for _ in range(config.updates_per_step):
                batch = replay.sample(config.batch, importance)
                error = agent.update(batch)
                assert batch.rows is not None
                replay.learned(batch.rows, error)
        if watch is not None:
            watch(_progress(walks))
    return agent.actor, [walk.elite.designs for walk in walks]


def _step(
    walk: _Walk,
    agent: Agent,
    replay: Replay,
    config: SacMoeConfig,
    epsilon: float,
    rng: np.random.Generator,
) -> int:
    """Moves the designs of one problem once; how many were evaluated."""
    environment = walk.environment
    if environment.exhausted:
        return 0
    count = len(environment.current)
    explores = rng.random(count) < epsilon
    # Only those that explore go back: where the policy goes by itself is to be learned from.
    returns = np.flatnonzero(explores & (rng.random(count) < config.return_share))
    environment.go_back(returns, walk.elite.drawn(len(returns), rng))
    observation = environment.observation
    near = rng.random(count) < config.elite_share
    others = walk.elite.drawn(count, rng)
    choices, values = exploring_actions(environment.current, others, near, rng)
    greedy = rng.random(count) < config.greedy_share
    own_choices, own_values = agent.act(observation, greedy)
    choices = np.where(explores[:, None], choices, own_choices)
    values = np.where(explores[:, None], values, own_values)
    transition = environment.step(choices, values)
    moved = len(transition.reward)
    replay.add(
        observation[:moved],
        choices[:moved],
        values[:moved],
        walk.standardised(transition.reward),
        transition.next_observation,
        transition.terminated,
    )
    walk.elite.offer(transition.evaluation, merit(transition.evaluation, walk.recorder.problem))
    if transition.truncated:
        walk.offer_starts()
    return moved


def _progress(walks: Sequence[_Walk]) -> Progress:
    scores: list[float | None] = []
    for walk in walks:
        best = walk.recorder.archive.best(walk.recorder.problem)
        scores.append(None if best is None else float(score(best, walk.recorder.problem)[0]))
    return Progress(sum(w.recorder.evaluations for w in walks), tuple(scores))
