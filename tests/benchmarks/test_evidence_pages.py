"""The documentation's tables: written between their marks, from the records, again and again."""

import pytest
from search_evidence import pages
from search_evidence.pages import Evidence

PAGE = """# Searches

<!-- overview llama 4613 annealing@92 cma-es@92 -->
| old |
<!-- end -->

Words between.

<!-- enumerated llama -->
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
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert "| old |" not in rows
    assert rows[:3] == ["| strategy | 7nm | core s |", "| --- | --- | --- |",
                        "| annealing | -0.0% (1) | 2.0 |"]  # fmt: skip
    # Rows of another limit say how many evaluations they had, where that is not the table's.
    assert {row.split(" | ")[0] for row in rows[2:6]} == {
        "| annealing", "| annealing, 92 evaluations", "| cma-es", "| sac-moe"
    }  # fmt: skip
    assert "| annealing | -0.0% (1 of 1) |" in rows
    assert "| world model and planning | +0.00% (+0.00% to +0.00%), 0 / 0 |  |  |  |" in rows
    assert "\n\nWords between.\n\n" in page
    assert pages.rewritten(page, evidence) == page


def test_a_mark_of_an_unknown_table_is_refused(evidence):
    with pytest.raises(ValueError, match="no such table: overvjew"):
        pages.rewritten("<!-- overvjew llama 4613 -->\n<!-- end -->", evidence)


def test_all_tables_are_ordered_by_limit_workload_and_node(evidence):
    titles = [line for line in pages.all_tables(evidence).splitlines() if line.startswith("#")]
    assert [title for title in titles if title.startswith("## ")] == [
        "## 92 evaluations", "## 4,613 evaluations"
    ]  # fmt: skip
    assert titles[1] == "## 92 evaluations"
    assert [title.split()[1] for title in titles[-4:]] == ["Llama", "SmolVLM-256M"] * 2


def test_the_page_has_marks_that_can_be_filled():
    text = pages.EVIDENCE.read_text()
    assert text.count("<!-- end -->") == len(pages._MARK.findall(text)) > 3
