"""Index grids, and what affine maps read on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
)

from asic_compiler.interpret.elements import Array
from asic_compiler.interpret.errors import CannotEvaluateError

Points = list[Array]
"""The index along each dimension, at every point of an iteration space."""


def grid(sizes: Sequence[int]) -> Points:
    """All points of a box."""
    return list(np.indices(tuple(sizes), dtype=np.int64))


def index_of(map_: AffineMap, points: Sequence[Array], shape: Sequence[int]) -> tuple[Array, ...]:
    """Where a map leads from every point.

    Args:
        map_: From the points' dimensions into a tensor.
        points: Index arrays of one shape.
        shape: The tensor's.

    Raises:
        CannotEvaluateError: It has symbols, or leads outside the tensor.
    """
    if map_.num_symbols:
        raise CannotEvaluateError(f"the map {map_} has symbols")
    space = points[0].shape if points else ()
    found: list[Array] = []
    for expr, size in zip(map_.results, shape, strict=True):
        index = np.broadcast_to(np.asarray(_value(expr, points), np.int64), space)
        if index.size and (index.min() < 0 or index.max() >= size):
            raise CannotEvaluateError(f"the map {map_} leads outside a tensor of {list(shape)}")
        found.append(index)
    return tuple(found)


def take(array: Array, map_: AffineMap, points: Sequence[Array]) -> Array:
    """``array[map(point)]`` at every point."""
    index = index_of(map_, points, array.shape)
    if not index:
        return np.broadcast_to(array, points[0].shape if points else ())
    return array[index]


def _value(expr: AffineExpr, points: Sequence[Array]) -> Array:
    match expr:
        case AffineConstantExpr():
            return np.asarray(expr.value, np.int64)
        case AffineDimExpr():
            return points[expr.position]
        case AffineBinaryOpExpr():
            left, right = _value(expr.lhs, points), _value(expr.rhs, points)
            match expr.kind:
                case AffineBinaryOpKind.Add:
                    return left + right
                case AffineBinaryOpKind.Mul:
                    return left * right
                case AffineBinaryOpKind.FloorDiv:
                    return np.floor_divide(left, right)
                case AffineBinaryOpKind.CeilDiv:
                    return -np.floor_divide(-left, right)
                case AffineBinaryOpKind.Mod:
                    return np.mod(left, right)
        case _:
            raise CannotEvaluateError(f"the affine expression {expr} is not known to the check")
