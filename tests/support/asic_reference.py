"""Runs ``asic`` IR on NumPy arrays, one operation at a time, as its documentation says.

Slow and literal on purpose: index arrays are made from the affine maps, bodies run on whole
arrays in their own types, and reductions fold in row-major order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import arith, builtin
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
)

from asic_compiler.dialects import asic

Array = NDArray[Any]

_DTYPES: dict[str, type] = {
    "f16": np.float16,
    "f32": np.float32,
    "f64": np.float64,
    "i1": np.bool_,
    "i8": np.int8,
    "i32": np.int32,
    "i64": np.int64,
    "index": np.int64,
}


def as_float64(array: Array) -> Array:
    return array.astype(np.float64)


def dtype_of(type_: Attribute) -> type:
    return _DTYPES[str(type_)]


def run(
    module: builtin.ModuleOp, inputs: Sequence[Array], weights: Mapping[str, Array]
) -> list[Array]:
    """Runs the module's function on ``inputs``; ``weights`` by parameter name."""
    function = next(op for op in module.ops if isinstance(op, FuncOp))
    block = function.body.block
    values: dict[SSAValue, Array] = dict(zip(block.args, inputs, strict=True))
    for op in block.ops:
        if isinstance(op, ReturnOp):
            return [values[operand] for operand in op.operands]
        operands = [values[operand] for operand in op.operands]
        results = _run_op(op, operands, weights)
        for result, array in zip(op.results, results, strict=True):
            assert array.shape == cast("Any", result.type).get_shape(), op
            assert array.dtype == dtype_of(cast("Any", result.type).element_type), op
            values[result] = array
    raise AssertionError("no return")


def _run_op(op: Operation, operands: list[Array], weights: Mapping[str, Array]) -> list[Array]:
    match op:
        case asic.WeightOp():
            return [weights[op.parameter]]
        case arith.ConstantOp():
            return [_dense(op)]
        case asic.MatmulOp():
            return [_matmul(op, *operands)]
        case asic.ConvOp():
            return [_conv(op, *operands)]
        case asic.ElementwiseOp():
            return [_elementwise(op, operands)]
        case asic.ReduceOp():
            return _reduce(op, operands)
        case asic.GatherOp():
            return [operands[0][operands[1]]]
        case asic.LayoutOp():
            shape = cast("Any", op.result.type).get_shape()
            found = take(operands[0], op.map.data, grid(shape))
            if op.is_view:
                np.testing.assert_array_equal(found.reshape(-1), operands[0].reshape(-1))
            return [found]
        case asic.ConcatOp():
            return [_concat(op, operands)]
        case asic.PadOp():
            width = list(zip(op.low.get_values(), op.high.get_values(), strict=True))
            value = cast("Any", op.value).value.data
            return [np.pad(operands[0], cast("Any", width), constant_values=value)]
        case asic.KvAppendOp():
            cache, new = operands
            result, axis, start = cache.copy(), op.axis.value.data, op.position.value.data
            where = [slice(None)] * cache.ndim
            where[axis] = slice(start, start + new.shape[axis])
            result[tuple(where)] = new
            return [result]
        case _:
            raise AssertionError(f"no reference for {op.name}")


def _dense(op: arith.ConstantOp) -> Array:
    value = cast("Any", op.value)
    element = dtype_of(cast("Any", op.result.type).element_type)
    return np.array(value.get_values(), element).reshape(cast("Any", op.result.type).get_shape())


def _matmul(op: asic.MatmulOp, lhs: Array, rhs: Array) -> Array:
    if op.transpose_rhs:
        rhs = np.swapaxes(rhs, -1, -2)
    result = dtype_of(cast("Any", op.result.type).element_type)
    wide = np.promote_types(result, np.float32) if np.issubdtype(result, np.floating) else result
    return (lhs.astype(wide) @ rhs.astype(wide)).astype(result)


def _conv(op: asic.ConvOp, data: Array, weight: Array) -> Array:
    low, high = op.low_padding.get_values(), op.high_padding.get_values()
    border = [(0, 0), (0, 0), *zip(low, high, strict=True)]
    data = np.pad(data, cast("Any", border))
    shape = cast("Any", op.result.type).get_shape()
    element = dtype_of(cast("Any", op.result.type).element_type)
    result = np.zeros(shape, np.float32)
    groups = op.groups.value.data
    filters, channels = shape[1] // groups, weight.shape[1]
    strides, dilations = op.strides.get_values(), op.dilations.get_values()
    for point in np.ndindex(*shape[2:]):
        window = tuple(
            slice(p * s, p * s + (w - 1) * d + 1, d)
            for p, s, d, w in zip(point, strides, dilations, weight.shape[2:], strict=True)
        )
        for g in range(groups):
            seen = data[(slice(None), slice(g * channels, (g + 1) * channels), *window)]
            kernel = weight[g * filters : (g + 1) * filters]
            total = np.einsum(
                "nk,fk->nf",
                seen.reshape(len(data), -1).astype(np.float32),
                kernel.reshape(filters, -1).astype(np.float32),
            )
            result[(slice(None), slice(g * filters, (g + 1) * filters), *point)] = total
    return result.astype(element)


def _elementwise(op: asic.ElementwiseOp, operands: list[Array]) -> Array:
    shape = cast("Any", op.result.type).get_shape()
    points = grid(shape)
    taken = [take(a, m.data, points) for a, m in zip(operands, op.indexing_maps, strict=True)]
    (result,) = run_body(op.body.block, taken, points)
    return np.broadcast_to(result, shape).copy()


