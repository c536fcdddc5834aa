"""The evidence harness: records that survive, figures that are right, no run made twice."""

import argparse
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import search
from hypothesis import given
from hypothesis import strategies as st
from search_evidence import exact, runs, store, tables, workloads
from search_evidence.figures import best_after, hypervolume, interval, reached, shortfall
from search_evidence.plan import ABLATIONS, BEST_KNOWN, ENTRANTS, EVERY, PRETRAINED
from search_evidence.rows import percent as percent_of
from search_evidence.runs import Task, code_digest, curve, model_digest, run
from workloads import transformer

from asic_compiler.explore.strategies import strategy_names
from asic_compiler.workload.table import OperatorKind

pytestmark = pytest.mark.usefixtures("small")


def task(label="annealing", seed=0, limit="150", **options):
    return Task("llama", "7nm", label, seed, limit, **options)


def test_every_strategy_takes_part_and_every_ablation_is_a_configuration():
    assert {one.strategy for one in ENTRANTS.values()} == set(strategy_names())
    assert set(BEST_KNOWN) <= set(ENTRANTS)
    digests = [code_digest(label) for label in ("sac-moe", *ABLATIONS)]
    assert len(set(digests)) == len(digests)
    for label in ABLATIONS:
        assert EVERY[label].make().config != ENTRANTS["sac-moe"].make().config
    made = {label: EVERY[label].make() for label in ("sac-moe", *PRETRAINED)}
    assert [(one.policy, one.train) for one in made.values()] == [
        ("none", True), ("default", False), ("default", True)
    ]  # fmt: skip


def test_a_table_is_read_as_it_was_written():
    table = transformer(batch=2, context=64, layers=2)
    again = workloads.read(workloads.written(table))
    assert again.classes == table.classes
    assert again.names == table.names
    np.testing.assert_array_equal(again.sequence, table.sequence)
    np.testing.assert_array_equal(again.edges, table.edges)
    assert workloads.written(again) == workloads.written(table)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(workloads.WORKLOADS))
def test_a_workload_of_the_evidence_is_imported_whole(name):
    """All layers; tests/workload/test_extract.py imports one of each model."""
    options = dict(workloads.WORKLOADS[name].options)
    table = workloads._imported(workloads.WORKLOADS[name])
    assert (table.phase, table.context) == (options["phase"], options["context"])
    layers = {"llama": 32, "smolvlm": 30}[name]
    appends = [n for n, c in zip(table.names, table.sequence, strict=True)
               if table.classes[c].kind is OperatorKind.KV_APPEND]  # fmt: skip
    assert len(appends) == 2 * layers
    assert workloads.written(workloads.read(workloads.written(table))) == workloads.written(table)


def test_a_record_says_what_was_found_and_the_same_run_says_the_same():
    record, design = run(task())
    again, _ = run(task())
    timeless = [{k: v for k, v in r.items() if k not in ("wall_s", "cpu_s")}
                for r in (record, again)]  # fmt: skip
    assert timeless[0] == timeless[1]
    assert record["evaluations"] == 150
    assert record["curve"][-1][1] == pytest.approx(record["score"], abs=1e-6)
    problem = workloads.problem_of("llama", "7nm")
    found = problem.evaluate(np.array([design["discrete"]]), np.array([design["continuous"]]))
    assert found.power_w[0] == pytest.approx(record["power_w"], rel=1e-6)
    assert len(json.dumps(record)) < 2000


def test_a_limit_in_seconds_finds_its_budget():
    record, _ = run(task("starts", limit="0.3s", hint=2000))
    assert record["evaluations"] != 2000
    assert 0.1 < record["cpu_s"] < 0.9


