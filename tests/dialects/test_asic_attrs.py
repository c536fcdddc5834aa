"""Attributes of the asic dialect: text form, exact floats, and one negative test a rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, FloatData
from xdsl.ir import Attribute
from xdsl.parser import Parser
from xdsl.utils.exceptions import ParseError, VerifyException

from asic_compiler.dialects.asic import ASIC, ChipAttr, RegionAttr, SplitAttr, TileAttr


def parse(text: str) -> Attribute:
    ctx = Context()
    ctx.load_dialect(Builtin)
    ctx.load_dialect(ASIC)
    return Parser(ctx, text).parse_attribute()


TILE_FIELDS = {
    "fetch": 2,
    "stations": 8,
    "vlen": 2048,
    "rows": 4,
    "dmem_bytes": 524288,
    "wmem_bytes": 9437184,
    "imem_bytes": 32768,
    "xr_wp": 2,
    "vr_wp": 2,
    "xdpnum": 2,
    "vdpnum": 2,
}


def tile(label: str = "stage0.matmul", **changes: int) -> TileAttr:
    return TileAttr.of(label, **(TILE_FIELDS | changes))


def chip(**changes: object) -> ChipAttr:
    fields: dict[str, object] = {
        "node": "3nm",
        "mesh": (4, 3),
        "super_cluster": (2, 1),
        "clock_hz": 1.0e9,
        "supply_v": 0.55,
        "temperature_c": 85.0,
        "flit_bits": 2048,
        "tiles": [tile("a"), tile("b", wmem_bytes=0)],
        "tile_map": [(0, 0, 0, 4, 2), (1, 0, 2, 4, 1)],
    }
    return ChipAttr.of(**(fields | changes))  # type: ignore[arg-type]


PLACEMENT = (
    '#asic.placement<kind = "conv", first = 4, batch = 1, stride = 2, pieces = 3, by_rows = 1, '
    "buffers = 2, scatter = 0, cycles = 136.75>"
)
PLAN = (
    "#asic.plan<dies = 2, weight_bits = 8, kv_bits = 16, hop_cycles = 3, crossing_cycles = 8, "
    "crossing_rate = 16, period = 285.5, tiles = [[0, 65536, 1, 0, 1]]>"
)


@pytest.mark.parametrize(
    "text",
    [
        "#asic.region<offset = [0, 3], size = [41, 1]>",
        "#asic.split<m = 1, n = 41, k = 2>",
        '#asic.tile<name = "stage0.matmul", fetch = 2, stations = 8, vlen = 2048, rows = 4, '
        "dmem_bytes = 524288, wmem_bytes = 9437184, imem_bytes = 32768, xr_wp = 2, vr_wp = 2, "
        "xdpnum = 2, vdpnum = 2>",
        str(chip()),
        PLACEMENT,
        "#asic.slot<start = 0, cycles = 51>",
        PLAN,
    ],
)
def test_text_round_trips(text: str) -> None:
    assert str(parse(text)) == text
    assert parse(str(parse(text))) == parse(text)


def test_fields_may_come_in_any_order() -> None:
    assert parse("#asic.split<k = 2, m = 1, n = 41>") == SplitAttr.of(1, 41, 2)
    assert RegionAttr.of(1, 2, 3, 4).rectangle == (1, 2, 3, 4)
    assert tile().fields == TILE_FIELDS


@given(
    st.floats(min_value=0, exclude_min=True, allow_infinity=False),
    st.floats(min_value=-273, allow_infinity=False, allow_nan=False),
)
def test_floats_round_trip_exactly(clock: float, temperature: float) -> None:
    made = chip(clock_hz=clock, temperature_c=temperature)
    read = parse(str(made))
    assert isinstance(read, ChipAttr)
    assert read.clock_hz == FloatData(clock)
    assert read.temperature_c.data.hex() == temperature.hex()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#asic.split<m = 1, n = 2>", "lacks k"),
        ("#asic.split<m = 1, n = 2, k = 1, k = 1>", "twice"),
        ("#asic.split<m = 1, n = 2, q = 1>", "no field 'q'"),
        ("#asic.region<offset = 3, size = [1, 1]>", r"\["),
    ],
)
def test_malformed_fields_are_refused(text: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#asic.region<offset = [0], size = [1, 1]>", "needs 2 integers"),  # 1
        ("#asic.region<offset = [0, -1], size = [1, 1]>", "not be negative"),  # 2
        ("#asic.region<offset = [0, 0], size = [0, 1]>", "at least 1"),  # 3
        ("#asic.split<m = 1, n = 0, k = 1>", "n must be at least 1"),  # 1
    ],
)
def test_region_and_split_rules(text: str, message: str) -> None:
    with pytest.raises((VerifyException, ParseError), match=message):
        parse(text)


@pytest.mark.parametrize(
    ("text", "old", "new", "message"),
    [
        (PLACEMENT, '"conv"', '"attention"', "kind must be matmul, conv, general"),  # 1
        (PLACEMENT, "pieces = 3", "pieces = 0", "pieces must be at least 1"),  # 2
        (PLACEMENT, "first = 4", "first = -1", "first must be at least 0"),  # 2
        (PLACEMENT, "scatter = 0", "scatter = 2", "scatter must be 0 or 1"),  # 3
        (PLACEMENT, "136.75", "0.0", "cycles must be positive"),  # 4
        ("#asic.slot<start = 0, cycles = 51>", "51", "0", "cycles must be at least 1"),  # 1
        ("#asic.slot<start = 0, cycles = 51>", "start = 0", "start = -1", "start must be"),  # 1
        (PLAN, "rate = 16", "rate = 15", "crossing_rate must be at least 16"),  # 1
        (PLAN, "dies = 2", "dies = 0", "dies must be at least 1"),  # 1
        (PLAN, "285.5", "-1.0", "period must be positive"),  # 2
        (PLAN, "[0, 65536, 1, 0, 1]", "[0, 65536, 1]", "needs 5 integers"),  # 3
        (PLAN, "[0, 65536, 1, 0, 1]", "[0, 65536, 1, 0, 2]", "stage, bank and flags"),  # 3
    ],
)
def test_placement_slot_and_plan_rules(text: str, old: str, new: str, message: str) -> None:
    assert old in text
    with pytest.raises((VerifyException, ParseError), match=message):
        parse(text.replace(old, new))


@pytest.mark.parametrize(
    ("label", "changes", "message"),
    [
        ("", {}, "name must not be empty"),  # 1
        ("a", {"fetch": 0}, "fetch must be at least 1"),  # 2
        ("a", {"wmem_bytes": -1}, "wmem_bytes must be at least 0"),  # 2
        ("a", {"vlen": 1000}, "power of two"),  # 3
    ],
)
def test_tile_rules(label: str, changes: dict[str, int], message: str) -> None:
    with pytest.raises(VerifyException, match=message):
        tile(label, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"node": ""}, "node must not be empty"),  # 1
        ({"mesh": (4,)}, "needs 2 integers"),  # 2
        ({"mesh": (4, 0)}, "mesh must be at least 1"),  # 2
        ({"super_cluster": (5, 1)}, "larger than mesh"),  # 3
        ({"clock_hz": 0.0}, "clock_hz must be positive"),  # 4
        ({"supply_v": float("inf")}, "supply_v must be positive"),  # 4
        ({"temperature_c": -300.0}, "above -273.15"),  # 4
        ({"flit_bits": 0}, "flit_bits must be at least 1"),  # 5
        ({"tiles": []}, "at least one class"),  # 6
        ({"tiles": [tile("a"), tile("a")]}, "must differ"),  # 6
        ({"tile_map": [(2, 0, 0, 4, 3)]}, "class in 0..1"),  # 7
        ({"tile_map": [(0, 0, 0, 4)]}, "class in 0..1"),  # 7
        ({"tile_map": [(0, 0, 0, 5, 3)]}, "not lie inside"),  # 8
        ({"tile_map": [(0, 0, 0, 0, 3)]}, "not lie inside"),  # 8
        ({"tile_map": [(0, 0, 0, 4, 2), (1, 0, 1, 4, 2)]}, "overlaps"),  # 9
        ({"tile_map": [(0, 0, 0, 4, 2)]}, r"tile \(0, 2\) without"),  # 9
    ],
)
def test_chip_rules(changes: dict[str, object], message: str) -> None:
    with pytest.raises(VerifyException, match=message):
        chip(**changes)
