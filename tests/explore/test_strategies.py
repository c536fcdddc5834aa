"""What every strategy owes: the budget exactly, the same bytes, valid designs, better than luck."""

import random
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch
from optuna.distributions import FloatDistribution
from optuna.samplers import TPESampler
from toy_problems import NothingFits, WalkAndTune

from asic_compiler.diagnostics import UserError
from asic_compiler.explore import strategies
from asic_compiler.explore.search import search
from asic_compiler.explore.strategies import optuna_search, resolve, strategy_names
from asic_compiler.explore.strategies.flat import STARTS

EVERY = strategy_names()
SLOW = {"bayesian": 67, "tpe": 80, "sb3-sac": 30, "sac-moe": 60}
"""Budgets of those that think long about a design."""
ON_POINTS = ("annealing", "bayesian", "cma-es", "gradient", "grid", "nsga2", "nsga3", "tpe")


class Strict(WalkAndTune):
    """Refuses what a problem need not answer."""

    def evaluate(self, discrete, continuous):
        assert discrete.dtype == np.int64
        assert discrete.shape == (len(continuous), 4)
        assert continuous.shape[1:] == (30,)
        assert (discrete >= self.discrete_low).all()
        assert (discrete <= self.discrete_high).all()
        assert (np.abs(continuous) <= 1.0).all()
        return super().evaluate(discrete, continuous)


def generators():
    """The state of what is global."""
    return (
        random.getstate(),
        np.random.get_state()[1].tobytes(),
        torch.get_rng_state().numpy().tobytes(),
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
    )


@cache
def observed(strategy, budget, seed):
    """A search, the designs that it evaluated, and the global state before and after it."""
    problem, before = Strict(), generators()
    result = search(problem, strategy, budget, seed)
    return result, sum(problem.calls), before, generators()


def run(strategy, budget, seed):
    """A search that every test of it shares."""
    return observed(strategy, budget, seed)[0]


def own_budget(strategy):
    return SLOW.get(strategy, 300)


AT_THE_STARTS = (STARTS - 1, STARTS, STARTS + 1)
BUDGETS = {
    (strategy, min(budget, own_budget(strategy)))
    for strategy in EVERY
    # Searches on points begin with a list of them, whose ends matter; the learner has none.
    for budget in (1, *(() if strategy == "sac-moe" else AT_THE_STARTS), 300)
}


@pytest.mark.parametrize(("strategy", "budget"), sorted(BUDGETS))
def test_the_budget_is_spent_exactly_on_valid_designs(strategy, budget):
    result, evaluated, _, _ = observed(strategy, budget, 5)
    assert result.evaluations == evaluated == budget == len(result.history["score"])
    assert result.strategy == strategy == resolve(strategy).name


@pytest.mark.parametrize("strategy", EVERY)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(strategy):
    budget = own_budget(strategy)
    first, other = (run(strategy, budget, seed) for seed in (5, 6))
    # Whatever others drew from the global generators meanwhile.
    torch.rand(3), np.random.rand(3), random.random()
    again = search(Strict(), strategy, budget, 5)
    for name, column in first.history.items():
        assert column.tobytes() == again.history[name].tobytes(), name
    assert first.archive.members.features.tobytes() == again.archive.members.features.tobytes()
    assert first.best.continuous.tobytes() == again.best.continuous.tobytes()
    assert first.history["performance"].tobytes() != other.history["performance"].tobytes()


@pytest.mark.parametrize("strategy", EVERY)
def test_the_global_generators_are_left_as_they_were(strategy):
    _, _, before, after = observed(strategy, own_budget(strategy), 5)
    assert after == before


@pytest.mark.parametrize("strategy", EVERY)
def test_where_nothing_is_feasible_the_nearest_design_is_the_answer(strategy):
    result = search(NothingFits(), strategy, min(own_budget(strategy), 66))
    assert result.best is None
    assert result.nearest.violation[0] == result.history["violation"].min() > 0


