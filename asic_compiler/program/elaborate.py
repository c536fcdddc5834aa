"""What every instruction of a module reads, holds and moves, tile by tile.

The text of a program says how work is cut; here it becomes elements. Parts that are equal by
construction are the same arrays, so that a user may work once on each, by identity: layers share
them, and so do tiles that read the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import tcc
from asic_compiler.dialects.location import location_of
from asic_compiler.dialects.tcc.attrs import CutAttr
from asic_compiler.program.elements import CUTTING, Cutting
from asic_compiler.program.footprints import Footprints, Slots
from asic_compiler.program.parts import NOTHING, Elements, Parts, Place

Piece: TypeAlias = tuple[int, int]
Emission: TypeAlias = tcc.SendOp | tcc.MulticastOp
_Transfer = TypeVar("_Transfer", tcc.SendOp | tcc.MulticastOp, tcc.ReceiveOp)


@dataclass(frozen=True, eq=False)
class Use:
    """An instruction that reads a buffer, perhaps through views."""

    op: tcc.Instruction
    operand: int


@dataclass(frozen=True, eq=False)
class ElaboratedProgram:
    """A program, and what its buffers hold."""

    op: tcc.ProgramOp
    tiles: tuple[Place, ...]
    """Row by row of each of its rectangles."""
    instructions: tuple[tcc.Instruction, ...]
    root: dict[SSAValue, SSAValue]
    """The buffer behind each buffer: views are their operands, and every load or append of a
    cache is the first of its program."""
    parts: dict[SSAValue, Parts]
    """Of each root, what tiles hold; tiles of other programs may be among them."""
    caches: dict[str, SSAValue]
    """Root of each cache that the program names."""

    @property
    def name(self) -> str:
        """Its symbol."""
        return self.op.sym_name.data

    def part(self, value: SSAValue, place: Place) -> Elements:
        """What a tile holds of a buffer, ascending: element i of its memory is the i-th."""
        return self.parts[self.root[value]].on.get(place, NOTHING)


@dataclass(frozen=True, eq=False)
class Need:
    """What some tiles, all of them the same, receive in one exchange."""

    elements: Elements
    receivers: NDArray[np.int64]
    """Positions in the exchange's ``receivers``."""
    owners: NDArray[np.int64]
    """Positions in the exchange's ``senders`` of the tiles that it comes from, ascending."""
    counts: NDArray[np.int64]
    """How many of the elements each owner sends."""


@dataclass(frozen=True, eq=False)
class Routes:
    """Who sends which elements to whom: equal for exchanges of equal parts."""

    senders: tuple[Place, ...]
    held: tuple[Elements, ...]
    """What each sender has of the tensor."""
    receivers: tuple[Place, ...]
    wanted: tuple[Elements, ...]
    """What each receiver receives."""
    owner: NDArray[np.int64]
    """[elements of the tensor] position of the sender of each, -1 where nobody has it."""
    needs: tuple[Need, ...]
    """The different things that tiles receive; tiles that receive nothing are in none."""

    def targets(self) -> list[list[int]]:
        """Of each sender the receivers that take something from it, ascending."""
        found: list[list[int]] = [[] for _ in self.senders]
        for need in self.needs:
            for owner in need.owners.tolist():
                found[owner] += need.receivers.tolist()
        return [sorted(own) for own in found]

    def sources(self) -> list[list[int]]:
        """Of each receiver the senders that it takes something from, ascending."""
        found: list[list[int]] = [[] for _ in self.receivers]
        for need in self.needs:
            for receiver in need.receivers.tolist():
                found[receiver] = need.owners.tolist()
        return found


@dataclass(frozen=True, eq=False)
class Exchange:
    """What one piece of one channel moves in a period.

    A channel from the host has no senders, one to the host no receivers: then every sender sends
    all that it holds.
    """

    channel: tcc.ChannelOp
    piece: Piece | None
    sends: dict[int, Emission]
    """By position of the program."""
    receives: dict[int, tcc.ReceiveOp]
    routes: Routes


@dataclass(frozen=True, eq=False)
class Elaboration:
    """A module, elaborated."""

    module: ModuleOp
    symbols: dict[str, Operation]
    footprints: Footprints
    programs: tuple[ElaboratedProgram, ...]
    exchanges: tuple[Exchange, ...]
    exchange_of: dict[tcc.Instruction, Exchange] = field(repr=False)
    """By each send, multicast and receive."""

    def kernel(self, op: tcc.Instruction) -> tcc.KernelOp | None:
        """The kernel that a vector instruction runs; None of other instructions."""
        return _kernel(self.symbols, op)


