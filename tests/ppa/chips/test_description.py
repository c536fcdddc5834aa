"""Descriptions of chips: what is read, and errors that point at the key."""

import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.ppa.chips.comparison import descriptions
from asic_compiler.ppa.chips.description import read_descriptions, read_file

GOOD = """[[chip]]
name = "one"
node = "7nm"
clock_ghz = 1.0
source = "nobody"
[[chip.core]]
name = "core"
count = 4
units = [{ format = "fp16", count = 16 }]
"""


def test_defaults_and_values():
    (chip,) = read_descriptions(GOOD, "chips.toml")
    assert chip.core[0].built == 4
    assert chip.core[0].units[0].format == "fp16"
    assert chip.power.kind == "tdp"
    assert chip.dies == 1


def test_every_shipped_description_has_a_source():
    chips = (*descriptions("known"), *descriptions("held out"), *descriptions("fresh"))
    assert len(chips) >= 20
    assert all(chip.source for chip in chips)
    assert len({chip.name for chip in chips}) == len(chips)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("count = 4", "cuont = 4", 8, "unknown key 'cuont'"),
        ("count = 4", "count = -4", 8, "must be a number that is not negative"),
        ("count = 4", "count = true", 8, "must be a number"),
        ("count = 4", "count = nan", 8, "must be a number"),
        ("clock_ghz = 1.0", "clock_ghz = 0", 4, "must be positive"),
        ('node = "7nm"', "node = 7", 3, "must be text"),
        ("clock_ghz = 1.0\n", "", 1, "'clock_ghz' is missing"),
        ('"nobody"', '"nobody"\npower = { kind = "typical" }', 6, "unknown kind 'typical'"),
        ('"nobody"', '"nobody"\nio = { dram = "core" }', 6, "unknown dram 'core'"),
        ('"nobody"', '"nobody"\nmacro = 1', 6, "must be true or false"),
        ('"nobody"', '"nobody"\nmemory = 3', 6, "must be tables"),
        ("count = 16", 'count = 16, rates = { int8 = "x" }', 9, "must map formats to numbers"),
        ("[[chip.core]]", "[[chip.core", 6, "not TOML"),
    ],
)
def test_errors_point_at_the_key(old: str, new: str, line: int, message: str):
    assert old in GOOD
    with pytest.raises(UserError, match=message) as error:
        read_descriptions(GOOD.replace(old, new, 1), "chips.toml")
    assert error.value.location is not None
    assert (error.value.location.file, error.value.location.line) == ("chips.toml", line)


def test_the_second_chip_is_pointed_at_in_its_own_table():
    text = GOOD + GOOD.replace("count = 4", "cuont = 4")
    with pytest.raises(UserError) as error:
        read_descriptions(text, "chips.toml")
    assert error.value.location is not None
    assert error.value.location.line == 17


def test_a_document_without_chips_is_refused():
    with pytest.raises(UserError, match="array of tables"):
        read_descriptions("a = 1\n", "chips.toml")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        read_file(tmp_path / "none.toml")
