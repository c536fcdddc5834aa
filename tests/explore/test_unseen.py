"""Policies are told apart from what they were trained on: workload and goal, at any node."""

from dataclasses import replace

import numpy as np
import pytest
from workloads import transformer

from asic_compiler.explore.run import Request, explore, make_problem
from asic_compiler.explore.strategies.sac_moe.known import KnownDesigns
from asic_compiler.explore.unseen import NOTE, is_unseen

# The 1B Llama of the training (benchmarks/pretrain.py), and as it would be with half the layers.
TRAINED = transformer(layers=16, hidden=2048, heads=32, kv_heads=8, head_dim=64, ffn=8192)
OTHER = transformer(layers=8, hidden=2048, heads=32, kv_heads=8, head_dim=64, ffn=8192)
REQUEST = Request(node="7nm", evaluations=40)


def problem(table=TRAINED, **options):
    return make_problem(table, replace(REQUEST, **options).resolved())


@pytest.fixture(scope="module")
def known():
    seven = problem()
    return KnownDesigns.of([seven], [seven.evaluate(*seven.start(2, np.random.default_rng(0)))])


def test_the_same_workload_and_goal_is_known_at_any_node(known):
    assert not is_unseen(problem(), known)
    assert not is_unseen(problem(node="28nm"), known)


@pytest.mark.parametrize(
    "options",
    [
        {"table": OTHER},
        {"weights": (0.3, 0.3, 0.4)},
        {"power_w": 40.0},
        {"goal": "minimize latency subject to power <= 51 W"},
        {"precision": ("w8a8",)},
    ],
)
def test_another_workload_budget_goal_or_format_is_not(known, options):
    assert is_unseen(problem(**options), known)


def test_whoever_asks_for_what_the_policy_does_not_know_is_told_once():
    assert explore(TRAINED, REQUEST).result.notes == ()
    assert explore(OTHER, REQUEST).result.notes == (NOTE,)
    for other in ({"policy": "none"}, {"train": True}, {"strategy": "annealing"}):
        assert NOTE not in explore(OTHER, replace(REQUEST, **other)).result.notes
