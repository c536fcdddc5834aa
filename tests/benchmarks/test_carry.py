"""Records go over to rewritten code only where a run made again finds the same."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from search_evidence import carry, exact, runs, store
from search_evidence.carry import Repeat
from search_evidence.runs import Task, code_digest, model_digest, run

HERE = [("llama", "7nm"), ("llama", "10nm")]

pytestmark = pytest.mark.usefixtures("small")


@pytest.fixture
def pool():
    with ThreadPoolExecutor(1) as one:
        yield one


def older(label="annealing", seed=0, limit="80", node="7nm"):
    """A record of this code that says it is of other code."""
    return run(Task("llama", node, label, seed, limit))[0] | {"code": "older"}


def told(pool, folder, labels=("annealing", "grid"), asked=HERE):
    return sorted(carry.carry(pool, labels, asked, folder))


def stored(folder):
    return list(store.load(folder=folder).values())


def test_where_the_first_and_the_last_find_the_same_all_records_of_the_group_go_over(
    tmp_path, pool
):
    between = older(seed=1) | {"score": 0.5}  # nobody makes it again
    for record in (older(seed=1, node="10nm"), between, older(), older("grid"), older("random")):
        store.append(record, tmp_path)
    lines = told(pool, tmp_path)
    assert [line.split(" in ")[0] for line in lines] == [
        "annealing llama 80: the same", "grid llama 80: the same",
    ]  # fmt: skip
    assert lines[0].endswith("3 of 3 records taken over")
    current = [record["strategy"] for record in stored(tmp_path) if store.is_current(record)]
    assert sorted(current) == ["annealing"] * 3 + ["grid"]  # random was not asked for
    assert told(pool, tmp_path) == []


@pytest.mark.parametrize("name", ["score", "curve", "feasible", "hypervolume"])
@pytest.mark.parametrize("which", [0, 1])
def test_where_any_figure_of_either_differs_none_does(tmp_path, pool, name, which):
    records = [older(), older(seed=1)]
    value = records[which][name]
    records[which][name] = [[1, 0.0]] if name == "curve" else value + 1e-5
    for record in records:
        store.append(record, tmp_path)
    (line,) = told(pool, tmp_path)
    assert "another result" in line
    assert line.endswith("0 of 2 records taken over")
    assert not any(store.is_current(record) for record in stored(tmp_path))


def test_records_of_another_cost_model_and_of_present_code_are_of_no_group():
    present = run(Task("llama", "7nm", "annealing", 0, "80"))[0]
    assert carry.groups([present, older() | {"model": "older"}]) == []
    both = carry.groups([older(seed=1), older(node="10nm"), older(), older(limit="90")])
    assert [[(record["seed"], record["node"]) for record in group] for group in both] == [
        [(0, "7nm"), (0, "10nm"), (1, "7nm")], [(0, "7nm")],
    ]  # fmt: skip


def test_only_what_was_asked_for_is_made_again(tmp_path, pool):
    store.append(older(), tmp_path)
    assert told(pool, tmp_path, asked=[("llama", "5nm")]) == []
    assert told(pool, tmp_path, labels=["grid"]) == []


def test_a_limit_in_seconds_must_still_be_what_the_runs_take():
    assert Repeat(True, 3.0).holds("4613")
    assert Repeat.of([Repeat(True, 1.3), Repeat(True, 1.1)]).holds("22s")
    assert not Repeat.of([Repeat(True, 1.4), Repeat(True, 1.2)]).holds("22s")
    assert not Repeat(True, 0.7).holds("22s")
    assert not Repeat.of([Repeat(True, 1.0), Repeat(False, 1.0)]).holds("4613")


def test_runs_of_an_enumerated_space_go_over_too(tmp_path, pool):
    score = runs.searched(exact.reduced("llama", "7nm"), "annealing", 80, 1).best_score
    other = runs.searched(exact.reduced("llama", "10nm"), "annealing", 80, 0).best_score
    kept, lost = "annealing older 80", "grid older 80"
    present = f"random {code_digest('random')} 80"
    spaces = {
        "llama 10nm": {"model": model_digest("llama", "10nm"), "runs": {kept: {"0": other}}},
        "llama 7nm": {"model": model_digest("llama", "7nm"), "runs": {
            kept: {"1": score, "2": 0.5}, lost: {"0": 0.123}, present: {"0": 0.1},
        }},
        "llama 5nm": {"model": "older", "runs": {kept: {"0": 0.1}}},
    }  # fmt: skip
    path = tmp_path / "exact.json"
    path.write_text(json.dumps(spaces))
    lines = sorted(carry.carry_reduced(pool, ["annealing", "grid", "random"], HERE, tmp_path))
    assert lines == [
        "annealing llama, enumerated: the same, 3 of 3 runs taken over",
        "grid llama, enumerated: another result, 0 of 1 runs taken over",
    ]
    held = json.loads(path.read_text())
    now = f"annealing {code_digest('annealing')} 80"
    assert held["llama 10nm"]["runs"] == {now: {"0": other}}
    assert held["llama 7nm"]["runs"] == {
        now: {"1": score, "2": 0.5}, lost: {"0": 0.123}, present: {"0": 0.1},
    }  # fmt: skip
    assert held["llama 5nm"] == spaces["llama 5nm"]
