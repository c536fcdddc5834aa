"""Requests: defaults of the modes, refusals, and answers when nothing fits."""

import numpy as np
import pytest
from workloads import transformer

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.request import MODES, Request
from asic_compiler.explore.run import explore, make_problem

SMALL = transformer(
    layers=2, hidden=64, heads=4, kv_heads=2, head_dim=16, ffn=128, vocab=256, context=32
)


def test_a_mode_fills_in_what_the_request_leaves_open():
    request = Request(mode="low-power", temperature_c=40.0).resolved()
    assert request.power_w == MODES["low-power"].power_w == 0.013
    assert request.clock_hz == 10e6
    assert request.temperature_c == 40.0
    assert request.weights == (0.2, 0.6, 0.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "fast"}, "unknown mode 'fast'"),
        ({"node": "2nm"}, "unknown process node '2nm'"),
        ({"power_w": 0.0}, "power_w must be positive"),
        ({"power_w": float("nan")}, "power_w must be positive"),
        ({"dies": -1}, "dies must be positive"),
        ({"temperature_c": 400.0}, "temperature_c must be between"),
        ({"weights": (1.0, -1.0, 0.0)}, "weights must be three numbers"),
        ({"weights": (float("nan"), 1.0, 1.0)}, "weights must be three numbers"),
        ({"weights": (float("inf"), 1.0, 1.0)}, "weights must be between"),
        ({"weight_bits": (12,)}, "weight_bits must be some of"),
        ({"kv_bits": ()}, "kv_bits must be some of"),
        ({"evaluations": 0}, "evaluations must be at least 1"),
        ({"seed": -1}, "seed must not be negative"),
        ({"strategy": "magic"}, "unknown strategy 'magic'"),
    ],
)
def test_a_request_without_meaning_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        explore(SMALL, Request(**{"evaluations": 8, "strategy": "random", **options}))


def test_the_figures_of_the_plan_are_those_of_the_search():
    found = explore(SMALL, Request(evaluations=64, strategy="random"))
    best, metrics = found.result.best, found.plan.metrics
    assert best is not None
    assert metrics.tokens_per_s[0] == best.performance[0]
    assert metrics.power_w[0] == pytest.approx(best.power_w[0], rel=1e-12)
    assert metrics.area_mm2[0] == best.area_mm2[0]
    assert metrics.legal[0]


def test_narrow_weights_are_taken_only_when_allowed():
    model = transformer(
        layers=2, hidden=512, heads=8, kv_heads=2, head_dim=64, ffn=2048, vocab=8192, context=32
    )
    kept = explore(model, Request(evaluations=64, strategy="random"))
    assert kept.plan.chip.weight_bits == 16
    narrow = explore(model, Request(evaluations=64, strategy="random", weight_bits=(8,)))
    assert narrow.plan.chip.weight_bits == 8
    # The same chip, had it kept 16 bits: half of the bytes that a tile must hold.
    best = narrow.problem.decode(narrow.result.best.discrete, narrow.result.best.continuous)
    wide = best.with_(weight_bits=np.full(1, 16.0))
    need = [narrow.problem.model.evaluate_equal_stages(d)[1].wmem_need for d in (best, wide)]
    assert 0.5 <= need[0].sum() / need[1].sum() < 0.7  # tables and norms keep their width


def test_the_nearest_design_says_what_it_breaks_and_by_how_much():
    with pytest.raises(UserError, match="infeasible: none of 32 designs") as error:
        explore(SMALL, Request(evaluations=32, strategy="random", tokens_per_s=1e12))
    notes = error.value.notes
    assert notes[0].startswith("nearest design: ")
    assert any("under the least of 1000000000000.0 tokens/s" in note for note in notes)
    assert "tokens_per_s" in notes[-2]


def test_stages_are_no_more_than_the_program_can_fill():
    problem = make_problem(SMALL, Request().resolved())
    assert problem.freedom.max_stages <= problem.model.profile.max_stages


def test_a_goal_as_text_sets_objective_and_budgets():
    request = Request(
        evaluations=256,
        strategy="random",
        goal="minimize energy_per_token subject to power <= 2 W and die_area <= 200 mm2",
    )
    found = explore(SMALL, request)
    metrics = found.plan.metrics
    assert metrics.power_w[0] <= 2.0
    assert metrics.area_mm2[0] <= 200.0
    columns = found.result.history
    feasible = columns["feasible"].astype(bool)
    energy = columns["power_w"][feasible] / columns["performance"][feasible]
    assert metrics.energy_per_token_j[0] == pytest.approx(energy.min(), rel=1e-9)


def test_an_option_that_contradicts_the_goal_is_refused():
    with pytest.raises(UserError, match="power_w"):
        explore(SMALL, Request(power_w=3.0, goal="maximize tokens_per_s subject to power <= 2 W"))
