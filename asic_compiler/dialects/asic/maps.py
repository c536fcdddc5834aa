"""Affine maps over boxes of integers: the range of values they take."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
)

Interval = tuple[int, int]


def expression_range(expr: AffineExpr, sizes: Sequence[int]) -> Interval:
    """Smallest and largest value of an expression whose dimension i runs over 0..sizes[i]-1.

    Exact for sums of distinct dimensions; a bound from outside where dimensions repeat.

    Raises:
        ValueError: The expression has symbols, or divides by something that is not a positive
            constant.
    """
    match expr:
        case AffineConstantExpr():
            return expr.value, expr.value
        case AffineDimExpr():
            return 0, sizes[expr.position] - 1
        case AffineBinaryOpExpr():
            left = expression_range(expr.lhs, sizes)
            right = expression_range(expr.rhs, sizes)
            return _combine(expr.kind, left, right)
        case _:
            raise ValueError(f"unsupported affine expression {expr}")


def _combine(kind: AffineBinaryOpKind, left: Interval, right: Interval) -> Interval:
    if kind is AffineBinaryOpKind.Add:
        return left[0] + right[0], left[1] + right[1]
    if kind is AffineBinaryOpKind.Mul:
        corners = [a * b for a in left for b in right]
        return min(corners), max(corners)
    low, divisor = right
    if low != divisor or divisor < 1:
        raise ValueError("affine division by something that is not a positive constant")
    if kind is AffineBinaryOpKind.FloorDiv:
        return left[0] // divisor, left[1] // divisor
    if kind is AffineBinaryOpKind.CeilDiv:
        return -(-left[0] // divisor), -(-left[1] // divisor)
    if left[0] // divisor == left[1] // divisor:
        return left[0] % divisor, left[1] % divisor
    return 0, divisor - 1


def map_error(map_: AffineMap, sizes: Sequence[int], shape: Sequence[int]) -> str | None:
    """Why a map from a box of ``sizes`` does not index a tensor of ``shape``; None if it does."""
    if map_.num_symbols:
        return "has symbols"
    if map_.num_dims != len(sizes):
        return f"has {map_.num_dims} dimensions for an iteration space of rank {len(sizes)}"
    if len(map_.results) != len(shape):
        return f"has {len(map_.results)} results for an operand of rank {len(shape)}"
    if 0 in sizes:
        return None
    for position, (expr, extent) in enumerate(zip(map_.results, shape, strict=True)):
        try:
            low, high = expression_range(expr, sizes)
        except ValueError as error:
            return str(error)
        if low < 0 or high >= extent:
            return f"reaches {low}..{high} in dimension {position}, which has size {extent}"
    return None


def is_identity(map_: AffineMap) -> bool:
    """Whether a map returns its dimensions unchanged."""
    return map_.num_dims == len(map_.results) and all(
        isinstance(expr, AffineDimExpr) and expr.position == position
        for position, expr in enumerate(map_.results)
    )


def linear_offsets_match(map_: AffineMap, sizes: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether ``operand[map(d)]`` visits a row-major operand in row-major order, all of it.

    Decided at the unit steps of every dimension and at the far corners of each pair of
    dimensions' carries: enough to refute wrong claims, cheap enough for a verifier.
    """
    count = 1
    for size in sizes:
        count *= size
    extent = 1
    for size in shape:
        extent *= size
    if count != extent:
        return False
    probes = {0, count - 1}
    stride = 1
    for size in reversed(sizes):
        probes |= {min(stride, count - 1), min(stride * (size - 1), count - 1)}
        stride *= size
    stride = 1
    for size in reversed(shape):
        probes |= {min(stride, count - 1), min(stride * (size - 1), count - 1), stride - 1}
        stride *= size
    return all(_offset(map_, sizes, shape, probe) == probe for probe in sorted(probes))


def _offset(map_: AffineMap, sizes: Sequence[int], shape: Sequence[int], linear: int) -> int:
    point: list[int] = []
    for size in reversed(sizes):
        point.append(linear % size)
        linear //= size
    offset = 0
    for index, size in zip(map_.eval(point[::-1], []), shape, strict=True):
        offset = offset * size + index
    return offset