def test_a_budget_is_found_where_time_grows_with_its_cube_and_none_is_made_up(monkeypatch):
    asked = []

    def cubed(task, problem, budget):
        asked.append(budget)
        return SimpleNamespace(evaluations=budget), 0.0, (budget / 100) ** 3

    monkeypatch.setattr(runs, "_timed", cubed)
    budget = runs._within(22.0, task(limit="22s", hint=512), None)[0].evaluations
    assert 0.9 <= 22.0 / (budget / 100) ** 3 <= 1.1
    assert budget == asked[-1]
    monkeypatch.setattr(runs, "_timed", lambda task, problem, budget: (
        SimpleNamespace(evaluations=budget), 0.0, 1e-2 if budget < 100 else 500.0))  # fmt: skip
    with pytest.raises(ValueError, match="no budget takes 22 s"):
        runs._within(22.0, task(limit="22s", hint=512), None)


def test_a_budget_is_first_sought_where_a_run_took_about_as_long():
    def took(evaluations, seconds, workload="llama", strategy="grid"):
        return {"workload": workload, "strategy": strategy, "evaluations": evaluations,
                "cpu_s": seconds}  # fmt: skip

    records = [took(100, 1.0), took(4000, 20.0), took(900, 2.0), took(10, 80.0, strategy="tpe")]
    found = search.hints("22s", [*records, took(7, 0.0, "smolvlm")])
    assert found == {("llama", "grid"): 4400, ("llama", "tpe"): 2, ("smolvlm", "grid"): 154_000}
    assert search.hints("4613", records) == {}


def test_the_next_run_of_so_many_seconds_goes_half_of_the_way():
    assert search.next_hint({"evaluations": 900, "cpu_s": 22.0}, 22.0) == 900
    assert search.next_hint({"evaluations": 900, "cpu_s": 24.2}, 22.0) == round(900 / 1.1**0.5)
    assert search.next_hint({"evaluations": 1, "cpu_s": 1e9}, 22.0) == 1


def test_what_a_strategy_cannot_afford_it_does_not_get():
    assert EVERY["bayesian"].budget(4613) == 300
    assert EVERY["bayesian"].budget(100) == 100
    assert EVERY["cma-es"].budget(461_300) == 461_300


def test_records_are_appended_read_back_and_replaced_by_later_ones(tmp_path):
    record, _ = run(task())
    other, _ = run(task(seed=1))
    for one in (record, other, record | {"score": 7.0}):
        store.append(one, tmp_path)
    held = store.load(folder=tmp_path)
    assert set(held) == {task().key, task(seed=1).key}
    assert held[task().key]["score"] == 7.0
    assert store.compact(tmp_path) == (2, 1)
    assert store.load(folder=tmp_path) == held


def test_a_line_that_was_cut_short_is_no_record_and_spoils_none(tmp_path):
    record, _ = run(task())
    store.append(record, tmp_path)
    path = tmp_path / "annealing.jsonl"
    path.write_text(path.read_text() + '{"workload":"llama","no')
    assert set(store.load(folder=tmp_path)) == {task().key}
    store.append(record | {"seed": 1}, tmp_path)
    assert set(store.load(folder=tmp_path)) == {task().key, task(seed=1).key}
    path.write_text("")
    store.append(record, tmp_path)
    assert path.read_text().count("\n") == 1


def test_a_record_of_another_model_or_code_or_budget_is_not_current():
    record, _ = run(task())
    assert store.is_current(record)
    for change in ({"model": "x"}, {"code": "x"}, {"evaluations": 149}, {"strategy": "gone"}):
        assert not store.is_current(record | change)


def test_another_cost_model_has_another_digest(monkeypatch):
    digest = model_digest("llama", "7nm")
    problem = workloads.problem_of("llama", "7nm")
    evaluate = problem.model.evaluate
    assert digest != model_digest("llama", "5nm")
    assert digest != model_digest("smolvlm", "7nm")
    model_digest.cache_clear()
    assert model_digest("llama", "7nm") == digest
    model_digest.cache_clear()

    def hotter(design):
        found = evaluate(design)
        return replace(found, power_w=found.power_w * (1.0 + 1e-6))

    monkeypatch.setattr(problem.model, "evaluate", hotter)
    assert model_digest("llama", "7nm") != digest


