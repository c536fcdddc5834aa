import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_archive import designs
from toy_problems import WalkAndTune

from asic_compiler.explore.protocol import ObjectiveRange
from asic_compiler.explore.reward import (
    RewardCoefficients,
    normalised,
    reward,
    score,
    violation_penalty,
)


def problem():
    toy = WalkAndTune(weights=(0.5, 0.3, 0.2))
    toy.ranges = (ObjectiveRange(0, 100), ObjectiveRange(10, 20), ObjectiveRange(5, 5))
    return toy


def test_score_is_the_weighted_sum_of_min_max_normalised_objectives():
    evaluation = designs([(50, 12, 6)])
    np.testing.assert_allclose(normalised(evaluation, problem()), [[0.5, 0.2, 1.0]])
    np.testing.assert_allclose(score(evaluation, problem()), [0.25 - 0.06 - 0.2])


def test_a_logarithmic_range_measures_decades():
    toy = problem()
    span = ObjectiveRange(1.0, 100.0, logarithmic=True)
    toy.ranges = (span, span, span)
    np.testing.assert_allclose(normalised(designs([(10, 1, 1000)]), toy), [[0.5, 0.0, 1.5]])


def test_a_feasible_design_earns_score_bonus_and_margin_less_its_hazards():
    evaluation = designs([(50, 12, 6)])
    evaluation.power_margin[:] = 0.5
    evaluation.hazards[:] = 0.25
    evaluation.memory_overuse[:] = 0.1
    named = RewardCoefficients(feasibility=2.0, margin=0.1, memory=3.0, hazards=4.0)
    expected = score(evaluation, problem())[0] + 2.0 * (1 + 0.1 * 0.5) - 3.0 * 0.1 - 4.0 * 0.25
    assert reward(evaluation, problem(), named)[0] == pytest.approx(expected)


def test_an_infeasible_design_pays_the_cubic_of_its_violation_and_earns_nothing_beyond_the_range():
    evaluation = designs([(1e9, 12, 5)], violation=[0.5])
    named = RewardCoefficients(feasibility=2.0)
    expected = 0.5 * 1.0 - 0.3 * 0.2 - 2.0 * 1.5 * 0.25
    assert reward(evaluation, problem(), named)[0] == pytest.approx(expected)


@given(st.floats(0, 1e6), st.floats(1e-6, 1e6))
def test_a_larger_violation_never_costs_less(violation, more):
    low, high = violation_penalty(np.array([violation, violation + more]), knee=2.0)
    assert high >= low


def test_the_penalty_is_smooth_at_its_knee():
    below, at, above = violation_penalty(np.array([1 - 1e-6, 1.0, 1 + 1e-6]), knee=2.0)
    assert at == pytest.approx(2.0)
    assert (at - below) / 1e-6 == pytest.approx((above - at) / 1e-6, rel=1e-3)


def test_an_infinitely_bad_design_has_a_reward_that_is_at_least_not_nan():
    evaluation = designs([(0, np.inf, np.inf)], violation=[1e30])
    assert np.isfinite(reward(evaluation, problem())).all()
