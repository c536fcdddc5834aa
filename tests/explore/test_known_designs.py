"""Designs found in training: which of them a search begins with, and how they are kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_problems import WalkAndTune

from asic_compiler.explore.archive import take
from asic_compiler.explore.checkpoint.state import StateError, StateReader
from asic_compiler.explore.search import search
from asic_compiler.explore.strategies.evolution.known import KnownDesigns
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.networks import Actor, dimensions_of
from asic_compiler.explore.strategies.sac_moe.policy_file import save_policy
from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe


class Near(WalkAndTune):
    """A toy problem that its context places on a line."""

    def __init__(self, place, **options):
        super().__init__(**options)
        self.context = np.array([place, 0.5])
        self.context_names = ("place", "constant")


def designs(problem, sides):
    """One design for each side of a mesh, at the optimum of the knobs."""
    discrete = np.array([[side, side, 2, 2] for side in sides])
    return problem.evaluate(discrete, np.tile(problem.optimum, (len(sides), 1)))


@pytest.fixture
def known():
    problems = [Near(0.0), Near(0.4), Near(-1.0)]
    return KnownDesigns.of(
        problems, [designs(problems[0], [10, 11]), designs(problems[1], [20, 21, 22]),
                   designs(problems[2], [30])]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("place", "sides"),
    [
        (0.1, [10, 11, 20, 21, 30, 22]),  # the best of the closest, its second, the next problem's
        (0.4, [20, 21, 10, 22, 11, 30]),
        (-0.9, [30, 10, 11, 20, 21, 22]),
    ],
)
def test_the_best_designs_of_the_most_similar_problems_come_first(known, place, sides):
    problem = Near(place)
    for count in (1, 3, 6, 16):
        discrete, continuous = known.nearest(problem, count)
        assert discrete[:, 0].tolist() == sides[:count]
        assert np.allclose(continuous, problem.optimum, atol=1e-6)


def test_a_design_outside_of_the_space_is_moved_to_its_edge(known):
    discrete, _ = known.nearest(Near(0.4, side=16), 16)
    assert discrete[:, 0].tolist() == [16, 16, 10, 16, 11, 16]


def test_a_problem_of_which_nothing_is_known_takes_no_place():
    problems = [Near(0.0), Near(0.4)]
    none = take(designs(problems[0], [5]), slice(0, 0))
    known = KnownDesigns.of(problems, [none, designs(problems[1], [20])])
    assert len(known) == 1
    assert known.nearest(Near(0.0), 4)[0][:, 0].tolist() == [20]


def test_known_designs_come_back_from_their_state_and_others_are_refused(known):
    again = KnownDesigns.restored(StateReader(known.state()), Near(0.0))
    for name in ("context", "discrete", "continuous"):
        assert np.array_equal(getattr(again, name), getattr(known, name))
    with pytest.raises(StateError, match="shape"):
        KnownDesigns.restored(StateReader(known.state()), WalkAndTune())  # it has no context
    outside = {**known.state(), "continuous": known.continuous * 9}
    with pytest.raises(StateError, match="outside"):
        KnownDesigns.restored(StateReader(outside), Near(0.0))


def test_a_search_with_a_policy_begins_with_what_is_known(known, tmp_path):
    config = SacMoeConfig(hidden=16, environments=4, known_share=0.5)
    problem, path = Near(0.4), tmp_path / "policy.safetensors"
    save_policy(path, Actor(dimensions_of(problem), config, torch.Generator()), known, problem, {})
    found = search(problem, SacMoe(config, str(path), train=False), 40)
    assert found.history["area_mm2"][:2].tolist() == [400.0, 441.0]
    # The other half are the problem's own starts, and without known designs all are.
    own = search(problem, SacMoe(replace(config, patient_budget=0), "none"), 40)
    assert (found.history["area_mm2"][2:4] == own.history["area_mm2"][2:4]).all()
    assert (own.history["area_mm2"][:4] <= 64.0).all()
    # A small budget that learns begins there too, and looks at no other starts before.
    learner = SacMoe(replace(config, environments=16), str(path), train=True)
    assert search(problem, learner, 40).history["area_mm2"][0] == 400.0
