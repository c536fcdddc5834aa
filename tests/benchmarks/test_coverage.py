"""The table of architectures: a row is measured, kept and shown."""

from __future__ import annotations

from model_coverage import table
from model_coverage.architectures import FACTORIES
from model_coverage.measure import Row, _errors, _reason, measure


def test_an_architecture_goes_all_the_way():
    row = measure("model_coverage.architectures:cumsum", 120.0)
    assert (row.reached, row.reason) == ("run", "")
    assert float(row.error) <= 2 * float(row.own_error) + 1e-3


def test_a_refusal_is_a_row():
    row = measure("model_coverage.architectures:select_by_mask", 120.0)
    assert row.reached == ""
    assert "depends on numbers" in row.reason


def test_a_process_that_takes_too_long_is_ended():
    assert measure("model_coverage.architectures:cumsum", 0.01).reason == "more than 0.01 s"


def test_rows_are_kept_in_order(tmp_path):
    rows = {name: Row(name, "run", "", "1e-3", "2e-3", "1.0", "9") for name in ("b", "a")}
    table.write(tmp_path / "rows.csv", rows)
    assert table.read(tmp_path / "rows.csv") == rows
    assert table.read(tmp_path / "none.csv") == {}
    assert [line.split(",")[0] for line in (tmp_path / "rows.csv").read_text().splitlines()] == [
        "name",
        "a",
        "b",
    ]


def test_the_page_is_made_of_the_rows(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- coverage: begin -->\nold\n<!-- coverage: end -->\nbehind\n")
    rows = {"a": Row("a", "run", "", "1e-3", "2e-3", "1.0", "9"), "b": Row("b", "", "no | why")}
    table.page(page, rows)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nbehind\n")
    assert "old" not in text
    assert "2 architectures: 1 imported, 1 raised, 1 designed, 1 run and right." in text
    assert "| b | - |  |  |  |  | no |" in text


def test_names_are_distinct_and_many():
    assert len(FACTORIES) > 80


def test_what_tools_print_is_read():
    text = "output shape max abs max rel PyTorch\no 1x2 1e-4 2.0e-3 1.0e-3\np 1 0 5.0e-4 4.0e-3\n"
    assert _errors(text) == ("2.00e-03", "4.00e-03")
    assert _reason("a.py:1:2: error: no\na.py:1:2: note: why\n") == "no | why"
