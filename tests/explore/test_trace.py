"""The decision trace: every figure is that of a design that was evaluated."""

import json

import jsonschema
import numpy as np
import pytest
from toy_problems import WalkAndTune
from workloads import transformer

from asic_compiler.explore.request import Request
from asic_compiler.explore.reward import score
from asic_compiler.explore.run import make_problem
from asic_compiler.explore.search import search
from asic_compiler.explore.trace.binding import constraints, edges, neighbourhood
from asic_compiler.explore.trace.changes import ablation
from asic_compiler.explore.trace.document import decision_trace, schema, to_text
from asic_compiler.explore.trace.history import (
    MOST_SIGNALS,
    actions_at,
    incumbent_rows,
    signal_table,
)
from asic_compiler.explore.trace.values import NAMES, shown
from asic_compiler.explore.trace.variants import Variants, step_from
from asic_compiler.hardware.space import CONTINUOUS, INDEX

TABLE = transformer(layers=2, hidden=256, heads=4, kv_heads=2, head_dim=64, ffn=512, vocab=4096,
                    context=128)  # fmt: skip


def problem(**options):
    return make_problem(TABLE, Request(**options).resolved())


@pytest.fixture(scope="module")
def searched():
    chips = problem(constraints="mesh in 2x2..24x24; rows <= 4", power_w=2.0)
    return chips, search(chips, "random", evaluations=400, seed=2)


@pytest.fixture(scope="module")
def trace(searched):
    return decision_trace(*searched)


def test_the_document_obeys_its_schema_and_is_deterministic(searched, trace):
    jsonschema.Draft202012Validator(schema()).validate(json.loads(to_text(trace)))
    assert to_text(decision_trace(*searched)) == to_text(trace)
    assert trace["search"] == {
        "strategy": "random",
        "seed": 2,
        "evaluations": 400,
        "feasible": int(searched[1].history["feasible"].sum()),
        "front": len(searched[1].archive),
    }


def test_analysis_is_some_hundred_evaluations_and_changes_no_result(searched, trace):
    chips, result = searched
    untouched = search(chips, "random", evaluations=400, seed=2)
    assert 100 < trace["analysis_evaluations"] < 2000
    assert untouched.best.continuous.tobytes() == result.best.continuous.tobytes()
    for name, column in untouched.history.items():
        assert column.tobytes() == result.history[name].tobytes()


def test_incumbents_end_at_the_best_and_only_rise(searched, trace):
    _, result = searched
    found = trace["incumbents"]
    assert found[-1]["score"] == pytest.approx(result.best_score, abs=1e-12)
    scores = [row["score"] for row in found]
    assert scores == sorted(set(scores))
    assert found[0]["changed"] == []
    assert all(row["changed"] for row in found[1:])
    first = int(np.flatnonzero(result.history["feasible"])[0])
    assert found[0]["evaluation"] == first + 1


def test_an_incumbent_is_better_and_not_as_good():
    history = {
        "feasible": np.array([False, True, True, False, True, True]),
        "score": np.array([9.0, 1.0, 1.0, 7.0, 0.5, 2.0]),
    }
    assert incumbent_rows(history).tolist() == [1, 5]


def test_what_a_variable_did_is_the_score_without_it(searched, trace):
    """Recomputed here: the best design with that one action of the first incumbent."""
    chips, result = searched
    rows = incumbent_rows(result.history)
    discrete, continuous = actions_at(chips, result.history, rows[:1])
    variants = Variants(chips, result.best)
    for change in trace["changes"]["first_feasible"]["variables"]:
        at = NAMES.index(change["variable"])
        own_d, own_c = variants.discrete.copy(), variants.continuous.copy()
        if at < 4:
            own_d[at] = discrete[0, at]
        else:
            own_c[at - 4] = continuous[0, at - 4]
        found = chips.evaluate(own_d[None], own_c[None])
        assert change["set_back"]["power_w"] == found.power_w[0]
        assert change["set_back"]["feasible"] == bool(found.feasible[0])
        if found.feasible[0]:
            lost = result.best_score - score(found, chips)[0]
            assert change["score_lost"] == pytest.approx(lost, abs=1e-6)
        else:
            assert change["score_lost"] is None
        assert change["from"] != change["to"]


