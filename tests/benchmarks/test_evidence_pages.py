"""The documentation's tables and pictures: made of the records, the same again and again."""

import csv
import io
from dataclasses import fields
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_evidence import pages, pictures, rows, tables
from search_evidence.figures import difference
from search_evidence.pages import Evidence

# The tables ask for the ranges of a workload's problem; importing the two takes half a minute.
pytestmark = pytest.mark.usefixtures("small")

PAGE = """# Searches

<!-- overview llama 4613 annealing@92 cma-es@92 -->
| old |
<!-- end -->

Words between.

<!-- enumerated llama -->
<!-- end -->

<!-- means llama 4613 annealing sac-moe -->
<!-- end -->

<!-- ablations 4613 92 -->
<!-- end -->
"""


def record(strategy, seed, score, limit="4613", evaluations=4613, workload="llama"):
    return {
        "workload": workload, "node": "7nm", "strategy": strategy, "seed": seed, "limit": limit,
        "evaluations": evaluations, "score": score, "cpu_s": 2.0, "hypervolume": 0.3,
        "feasible": 0.5, "curve": [[1, score]], "versions": "python 3",
    }  # fmt: skip


@pytest.fixture(scope="module")
def evidence():
    records = [
        record("annealing", 0, 0.03),
        record("annealing", 0, 0.02, "92", 92),
        record("cma-es", 0, 0.02, "92", 4613),
        record("sac-moe", 0, 0.03),
        record("sac-moe/no-mpc", 0, 0.03),
        record("annealing", 0, -0.1, workload="smolvlm"),
    ]
    space = {"optimum": 0.2, "runs": {"annealing 1 4613": {"0": 0.2}}}
    return Evidence(records, {}, {"llama 7nm": space}, {"annealing": "annealing 1 4613"})


def test_tables_stand_between_their_marks_and_words_stay(evidence):
    page = pages.rewritten(PAGE, evidence)
    lines = [line for line in page.splitlines() if line.startswith("|")]
    assert "| old |" not in lines
    assert lines[:3] == ["| strategy | 7nm | core s |", "| --- | --- | --- |",
                        "| annealing | -0.0% (1) | 2.0 |"]  # fmt: skip
    # Rows of another limit say how many evaluations they had, where that is not the table's.
    assert {row.split(" | ")[0] for row in lines[2:6]} == {
        "| annealing", "| annealing, 92 evaluations", "| cma-es", "| sac-moe"
    }  # fmt: skip
    assert "| annealing | -0.0% (1 of 1) |" in lines
    assert "| world model and planning | +0.00% (+0.00% to +0.00%), 0 / 0 |  |  |  |" in lines
    assert any(row.startswith("| sac-moe | 0.00% | 0.00% to 0.00% |") for row in lines)
    assert "\n\nWords between.\n\n" in page
    assert pages.rewritten(page, evidence) == page


def test_means_are_over_the_nodes_and_seeds_that_all_have(runs, monkeypatch):
    monkeypatch.setattr(tables, "octaves", lambda workload, node: np.log(100.0))
    held, best = runs
    # Both have seeds 0 and 1 at both nodes; of seeds 2 and 7 something is missing.
    held += [run("sac-moe", node, seed, [[1, -0.5]], evaluations=70 + seed)
             for node in ("7nm", "28nm") for seed in (0, 1, 7)]  # fmt: skip
    held += [run("sac-moe", "7nm", 2, [[1, 0.0]])]
    _, _, *rows = tables.means(held, best, "80", ["cma-es", "sac-moe"])
    # Score -0.5 is a tenth, 90 % below; CMA-ES ends at 0 and at -0.1, 0.631 of the best known.
    low, high = 0.9 - (1.0 - 100**-0.1), 0.9
    assert rows == [
        "| cma-es | -18.45% | -36.90% to 0.00% |  | 80 to 80 |",
        f"| sac-moe | -90.00% | -90.00% to -90.00% | {-high:+.2%} to {-low:+.2%} | 70 to 71 |",
    ]
    assert not list(tables.means(held, best, "80", ["cma-es", "annealing"]))


