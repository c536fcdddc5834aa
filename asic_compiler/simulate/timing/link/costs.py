"""Cycles and events of compute instructions on every tile. Arrays are over all tiles.

The closed forms of loops over tensor and vector instructions; ``tests/simulate/timing`` checks
them against a recurrence that follows each instruction through fetch, stations and units.

Contraction of a part of m' rows, n' columns, k' deep, ``groups`` batch items, R tensor rows:

    tensor  = groups * ceil(m' / R) * ceil(k' n' / lanes),   lanes = VLEN / operand bits
    cycles  = max(tensor, ceil(tensor / 8) * interval) + tensor latency
    port    = (inputs * passes + outputs + rows of DMEM operands + sums that do not fit) / VLEN
    passes  = ceil(n' / (VLEN / (2 min(R, m')))), and one for the scales of rows that 8-bit
              multipliers take

Vector instruction of a body of ``operations`` in a chain, over ``points``:

    registers = ceil(points * bits / VLEN)
    cycles    = max(ceil(body cycles * registers / pipes), operations * ceil(registers / 4) *
                    interval) + operations * vector latency
    port      = (operands + results) / VLEN

Not counted: folding the lanes of the last register of a reduction; elements that are read by
several points of one part again; misaligned rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from asic_compiler.dialects.tcc import CutAttr
from asic_compiler.dialects.tcc.contraction import BF16, INT8
from asic_compiler.machine.pipeline import (
    DIVIDE_CYCLES,
    LOOP_INSTRUCTIONS,
    ROWS_PER_INSTRUCTION,
    TRANSCENDENTAL_CYCLES,
    VECTORS_PER_INSTRUCTION,
)
from asic_compiler.simulate.timing.link.events import Event
from asic_compiler.simulate.timing.link.machine import Floats, Integers, Machine
from asic_compiler.simulate.timing.program import Int32s, Unit
from asic_compiler.workload.table import BodyCost

NARROW_BITS = 16
MOVE = BodyCost()
"""A body that computes nothing."""


@dataclass(frozen=True, eq=False)
class Cost:
    """What one instruction costs on each tile."""

    unit: Unit
    cycles: Int32s
    port: Floats
    """Bits through the DMEM port."""
    active: np.ndarray
    """[tiles] bool: whether the tile has anything to do."""
    tile: Integers
    """[parts] Tile of each part."""
    amounts: Floats
    """[events, parts]"""

    def events(self, tiles: np.ndarray) -> Floats:
        """[events] on some tiles, given as a mask."""
        return self.amounts[:, tiles[self.tile]].sum(axis=1)


@dataclass(frozen=True, eq=False)
class Parts:
    """Parts of a cut: the tile of each, and its indices."""

    tile: Integers
    b: Integers
    m: Integers
    n: Integers
    k: Integers


def parts_of(cut: CutAttr, mesh_width: int) -> Parts:
    """All parts of a cut, as ``CutAttr.index_of`` and ``tile_of`` number them."""
    part = np.arange(cut.active_tiles)
    _, m, n, k = cut.factors
    first, second = part % n, part // n % m
    if cut.rows_first.data:
        first, second = part // m % n, part % m
    left, top, width, height = cut.region.rectangle
    place = (cut.first.data + part * cut.stride.data) % (width * height)
    tile = (top + place // width) * mesh_width + left + place % width
    return Parts(tile, part // (n * m * k), second, first, part // (n * m) % k)


def spans(size: int | Integers, parts: int, index: Integers | int) -> tuple[Integers, Integers]:
    """First and one past the last of parts, as ``part_range`` for arrays."""
    step = -(-np.asarray(size) // parts)
    return np.minimum(index * step, size), np.minimum((index + 1) * step, size)


@dataclass(frozen=True, slots=True)
class Contraction:
    """What a contraction's cost depends on, beside its cut."""

    sizes: tuple[int, int, int, int]
    bits: int
    """Of operands in DMEM."""
    stored_bits: float
    """Of an element of the operand whose rows go through the tensor unit."""
    in_wmem: bool
    """Where these rows lie."""
    result_bits: int
    piece: tuple[int, int] = (0, 1)
    by_rows: bool = False
    """Whether that is one of rows, not of k."""
    numbers: str | None = None
    """What the multipliers take; None for operands as they are."""
    group: int = 0
    """Places of a row of weights that share a scale; 0 for all of it."""


