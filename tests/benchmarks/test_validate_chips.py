"""The script of the comparison on the shipped chips and on a user's file."""

import sys

import pytest
import validate_chips

from asic_compiler.ppa.chips.comparison import (
    compare,
    descriptions,
    global_overheads,
    published_chips,
)


def test_tables_of_some_chips(capsys: pytest.CaptureFixture[str]):
    chips = [c for c in descriptions("known") if c.name in ("A100", "Celerity", "RedMulE cluster")]
    rows = compare(chips, published_chips(), global_overheads())
    validate_chips.chips_table(rows)
    validate_chips.summary("Errors", rows)
    validate_chips.parts_table(rows)
    validate_chips.tiles_table(rows)
    text = capsys.readouterr().out
    assert "| A100 | " in text
    assert "| RedMulE cluster | fp16 | " in text
    assert "Celerity (+" in text.split("off by more than two")[1]


def test_small_tiles_are_within_two(capsys: pytest.CaptureFixture[str]):
    rows = compare(descriptions("known"), published_chips(), global_overheads())
    validate_chips.tiles_table(rows)
    lines = capsys.readouterr().out.splitlines()[2:]
    ratios = [float(line.split("|")[6]) for line in lines if line]
    assert len(ratios) == 3
    assert all(0.5 <= ratio <= 2.0 for ratio in ratios)


def test_a_users_chip(tmp_path, monkeypatch, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[chip]]\nname = "mine"\nnode = "7nm"\nclock_ghz = 1.0\nsource = "me"\n'
        '[[chip.core]]\nname = "c"\ncount = 2\nunits = [{ format = "int8", count = 1000 }]\n'
    )
    monkeypatch.setattr(sys, "argv", ["validate_chips.py", "--chips", str(path)])
    validate_chips.main()
    assert "| int8 4 |" in capsys.readouterr().out
