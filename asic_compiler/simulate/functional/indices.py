"""Which elements an instruction combines, in the order in which it combines them.

Worked out once for each different instruction and part: layers and tiles share them. All numbers
are of elements of whole tensors; where an element lies in a tile's memory is asked later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from asic_compiler.dialects import tcc
from asic_compiler.dialects.tcc.base import buffer_type
from asic_compiler.program.elements import (
    Ranges,
    image_of,
    inner_points,
    piece_of,
    piece_points,
    points_of,
    ranges_of,
    window_elements,
)
from asic_compiler.program.footprints import structure_of
from asic_compiler.program.parts import Elements

Index = tuple[int, int, int, int]
_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Block:
    """Equal products of some batch items: [items, rows, columns, depth]."""

    lhs: Elements
    """[items, rows, depth] elements of the left operand."""
    rhs: Elements | None
    """[items or 1, columns, depth] elements of the right operand in DMEM."""
    weights: Elements | None
    """[items or 1, columns] rows of the slice in WMEM."""
    result: Elements
    """[items, rows, columns] elements of the result."""
    outside: NDArray[np.bool_] | None = None
    """[items, rows, depth] what of the left operand is zero, of a window over a border."""


@dataclass(frozen=True, eq=False)
class Contraction:
    """What a tile does of a contraction."""

    blocks: tuple[Block, ...]
    depth: tuple[int, int]
    """From and to which place of the rows of WMEM, counted in the slice."""


@dataclass(frozen=True, eq=False)
class Points:
    """What a tile does of an instruction that has points."""

    points: Elements
    operands: tuple[Elements, ...]
    """Of each operand the element for each point, or those that it has any for."""
    chosen: tuple[Elements, ...] = ()
    """Of each operand of a concatenation or padding, the points that it gives."""
    dims: tuple[NDArray[np.int64], ...] = ()
    kept: Elements | None = None
    """Of a reduction, the result's element of each point."""


class Indices:
    """Answers, each worked out once."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Any] = {}

    def _once(self, key: tuple[object, ...], make: Callable[[], _T]) -> _T:
        if key not in self._known:
            self._known[key] = make()
        return cast(_T, self._known[key])

    def contraction(self, op: tcc.MmaOp | tcc.MmaDmemOp | tcc.ConvOp, index: Index) -> Contraction:
        """The products of a part."""
        piece = op.pieces if isinstance(op, tcc.MmaOp) else (0, 1)
        key = (*structure_of(op), piece, index)
        return self._once(key, lambda: self._contraction(op, index, piece))

    def _contraction(
        self,
        op: tcc.MmaOp | tcc.MmaDmemOp | tcc.ConvOp,
        index: Index,
        piece: tuple[int, int],
    ) -> Contraction:
        ranges = ranges_of(op, index)
        low, high = ranges.k
        if isinstance(op, tcc.MmaOp) and op.rows is not None:
            ranges = replace(ranges, m=piece_of(ranges.m, piece))
        else:
            low, high = piece_of(ranges.k, piece)
        depth = low - ranges.k[0], high - ranges.k[0]
        if isinstance(op, tcc.ConvOp):
            return Contraction(_windows(op, ranges), depth)
        _, m, n, k = op.sizes.get_values()
        rows, along = np.arange(*ranges.m), np.arange(low, high)
        blocks: list[Block] = []
        for first, after, left, right in _column_runs(ranges, n):
            items, columns = np.arange(first, after), np.arange(left, right)
            lhs_key = (*structure_of(op), "lhs", first, after, ranges.m, low, high)
            lhs = self._once(lhs_key, lambda i=items: _grid((i, m * k), (rows, k), (along, 1)))
            result = _grid((items, m * n), (rows, n), (columns, 1))
            if isinstance(op, tcc.MmaOp):
                column = (items[:, None] * n + columns[None, :]) - ranges.n[0]
                if op.shared:
                    held = np.unique(np.arange(*ranges.n) % n)
                    column = np.searchsorted(held, columns)[None, :]
                blocks.append(Block(lhs, None, column, result))
                continue
            right_items = items[:1] * 0 if op.shared else items
            strides = (1, n) if op.transposed else (k, 1)
            rhs = _grid((right_items, n * k), (columns, strides[0]), (along, strides[1]))
            blocks.append(Block(lhs, rhs, None, result))
        return Contraction(tuple(blocks), depth)

    def vector(self, op: tcc.VectorOp, kernel: tcc.KernelOp, index: Index) -> Points:
        """The points of a kernel's part, and what its maps lead to."""
        key = (*structure_of(op), op.kernel, index)
        return self._once(key, lambda: _vector(op, kernel, index))

    def points(
        self, op: tcc.CopyOp | tcc.ConcatOp | tcc.PadOp | tcc.GatherOp, index: Index
    ) -> Points:
        """The points of a part, and the elements that they come from."""
        return self._once((*structure_of(op), index), lambda: _points(op, index))


