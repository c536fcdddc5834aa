"""Parts of weights in the WMEM of each tile: what an image is filled with, and what must fit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TypeAlias

from asic_compiler.dialects import tcc
from asic_compiler.machine.memory import SCALE_BYTES
from asic_compiler.program.allocate import aligned, group_size
from asic_compiler.program.elaborate import ElaboratedProgram, Elaboration
from asic_compiler.program.elements import ranges_of, table_columns
from asic_compiler.program.parts import Elements, Place, distinct
from asic_compiler.workload.body_cost import element_bits

PartKey: TypeAlias = tuple[object, ...]
Part: TypeAlias = tuple[Place, PartKey, int]
"""Tile, what it holds of a weight, and its bytes."""


@dataclass(frozen=True, slots=True)
class WeightSlice:
    """What an instruction reads of a weight."""

    key: PartKey
    """Equal for instructions of one program that read the same on every tile."""
    position: int
    """Of the operator."""
    program: ElaboratedProgram
    op: tcc.Instruction
    weight: tcc.WeightOp
    known: dict[PartKey, tuple[Part, ...]] = field(compare=False, repr=False)
    """Parts of weights that were looked at before; equal ones of other layers have the same."""

    def parts(self) -> tuple[Part, ...]:
        """On each tile, of whatever program, the part that it reads, and its bytes."""
        same = (*self.key[1:], self.weight.tensor, self.weight.bits)
        if same not in self.known:
            self.known[same] = tuple(self._parts())
        return self.known[same]

    def _parts(self) -> Iterator[Part]:
        bits = self.weight.bits.value.data
        whole = element_bits(self.weight.tensor.element_type)
        whole = -(-whole // 8) * 8
        for place, key, scales, count in _slices(self.program, self.op, self.weight):
            if count:
                size = -(-count * bits // 8) if bits < whole else count * (whole // 8)
                yield place, key, aligned(size + (SCALE_BYTES * scales if bits < whole else 0))


@dataclass(frozen=True, slots=True)
class HeldSlice:
    """What an instruction adds to the weights of its tiles."""

    slice: WeightSlice
    sizes: tuple[tuple[Place, int], ...]
    """Tiles, and bytes of parts that no instruction before reads there."""
    shared_with: tuple[WeightSlice, ...]
    """Earlier ones that read a part of it on the same tile."""


def weight_slices(elaboration: Elaboration, program: ElaboratedProgram) -> Iterator[WeightSlice]:
    """Of all instructions that read a weight, in order."""
    known: dict[PartKey, tuple[Part, ...]] = {}
    for op in program.instructions:
        name = _weight_name(op)
        weight = None if name is None else elaboration.symbols[name]
        if isinstance(weight, tcc.WeightOp):
            key = (name, *_slice_key(program, op))
            yield WeightSlice(key, op.position, program, op, weight, known)


def held_slices(elaboration: Elaboration, program: ElaboratedProgram) -> Iterator[HeldSlice]:
    """The same with what each adds: on one tile an equal part of a weight is stored once."""
    known: dict[tcc.WeightOp, dict[PartKey, WeightSlice]] = {}
    owners: dict[tcc.WeightOp, dict[tuple[Place, PartKey], WeightSlice]] = {}
    for part in weight_slices(elaboration, program):
        earlier = known.setdefault(part.weight, {})
        if part.key in earlier:
            yield HeldSlice(part, (), (earlier[part.key],))
            continue
        if not earlier:  # nearly all weights: nobody else reads them
            sizes = tuple((place, size) for place, _, size in part.parts())
            yield HeldSlice(part, sizes, ())
        else:
            if part.weight not in owners:
                (first,) = earlier.values()
                owners[part.weight] = {(place, key): first for place, key, _ in first.parts()}
            own = owners[part.weight]
            found = part.parts()
            sizes = tuple((place, size) for place, key, size in found if (place, key) not in own)
            shared = (own[place, key] for place, key, _ in found if (place, key) in own)
            yield HeldSlice(part, sizes, tuple(dict.fromkeys(shared)))
            for place, key, _ in found:
                own.setdefault((place, key), part)
        earlier[part.key] = part


def wmem_bytes(elaboration: Elaboration, program: ElaboratedProgram) -> dict[Place, int]:
    """Bytes of each tile's weights; a part that several instructions read counts once."""
    found = dict.fromkeys(program.tiles, 0)
    for held in held_slices(elaboration, program):
        for place, size in held.sizes:
            if place in found:
                found[place] += size
    return found


def part_key(op: tcc.MmaOp | tcc.ConvOp | tcc.GatherOp, index: Sequence[int]) -> PartKey:
    """Equal where instructions read the same elements of a weight in the same order."""
    match op:
        case tcc.MmaOp():
            ranges = ranges_of(op, index)
            n, k = op.sizes.get_values()[2:]
            flags = (op.transposed is not None, op.shared is not None, op.weight_map)
            return ("mma", n, k, *flags, ranges.n, ranges.k)
        case tcc.ConvOp():
            ranges = ranges_of(op, index)
            k = op.sizes.get_values()[3]
            return ("conv", k, op.window, op.weight_map, ranges.n, ranges.k)
        case tcc.GatherOp():
            return ("table", table_columns(op, index).tobytes())


def elements_key(elements: Elements) -> PartKey:
    """The same for what a load reads."""
    return ("load", hashlib.sha256(elements.tobytes()).digest())


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
) -> Iterator[tuple[Place, PartKey, int, int]]:
    """Tile, key, groups that share a scale, and elements, of every part."""
    bits = weight.bits.value.data
    match op:
        case tcc.MmaOp() | tcc.ConvOp():
            _, _, n, k = op.sizes.get_values()
            size = group_size(bits, k)
            shared = isinstance(op, tcc.MmaOp) and op.shared is not None
            for index, tile in zip(op.cut.indices, op.cut.tiles, strict=True):
                ranges = ranges_of(op, index)
                rows = ranges.n[1] - ranges.n[0]
                rows = min(rows, n) if shared else rows
                low, high = ranges.k
                groups = -(-high // size) - low // size
                count = rows * (high - low)
                yield tile, part_key(op, index), rows * groups, count
        case tcc.GatherOp():
            rows, *row = weight.tensor.get_shape()
            size = group_size(bits, prod(row))
            for index, tile in zip(op.cut.indices, op.cut.tiles, strict=True):
                columns = table_columns(op, index)
                groups = len(distinct(columns // size))
                count = rows * len(columns)
                yield tile, part_key(op, index), rows * groups, count
        case tcc.LoadOp():
            parts = program.parts[program.root[op.buffer]]
            length = max((weight.tensor.get_shape() or (1,))[-1], 1)
            size = group_size(bits, length)
            many = -(-length // size)
            keys: dict[int, PartKey] = {}
            for place, elements in zip(parts.places, parts.elements, strict=True):
                if id(elements) not in keys:
                    keys[id(elements)] = elements_key(elements)
                groups = elements // length * many + elements % length // size
                yield place, keys[id(elements)], len(distinct(groups)), len(elements)
        case _:
            return
