"""Whether a module of programs fits together: channels, coverage, time and memory.

The verifier looks at one program at a time; these checks need all of them, and the chip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import IntegerAttr, ModuleOp

from asic_compiler.dialects import asic, tcc
from asic_compiler.dialects.tcc.attrs import part_size
from asic_compiler.program.names import OPERATORS
from asic_compiler.workload.body_cost import element_bits


@dataclass(frozen=True, slots=True)
class UnmatchedChannel:
    """Programs that should send or receive on a channel, and those that do."""

    channel: str
    end: Literal["send", "receive"]
    expected: tuple[str, ...]
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShortTransfer:
    """The tiles of a source send fewer bytes than the channel's tensor has."""

    channel: str
    sent_bytes: int
    tensor_bytes: int


@dataclass(frozen=True, slots=True)
class WrongTiles:
    """An operator is executed by other programs than those of its region; maybe by none."""

    operator: int
    expected: tuple[str, ...]
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two operators of a program run at the same time."""

    program: str
    first: int
    second: int


@dataclass(frozen=True, slots=True)
class OutsidePeriod:
    """An instruction ends after its time: an operator after the period, an import after 0."""

    program: str
    operator: int
    end: int
    limit: int


@dataclass(frozen=True, slots=True)
class MemoryExceeded:
    """What the fullest tile of a program must hold is more than its memory."""

    program: str
    memory: Literal["WMEM", "DMEM"]
    need_bytes: float
    capacity_bytes: int


Finding: TypeAlias = (
    UnmatchedChannel | ShortTransfer | WrongTiles | Overlap | OutsidePeriod | MemoryExceeded
)


def check(module: ModuleOp) -> tuple[Finding, ...]:
    """Everything that does not fit together, in a fixed order; empty for a sound module.

    The weights of matmuls are counted tile by tile, as their cuts lay them out. Other constants
    and caches are taken as even over their region. A weight lies with its contraction, or else
    with its first reader; of DMEM only the caches are counted. Memory is not checked in a module
    without a chip.
    """
    programs = [op for op in module.ops if isinstance(op, tcc.ProgramOp)]
    return (
        *_check_channels(module, programs),
        *_check_coverage(module, programs),
        *_check_schedule(programs),
        *_check_memory(module, programs),
    )


def _name(program: tcc.ProgramOp) -> str:
    return program.sym_name.data


def _tiles(program: tcc.ProgramOp) -> int:
    return sum(prod(place.rectangle[2:]) for place in program.places)


def _inside(program: tcc.ProgramOp, region: asic.RegionAttr) -> bool:
    """Whether any tile of the program lies in the region."""
    x, y, w, h = region.rectangle
    return any(
        a < x + w and x < a + c and b < y + h and y < b + d
        for a, b, c, d in (place.rectangle for place in program.places)
    )


def _within(programs: Iterable[tcc.ProgramOp], region: asic.RegionAttr | None) -> tuple[str, ...]:
    if region is None:
        return ()
    return tuple(_name(program) for program in programs if _inside(program, region))


def _check_channels(module: ModuleOp, programs: list[tcc.ProgramOp]) -> Iterator[Finding]:
    senders: dict[str, dict[str, int]] = {}
    receivers: dict[str, dict[str, int]] = {}
    for program in programs:
        for op in program.instructions:
            if isinstance(op, tcc.SendOp | tcc.MulticastOp):
                sent = op.bytes.value.data * _tiles(program)
                senders.setdefault(op.channel.root_reference.data, {})[_name(program)] = sent
            elif isinstance(op, tcc.ReceiveOp):
                got = op.bytes.value.data * _tiles(program)
                receivers.setdefault(op.channel.root_reference.data, {})[_name(program)] = got
    for channel in module.ops:
        if not isinstance(channel, tcc.ChannelOp):
            continue
        name = channel.sym_name.data
        sending, receiving = senders.get(name, {}), receivers.get(name, {})
        expected = _within(programs, channel.source)
        if expected != tuple(sending):
            yield UnmatchedChannel(name, "send", expected, tuple(sending))
        expected = _within(programs, channel.target)
        if expected != tuple(receiving):
            yield UnmatchedChannel(name, "receive", expected, tuple(receiving))
        size = prod(channel.tensor.get_shape()) * -(-element_bits(channel.tensor.element_type) // 8)
        if sending and sum(sending.values()) < size:
            yield ShortTransfer(name, sum(sending.values()), size)


def _check_coverage(module: ModuleOp, programs: list[tcc.ProgramOp]) -> Iterator[Finding]:
    found: dict[int, list[str]] = {}
    regions: dict[int, asic.RegionAttr] = {}
    for program in programs:
        for op in program.instructions:
            if op.interval is None or isinstance(op, tcc.ReceiveOp):
                continue
            found.setdefault(op.position, []).append(_name(program))
            cut = op.properties.get("cut")
            if isinstance(cut, tcc.CutAttr):
                regions.setdefault(op.position, cut.region)
    given = module.attributes.get(OPERATORS)
    count = given.value.data if isinstance(given, IntegerAttr) else max(found, default=-1) + 1
    for position in range(count):
        executed = tuple(found.get(position, ()))
        expected = _within(programs, regions.get(position))
        if not executed or executed != expected:
            yield WrongTiles(position, expected, executed)


def _check_schedule(programs: list[tcc.ProgramOp]) -> Iterator[Finding]:
    for program in programs:
        period = program.period.value.data
        before: tuple[int, int] | None = None
        for op in program.instructions:
            if op.interval is None:
                continue
            start, end = op.interval
            limit = 0 if isinstance(op, tcc.ReceiveOp) else period
            if end > limit:
                yield OutsidePeriod(_name(program), op.position, end, limit)
            if isinstance(op, tcc.ReceiveOp):
                continue
            if before is not None and start < before[1]:
                yield Overlap(_name(program), before[0], op.position)
            before = op.position, end
        # An import runs while the tail of the period before is free of operators.
        for op in program.instructions:
            if not isinstance(op, tcc.ReceiveOp) or op.interval is None or before is None:
                continue
            if op.interval[0] + period < before[1]:
                yield Overlap(_name(program), before[0], op.position)


def _check_memory(module: ModuleOp, programs: list[tcc.ProgramOp]) -> Iterator[Finding]:
    chip = asic.chip_of(module)
    if chip is None:
        return
    symbols = tcc.symbols_of(module)
    owners = _owners(programs)
    for program in programs:
        tile = chip.tiles.data[program.tile_class.value.data]
        even: dict[str, dict[str, float]] = {"WMEM": {}, "DMEM": {}}
        slices = np.zeros(chip.mesh_size[::-1])
        cuts = {
            op.position: cut
            for op in program.instructions
            if isinstance(cut := op.properties.get("cut"), tcc.CutAttr)
        }
        for op in program.instructions:
            name = _storage(op)
            cut = cuts.get(op.position)
            if name is None or cut is None:
                continue
            tiles = prod(cut.region.rectangle[2:])
            match symbols.get(name):
                case tcc.WeightOp() as weight if owners[name] == op.position:
                    if isinstance(op, tcc.MmaOp):
                        slices += _slice_bytes(op, weight, slices.shape)
                    else:
                        even["WMEM"][name] = weight.stored_bytes * cut.m.data / tiles
                case tcc.CacheOp() as cache:
                    even["DMEM"][name] = cache.stored_bytes / tiles
                case _:
                    pass
        capacities = (("WMEM", tile.wmem_bytes.data), ("DMEM", tile.dmem_bytes.data))
        for memory, capacity in capacities:
            need = sum(even[memory].values())
            if memory == "WMEM":
                need += max(
                    (
                        float(slices[y : y + h, x : x + w].max())
                        for number, x, y, w, h in chip.rectangles
                        if number == program.tile_class.value.data
                    ),
                    default=0.0,
                )
            if need > capacity:
                yield MemoryExceeded(
                    _name(program), "WMEM" if memory == "WMEM" else "DMEM", need, capacity
                )


def _slice_bytes(
    op: tcc.MmaOp, weight: tcc.WeightOp, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """[height, width] bytes of a weight on each tile of the mesh."""
    batch, _, columns, depth = op.sizes.get_values()
    _, _, n, k = op.cut.factors
    elements = part_size(batch * columns, n) * part_size(depth, k)
    left, top, width, height = op.cut.region.rectangle
    rank = (np.arange(width * height) - op.cut.first.data) % (width * height)
    held = np.zeros(shape)
    held[top : top + height, left : left + width] = (
        (rank < op.cut.active_tiles) * elements * weight.bits.value.data / 8.0
    ).reshape(height, width)
    return held


def _storage(op: tcc.Instruction) -> str | None:
    """The weight or cache that an instruction names."""
    match op:
        case tcc.MmaOp() | tcc.ConvOp():
            return op.weight.root_reference.data
        case tcc.GatherOp():
            return None if op.weight is None else op.weight.root_reference.data
        case tcc.LoadOp():
            return op.source.root_reference.data
        case tcc.KvAppendOp():
            return op.cache.root_reference.data
        case _:
            return None


def _owners(programs: list[tcc.ProgramOp]) -> dict[str, int]:
    """The operator that each weight lies with: its first contraction, or its first reader."""
    first: dict[str, int] = {}
    contraction: dict[str, int] = {}
    for program in programs:
        for op in program.instructions:
            name = _storage(op)
            if name is not None:
                first[name] = min(first.get(name, op.position), op.position)
                if isinstance(op, tcc.MmaOp | tcc.ConvOp):
                    known = contraction.get(name, op.position)
                    contraction[name] = min(known, op.position)
    return first | contraction