def elaborate(module: ModuleOp, footprints: Footprints | None = None) -> Elaboration:
    """Works out the parts of all buffers, and who sends what to whom.

    Args:
        module: Verified programs.
        footprints: Parts that are known already, for instance the generator's.

    Raises:
        UserError: A program uses one piece of a channel twice in the same direction, or reads a
            buffer by an instruction that does not say what it reads.
    """
    footprints = Footprints() if footprints is None else footprints
    symbols = tcc.symbols_of(module)
    programs = tuple(
        _Elaborator(op, symbols, footprints).run()
        for op in module.ops
        if isinstance(op, tcc.ProgramOp)
    )
    exchanges = _exchanges(symbols, programs)
    found: dict[tcc.Instruction, Exchange] = {}
    for exchange in exchanges:
        found |= dict.fromkeys((*exchange.sends.values(), *exchange.receives.values()), exchange)
    return Elaboration(module, symbols, footprints, programs, exchanges, found)


def tiles_of(program: tcc.ProgramOp) -> tuple[Place, ...]:
    """The tiles of a program, row by row of each of its rectangles."""
    return tuple(
        (x, y)
        for left, top, width, height in (place.rectangle for place in program.places)
        for y in range(top, top + height)
        for x in range(left, left + width)
    )


def uses_of(buffer: SSAValue) -> list[Use]:
    """The instructions that read a buffer, also through views, in no particular order."""
    found: list[Use] = []
    for use in buffer.uses:
        user = use.operation
        if isinstance(user, tcc.ViewOp):
            found += uses_of(user.result)
        elif isinstance(user, tcc.Instruction):
            found.append(Use(user, use.index))
    return found


def reduction_groups(cut: CutAttr, along: str) -> tuple[tuple[Place, ...], ...]:
    """The groups of tiles of a ``tcc.reduce``, each in order of the index along it."""
    axis = "bmnk".index(along)
    groups: dict[tuple[int, ...], list[Place]] = {}
    for part in range(cut.active_tiles):
        index = cut.index_of(part)
        key = (*index[:axis], *index[axis + 1 :])
        groups.setdefault(key, []).append(cut.tile_of(part))
    return tuple(tuple(group) for group in groups.values())


def piece_of_transfer(op: Emission | tcc.ReceiveOp) -> Piece | None:
    """The piece of the tensor that a transfer moves; None for all of it."""
    if op.piece is None:
        return None
    index, count = op.piece.get_values()
    return index, count


def _kernel(symbols: dict[str, Operation], op: Operation) -> tcc.KernelOp | None:
    if not isinstance(op, tcc.VectorOp):
        return None
    found = symbols[op.kernel.root_reference.data]
    assert isinstance(found, tcc.KernelOp)
    return found


class _Elaborator:
    def __init__(
        self,
        op: tcc.ProgramOp,
        symbols: dict[str, Operation],
        footprints: Footprints,
    ) -> None:
        self.symbols, self.footprints = symbols, footprints
        self.found = ElaboratedProgram(op, tiles_of(op), op.instructions, {}, {}, {})
        self._cache_values: dict[str, list[SSAValue]] = {}

    def run(self) -> ElaboratedProgram:
        program = self.found
        for op in program.instructions:
            self._name_roots(op)
        for name, values in self._cache_values.items():
            needs = [
                need for value in values for use in uses_of(value) for need in self._reads(use)
            ]
            program.parts[program.caches[name]] = (
                self.footprints.united(_distinct(needs)) if needs else Parts((), ())
            )
        for op in program.instructions:
            self._hold(op)
        return program

    def _name_roots(self, op: tcc.Instruction) -> None:
        root = self.found.root
        if isinstance(op, tcc.ViewOp):
            root[op.result] = root[op.operand]
            return
        if isinstance(op, tcc.MmaOp) and op.continues is not None:
            root[op.result] = root[op.continues]
            return
        name = _cache_name(op, self.symbols)
        for value in op.results:
            if isinstance(value.type, tcc.BufferType):
                root[value] = value
                if name is not None:
                    root[value] = self.found.caches.setdefault(name, value)
                    self._cache_values.setdefault(name, []).append(value)

    def _hold(self, op: tcc.Instruction) -> None:
        parts = self.found.parts
        if _cache_name(op, self.symbols) is not None:
            return
        match op:
            case tcc.ReceiveOp() | tcc.LoadOp():
                parts[op.buffer] = self._read_by(op.buffer, op.position)
            case tcc.ReduceOp():
                for partial, result in zip(op.partials, op.res, strict=True):
                    root = self.found.root[partial]
                    producer = root.owner
                    if not isinstance(producer, CUTTING):
                        raise UserError(
                            "tcc.reduce combines what no cut instruction wrote", location_of(op)
                        )
                    parts[result] = self.footprints.reduced(op, parts[root], producer)
            case _ if isinstance(op, CUTTING):
                computed = self.footprints.computed(op, _kernel(self.symbols, op))
                parts |= dict.fromkeys(op.buffers, computed)
            case _:
                pass

    def _read_by(self, buffer: SSAValue, position: int) -> Parts:
        """What the instructions of one operator read of a buffer."""
        uses = [use for use in uses_of(buffer) if use.op.position == position]
        pieces: dict[Piece, Use] = {}
        for use in uses:
            if isinstance(use.op, tcc.MmaOp) and use.operand == 0:
                pieces[use.op.pieces] = use
        counts = {count for _, count in pieces}
        if len(counts) == 1 and len(pieces) > 1 and len(pieces) == max(counts):
            # All pieces together are the whole range, whose parts are shared more widely.
            first = next(iter(pieces.values()))
            uses = [u for u in uses if not (isinstance(u.op, tcc.MmaOp) and u.operand == 0)]
            assert isinstance(first.op, tcc.MmaOp)
            needs = [self.footprints.needed(first.op, 0)]
        else:
            needs = []
        needs += [need for use in uses for need in self._reads(use)]
        return self.footprints.united(_distinct(needs)) if needs else Parts((), ())

    def _reads(self, use: Use) -> list[Parts]:
        """What tiles read by a use; nothing for one that moves what is there."""
        op = use.op
        match op:
            case tcc.MmaOp() if use.operand == 0:
                return [self.footprints.needed(op, 0, None, op.pieces)]
            case tcc.MmaOp():
                return [self.footprints.computed(op)]
            case tcc.KvAppendOp():
                return [self._append_reads(op)]
            case _ if isinstance(op, CUTTING):
                cutting: Cutting = op
                return [self.footprints.needed(cutting, use.operand, _kernel(self.symbols, op))]
            case _:
                return []

    def _append_reads(self, op: tcc.KvAppendOp) -> Parts:
        cache = self.found.parts[self.found.root[op.result]]
        return self.footprints.appended(Slots.of(op), cache)


