import numpy as np
import pytest
from toy_problems import OBSERVED, WalkAndTune

from asic_compiler.explore.archive import take
from asic_compiler.explore.environment import DesignEnvironment
from asic_compiler.explore.recorder import Recorder
from asic_compiler.explore.reward import reward


def make(budget=100, count=4, episode_length=3):
    problem = WalkAndTune()
    recorder = Recorder(problem, budget)
    environment = DesignEnvironment(recorder, count, episode_length, np.random.default_rng(0))
    return problem, recorder, environment


STAY = np.full((4, 4), 2)
MIDDLE = np.zeros((4, 30))


def test_a_choice_is_a_step_and_a_continuous_action_is_the_value():
    problem, _, environment = make()
    before = environment.current.discrete.copy()
    choices = np.array([[4, 3, 2, 2]] * 4)
    knobs = np.linspace(-1, 1, 120).reshape(4, 30)
    transition = environment.step(choices, knobs)
    np.testing.assert_array_equal(transition.evaluation.discrete - before, [[2, 1, 0, 0]] * 4)
    np.testing.assert_array_equal(transition.evaluation.continuous, knobs)
    np.testing.assert_array_equal(
        transition.next_observation, transition.evaluation.features[:, problem.observed]
    )
    np.testing.assert_array_equal(transition.reward, reward(transition.evaluation, problem))
    assert transition.next_observation.shape == (4, OBSERVED)


def test_steps_are_clipped_to_the_range():
    problem, _, environment = make(budget=1000, episode_length=100)
    for choice, bound in ((0, problem.discrete_low), (4, problem.discrete_high)):
        for _ in range(20):
            transition = environment.step(np.full((4, 4), choice), MIDDLE)
        np.testing.assert_array_equal(transition.evaluation.discrete, np.tile(bound, (4, 1)))


def test_an_episode_is_truncated_not_terminated_and_starts_anew():
    _, recorder, environment = make()
    for step in range(1, 4):
        transition = environment.step(np.full((4, 4), 4), MIDDLE)
        assert not transition.terminated
        assert transition.truncated == (step == 3)
    # The observation of the transition is of the design arrived at, not of the new start.
    assert not np.array_equal(transition.next_observation, environment.observation)
    assert environment.current.discrete[:, :2].max() <= 8
    assert recorder.evaluations == 4 * (1 + 3 + 1)


@pytest.mark.parametrize("budget", [1, 3, 4, 5, 7, 15, 16, 17, 18, 20, 21])
def test_the_budget_is_spent_exactly_and_the_last_batch_cut_short(budget):
    problem, recorder, environment = make(budget)
    rows = 0
    while not environment.exhausted:
        rows += len(environment.step(STAY, MIDDLE).reward)
    assert sum(problem.calls) == recorder.evaluations == budget
    assert rows <= budget
    with pytest.raises(RuntimeError, match="budget"):
        environment.step(STAY[: len(environment.observation)], MIDDLE)


def test_actions_outside_their_range_are_refused():
    _, _, environment = make()
    with pytest.raises(ValueError, match="choice"):
        environment.step(STAY + 3, MIDDLE)
    with pytest.raises(ValueError, match="choice"):
        environment.step(STAY - 3, MIDDLE)
    with pytest.raises(ValueError, match="continuous"):
        environment.step(STAY, MIDDLE + 1.01)
    with pytest.raises(ValueError, match="continuous"):
        environment.step(STAY, MIDDLE + np.nan)


def test_going_back_to_a_design_costs_nothing_and_the_walk_goes_on_from_there():
    problem, recorder, environment = make()
    first = environment.current
    environment.step(STAY + 1, MIDDLE)
    spent, before = recorder.evaluations, environment.current
    environment.go_back(np.array([1, 3]), take(first, np.array([0, 2])))
    assert recorder.evaluations == spent
    now = environment.current
    np.testing.assert_array_equal(now.discrete[[0, 2]], before.discrete[[0, 2]])
    np.testing.assert_array_equal(now.discrete[[1, 3]], first.discrete[[0, 2]])
    np.testing.assert_array_equal(environment.observation, now.features[:, problem.observed])
    transition = environment.step(STAY, MIDDLE)
    np.testing.assert_array_equal(transition.evaluation.discrete, now.discrete)


@pytest.mark.parametrize("returning", [0, 3, 4])
def test_designs_that_are_returned_to_are_not_evaluated_again(returning):
    problem = WalkAndTune()
    recorder = Recorder(problem, 100)
    known = problem.evaluate(np.full((4, 4), 3), np.full((4, 30), 0.25))
    environment = DesignEnvironment(
        recorder, 4, 1, np.random.default_rng(0),
        returns=lambda count: take(known, slice(0, min(count, returning))),
        starts=lambda count, rng: (np.full((count, 4), 4), np.full((count, 30), -0.5)),
    )  # fmt: skip
    assert environment.current.discrete.tolist() == [[4] * 4] * 4
    assert environment.step(STAY, MIDDLE).truncated
    assert recorder.evaluations == 4 + 4 + (4 - returning)
    assert environment.current.discrete.tolist() == [[3] * 4] * returning + [[4] * 4] * (
        4 - returning
    )
