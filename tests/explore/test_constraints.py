"""Constraints as text: what they say, how they are printed, where errors point."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.constraint_text import parse_constraints
from asic_compiler.explore.constraints import OF_TILE, VARIABLES, Restriction, Restrictions
from asic_compiler.explore.goal_text import parse_goal
from asic_compiler.hardware.space import CONTINUOUS, DISCRETE


def test_every_variable_of_the_design_space_can_be_restricted():
    # Three are restricted by what they decide: widths and the options precision, weight_store.
    elsewhere = {"weight_precision", "kv_precision"}
    names = {v.name for v in (*DISCRETE, *CONTINUOUS)} - elsewhere
    assert names <= set(VARIABLES)
    assert set(VARIABLES) - names == {"dies", "weight_bits", "activation_bits", "kv_bits"}


@pytest.mark.parametrize("variable", CONTINUOUS, ids=lambda v: v.name)
def test_values_are_those_that_actions_decode_to(variable):
    facts = VARIABLES.get(variable.name)
    if facts is None or not facts.values or variable.name == "stages":
        return
    decoded = set(np.unique(variable.decode(np.linspace(-1, 1, 20001))).tolist())
    assert decoded == set(facts.values)
    exact = variable.decode(variable.encode(np.array(facts.values)))
    assert exact.tolist() == list(facts.values)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        (" ; ", ""),
        ("mesh = 8x8; vlen in 256..1024", "mesh_width = 8; mesh_height = 8; vlen in 256..1024"),
        ("MESH in 4 x 2..8x6", "mesh_width in 4..8; mesh_height in 2..6"),
        ("clock <= 500 MHz and dies = 1", "clock <= 500000000 Hz; dies = 1"),
        ("kv in {8, 16}", "kv_bits >= 8"),
        ("rows 3..5 only for lm_head", "rows in 3..5 for lm_head"),
        ("rows in {5, 3, 4}", "rows in 3..5"),
        ("vlen in {256, 1024} for b, a", "vlen in {256, 1024} for a, b"),
        ("dmem in 32..64 KiB", "dmem in 32..64 KiB"),
        ("dmem in {16, 64 KiB}", "dmem in {16, 64 KiB}"),
        ("dmem <= 65536 B", "dmem <= 64 KiB"),
        ("vlen in 200..600", "vlen in 256..512"),
        ("vlen >= 256; vlen <= 512", "vlen in 256..512"),
        ("rows in {2, 5, 9}; rows <= 6", "rows in {2, 5}"),
        ("vdd = 700 mV", "vdd = 0.7 V"),
        ("matmul_ratio in -0.1..0.2", "matmul_ratio in -0.1..0.2"),
        ("dies in 2..4;", "dies in 2..4"),
        ("stages <= 5", "stages <= 4"),
    ],
)
def test_reading(text, canonical):
    found = parse_constraints(text)
    assert str(found) == canonical
    assert parse_constraints(str(found)) == found
    assert bool(found) == bool(canonical)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("vlen in 300..500", 9, "no value of it is allowed"),
        ("vlen = 300", 8, "no value of it is allowed"),
        ("mesh = 100x8", 8, "mesh_width: 100x8 is outside its range"),
        ("mesh = 8", 8, "a size is written as two numbers: 8x8"),
        ("mesh in {4x4, 8x8}", 10, "takes a value or a range, not a set"),
        ("rows = 3x4", 8, "rows is one number"),
        ("vlen <= 64", 9, "outside its range"),
        ("dmem <= 64", 9, "dmem needs a unit: 64 KiB?"),
        ("dmem <= 64 W", 12, "'W' is no unit of dmem"),
        ("clock <= 5 mhz", 12, "no unit of clock"),
        ("rows = 3 bit", 10, "'bit' is no unit of rows"),
        ("vlen >= 512; vlen <= 256", 14, "nothing keeps both"),
        ("rows in {2, 5}; rows in 3..4", 17, "nothing keeps both"),
        ("vlen in 512..256", 9, "the range of vlen is empty"),
        ("kv in {8, 12}", 11, "12 is none of its values"),
        ("dies <= 1.5", 9, "whole numbers"),
        ("clock <= 0 Hz", 10, "clock must be positive"),
        ("clok = 3", 1, "unknown variable 'clok'"),
        ("power <= 3 W", 1, "is what a design leads to"),
        ("precision = 3", 1, "is stated by precision="),
        ("sc = 2x2 for lm_head", 1, "no property of a tile"),
        ("vlen == 256", 6, "is no relation"),
        ("vlen in 256..", 14, "expected a number"),
        ("vlen in {256; 512}", 13, "expected '}' or ','"),
        ("mesh = 8x8; rows", 17, "expected"),
        ("rows 3..5 only lm_head", 16, "expected 'for', not 'lm_head'"),
    ],
)
def test_errors_point_at_the_column(text, column, message):
    with pytest.raises(UserError) as error:
        parse_constraints(text)
    assert message in str(error.value)
    where = error.value.location
    assert (where.file, where.line, where.column) == ("constraints", 1, column)


def test_the_note_of_a_wrong_value_names_the_nearest():
    with pytest.raises(UserError) as error:
        parse_constraints("vlen = 300")
    assert error.value.notes == ("vlen is a power of two, 128 to 2048", "nearest: 256 and 512")


def test_what_cannot_be_restricted_to_operators_is_told_with_what_can():
    with pytest.raises(UserError) as error:
        parse_constraints("stages = 2 for lm_head")
    assert error.value.notes == (f"what can: {', '.join(OF_TILE)}",)
    assert {"vlen", "rows", "dmem"} <= set(OF_TILE)


def test_a_goal_says_where_variables_belong():
    with pytest.raises(UserError, match="vlen is a variable of the design") as error:
        parse_goal("maximize tokens_per_s subject to vlen <= 512")
    assert error.value.location.column == 34
    assert error.value.notes == ("pin it in the constraints: constraints='vlen ...'",)


@st.composite
def restrictions(draw):
    """Any restriction that a text can state, one a variable."""
    items = []
    for name in draw(st.lists(st.sampled_from(list(VARIABLES)), unique=True, max_size=4)):
        facts = VARIABLES[name]
        if facts.values:
            chosen = draw(st.lists(st.sampled_from(facts.values), min_size=1, max_size=3))
            low, high = min(chosen), max(chosen)
        else:
            most = facts.high if math.isfinite(facts.high) else 9.0
            numbers = st.floats(max(facts.low, 0.1 if facts.low == 0 else -9), most)
            if name == "dies":
                numbers = st.integers(1, 9).map(float)
            low, high = sorted((draw(numbers), draw(numbers)))
        scope = draw(st.sampled_from([(), ("lm_head",), ("a.0.b", "conv")]))
        items.append(
            Restriction(name, low, high, operators=scope if facts.of_tile else ())
        )  # fmt: skip
    order = list(VARIABLES)
    return Restrictions(tuple(sorted(items, key=lambda r: order.index(r.variable))))


@given(restrictions())
def test_printing_reads_back(stated):
    assert parse_constraints(str(stated)) == stated
