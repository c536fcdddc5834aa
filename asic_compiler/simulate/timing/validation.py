"""Is a timing program whole? Every index in range, every duration possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asic_compiler.simulate.timing.program import (
    CONSTANT,
    FULL_RATE,
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

MAX_TILES = 1 << 20
"""Bits that the engine keeps for a tile or a router."""

Array = NDArray[Any]


def validate(program: TimingProgram) -> None:
    """Checks a program; see ``TimingProgram.validate``."""
    _check_mesh(program.mesh)
    _check_targets(program.targets, program.mesh)
    _check_gates(program.gates)
    _check_packets(program)
    _check_texts(program.texts, program.operators)
    _check_tiles(program)
    if not 0 <= program.final_operator < program.operators:
        raise ValueError(f"final_operator {program.final_operator} of {program.operators}")
    _check_operands(program)
    _check_waits(program)


def _array(name: str, values: Array, dtype: type, *shape: int) -> None:
    if values.dtype != dtype:
        raise ValueError(f"{name} is {values.dtype}, not {np.dtype(dtype)}")
    if values.shape != shape:
        raise ValueError(f"{name} has shape {values.shape}, not {shape}")
    if not values.flags.c_contiguous:
        raise ValueError(f"{name} is not contiguous")


def _within(name: str, values: Array, low: int, high: int | None = None) -> None:
    """Checks low <= values < high."""
    wrong = values < low
    if high is not None:
        wrong |= values >= high
    if wrong.any():
        at = np.unravel_index(int(wrong.argmax()), wrong.shape)
        place = ", ".join(str(int(i)) for i in at)
        limit = f"at least {low}" if high is None else f"in [{low}, {high})"
        raise ValueError(f"{name}[{place}] is {int(values[at])}, not {limit}")


def _starts(name: str, start: Array, total: int) -> None:
    if start.ndim != 1 or len(start) < 1:
        raise ValueError(f"{name} is empty")
    _array(name, start, np.int64, len(start))
    if start[0] != 0 or start[-1] != total or (np.diff(start) < 0).any():
        raise ValueError(f"{name} does not rise from 0 to {total}")


def _check_mesh(mesh: Mesh) -> None:
    for name, least in (("width", 1), ("height", 1), ("sc_x", 1), ("sc_y", 1), ("hop_cycles", 1)):
        if getattr(mesh, name) < least:
            raise ValueError(f"mesh.{name} is {getattr(mesh, name)}, not at least {least}")
    if mesh.port_cycles < 0:
        raise ValueError(f"mesh.port_cycles is {mesh.port_cycles}, not at least 0")
    if mesh.tiles > MAX_TILES:
        raise ValueError(f"{mesh.tiles} tiles are more than {MAX_TILES}")
    classes = len(mesh.eject_bits)
    _array("mesh.column_extra", mesh.column_extra, np.int32, mesh.router_columns - 1)
    _array("mesh.row_extra", mesh.row_extra, np.int32, mesh.router_rows - 1)
    _array("mesh.row_rate", mesh.row_rate, np.int32, mesh.router_rows - 1)
    _array("mesh.tile_class", mesh.tile_class, np.int32, mesh.tiles)
    _array("mesh.eject_bits", mesh.eject_bits, np.int32, classes)
    _array("mesh.dmem_bits", mesh.dmem_bits, np.int32, classes)
    _within("mesh.column_extra", mesh.column_extra, 0)
    _within("mesh.row_extra", mesh.row_extra, 0)
    _within("mesh.row_rate", mesh.row_rate, FULL_RATE)
    _within("mesh.tile_class", mesh.tile_class, 0, classes)
    _within("mesh.eject_bits", mesh.eject_bits, 1)
    if (mesh.dmem_bits < mesh.eject_bits).any():
        raise ValueError("mesh.dmem_bits: the ejection port delivers more than the memory takes")


def _check_targets(targets: TargetSets, mesh: Mesh) -> None:
    _starts("targets.start", targets.start, len(targets.tiles))
    _array("targets.tiles", targets.tiles, np.int32, len(targets.tiles))
    _within("targets.tiles", targets.tiles, 0, mesh.tiles)
    if (np.diff(targets.start) == 0).any():
        raise ValueError(f"target set {int((np.diff(targets.start) == 0).argmax())} is empty")
    rises = np.diff(targets.tiles) > 0
    rises[targets.start[1:-1] - 1] = True  # between two sets
    if not rises.all():
        raise ValueError(f"targets.tiles[{int((~rises).argmax()) + 1}] does not ascend in its set")


def _check_gates(gates: Gates) -> None:
    for name in ("need", "credit_cycles", "initial"):
        _array(f"gates.{name}", getattr(gates, name), np.int32, len(gates))
        _within(f"gates.{name}", getattr(gates, name), 0)


def _check_packets(program: TimingProgram) -> None:
    packets: Packets = program.packets
    count, classes = len(packets), len(program.mesh.eject_bits)
    for name in ("flits", "payload_bytes", "channel", "gate", "target"):
        _array(f"packets.{name}", getattr(packets, name), np.int32, count)
    _array("packets.eject_cycles", packets.eject_cycles, np.int32, count, classes)
    _within("packets.flits", packets.flits, 1)
    _within("packets.payload_bytes", packets.payload_bytes, 0)
    _within("packets.channel", packets.channel, 0, program.channels)
    _within("packets.gate", packets.gate, NO_GATE, len(program.gates))
    _within("packets.target", packets.target, -program.mesh.tiles, len(program.targets))
    early = (packets.eject_cycles < packets.flits[:, None]).any(axis=1)
    if early.any():
        raise ValueError(f"packets.eject_cycles[{int(early.argmax())}]: less than its flits")


def _check_texts(texts: Texts, operators: int) -> None:
    count = len(texts.kind)
    _starts("texts.start", texts.start, count)
    _array("texts.kind", texts.kind, np.int8, count)
    _array("texts.unit", texts.unit, np.int8, count)
    for name in ("operator", "cycles", "a", "b"):
        _array(f"texts.{name}", getattr(texts, name), np.int32, count)
    _array("texts.row", texts.row, np.int64, count, 3)
    _array("texts.table", texts.table, np.int32, len(texts.table))
    _within("texts.kind", texts.kind, 0, len(Kind))
    _within("texts.unit", texts.unit, 0, len(Unit))
    _within("texts.operator", texts.operator, 0, operators)
    _within("texts.row", texts.row, CONSTANT)


def _check_tiles(program: TimingProgram) -> None:
    tiles, texts = program.mesh.tiles, len(program.texts)
    _array("text_of_tile", program.text_of_tile, np.int32, tiles)
    _array("rank_of_tile", program.rank_of_tile, np.int32, tiles)
    _within("text_of_tile", program.text_of_tile, NO_TEXT, texts)
    for text in range(texts):
        own = np.sort(program.rank_of_tile[program.text_of_tile == text])
        if not np.array_equal(own, np.arange(len(own))):
            raise ValueError(f"rank_of_tile does not number the tiles of text {text} from 0")


def tiles_of_texts(program: TimingProgram) -> NDArray[np.int64]:
    """[texts] How many tiles run each text."""
    used = program.text_of_tile[program.text_of_tile != NO_TEXT]
    return np.bincount(used, minlength=len(program.texts))


def _check_operands(program: TimingProgram) -> None:
    texts = program.texts
    tiles = np.repeat(tiles_of_texts(program), np.diff(texts.start))
    last = (texts.row + tiles[:, None])[texts.row != CONSTANT]
    if last.size and last.max() > len(texts.table):
        raise ValueError("texts.row reads behind the end of texts.table")
    packets = len(program.packets)
    for at in range(len(texts.kind)):
        name = f"instruction {at}"
        cycles, a, b = (_operand(program, at, column, int(tiles[at])) for column in range(3))
        _within(f"{name}: cycles", cycles, 0)
        match Kind(int(texts.kind[at])):
            case Kind.COMPUTE:
                _within(f"{name}: port cycles", a, 0)
            case Kind.POST:
                _within(f"{name}: gate", a, 0, len(program.gates))
            case Kind.SEND | Kind.WAIT_SENT:
                _within(f"{name}: first packet", a, 0)
                _within(f"{name}: number of packets", b, 0)
                _within(f"{name}: end of packets", a.astype(np.int64) + b, 0, packets + 1)
            case Kind.WAIT:
                _within(f"{name}: channel", a, 0, program.channels)
                _within(f"{name}: count", b, 0)


def _operand(program: TimingProgram, at: int, column: int, tiles: int) -> Array:
    """Values of one operand of an instruction: one, or one a tile."""
    texts = program.texts
    row = int(texts.row[at, column])
    if row != CONSTANT:
        return texts.table[row : row + tiles]
    return (texts.cycles, texts.a, texts.b)[column][at : at + 1]


def _check_waits(program: TimingProgram) -> None:
    """One WAIT a channel a tile; sending to oneself alone is a packet that never arrives."""
    texts = program.texts
    counts = tiles_of_texts(program)
    for text in range(len(texts)):
        first, last = int(texts.start[text]), int(texts.start[text + 1])
        waits = first + np.flatnonzero(texts.kind[first:last] == Kind.WAIT)
        tiles = int(counts[text])
        if len(waits) < 2 or tiles == 0:
            continue
        fixed: Callable[[int], bool] = lambda at: int(texts.row[at, 1]) == CONSTANT  # noqa: E731
        if all(fixed(int(at)) for at in waits):
            channels = texts.a[waits][:, None]
        else:
            columns = [_operand(program, int(at), 1, tiles) for at in waits]
            channels = np.stack([np.broadcast_to(column, tiles) for column in columns])
        ordered = np.sort(channels, axis=0)
        twice = (ordered[1:] == ordered[:-1]).any(axis=1)
        if twice.any():
            channel = int(ordered[1:][twice][0].flat[0])
            raise ValueError(f"text {text} waits twice for channel {channel} in a period")
