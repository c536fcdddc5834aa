import dataclasses
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_problems import WalkAndTune

from asic_compiler.explore.archive import (
    ParetoArchive,
    concatenate,
    dominates,
    objectives,
    take,
)
from asic_compiler.explore.protocol import Evaluation
from asic_compiler.explore.reward import score


def designs(rows, violation=None):
    """Designs with the given (performance, power, area), told apart by their mesh width."""
    rows = np.asarray(rows, dtype=np.float64).reshape(-1, 3)
    count = len(rows)
    violation = np.zeros(count) if violation is None else np.asarray(violation, np.float64)
    discrete = np.ones((count, 4), np.int64)
    discrete[:, 0] = np.arange(count)
    return Evaluation(
        discrete=discrete,
        continuous=np.zeros((count, 30)),
        features=np.zeros((count, 73)),
        performance=rows[:, 0],
        power_w=rows[:, 1],
        area_mm2=rows[:, 2],
        feasible=violation <= 0,
        violation=violation,
        power_margin=np.zeros(count),
        memory_overuse=np.zeros(count),
        hazards=np.zeros(count),
    )


def same(left, right):
    if left is None or right is None:
        return left is right
    return all(
        np.array_equal(getattr(left, field.name), getattr(right, field.name))
        for field in dataclasses.fields(Evaluation)
    )


# Few distinct values, so that ties and equal objectives are common.
POINTS = st.lists(st.tuples(*[st.integers(0, 5)] * 3), min_size=1, max_size=40)


@given(POINTS)
def test_no_member_dominates_another_and_nothing_kept_out_is_undominated(points):
    everything = designs(points)
    archive = ParetoArchive()
    archive.insert(everything)
    front = objectives(archive.members)
    assert not dominates(front, front).any()
    covered = dominates(front, objectives(everything)).any(axis=0)
    equal = (front[:, None] == objectives(everything)[None]).all(axis=2).any(axis=0)
    assert (covered | equal).all()


@given(POINTS, st.randoms(use_true_random=False), st.integers(1, 7), st.data())
def test_the_archive_does_not_depend_on_the_order_of_arrival(points, random, batch, data):
    violation = data.draw(
        st.lists(st.sampled_from([0.0, 0.0, 0.5, 1.0]), min_size=len(points), max_size=len(points))
    )
    everything = designs(points, violation)
    at_once = ParetoArchive()
    at_once.insert(everything)
    order = list(range(len(points)))
    random.shuffle(order)
    in_batches = ParetoArchive()
    for begin in range(0, len(order), batch):
        in_batches.insert(take(everything, np.array(order[begin : begin + batch])))
    assert same(at_once.members, in_batches.members)
    assert same(at_once.nearest, in_batches.nearest)


@given(
    st.lists(st.tuples(*[st.floats(0, 1e6)] * 3), min_size=1, max_size=40),
    st.tuples(*[st.floats(0.0, 1.0)] * 3),
)
def test_best_by_score_is_the_best_of_all_feasible_designs(points, weights):
    problem = WalkAndTune(weights=weights)
    everything = designs(points)
    archive = ParetoArchive()
    archive.insert(everything)
    assert score(archive.best(problem), problem)[0] == score(everything, problem).max()


def test_of_equal_designs_the_first_in_the_order_of_variables_is_kept():
    twins = designs([(1, 1, 1), (1, 1, 1), (1, 1, 1)])
    archive = ParetoArchive()
    archive.insert(take(twins, np.array([2])))
    archive.insert(take(twins, np.array([0, 1])))
    assert archive.members.discrete[:, 0].tolist() == [0]


def test_the_nearest_design_is_that_of_least_violation_and_never_a_member():
    archive = ParetoArchive()
    archive.insert(designs([(9, 1, 1), (5, 1, 1)], violation=[0.5, 0.2]))
    archive.insert(designs([(7, 1, 1)], violation=[0.3]))
    assert archive.members is None
    assert archive.best(WalkAndTune()) is None
    assert archive.nearest.violation.tolist() == [0.2]
    archive.insert(designs([(1, 1, 1)]))
    assert archive.members.performance.tolist() == [1]
    assert archive.nearest.violation.tolist() == [0.2]


def test_insert_counts_what_is_new_on_the_front():
    archive = ParetoArchive()
    assert archive.insert(designs([(1, 1, 1), (2, 2, 2), (1, 2, 2)])) == 2
    assert archive.insert(designs([(0, 1, 1)])) == 0
    assert archive.insert(designs([(3, 1, 1)])) == 1
    assert len(archive) == 1


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_feasible_design_without_a_finite_objective_is_refused(broken):
    with pytest.raises(ValueError, match="not finite"):
        ParetoArchive().insert(designs([(1, broken, 1)]))


def test_an_infeasible_design_may_be_infinitely_bad():
    archive = ParetoArchive()
    archive.insert(designs([(1, np.inf, 1), (1, 2, 1)], violation=[np.inf, 3.0]))
    assert archive.nearest.violation.tolist() == [3.0]


def test_chunks_of_a_large_batch_agree_with_small_batches():
    rng = np.random.default_rng(0)
    everything = designs(rng.uniform(size=(3000, 3)))
    at_once, in_batches = ParetoArchive(), ParetoArchive()
    at_once.insert(everything)
    for begin in range(0, 3000, 100):
        in_batches.insert(take(everything, slice(begin, begin + 100)))
    assert same(at_once.members, in_batches.members)


def test_ten_thousand_designs_on_one_front_are_compared_in_chunks():
    # The worst case: every design is on the front.
    rng = np.random.default_rng(0)
    points = np.abs(rng.normal(size=(10_000, 3)))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points[:, 1:] *= -1.0
    archive = ParetoArchive()
    offered = designs(points)
    tracemalloc.start()
    archive.insert(offered)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(archive) == 10_000
    # Each with each at once would be 100 MB an objective.
    assert most < 50e6


@given(POINTS, st.integers(1, 7))
def test_the_front_is_in_order_after_every_batch(points, batch):
    everything = designs(points)
    archive = ParetoArchive()
    for begin in range(0, len(points), batch):
        archive.insert(take(everything, slice(begin, begin + batch)))
        seen = objectives(take(everything, slice(0, begin + batch)))
        undominated = seen[~dominates(seen, seen).any(axis=0)]
        assert len(archive) == len(archive.members)
        assert objectives(archive.members).tolist() == np.unique(undominated, axis=0).tolist()


def test_a_design_that_beats_half_of_the_front_takes_its_place():
    spread = np.linspace(0.0, 1.0, 41)
    archive = ParetoArchive()
    archive.insert(designs(np.stack([spread, spread, 1.0 + spread], axis=1)))
    assert archive.insert(designs([(0.5, 0.0, 0.0)])) == 1
    assert archive.members.performance.tolist() == [*spread[:20:-1].tolist(), 0.5]
    assert archive.members.area_mm2.tolist() == [*(1.0 + spread[:20:-1]).tolist(), 0.0]


def test_concatenate_undoes_take():
    everything = designs([(1, 2, 3), (4, 5, 6), (7, 8, 9)])
    parts = [take(everything, slice(0, 1)), take(everything, np.array([1, 2]))]
    assert same(concatenate(parts), everything)
