import copy
import itertools
import math

import numpy as np
import pytest
import torch

from asic_compiler.explore.strategies.sac_moe.agent import Agent
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.distributions import (
    categorical,
    categorical_entropy,
    gumbel_noise,
    tanh_gaussian,
)
from asic_compiler.explore.strategies.sac_moe.epsilon import EpsilonSchedule
from asic_compiler.explore.strategies.sac_moe.networks import Dimensions, balance_loss
from asic_compiler.explore.strategies.sac_moe.replay import Batch, Replay
from asic_compiler.explore.strategies.sac_moe.reward_scale import RewardScale

SIZES = Dimensions(observed=6, discrete=4, continuous=3)
SMALL = SacMoeConfig(hidden=32, batch=16)


@pytest.fixture(autouse=True)
def one_thread():
    # As in a run: with more, small products wait for each other on a busy machine.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def agent(**changes):
    values = {"hidden": 32, "batch": 16, **changes}
    return Agent(SIZES, SacMoeConfig(**values), generator())


def transitions(count=16, seed=0, terminated=0.0):
    rng = np.random.default_rng(seed)
    return Batch(
        observation=rng.normal(size=(count, 6)).astype(np.float32),
        choices=rng.integers(0, 5, (count, 4)),
        continuous=rng.uniform(-1, 1, (count, 3)).astype(np.float32),
        reward=rng.normal(size=count).astype(np.float32),
        next_observation=rng.normal(size=(count, 6)).astype(np.float32),
        terminated=np.full(count, terminated, np.float32),
    )


@pytest.mark.parametrize(("mean", "log_std"), [(0.0, 0.0), (0.7, -1.0), (-1.5, 0.3), (0.2, -2.5)])
def test_the_density_of_a_squashed_gaussian_integrates_to_one(mean, log_std):
    # Actions a = tanh(u) on a fine grid of u; integrating the density over a must give 1, and its
    # first moment what a large sample gives.
    grid = torch.linspace(-9, 9, 200_001, dtype=torch.float64)
    noise = (grid - mean) / math.exp(log_std)
    wide = torch.full((len(grid), 1), mean, dtype=torch.float64)
    action, log_density = tanh_gaussian(wide, torch.full_like(wide, log_std), noise[:, None])
    area = torch.trapezoid(log_density.exp(), action[:, 0])
    assert area.item() == pytest.approx(1.0, abs=1e-4)
    sample = np.tanh(np.random.default_rng(0).normal(mean, math.exp(log_std), 400_000))
    moment = torch.trapezoid(log_density.exp() * action[:, 0], action[:, 0])
    assert moment.item() == pytest.approx(sample.mean(), abs=5e-3)


def test_the_density_stays_finite_far_out_and_sums_over_dimensions():
    mean = torch.tensor([[30.0, -30.0]])
    _, both = tanh_gaussian(mean, torch.zeros(1, 2), torch.zeros(1, 2))
    _, one = tanh_gaussian(mean[:, :1], torch.zeros(1, 1), torch.zeros(1, 1))
    assert torch.isfinite(both).all()
    assert both.item() == pytest.approx(2 * one.item())


def test_gumbel_samples_follow_the_softmax():
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0, 0.5])
    sample = categorical(logits.expand(100_000, 5), gumbel_noise((100_000, 5), generator()))
    torch.testing.assert_close(sample.mean(0), logits.softmax(0), atol=5e-3, rtol=0)
    assert (sample.sum(-1) == 1).all()


def test_the_entropy_of_uniform_choices_is_their_count_times_log_five():
    assert categorical_entropy(torch.zeros(2, 4, 5)).tolist() == pytest.approx(
        [4 * math.log(5)] * 2
    )