def _grid(*axes: tuple[Elements, int]) -> Elements:
    total = np.zeros((1,) * len(axes), dtype=np.int64)
    for position, (values, stride) in enumerate(axes):
        shape = [1] * len(axes)
        shape[position] = len(values)
        total = total + (values * stride).reshape(shape)
    return total


def _column_runs(ranges: Ranges, n: int) -> list[tuple[int, int, int, int]]:
    """Items from and to, and columns from and to of each of them; none is empty."""
    low, high = ranges.n
    if low == high or ranges.b[0] == ranges.b[1]:
        return []
    if not ranges.flat:
        return [(*ranges.b, low, high)]
    first, last = low // n, (high - 1) // n
    if first == last:
        return [(first, first + 1, low % n, (high - 1) % n + 1)]
    found: list[tuple[int, int, int, int]] = []
    if low % n:
        found.append((first, first + 1, low % n, n))
        first += 1
    whole = last + 1 if high % n == 0 else last
    if first < whole:
        found.append((first, whole, 0, n))
    if whole == last:
        found.append((last, last + 1, 0, high % n))
    return found


def _windows(op: tcc.ConvOp, ranges: Ranges) -> tuple[Block, ...]:
    cube, inside = window_elements(op, ranges)
    _, _, filters, _ = op.sizes.get_values()
    shape = buffer_type(op.result).sizes
    positions = prod(shape[2:])
    rows = np.arange(*ranges.m)
    image, position = rows // positions, rows % positions
    row = image * shape[1] * positions + position
    flat = Ranges((0, 1), ranges.m, ranges.n, ranges.k, flat=True)
    first_group = ranges.n[0] // filters
    blocks: list[Block] = []
    for first, after, left, right in _column_runs(flat, filters):
        groups, columns = np.arange(first, after), np.arange(left, right)
        own = slice(first - first_group, after - first_group)
        result = _grid((groups, filters * positions), (row, 1), (columns, positions))
        weights = groups[:, None] * filters + columns[None, :] - ranges.n[0]
        blocks.append(Block(cube[own], None, weights, result, ~inside[own]))
    return tuple(blocks)


def _vector(op: tcc.VectorOp, kernel: tcc.KernelOp, index: Index) -> Points:
    points = points_of(op, index)
    maps = kernel.indexing_maps.data
    kept = points // op.over.get_values()[2] if kernel.reduced.value.data else None
    operands: list[Elements] = []
    for position, operand in enumerate(op.inputs):
        if position < len(maps):
            shape = buffer_type(operand).sizes
            operands.append(image_of(points, kernel.sizes, maps[position].data, shape))
        else:
            assert kept is not None, "only reductions start from operands"
            operands.append(np.unique(kept))
    dims = tuple(np.unravel_index(points, kernel.sizes)) if kernel.sizes else ()
    return Points(points, tuple(operands), dims=dims, kept=kept)


def _points(op: tcc.CopyOp | tcc.ConcatOp | tcc.PadOp | tcc.GatherOp, index: Index) -> Points:
    points = points_of(op, index)
    match op:
        case tcc.CopyOp():
            shape = buffer_type(op.operand).sizes
            sizes = buffer_type(op.result).sizes
            return Points(points, (image_of(points, sizes, op.map.data, shape),))
        case tcc.ConcatOp():
            pieces = [piece_points(op, i, points) for i in range(len(op.inputs))]
            return Points(points, _second(pieces), _first(pieces))
        case tcc.PadOp():
            pieces = [inner_points(op, points)]
            return Points(points, _second(pieces), _first(pieces))
        case tcc.GatherOp():
            width = buffer_type(op.result).elements // max(buffer_type(op.indices).elements, 1)
            return Points(points, (points // width, points % width))


def _first(pairs: Sequence[tuple[Elements, Elements]]) -> tuple[Elements, ...]:
    return tuple(pair[0] for pair in pairs)


def _second(pairs: Sequence[tuple[Elements, Elements]]) -> tuple[Elements, ...]:
    return tuple(pair[1] for pair in pairs)
