"""What the instructions of a tile compute, on the elements that its part has."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from asic_compiler.dialects import tcc
from asic_compiler.dialects.tcc.base import buffer_type
from asic_compiler.program.elaborate import Elaboration
from asic_compiler.program.elements import table_columns
from asic_compiler.program.footprints import Slots
from asic_compiler.program.parts import Elements
from asic_compiler.simulate.bodies import Body, compile_body, fold, run_body, start_accumulators
from asic_compiler.simulate.functional.errors import OutsideMemoryError
from asic_compiler.simulate.functional.indices import Index, Indices, Points
from asic_compiler.simulate.functional.products import multiply
from asic_compiler.simulate.functional.tile import Tile
from asic_compiler.simulate.numerics import combine
from asic_compiler.tensors.elements import Array, constant, dtype_of, rounded


class Arithmetic:
    """Executes instructions; index arrays and bodies are made once."""

    def __init__(self, elaboration: Elaboration) -> None:
        self._elaboration = elaboration
        self._indices = Indices()
        self._bodies: dict[tcc.KernelOp, Body] = {}

    def execute(self, tile: Tile, op: tcc.Instruction) -> None:
        """Executes an instruction that neither moves data between tiles nor waits."""
        if isinstance(op, tcc.KvAppendOp):
            self._append(tile, op)
            return
        cut = cast(Any, op).cut
        index = cut.part_of(*tile.place)
        if index is None:
            return
        match op:
            case tcc.MmaOp() | tcc.MmaDmemOp() | tcc.ConvOp():
                self._contract(tile, op, index)
            case tcc.VectorOp():
                self._vector(tile, op, index)
            case tcc.GatherOp():
                self._gather(tile, op, index)
            case tcc.CopyOp() | tcc.ConcatOp() | tcc.PadOp():
                self._rearrange(tile, op, index)
            case _:
                raise ValueError(f"{op.name} is not executed")

    def _contract(
        self, tile: Tile, op: tcc.MmaOp | tcc.MmaDmemOp | tcc.ConvOp, index: Index
    ) -> None:
        work = self._indices.contraction(op, index)
        element = buffer_type(op.result).element_type
        low, high = work.depth
        elements: list[Elements] = []
        values: list[Array] = []
        for block in work.blocks:
            if block.result.size == 0:
                continue
            before = None
            if isinstance(op, tcc.MmaOp) and op.acc is not None and op.rows is None:
                before = tile.read(op.acc, block.result, op)
            total = multiply(tile, op, block, (low, high), before)
            elements.append(block.result.reshape(-1))
            values.append(rounded(total, element).reshape(-1))
        if not elements:
            return
        found, given = np.concatenate(elements), np.concatenate(values)
        order = np.argsort(found, kind="stable")
        some = isinstance(op, tcc.MmaOp) and op.rows is not None
        write = tile.write_some if some else tile.write
        write(op.result, found[order], given[order], op)

    def _vector(self, tile: Tile, op: tcc.VectorOp, index: Index) -> None:
        kernel = self._elaboration.kernel(op)
        assert kernel is not None
        points = self._indices.vector(op, kernel, index)
        if not len(points.points):
            return
        if kernel not in self._bodies:
            self._bodies[kernel] = compile_body(kernel.body.block)
        body = self._bodies[kernel]
        operands = [
            tile.read(value, elements, op)
            for value, elements in zip(op.inputs, points.operands, strict=True)
        ]
        if points.kept is None:
            results = run_body(body, operands, lambda dim: points.dims[dim])
            shape = points.points.shape
            for buffer, values in zip(op.res, results, strict=True):
                tile.write(buffer, points.points, np.broadcast_to(values, shape), op)
            return
        self._fold(tile, op, kernel, body, points, operands)

    def _fold(
        self,
        tile: Tile,
        op: tcc.VectorOp,
        kernel: tcc.KernelOp,
        body: Body,
        points: Points,
        operands: list[Array],
    ) -> None:
        assert points.kept is not None
        kept, position = np.unique(points.kept, return_inverse=True)
        maps = len(kernel.indexing_maps)
        if kernel.init is not None:
            start = start_accumulators(list(kernel.init), len(kept))
        else:
            start = operands[maps:]
        results = fold(
            body,
            operands[:maps],
            position.reshape(-1).astype(np.int64),
            start,
            lambda dim: points.dims[dim],
        )
        for buffer, values in zip(op.res, results, strict=True):
            tile.write(buffer, kept, values, op)

    def _gather(self, tile: Tile, op: tcc.GatherOp, index: Index) -> None:
        points = self._indices.points(op, index)
        if not len(points.points):
            return
        which, column = points.operands
        row = tile.read(op.indices, which, op).astype(np.int64)
        rows = self._table_rows(tile, op)
        if ((row < 0) | (row >= rows)).any():
            raise OutsideMemoryError(f"an index outside 0..{rows - 1}", tile.place, op)
        if op.table is None:
            table: Array = tile.weights(op)
            values: Array = table[row, np.searchsorted(table_columns(op, index), column)]
        else:
            width = buffer_type(op.result).elements // max(buffer_type(op.indices).elements, 1)
            values = tile.read(op.table, row * width + column, op, passing=True)
        tile.write(op.result, points.points, values, op)

    @staticmethod
    def _table_rows(tile: Tile, op: tcc.GatherOp) -> int:
        return len(tile.weights(op)) if op.table is None else buffer_type(op.table).sizes[0]

    def _rearrange(
        self, tile: Tile, op: tcc.CopyOp | tcc.ConcatOp | tcc.PadOp, index: Index
    ) -> None:
        points = self._indices.points(op, index)
        if not len(points.points):
            return
        element = buffer_type(op.result).element_type
        if isinstance(op, tcc.CopyOp):
            values = tile.read(op.operand, points.operands[0], op)
        else:
            values = np.zeros(len(points.points), dtype=dtype_of(element))
            if isinstance(op, tcc.PadOp):
                values[:] = constant(cast(Any, op.value).value.data, element)
            for operand, chosen, elements in zip(
                op.operands, points.chosen, points.operands, strict=True
            ):
                if len(chosen):
                    values[chosen] = tile.read(operand, elements, op)
        tile.write(op.result, points.points, values, op)

    def _append(self, tile: Tile, op: tcc.KvAppendOp) -> None:
        name = op.cache.root_reference.data
        part = tile.part(op.result)
        if not len(part):
            return
        slots, source = Slots.of(op).among(part)
        if not len(slots):
            return
        values = tile.read(op.values, source, op, passing=True)
        tile.change_cache(name, np.searchsorted(part, slots), values, op)


def reduced(op: tcc.ReduceOp, number: int, values: list[Array], rows: Elements) -> Array:
    """What a tile has after its group combined the partial values of one buffer.

    Args:
        op: The reduction.
        number: Of the buffer.
        values: What each tile of the group holds, in order of the index along it.
        rows: Which of these elements this tile gets.
    """
    name = op.combine.data[number].data
    element = buffer_type(op.partials[number]).element_type
    result = buffer_type(op.res[number]).element_type
    parts = [value[rows] for value in values]
    if op.scatter:
        return rounded(combine(name, parts, element), result)
    distance = 1
    while distance < len(parts):
        for place in range(0, len(parts) - distance, 2 * distance):
            parts[place] = combine(name, [parts[place], parts[place + distance]], element)
        distance *= 2
    return rounded(parts[0], result)
