import subprocess
import sys

import numpy as np
import pytest
from learners import HASTY
from toy_problems import NothingFits, WalkAndTune

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.reward import score
from asic_compiler.explore.search import search
from asic_compiler.explore.strategies import strategy_names
from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe

LEARNER = SacMoe(HASTY)
STRATEGIES = [
    "random",
    pytest.param(LEARNER, id="sac-moe"),
    pytest.param("sac-moe", id="sac-moe as shipped", marks=pytest.mark.slow),
]


class Watcher:
    def __init__(self):
        self.seen = []
        self.ended = 0

    def on_batch(self, progress):
        self.seen.append(progress)

    def on_end(self):
        self.ended += 1


def assert_same_bytes(left, right):
    assert left.history.keys() == right.history.keys()
    for name, column in left.history.items():
        assert column.tobytes() == right.history[name].tobytes(), name
    assert left.archive.members.features.tobytes() == right.archive.members.features.tobytes()
    assert left.best.continuous.tobytes() == right.best.continuous.tobytes()


def test_the_history_has_one_row_an_evaluation_and_agrees_with_the_result():
    problem = WalkAndTune()
    result = search(problem, "random", evaluations=700, seed=3)
    history = result.history
    assert {len(column) for column in history.values()} == {700} == {result.evaluations}
    assert all(column.ndim == 1 for column in history.values())
    assert history["evaluation"].tolist() == list(range(1, 701))
    assert history["best_score"][-1] == result.best_score == score(result.best, problem)[0]
    feasible_scores = history["score"][history["feasible"]]
    assert result.best_score == feasible_scores.max()
    assert history["feasible_share"][-1] == pytest.approx(history["feasible"].mean())
    found = ~np.isnan(history["best_score"])
    assert (np.diff(history["best_score"][found]) >= 0).all()
    assert found.argmax() == history["feasible"].argmax()
    # The columns hold the designs: evaluating them again gives the same history.
    discrete = np.stack([history[name] for name in problem.discrete_names], axis=1)
    continuous = np.stack([history[name] for name in problem.continuous_names], axis=1)
    again = problem.evaluate(discrete, continuous)
    np.testing.assert_array_equal(again.performance, history["performance"])


def test_the_observer_sees_every_batch_and_the_end():
    watcher = Watcher()
    result = search(WalkAndTune(), "random", evaluations=600, observer=watcher)
    assert [p.evaluations for p in watcher.seen] == [256, 512, 600]
    assert all(p.budget == 600 for p in watcher.seen)
    best = [result.history["best_score"][p.evaluations - 1] for p in watcher.seen]
    assert [p.incumbent.score for p in watcher.seen] == best
    assert best[-1] == result.best_score
    assert watcher.seen[-1].feasible == result.history["feasible"].sum()
    assert watcher.ended == 1


def test_the_observer_hears_of_the_end_of_a_search_that_fails():
    class Breaks(WalkAndTune):
        def evaluate(self, discrete, continuous):
            raise ZeroDivisionError

    watcher = Watcher()
    with pytest.raises(ZeroDivisionError):
        search(Breaks(), "random", evaluations=10, observer=watcher)
    assert watcher.ended == 1


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("budget", [1, 10, 17, 60])
def test_a_small_budget_is_spent_exactly(strategy, budget):
    problem = WalkAndTune()
    result = search(problem, strategy, evaluations=budget)
    assert result.evaluations == sum(problem.calls) == budget == len(result.history["score"])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_where_nothing_is_feasible_the_nearest_design_is_the_answer(strategy):
    result = search(NothingFits(), strategy, evaluations=200)
    assert result.best is None
    assert result.best_score is None
    assert len(result.archive) == 0
    assert result.nearest.violation[0] == result.history["violation"].min() > 0
    assert np.isnan(result.history["best_score"]).all()
    assert not result.history["feasible_share"].any()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(strategy):
    first, again, other = (
        search(WalkAndTune(), strategy, evaluations=200, seed=seed) for seed in (5, 5, 6)
    )
    assert_same_bytes(first, again)
    assert first.history["performance"].tobytes() != other.history["performance"].tobytes()


def test_watching_does_not_change_the_result():
    assert_same_bytes(
        search(WalkAndTune(), LEARNER, evaluations=120),
        search(WalkAndTune(), LEARNER, evaluations=120, observer=Watcher()),
    )


def test_random_search_draws_every_value_of_the_range():
    problem = WalkAndTune(side=3)
    history = search(problem, "random", evaluations=300).history
    assert set(history["width"].tolist()) == {1, 2, 3}
    assert set(history["sc_y"].tolist()) == {1, 2, 3, 4}
    assert history["knob_0"].min() < -0.95
    assert history["knob_0"].max() > 0.95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "sac"}, "unknown strategy 'sac'"),
        ({"evaluations": 0}, "at least 1"),
        ({"seed": -1}, "negative"),
    ],
)
def test_bad_arguments_are_the_users_error(arguments, message):
    with pytest.raises(UserError, match=message) as caught:
        search(WalkAndTune(), **arguments)
    if "strategy" in arguments:
        assert caught.value.notes == (f"strategies are: {', '.join(strategy_names())}",)


def test_torch_loads_only_with_the_strategy_that_needs_it():
    script = (
        "import sys, asic_compiler.explore.search, asic_compiler.explore.strategies as s;"
        "import asic_compiler.explore.observer, asic_compiler.explore.environment;"
        "s.resolve('random');"
        "assert 'torch' not in sys.modules and 'rich' not in sys.modules;"
        "s.resolve('sac-moe');"
        "assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
