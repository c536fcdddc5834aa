"""Going back to good designs, and acting on a few variables of them."""

import numpy as np
import pytest
from toy_problems import WalkAndTune

from asic_compiler.explore.archive import concatenate, take
from asic_compiler.explore.checkpoint.state import StateError, StateReader
from asic_compiler.explore.environment import DesignEnvironment
from asic_compiler.explore.protocol import niche_of
from asic_compiler.explore.search import search
from asic_compiler.explore.strategies.evolution import moves
from asic_compiler.explore.strategies.evolution.elite import Elite
from asic_compiler.explore.strategies.evolution.moves import (
    crossed,
    exploring_actions,
    reshaped,
)
from asic_compiler.explore.strategies.flat import merit
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe

PROBLEM = WalkAndTune()
STAY = 2


def evaluated(meshes, value=0.5):
    """Designs of these meshes, all knobs at one value."""
    discrete = np.array([[width, height, 2, 2] for width, height in meshes])
    return PROBLEM.evaluate(discrete, np.full((len(discrete), 30), value))


def test_the_elite_are_the_designs_of_highest_merit_and_of_equals_the_older():
    elite = Elite(2)
    for merits in ([1.0, 5.0], [3.0, 5.0], [2.0]):
        elite.offer(evaluated([(i + 2, 3) for i in range(len(merits))]), np.array(merits))
    assert elite.merit.tolist() == [5.0, 5.0]
    assert elite.designs.discrete[:, 0].tolist() == [3, 3]
    assert len(elite) == 2


def test_few_of_the_elite_are_of_one_mesh():
    """A mesh that is behind stays, and is tuned, though others have more good designs."""
    elite = Elite(4, per_kind=2)
    meshes = [(8, 12), (8, 12), (8, 12), (6, 16), (12, 8)]
    elite.offer(evaluated(meshes), np.array([5.0, 4.0, 3.0, 2.0, 1.0]))
    assert elite.merit.tolist() == [5.0, 4.0, 2.0, 1.0]
    elite.offer(evaluated([(8, 12)]), np.array([6.0]))
    assert elite.merit.tolist() == [6.0, 5.0, 2.0, 1.0]
    assert elite.designs.discrete[:, :2].tolist() == [[8, 12], [8, 12], [6, 16], [12, 8]]
    assert elite.best(3).discrete[:, 0].tolist() == [8, 8, 6]


def test_the_best_of_a_kind_stays_beside_better_designs_of_others():
    kinds = Elite(3, 1, lambda designs: niche_of(PROBLEM, designs))
    # Octaves of tiles: 16 to 31, 32 to 63, 64 to 127, 128 to 255.
    meshes = [(4, 4), (5, 6), (8, 4), (8, 8), (8, 15), (16, 15)]
    kinds.offer(evaluated(meshes), np.array([1.0, 2.0, 3.0, 9.0, 8.0, 7.0]))
    assert kinds.merit.tolist() == [9.0, 7.0, 3.0]
    kinds.offer(evaluated([(4, 7)]), np.array([4.0]))
    assert kinds.merit.tolist() == [9.0, 7.0, 4.0]


def test_every_elite_design_is_gone_back_to_as_often_with_all_that_is_known_of_it():
    elite = Elite(4)
    designs = evaluated([(8, 12), (6, 16), (12, 8), (4, 24)])
    elite.offer(designs, merit(designs, PROBLEM))
    drawn = elite.drawn(4000, np.random.default_rng(0))
    widths, times = np.unique(drawn.discrete[:, 0], return_counts=True)
    assert widths.tolist() == [4, 6, 8, 12]
    assert times.min() > 900
    again = PROBLEM.evaluate(drawn.discrete, drawn.continuous)
    np.testing.assert_array_equal(drawn.features, again.features)
    np.testing.assert_array_equal(drawn.performance, again.performance)


def test_the_elite_come_back_from_their_state_and_too_many_are_refused():
    elite = Elite(4)
    designs = evaluated([(8, 12), (6, 16), (12, 8), (4, 24)])
    elite.offer(designs, merit(designs, PROBLEM))
    same = Elite(4)
    same.restore(StateReader(elite.state()), PROBLEM)
    np.testing.assert_array_equal(same.merit, elite.merit)
    np.testing.assert_array_equal(same.designs.features, elite.designs.features)
    with pytest.raises(StateError, match="4 elite designs, not 1 to 3"):
        Elite(3).restore(StateReader(elite.state()), PROBLEM)


