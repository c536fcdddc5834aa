"""Policies are told apart from what they were trained on: workload and goal, at any node."""

from dataclasses import replace

import pytest
from workloads import transformer

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.protocol import context_of
from asic_compiler.explore.request import Request
from asic_compiler.explore.run import explore, make_problem
from asic_compiler.explore.strategies.sac_moe import policy_file
from asic_compiler.explore.unseen import ACTS, LEARNS, is_unseen

# The 1B Llama of the training (benchmarks/pretrain.py), and as it would be with half the layers.
TRAINED = transformer(layers=16, hidden=2048, heads=32, kv_heads=8, head_dim=64, ffn=8192)
OTHER = transformer(layers=8, hidden=2048, heads=32, kv_heads=8, head_dim=64, ffn=8192)
REQUEST = Request(node="7nm", evaluations=40)


def problem(table=TRAINED, **options):
    return make_problem(table, replace(REQUEST, **options).resolved())


@pytest.fixture(scope="module")
def trained():
    return context_of(problem())[None]


def test_the_same_workload_and_goal_is_known_at_any_node(trained):
    assert not is_unseen(problem(), trained)
    assert not is_unseen(problem(node="28nm"), trained)
    assert not is_unseen(problem(power_w=51.0), trained)  # instead of 51.4
    assert is_unseen(problem(), trained[:0])


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
def test_another_workload_budget_goal_or_format_is_not(trained, options):
    assert is_unseen(problem(**options), trained)


def test_neither_policy_nor_learning_is_refused():
    with pytest.raises(UserError, match="leave nothing to act with"):
        explore(OTHER, replace(REQUEST, policy="none", train=False))


@pytest.mark.parametrize(
    ("table", "options", "learns", "notes"),
    [
        (TRAINED, {}, False, ()),
        (TRAINED, {"train": True}, True, ()),
        (OTHER, {}, True, (LEARNS,)),
        (OTHER, {"train": False}, False, (ACTS,)),
        (OTHER, {"train": True}, True, ()),
        (OTHER, {"policy": "none"}, True, ()),
        (OTHER, {"strategy": "annealing"}, None, ()),
    ],
)
def test_a_policy_learns_where_it_was_not_trained_unless_told_otherwise(
    table, options, learns, notes
):
    found = explore(table, replace(REQUEST, **options))
    assert found.request.train is learns
    assert found.result.notes == notes
    # What is said of the run gives it again.
    if "strategy" not in options:
        assert found.request.told("search")["train"] is bool(learns)


def test_the_policy_is_read_once(monkeypatch):
    """It was read to see whether it had to learn, and again by the search."""
    read = []
    load = policy_file.load_policy
    monkeypatch.setattr(policy_file, "load_policy", lambda *a: read.append(a) or load(*a))
    explore(TRAINED, REQUEST)
    assert len(read) == 1
