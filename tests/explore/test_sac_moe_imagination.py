"""What the learner imagines: world model, plans, surrogate heads, refinement."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toy_problems import WalkAndTune

from asic_compiler.explore.reward import reward, score
from asic_compiler.explore.strategies.evolution.candidates import Candidates
from asic_compiler.explore.strategies.evolution.moves import refining
from asic_compiler.explore.strategies.evolution.refinement import refined
from asic_compiler.explore.strategies.evolution.surrogate import (
    Surrogate,
    expected_improvement,
)
from asic_compiler.explore.strategies.sac_moe.agent import Agent
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.imagination.planner import Planner
from asic_compiler.explore.strategies.sac_moe.imagination.world_model import WorldModel
from asic_compiler.explore.strategies.sac_moe.loop import Loop
from asic_compiler.explore.strategies.sac_moe.networks import Dimensions
from asic_compiler.explore.strategies.sac_moe.replay import Batch

SIZES = Dimensions(observed=6, discrete=2, continuous=3, context=2)
SMALL = SacMoeConfig(hidden=16, batch=16, mpc_candidates=16, mpc_horizon=3)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# World model and planner.


def move(observation, choices, continuous):
    """A linear world; what is context stays."""
    after = observation.copy()
    after[:, :2] += 0.3 * (choices - 2)
    after[:, 2:4] = continuous[:, :2]
    return after


def dynamics(count, seed):
    rng = np.random.default_rng(seed)
    observation = rng.uniform(-1, 1, (count, 6))
    choices = rng.integers(0, 5, (count, 2))
    continuous = rng.uniform(-1, 1, (count, 3))
    after = move(observation, choices, continuous)
    single = [a.astype(np.float32) for a in (observation, continuous, after)]
    zeros = np.zeros(count, np.float32)
    return Batch(single[0], choices, single[1], zeros, single[2], zeros)


def test_the_world_model_learns_what_an_action_leads_to():
    model = WorldModel(SIZES, SacMoeConfig(learning_rate=4e-3), generator())
    for step in range(400):
        model.learn(dynamics(128, step))
    test = dynamics(256, 10_000)
    with torch.no_grad():
        seen, choices, values = (
            torch.as_tensor(a) for a in (test.observation, test.choices, test.continuous)
        )
        guess = model(seen, choices, values).numpy()
    still = ((test.observation - test.next_observation) ** 2).mean()
    assert ((guess - test.next_observation) ** 2).mean() < 0.02 * still
    # Context is passed on untouched.
    np.testing.assert_array_equal(guess[:, 4:], test.observation[:, 4:])


def test_a_world_model_that_knows_nothing_expects_no_change():
    model = WorldModel(SIZES, SMALL, generator())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    seen = torch.rand(5, 6)
    assert torch.equal(model(seen, torch.zeros(5, 2, dtype=torch.int64), torch.zeros(5, 3)), seen)


class Valley(torch.nn.Module):
    """Critics that know the best value of the first two variables, whatever the state."""

    def forward(self, observation, one_hot, continuous):
        value = -((continuous[:, :2] - torch.tensor([0.5, -0.5])) ** 2).sum(-1)
        return torch.stack([value, value + 1.0])


def planner(share=1.0, tile=(0, 1)):
    config = SacMoeConfig(hidden=16, mpc_candidates=256, mpc_horizon=3, mpc_share=share)
    agent = Agent(SIZES, config, generator())
    agent.critics = Valley()
    return Planner(
        agent, WorldModel(SIZES, config, generator()), config, np.array(tile), generator()
    )


def test_a_plan_moves_the_tile_parameters_towards_what_the_critics_value():
    observation = torch.zeros(4, 6)
    choices = torch.full((4, 2), 2)
    policy = torch.zeros(4, 3)
    plan = planner().improve(observation, choices, policy)
    assert (plan[:, 0] > 0.2).all()
    assert (plan[:, 1] < -0.2).all()
    assert (plan[:, 2] == 0.0).all()
    # The plan and the policy are mixed by the share.
    mixed = planner(share=0.7).improve(observation, choices, policy)
    torch.testing.assert_close(mixed, 0.7 * plan)
    only = planner(tile=(1,)).improve(observation, choices, policy)
    assert (only[:, 0] == 0.0).all()


def test_a_policy_that_is_best_is_left_alone():
    best = torch.tensor([[0.5, -0.5, 0.1]] * 3)
    made = planner()
    # In later states too: the actor's mode is the best action.
    with torch.no_grad():
        actor = made._agent.actor
        for parameter in actor.parameters():
            parameter.zero_()
        outputs = actor.expert_b.view(made._config.experts, -1)
        outputs[:, 10:12] = torch.atanh(torch.tensor([0.5, -0.5]))
    plan = made.improve(torch.zeros(3, 6), torch.full((3, 2), 2), best)
    torch.testing.assert_close(plan, best)


# Surrogate.


@pytest.fixture(scope="module")
def learned():
    """A surrogate that has learned, its problem, and designs that it has not seen."""
    problem = WalkAndTune(side=8, power_budget_w=24.0)
    config = SacMoeConfig(surrogate_hidden=64, batch=128)
    surrogate = Surrogate(problem, config, generator())
    rng = np.random.default_rng(0)

    def draw(count):
        discrete = rng.integers(1, 9, (count, 4)).clip(1, problem.discrete_high)
        return discrete, rng.uniform(-1, 1, (count, 30))

    designs = draw(1500)
    surrogate.add(*designs, problem.evaluate(*designs))
    assert not surrogate.begun
    for _ in range(500):
        surrogate.learn()
    assert surrogate.begun
    return problem, surrogate, draw(500)


def test_the_surrogate_ranks_designs_that_it_has_not_seen(learned):
    problem, surrogate, designs = learned
    outcome = problem.evaluate(*designs)
    mean, deviation = surrogate.judge(*designs)
    true = reward(outcome, problem)
    ranks = [np.argsort(np.argsort(values)) for values in (mean, true)]
    assert np.corrcoef(*ranks)[0, 1] > 0.8
    told = mean > 0.5
    assert (told == outcome.feasible).mean() > 0.75
    # Where the members agree they are right more often.
    sure = deviation <= np.median(deviation)
    wrong = np.abs(mean - true)
    assert np.median(wrong[sure]) < 0.3 * np.median(wrong[~sure])


def test_a_design_promises_what_it_is_better_than_the_best(learned):
    problem, surrogate, designs = learned
    outcome = problem.evaluate(*designs)
    best = float(np.quantile(score(outcome, problem)[outcome.feasible], 0.7))
    promise, deviation = surrogate.judge(*designs, best)
    lead = np.where(outcome.feasible, np.maximum(score(outcome, problem) - best, 0.0), 0.0)
    assert (promise >= 0.0).all()
    assert (deviation >= 1e-4).all()
    first = promise.argsort()[-50:]
    assert outcome.feasible[first].mean() > 0.8
    assert lead[first].mean() > 3.0 * lead.mean()
    assert promise[first].mean() == pytest.approx(lead[first].mean(), rel=0.5)


@pytest.mark.parametrize(("lead", "deviation"), [(0.0, 1.0), (-0.3, 0.2), (0.5, 0.1), (-2.0, 1.0)])
def test_the_expected_improvement_is_the_mean_of_the_part_above(lead, deviation):
    sample = np.random.default_rng(0).normal(lead, deviation, 1_000_000)
    found = expected_improvement(np.array([lead]), np.array([deviation]))
    assert found[0] == pytest.approx(np.maximum(sample, 0.0).mean(), rel=0.02)


def test_without_hope_a_design_promises_nothing_and_no_warning():
    found = expected_improvement(np.array([-100.0, 100.0]), np.array([1e-4, 1e-4]))
    np.testing.assert_allclose(found, [0.0, 100.0])


def test_a_design_that_the_members_disagree_on_is_worth_nothing(learned):
    _, surrogate, designs = learned
    best = 0.0
    promise, deviation = surrogate.judge(*designs, best)
    worth = surrogate.worth(Candidates(*designs), best)
    trusted = deviation <= surrogate._config.disagreement
    assert 0 < trusted.sum() < len(trusted)
    np.testing.assert_array_equal(worth[trusted], promise[trusted])
    assert (worth[~trusted] == -np.inf).all()


def test_what_was_rounded_is_seen_as_it_is_built():
    class Stepped(WalkAndTune):
        def foresight(self, discrete, continuous):
            return np.concatenate([discrete / 8.0, np.rint(continuous)], axis=1)

    surrogate = Surrogate(Stepped(), SacMoeConfig(), generator())
    discrete, values = np.ones((2, 4), np.int64), np.full((2, 30), 0.1)
    values[1] = 0.2
    first, second = surrogate.describe(discrete, values)
    np.testing.assert_array_equal(first, second)
    assert (surrogate.describe(discrete, np.full((2, 30), 0.9))[0] != first).any()


# Refinement.


def peak(designs):
    """Highest at mesh 5 x 5 and values 0.5."""
    return -np.abs(designs.discrete - 5).sum(axis=1) - np.abs(designs.continuous - 0.5).sum(axis=1)


def drawn(count, rng):
    return Candidates(rng.integers(1, 9, (count, 4)), rng.uniform(-1, 1, (count, 30)))


def test_refined_proposals_are_worth_more_and_never_less():
    rng = np.random.default_rng(0)
    proposals = drawn(64, rng)
    kept = proposals.discrete.copy(), proposals.continuous.copy()

    def move(now):
        return refining(now, np.full(4, 1), np.full(4, 8), rng)

    same, worth = refined(proposals, move, peak, 0)
    assert same is proposals
    np.testing.assert_array_equal(worth, peak(proposals))
    better, more = refined(proposals, move, peak, 100)
    np.testing.assert_array_equal(more, peak(better))
    assert (more >= worth).all()
    assert np.median(more - worth) > 5.0
    # What was given is not written to.
    np.testing.assert_array_equal(proposals.discrete, kept[0])
    np.testing.assert_array_equal(proposals.continuous, kept[1])


def test_a_refining_move_stays_in_reach():
    rng = np.random.default_rng(1)
    proposals = drawn(256, rng)
    low = np.maximum(proposals.discrete - 2, 1)
    high = np.minimum(proposals.discrete + 2, 8)
    moved = proposals
    for _ in range(20):
        moved = refining(moved, low, high, rng)
    assert (moved.discrete >= low).all()
    assert (moved.discrete <= high).all()
    assert (np.abs(moved.continuous) <= 1.0).all()
    assert (moved.discrete != proposals.discrete).any()


def test_the_best_trusted_proposal_is_taken_and_the_first_where_none_is():
    # Three proposals, repeated as a whole, for each of three designs.
    told = np.array([[1.0, 1.0, -np.inf], [-np.inf, 2.0, -np.inf], [2.0, -np.inf, -np.inf]])
    loop = SimpleNamespace(
        _surrogate=SimpleNamespace(worth=lambda now, best: told.ravel().copy()),
        _recorder=SimpleNamespace(feasible=0),
        _signals={},
    )
    proposals = drawn(9, np.random.default_rng(0))
    chosen = Loop._most_promising(loop, proposals, lambda now: now, 0, 3)
    rows = np.array([6, 4, 2])
    np.testing.assert_array_equal(chosen.discrete, proposals.discrete[rows])
    np.testing.assert_array_equal(chosen.continuous, proposals.continuous[rows])
    assert loop._signals["surrogate.trusted"] == pytest.approx(4 / 9)


def test_a_reward_that_the_heads_imply_is_that_of_the_design():
    problem = WalkAndTune()
    rng = np.random.default_rng(0)
    designs = (
        rng.integers(problem.discrete_low, problem.discrete_high + 1, (400, 4)),
        rng.uniform(-1, 1, (400, 30)),
    )
    outcome = problem.evaluate(*designs)
    surrogate = Surrogate(problem, SacMoeConfig(), generator())
    surrogate.add(*designs, outcome)
    implied = surrogate._reward(surrogate._targets.astype(np.float64))
    true = reward(outcome, problem)
    # But for the margin's bonus (2 %), and where the violation is beyond the head's range.
    near = outcome.violation < 2.0
    assert 0.2 < outcome.feasible.mean() < 0.8
    np.testing.assert_allclose(implied[near], true[near], atol=0.021)
