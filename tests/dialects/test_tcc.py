"""The ``tcc`` dialect: round trips, and what a cut means; its rules are in ``test_tcc_rules``."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from math import prod
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tcc_texts import (
    CHIP,
    CONV,
    CUT,
    CUT3,
    EVERYTHING,
    GATHER,
    IMAGE,
    IMAGES,
    SYMBOLS,
    X,
    module_text,
    parse,
    show,
)
from xdsl.dialects.builtin import TensorType, f16, i64
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects.asic import RegionAttr
from asic_compiler.dialects.tcc import BufferType, CutAttr, Tcc
from asic_compiler.dialects.tcc.attrs import part_range, part_size


@pytest.mark.parametrize("generic", [False, True], ids=["pretty", "generic"])
def test_round_trip_of_every_operation(generic: bool):
    module = parse(module_text(EVERYTHING, chip=CHIP))
    module.verify()
    used = {op.name for op in module.walk()}
    assert {op.name for op in Tcc.operations} - used == {"tcc.conv", "tcc.gather", "tcc.index"}
    text = show(module, generic=generic)
    again = parse(text)
    again.verify()
    assert show(again, generic=generic) == text
    assert again.is_structurally_equivalent(module)


@pytest.mark.parametrize("generic", [False, True], ids=["pretty", "generic"])
def test_round_trip_of_conv_gather_and_index(generic: bool):
    vector = (
        f"%j = tcc.vector @iota() over [1, 1, 3] cut {CUT3} op = 2 : () -> (!tcc.buffer<3xi64>)"
    )
    table = (
        f"%tb = tcc.load @table op = 3 : !tcc.buffer<32x8xf16>\n%h = tcc.gather %j in %tb : "
        f"!tcc.buffer<32x8xf16> over [3, 1, 8] cut {CUT} op = 3 : !tcc.buffer<3xi64> -> {X}"
    )
    body = "\n".join([IMAGES, CONV, GATHER, vector, table])
    module = parse(module_text(body, SYMBOLS + IMAGE))
    module.verify()
    text = show(module, generic=generic)
    again = parse(text)
    again.verify()
    assert again.is_structurally_equivalent(module)
    assert show(again, generic=generic) == text


def test_upstream_mlir_reads_the_generic_form():
    tool = Path(sys.executable).with_name("torch-mlir-opt")
    if not tool.exists():
        pytest.skip("torch-mlir is not installed")
    text = show(parse(module_text(EVERYTHING, chip=CHIP)), generic=True)
    done = subprocess.run(
        [tool, "--allow-unregistered-dialect"], input=text, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "tcc.mma" in done.stdout


def test_a_buffer_has_no_negative_dimension():
    with pytest.raises(VerifyException, match="negative dimension"):
        BufferType.of(TensorType(f16, [-1, 3]))
    with pytest.raises(TypeError, match="expected a tensor type"):
        BufferType.of(i64)


@given(
    factors=st.tuples(*(st.integers(1, most) for most in (3, 3, 4, 3))),
    width=st.integers(1, 9),
    first=st.integers(0, 400),
    offset=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    stride=st.integers(1, 4),
    rows_first=st.booleans(),
)
def test_every_part_falls_to_exactly_one_tile(
    factors: tuple[int, int, int, int],
    width: int,
    first: int,
    offset: tuple[int, int],
    stride: int,
    rows_first: bool,
):
    parts = prod(factors)
    height = -(-((parts - 1) * stride + 1) // width)
    region = RegionAttr.of(*offset, width, height)
    cut = CutAttr.of(*factors, region, first % (width * height), stride, rows_first)
    cut.verify()
    found = {
        (x, y): part
        for y in range(offset[1] + height + 1)
        for x in range(offset[0] + width + 1)
        if (part := cut.part_of(x, y)) is not None
    }
    assert sorted(found.values()) == list(product(*map(range, factors)))
    assert all(found[cut.tile_of(part)] == cut.index_of(part) for part in range(parts))


def test_order_and_places_of_parts():
    region = RegionAttr.of(1, 2, 4, 6)
    columns_first = CutAttr.of(1, 2, 3, 2, region, 5)
    rows_first = CutAttr.of(1, 2, 3, 2, region, 5, 2, rows_first=True)
    assert [columns_first.index_of(part)[1:3] for part in range(6)] == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)
    ]  # fmt: skip
    assert [rows_first.index_of(part)[1:3] for part in range(6)] == [
        (0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)
    ]  # fmt: skip
    assert rows_first.index_of(7) == columns_first.index_of(9) == (0, 1, 0, 1)
    # Tile 5 of rows of four is the second of the second row; parts go on from there and round.
    assert [columns_first.tile_of(part) for part in (0, 2, 3)] == [(2, 3), (4, 3), (1, 4)]
    assert [rows_first.tile_of(part) for part in (0, 1, 2, 10)] == [(2, 3), (4, 3), (2, 4), (2, 2)]
    assert rows_first.part_of(3, 3) is None


@given(size=st.integers(0, 99), parts=st.integers(1, 12))
def test_parts_of_a_dimension_follow_one_another(size: int, parts: int):
    ranges = [part_range(size, parts, index) for index in range(parts)]
    assert [ranges[0][0], *(end for _, end in ranges)] == [*(low for low, _ in ranges), size]
    assert max(end - low for low, end in ranges) == part_size(size, parts)


def test_a_program_is_one_block():
    body = "\n^a(%x: i64):\n"
    with pytest.raises(VerifyException, match="one block without arguments"):
        parse(module_text(body)).verify()


def test_a_class_that_idles_has_an_empty_program():
    module = parse(module_text())
    module.verify()
    assert show(parse(show(module))) == show(module)


def test_fields_of_a_cut_that_are_usual_are_not_printed():
    usual = CutAttr.of(1, 1, 2, 1, RegionAttr.of(0, 0, 2, 2), 1)
    other = CutAttr.of(1, 1, 2, 1, RegionAttr.of(0, 0, 2, 2), 1, 2, rows_first=True)
    start = "#tcc.cut<b = 1, m = 1, n = 2, k = 1, at = [0, 0, 2, 2], first = 1"
    assert str(usual) == f"{start}>"
    assert str(other) == f"{start}, stride = 2, rows_first = 1>"
