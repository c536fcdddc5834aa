"""Which elements of a tensor a part of an instruction computes and reads: what a cut stands for.

Elements are numbered in row-major order of the whole tensor. The same functions serve the
generator, which allocates and moves what they say, and the simulators, which execute it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
)

from asic_compiler.dialects import tcc
from asic_compiler.dialects.tcc.attrs import part_range
from asic_compiler.dialects.tcc.base import buffer_type
from asic_compiler.program.parts import NOTHING, Elements, distinct

Cutting: TypeAlias = (
    tcc.MmaOp
    | tcc.MmaDmemOp
    | tcc.ConvOp
    | tcc.VectorOp
    | tcc.GatherOp
    | tcc.CopyOp
    | tcc.ConcatOp
    | tcc.PadOp
)
CUTTING = (
    tcc.MmaOp,
    tcc.MmaDmemOp,
    tcc.ConvOp,
    tcc.VectorOp,
    tcc.GatherOp,
    tcc.CopyOp,
    tcc.ConcatOp,
    tcc.PadOp,
)
"""Instructions whose cut says which part of the work falls to a tile."""


def distinguishing(op: Cutting, operand: int, index: tuple[int, ...]) -> tuple[int, ...]:
    """The indices that an operand's elements depend on."""
    b, m, n, k = index
    match op:
        case tcc.MmaOp():
            return (m, k) if op.sizes.get_values()[0] == 1 else (m, n, k)
        case tcc.MmaDmemOp() if operand == 0:
            flat = op.cut.b.data == 1 and op.sizes.get_values()[0] > 1
            return (b, m, n, k) if flat else (b, m, k)
        case tcc.MmaDmemOp():
            return (b, n, k)
        case _:
            return (b, m, n, k)


@dataclass(frozen=True, slots=True)
class Ranges:
    """A part of a contraction: batch items, rows, columns and depth, each from..to.

    Where batch items are not cut, columns are those of all items, one item after another.
    """

    b: tuple[int, int]
    m: tuple[int, int]
    n: tuple[int, int]
    k: tuple[int, int]
    flat: bool


def ranges_of(op: tcc.MmaOp | tcc.MmaDmemOp | tcc.ConvOp, index: Sequence[int]) -> Ranges:
    """The part of a contraction with these indices."""
    b, m, n, k = op.sizes.get_values()
    cut = op.cut
    flat = cut.b.data == 1
    return Ranges(
        b=part_range(b, cut.b.data, index[0]),
        m=part_range(m, cut.m.data, index[1]),
        n=part_range(b * n if flat else n, cut.n.data, index[2]),
        k=part_range(k, cut.k.data, index[3]),
        flat=flat,
    )


def piece_of(k: tuple[int, int], piece: tuple[int, int]) -> tuple[int, int]:
    """A piece of a range of k or of rows."""
    low, high = part_range(k[1] - k[0], piece[1], piece[0])
    return k[0] + low, k[0] + high


def _columns(ranges: Ranges, n: int) -> tuple[Elements, Elements]:
    """Batch item and column of every column of a part."""
    low, high = ranges.n
    if ranges.flat:
        columns = np.arange(low, high)
        return columns // n, columns % n
    items = np.repeat(np.arange(*ranges.b), high - low)
    return items, np.tile(np.arange(low, high), ranges.b[1] - ranges.b[0])


def _items(ranges: Ranges, n: int) -> Elements:
    return distinct(_columns(ranges, n)[0])


def _outer(*axes: tuple[Elements, int]) -> Elements:
    """Sums of one value of each axis times its stride, ascending if strides descend."""
    total = NOTHING
    for position, (values, stride) in enumerate(axes):
        scaled = np.asarray(values, dtype=np.int64) * stride
        total = scaled if position == 0 else (total[:, None] + scaled[None, :]).reshape(-1)
    return total


def space_of(op: Cutting) -> Space | None:
    """The space of an instruction that has one; None for contractions."""
    return None if isinstance(op, tcc.MmaOp | tcc.MmaDmemOp | tcc.ConvOp) else Space.of(op)


