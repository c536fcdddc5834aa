"""The learner as a whole, on a problem whose best design is known."""

from dataclasses import replace

import pytest
import torch
from toy_problems import WalkAndTune

from asic_compiler.explore.search import search
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe

# Narrower than the default, so that the test is short.
SHORT = SacMoe(SacMoeConfig(hidden=64, batch=128, updates_per_step=8))


def test_sac_moe_is_ahead_of_random_search_after_a_few_hundred_designs():
    problem = WalkAndTune()
    hasty = SacMoe(replace(SHORT.config, updates_per_step=4, patient_budget=0))
    learned = search(problem, hasty, evaluations=600)
    drawn = search(problem, "random", evaluations=600)
    assert learned.best_score > 1.4 * drawn.best_score
    assert learned.best_score > 0.5 * problem.best_score()


@pytest.mark.slow
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
    search(WalkAndTune(), SacMoe(replace(SHORT.config, patient_budget=0)), evaluations=100)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    # No draw from the global generator either.
    assert torch.equal(torch.get_rng_state(), state)
