"""Timing programs from lists, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asic_compiler.simulate.timing.program import (
    CONSTANT,
    NO_GATE,
    NO_TEXT,
    Gates,
    Kind,
    Mesh,
    Packets,
    TargetSets,
    Texts,
    TimingProgram,
    Unit,
)
from asic_compiler.simulate.timing.validation import validate


@dataclass(frozen=True)
class Step:
    """An instruction of one tile."""

    kind: Kind
    cycles: int = 0
    a: int = 0
    b: int = 0
    unit: Unit = Unit.ISSUE
    operator: int = 0


def compute(cycles: int, port: int = 0, unit: Unit = Unit.TENSOR, operator: int = 0) -> Step:
    return Step(Kind.COMPUTE, cycles, port, 0, unit, operator)


def post(gate: int, cycles: int = 0, operator: int = 0) -> Step:
    return Step(Kind.POST, cycles, gate, operator=operator)


def send(first: int, count: int = 1, cycles: int = 0, operator: int = 0) -> Step:
    return Step(Kind.SEND, cycles, first, count, operator=operator)


def wait(channel: int, count: int, cycles: int = 0, operator: int = 0) -> Step:
    return Step(Kind.WAIT, cycles, channel, count, operator=operator)


def wait_sent(first: int, count: int = 1, operator: int = 0) -> Step:
    return Step(Kind.WAIT_SENT, 0, first, count, operator=operator)


@dataclass(frozen=True)
class Packet:
    """A packet to one tile or to several."""

    to: int | tuple[int, ...]
    flits: int = 1
    eject: int | tuple[int, ...] = 1
    channel: int = 0
    gate: int = NO_GATE
    payload: int = 4


def i32(values: object) -> np.ndarray:
    return np.asarray(values, np.int32)


def mesh(width: int, height: int, sc: tuple[int, int] = (1, 1), hop: int = 3, port: int = 0,
         column_extra: Sequence[int] | None = None, row_extra: Sequence[int] | None = None,
         row_rate: Sequence[int] | None = None,
         tile_class: Sequence[int] | None = None,
         bits: Sequence[tuple[int, int]] = ((128, 128),)) -> Mesh:  # fmt: skip
    columns, rows = -(-width // sc[0]), -(-height // sc[1])
    return Mesh(
        width, height, *sc, hop, port,
        i32(column_extra if column_extra is not None else [0] * (columns - 1)),
        i32(row_extra if row_extra is not None else [0] * (rows - 1)),
        i32(row_rate if row_rate is not None else [16] * (rows - 1)),
        i32(tile_class if tile_class is not None else [0] * (width * height)),
        i32([eject for eject, _ in bits]),
        i32([dmem for _, dmem in bits]),
    )  # fmt: skip


def key(packet: Packet) -> tuple[int, ...]:
    assert not isinstance(packet.to, int)
    return tuple(sorted(packet.to))


def build(
    mesh: Mesh,
    packets: Sequence[Packet],
    streams: dict[int, Sequence[Step]],
    gates: Sequence[tuple[int, int, int]] = (),
) -> TimingProgram:
    """A validated program. Tiles whose instructions are of the same kinds share a text.

    They are ranked backwards: the order in a table is not that of the tiles.
    """
    shapes: dict[tuple[object, ...], list[int]] = {}
    for tile in sorted(streams, reverse=True):
        shape = tuple((step.kind, step.unit, step.operator) for step in streams[tile])
        shapes.setdefault(shape, []).append(tile)
    text_of_tile, rank = np.full((2, mesh.tiles), NO_TEXT, np.int32)
    rank[:] = 0
    rows: list[tuple[int, ...]] = []
    places: list[list[int]] = []
    table: list[int] = []
    start = [0]
    for text, tiles in enumerate(shapes.values()):
        text_of_tile[tiles], rank[tiles] = text, np.arange(len(tiles))
        for same in zip(*(streams[tile] for tile in tiles), strict=True):
            first, place = same[0], [CONSTANT] * 3
            for column, name in enumerate(("cycles", "a", "b")):
                values = [getattr(step, name) for step in same]
                if len(set(values)) > 1:
                    place[column] = len(table)
                    table += values
            rows.append((first.kind, first.unit, first.operator, first.cycles, first.a, first.b))
            places.append(place)
        start.append(len(rows))
    columns = np.array(rows, np.int32).reshape(-1, 6).T.copy()
    texts = Texts(
        np.array(start, np.int64), columns[0].astype(np.int8), columns[1].astype(np.int8),
        columns[2], columns[3], columns[4], columns[5],
        np.array(places, np.int64).reshape(-1, 3), i32(table),
    )  # fmt: skip
    sets: dict[tuple[int, ...], int] = {}
    for packet in packets:
        if not isinstance(packet.to, int):
            sets.setdefault(key(packet), len(sets))
    classes = len(mesh.eject_bits)
    lengths = [len(tiles) for tiles in sets]
    operators = max((step.operator for steps in streams.values() for step in steps), default=0) + 1
    program = TimingProgram(
        mesh, texts, text_of_tile, rank,
        Packets(
            i32([p.flits for p in packets]),
            i32([p.payload for p in packets]),
            i32([p.channel for p in packets]),
            i32([p.gate for p in packets]),
            i32([-1 - p.to if isinstance(p.to, int) else sets[key(p)] for p in packets]),
            i32([p.eject if isinstance(p.eject, tuple) else (p.eject,) * classes for p in packets])
            .reshape(-1, classes),
        ),
        TargetSets(
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            i32([tile for tiles in sets for tile in tiles]),
        ),
        Gates(*(i32([gate[i] for gate in gates]) for i in range(3))),
        channels=1 + max(
            [p.channel for p in packets]
            + [s.a for steps in streams.values() for s in steps if s.kind == Kind.WAIT],
            default=0,
        ),
        operators=operators,
        final_operator=operators - 1,
    )  # fmt: skip
    validate(program)
    return program
