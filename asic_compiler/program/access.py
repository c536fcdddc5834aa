"""Which elements of a tensor each tile computes, and which it reads: what a cut stands for.

Elements are numbered in row-major order of the whole tensor. The same functions serve the
generator, which allocates and moves what they say, and the simulators, which execute it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Operation, SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
)

from asic_compiler.dialects import tcc
from asic_compiler.dialects.tcc.attrs import CutAttr, part_range
from asic_compiler.dialects.tcc.base import buffer_type
from asic_compiler.program.parts import NOTHING, Elements, Parts, Place, distinct

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


@dataclass(frozen=True, slots=True)
class Slots:
    """What an append writes of a cache: slots of one axis."""

    cache: tuple[int, ...]
    """Its shape."""
    values: tuple[int, ...]
    """The shape of what is appended."""
    axis: int
    first: int

    @classmethod
    def of(cls, op: tcc.KvAppendOp) -> Slots:
        """Those of an instruction."""
        return cls(_shape(op.result), _shape(op.values), op.axis.value.data, op.slot.value.data)

    def among(self, part: Elements) -> tuple[Elements, Elements]:
        """Of a part of the cache the elements that are written, and the values' for them."""
        size, new = self.cache[self.axis], self.values[self.axis]
        inner = prod(self.cache[self.axis + 1 :])
        at = part // inner % size
        chosen = part[(at >= self.first) & (at < self.first + new)]
        outer, slot = chosen // (inner * size), chosen // inner % size - self.first
        return chosen, (outer * new + slot) * inner + chosen % inner


class Access:
    """Parts of values and needs of instructions; equal ones are worked out once.

    What was worked out for one program holds for any other: a key says all that a part depends on.
    """

    def __init__(self) -> None:
        self._parts: dict[tuple[object, ...], Parts] = {}
        self._kept: list[Parts] = []
        """Those whose id is part of a key: it is theirs as long as they live."""

    def computed(self, op: Cutting, kernel: tcc.KernelOp | None = None) -> Parts:
        """Elements of its results that each tile computes; partial where the work is cut."""
        reduced = kernel is not None and kernel.reduced.value.data > 0
        key = ("computed", *structure_of(op), reduced)
        if key not in self._parts:
            found: dict[tuple[int, ...], Elements] = {}
            elements: list[Elements] = []
            for index in _indices(op.cut):
                # Parts that differ in k alone have the same elements.
                same = index[:3]
                if same not in found:
                    found[same] = _computed(op, index, reduced)
                elements.append(found[same])
            self._parts[key] = Parts(_places(op.cut), tuple(elements))
        return self._parts[key]

    def reduced(self, op: tcc.ReduceOp, partial: Parts, producer: Cutting) -> Parts:
        """Elements that each tile has after its group combined them."""
        key = ("reduced", id(partial), op.along, op.scatter)
        if key not in self._parts:
            cut = op.cut
            elements: list[Elements] = []
            for index, mine in zip(_indices(cut), partial.elements, strict=True):
                if op.scatter:
                    elements.append(_scattered(producer, index))
                else:
                    root = index[2 if op.along.data == "n" else 3] == 0
                    elements.append(mine if root else NOTHING)
            self._parts[key] = Parts(partial.places, tuple(elements))
            self._kept.append(partial)
        return self._parts[key]

    def needed(
        self,
        op: Cutting,
        operand: int,
        kernel: tcc.KernelOp | None = None,
        piece: tuple[int, int] = (0, 1),
    ) -> Parts:
        """Elements of an operand that each tile reads.

        Args:
            op: The instruction.
            operand: Position among its operands.
            kernel: What a vector instruction runs.
            piece: Of ``tcc.mma`` the range of k, or of rows, whatever the instruction itself says.
        """
        maps = () if kernel is None else (kernel.indexing_maps, kernel.iteration, kernel.reduced)
        key = ("needed", *structure_of(op), operand, piece, *maps)
        if key not in self._parts:
            found: dict[tuple[int, ...], Elements] = {}
            elements: list[Elements] = []
            for index in _indices(op.cut):
                same = _distinguishing(op, operand, index)
                if same not in found:
                    found[same] = _needed(op, operand, index, kernel, piece)
                elements.append(found[same])
            self._parts[key] = Parts(_places(op.cut), tuple(elements))
        return self._parts[key]

    def appended(self, slots: Slots, cache: Parts) -> Parts:
        """Elements of what is appended that each tile reads, to write them into its part."""
        key = ("appended", slots, id(cache))
        if key not in self._parts:
            found = {id(part): part for part in cache.elements}
            read = {number: slots.among(part)[1] for number, part in found.items()}
            elements = tuple(read[id(part)] for part in cache.elements)
            self._parts[key] = Parts(cache.places, elements)
            self._kept.append(cache)
        return self._parts[key]

    def united(self, parts: Sequence[Parts]) -> Parts:
        """What any of several parts has, tile by tile."""
        if len(parts) == 1:
            return parts[0]
        key = ("united", *(id(p) for p in parts))
        if key not in self._parts:
            together: dict[Place, list[Elements]] = {}
            for part in parts:
                for place, elements in zip(part.places, part.elements, strict=True):
                    together.setdefault(place, []).append(elements)
            self._parts[key] = Parts(
                tuple(together),
                tuple(
                    several[0]
                    if all(x is several[0] for x in several)
                    else distinct(np.concatenate(several))
                    for several in together.values()
                ),
            )
            self._kept.extend(parts)
        return self._parts[key]