def test_seeds_that_something_was_chosen_on_stand_apart(runs, monkeypatch):
    monkeypatch.setattr(tables, "octaves", lambda workload, node: np.log(100.0))
    held, best = runs
    # A score of s is 1 - 100^s below the best known. CMA-ES has the scores 0, -0.1 and -0.2.
    held += [run("grid", "28nm", 7, [[1, -0.15]], "92", 92), run("grid", "7nm", 0, [[1, 0.0]])]
    own, rival = ("80", 2, "cma-es"), ("grid", "92")
    head, _, *rows = tables.apart(held, best, *own, rival)
    assert head == "| strategy | Llama | all columns | ahead of grid |"
    below = {score: f"{100**score - 1.0:.2%}" for score in (-0.05, -0.2, -0.1, -0.15)}
    assert rows == [
        f"| cma-es, seeds 0 to 1 | {below[-0.05]} | {below[-0.05]} | 1 of 1 |",
        f"| cma-es, the others | {below[-0.2]} | {below[-0.2]} | 0 of 1 |",
        f"| cma-es, all | {below[-0.1]} | {below[-0.1]} | 1 of 1 |",
        f"| grid | {below[-0.15]} | {below[-0.15]} |  |",
    ]
    page = "<!-- apart 80 2 cma-es grid@92 -->\n<!-- end -->"
    assert rows[1] in pages.rewritten(page, Evidence(held, best, {}, {})).splitlines()
    # Over two nodes the means are of the medians.
    held += [run("grid", "7nm", 0, [[1, -0.3]], "92", 92)]
    held += [run("cma-es", "7nm", seed, [[1, -0.4]]) for seed in (3, 4, 5, 6)]
    _, _, first, others, *_ = tables.apart(held, best, *own, rival)
    assert first == f"| cma-es, seeds 0 to 1 | {below[-0.05]} | {below[-0.05]} | 2 of 2 |"
    mean = f"{(100**-0.4 + 100**-0.2) / 2 - 1.0:.2%}"
    assert others == f"| cma-es, the others | {mean} | {mean} | 0 of 2 |"
    _, _, first, *_ = tables.apart(held, best, "80", 1, "cma-es", rival)
    assert first.startswith("| cma-es, seed 0 | ")
    assert not list(tables.apart(held, best, "92", 2, "cma-es", rival))


def test_an_interval_of_a_difference_is_as_wide_as_its_error_and_keeps_groups_apart():
    rng = np.random.default_rng(3)
    far_apart = np.array([[0.0], [100.0]])
    covered, widths = 0, list[float]()
    for trial in range(100):
        ours = far_apart + rng.normal(1.0, 1.0, (2, 15))
        theirs = far_apart + rng.normal(0.0, 2.0, (2, 15))
        low, high = difference(ours, theirs, seed=trial)
        widths.append(high - low)
        covered += low <= 1.0 <= high
    assert covered >= 85
    # The standard error of the difference of means of 30 runs; were groups mixed, of 13 and more.
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.sqrt((1.0 + 4.0) / 30), rel=0.1)


def test_a_mark_of_an_unknown_table_is_refused(evidence):
    with pytest.raises(ValueError, match="no such table: overvjew"):
        pages.rewritten("<!-- overvjew llama 4613 -->\n<!-- end -->", evidence)


def test_rows_are_ordered_by_limit_workload_node_and_score(evidence):
    late = record("annealing", 0, 0.5, "22s", 900)
    made = rows.rows_of([*evidence.records, late], {})
    assert [(row.limit, row.workload, row.strategy) for row in made] == [
        ("92", "llama", "annealing"), ("92", "llama", "cma-es"),
        ("4613", "llama", "annealing"), ("4613", "llama", "sac-moe"),
        ("4613", "llama", "sac-moe/no-mpc"), ("4613", "smolvlm", "annealing"),
        ("22s", "llama", "annealing"),
    ]  # fmt: skip


def test_a_row_without_a_figure_has_an_empty_field(evidence):
    best = {"llama 7nm": {"score": 0.04, "strategy": "grid", "limit": "22s"}}
    nothing = {**record("random", 0, 0.0), "score": None, "curve": []}
    found, none = csv.DictReader(
        io.StringIO(rows.as_csv(rows.rows_of([record("grid", 0, 0.04), nothing], best)))
    )
    assert found["score"] == found["low"] == found["high"] == "0.04000"
    assert (found["below_best"], found["to_99"], found["reached_99"]) == ("0.00000", "1", "1")
    assert found["best_known_by"] == "grid@22s"
    assert none["score"] == none["low"] == none["high"] == none["to_99"] == ""
    assert (none["below_best"], none["reached_99"]) == ("1.00000", "0")