def test_only_a_better_design_becomes_the_best_known(tmp_path):
    _, design = run(task())
    assert store.offer_best(design, tmp_path)
    assert not store.offer_best(design, tmp_path)
    assert store.offer_best(design | {"score": design["score"] + 1.0}, tmp_path)
    assert not store.offer_best({}, tmp_path)
    stale = design | {"score": 99.0, "model": "another"}
    assert store.offer_best(stale, tmp_path)
    assert store.best_known(tmp_path) == {}
    assert store.offer_best(design, tmp_path)


def test_comments_and_docstrings_are_no_change_of_code():
    first = runs.bare('"""A."""\ndef f(x):\n    """B."""\n    return x  # c\n')
    assert first == runs.bare('"""Z."""\ndef f(x):\n    """Y."""\n    return x\n')
    assert first != runs.bare('"""A."""\ndef f(x):\n    """B."""\n    return -x\n')


@pytest.mark.parametrize(
    ("best", "expected"),
    [
        ([np.nan, np.nan], []),
        ([np.nan, 0.1, 0.1, 0.1001, 0.2], [[2, 0.1], [5, 0.2]]),
        ([0.1, 0.10001, 0.10002], [[1, 0.1], [3, 0.10002]]),
    ],
)
def test_a_curve_keeps_its_steps_and_its_end(best, expected):
    assert curve(np.array(best)) == expected


def test_the_best_after_some_evaluations_is_the_last_step_before():
    steps = [[3, -0.5], [10, 0.25]]
    found = best_after(steps, np.array([1.0, 2.0, 3.0, 9.0, 10.0, 99.0]))
    assert found.tolist() == [-np.inf, -np.inf, -0.5, -0.5, 0.25, 0.25]
    assert best_after([], np.array([5.0])).tolist() == [-np.inf]


def test_a_shortfall_is_relative_and_whole_where_nothing_was_found():
    assert shortfall(0.2, 0.2, 5.0) == 0.0
    assert shortfall(0.2 + np.log(0.9) / 5.0, 0.2, 5.0) == pytest.approx(0.1)
    assert shortfall(-np.inf, 0.2, 5.0) == 1.0


def test_when_a_target_is_reached():
    steps = [[3, -0.5], [10, 0.1], [40, 0.2]]
    assert reached(steps, 0.1) == 10.0
    assert reached(steps, 0.15) == 40.0
    assert reached(steps, 0.3) == np.inf
    assert reached([], 0.0) == np.inf