def test_a_move_changes_one_to_four_variables_and_some_take_others_from_a_good_design(monkeypatch):
    monkeypatch.setattr(moves, "_ALONG", 0.0)
    here, others = evaluated([(8, 8)] * 4000, 0.5), evaluated([(9, 9)] * 4000, -0.25)
    near = np.ones(4000, dtype=bool)
    choices, values = exploring_actions(here, others, near, np.random.default_rng(0))
    assert choices.min() >= 0
    assert choices.max() <= 4
    assert np.abs(values).max() <= 1.0
    taken = values == -0.25
    changes = (choices != STAY).sum(axis=1) + ((values != 0.5) & ~taken).sum(axis=1)
    alone = ~taken.any(axis=1)
    assert changes.max() == 4
    assert set(changes[alone].tolist()) == {1, 2, 3, 4}
    assert (changes[alone] == 1).mean() > 0.4  # uniform in the logarithm: log 2 / log 5
    assert 0.65 < alone.mean() < 0.75
    assert 0.25 < taken[~alone].mean() < 0.35
    # A changed value is anywhere in half of the cases, and near what it was in the others.
    moved = values[alone & (changes == 1)]
    moved = moved[moved != 0.5]
    assert 0.25 < (moved < 0.0).mean() < 0.4
    assert 0.3 < (np.abs(moved - 0.5) < 0.1).mean() < 0.6


def test_most_moves_change_the_variables_of_a_tied_group_alone(monkeypatch):
    monkeypatch.setattr(moves, "_ALONG", 0.0)
    monkeypatch.setattr(moves, "_RECOMBINED", 0.0)
    here = evaluated([(8, 8)] * 4000, 0.5)
    tied = np.zeros((2, 34), dtype=bool)
    tied[0, [0, 1, 6, 20]] = True
    tied[1, [2, 7, 8, 9, 33]] = True
    near = np.ones(4000, dtype=bool)
    changed = []
    for groups in (tied, tied[:0], None):
        moved = exploring_actions(here, here, near, np.random.default_rng(0), groups)
        changed.append(np.concatenate([moved[0] != STAY, moved[1] != 0.5], axis=1))
    assert (changed[0].sum(axis=1) >= 1).all()
    assert changed[0].sum(axis=1).max() == 4
    for group in tied:
        alone = ~changed[0][:, ~group].any(axis=1)
        assert 0.3 < alone.mean() < 0.4  # half of six in ten, and some of the others
        of_group = changed[0][alone][:, group].mean(axis=0)
        assert (of_group.min() > 0.25) & (of_group.max() < 0.7)
    # Without groups all are drawn alike, and the same numbers are.
    np.testing.assert_array_equal(changed[1], changed[2])
    assert changed[1].mean(axis=0).min() > 0.03


def test_a_move_along_the_difference_of_two_good_designs_changes_many_variables_alike(monkeypatch):
    monkeypatch.setattr(moves, "_ALONG", 1.0)
    here = evaluated([(8, 8)] * 2000, 0.0)
    small, large = evaluated([(8, 8)] * 1000, 0.25), evaluated([(9, 8)] * 1000, -0.25)
    others = concatenate([small, large])
    near = np.ones(2000, dtype=bool)
    choices, values = exploring_actions(here, others, near, np.random.default_rng(0))
    moved = values != 0.0
    # What changes goes the same way by the same length: up to that of the difference, 0.5.
    length = np.abs(values).max(axis=1, keepdims=True)
    assert np.allclose(np.abs(values)[moved], np.broadcast_to(length, values.shape)[moved])
    assert length.max() <= 0.5
    paired = moved.any(axis=1)  # half of the pairs are of one kind, and do not differ
    assert 0.4 < paired.mean() < 0.6
    assert 0.05 <= length[paired].min() < 0.06
    shares = moved[paired].mean(axis=1)
    assert shares.max() == 1.0
    assert 0.3 < shares.mean() < 0.5  # 0.1 to 1, uniform in the logarithm
    # A larger mesh goes with lower values, whether up or down; height is the same in both.
    wider, narrower = choices[:, 0] > STAY, choices[:, 0] < STAY
    assert (values.sum(axis=1)[wider] <= 0.0).all()
    assert (values.sum(axis=1)[narrower] >= 0.0).all()
    assert wider.any()
    assert narrower.any()
    assert (choices[:, 1] == STAY).all()


def test_a_move_that_is_not_near_is_uniform():
    here = evaluated([(8, 8)] * 2000, 0.5)
    near = np.zeros(2000, dtype=bool)
    choices, values = exploring_actions(here, here, near, np.random.default_rng(0))
    assert np.bincount(choices.ravel()).min() > 1400
    assert abs(values.mean()) < 0.02
    assert (values == 0.5).sum() == 0


def test_a_crossed_action_takes_each_variable_from_the_design_or_from_the_policy():
    here = evaluated([(8, 8)] * 400, -0.5)
    choices, values = np.full((400, 4), 0), np.full((400, 30), 0.5)
    steps, mixed = crossed(here, choices, values, np.random.default_rng(0))
    assert set(np.unique(mixed)) == {-0.5, 0.5}
    assert set(np.unique(steps)) == {0, STAY}
    taken = (mixed == 0.5).mean(axis=1)
    assert 0.2 < taken.mean() < 0.4  # shares are uniform in their logarithm between 1/34 and 1
    assert np.median(taken) < taken.mean()