def test_the_balance_loss_is_least_at_a_uniform_gate():
    uniform = balance_loss(torch.full((8, 4), 0.25)).item()
    alone = balance_loss(torch.eye(4)[[2] * 8]).item()
    assert uniform == pytest.approx(1.0)
    assert alone == pytest.approx(4.0)
    for seed in range(20):
        gate = torch.randn(8, 4, generator=generator(seed)).softmax(-1)
        assert balance_loss(gate).item() > uniform
    # Each state may have an expert of its own, as long as all are used alike.
    assert balance_loss(torch.eye(4).repeat(2, 1)).item() == pytest.approx(1.0)


def test_the_policy_is_the_gate_weighted_sum_of_its_experts():
    actor = agent(experts=3).actor
    observation = torch.randn(7, 6, generator=generator(1))
    mixed = actor(observation)
    assert mixed.gate.shape == (7, 3)
    torch.testing.assert_close(mixed.gate.sum(-1), torch.ones(7))
    outputs = actor.expert_w.shape[1] // 3
    expected = torch.zeros(7, 3)
    for expert in range(3):
        alone = copy.deepcopy(actor)
        keep = slice(expert * outputs, (expert + 1) * outputs)
        with torch.no_grad():
            # Every expert becomes this one: whatever the gate says, its opinion comes out.
            alone.expert_w.copy_(actor.expert_w[:, keep].repeat(1, 3))
            alone.expert_b.copy_(actor.expert_b[keep].repeat(3))
        expected += mixed.gate[:, expert : expert + 1] * alone(observation).mean
    torch.testing.assert_close(mixed.mean, expected)


def test_the_critics_see_every_part_of_the_action_and_the_state():
    critics = agent().critics
    observation, continuous = torch.randn(5, 6), torch.rand(5, 3)
    choices = torch.nn.functional.one_hot(torch.zeros(5, 4, dtype=torch.int64), 5).float()
    base = critics(observation, choices, continuous)
    assert base.shape == (2, 5)
    assert (base[0] != base[1]).all()
    for variable in range(4):
        other = choices.clone()
        other[:, variable] = other[:, variable].roll(1, dims=-1)
        assert (critics(observation, other, continuous) != base).all()
    assert (critics(observation + 1, choices, continuous) != base).all()
    assert (critics(observation, choices, continuous * 0.5) != base).all()


def test_the_critics_learn_what_the_discrete_action_is_worth():
    # A bandit whose reward depends on the first choice alone: only a critic that sees it can learn.
    learner = agent(learning_rate=3e-3, gamma=0.0)
    rng = np.random.default_rng(0)
    batch = transitions(256)
    for _ in range(150):
        choices = rng.integers(0, 5, (256, 4))
        reward = (choices[:, 0] - 2).astype(np.float32)
        learner.update(
            Batch(
                batch.observation,
                choices,
                batch.continuous,
                reward,
                batch.next_observation,
                batch.terminated,
            )
        )
    observation = torch.from_numpy(batch.observation)
    worth = []
    for choice in range(5):
        one_hot = torch.zeros(256, 4, 5)
        one_hot[:, 0, choice] = 1
        one_hot[:, 1:, 2] = 1
        with torch.no_grad():
            values = learner.critics(observation, one_hot, torch.from_numpy(batch.continuous))
        worth.append(values.mean().item())
    assert worth == pytest.approx([-2, -1, 0, 1, 2], abs=0.5)
    choices, _ = learner.act(batch.observation, np.ones(256, np.bool_))
    assert (choices[:, 0] == 4).mean() > 0.9


def joint_value(learner, observation, logits, continuous):
    """Value of the policy's actions, over every joint choice."""
    total = 0.0
    variables = logits.shape[0]
    for joint in itertools.product(range(5), repeat=variables):
        one_hot = torch.nn.functional.one_hot(torch.tensor([joint]), 5).float()
        chance = logits.softmax(-1)[torch.arange(variables), torch.tensor(joint)].prod()
        total = total + chance * learner.critics(observation, one_hot, continuous).amin(dim=0)
    return total.mean()