def test_a_design_compared_with_itself_changed_nothing(searched):
    chips, result = searched
    variants = Variants(chips, result.best)
    same = ablation(variants, 1, result.best.discrete[0], result.best.continuous[0])
    assert same["variables"] == []


def test_every_constraint_has_its_slack(searched, trace):
    rows = {row["constraint"]: row for row in trace["constraints"]}
    assert list(rows)[:4] == [
        "power <= 2 W", "mesh_width in 2..24", "mesh_height in 2..24", "rows <= 4",
    ]  # fmt: skip
    power = rows["power <= 2 W"]
    assert power["value"] == pytest.approx(trace["design"]["power_w"])
    assert power["slack"] == pytest.approx(1.0 - power["value"] / 2.0, abs=1e-12)
    assert power["relaxed"] == "power <= 2.02 W"
    memories = [row for row in trace["constraints"] if row["kind"] == "memory"]
    assert len(memories) == 3
    assert all(0.0 <= row["slack"] <= 1.0 and row["buys"] is None for row in memories)


def test_a_budget_that_holds_the_throughput_back_binds_and_relaxing_it_buys():
    chips = problem(goal="maximize tokens_per_s subject to power <= 0.5 W")
    result = search(chips, "random", evaluations=300, seed=1)
    variants = Variants(chips, result.best)
    power = constraints(variants, result.history)[0]
    assert power["binds"]
    assert power["slack"] <= 1e-3
    assert variants.fastest_clock
    assert power["buys"]["score_gained"] > 0.0
    assert 1.0 < power["buys"]["performance_ratio"] < 1.1
    assert power["buys"]["power_ratio"] == pytest.approx(1.01, rel=1e-3)


def test_a_pinned_variable_that_costs_says_so():
    """The lowest supply is the slowest: where power is no matter, one step up is faster."""
    goal = "maximize tokens_per_s subject to power <= 90 W"
    chips = problem(constraints="vdd = 0.45 V; mesh in 1x1..64x64", goal=goal)
    result = search(chips, "random", evaluations=300, seed=1)
    rows = {r["constraint"]: r for r in constraints(Variants(chips, result.best), result.history)}
    supply = rows["vdd = 0.45 V"]
    assert supply["binds"]
    assert supply["buys"]["by"] == "a step of vdd"
    assert supply["buys"]["performance_ratio"] > 1.0
    for row in rows.values():  # what allows everything costs nothing
        if row["constraint"].startswith("mesh"):
            assert not row["binds"]
            assert row["buys"]["by"] is None


def test_constraints_of_every_kind_are_relaxed():
    goal = ("minimize energy_per_token subject to latency <= 1 s and die_area <= 400 mm2 and "
            "dies <= 2 and tokens_per_s >= 5 and clock <= 900 MHz")  # fmt: skip
    chips = problem(goal=goal)
    result = search(chips, "random", evaluations=200, seed=1)
    rows = constraints(Variants(chips, result.best), result.history)
    assert [(row["kind"], row["relaxed"]) for row in rows[:5]] == [
        ("budget", "die_area <= 404 mm2"), ("budget", "dies <= 3"),
        ("budget", "tokens_per_s >= 4.95"), ("goal", "latency <= 1.01 s"),
        ("goal", "clock <= 909000000 Hz"),
    ]  # fmt: skip
    for row in rows[:5]:
        at_least = ">=" in row["constraint"]
        ratio = row["value"] / row["limit"]
        assert row["slack"] == pytest.approx(ratio - 1.0 if at_least else 1.0 - ratio, abs=1e-9)
    assert rows[0]["slack"] > 0.1


