"""What one point of a scalar body costs, in classes of instructions."""

from __future__ import annotations

from typing import cast

from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    FixedBitwidthType,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
)
from xdsl.ir import Attribute, Block, Operation, OpResult

from asic_compiler.workload.table import BodyCost

FREE = frozenset(
    (
        "arith.constant",
        "arith.extf",
        "arith.truncf",
        "arith.extsi",
        "arith.extui",
        "arith.trunci",
        "arith.index_cast",
        "arith.index_castui",
        "arith.bitcast",
        "asic.index",
        "asic.yield",
        "tcc.index",
        "tcc.yield",
    )
)
MULTIPLY = frozenset(
    (
        "arith.mulf",
        "arith.muli",
        "math.fma",
    )
)
DIVIDE = frozenset(
    (
        "arith.divf",
        "arith.divsi",
        "arith.divui",
        "arith.remf",
        "arith.remsi",
        "arith.remui",
        "arith.floordivsi",
        "arith.ceildivsi",
        "arith.ceildivui",
        "math.sqrt",
        "math.rsqrt",
    )
)
SIMPLE_MATH = frozenset(
    (
        "math.absf",
        "math.absi",
        "math.ceil",
        "math.copysign",
        "math.ctlz",
        "math.cttz",
        "math.ctpop",
        "math.floor",
        "math.round",
        "math.roundeven",
        "math.trunc",
    )
)


def body_cost(block: Block) -> BodyCost:
    """Counts the operations of a body by class.

    Anything in ``arith`` that is not named above is simple, anything in ``math`` transcendental.
    An integer power with a constant exponent is its multiplications (square and multiply), with
    a division when the exponent is negative.
    """
    simple = multiply = divide = transcendental = 0
    for op in block.ops:
        name = op.name
        if name in FREE:
            continue
        if name in MULTIPLY:
            multiply += 1
        elif name in DIVIDE:
            divide += 1
        elif name == "math.fpowi" and (exponent := _constant(op, 1)) is not None:
            magnitude = int(abs(exponent))
            multiply += max(0, magnitude.bit_length() - 1 + magnitude.bit_count() - 1)
            divide += exponent < 0
        elif name in SIMPLE_MATH or not name.startswith("math."):
            simple += 1
        else:
            transcendental += 1
    return BodyCost(simple, multiply, divide, transcendental)


def _constant(op: Operation, operand: int) -> float | None:
    value = op.operands[operand]
    if not isinstance(value, OpResult) or not isinstance(value.op, arith.ConstantOp):
        return None
    attribute = value.op.value
    if isinstance(attribute, IntegerAttr | FloatAttr):
        return attribute.value.data
    return None


def arithmetic_bits(block: Block) -> int:
    """Width of the widest operand or result that a body computes with.

    A body that computes nothing (conversions, copies) has the width of its widest argument. The
    integer exponent of a power is no operand of the arithmetic: it says how many multiplies.
    """
    widths = [
        element_bits(value.type)
        for op in block.ops
        if op.name not in FREE
        for value in (*op.operands[: 1 if op.name == "math.fpowi" else None], *op.results)
    ]
    return max(widths or [element_bits(argument.type) for argument in block.args] or [16])


def element_bits(element: Attribute) -> int:
    """Bits of a scalar type in a register; an index is an address, 64 bits."""
    if isinstance(element, IndexType):
        return 64
    if isinstance(element, IntegerType):
        return cast("IntegerType", element).width.data
    if isinstance(element, FixedBitwidthType):
        return element.bitwidth
    return 64


def stored_bits(element: Attribute) -> int:
    """Bits of an element in DMEM: whole bytes."""
    return -(-element_bits(element) // 8) * 8