@pytest.mark.parametrize(("variables", "draws"), [(1, 1), (2, 600)])
def test_the_actor_follows_the_expected_value_of_its_choices(variables, draws):
    # One variable: to rounding, whatever is drawn. Several: in the mean over draws.
    sizes = Dimensions(observed=6, discrete=variables, continuous=3)
    learner = Agent(sizes, SacMoeConfig(hidden=32), generator())
    start = torch.randn(1, 6, generator=generator(1))
    logits = torch.randn(variables, 5, generator=generator(2)).requires_grad_()
    continuous = torch.rand(1, 3, generator=generator(3)).requires_grad_()
    value = joint_value(learner, start, logits, continuous)
    exact = torch.autograd.grad(value, [logits, continuous])
    rows = 64
    found = [torch.zeros(()), torch.zeros_like(logits), torch.zeros_like(continuous)]
    for _ in range(draws):
        estimate = learner._expected_value(
            start.expand(rows, 6), logits.expand(rows, variables, 5), continuous.expand(rows, 3)
        )
        gradients = torch.autograd.grad(estimate, [logits, continuous])
        for total, part in zip(found, [estimate.detach(), *gradients], strict=True):
            total += part / draws
    tolerance = {"rtol": 1e-4, "atol": 1e-6} if variables == 1 else {"rtol": 0.1, "atol": 2e-3}
    for mine, true in zip(found, [value.detach(), *exact], strict=True):
        torch.testing.assert_close(mine, true, **tolerance)
    assert exact[0].abs().max() > 0.01


def test_the_target_takes_the_lower_twin_and_stops_at_a_terminal_state():
    learner = agent(gamma=0.5)
    with torch.no_grad():
        learner.targets.w3.zero_()
        learner.targets.b3.copy_(torch.tensor([[7.0], [3.0]]))
    silent = torch.zeros(2)
    ongoing, ended = transitions(), transitions(terminated=1.0)
    reward = torch.from_numpy(ongoing.reward)
    torch.testing.assert_close(learner.soft_target(ongoing, silent), reward + 0.5 * 3.0)
    torch.testing.assert_close(learner.soft_target(ended, silent), reward)


def test_the_target_counts_entropy_as_worth():
    learner = agent()
    batch = transitions(512)
    without = learner.soft_target(batch, torch.zeros(2)).mean()
    # A fresh policy is nearly uniform in the discrete part: about 4 ln 5 nat.
    with_discrete = learner.soft_target(batch, torch.tensor([0.0, 1.0])).mean()
    assert with_discrete - without == pytest.approx(0.99 * 4 * math.log(5), rel=0.1)


def test_a_temperature_rises_where_entropy_is_below_its_target():
    learner = agent()
    before = learner.log_alpha.detach().clone()
    learner.tune(learner.target_entropy + torch.tensor([-1.0, 1.0]))
    assert learner.log_alpha[0] > before[0]
    assert learner.log_alpha[1] < before[1]


def test_the_log_temperature_stays_in_its_limits():
    learner = agent(log_alpha_limit=2.0, alpha_learning_rate=1.0)
    for _ in range(20):
        learner.tune(learner.target_entropy + torch.tensor([-1.0, 1.0]))
    assert learner.log_alpha.tolist() == [2.0, -2.0]


def test_the_targets_follow_the_critics_by_tau():
    learner = agent(tau=0.25)
    with torch.no_grad():
        for parameter in learner.critics.parameters():
            parameter.add_(1.0)
    before = [parameter.clone() for parameter in learner.targets.parameters()]
    learner.follow()
    for old, new in zip(before, learner.targets.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.25)


def test_the_actor_moves_at_its_period_and_never_moves_the_critics():
    learner = agent(actor_period=2)
    batch = transitions()

    def snapshot():
        return torch.cat([p.detach().flatten() for p in learner.actor.parameters()])

    first = snapshot()
    learner.update(batch)
    assert torch.equal(snapshot(), first)
    learner.update(batch)
    assert not torch.equal(snapshot(), first)
    critics = [p.detach().clone() for p in learner.critics.parameters()]
    learner._improve(torch.from_numpy(batch.observation), torch.ones(2))
    for old, new in zip(critics, learner.critics.parameters(), strict=True):
        assert torch.equal(old, new)


