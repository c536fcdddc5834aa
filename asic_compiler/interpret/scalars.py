"""One scalar operation of ``arith`` or ``math``, on whole arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from xdsl.dialects import arith
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, FloatAttr, IntegerAttr
from xdsl.ir import Attribute, Operation

from asic_compiler.interpret import floats, integers
from asic_compiler.interpret.elements import (
    FLOATS,
    Array,
    float_format,
    give_out,
    is_float,
    rounded,
    signed,
    take_in,
    unsigned,
    width,
    wrapped,
)
from asic_compiler.interpret.errors import CannotEvaluateError, name_of
from asic_compiler.interpret.numbers import Numbers

_TESTS = {"math.isnan": np.isnan, "math.isinf": np.isinf, "math.isfinite": np.isfinite}


def constant(value: Attribute) -> Array:
    """A scalar attribute without dimensions, or a dense one with its shape.

    Raises:
        CannotEvaluateError: It is of another kind.
    """
    match value:
        case FloatAttr():
            number = cast("FloatAttr[Any]", value)
            return rounded(np.asarray(number.value.data, np.float64), number.type)
        case IntegerAttr():
            integer = cast("IntegerAttr[Any]", value)
            bits = np.asarray(integer.value.data & (1 << 64) - 1, np.uint64)
            return signed(bits, width(integer.type))
        case DenseIntOrFPElementsAttr():
            dense = cast("DenseIntOrFPElementsAttr[Any]", value)
            element, shape = dense.get_element_type(), dense.get_shape()
            if is_float(element):
                array: Array = np.array(dense.get_values(), np.float64)
            else:
                numbers = [int(v) & (1 << 64) - 1 for v in cast(Any, dense.get_values())]
                array = signed(np.array(numbers, np.uint64), width(element))
            if array.size == 1:  # it may stand for all elements: a view, never copied
                return np.broadcast_to(array.reshape(()), shape)
            return array.reshape(shape)
        case _:
            raise CannotEvaluateError(f"a constant {value.name} is not known to the check")


def scalar(op: Operation, operands: Sequence[Array], numbers: Numbers, fixed: bool) -> Array:
    """The result of an operation with one result.

    Args:
        op: Of ``arith`` or ``math``.
        operands: Arrays that broadcast, as `elements` holds them.
        numbers: How it rounds.
        fixed: Whether no argument of the function has a part in it.

    Raises:
        CannotEvaluateError: The operation is not known.
    """
    with np.errstate(all="ignore"):
        return np.asarray(_scalar(op, operands, numbers, fixed))


def _scalar(op: Operation, operands: Sequence[Array], numbers: Numbers, fixed: bool) -> Array:
    name, result = name_of(op), op.results[0].type
    if name == "arith.constant":
        value = op.properties.get("value", op.attributes.get("value"))
        assert value is not None
        return constant(value)
    if name == "arith.select":
        return np.where(operands[0] != 0, operands[1], operands[2])
    if name in _TESTS:
        return -_TESTS[name](operands[0]).astype(np.int64)
    if name in ("arith.cmpf", "arith.cmpi"):
        return _compare(op, operands)
    if name in floats.EXACT:
        values = np.asarray(floats.EXACT[name](*operands))
        if name in ("arith.maxnumf", "arith.minnumf"):
            return numbers.summed(values)  # of two zeros either
        return values
    if name in floats.ROUNDED:
        values = np.asarray(floats.ROUNDED[name](*operands), np.float64)
        return numbers.settle(values, result)
    if name in integers.BINARY:
        bits = width(result)
        return wrapped(np.asarray(integers.BINARY[name](operands[0], operands[1], bits)), bits)
    if name in integers.UNARY:
        bits = width(result)
        return wrapped(np.asarray(integers.UNARY[name](operands[0], bits)), bits)
    return _conversion(op, operands[0], numbers, fixed)


def _compare(op: Operation, operands: Sequence[Array]) -> Array:
    predicate = cast("IntegerAttr[Any]", op.properties["predicate"]).value.data
    a, b = operands
    if isinstance(op, arith.CmpfOp):
        found = floats.compare(predicate, a, b)
    else:
        found = integers.compare(predicate, a, b, width(op.operands[0].type))
    return -found.astype(np.int64)


def _conversion(op: Operation, values: Array, numbers: Numbers, fixed: bool) -> Array:
    source, target = op.operands[0].type, op.results[0].type
    match name_of(op):
        case "arith.extf":
            return values  # exact
        case "arith.truncf":
            return numbers.converted(values, target, fixed)
        case "arith.extsi" | "arith.index_cast" | "arith.trunci":
            return wrapped(values, width(target))
        case "arith.extui" | "arith.index_castui":
            return signed(unsigned(values, width(source)), width(target))
        case "arith.sitofp" | "arith.uitofp" as name:
            whole = values if name == "arith.sitofp" else unsigned(values, width(source))
            if str(target) == "f32" and not numbers.wide:  # at once, not by way of f64
                return whole.astype(np.float32).astype(np.float64)
            return numbers.converted(whole.astype(np.float64), target, fixed)
        case "arith.fptosi":
            top = 1 << (width(target) - 1)
            return _to_integer(values, -top, top - 1, width(target))
        case "arith.fptoui":
            return _to_integer(values, 0, (1 << width(target)) - 1, width(target))
        case "arith.bitcast":
            return _bitcast(values, source, target)
        case name:
            raise CannotEvaluateError(f"{name} is not known to the check")


def _to_integer(values: Array, low: int, high: int, bits: int) -> Array:
    """Towards zero; what does not fit becomes the nearest that does, NaN the largest."""
    whole: Array = np.trunc(values)
    fits = (whole >= float(low)) & (whole < float(high + 1))
    inside = np.where(fits, whole, 0.0)
    exact = signed(inside.astype(np.uint64), bits) if low == 0 else inside.astype(np.int64)
    beyond = np.where(whole < float(low), wrapped(np.asarray(low), bits), _bits_of(high, bits))
    return np.where(fits, exact, beyond)


def _bits_of(value: int, bits: int) -> Array:
    return signed(np.asarray(value, np.uint64), bits)


def _bitcast(values: Array, source: Attribute, target: Attribute) -> Array:
    if is_float(source) == is_float(target):
        return values
    if is_float(source):
        stored = give_out(rounded(values, source), source)
        bits = stored.view(f"i{stored.dtype.itemsize}").astype(np.int64)
        return bits >> 16 if str(source) == "bf16" else bits
    shift = 16 if str(target) == "bf16" else 0
    size = {"f64": 8, "f16": 2}.get(str(target), 4)
    if str(target) not in FLOATS or float_format(target).precision < 8:
        raise CannotEvaluateError(f"a bitcast to {target} is not known to the check")
    raw = (values << shift).astype(f"i{size}")
    return take_in(raw.view(f"f{size}"), target)
