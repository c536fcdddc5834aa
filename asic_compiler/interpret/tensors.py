"""``tensor`` and constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from xdsl.dialects.builtin import DenseResourceAttr
from xdsl.ir import Attribute, Operation

from asic_compiler.interpret.elements import Array, is_float
from asic_compiler.interpret.errors import CannotEvaluateError
from asic_compiler.interpret.machine import Handler, Machine, element, shape_of, tensor_type
from asic_compiler.interpret.scalars import constant
from asic_compiler.interpret.structured import integers

_DYNAMIC = -(1 << 63)


def _constant(machine: Machine, op: Operation) -> Sequence[Array]:
    value = cast(Attribute, op.properties.get("value", op.attributes.get("value")))
    return [machine.named(value) if isinstance(value, DenseResourceAttr) else constant(value)]


def _empty(machine: Machine, op: Operation) -> Sequence[Array]:
    """Undefined contents: no number, so that whatever reads them is seen to depend on them."""
    del machine
    floats = is_float(tensor_type(op.results[0]).element_type)
    return [np.full(shape_of(op.results[0]), np.nan if floats else -1)]


def _reshape(machine: Machine, op: Operation) -> Sequence[Array]:
    return [machine.value(op.operands[0]).reshape(shape_of(op.results[0]))]


def _offered(op: Operation, name: str, machine: Machine, operands: Sequence[Array]) -> list[int]:
    """Static entries, with the dynamic ones among them taken from ``operands`` in order."""
    del machine
    dynamic = iter(operands)
    return [int(next(dynamic)) if v == _DYNAMIC else v for v in integers(op, name)]


def _slices(machine: Machine, op: Operation, fixed: int) -> tuple[tuple[slice, ...], list[int]]:
    segments = integers(op, "operandSegmentSizes")[fixed:]
    rest = [machine.value(operand) for operand in op.operands[fixed:]]
    parts: list[list[int]] = []
    for name, count in zip(
        ("static_offsets", "static_sizes", "static_strides"), segments, strict=True
    ):
        parts.append(_offered(op, name, machine, rest[:count]))
        rest = rest[count:]
    offsets, sizes, strides = parts
    last = [o + (n - 1) * s for o, n, s in zip(offsets, sizes, strides, strict=True)]
    target = shape_of(op.operands[fixed - 1])
    if any(o < 0 or e >= size for o, e, size in zip(offsets, last, target, strict=True)):
        raise CannotEvaluateError("a slice leaves its tensor")
    found = [slice(o, e + 1, s) for o, e, s in zip(offsets, last, strides, strict=True)]
    return tuple(found), sizes


def _extract_slice(machine: Machine, op: Operation) -> Sequence[Array]:
    where, _ = _slices(machine, op, 1)
    return [machine.value(op.operands[0])[where].reshape(shape_of(op.results[0]))]


def _insert_slice(machine: Machine, op: Operation) -> Sequence[Array]:
    where, sizes = _slices(machine, op, 2)
    result = machine.value(op.operands[1]).copy()
    result[where] = machine.value(op.operands[0]).reshape(sizes)
    return [result]


def _concat(machine: Machine, op: Operation) -> Sequence[Array]:
    pieces = [machine.value(operand) for operand in op.operands]
    return [np.concatenate(pieces, integers(op, "dim")[0])]


def _pad(machine: Machine, op: Operation) -> Sequence[Array]:
    """Positive borders hold what the body yields, negative ones cut."""
    source, shape = machine.value(op.operands[0]), shape_of(op.results[0])
    _, low_count, high_count = integers(op, "operandSegmentSizes")
    rest = [machine.value(operand) for operand in op.operands[1:]]
    low = _offered(op, "static_low", machine, rest[:low_count])
    _offered(op, "static_high", machine, rest[low_count : low_count + high_count])
    points = list(np.indices(shape, dtype=np.int64))
    (fill,) = machine.body(op.regions[0].block, points, points)
    where = [p - b for p, b in zip(points, low, strict=True)]
    inside = np.ones(shape, np.bool_)
    for index, size in zip(where, source.shape, strict=True):
        inside &= (index >= 0) & (index < size)
    safe = tuple(np.where(inside, index, 0) for index in where)
    if not source.size:
        return [np.broadcast_to(fill, shape).copy()]
    return [np.where(inside, source[safe], fill)]


def _splat(machine: Machine, op: Operation) -> Sequence[Array]:
    return [np.broadcast_to(machine.value(op.operands[0]), shape_of(op.results[0])).copy()]


def _from_elements(machine: Machine, op: Operation) -> Sequence[Array]:
    values = [machine.value(operand) for operand in op.operands]
    return [np.array(values).reshape(shape_of(op.results[0]))]


def _extract(machine: Machine, op: Operation) -> Sequence[Array]:
    array, *index = (machine.value(operand) for operand in op.operands)
    return [element(array, index)]


HANDLERS: dict[str, Handler] = {
    "arith.constant": _constant,
    "tensor.empty": _empty,
    "tensor.expand_shape": _reshape,
    "tensor.collapse_shape": _reshape,
    "tensor.cast": _reshape,
    "tensor.reshape": _reshape,
    "tensor.extract_slice": _extract_slice,
    "tensor.insert_slice": _insert_slice,
    "tensor.concat": _concat,
    "tensor.pad": _pad,
    "tensor.splat": _splat,
    "tensor.from_elements": _from_elements,
    "tensor.extract": _extract,
}
