"""Bytes of WMEM that the weights of each tile take: the same rules as its image is filled by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from asic_compiler.dialects import tcc
from asic_compiler.dialects.tcc.base import buffer_type
from asic_compiler.program.access import Place, ranges_of, table_columns
from asic_compiler.program.allocate import SCALE_BYTES, aligned, group_size
from asic_compiler.program.elaborate import ElaboratedProgram, Elaboration
from asic_compiler.workload.body_cost import element_bits


@dataclass(frozen=True, slots=True)
class WeightSlice:
    """What an instruction reads of a weight."""

    key: tuple[object, ...]
    """Equal for instructions of one program that read the same."""
    position: int
    """Of the operator."""
    program: ElaboratedProgram
    op: tcc.Instruction
    weight: tcc.WeightOp

    def sizes(self) -> Iterator[tuple[Place, int]]:
        """Bytes that it takes on each tile, of whatever program."""
        bits = self.weight.bits.value.data
        whole = element_bits(self.weight.tensor.element_type)
        whole = -(-whole // 8) * 8
        for place, scales, count in _slices(self.program, self.op, self.weight):
            if count:
                size = -(-count * bits // 8) if bits < whole else count * (whole // 8)
                yield place, aligned(size + (SCALE_BYTES * scales if bits < whole else 0))


def weight_slices(elaboration: Elaboration, program: ElaboratedProgram) -> Iterator[WeightSlice]:
    """Of all instructions that read a weight, in order."""
    for op in program.instructions:
        name = _weight_name(op)
        weight = None if name is None else elaboration.symbols[name]
        if isinstance(weight, tcc.WeightOp):
            key = (name, *_slice_key(program, op))
            yield WeightSlice(key, op.position, program, op, weight)


def wmem_bytes(elaboration: Elaboration, program: ElaboratedProgram) -> dict[Place, int]:
    """Bytes of each tile's weights; a slice that several instructions read counts once."""
    found = dict.fromkeys(program.tiles, 0)
    seen: set[tuple[object, ...]] = set()
    for part in weight_slices(elaboration, program):
        if part.key not in seen:
            seen.add(part.key)
            for place, size in part.sizes():
                if place in found:
                    found[place] += size
    return found


def _weight_name(op: tcc.Instruction) -> str | None:
    match op:
        case tcc.MmaOp() | tcc.ConvOp():
            return op.weight.root_reference.data
        case tcc.GatherOp() if op.weight is not None:
            return op.weight.root_reference.data
        case tcc.LoadOp():
            return op.source.root_reference.data
        case _:
            return None


def _slice_key(program: ElaboratedProgram, op: tcc.Instruction) -> tuple[object, ...]:
    match op:
        case tcc.MmaOp():
            return ("mma", op.cut, op.sizes, op.transposed, op.shared, op.weight_map)
        case tcc.ConvOp():
            return ("conv", op.cut, op.sizes, op.weight_map)
        case tcc.GatherOp():
            return ("table", op.cut, op.over)
        case tcc.LoadOp():
            return ("load", id(program.parts[program.root[op.buffer]]))
        case _:
            return ()


def _slices(
    program: ElaboratedProgram, op: tcc.Instruction, weight: tcc.WeightOp
) -> Iterator[tuple[Place, int, int]]:
    """Tile, groups that share a scale, and elements, of every part."""
    bits = weight.bits.value.data
    match op:
        case tcc.MmaOp() | tcc.ConvOp():
            _, _, n, k = op.sizes.get_values()
            size = group_size(bits, k)
            shared = isinstance(op, tcc.MmaOp) and op.shared is not None
            for part in range(op.cut.active_tiles):
                ranges = ranges_of(op, op.cut.index_of(part))
                rows = ranges.n[1] - ranges.n[0]
                rows = min(rows, n) if shared else rows
                low, high = ranges.k
                groups = -(-high // size) - low // size
                yield op.cut.tile_of(part), rows * groups, rows * (high - low)
        case tcc.GatherOp():
            rows, *row = weight.tensor.get_shape()
            size = group_size(bits, prod(row))
            for part in range(op.cut.active_tiles):
                columns = table_columns(op, op.cut.index_of(part))
                groups = len(np.unique(columns // size))
                yield op.cut.tile_of(part), rows * groups, rows * len(columns)
        case tcc.LoadOp():
            parts = program.parts[program.root[op.buffer]]
            length = max((buffer_type(op.buffer).sizes or (1,))[-1], 1)
            size = group_size(bits, length)
            many = -(-length // size)
            for place, elements in zip(parts.places, parts.elements, strict=True):
                groups = elements // length * many + elements % length // size
                yield place, len(np.unique(groups)), len(elements)
        case _:
            return