def test_greedy_actions_are_the_mode_and_others_a_sample():
    learner = agent()
    observation = np.zeros((64, 6))
    greedy = np.arange(64) < 32
    choices, continuous = learner.act(observation, greedy)
    policy = learner.actor(torch.zeros(1, 6))
    np.testing.assert_allclose(
        continuous[:32], policy.mean.tanh().expand(32, 3).detach().numpy(), atol=1e-6
    )
    assert (choices[:32] == policy.logits.argmax(-1).numpy()).all()
    assert len(np.unique(continuous[32:], axis=0)) == 32
    assert set(choices[32:].ravel().tolist()) == {0, 1, 2, 3, 4}
    assert np.abs(continuous).max() <= 1.0


def test_epsilon_falls_over_the_budget_and_ten_times_slower_while_nothing_is_feasible():
    config = SacMoeConfig()

    def after(evaluations, found, budget=1000, steps=10):
        schedule = EpsilonSchedule(config, budget)
        assert schedule.value == 0.5
        for _ in range(steps):
            schedule.advance(evaluations // steps, found)
        return schedule.value

    assert after(1000, True) == pytest.approx(0.1 + 0.4 * math.exp(-2.5))
    assert after(1000, False) == pytest.approx(0.1 + 0.4 * math.exp(-0.25))
    assert after(1000, False) == pytest.approx(after(100, True))
    # The rate follows the budget, and the size of the batches does not matter.
    assert after(2000, True, budget=2000) == pytest.approx(after(1000, True))
    assert after(1000, True, steps=100) == pytest.approx(after(1000, True))
    assert after(100_000, True) + 1e-12 > 0.1


def fill(replay, values):
    values = np.asarray(values, np.float64)
    count = len(values)
    replay.add(
        values[:, None] * np.ones((1, 2)),
        np.zeros((count, 1), np.int64),
        np.zeros((count, 1)),
        values,
        values[:, None] + np.ones((1, 2)),
        False,
    )


def test_replay_overwrites_the_oldest_when_it_is_full():
    replay = Replay(5, 2, 1, 1, np.random.default_rng(0))
    fill(replay, [0, 1, 2])
    assert len(replay) == 3
    fill(replay, [3, 4, 5, 6])
    assert len(replay) == 5
    batch = replay.sample(500)
    assert set(batch.reward.tolist()) == {2, 3, 4, 5, 6} == set(replay.rewards.tolist())
    # The parts of a transition stay together across the wrap.
    np.testing.assert_array_equal(batch.observation[:, 0], batch.reward)
    np.testing.assert_array_equal(batch.next_observation[:, 1], batch.reward + 1)


def test_replay_draws_uniformly_from_what_was_added_only():
    replay = Replay(100, 2, 1, 1, np.random.default_rng(0))
    fill(replay, np.arange(1, 11))
    drawn = np.bincount(replay.sample(20_000).reward.astype(int), minlength=11)
    assert drawn[0] == 0
    assert drawn[1:].min() > 1700
    assert drawn.max() < 2300


def test_rewards_are_standardised_by_quantiles_with_a_floor():
    rewards = np.concatenate([np.linspace(0, 1, 101), [-1e6]]).astype(np.float32)
    scale = RewardScale.of(rewards)
    scaled = scale.apply(torch.tensor([-1e6, 0.5, 0.95]))
    torch.testing.assert_close(scaled, torch.tensor([-3.0, 0.0, 1.0]), atol=0.03, rtol=0)
    assert RewardScale.of(np.ones(10, np.float32)).apply(torch.ones(1)).item() == 0.0