def structure_of(op: Operation) -> tuple[object, ...]:
    """What the parts of an instruction depend on: equal for the same work of other layers."""
    skip = ("op", "at", "cycles", "addr", "piece", "weight", "kernel")
    properties = tuple((k, v) for k, v in op.properties.items() if k not in skip)
    return (op.name, properties, tuple(value.type for value in op.operands), op.results[0].type)


def _indices(cut: CutAttr) -> list[tuple[int, int, int, int]]:
    return [cut.index_of(part) for part in range(cut.active_tiles)]


def _places(cut: CutAttr) -> tuple[Place, ...]:
    return tuple(cut.tile_of(part) for part in range(cut.active_tiles))


def _distinguishing(op: Cutting, operand: int, index: tuple[int, ...]) -> tuple[int, ...]:
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


def _computed(op: Cutting, index: Sequence[int], reduced: bool) -> Elements:
    match op:
        case tcc.MmaOp() | tcc.MmaDmemOp():
            return _block(op, ranges_of(op, index))
        case tcc.ConvOp():
            return _conv_result(op, ranges_of(op, index))
        case _:
            points = points_of(op, index)
            if not reduced:
                return points
            return distinct(points // op.over.get_values()[2])


def _block(op: tcc.MmaOp | tcc.MmaDmemOp, ranges: Ranges) -> Elements:
    _, m, n, _ = op.sizes.get_values()
    items, columns = _columns(ranges, n)
    rows = np.arange(*ranges.m)
    return np.sort(((items * m)[:, None] * n + rows[None, :] * n + columns[:, None]).reshape(-1))


def _scattered(op: Cutting, index: Sequence[int]) -> Elements:
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


def points_of(op: Cutting, index: Sequence[int]) -> Elements:
    """Points of a vector instruction's space that a part has, ascending."""
    assert not isinstance(op, tcc.MmaOp | tcc.MmaDmemOp | tcc.ConvOp)
    sizes = op.over.get_values()
    b, m, n = (
        np.arange(*part_range(size, parts, i))
        for size, parts, i in zip(sizes, op.cut.factors, index, strict=False)
    )
    return _outer((b, sizes[1] * sizes[2]), (m, sizes[2]), (n, 1))


def _needed(
    op: Cutting,
    operand: int,
    index: Sequence[int],
    kernel: tcc.KernelOp | None,
    piece: tuple[int, int],
) -> Elements:
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
            points = points_of(op, index)
            if operand >= len(kernel.indexing_maps):
                return distinct(points // op.over.get_values()[2])
            map_ = kernel.indexing_maps.data[operand].data
            return distinct(image_of(points, kernel.sizes, map_, _shape(op.operands[operand])))
        case tcc.GatherOp():
            return _gather_operand(op, operand, points_of(op, index))
        case tcc.CopyOp():
            points = points_of(op, index)
            sizes = buffer_type(op.result).sizes
            return distinct(image_of(points, sizes, op.map.data, _shape(op.operand)))
        case tcc.ConcatOp():
            return distinct(piece_points(op, operand, points_of(op, index))[1])
        case tcc.PadOp():
            return inner_points(op, points_of(op, index))[1]


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
