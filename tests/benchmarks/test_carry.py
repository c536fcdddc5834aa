"""Records go over to rewritten code only where a run made again finds the same."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from search_evidence import carry, exact, runs, store, workloads
from search_evidence.carry import Repeat
from search_evidence.runs import Task, code_digest, model_digest, run
from workloads import transformer

HERE = [("llama", "7nm")]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A model of one layer takes the place of both."""
    table = transformer(batch=1, context=128, layers=1)
    monkeypatch.setattr(workloads, "table_of", lambda workload: table)
    for cached in (workloads.problem_of, model_digest, exact.reduced):
        cached.cache_clear()
    yield
    for cached in (workloads.problem_of, model_digest, exact.reduced):
        cached.cache_clear()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(1) as one:
        yield one


def older(label="annealing", seed=0, limit="80"):
    """A record of this code that says it is of other code."""
    return run(Task("llama", "7nm", label, seed, limit))[0] | {"code": "older"}


def told(pool, folder, labels=("annealing", "grid"), asked=HERE):
    return sorted(carry.carry(pool, labels, asked, folder))


def test_where_the_first_seed_finds_the_same_all_records_of_the_group_go_over(tmp_path, pool):
    for record in (older(seed=1), older(seed=0), older("grid"), older("random")):
        store.append(record, tmp_path)
    lines = told(pool, tmp_path)
    assert [line.split(" in ")[0] for line in lines] == [
        "annealing llama 7nm 80: the same", "grid llama 7nm 80: the same",
    ]  # fmt: skip
    assert lines[0].endswith("2 of 2 records taken over")
    current = {r["strategy"] for r in store.load(folder=tmp_path).values() if store.is_current(r)}
    assert current == {"annealing", "grid"}  # random was not asked for
    assert told(pool, tmp_path) == []


@pytest.mark.parametrize("name", ["score", "curve", "feasible", "hypervolume"])
def test_where_any_figure_differs_none_does(tmp_path, pool, name):
    first = older()
    changed = [[1, 0.0]] if name == "curve" else first[name] + 1e-5
    for record in (first | {name: changed}, older(seed=1)):
        store.append(record, tmp_path)
    (line,) = told(pool, tmp_path)
    assert "another result" in line
    assert line.endswith("0 of 2 records taken over")
    assert not any(store.is_current(record) for record in store.load(folder=tmp_path).values())


def test_records_of_another_cost_model_and_of_present_code_are_no_group():
    present = run(Task("llama", "7nm", "annealing", 0, "80"))[0]
    assert carry.groups([present, older() | {"model": "older"}]) == []
    both = carry.groups([older(seed=1), older(seed=0), older(limit="90")])
    assert [[record["seed"] for record in group] for group in both] == [[0, 1], [0]]


def test_only_what_was_asked_for_is_made_again(tmp_path, pool):
    store.append(older(), tmp_path)
    assert told(pool, tmp_path, asked=[("llama", "5nm")]) == []
    assert told(pool, tmp_path, labels=["grid"]) == []


def test_a_limit_in_seconds_must_still_be_what_the_run_takes():
    assert Repeat(True, 3.0).holds("4613")
    assert Repeat(True, 1.2).holds("22s")
    assert not Repeat(True, 1.3).holds("22s")
    assert not Repeat(True, 0.7).holds("22s")
    assert not Repeat(False, 1.0).holds("4613")


def test_runs_of_an_enumerated_space_go_over_too(tmp_path, pool):
    score = runs.searched(exact.reduced("llama", "7nm"), "annealing", 80, 1).best_score
    kept, lost = "annealing older 80", "grid older 80"
    space = {"model": model_digest("llama", "7nm"), "runs": {
        kept: {"1": score, "2": 0.5}, lost: {"0": 0.123},
        f"random {code_digest('random')} 80": {"0": 0.1},
    }}  # fmt: skip
    path = tmp_path / "exact.json"
    path.write_text(json.dumps({"llama 7nm": space, "llama 5nm": space | {"model": "older"}}))
    lines = sorted(carry.carry_reduced(pool, ["annealing", "grid", "random"], HERE, tmp_path))
    assert lines == [
        "annealing llama 7nm, enumerated: the same, 2 of 2 runs taken over",
        "grid llama 7nm, enumerated: another result, 0 of 1 runs taken over",
    ]
    held = json.loads(path.read_text())
    assert held["llama 7nm"]["runs"].pop(f"annealing {code_digest('annealing')} 80") == {
        "1": score, "2": 0.5,
    }  # fmt: skip
    assert set(held["llama 7nm"]["runs"]) == {lost, f"random {code_digest('random')} 80"}
    assert set(held["llama 5nm"]["runs"]) == set(space["runs"])
