"""Arithmetic of any format: through the known ones, and one that was measured."""

import itertools

import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.ppa.chips.arithmetic import FORMAT_NAMES, arithmetic
from asic_compiler.technology.library import load_node

NODE = load_node("7nm")


def test_known_formats_are_the_nodes_own():
    assert arithmetic("fp16", NODE).multiply_j == NODE.energy.fp16_multiply
    assert arithmetic("fp32", NODE).multiply_j == NODE.energy.fp32_multiply
    assert arithmetic("int8", NODE).add_j == NODE.energy.int32_add


def test_wider_significands_cost_more():
    for names in (
        ("fp4", "fp8", "bf16", "fp16", "fp32", "fp64"),
        ("int4", "int8", "int16", "int32"),
    ):
        chain = [arithmetic(name, NODE) for name in names]
        for thin, wide in itertools.pairwise(chain):
            assert thin.multiply_ge < wide.multiply_ge
            assert thin.multiply_j < wide.multiply_j
            assert thin.add_ge <= wide.add_ge


def test_integers_follow_horowitz_from_8_to_32_bits():
    # 0.2 to 3.1 pJ and 282 to 3,495 um2 at 45 nm (Horowitz, ISSCC 2014)
    narrow, wide = arithmetic("int8", NODE), arithmetic("int32", NODE)
    assert wide.multiply_j / narrow.multiply_j == pytest.approx(3.1 / 0.2, rel=0.05)
    assert wide.multiply_ge / narrow.multiply_ge == pytest.approx(3495 / 282, rel=0.05)


def test_every_named_format_is_known_and_others_are_refused():
    for name in FORMAT_NAMES:
        assert arithmetic(name, NODE).energy_j > 0
    with pytest.raises(UserError, match="unknown number format 'fp17'"):
        arithmetic("fp17", NODE)