def test_the_page_holds_the_rows_that_the_data_file_has():
    text = rows.DATA.read_text()
    names, *lines = csv.reader(io.StringIO(text))
    assert names == [one.name for one in fields(rows.Row)]
    assert len({tuple(line[:4]) for line in lines}) == len(lines) > 400
    assert '"' not in text  # the page's script splits at every comma
    page = rows.PAGE.read_text()
    assert f'<script type="text/csv" id="data">\n{text}</script>' in page
    assert "http" not in page
    # The template has not changed since the page was made: style and script are the same.
    anew = rows.as_page([], ["python 3"])
    assert anew.splitlines()[:50] == page.splitlines()[:50]
    assert anew.split("</script>")[-2:] == page.split("</script>")[-2:]


def test_the_page_has_marks_that_can_be_filled():
    text = pages.EVIDENCE.read_text()
    assert text.count("<!-- end -->") == len(pages._MARK.findall(text)) > 3


def run(strategy, node, seed, curve, limit="80", evaluations=80):
    return {**record(strategy, seed, curve[-1][1], limit, evaluations), "node": node,
            "curve": curve}  # fmt: skip


@pytest.fixture
def runs(monkeypatch):
    """Two nodes of a workload whose score 1 is ln 100; the best known is at 0."""
    monkeypatch.setattr(pictures, "NODES", ("7nm", "28nm"))
    monkeypatch.setattr(pictures, "octaves", lambda workload, node: np.log(100.0))
    best = {f"llama {node}": {"score": 0.0} for node in pictures.NODES}
    held = [run("cma-es", node, seed, [[20, -0.5 - seed], [40, -0.1 * seed]])
            for node in pictures.NODES for seed in (0, 1, 2)]  # fmt: skip
    held += [
        run("bayesian", "7nm", 0, [[1, 0.0]], evaluations=30),
        run("bayesian", "28nm", 0, [[1, -0.5]], evaluations=30),
        run("annealing", "7nm", 0, [[1, 0.0]]),
        run("cma-es", "7nm", 9, [[1, 0.0]], limit="300", evaluations=300),
    ]
    return held, best


def test_progress_is_the_mean_over_nodes_of_the_medians_over_seeds(runs):
    at = np.array([10.0, 20.0, 39.0, 40.0, 80.0])
    found = pictures.progress(*runs, "llama", "80", at)
    # Who has not run on every node has no line, and no other limit or workload counts.
    assert list(found) == ["cma-es", "bayesian"]
    late = 1.0 - 100.0**-0.1
    np.testing.assert_allclose(found["cma-es"], [1.0, 1 - 100**-1.5, 1 - 100**-1.5, late, late])
    np.testing.assert_allclose(found["bayesian"], [0.45, 0.45, np.nan, np.nan, np.nan])
    assert pictures.progress(*runs, "smolvlm", "80", at) == {}


def test_a_picture_names_each_line_with_its_end_and_is_the_same_again(runs):
    held, best = runs
    drawn = pictures.picture(held, best, "llama", 80)
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert "cma-es  36.90%" in drawn
    assert "bayesian  45.00%" in drawn
    assert "sac-moe" not in drawn
    assert pictures.picture(held, best, "llama", 80) == drawn
    # Where a cost model is new there is nothing to draw, and no best known design of a node.
    assert "%  " not in pictures.picture([], {}, "llama", 80)
    assert "cma-es" not in pictures.picture(held, {"llama 7nm": {"score": 0.0}}, "llama", 80)
    held += [run("sac-moe", node, 0, [[1, -0.5]], "300", 300) for node in ("7nm", "28nm")]
    assert "sac-moe with 300  90.00%" in pictures.picture(held, best, "llama", 80)


@given(st.lists(st.floats(0.0, 1.0), max_size=20))
def test_labels_are_apart_in_the_order_of_their_lines(values):
    heights = np.array(pictures._apart(values))
    assert (heights <= 1.0 + 1e-9).all()
    order = np.argsort(heights)
    assert (np.diff(heights[order]) >= 0.042 - 1e-9).all()
    assert (np.diff(np.maximum(values, pictures.LEAST)[order]) >= -1e-9).all()