def test_a_reshaped_design_has_about_as_many_tiles_in_other_proportions():
    here = evaluated([(8, 12)] * 300)
    discrete, continuous = reshaped(here, PROBLEM, np.random.default_rng(0))
    tiles = discrete[:, 0] * discrete[:, 1]
    assert len(np.unique(discrete[:, 0])) > 10
    assert 88 <= np.median(tiles) <= 104
    assert (np.abs(np.log2(tiles / 96)) < 0.6).mean() > 0.85  # 0.3 octaves, and rounding
    assert np.abs(np.log2(tiles / 96)).max() < 1.5
    assert ((discrete >= PROBLEM.discrete_low) & (discrete <= PROBLEM.discrete_high)).all()
    np.testing.assert_array_equal(continuous, here.continuous)


def test_reshaping_stays_in_the_range_where_it_is_narrow():
    narrow = WalkAndTune()
    narrow.discrete_low[:2], narrow.discrete_high[:2] = 6, 9
    here = take(evaluated([(6, 9), (9, 9), (6, 6)] * 50), slice(None))
    discrete, _ = reshaped(here, narrow, np.random.default_rng(0))
    assert ((discrete[:, :2] >= 6) & (discrete[:, :2] <= 9)).all()


def test_a_search_goes_back_to_its_best_designs_by_the_score(monkeypatch):
    """Not by the reward, and from them it goes on: with nothing else, few variables change."""
    problem, offered, steps = WalkAndTune(), [], []
    offer, step = Elite.offer, DesignEnvironment.step

    def offering(self, designs, merits):
        if self.capacity == 2:  # and not that of the kinds
            offered.append((designs, merits))
        offer(self, designs, merits)

    def stepping(self, choices, continuous):
        here = self.current
        steps.append((here, (continuous != here.continuous).sum(axis=1)))
        return step(self, choices, continuous)

    monkeypatch.setattr(moves, "_ALONG", 0.0)
    monkeypatch.setattr(Elite, "offer", offering)
    monkeypatch.setattr(DesignEnvironment, "step", stepping)
    config = SacMoeConfig(
        hidden=16, environments=4, episode_length=4, warm_up=200, warm_up_share=1.0,
        elite=2, elite_share=1.0, return_share=1.0, niche_share=0.0, surrogate=False, mpc=False,
    )  # fmt: skip
    search(problem, SacMoe(config), 100)
    for designs, merits in offered:
        np.testing.assert_array_equal(merits, merit(designs, problem))
    known = Elite(2, config.elite_per_mesh)
    known.offer(*offered[0])
    for (here, changes), (designs, merits) in zip(steps[:4], offered[1:5], strict=True):
        best = {tuple(row) for row in known.designs.continuous}
        assert {tuple(row) for row in here.continuous} <= best
        assert changes.max() <= 20
        known.offer(designs, merits)
    assert np.median(np.concatenate([changes for _, changes in steps])) <= 4


def walking(**options):
    """A learner that only walks: every action explores, near good designs."""
    return SacMoe(SacMoeConfig(
        hidden=16, environments=8, episode_length=8, warm_up=10**6, warm_up_share=1.0, elite=2,
        elite_share=1.0, return_share=1.0, surrogate=False, mpc=False, **options,
    ))  # fmt: skip


def test_walks_go_back_to_the_best_of_each_kind_half_way_through_the_budget(monkeypatch):
    drawn, counts = Elite.drawn, []

    def drawing(self, count, rng):
        if self.capacity == 3:  # the kinds: nothing else is drawn from these
            counts.append(count)
        return drawn(self, count, rng)

    monkeypatch.setattr(Elite, "drawn", drawing)
    search(WalkAndTune(), walking(niches=3, niche_share=1.0), 1600)
    steps = np.array(counts)
    assert steps.max() == 8
    tenth = len(steps) // 10
    middle = slice(len(steps) // 2 - tenth // 2, len(steps) // 2 + tenth // 2)
    # 4 x (1 - x): 0.19 in the mean of the first and the last tenth, and of eight walks.
    assert steps[:tenth].mean() < 3.0
    assert steps[-tenth:].mean() < 3.0
    assert steps[middle].mean() > 7.5
    counts.clear()
    search(WalkAndTune(), walking(niches=3, niche_share=0.0), 200)
    assert set(counts) == {0}


def test_the_moves_of_a_search_stay_within_the_groups_that_its_problem_tells(monkeypatch):
    for name, value in (
        ("_TIED", 1.0),
        ("_ALONG", 0.0),
        ("_RECOMBINED", 0.0),
        ("_MOST_CHANGED", 1),
    ):
        monkeypatch.setattr(moves, name, value)
    step, changed = DesignEnvironment.step, np.zeros(34, dtype=int)

    def stepping(self, choices, continuous):
        changed[:4] += (choices != STAY).sum(axis=0)
        changed[4:] += (continuous != self.current.continuous).sum(axis=0)
        return step(self, choices, continuous)

    monkeypatch.setattr(DesignEnvironment, "step", stepping)
    problem = WalkAndTune()
    problem.tied = np.zeros((2, 34), dtype=bool)
    problem.tied[0, [1, 12]], problem.tied[1, 30] = True, True
    search(problem, walking(), 400)
    assert set(np.flatnonzero(changed)) == {1, 12, 30}
