"""Whether a module of programs fits together: channels, coverage, time and memory.

The verifier looks at one program at a time; these checks need all of them, and the chip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias

from xdsl.dialects.builtin import IntegerAttr, ModuleOp
from xdsl.ir import Operation, SSAValue

from asic_compiler.dialects import asic, tcc
from asic_compiler.program.allocate import Lifetime, cache_bytes, lifetimes
from asic_compiler.program.deadlock import CannotDecide, Deadlocks, Safe, check_deadlock
from asic_compiler.program.elaborate import ElaboratedProgram, Elaboration, elaborate, uses_of
from asic_compiler.program.footprints import Footprints
from asic_compiler.program.names import OPERATORS
from asic_compiler.program.parts import Parts, Place
from asic_compiler.program.wmem_need import wmem_bytes
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
    """An operator ends after the period."""

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


@dataclass(frozen=True, slots=True)
class OverlappingBuffers:
    """Two buffers that live at the same time share bytes low to high of DMEM."""

    program: str
    instruction: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class NeverWaited:
    """A transfer that is started and whose token no instruction waits for."""

    program: str
    instruction: int


@dataclass(frozen=True, slots=True)
class ReadTooEarly:
    """An instruction reads what a transfer brings before the transfer was waited for."""

    program: str
    instruction: int


Finding: TypeAlias = (
    NeverWaited
    | ReadTooEarly
    | UnmatchedChannel
    | ShortTransfer
    | WrongTiles
    | Overlap
    | OutsidePeriod
    | MemoryExceeded
    | OverlappingBuffers
    | Deadlocks
    | CannotDecide
)


def check(module: ModuleOp, footprints: Footprints | None = None) -> tuple[Finding, ...]:
    """Everything that does not fit together, in a fixed order; empty for a sound module.

    Memory is counted tile by tile, as the simulators lay it out; capacities are not checked in a
    module without a chip.

    Args:
        module: Verified programs.
        footprints: Parts that are known already, for instance the generator's. Without it the check
            works out all of them itself.
    """
    programs = [op for op in module.ops if isinstance(op, tcc.ProgramOp)]
    elaboration = elaborate(module, footprints)
    return (
        *_check_channels(module, programs),
        *_check_coverage(module, programs),
        *_check_schedule(programs),
        *_check_waits(programs),
        *_check_memory(elaboration),
        *_check_deadlock(elaboration),
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
            if end > period:
                yield OutsidePeriod(_name(program), op.position, end, period)
            if before is not None and start < before[1]:
                yield Overlap(_name(program), before[0], op.position)
            before = op.position, end


def _check_waits(programs: list[tcc.ProgramOp]) -> Iterator[Finding]:
    for program in programs:
        for number, op in enumerate(program.instructions):
            tokens = [value for value in op.results if isinstance(value.type, tcc.TokenType)]
            if any(not any(True for _ in token.uses) for token in tokens):
                yield NeverWaited(_name(program), number)
        at: dict[Operation, int] = {op: i for i, op in enumerate(program.instructions)}
        for op in program.instructions:
            if not isinstance(op, tcc.ReceiveOp | tcc.ReduceOp):
                continue
            there = min((at[use.operation] for use in op.token.uses), default=len(at))
            for buffer in op.buffers:
                for use in uses_of(buffer):
                    if at[use.op] < there:
                        yield ReadTooEarly(_name(program), at[use.op])


def _check_memory(elaboration: Elaboration) -> Iterator[Finding]:
    chip = asic.chip_of(elaboration.module)
    areas = _cache_areas(elaboration)
    for program in elaboration.programs:
        if not program.instructions:
            continue
        lives = lifetimes(program.op, _parts(program))
        yield from _check_overlaps(program, lives)
        if chip is None:
            continue
        tile = chip.tiles.data[program.op.tile_class.value.data]
        base = max((areas.get(place, 0) for place in program.tiles), default=0)
        top = max((_end(life) for life in lives), default=0)
        if max(base, top) > tile.dmem_bytes.data:
            yield MemoryExceeded(program.name, "DMEM", max(base, top), tile.dmem_bytes.data)
        low = min((_address(life) for life in lives), default=base)
        if low < base:
            yield OverlappingBuffers(program.name, low, low, base)
        stored = max(wmem_bytes(elaboration, program).values(), default=0)
        if stored > tile.wmem_bytes.data:
            yield MemoryExceeded(program.name, "WMEM", stored, tile.wmem_bytes.data)


def _parts(program: ElaboratedProgram) -> dict[SSAValue, Parts]:
    """What every buffer that has an address holds."""
    return {
        buffer: program.parts[program.root[buffer]]
        for op in program.instructions
        for buffer in op.buffers
    }


def _cache_areas(elaboration: Elaboration) -> dict[Place, int]:
    """Bytes of caches on each tile."""
    found: dict[Place, int] = {}
    for program in elaboration.programs:
        own = set(program.tiles)
        for name, root in program.caches.items():
            cache = elaboration.symbols[name]
            if isinstance(cache, tcc.CacheOp):
                for place, size in cache_bytes(cache, program.parts[root]).items():
                    if place in own:
                        found[place] = found.get(place, 0) + size
    return found


def _address(life: Lifetime) -> int:
    op = life.buffer.op
    assert isinstance(op, tcc.Instruction)
    return op.addresses[op.buffers.index(life.buffer)] if op.addresses else 0


def _end(life: Lifetime) -> int:
    return _address(life) + life.size_bytes


def _check_overlaps(program: ElaboratedProgram, lives: list[Lifetime]) -> Iterator[Finding]:
    """No two buffers that live at the same time may share a byte."""
    active: list[tuple[int, int, int]] = []  # last instruction, first byte, the one after the last
    for life in lives:
        active = [other for other in active if other[0] >= life.first]
        start, end = _address(life), _end(life)
        for _, begin, stop in active:
            if begin < end and start < stop:
                low, high = max(start, begin), min(end, stop)
                yield OverlappingBuffers(program.name, life.first, low, high)
        active.append((life.last, start, end))


def _check_deadlock(elaboration: Elaboration) -> Iterator[Finding]:
    verdict = check_deadlock(elaboration)
    if not isinstance(verdict, Safe):
        yield verdict
