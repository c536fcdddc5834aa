"""The learner's optional parts, each alone."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toy_problems import NothingFits, WalkAndTune

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.reward import reward, score
from asic_compiler.explore.search import search
from asic_compiler.explore.strategies.sac_moe.agent import Agent
from asic_compiler.explore.strategies.sac_moe.candidates import Candidates
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig, parse_config
from asic_compiler.explore.strategies.sac_moe.exploration.moves import refining
from asic_compiler.explore.strategies.sac_moe.imagination.planner import Planner
from asic_compiler.explore.strategies.sac_moe.imagination.refinement import refined
from asic_compiler.explore.strategies.sac_moe.imagination.surrogate import (
    Surrogate,
    expected_improvement,
)
from asic_compiler.explore.strategies.sac_moe.imagination.world_model import WorldModel
from asic_compiler.explore.strategies.sac_moe.loop import Loop
from asic_compiler.explore.strategies.sac_moe.networks import Dimensions
from asic_compiler.explore.strategies.sac_moe.replay import Batch, Replay
from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe

SIZES = Dimensions(observed=6, discrete=2, continuous=3, context=2)
SMALL = SacMoeConfig(hidden=16, batch=16, mpc_candidates=16, mpc_horizon=3)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# Configuration.


def test_options_change_what_they_name_and_nothing_else():
    config = parse_config("experts=1 mpc=false learning-rate=3e-4")
    assert (config.experts, config.mpc, config.learning_rate) == (1, False, 3e-4)
    rest = {k: v for k, v in config.describe().items()
            if k not in ("experts", "mpc", "learning_rate")}  # fmt: skip
    assert rest.items() <= SacMoeConfig().describe().items()
    assert parse_config("") == SacMoeConfig()


def test_a_small_budget_is_thought_about_longer():
    config = parse_config("environments=8 surrogate_updates=3 refinements=5 patient_budget=499")
    assert config.paced(500) is config
    slow = config.paced(499)
    assert (slow.environments, slow.surrogate_updates, slow.refinements) == (2, 12, 30)
    assert slow.known_share == 0.25
    assert parse_config("known_share=0").paced(10).known_share == 0.0
    paced = ("environments", "surrogate_updates", "refinements", "known_share")
    assert slow == dataclasses.replace(config, **{name: getattr(slow, name) for name in paced})
    assert parse_config("environments=3").paced(10).environments == 1
    most = parse_config("refinements=9999 surrogate_updates=9999").paced(10)
    assert (most.refinements, most.surrogate_updates) == (10**4, 10**4)
    for same in ("patient_budget=0", "surrogate=false"):
        assert parse_config(same).paced(10) == parse_config(same)


def test_a_search_that_learns_goes_by_the_pace_of_its_budget(monkeypatch):
    seen = []
    monkeypatch.setattr(SacMoeConfig, "paced", lambda config, budget: seen.append(budget) or config)
    search(WalkAndTune(), SacMoe(SMALL), 40)
    assert seen == [40]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("expert=1", "no option 'expert'"),
        ("experts", "not of the form"),
        ("experts=1.5", "a whole number"),
        ("experts=two", "a whole number"),
        ("gamma=high", "a number"),
        ("mpc=off", "true or false"),
        ("experts=0", "between 1 and 64"),
        ("gamma=1.5", "between 0 and 1"),
        ("gamma=nan", "between 0 and 1"),
        ("experts=2 experts=3", "given twice"),
    ],
)
def test_a_wrong_option_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        parse_config(text)


@pytest.mark.parametrize(
    "text",
    [
        "experts=1", "balance=0", "priority_exponent=0", "adaptive_epsilon=false", "mpc=false",
        "surrogate=false", "elite_share=0", "return_share=0", "greedy_share=0",
        "crossover_share=0", "elite_per_mesh=16",
    ],
)  # fmt: skip
def test_each_part_can_be_switched_off_and_makes_a_difference(text):
    common = "hidden=16 batch=16 environments=8 episode_length=4 mpc_epsilon=0.5 mpc_candidates=4 "
    common += "surrogate_start=20 epsilon_start=0.4 patient_budget=0 "
    plain = search(WalkAndTune(), SacMoe(parse_config(common)), 400)
    without = search(WalkAndTune(), SacMoe(parse_config(common + text)), 400)
    assert without.evaluations == 400
    assert plain.history["performance"].tobytes() != without.history["performance"].tobytes()


def test_where_all_actions_explore_there_is_nothing_to_plan():
    config = dataclasses.replace(
        SMALL, environments=1, patient_budget=0, mpc_epsilon=1.0, epsilon_end=1.0,
        epsilon_start=1.0, surrogate=False,
    )  # fmt: skip
    assert search(WalkAndTune(), SacMoe(config), 40).evaluations == 40
    mixed = dataclasses.replace(config, epsilon_start=0.5, epsilon_end=0.5)
    assert search(WalkAndTune(), SacMoe(mixed), 80).evaluations == 80


# Prioritised replay.


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
    learner = Agent(Dimensions(6, 2, 3), SacMoeConfig(hidden=32, gamma=0.0), generator())
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


# The whole, with parts that are seldom there.


def test_a_discrete_part_of_size_zero_is_possible():
    sizes = Dimensions(observed=3, discrete=0, continuous=1)
    agent = Agent(sizes, SacMoeConfig(hidden=16, batch=8), generator())
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

    result = search(Told(), SacMoe(SacMoeConfig(hidden=16, batch=16)), 100)
    plain = search(WalkAndTune(), SacMoe(SacMoeConfig(hidden=16, batch=16)), 100)
    assert result.history["performance"].tobytes() != plain.history["performance"].tobytes()


def test_the_signals_tell_gate_epsilon_and_losses():
    config = SacMoeConfig(hidden=16, batch=16, environments=8, episode_length=4, experts=3)
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
    config = SacMoeConfig(hidden=16, batch=16, environments=8, epsilon_start=0.5, epsilon_end=0.5)
    search(WalkAndTune(), SacMoe(config), 400)
    asked = np.stack(kinds)
    assert asked.mean() == pytest.approx(0.5, abs=0.05)
    # Of almost every design there are both.
    assert (asked.any(axis=1) & ~asked.all(axis=1)).mean() > 0.99


def test_where_nothing_fits_every_part_still_works():
    config = SacMoeConfig(hidden=16, batch=16, environments=8, mpc_epsilon=0.5, mpc_candidates=4)
    assert search(NothingFits(), SacMoe(config), 200).best is None
