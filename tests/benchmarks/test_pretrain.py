"""Training's searches for better designs: what was found survives a kill, and is of one run."""

import numpy as np
import pretrain
import pytest

from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "policy.safetensors"
    path.write_bytes(b"a policy")
    return path


def design(seed, count=3):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 9, (count, 4)), rng.uniform(-1.0, 1.0, (count, 30))


def test_what_was_searched_is_read_again_to_the_bit(policy):
    searched = pretrain.Searched(policy, ["a task", "another"])
    for seed, count in ((1, 3), (2, 0)):
        searched.add(design(seed, count))
    again = pretrain.Searched(policy, ["a task", "another"])
    assert len(again) == 2
    for found, given in zip(again, searched, strict=True):
        for read, wrote in zip(found, given, strict=True):
            assert read.dtype == wrote.dtype
            np.testing.assert_array_equal(read, wrote)
    again.forget()
    assert list(policy.parent.iterdir()) == [policy]


def test_designs_of_another_policy_or_of_other_tasks_are_not_taken(policy):
    pretrain.Searched(policy, ["a task"]).add(design(1))
    assert len(pretrain.Searched(policy, ["another"])) == 0
    policy.write_bytes(b"another policy")
    assert len(pretrain.Searched(policy, ["a task"])) == 0


def test_each_search_is_another_and_those_of_the_learner_do_not_update(policy):
    made = [pretrain.strategy_of(kind, SacMoeConfig(), policy) for kind in pretrain.SEARCHES]
    assert [(one.policy, one.train) for one in made if isinstance(one, SacMoe)] == [
        (str(policy), False), (str(policy), True), ("none", True)
    ]  # fmt: skip
    assert [one.config.updates_per_step for one in made[1:3]] == [0.0, 0.0]
    assert made[3].name == "cma-es"


def test_nothing_that_is_held_out_is_trained_on():
    names = pretrain.training()
    assert len(names) == len(set(names)) == 132
    for part, held_out in enumerate(
        (pretrain.HELD_OUT_NODE, pretrain.HELD_OUT_WORKLOAD, pretrain.HELD_OUT_GOAL)
    ):
        assert held_out not in {name[part] for name in names}
