"""Costs of the instructions of a module, from their operands and cuts; equal ones once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from xdsl.ir import Operation, SSAValue

from asic_compiler.dialects import tcc
from asic_compiler.dialects.tcc.base import buffer_type
from asic_compiler.program import footprints
from asic_compiler.program.allocate import WEIGHT_GROUP
from asic_compiler.program.elaborate import ElaboratedProgram, Elaboration
from asic_compiler.program.elements import Cutting
from asic_compiler.program.footprints import Slots
from asic_compiler.simulate.timing.link.costs import (
    MOVE,
    Contraction,
    Cost,
    Vector,
    contraction_cost,
    parts_of,
    vector_cost,
)
from asic_compiler.simulate.timing.link.machine import Floats, Integers, Machine
from asic_compiler.workload.body_cost import arithmetic_bits, body_cost, stored_bits

SCALE_BITS = 16.0
"""Of each row that is stored in few bits."""

Matmul: TypeAlias = tcc.MmaOp | tcc.MmaDmemOp | tcc.ConvOp
Working: TypeAlias = Cutting | tcc.KvAppendOp


@dataclass(slots=True, eq=False)
class Costs:
    """Costs by what they depend on."""

    machine: Machine
    elaboration: Elaboration
    _known: dict[tuple[object, ...], Cost] = field(default_factory=dict[tuple[object, ...], Cost])
    _sizes: dict[int, tuple[footprints.Parts, Integers]] = field(
        default_factory=dict[int, tuple[footprints.Parts, Integers]]
    )
    _kernels: dict[str, Vector] = field(default_factory=dict[str, Vector])

    def of(self, program: ElaboratedProgram, op: Working) -> Cost:
        """What an instruction costs."""
        match op:
            case tcc.MmaOp() | tcc.MmaDmemOp() | tcc.ConvOp():
                return self._contraction(op)
            case tcc.KvAppendOp():
                return self._append(program, op)
            case _:
                return self._vector(op)

    def sizes(self, parts: footprints.Parts) -> Integers:
        """[tiles] Elements on each tile."""
        if id(parts) not in self._sizes:
            sizes = np.zeros(self.machine.tiles, dtype=np.int64)
            if parts.places:
                sizes[self.machine.tiles_at(parts.places)] = [len(e) for e in parts.elements]
            self._sizes[id(parts)] = parts, sizes
        return self._sizes[id(parts)][1]

    def _contraction(self, op: Matmul) -> Cost:
        operand = op.lhs if isinstance(op, tcc.MmaDmemOp) else op.input
        width = stored_bits(buffer_type(operand).element_type)
        group = 0
        if isinstance(op, tcc.MmaDmemOp):
            stored = self._operand_bits(op.rhs)
        else:
            weight = self.elaboration.symbols[op.weight.root_reference.data]
            assert isinstance(weight, tcc.WeightOp)
            stored = float(min(weight.bits.value.data, width))
            if stored < 8.0:
                group, stored = WEIGHT_GROUP, stored + SCALE_BITS / WEIGHT_GROUP
        b, m, n, k = op.sizes.get_values()
        work = Contraction(
            sizes=(b, m, n, k),
            bits=width,
            numbers=None if op.numbers is None else op.numbers.data,
            group=group,
            stored_bits=stored,
            in_wmem=not isinstance(op, tcc.MmaDmemOp),
            result_bits=stored_bits(buffer_type(op.result).element_type),
            piece=op.pieces if isinstance(op, tcc.MmaOp) else (0, 1),
            by_rows=isinstance(op, tcc.MmaOp) and op.rows is not None,
        )
        key = ("contraction", op.cut, work)
        if key not in self._known:
            self._known[key] = contraction_cost(self.machine, op.cut, work)
        return self._known[key]

    def _operand_bits(self, value: SSAValue) -> float:
        """Stored bits of an element, a share of its row's scale included."""
        cache = self._source(value)
        type_ = buffer_type(value)
        whole = stored_bits(type_.element_type)
        if not isinstance(cache, tcc.CacheOp) or cache.bits.value.data >= whole:
            return float(whole)
        return cache.bits.value.data + SCALE_BITS / max(cache.tensor.get_shape()[-1], 1)

    def _source(self, value: SSAValue) -> Operation | None:
        """The weight or cache behind a buffer."""
        owner = value.owner
        while isinstance(owner, tcc.ViewOp):
            owner = owner.operand.owner
        name = None
        if isinstance(owner, tcc.LoadOp):
            name = owner.source.root_reference.data
        elif isinstance(owner, tcc.KvAppendOp):
            name = owner.cache.root_reference.data
        return None if name is None else self.elaboration.symbols[name]

    def _vector(self, op: Cutting) -> Cost:
        """A kernel, or a move."""
        kernel = self.elaboration.kernel(op)
        work = self._work(op, kernel)
        needs: list[tuple[footprints.Parts, float, bool]] = []
        for index, operand in enumerate(op.operands):
            source = self._source(operand)
            bits = self._operand_bits(operand)
            if isinstance(source, tcc.WeightOp):
                bits = float(min(bits, source.bits.value.data))
            need = self.elaboration.footprints.needed(op, index, kernel)
            needs.append((need, bits, isinstance(source, tcc.WeightOp)))
        computed = self.elaboration.footprints.computed(op, kernel)
        width = sum(stored_bits(buffer_type(value).element_type) for value in op.buffers)
        table = self._table_bits(op)
        assert not isinstance(op, tcc.MmaOp | tcc.MmaDmemOp | tcc.ConvOp)
        key = (
            op.cut,
            work,
            id(computed),
            width,
            table,
            tuple(op.over.get_values()),
            tuple((id(need), bits, where) for need, bits, where in needs),
        )
        if key not in self._known:
            tile = parts_of(op.cut, self.machine.mesh.width).tile
            port: Floats = self.sizes(computed)[tile] * float(width)
            wmem = self.sizes(computed)[tile] * table
            for need, bits, in_wmem in needs:
                read = self.sizes(need)[tile] * bits
                wmem, port = (wmem + read, port) if in_wmem else (wmem, port + read)
            if isinstance(op, tcc.GatherOp) and op.table is not None:
                # Of the table only the rows that are asked for are read.
                read = self.sizes(needs[1][0])[tile] * needs[1][1]
                port = port - read + self.sizes(computed)[tile] * needs[1][1]
            points = self._points(op)[tile]
            self._known[key] = vector_cost(self.machine, tile, work, points, port, wmem)
        return self._known[key]

    def _table_bits(self, op: Cutting) -> float:
        """Bits of WMEM that an element of a gather's result is."""
        if not isinstance(op, tcc.GatherOp) or op.weight is None:
            return 0.0
        weight = self.elaboration.symbols[op.weight.root_reference.data]
        assert isinstance(weight, tcc.WeightOp)
        whole = stored_bits(buffer_type(op.result).element_type)
        return float(min(weight.bits.value.data, whole))

    def _points(self, op: Cutting) -> Integers:
        """[tiles] Points of the space that each tile has."""
        assert not isinstance(op, tcc.MmaOp | tcc.MmaDmemOp | tcc.ConvOp)
        parts = parts_of(op.cut, self.machine.mesh.width)
        count = np.ones(len(parts.tile), dtype=np.int64)
        factors = op.cut.factors
        indices = (parts.b, parts.m, parts.n)
        for size, factor, index in zip(op.over.get_values(), factors, indices, strict=False):
            step = -(-size // factor)
            count *= np.minimum((index + 1) * step, size) - np.minimum(index * step, size)
        points = np.zeros(self.machine.tiles, dtype=np.int64)
        points[parts.tile] = count
        return points

    def _work(self, op: Cutting, kernel: tcc.KernelOp | None) -> Vector:
        if kernel is None:
            return Vector(MOVE, stored_bits(buffer_type(op.results[0]).element_type))
        name = kernel.sym_name.data
        if name not in self._kernels:
            block = kernel.body.block
            self._kernels[name] = Vector(body_cost(block), arithmetic_bits(block))
        return self._kernels[name]

    def _append(self, program: ElaboratedProgram, op: tcc.KvAppendOp) -> Cost:
        parts = program.parts[program.root[op.result]]
        width = stored_bits(buffer_type(op.values).element_type)
        stored = self._operand_bits(op.result)
        key = ("append", id(parts), op.axis, op.slot, op.values.type, width, stored)
        if key not in self._known:
            slots = Slots.of(op)
            done: dict[int, int] = {}
            for elements in parts.elements:
                if id(elements) not in done:
                    done[id(elements)] = len(slots.among(elements)[0])
            tile = self.machine.tiles_at(parts.places)
            points = np.array([done[id(e)] for e in parts.elements], dtype=np.int64)
            port = points * (width + stored)
            self._known[key] = vector_cost(self.machine, tile, Vector(MOVE, width), points, port)
        return self._known[key]