@given(st.lists(st.tuples(*[st.integers(-1, 5)] * 3), min_size=1, max_size=8))
def test_the_hypervolume_is_the_count_of_dominated_cells(points):
    gains = np.array(points) / 4.0
    values = np.stack([gains[:, 0], 1.0 - gains[:, 1], 1.0 - gains[:, 2]], axis=1)
    corners = np.stack(np.meshgrid(*[np.arange(5)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = (corners[:, None, :] + 1 <= np.array(points)[None]).all(axis=2).any(axis=1)
    assert hypervolume(values) == pytest.approx(inside.sum() / 64.0)


def test_an_interval_holds_the_median_and_narrows_with_the_sample():
    rng = np.random.default_rng(0)
    few, many = rng.normal(size=10), rng.normal(size=400)
    for sample in (few, many):
        low, high = interval(sample)
        assert low <= np.median(sample) <= high
    assert np.ptp(interval(many)) < np.ptp(interval(few)) / 3.0
    assert interval(np.full(5, 2.0)) == (2.0, 2.0)


def test_the_table_names_the_best_first_and_who_reached_it():
    records = [run(task(label, seed))[0] for label in ("annealing", "starts") for seed in (0, 1)]
    text = list(tables.tables(records, {}, "150"))
    rows = [line for line in text if line.startswith(("| annealing", "| starts"))]
    medians = {label: np.median([r["score"] for r in records if r["strategy"] == label])
               for label in ("annealing", "starts")}  # fmt: skip
    first = max(medians, key=medians.get)
    assert rows[0].startswith(f"| {first} | 2 | {medians[first]:.4f}")
    assert len(rows) == 4  # two of the problem, two over the nodes
    assert list(tables.tables(records, {}, "4613")) == []


def test_the_overview_has_a_row_a_strategy_and_a_column_a_node():
    records = [run(task(label))[0] for label in ("annealing", "random")]
    known = {"llama 7nm": {"score": 10.0}}
    text = list(tables.overview(records, {}, "150"))
    assert text[0] == "| strategy | 7nm | core s |"
    rows = dict(zip(("first", "second"), text[2:], strict=True))
    best = max(records, key=lambda r: -np.inf if r["score"] is None else r["score"])
    assert rows["first"].startswith(f"| {best['strategy']} | -0.0% (1) | ")
    worse = next(r for r in records if r is not best)
    assert rows["second"].startswith(f"| {worse['strategy']} | ")
    assert "-0.0%" not in rows["second"]
    # Against a design that is better than all of them, every row is below.
    assert not any("-0.0%" in row for row in tables.overview(records, known, "150"))
    assert list(tables.overview(records, {}, "4613")) == []
    # Who has no row counts for the best known all the same.
    *_, row = tables.overview(records, {}, "150", [worse["strategy"]])
    assert row == rows["second"]


def test_the_table_of_an_enumerated_space_says_who_found_the_optimum_and_by_how_much_not():
    lower = 0.2 + np.log(0.9) / workloads.octaves("llama", "7nm")
    runs = {"a 1 9": {"0": 0.2, "1": 0.2, "2": lower}, "b 1 9": {"0": lower, "1": None}}
    held = {"llama 7nm": {"optimum": 0.2, "runs": runs}}
    keys = {"b": "b 1 9", "a": "a 1 9", "c": "c 1 9"}
    head, _, *rows = tables.enumerated(held, keys, "llama")
    assert head == "| strategy | 7nm |"
    assert rows == ["| a | -0.0% (2 of 3) |", "| b | none (0 of 2) |"]
    one = {"llama 7nm": {"optimum": 0.2, "runs": {"b 1 9": {"0": lower}}}}
    assert list(tables.enumerated(one, keys, "llama"))[-1] == "| b | -10.0% (0 of 1) |"
    assert list(tables.enumerated(one, keys, "smolvlm")) == []


def test_runs_of_an_enumerated_space_are_kept_while_their_strategy_is_the_same():
    assert store.is_current_key(f"annealing {runs.code_digest('annealing')} 4613")
    assert not store.is_current_key(f"annealing {runs.code_digest('grid')} 4613")
    assert not store.is_current_key(f"hill {runs.code_digest('annealing')} 4613")


def test_where_no_strategy_found_anything_the_table_says_so():
    record, _ = run(task("random", limit="1"))
    text = "\n".join(tables.tables([record | {"score": None, "curve": []}], {}, "1"))
    assert "| random | 1 | none |  |  |" in text
    assert "not (0/1)" in text


def test_only_runs_without_a_current_record_are_made(monkeypatch):
    held = {task(seed=seed).key: run(task(seed=seed))[0] for seed in (0, 1)}
    held[task(seed=1).key]["code"] = "older"
    monkeypatch.setattr(store, "load", lambda: held)
    asked = [task(seed=seed) for seed in (0, 1, 2)]
    assert search.missing(asked) == asked[1:]


def test_the_first_seed_of_everything_comes_first_and_slow_strategies_have_fewer():
    args = argparse.Namespace(
        seeds=6, workloads=["llama"], nodes=["7nm"], strategies=["tpe", "grid"], limit="9"
    )
    made = [(one.label, one.seed) for one in search.tasks(args)]
    assert made[:3] == [("tpe", 0), ("grid", 0), ("tpe", 1)]
    assert ("tpe", 5) not in made
    assert ("grid", 5) in made


def test_the_reduced_space_is_what_searches_see_and_its_enumeration_is_whole(monkeypatch):
    problem = exact.reduced("llama", "7nm")
    rng = np.random.default_rng(0)
    points = rng.integers(0, exact.SIZE, 40)
    rows = [problem.members(int(at), int(at) + 1) for at in points]
    discrete, continuous = (np.concatenate(part) for part in zip(*rows, strict=True))
    held = problem._held(discrete, continuous)
    np.testing.assert_array_equal(held[0], discrete)
    np.testing.assert_array_equal(held[1], continuous)
    # Whatever is asked for becomes a member: its values are among those enumerated.
    asked = problem._held(rng.integers(1, 65, (40, 4)), rng.uniform(-1, 1, (40, 30)))
    for column in range(30):
        assert set(asked[1][:, column]) <= set(
            problem.members(0, exact.MESHES)[1][:, column]
        ) | set(np.concatenate(list(problem._levels.values())))
    monkeypatch.setattr(exact, "SIZE", 3000)
    whole = exact.enumerate_part("llama", "7nm", 0, 3000)
    parts = [exact.enumerate_part("llama", "7nm", a, b) for a, b in ((0, 1000), (1000, 3000))]
    assert whole[0] == max(part[0] for part in parts)
    assert whole[2] == sum(part[2] for part in parts)
    assert "x" in exact.describe("llama", "7nm", whole[1])


def test_a_run_whose_policy_does_not_fit_is_none_of_the_policy():
    reduced = exact.reduced("llama", "3nm")
    with pytest.raises(ValueError, match=r"sac-moe/pretrained: trained from nothing \(the shipped"):
        runs.searched(reduced, "sac-moe/pretrained", 32, 0)
    assert runs.searched(reduced, "sac-moe", 32, 0).evaluations == 32


def test_an_ablation_is_compared_with_the_whole_of_the_same_node_and_seed():
    def record(strategy, seed, score, node="7nm"):
        return {"workload": "llama", "node": node, "strategy": strategy, "seed": seed,
                "limit": "150", "score": score, "cpu_s": 2.0}  # fmt: skip

    percent = percent_of("llama", "7nm")
    records = [record("sac-moe", seed, 0.1 * seed) for seed in range(4)]
    records += [record("sac-moe/no-mpc", seed, 0.1 * seed - (seed - 1) * percent)
                for seed in range(3)]  # fmt: skip
    records += [record("sac-moe/no-mpc", 9, 1.0), record("sac-moe/no-mpc", 0, 1.0, "5nm")]
    records += [record("sac-moe/no-experts", 1, None)]
    text = tables.ablations(records, "llama", "150")
    rows = [line.split(" | ") for line in text if line[:3] == "| n"]
    assert [row[:2] for row in rows] == [["| no-experts", "1"], ["| no-mpc", "1"]]
    assert rows[0][2:4] == ["1", "-100.00%"]
    assert rows[1][2:4] == ["3", "+0.00%"]
    assert rows[1][5] == "1 / 1"
    assert rows[1][4] == "-1.00% to +1.01%"
    assert list(tables.ablations(records, "llama", "4613")) == []


def test_a_statement_that_moves_is_no_change_of_the_code_and_one_that_changes_is():
    first = "from asic_compiler.explore.a import layer\n\nx = layer(1)\n"
    second = '"""Words."""\nfrom asic_compiler.explore.b import layer\nx = layer(1)\n'
    assert runs.statements(first) == runs.statements(second)
    assert runs.statements(first) != runs.statements(first.replace("1", "2"))
    named = "from asic_compiler.explore.a import other as layer\nx = layer(1)\n"
    assert runs.statements(first) != runs.statements(named)


def test_the_code_of_sac_moe_is_also_what_it_takes_from_other_rooms():
    own = runs.ROOT / "asic_compiler" / "explore" / "strategies"
    found = {str(p.relative_to(own)) for p in runs._within_strategies(own / "sac_moe/strategy.py")}
    assert {"sac_moe/agent.py", "evolution/moves.py", "learning/adam.py"} <= found
