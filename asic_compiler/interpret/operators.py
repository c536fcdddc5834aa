"""``asic``: each operation as the numbered docstring of its class has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np
from xdsl.ir import Operation, SSAValue

from asic_compiler.dialects import asic
from asic_compiler.interpret.elements import Array, is_float, width, wrapped
from asic_compiler.interpret.machine import Handler, Machine, element, shape_of, tensor_type
from asic_compiler.interpret.maps import grid, take
from asic_compiler.interpret.scalars import constant


def _weight(machine: Machine, op: asic.WeightOp) -> Sequence[Array]:
    return [machine.named(op.value)]


def _product(machine: Machine, lhs: Array, rhs: Array, result: SSAValue) -> Array:
    """``lhs @ rhs``, rounded once or wrapped."""
    kind = tensor_type(result).element_type
    with np.errstate(all="ignore"):
        if is_float(kind):
            total = np.asarray(np.matmul(lhs, rhs), np.float64)
            return machine.numbers.summed(machine.numbers.settle(total, kind))
        return wrapped(np.matmul(lhs, rhs), width(kind))


def _matmul(machine: Machine, op: asic.MatmulOp) -> Sequence[Array]:
    lhs, rhs = machine.value(op.lhs), machine.value(op.rhs)
    if op.transpose_rhs:
        rhs = np.swapaxes(rhs, -1, -2)
    return [_product(machine, lhs, rhs, op.result)]


def _conv(machine: Machine, op: asic.ConvOp) -> Sequence[Array]:
    data, weight = machine.value(op.input), machine.value(op.weight)
    shape = shape_of(op.result)
    borders = zip(op.low_padding.get_values(), op.high_padding.get_values(), strict=True)
    data = np.pad(data, ((0, 0), (0, 0), *borders))
    strides, dilations = op.strides.get_values(), op.dilations.get_values()
    groups, window = op.groups.value.data, weight.shape[2:]
    rows: list[Array] = []
    for offset in np.ndindex(*window):
        taken = tuple(
            slice(o * d, o * d + (size - 1) * s + 1, s)
            for o, d, s, size in zip(offset, dilations, strides, shape[2:], strict=True)
        )
        rows.append(data[(slice(None), slice(None), *taken)])
    channels, filters = weight.shape[1], weight.shape[0] // groups
    pieces: list[Array] = []
    for group in range(groups):
        field = np.stack([row[:, group * channels : (group + 1) * channels] for row in rows])
        # [window, n, c, positions] to [n, positions, window x c], and the weight likewise.
        field = field.reshape(len(rows), shape[0], channels, -1).transpose(1, 3, 0, 2)
        kernel = weight[group * filters : (group + 1) * filters].reshape(filters, channels, -1)
        flat = field.reshape(*field.shape[:2], -1)
        columns = kernel.transpose(2, 1, 0).reshape(-1, filters)
        pieces.append(_product(machine, flat, columns, op.result).transpose(0, 2, 1))
    return [np.concatenate(pieces, axis=1).reshape(shape)]


def _elementwise(machine: Machine, op: asic.ElementwiseOp) -> Sequence[Array]:
    shape = shape_of(op.result)
    points = grid(shape)
    taken = [
        take(machine.value(value), map_.data, points)
        for value, map_ in zip(op.inputs, op.indexing_maps, strict=True)
    ]
    (result,) = machine.body(op.body.block, taken, points)
    return [np.broadcast_to(result, shape).copy()]


def _reduce(machine: Machine, op: asic.ReduceOp) -> Sequence[Array]:
    sizes, folded = op.iteration_sizes, op.reduced.value.data
    kept = sizes[: len(sizes) - folded]
    if op.init is not None:
        totals = [np.broadcast_to(constant(value), kept) for value in op.init]
    else:
        totals = [machine.value(value) for value in op.inits]
    inputs = [machine.value(value) for value in op.inputs]
    for step in np.ndindex(*sizes[len(kept) :]):
        points = [*grid(kept), *(np.full(kept, at, np.int64) for at in step)]
        taken = [take(a, m.data, points) for a, m in zip(inputs, op.indexing_maps, strict=True)]
        totals = machine.body(op.body.block, [*taken, *totals], points)
    found = [np.broadcast_to(total, kept).copy() for total in totals]
    return machine.in_any_order(op, found)


def _gather(machine: Machine, op: asic.GatherOp) -> Sequence[Array]:
    table, indices = machine.value(op.table), machine.value(op.indices)
    rows = grid(shape_of(op.result)[indices.ndim :])
    chosen = indices.reshape(indices.shape + (1,) * len(rows))
    shape = shape_of(op.result)
    return [element(table, [np.broadcast_to(i, shape) for i in (chosen, *rows)])]


def _layout(machine: Machine, op: asic.LayoutOp) -> Sequence[Array]:
    return [take(machine.value(op.operand), op.map.data, grid(shape_of(op.result)))]


def _concat(machine: Machine, op: asic.ConcatOp) -> Sequence[Array]:
    dim, shape = op.dim.value.data, shape_of(op.result)
    pieces = [
        take(machine.value(value), map_.data, grid((*shape[:dim], size, *shape[dim + 1 :])))
        for value, map_, size in zip(
            op.inputs, op.indexing_maps, op.sizes.get_values(), strict=True
        )
    ]
    return [np.concatenate(pieces, axis=dim)]


def _pad(machine: Machine, op: asic.PadOp) -> Sequence[Array]:
    operand = machine.value(op.operand)
    result = np.broadcast_to(constant(op.value), shape_of(op.result)).copy()
    inside = tuple(
        slice(low, low + size) for low, size in zip(op.low.get_values(), operand.shape, strict=True)
    )
    result[inside] = operand
    return [result]


def _append(machine: Machine, op: asic.KvAppendOp) -> Sequence[Array]:
    values = machine.value(op.values)
    axis, start = op.axis.value.data, op.position.value.data
    result = machine.value(op.cache).copy()
    where = [slice(None)] * result.ndim
    where[axis] = slice(start, start + values.shape[axis])
    result[tuple(where)] = values
    return [result]


_Op = TypeVar("_Op", bound=Operation)


def _typed(kind: type[_Op], run: Callable[[Machine, _Op], Sequence[Array]]) -> tuple[str, Handler]:
    def handler(machine: Machine, op: Operation) -> Sequence[Array]:
        return run(machine, cast(Any, op))

    return kind.name, handler


HANDLERS: dict[str, Handler] = dict(
    (
        _typed(asic.WeightOp, _weight),
        _typed(asic.MatmulOp, _matmul),
        _typed(asic.ConvOp, _conv),
        _typed(asic.ElementwiseOp, _elementwise),
        _typed(asic.ReduceOp, _reduce),
        _typed(asic.GatherOp, _gather),
        _typed(asic.LayoutOp, _layout),
        _typed(asic.ConcatOp, _concat),
        _typed(asic.PadOp, _pad),
        _typed(asic.KvAppendOp, _append),
    )
)
"""How each operation is evaluated, by its name."""
