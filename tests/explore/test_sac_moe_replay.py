"""Prioritised replay: what is drawn how often, and what it weighs."""

import numpy as np
import pytest
import torch

from asic_compiler.explore.strategies.sac_moe.agent import Agent
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.networks import Dimensions
from asic_compiler.explore.strategies.sac_moe.replay import Batch, Replay


def fill(replay, count):
    values = np.arange(count, dtype=np.float64)
    replay.add(
        np.zeros((count, 1)), np.zeros((count, 1), np.int64), np.zeros((count, 1)), values,
        np.zeros((count, 1)), False,
    )  # fmt: skip


def test_transitions_are_drawn_by_their_error_to_the_exponent():
    replay = Replay(10, 1, 1, 1, np.random.default_rng(0), exponent=0.5)
    fill(replay, 4)
    replay.learned(np.arange(4), np.array([1.0, 4.0, 9.0, 16.0], np.float32))
    drawn = replay.sample(40_000)
    shares = np.bincount(drawn.rows, minlength=4) / 40_000
    np.testing.assert_allclose(shares, np.array([1, 2, 3, 4]) / 10, atol=2e-3)


def test_importance_weights_undo_the_preference_at_exponent_one():
    replay = Replay(10, 1, 1, 1, np.random.default_rng(0), exponent=0.6)
    fill(replay, 5)
    replay.learned(np.arange(5), np.array([0.1, 5.0, 2.0, 0.5, 9.0], np.float32))
    batch = replay.sample(100_000, importance=1.0)
    # The weighted mean of any quantity is its plain mean over the buffer: here 0, 1, .., 4.
    assert np.average(batch.reward, weights=batch.weight) == pytest.approx(2.0, abs=0.02)
    assert batch.weight.max() == 1.0
    flat = replay.sample(100, importance=0.0)
    assert (flat.weight == 1.0).all()


def test_a_new_transition_has_the_largest_priority():
    replay = Replay(100, 1, 1, 1, np.random.default_rng(0), exponent=1.0)
    fill(replay, 50)
    replay.learned(np.arange(50), np.full(50, 0.01, np.float32))
    replay.learned(np.array([3]), np.array([20.0], np.float32))
    replay.add(np.zeros((1, 1)), np.zeros((1, 1), np.int64), np.zeros((1, 1)), np.array([77.0]),
               np.zeros((1, 1)), False)  # fmt: skip
    drawn = replay.sample(1000).reward
    assert (drawn == 77.0).mean() == pytest.approx(0.5, abs=0.05)


def test_uniform_replay_weighs_nothing():
    replay = Replay(10, 1, 1, 1, np.random.default_rng(0))
    fill(replay, 4)
    replay.learned(np.array([0]), np.array([1e6], np.float32))
    batch = replay.sample(4000)
    assert batch.weight is None
    assert np.bincount(batch.rows).min() > 800


def test_an_importance_weight_scales_a_transitions_pull():
    # Two contradictory rewards of one action: the weighted mean is what the critics learn.
    learner = Agent(
        Dimensions(6, 2, 3), SacMoeConfig(hidden=32, gamma=0.0), torch.Generator().manual_seed(0)
    )
    learner.log_alpha.data.fill_(-20.0)
    rng = np.random.default_rng(0)
    ones = np.ones((64, 1), np.float32)
    batch = Batch(
        observation=ones * rng.normal(size=6).astype(np.float32),
        choices=np.zeros((64, 2), np.int64),
        continuous=ones * np.zeros(3, np.float32),
        reward=np.tile(np.array([0.0, 1.0], np.float32), 32),
        next_observation=np.zeros((64, 6), np.float32),
        terminated=np.ones(64, np.float32),
        weight=np.tile(np.array([0.25, 1.0], np.float32), 32),
    )
    for _ in range(300):
        error = learner.update(batch)
    assert error[0] == pytest.approx(0.8, abs=0.05)
    assert error[1] == pytest.approx(0.2, abs=0.05)
