"""The learner as a whole, on a problem whose best design is known."""

import numpy as np
import pytest
import torch
from toy_problems import WalkAndTune

from asic_compiler.explore.search import search
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.exploration.elite import Elite
from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe

# Narrower than the default, so that the test is short.
SHORT = SacMoe(SacMoeConfig(hidden=64, batch=128, updates_per_step=8))


@pytest.mark.parametrize("seed", [0, 1])
def test_sac_moe_clearly_beats_random_search_and_nears_the_optimum(seed):
    problem = WalkAndTune()
    learned = search(problem, SHORT, evaluations=1500, seed=seed)
    drawn = search(problem, "random", evaluations=1500, seed=seed)
    assert learned.best_score > 1.4 * drawn.best_score
    assert learned.best_score > 0.6 * problem.best_score()
    # It tunes: random search never comes below 0.2, and what is uniform has a mean near 0.5.
    miss = ((learned.best.continuous - problem.optimum) ** 2).mean()
    assert miss < 0.15


def test_torch_is_left_as_it_was():
    threads = torch.get_num_threads()
    torch.manual_seed(3)
    state = torch.get_rng_state()
    search(WalkAndTune(), SHORT, evaluations=100)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    # No draw from the global generator either.
    assert torch.equal(torch.get_rng_state(), state)


def test_the_elite_are_the_designs_of_highest_reward():
    elite = Elite(2, 1, 1)
    for reward in ([1.0, 5.0], [3.0, 5.0], [2.0]):
        values = np.array(reward)
        elite.offer(values[:, None].astype(int), values[:, None], values)
    assert elite.reward.tolist() == [5.0, 5.0]


def test_few_of_the_elite_are_of_one_mesh():
    """A mesh that is behind stays, and is tuned, though others have more good designs."""
    elite = Elite(4, 3, 1, per_mesh=2)
    meshes = np.array([[8, 12, 1], [8, 12, 2], [8, 12, 3], [6, 16, 1], [12, 8, 1]])
    rewards = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    elite.offer(meshes, rewards[:, None], rewards)
    assert elite.reward.tolist() == [5.0, 4.0, 2.0, 1.0]
    elite.offer(np.array([[8, 12, 9]]), np.full((1, 1), 6.0), np.array([6.0]))
    assert elite.reward.tolist() == [6.0, 5.0, 2.0, 1.0]
    assert elite.discrete[:, :2].tolist() == [[8, 12], [8, 12], [6, 16], [12, 8]]


def test_an_elite_action_walks_towards_the_good_mesh_and_stays_near_its_values():
    elite = Elite(1, 4, 30)
    elite.offer(np.full((1, 4), 20), np.full((1, 30), 0.9), np.ones(1))
    choices, values = elite.actions(np.full((500, 4), 5), np.random.default_rng(0))
    assert (choices == 4).all()
    assert np.abs(values).max() <= 1.0
    untouched = (values == 0.9).mean()
    assert 0.65 < untouched < 0.75
    choices, _ = elite.actions(np.full((500, 4), 20), np.random.default_rng(0))
    assert 0.6 < (choices == 2).mean() < 0.75
