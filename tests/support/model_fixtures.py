"""Models and designs that the tests of the power-performance-area model share."""

import numpy as np
import pytest
from workloads import transformer

from asic_compiler.hardware.design import Freedom
from asic_compiler.hardware.legality import Constraints
from asic_compiler.mapping.profile import Profile
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.ppa.model import PPAModel
from asic_compiler.technology.library import load_node


@pytest.fixture(scope="session")
def small():
    """A Llama-like model of four layers, big enough to be split over tens of tiles."""
    return Profile(
        transformer(
            layers=4, hidden=512, heads=8, kv_heads=2, head_dim=64, ffn=1536, vocab=4096, batch=2,
            context=512,
        )
    )  # fmt: skip


@pytest.fixture(scope="session")
def llama():
    return Profile(transformer())


@pytest.fixture(scope="session")
def make_model():
    def make(profile, node="3nm", **conditions):
        limits = conditions.pop("constraints", Constraints())
        return PPAModel(profile, load_node(node), Conditions(constraints=limits, **conditions))

    return make


@pytest.fixture(scope="session")
def draw():
    """Random designs anywhere in the space: legal or not, the model must make sense of them."""

    def random_designs(count, seed, node="3nm", freedom=None):
        from asic_compiler.hardware.design import decode

        rng = np.random.default_rng(seed)
        discrete = np.stack(
            [*rng.integers(1, 65, (2, count)), *rng.integers(1, 5, (2, count))], axis=1
        )
        continuous = rng.uniform(-1.0, 1.0, (count, 30))
        return decode(discrete, continuous, load_node(node), freedom or Freedom())

    return random_designs