@pytest.mark.parametrize("strategy", ON_POINTS)
def test_searches_on_points_begin_with_the_same_designs(strategy):
    ours, reference = run(strategy, own_budget(strategy), 5).history, run("grid", 300, 5).history
    names = ("width", "height", "sc_x", "sc_y", *(f"knob_{i}" for i in range(30)))
    for name in names:
        np.testing.assert_allclose(
            np.sort(ours[name][:STARTS]), np.sort(reference[name][:STARTS]), atol=1e-12
        )


@pytest.mark.parametrize("strategy", ["annealing", "cma-es", "gradient", "grid"])
@pytest.mark.parametrize("seed", [5, 6])
def test_better_than_sampling_at_an_equal_budget(strategy, seed):
    ours = run(strategy, 1500, seed).best_score
    assert ours > run("random", 1500, seed).best_score + 0.02
    assert ours > run("starts", 1500, seed).best_score + 0.02


@pytest.mark.parametrize("strategy", ["nsga2", "nsga3"])
def test_a_front_goes_beyond_the_starts(strategy):
    """On this problem every mesh is on the front and a population spreads over all of them, so that
    of one score it finds less than uniform samples do; but more than the starts it came from."""
    ours = run(strategy, 1500, 5)
    assert ours.best_score > run("starts", 1500, 5).best_score + 0.02
    assert len(ours.archive) > len(run("starts", 1500, 5).archive)


def test_the_second_grid_is_half_as_wide():
    history = run("grid", 1500, 5).history
    # 64 starts, 68 of one variable at a time, 3^5 in a grid; then again one at a time.
    for begin, width in ((64, 2.0), (64 + 68 + 3**5, 1.0)):
        knobs = np.stack([history[f"knob_{i}"][begin : begin + 68] for i in range(30)], axis=1)
        moved = np.abs(knobs[8 + 2 * np.arange(30) + 1] - knobs[8 + 2 * np.arange(30)]).max(axis=1)
        assert moved.max() == pytest.approx(width)


@pytest.mark.parametrize("strategy", ["bayesian", "tpe"])
def test_models_of_the_merit_are_better_than_sampling_with_few_designs(strategy):
    budget = {"bayesian": 80, "tpe": 160}[strategy]
    ours = run(strategy, budget, 5).best_score
    assert ours > run("starts", budget, 5).best_score


def test_remembered_conversions_are_fewer_and_change_nothing_of_what_is_found(monkeypatch):
    converted, convert = [0], FloatDistribution.to_internal_repr

    def counted(self, value):
        converted[0] += 1
        return convert(self, value)

    monkeypatch.setattr(FloatDistribution, "to_internal_repr", counted)
    ours = search(Strict(), "tpe", 150, 5)
    with_memory, converted[0] = converted[0], 0
    monkeypatch.setattr(optuna_search, "_RememberingTpe", TPESampler)
    theirs = search(Strict(), "tpe", 150, 5)
    for name, column in ours.history.items():
        np.testing.assert_array_equal(column, theirs.history[name])
    assert 3 * with_memory < converted[0]


def test_a_library_that_is_missing_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(strategies, "find_spec", lambda module: None)
    with pytest.raises(UserError, match="needs a package that is not installed") as caught:
        resolve("sb3-sac")
    assert caught.value.notes == (
        "pip install stable-baselines3 gymnasium",
        'or all strategies at once: pip install "asic-compiler[strategies]"',
    )
    assert resolve("annealing").name == "annealing"  # needs nothing


def test_libraries_load_only_with_the_strategy_that_needs_them():
    script = (
        "import sys, asic_compiler.explore.strategies as s;"
        "[s.resolve(n) for n in ('annealing', 'gradient', 'grid', 'random', 'starts')];"
        "heavy = {'torch', 'cma', 'pymoo', 'optuna', 'gymnasium', 'stable_baselines3', 'scipy'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        "s.resolve('cma-es');"
        "assert heavy & set(sys.modules) <= {'cma', 'scipy'}, heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