def contraction_cost(machine: Machine, cut: CutAttr, work: Contraction) -> Cost:
    """Cost of ``tcc.mma``, ``tcc.mma_dmem`` or ``tcc.conv``."""
    p = parts_of(cut, machine.mesh.width)
    b, m, n, k = work.sizes
    flat = cut.b.data == 1
    rows = _length(spans(m, cut.m.data, p.m))
    low, high = spans(b * n if flat else n, cut.n.data, p.n)
    columns = high - low
    groups = np.ones_like(rows) if flat else _length(spans(b, cut.b.data, p.b))
    items = np.where(columns > 0, (high - 1) // n - low // n + 1, 0) if flat else groups
    whole = _length(spans(k, cut.k.data, p.k))
    index, count = work.piece
    depth = whole if work.by_rows else _length(spans(whole, count, index))
    if work.by_rows:
        rows, index, count = _length(spans(rows, count, index)), 0, 1

    vlen, tensor_rows = machine.vlen[p.tile], machine.rows[p.tile]
    blocks = np.ceil(rows / tensor_rows)
    eight = work.numbers == INT8
    tensor = groups * blocks * np.ceil(depth * columns * (8 if eight else work.bits) / vlen)
    held = vlen / (2.0 * np.minimum(tensor_rows, np.maximum(rows, 1)))
    outputs = groups * rows * columns
    passes = np.ceil(columns / held) + (1.0 if eight else 0.0)
    port: Floats = 1.0 * items * rows * depth * work.bits * passes
    last, first = index == count - 1, index == 0
    spills = rows * columns > 16.0 * vlen / 32.0
    port = port + np.where(last, outputs * work.result_bits, np.where(spills, 32.0 * outputs, 0.0))
    port = port + np.where(spills & (not first), 32.0 * outputs, 0.0)
    operand = groups * blocks * depth * columns * work.stored_bits
    if not work.in_wmem:
        port = port + operand
    instructions = np.ceil(tensor / ROWS_PER_INSTRUCTION)
    latency = machine.technology.timing_constants.tensor_latency
    cycles = np.maximum(tensor, instructions * machine.tensor_interval[p.tile]) + latency
    active = outputs > 0
    macs = outputs * depth
    events: dict[Event, Floats | Integers] = {
        _MACS.get(work.numbers or "") or _macs(work.bits): macs,
        Event.DMEM_BITS: port,
        Event.INSTRUCTIONS: instructions * (1.0 + LOOP_INSTRUCTIONS),
    }
    if eight:
        groups_of_scales = np.ceil(depth / work.group) if work.group else np.minimum(depth, 1)
        events[Event.RESCALES] = outputs * groups_of_scales
    if work.in_wmem:
        events[Event.WMEM_BITS] = operand
        if work.stored_bits < work.bits and not eight:
            events[Event.UNPACKS] = groups * blocks * depth * columns
    return _cost(machine, Unit.TENSOR, p.tile, active, cycles, port, events)


@dataclass(frozen=True, slots=True)
class Vector:
    """What a vector instruction does with each point."""

    body: BodyCost
    bits: int
    partial: bool = False
    """Whether it adds up what travelled: its operations count as such."""

    @property
    def cycles(self) -> float:
        """Of a pipe, for a register of points."""
        c = self.body
        slow = DIVIDE_CYCLES * c.divide + TRANSCENDENTAL_CYCLES * c.transcendental
        return max(c.simple + c.multiply + slow, 1.0)

    @property
    def operations(self) -> int:
        """Instructions of the body, at least one: a move."""
        c = self.body
        return max(c.simple + c.multiply + c.divide + c.transcendental, 1)


def vector_cost(
    machine: Machine,
    tile: Integers,
    work: Vector,
    points: Integers,
    port: Floats,
    wmem_bits: Floats | None = None,
) -> Cost:
    """Cost of vector instructions.

    Args:
        machine: The machine.
        tile: [parts] Tile of each part.
        work: The instruction.
        points: [parts]
        port: [parts] Bits read from and written to DMEM.
        wmem_bits: [parts] Bits read from WMEM.
    """
    vlen = machine.vlen[tile]
    latency = machine.technology.timing_constants.vector_latency
    registers = np.ceil(points * work.bits / vlen)
    count = work.operations * np.ceil(registers / VECTORS_PER_INSTRUCTION)
    computing = np.ceil(work.cycles * registers / machine.pipes[tile])
    issued = count * machine.vector_interval[tile]
    cycles = np.maximum(computing, issued) + work.operations * latency
    wide = work.bits > NARROW_BITS
    c = work.body
    multiplies = c.multiply + DIVIDE_CYCLES * c.divide + TRANSCENDENTAL_CYCLES * c.transcendental
    events: dict[Event, Floats | Integers] = {
        Event.MULTIPLIES_WIDE if wide else Event.MULTIPLIES_NARROW: points * multiplies,
        Event.REGISTER_BITS: points * (3.0 * work.bits * work.operations),
        Event.DMEM_BITS: port,
        Event.INSTRUCTIONS: 2.0 * count,
    }
    adds = Event.ADDS_WIDE if wide else Event.ADDS_NARROW
    events[Event.PARTIAL_ADDS if work.partial else adds] = points * float(c.simple)
    if wmem_bits is not None:
        events[Event.WMEM_BITS] = wmem_bits
    return _cost(machine, Unit.VECTOR, tile, points > 0, cycles, port, events)


def _cost(
    machine: Machine,
    unit: Unit,
    tile: Integers,
    active: np.ndarray,
    cycles: Floats,
    port: Floats,
    events: Mapping[Event, Floats | Integers],
) -> Cost:
    all_cycles = np.zeros(machine.tiles, dtype=np.int32)
    all_port = np.zeros(machine.tiles)
    all_active = np.zeros(machine.tiles, dtype=np.bool_)
    all_cycles[tile] = np.ceil(np.where(active, cycles, 0.0))
    all_port[tile] = np.where(active, port, 0.0)
    all_active[tile] = active
    amounts = np.zeros((len(Event), len(tile)))
    for event, values in events.items():
        amounts[event] = np.where(active, values, 0.0)
    return Cost(unit, all_cycles, all_port, all_active, tile, amounts)


_MACS = {BF16: Event.MACS_BF16, INT8: Event.MACS_INT8}


def _macs(bits: int) -> Event:
    return Event.MACS_NARROW if bits <= NARROW_BITS else Event.MACS_WIDE


def _length(span: tuple[Integers, Integers]) -> Integers:
    return span[1] - span[0]