def _reduce(op: asic.ReduceOp, operands: list[Array]) -> list[Array]:
    sizes, folded = op.iteration_sizes, op.reduced.value.data
    kept = sizes[: len(sizes) - folded]
    count = len(op.inputs)
    if op.init is not None:
        accumulators = [
            np.full(kept, cast("Any", v).value.data, dtype_of(cast("Any", v).type)) for v in op.init
        ]
    else:
        accumulators = operands[count:]
    for tail in np.ndindex(*sizes[len(kept) :]):
        points = [*grid(kept), *(np.full(kept, t, np.int64) for t in tail)]
        taken = [
            take(a, m.data, points) for a, m in zip(operands[:count], op.indexing_maps, strict=True)
        ]
        accumulators = run_body(op.body.block, [*taken, *accumulators], points)
    return [np.asarray(a) for a in accumulators]


def _concat(op: asic.ConcatOp, operands: list[Array]) -> Array:
    dim = op.dim.value.data
    shape = cast("Any", op.result.type).get_shape()
    pieces: list[Array] = []
    for array, map_, size in zip(operands, op.indexing_maps, op.sizes.get_values(), strict=True):
        points = grid((*shape[:dim], size, *shape[dim + 1 :]))
        pieces.append(take(array, map_.data, points))
    return np.concatenate(pieces, axis=dim)


def grid(shape: Sequence[int]) -> list[Array]:
    """The index along each dimension, at every point of a box."""
    return list(np.indices(tuple(shape), dtype=np.int64))


def take(array: Array, map_: AffineMap, points: Sequence[Array]) -> Array:
    """``array[map(point)]`` at every point."""
    shape = points[0].shape if len(points) else ()
    index = tuple(np.broadcast_to(_eval(expr, points), shape) for expr in map_.results)
    return array[index] if index else np.broadcast_to(array, shape).copy()


def _eval(expr: AffineExpr, points: Sequence[Array]) -> Array:
    match expr:
        case AffineConstantExpr():
            return np.int64(expr.value)  # type: ignore[return-value]
        case AffineDimExpr():
            return points[expr.position]
        case AffineBinaryOpExpr():
            left, right = _eval(expr.lhs, points), _eval(expr.rhs, points)
            match expr.kind:
                case AffineBinaryOpKind.Add:
                    return left + right
                case AffineBinaryOpKind.Mul:
                    return left * right
                case AffineBinaryOpKind.FloorDiv:
                    return left // right
                case AffineBinaryOpKind.Mod:
                    return left % right
                case _:
                    raise AssertionError(expr)
        case _:
            raise AssertionError(expr)


def _erf(x: Array) -> Array:
    import torch

    return torch.erf(torch.from_numpy(np.ascontiguousarray(x))).numpy()


_SCALARS: dict[str, Callable[..., Array]] = {
    "arith.addf": np.add,
    "arith.addi": np.add,
    "arith.subf": np.subtract,
    "arith.subi": np.subtract,
    "arith.mulf": np.multiply,
    "arith.muli": np.multiply,
    "arith.divf": np.divide,
    "arith.negf": np.negative,
    "arith.maximumf": np.maximum,
    "arith.minimumf": np.minimum,
    "arith.andi": np.bitwise_and,
    "arith.ori": np.bitwise_or,
    "arith.select": np.where,
    "math.exp": np.exp,
    "math.tanh": np.tanh,
    "math.erf": _erf,
    "math.sin": np.sin,
    "math.cos": np.cos,
    "math.sqrt": np.sqrt,
    "math.rsqrt": lambda x: 1 / np.sqrt(x),
    "math.powf": np.power,
    "math.fpowi": lambda x, n: np.power(x, n.astype(x.dtype)),
}
_CASTS = frozenset(
    (
        "arith.extf",
        "arith.truncf",
        "arith.sitofp",
        "arith.fptosi",
        "arith.index_cast",
        "arith.extsi",
        "arith.extui",
        "arith.trunci",
        "arith.uitofp",
    )
)
_FLOAT_COMPARES: dict[int, Callable[..., Array]] = {
    1: np.equal,
    2: np.greater,
    3: np.greater_equal,
    4: np.less,
    5: np.less_equal,
    9: lambda a, b: ~(a <= b),
}
_INT_COMPARES: dict[int, Callable[..., Array]] = {
    0: np.equal,
    1: np.not_equal,
    2: np.less,
    3: np.less_equal,
    4: np.greater,
    5: np.greater_equal,
}


def run_body(block: Block, arguments: Sequence[Array], points: Sequence[Array]) -> list[Array]:
    """Runs a scalar body on arrays; every operation in its own type."""
    values: dict[SSAValue, Array] = dict(zip(block.args, arguments, strict=True))
    for op in block.ops:
        operands = [values[v] for v in op.operands]
        if isinstance(op, asic.YieldOp):
            return operands
        result = np.asarray(_scalar(op, operands, points))
        values[op.results[0]] = result.astype(dtype_of(op.results[0].type))
    raise AssertionError("no yield")


def _scalar(op: Operation, operands: list[Array], points: Sequence[Array]) -> Array:
    with np.errstate(all="ignore"):
        if isinstance(op, arith.ConstantOp):
            value = cast("Any", op.value).value.data
            return np.asarray(value, dtype_of(op.result.type))
        if isinstance(op, asic.IndexOp):
            return points[op.dim.value.data]
        if isinstance(op, arith.CmpfOp):
            return _FLOAT_COMPARES[op.predicate.value.data](*operands)
        if isinstance(op, arith.CmpiOp):
            return _INT_COMPARES[op.predicate.value.data](*operands)
        if op.name in _CASTS:
            return operands[0]
        return _SCALARS[op.name](*operands)