def computed_elements(
    op: Cutting, index: Sequence[int], reduced: bool, space: Space | None
) -> Elements:
    """Elements of an instruction's results that a part computes; ``space`` is the instruction's."""
    match op:
        case tcc.MmaOp() | tcc.MmaDmemOp():
            return _block(op, ranges_of(op, index))
        case tcc.ConvOp():
            return _conv_result(op, ranges_of(op, index))
        case _:
            assert space is not None
            points = space.points(index)
            return distinct(points // space.sizes[2]) if reduced else points


def _block(op: tcc.MmaOp | tcc.MmaDmemOp, ranges: Ranges) -> Elements:
    _, m, n, _ = op.sizes.get_values()
    items, columns = _columns(ranges, n)
    rows = np.arange(*ranges.m)
    return np.sort(((items * m)[:, None] * n + rows[None, :] * n + columns[:, None]).reshape(-1))


def scattered_elements(op: Cutting, index: Sequence[int]) -> Elements:
    """The k-th column range of a part of a contraction."""
    assert isinstance(op, tcc.MmaOp | tcc.MmaDmemOp | tcc.ConvOp)
    ranges = ranges_of(op, index)
    low, high = part_range(ranges.n[1] - ranges.n[0], op.cut.k.data, index[3])
    own = Ranges(ranges.b, ranges.m, (ranges.n[0] + low, ranges.n[0] + high), ranges.k, ranges.flat)
    return _conv_result(op, own) if isinstance(op, tcc.ConvOp) else _block(op, own)


def _conv_result(op: tcc.ConvOp, ranges: Ranges) -> Elements:
    shape = buffer_type(op.result).sizes
    positions = prod(shape[2:])
    rows = np.arange(*ranges.m)
    image, position = rows // positions, rows % positions
    filters = np.arange(*ranges.n)
    total = (image[:, None] * shape[1] + filters[None, :]) * positions + position[:, None]
    return np.sort(total.reshape(-1))


@dataclass(frozen=True, slots=True)
class Space:
    """The space of a vector instruction and its cut: read once for all of its parts."""

    sizes: tuple[int, ...]
    factors: tuple[int, ...]
    _ranges: dict[tuple[int, int], Elements] = field(
        default_factory=dict[tuple[int, int], Elements]
    )
    """What a range of an axis adds to the numbers of points: many parts have the same."""

    @classmethod
    def of(cls, op: Cutting) -> Space:
        """That of an instruction."""
        assert not isinstance(op, tcc.MmaOp | tcc.MmaDmemOp | tcc.ConvOp)
        return cls(op.over.get_values(), op.cut.factors)

    def points(self, index: Sequence[int]) -> Elements:
        """Points that a part has, ascending."""
        b, m, n = (self._range(axis, i) for axis, i in enumerate(index[:3]))
        return (b[:, None, None] + m[:, None] + n).reshape(-1)

    def _range(self, axis: int, index: int) -> Elements:
        if (axis, index) not in self._ranges:
            values = np.arange(*part_range(self.sizes[axis], self.factors[axis], index))
            self._ranges[axis, index] = values * prod(self.sizes[axis + 1 :])
        return self._ranges[axis, index]


def points_of(op: Cutting, index: Sequence[int]) -> Elements:
    """Points of a vector instruction's space that a part has, ascending."""
    return Space.of(op).points(index)


def needed_elements(
    op: Cutting,
    operand: int,
    index: Sequence[int],
    kernel: tcc.KernelOp | None,
    piece: tuple[int, int],
    space: Space | None,
) -> Elements:
    """Elements of an operand that a part reads; ``space`` is the instruction's."""
    points = NOTHING if space is None else space.points(index)
    match op:
        case tcc.MmaOp():
            ranges = ranges_of(op, index)
            if ranges.n[0] == ranges.n[1]:
                return NOTHING
            _, m, n, k = op.sizes.get_values()
            rows, depth = ranges.m, ranges.k
            if op.rows is None:
                depth = piece_of(depth, piece)
            else:
                rows = piece_of(rows, piece)
            return _outer((_items(ranges, n), m * k), (np.arange(*rows), k), (np.arange(*depth), 1))
        case tcc.MmaDmemOp():
            return _dmem_operand(op, operand, ranges_of(op, index))
        case tcc.ConvOp():
            return distinct(window_elements(op, ranges_of(op, index))[0])
        case tcc.VectorOp():
            assert kernel is not None
            if operand >= len(kernel.indexing_maps):
                return distinct(points // op.over.get_values()[2])
            map_ = kernel.indexing_maps.data[operand].data
            return distinct(image_of(points, kernel.sizes, map_, _shape(op.operands[operand])))
        case tcc.GatherOp():
            return _gather_operand(op, operand, points)
        case tcc.CopyOp():
            sizes = buffer_type(op.result).sizes
            return distinct(image_of(points, sizes, op.map.data, _shape(op.operand)))
        case tcc.ConcatOp():
            return distinct(piece_points(op, operand, points)[1])
        case tcc.PadOp():
            return inner_points(op, points)[1]


def _dmem_operand(op: tcc.MmaDmemOp, operand: int, ranges: Ranges) -> Elements:
    _, m, n, k = op.sizes.get_values()
    if ranges.n[0] == ranges.n[1] or ranges.m[0] == ranges.m[1]:
        return NOTHING
    depth = np.arange(*ranges.k)
    if operand == 0:
        return _outer((_items(ranges, n), m * k), (np.arange(*ranges.m), k), (depth, 1))
    items, columns = _columns(ranges, n)
    if op.shared:
        items = items * 0
    if op.transposed:
        flat = items[:, None] * (k * n) + depth[None, :] * n + columns[:, None]
    else:
        flat = items[:, None] * (n * k) + columns[:, None] * k + depth[None, :]
    return distinct(flat)


def window_elements(op: tcc.ConvOp, ranges: Ranges) -> tuple[Elements, NDArray[np.bool_]]:
    """[group items, rows, depth] elements that windows read, and which are inside the image.

    The first axis is the groups that the part's filters belong to, in order. Elements outside
    are given the number of some element inside and must be taken as zero; where all are outside
    the first axis may be empty.
    """
    _, channels, *image = buffer_type(op.input).sizes
    spatial = buffer_type(op.result).sizes[2:]
    groups, _, filters, _ = op.sizes.get_values()
    window = tuple(op.window.get_values())
    per_group = channels // groups
    rows = np.arange(*ranges.m)
    picture, place = rows // prod(spatial), rows % prod(spatial)
    k = np.arange(*ranges.k)
    channel, inside_window = k // prod(window), k % prod(window)
    out = np.unravel_index(place, tuple(spatial)) if spatial else ()
    tap = np.unravel_index(inside_window, tuple(window)) if window else ()
    flat = np.zeros((len(rows), len(k)), dtype=np.int64)
    valid = np.ones((len(rows), len(k)), dtype=np.bool_)
    geometry = zip(
        op.strides.get_values(),
        op.dilations.get_values(),
        op.low_padding.get_values(),
        image,
        out,
        tap,
        strict=True,
    )
    for stride, dilation, low, size, o, t in geometry:
        at = o[:, None] * stride + t[None, :] * dilation - low
        valid &= (at >= 0) & (at < size)
        flat = flat * size + np.clip(at, 0, size - 1)
    used = distinct(np.arange(*ranges.n) // filters)
    base = (picture[:, None] * channels + channel[None, :]) * prod(image)
    cube = (used[:, None, None] * per_group * prod(image)) + (base + flat)[None]
    return cube, np.broadcast_to(valid[None], cube.shape)


def image_of(
    points: Elements, sizes: Sequence[int], map_: AffineMap, shape: Sequence[int]
) -> Elements:
    """Elements of an operand that a map leads to from points of a space; not sorted."""
    dims = np.unravel_index(points, tuple(sizes)) if sizes else ()
    flat = np.zeros(len(points), dtype=np.int64)
    for expr, size in zip(map_.results, shape, strict=True):
        flat = flat * size + evaluate(expr, dims)
    return flat


def evaluate(expr: AffineExpr, dims: Sequence[Elements]) -> Elements | int:
    """An affine expression on arrays of dimensions."""
    match expr:
        case AffineConstantExpr():
            return expr.value
        case AffineDimExpr():
            return dims[expr.position]
        case AffineBinaryOpExpr():
            left, right = evaluate(expr.lhs, dims), evaluate(expr.rhs, dims)
            match expr.kind:
                case AffineBinaryOpKind.Add:
                    return left + right
                case AffineBinaryOpKind.Mul:
                    return left * right
                case AffineBinaryOpKind.FloorDiv:
                    return left // right
                case AffineBinaryOpKind.Mod:
                    return left % right
                case AffineBinaryOpKind.CeilDiv:
                    return -(-left // right)
        case _:
            pass
    raise ValueError(f"unsupported affine expression {expr}")


def _gather_operand(op: tcc.GatherOp, operand: int, points: Elements) -> Elements:
    row = prod(_shape(op.result)) // max(prod(_shape(op.indices)), 1)
    if operand == 0:
        return distinct(points // row)
    table = _shape(op.operands[1])
    columns = distinct(points % row)  # which row is known at run time alone
    return _outer((np.arange(table[0]), row), (columns, 1))


def table_columns(op: tcc.GatherOp, index: Sequence[int]) -> Elements:
    """Columns of a table in WMEM that a part reads, of every row."""
    row = prod(_shape(op.result)) // max(prod(_shape(op.indices)), 1)
    return distinct(points_of(op, index) % row)


def piece_points(op: tcc.ConcatOp, operand: int, points: Elements) -> tuple[Elements, Elements]:
    """Which of the points come from a piece, and its elements for them."""
    whole = buffer_type(op.result).sizes
    dim, sizes = op.dim.value.data, op.sizes.get_values()
    start = sum(sizes[:operand])
    dims = list(np.unravel_index(points, whole))
    chosen = np.flatnonzero((dims[dim] >= start) & (dims[dim] < start + sizes[operand]))
    box = (*whole[:dim], sizes[operand], *whole[dim + 1 :])
    dims = [d[chosen] for d in dims]
    dims[dim] = dims[dim] - start
    local = np.ravel_multi_index(tuple(dims), box) if len(chosen) else NOTHING
    map_ = op.indexing_maps.data[operand].data
    return chosen, image_of(local, box, map_, _shape(op.inputs[operand]))


def inner_points(op: tcc.PadOp, points: Elements) -> tuple[Elements, Elements]:
    """Which of the points are inside the border, and the operand's elements for them."""
    whole, inner = buffer_type(op.result).sizes, buffer_type(op.operand).sizes
    dims = np.unravel_index(points, whole)
    valid = np.ones(len(points), dtype=np.bool_)
    flat = np.zeros(len(points), dtype=np.int64)
    for d, low, size in zip(dims, op.low.get_values(), inner, strict=True):
        valid &= (d >= low) & (d < low + size)
        flat = flat * size + np.clip(d - low, 0, size - 1)
    chosen = np.flatnonzero(valid)
    return chosen, flat[chosen]


def _shape(value: SSAValue) -> tuple[int, ...]:
    return buffer_type(value).sizes