def test_an_infeasible_design_has_no_score():
    chips = problem(goal="maximize tokens_per_s subject to power <= 0.5 W and dies <= 1")
    result = search(chips, "random", evaluations=100, seed=1)
    variants = Variants(chips, result.best)
    rows = np.flatnonzero(~result.history["feasible"])[:5]
    assert len(rows)
    _, scores = variants.evaluate(*actions_at(chips, result.history, rows))
    assert np.isneginf(scores).all()


def test_a_fixed_clock_is_a_constraint():
    chips = problem(mode="low-power", power_w=1.0)
    result = search(chips, "random", evaluations=100, seed=1)
    rows = constraints(Variants(chips, result.best), result.history)
    clock = next(row for row in rows if row["constraint"].startswith("clock ="))
    assert clock["binds"]
    assert clock["slack"] == 0.0


def test_trades_are_of_the_front_and_not_the_chosen(searched, trace):
    _, result = searched
    members = result.archive.members
    front = {float(p) for p in members.performance}
    assert trace["trades"]
    for row in trace["trades"]:
        assert row["performance"] in front
        assert row["score"] <= result.best_score
        assert row["differs"]
        ratio = row["performance"] / trace["design"]["performance"]
        assert row["performance_ratio"] == pytest.approx(ratio)
        assert row["power_ratio"] == pytest.approx(row["power_w"] / trace["design"]["power_w"])
        assert row["area_ratio"] == pytest.approx(row["area_mm2"] / trace["design"]["area_mm2"])
    assert len({row["performance"] for row in trace["trades"]}) == len(trace["trades"])


def test_the_neighbourhood_is_one_step_away(searched, trace):
    chips, result = searched
    variants = Variants(chips, result.best)
    names, discrete, continuous = variants.neighbours(chips)
    moved = (discrete != variants.discrete).sum(axis=1) + (continuous != variants.continuous).sum(
        axis=1
    )
    assert (moved == 1).all()
    assert trace["neighbourhood"] == neighbourhood(variants)
    assert trace["neighbourhood"]["evaluated"] == len(names)


@pytest.mark.parametrize("variable", CONTINUOUS, ids=lambda v: v.name)
@pytest.mark.parametrize("x", [-1.0, 0.1, 1.0])
def test_steps_change_the_value_and_stay_inside(variable, x):
    steps = step_from(variable.name, x)
    assert len(steps) == (2 if -1 < x < 1 else 1)
    own = variable.decode(np.array(x))
    for step in steps:
        assert -1.0 <= step <= 1.0
        assert variable.decode(np.array(step)) != own


def test_edges_are_ends_of_the_design_space(searched):
    chips, result = searched
    found = {row["variable"]: row["end"] for row in edges(Variants(chips, result.best))}
    value = shown(chips, result.best)[0]
    for name, end in found.items():
        if name in INDEX and CONTINUOUS[INDEX[name]].unit in ("bit", "ports", "rows"):
            variable = CONTINUOUS[INDEX[name]]
            assert value[name] == (variable.low if end == "lowest" else variable.high)


def test_signals_are_thinned_and_hold_no_nan():
    count = 3 * MOST_SIGNALS
    table = signal_table(
        {
            "evaluation": np.arange(count),
            "gate.0": np.where(np.arange(count) == 0, np.nan, 0.5),
        }
    )
    assert len(table["evaluation"]) == MOST_SIGNALS
    assert (table["evaluation"][0], table["evaluation"][-1]) == (0, count - 1)
    assert table["gate.0"][0] is None
    assert table["gate.0"][1] == 0.5
    assert signal_table({}) == {}


def test_there_is_no_trace_of_nothing():
    chips = problem(power_w=1e-6)
    with pytest.raises(ValueError, match="nothing feasible"):
        decision_trace(chips, search(chips, "random", evaluations=10))
    assert search(WalkAndTune(), "random", evaluations=10).best is not None
