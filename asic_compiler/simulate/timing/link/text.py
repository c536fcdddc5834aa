"""Instruction streams and tables of a timing program while they are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from asic_compiler.dialects import tcc
from asic_compiler.simulate.timing.link.machine import Integers, Machine
from asic_compiler.simulate.timing.program import (
    CONSTANT,
    NO_TEXT,
    Gates,
    Int32s,
    Kind,
    Packets,
    TargetSets,
    Texts,
    Unit,
)

Operand: TypeAlias = "int | Integers | Int32s"
"""The same on all tiles, or one value a tile of the mesh."""


@dataclass(slots=True, eq=False)
class Table:
    """Operands that differ from tile to tile; equal ones lie there once."""

    blocks: list[Int32s] = field(default_factory=list[Int32s])
    length: int = 0
    _known: dict[bytes, int] = field(default_factory=dict[bytes, int])

    def place(self, values: Int32s) -> int:
        """Where these values lie."""
        key = values.tobytes()
        if key not in self._known:
            self._known[key] = self.length
            self.blocks.append(values)
            self.length += len(values)
        return self._known[key]


@dataclass(slots=True, eq=False)
class Text:
    """The stream of one program."""

    tiles: Integers
    """Of the mesh, in the order of their ranks."""
    table: Table
    rows: list[tuple[int, ...]] = field(default_factory=list[tuple[int, ...]])
    """kind, unit, operator, cycles, a, b, and the places of the last three."""
    origin: list[tcc.Instruction] = field(default_factory=list[tcc.Instruction])
    """The instruction that each row comes from."""

    def add(
        self,
        kind: Kind,
        unit: Unit,
        origin: tcc.Instruction,
        cycles: Operand,
        a: Operand = 0,
        b: Operand = 0,
    ) -> None:
        """Writes an instruction; one that takes no cycles and does nothing is left out."""
        values: list[int] = []
        places: list[int] = []
        for operand in (cycles, a, b):
            value, place = self._operand(operand)
            values.append(value)
            places.append(place)
        idle = values[0] == 0 and places[0] == CONSTANT
        nothing = idle and places[1] == places[2] == CONSTANT
        if nothing and kind == Kind.COMPUTE and values[1] == 0:
            return
        none = values[2] == 0 and places[2] == CONSTANT
        if idle and none and kind in (Kind.SEND, Kind.WAIT, Kind.WAIT_SENT):
            return
        self.rows.append((kind, unit, origin.position, *values, *places))
        self.origin.append(origin)

    def _operand(self, operand: Operand) -> tuple[int, int]:
        if isinstance(operand, int):
            return operand, CONSTANT
        own = operand[self.tiles].astype(np.int32)
        if len(own) == 0:
            return 0, CONSTANT
        if (own == own[0]).all():
            return int(own[0]), CONSTANT
        return 0, self.table.place(own)


@dataclass(slots=True, eq=False)
class Wires:
    """Packets, target sets, gates and channels of all texts."""

    machine: Machine
    packets: list[list[Int32s]] = field(default_factory=list[list[Int32s]])
    """flits, bytes, channel, gate, target of each block of packets; and its bits."""
    bits: list[Integers] = field(default_factory=list[Integers])
    packet_count: int = 0
    sets: list[Int32s] = field(default_factory=list[Int32s])
    _known_sets: dict[bytes, int] = field(default_factory=dict[bytes, int])
    gate_blocks: list[tuple[Int32s, ...]] = field(default_factory=list[tuple[Int32s, ...]])
    """Need, cycles of the credit and free buffers of each gate."""
    gate_count: int = 0
    gate_names: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    channel_names: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    channel_count: int = 0

    def add_packets(
        self, bits: Integers, channel: Integers | int, gate: Integers | int, target: Integers
    ) -> int:
        """Number of the first of some packets."""
        first = self.packet_count
        bits = np.maximum(bits, 1)
        flits = -(-bits // self.machine.flit_bits)
        columns = [flits, -(-bits // 8), channel, gate, target]
        shape = bits.shape
        self.packets.append([np.broadcast_to(c, shape).astype(np.int32) for c in columns])
        self.bits.append(bits)
        self.packet_count += len(bits)
        return first

    def target(self, tiles: Int32s) -> int:
        """How a packet names its targets."""
        if len(tiles) == 1:
            return -1 - int(tiles[0])
        key = tiles.tobytes()
        if key not in self._known_sets:
            self._known_sets[key] = len(self.sets)
            self.sets.append(tiles)
        return self._known_sets[key]

    def add_gates(
        self, need: Integers, credit_cycles: Integers, name: str, initial: Integers | None = None
    ) -> int:
        """Number of the first of some gates; ``initial`` are buffers that are free at first."""
        first = self.gate_count
        free = np.zeros_like(need) if initial is None else initial
        block = (need, credit_cycles, free)
        self.gate_blocks.append(tuple(values.astype(np.int32) for values in block))
        self.gate_names.append((first, name))
        self.gate_count += len(need)
        return first

    def add_channels(self, count: int, name: str) -> int:
        """Number of the first of some channels."""
        first = self.channel_count
        self.channel_names.append((first, name))
        self.channel_count += count
        return first

    def make_packets(self) -> Packets:
        """All packets."""
        flits, size, channel, gate, target = (
            _joined([block[i] for block in self.packets]) for i in range(5)
        )
        bits = np.concatenate([np.zeros(0, np.int64), *self.bits])
        eject = -(-bits[:, None] // self.machine.mesh.eject_bits[None, :].astype(np.int64))
        return Packets(flits, size, channel, gate, target, eject.astype(np.int32))

    def make_targets(self) -> TargetSets:
        """All target sets."""
        start = np.zeros(len(self.sets) + 1, dtype=np.int64)
        np.cumsum([len(s) for s in self.sets], out=start[1:])
        return TargetSets(start, _joined(self.sets))

    def make_gates(self) -> Gates:
        """All gates."""
        return Gates(*(_joined([block[i] for block in self.gate_blocks]) for i in range(3)))


def make_texts(texts: list[Text], table: Table) -> Texts:
    """All texts."""
    start = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum([len(text.rows) for text in texts], out=start[1:])
    rows = np.array([row for text in texts for row in text.rows], dtype=np.int64).reshape(-1, 9)
    columns = [np.ascontiguousarray(rows[:, i]) for i in range(6)]
    return Texts(
        start,
        columns[0].astype(np.int8),
        columns[1].astype(np.int8),
        columns[2].astype(np.int32),
        columns[3].astype(np.int32),
        columns[4].astype(np.int32),
        columns[5].astype(np.int32),
        row=np.ascontiguousarray(rows[:, 6:]),
        table=_joined(table.blocks),
    )


def ranks(machine: Machine, texts: list[Text]) -> tuple[Int32s, Int32s]:
    """Text of each tile, and its rank in it."""
    text_of = np.full(machine.tiles, NO_TEXT, dtype=np.int32)
    rank = np.zeros(machine.tiles, dtype=np.int32)
    for index, text in enumerate(texts):
        text_of[text.tiles] = index
        rank[text.tiles] = np.arange(len(text.tiles))
    return text_of, rank


def _joined(arrays: list[Int32s]) -> Int32s:
    return np.concatenate([np.zeros(0, np.int32), *arrays]).astype(np.int32)
