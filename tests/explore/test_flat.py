"""Points in a box for designs, and the one number that they are compared by."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_problems import NothingFits, WalkAndTune

from asic_compiler.explore.reward import score
from asic_compiler.explore.strategies.flat import FLOOR, FlatSearch, merit, to_designs, to_points


@given(st.integers(1, 200), st.data())
def test_a_point_of_a_design_is_that_design(side, data):
    problem = WalkAndTune(side=side)
    values = [data.draw(st.integers(1, int(high))) for high in problem.discrete_high]
    discrete = np.array([values])
    knobs = np.random.default_rng(side).uniform(-1, 1, (1, 30))
    points = to_points(discrete, knobs, problem)
    assert (np.abs(points) <= 1.0 + 1e-12).all()
    again, values = to_designs(points, problem)
    np.testing.assert_array_equal(again, discrete)
    np.testing.assert_array_equal(values, knobs)


@given(st.lists(st.floats(-3, 3), min_size=34, max_size=34))
def test_every_point_is_a_design_in_its_ranges_also_from_outside_the_box(point):
    problem = WalkAndTune(side=64)
    discrete, continuous = to_designs(np.array([point]), problem)
    assert (discrete >= problem.discrete_low).all()
    assert (discrete <= problem.discrete_high).all()
    assert (np.abs(continuous) <= 1.0).all()


def test_a_mesh_coordinate_is_a_logarithm():
    problem = WalkAndTune(side=64)
    points = np.zeros((3, 34))
    points[:, 0] = -1.0, 0.0, 1.0
    np.testing.assert_array_equal(to_designs(points, problem)[0][:, 0], [1, 8, 64])


def test_a_variable_that_is_pinned_stays_where_it_is():
    problem = WalkAndTune()
    problem.discrete_low = problem.discrete_high = np.array([8, 8, 2, 2])
    points = np.random.default_rng(0).uniform(-1, 1, (5, 34))
    discrete, continuous = to_designs(points, problem)
    np.testing.assert_array_equal(discrete, np.tile([8, 8, 2, 2], (5, 1)))
    assert np.isfinite(to_points(discrete, continuous, problem)).all()


def test_every_feasible_design_is_above_every_infeasible_one_and_violation_orders_those():
    problem = WalkAndTune(power_budget_w=100.0)
    rng = np.random.default_rng(0)
    discrete = rng.integers(1, 33, (500, 4)).clip(problem.discrete_low, problem.discrete_high)
    found = problem.evaluate(discrete, rng.uniform(-1, 1, (500, 30)))
    merits = merit(found, problem)
    assert 0 < found.feasible.sum() < 500
    assert merits[found.feasible].min() >= FLOOR > merits[~found.feasible].max()
    np.testing.assert_array_equal(merits[found.feasible], score(found, problem)[found.feasible])
    over = np.argsort(found.violation[~found.feasible], kind="stable")
    assert (np.diff(merits[~found.feasible][over]) <= 0.0).all()
    assert len(np.unique(merits[~found.feasible])) == len(
        np.unique(found.violation[~found.feasible])
    )


def test_a_hopeless_feasible_design_is_still_above_the_infeasible_ones():
    problem = WalkAndTune(weights=(0.0, 0.0, 1.0), power_budget_w=1e6)
    problem.ranges = (*problem.ranges[:2], type(problem.ranges[2])(0.0, 1e-3))
    found = problem.evaluate(np.array([[32, 32, 1, 1]]), np.zeros((1, 30)))
    assert score(found, problem)[0] < FLOOR
    assert merit(found, problem)[0] == FLOOR


def test_the_starts_depend_on_the_seed_alone():
    first, again, other = (FlatSearch(WalkAndTune(), 100, seed) for seed in (1, 1, 2))
    again.rng.random(7)
    points, _ = first.start()
    np.testing.assert_array_equal(points, again.start_points())
    assert not np.array_equal(points, other.start_points())


def test_starts_and_moves_end_with_the_budget():
    flat = FlatSearch(NothingFits(), 70, 0)
    points, merits = flat.start()
    assert len(points) == len(merits) == 64
    assert len(flat.evaluate(points[:10])) == 6
    assert flat.remaining == 0
    with pytest.raises(RuntimeError, match="spent"):
        flat.evaluate(points)
    assert len(FlatSearch(WalkAndTune(), 5, 0).start()[1]) == 5