def _distinct(needs: Sequence[Parts]) -> list[Parts]:
    return list({id(need): need for need in needs}.values())


def _cache_name(op: Operation, symbols: dict[str, Operation]) -> str | None:
    if isinstance(op, tcc.KvAppendOp):
        return op.cache.root_reference.data
    if isinstance(op, tcc.LoadOp):
        name = op.source.root_reference.data
        return name if isinstance(symbols[name], tcc.CacheOp) else None
    return None


def _exchanges(
    symbols: dict[str, Operation], programs: Sequence[ElaboratedProgram]
) -> tuple[Exchange, ...]:
    sends: dict[tuple[str, Piece | None], dict[int, Emission]] = {}
    receives: dict[tuple[str, Piece | None], dict[int, tcc.ReceiveOp]] = {}
    for index, program in enumerate(programs):
        for op in program.instructions:
            if isinstance(op, tcc.SendOp | tcc.MulticastOp):
                _note(sends, index, op)
            elif isinstance(op, tcc.ReceiveOp):
                _note(receives, index, op)
    known: dict[object, tuple[Routes, object]] = {}
    found: list[Exchange] = []
    for name, piece in dict.fromkeys((*sends, *receives)):
        channel = symbols[name]
        assert isinstance(channel, tcc.ChannelOp)
        own, wanted = sends.get((name, piece), {}), receives.get((name, piece), {})
        givers = [
            (programs[i], programs[i].parts[programs[i].root[op.buffer]]) for i, op in own.items()
        ]
        takers = [(programs[i], programs[i].parts[op.buffer]) for i, op in wanted.items()]
        size = prod(channel.tensor.get_shape())
        key = (
            size,
            tuple((p.tiles, id(parts)) for p, parts in givers),
            tuple((p.tiles, id(parts)) for p, parts in takers),
        )
        if key not in known:
            known[key] = _routes(givers, takers, size), (givers, takers)
        found.append(Exchange(channel, piece, own, wanted, known[key][0]))
    return tuple(found)


def _note(
    table: dict[tuple[str, Piece | None], dict[int, _Transfer]], index: int, op: _Transfer
) -> None:
    name = op.channel.root_reference.data
    programs = table.setdefault((name, piece_of_transfer(op)), {})
    if index in programs:
        raise UserError(f"{op.name} uses @{name} a second time in its program", location_of(op))
    programs[index] = op


def _on_tiles(
    ends: Sequence[tuple[ElaboratedProgram, Parts]],
) -> tuple[tuple[Place, ...], tuple[Elements, ...]]:
    places: list[Place] = []
    elements: list[Elements] = []
    for program, parts in ends:
        on = parts.on
        for place in program.tiles:
            places.append(place)
            elements.append(on.get(place, NOTHING))
    return tuple(places), tuple(elements)


def _routes(
    givers: Sequence[tuple[ElaboratedProgram, Parts]],
    takers: Sequence[tuple[ElaboratedProgram, Parts]],
    size: int,
) -> Routes:
    senders, held = _on_tiles(givers)
    receivers, wanted = _on_tiles(takers)
    owner = np.full(size, -1, dtype=np.int64)
    for index in range(len(senders) - 1, -1, -1):  # where several have it, the first sends it
        owner[held[index]] = index
    same: dict[int, list[int]] = {}
    for index, elements in enumerate(wanted):
        if len(elements):
            same.setdefault(id(elements), []).append(index)
    needs: list[Need] = []
    for indices in same.values():
        elements = wanted[indices[0]]
        owners, counts = np.unique(owner[elements], return_counts=True)
        there = owners >= 0
        needs.append(
            Need(elements, np.asarray(indices, dtype=np.int64), owners[there], counts[there])
        )
    return Routes(senders, held, receivers, wanted, owner, tuple(needs))
