"""The learner's parts together: each can be left out, and all work where they have little to do."""

import dataclasses

import numpy as np
import pytest
import torch
from learners import HASTY
from toy_problems import NothingFits, WalkAndTune

from asic_compiler.explore.search import search
from asic_compiler.explore.strategies.evolution.surrogate import Surrogate
from asic_compiler.explore.strategies.sac_moe.agent import Agent
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig, parse_config
from asic_compiler.explore.strategies.sac_moe.loop import Loop
from asic_compiler.explore.strategies.sac_moe.networks import Dimensions
from asic_compiler.explore.strategies.sac_moe.replay import Replay
from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe

SMALL = SacMoeConfig(hidden=16, batch=16, mpc_candidates=16, mpc_horizon=3)
SWITCHED = (
    "hidden=16 batch=16 environments=8 episode_length=4 mpc_epsilon=0.5 mpc_candidates=4 "
    "surrogate_hidden=16 surrogate_start=20 surrogate_updates=2 epsilon_start=0.4 patient_budget=0 "
)


@pytest.fixture(scope="module")
def all_parts():
    return search(WalkAndTune(), SacMoe(parse_config(SWITCHED)), 300)


@pytest.mark.parametrize(
    "text",
    [
        "experts=1", "balance=0", "priority_exponent=0", "adaptive_epsilon=false", "mpc=false",
        "surrogate=false", "elite_share=0", "return_share=0", "greedy_share=0",
        "crossover_share=0", "elite_per_mesh=16",
    ],
)  # fmt: skip
def test_each_part_can_be_switched_off_and_makes_a_difference(all_parts, text):
    without = search(WalkAndTune(), SacMoe(parse_config(SWITCHED + text)), 300)
    assert without.evaluations == 300
    assert all_parts.history["performance"].tobytes() != without.history["performance"].tobytes()


def test_where_all_actions_explore_there_is_nothing_to_plan():
    config = dataclasses.replace(
        SMALL, environments=1, patient_budget=0, mpc_epsilon=1.0, epsilon_end=1.0,
        epsilon_start=1.0, surrogate=False,
    )  # fmt: skip
    assert search(WalkAndTune(), SacMoe(config), 40).evaluations == 40
    mixed = dataclasses.replace(config, epsilon_start=0.5, epsilon_end=0.5)
    assert search(WalkAndTune(), SacMoe(mixed), 80).evaluations == 80


def test_a_discrete_part_of_size_zero_is_possible():
    sizes = Dimensions(observed=3, discrete=0, continuous=1)
    agent = Agent(sizes, SacMoeConfig(hidden=16, batch=8), torch.Generator())
    choices, values = agent.act(np.zeros((5, 3)), np.zeros(5, np.bool_))
    assert choices.shape == (5, 0)
    assert values.shape == (5, 1)
    replay = Replay(20, 3, 0, 1, np.random.default_rng(0), 0.6)
    replay.add(np.ones((9, 3)), np.zeros((9, 0), np.int64), np.zeros((9, 1)), np.ones(9),
               np.ones((9, 3)), False)  # fmt: skip
    for _ in range(4):
        assert np.isfinite(agent.update(replay.sample(8))).all()


def test_context_is_observed():
    class Told(WalkAndTune):
        context = np.array([0.25, -0.5])

    result = search(Told(), SacMoe(HASTY), 100)
    plain = search(WalkAndTune(), SacMoe(HASTY), 100)
    assert result.history["performance"].tobytes() != plain.history["performance"].tobytes()


def test_the_signals_tell_gate_epsilon_and_losses():
    config = dataclasses.replace(HASTY, episode_length=4, experts=3)
    signals = search(WalkAndTune(), SacMoe(config), 300).signals
    gates = np.stack([signals[f"gate.{k}"] for k in range(3)])
    np.testing.assert_allclose(gates.sum(axis=0), 1.0, atol=1e-5)
    assert (np.diff(signals["epsilon"]) < 0).all()
    for name in ("temperature.continuous", "temperature.discrete", "loss.critic", "loss.world",
                 "loss.surrogate", "surrogate.trusted"):  # fmt: skip
        assert np.isfinite(signals[name]).any()


def test_each_proposal_of_a_design_explores_or_is_the_policys(monkeypatch):
    kinds = []

    def policy(self, observation, here, explores):
        assert len(explores) == len(here)
        return np.full((len(here), 4), 2), np.full((len(here), 30), 0.123)

    def screened(self, choices, continuous, blind):
        kinds.append((continuous == 0.123).all(axis=1).reshape(-1, len(blind)))
        return choices[: len(blind)], continuous[: len(blind)]

    monkeypatch.setattr(Loop, "_policy", policy)
    monkeypatch.setattr(Loop, "_screened", screened)
    config = dataclasses.replace(HASTY, epsilon_start=0.5, epsilon_end=0.5)
    search(WalkAndTune(), SacMoe(config), 400)
    asked = np.stack(kinds)
    assert asked.mean() == pytest.approx(0.5, abs=0.05)
    # Of almost every design there are both.
    assert (asked.any(axis=1) & ~asked.all(axis=1)).mean() > 0.99


def test_where_nothing_fits_every_part_still_works():
    config = dataclasses.replace(HASTY, mpc_epsilon=0.5, mpc_candidates=4)
    assert search(NothingFits(), SacMoe(config), 200).best is None


class Watched(WalkAndTune):
    """Keeps how many designs were evaluated at once, and the first of them."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def evaluate(self, discrete, continuous):
        self.batches.append((discrete, continuous))
        return super().evaluate(discrete, continuous)


def test_a_share_of_the_warm_up_is_starts_that_the_surrogate_and_the_walks_know_of(monkeypatch):
    told = []
    monkeypatch.setattr(Surrogate, "add", lambda self, *designs: told.append(len(designs[0])))
    monkeypatch.setattr(Surrogate, "learn", lambda self: 0.0)
    config = dataclasses.replace(
        SMALL, environments=4, warm_up=40, start_share=0.5, return_share=0.5, patient_budget=0
    )
    problem = Watched()
    found = search(problem, SacMoe(config, "none"), 160, seed=3)
    assert [len(batch) for batch, _ in problem.batches[:3]] == [20, 2, 4]
    assert sum(len(batch) for batch, _ in problem.batches) == found.evaluations == 160
    streams = np.random.SeedSequence(3).spawn(7)
    discrete, continuous = problem.start(20, np.random.default_rng(streams[0]))
    np.testing.assert_array_equal(problem.batches[0][0], discrete)
    np.testing.assert_array_equal(problem.batches[0][1], continuous)
    assert told[:2] == [20, 4]
    # A budget that is thought about longer begins so; all others by default do not.
    for budget, first in ((160, 24), (1000, 16)):
        problem = Watched()
        search(problem, SacMoe(dataclasses.replace(SMALL, surrogate_start=1), "none"), budget)
        assert len(problem.batches[0][0]) == first
