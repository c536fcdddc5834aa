"""From a placed model to one scheduled ``tcc`` program per class of tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, i64
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import BlockArgument, Operation, OpResult, SSAValue
from xdsl.utils.exceptions import VerifyException

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import asic, tcc
from asic_compiler.dialects.location import location_of
from asic_compiler.dialects.tcc.contraction import require_cut
from asic_compiler.machine.regions import REGION_NAMES
from asic_compiler.plan.chip_attribute import chip_attribute, region_attribute
from asic_compiler.plan.plan import Plan
from asic_compiler.plan.schedule import make_schedule
from asic_compiler.plan.work import Work, make_work
from asic_compiler.program.allocate import allocate
from asic_compiler.program.builder import Builder, Segment
from asic_compiler.program.declarations import Declarations
from asic_compiler.program.elements import Cutting
from asic_compiler.program.footprints import Footprints, Slots
from asic_compiler.program.formats import require_programs
from asic_compiler.program.lowering import Lowering, StandIns, append, lower
from asic_compiler.program.names import CROSSING, DIES, HOP, OPERATORS, PERIOD, RATE
from asic_compiler.program.parts import Parts, within
from asic_compiler.workload.extract import context_of, operators
from asic_compiler.workload.function import check_function, main_function
from asic_compiler.workload.values import bits, root_of, shape

Piece = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Holding:
    """A value, or pieces of it, in buffers of some programs."""

    parts: Parts
    """What each tile has; of pieces, all of them together."""
    buffers: dict[int, tuple[SSAValue, ...]]
    """By position of the program: one buffer, or one a piece."""
    segments: dict[int, Segment] = field(default_factory=dict[int, Segment])
    """Where each program computes it; empty for what was received."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An operand that travels: what each program waits for, piece by piece."""

    root: SSAValue
    holding: Holding
    receives: dict[int, tuple[tcc.ReceiveOp, ...]]
    from_another_stage: bool


class UnfitError(ValueError):
    """An operator cannot be placed as a plan says."""

    def __init__(self, op: Operation, why: str) -> None:
        super().__init__(f"{op.name}: {why}")
        self.op = op


def generate(module: ModuleOp, plan: Plan, footprints: Footprints | None = None) -> ModuleOp:
    """Writes the programs of a plan.

    Args:
        module: The model in ``asic`` IR; it is not changed.
        plan: Where and when each of its operators runs.
        footprints: Parts that are known already; what is worked out is added to it.

    Returns:
        A module with the chip, and one ``tcc.program`` a tile class in the chip's order.

    Raises:
        UserError: The model holds something that no instruction executes, or no program is written
            for the plan's format, weight store or window of the cache.
        ScheduleError: The plan's times contradict each other.
        UnfitError: An operator cannot be cut as the plan says.
        ValueError: The plan is not one of this model.
    """
    window = plan.table.context < context_of(module)
    require_programs(plan.chip, window, location_of(module))
    return _Generator(module, plan, Footprints() if footprints is None else footprints).run()


class _Generator:
    def __init__(self, module: ModuleOp, plan: Plan, footprints: Footprints) -> None:
        self.ops: list[Operation] = list(operators(module))
        if len(self.ops) != len(plan.assignments):
            raise ValueError(f"{len(self.ops)} operators, {len(plan.assignments)} assignments")
        table = plan.table
        self.module, self.plan = module, plan
        self.function: FuncOp = main_function(module)
        check_function(self.function)
        self.schedule = make_schedule(plan)
        self.works = [
            make_work(position, table.classes[int(table.sequence[position])], assignment)
            for position, assignment in enumerate(plan.assignments)
        ]
        self.position: dict[SSAValue, int] = {
            result: position for position, op in enumerate(self.ops) for result in op.results
        }
        self.declared = Declarations(self.function, plan)
        self.footprints = footprints
        self.builders = [
            Builder(
                tcc.ProgramOp(
                    self.declared.unique(tile.name),
                    index,
                    tile.stage,
                    self.schedule.period,
                    [region_attribute(place) for place in tile.places],
                )
            )
            for index, tile in enumerate(plan.chip.classes)
        ]
        self.holdings: dict[SSAValue, list[Holding]] = {}
        self.parts: dict[SSAValue, Parts] = {}
        """What each buffer holds, tile by tile."""
        self.cache_parts: dict[str, Parts] = {}
        self.returned = self._returned()

    def run(self) -> ModuleOp:
        """The whole module."""
        for work, op in zip(self.works, self.ops, strict=True):
            if isinstance(op, asic.KvAppendOp):
                self._append(work, op)
            else:
                self._emit(work, op)
        for builder in self.builders:
            builder.finish()
        chip = self.module.attributes.get(asic.CHIP) or chip_attribute(self.plan.chip)
        counts = {
            OPERATORS: len(self.ops),
            PERIOD: self.schedule.period,
            HOP: self.plan.hop_cycles,
            CROSSING: self.plan.crossing_cycles,
            RATE: self.plan.crossing_rate,
            DIES: self.plan.chip.dies,
        }
        module = ModuleOp(
            [*self.declared.ops, *(builder.program for builder in self.builders)],
            {asic.CHIP: chip} | {name: IntegerAttr(value, i64) for name, value in counts.items()},
        )
        areas = self.declared.cache_areas(self.cache_parts)
        for builder in self.builders:
            allocate(builder.program, self.parts, areas)
        return module

    def _returned(self) -> dict[SSAValue, list[tuple[int, SSAValue]]]:
        """What the function returns, by the value behind views: (result index, operand)."""
        last = self.function.body.block.last_op
        found: dict[SSAValue, list[tuple[int, SSAValue]]] = {}
        for index, operand in enumerate(last.operands if isinstance(last, ReturnOp) else ()):
            root = root_of(operand)
            if self.declared.cache(root) is not None:
                self.declared.set_cache_result(root, index)
            else:
                found.setdefault(root, []).append((index, operand))
        return found

    def _moves(self, root: SSAValue) -> bool:
        """Whether a value moves between tiles: no constant, and no cache."""
        if isinstance(root, OpResult) and isinstance(root.op, asic.WeightOp | ConstantOp):
            return False
        return self.declared.cache(root) is None

    def _label(self, root: SSAValue) -> str:
        if root not in self.position:
            return f"in.{self.declared.argument_name(cast(BlockArgument, root))}"
        position = self.position[root]
        index = self.ops[position].results.index(cast(OpResult, root))
        return f"v{position}" if index == 0 else f"v{position}.{index}"

    def _members(self, work: Work) -> tuple[int, ...]:
        """The programs that execute an operator."""
        name = REGION_NAMES[work.assignment.region_kind]
        return tuple(
            index
            for index, tile in enumerate(self.plan.chip.classes)
            if tile.stage == work.assignment.stage and name in tile.regions
        )

    # What an operator reads.

    def _probe(self, work: Work, op: Operation) -> tuple[Cutting, dict[SSAValue, list[int]]]:
        """The operator's instruction before its operands exist, and who its operands are."""
        stand_ins = StandIns()
        lowering = Lowering(self.declared, work, {}, stand_ins.add, stand_ins)
        instruction = lower(op, lowering)[0]
        try:
            require_cut(instruction)
        except VerifyException as error:
            raise UnfitError(op, f"its placement does not fit it: {error}") from error
        roots: dict[SSAValue, list[int]] = {}
        for index, operand in enumerate(instruction.operands):
            if operand in stand_ins.values:
                roots.setdefault(root_of(stand_ins.values[operand]), []).append(index)
        return cast(Cutting, instruction), roots

    def _need(self, instruction: Cutting, indices: Sequence[int], piece: Piece = (0, 1)) -> Parts:
        kernel = None
        if isinstance(instruction, tcc.VectorOp):
            kernel = self.declared.kernels.find(instruction.kernel.root_reference.data)
        needs = [self.footprints.needed(instruction, i, kernel, piece) for i in indices]
        return self.footprints.united(needs)

    def _emit(self, work: Work, op: Operation) -> None:
        members = self._members(work)
        instruction, roots = self._probe(work, op)
        pieces = work.assignment.pieces if isinstance(instruction, tcc.MmaOp) else 1
        held: list[dict[SSAValue, tuple[SSAValue, ...]]] = [{} for _ in members]
        arrivals: list[Arrival] = []
        segments = [self.builders[m].open(work.position) for m in members]
        for root, indices in roots.items():
            if not self._moves(root):
                if self.declared.cache(root) is not None:
                    self._note_cache(root, self._need(instruction, indices))
                continue
            need = self._need(instruction, indices)
            found = self._find(root, need, members, pieces)
            if found is None:
                needs = (
                    [need]
                    if pieces == 1
                    else [self._need(instruction, indices, (c, pieces)) for c in range(pieces)]
                )
                arrival = self._transfer(work, root, need, needs, members)
                arrivals.append(arrival)
                found = arrival.holding
            for own, member in zip(held, members, strict=True):
                own[root] = found.buffers[member]
        self._write(work, op, members, segments, held, arrivals, pieces)

    def _find(
        self, root: SSAValue, need: Parts, members: Sequence[int], pieces: int
    ) -> Holding | None:
        """Buffers that already hold what is needed."""
        for holding in self.holdings.get(root, ()):
            count = {len(b) for b in holding.buffers.values()}
            if count != {pieces} and count != {1}:
                continue
            if all(m in holding.buffers for m in members) and holding.parts.covers(need):
                return holding
        return None

    def _transfer(
        self,
        work: Work,
        root: SSAValue,
        need: Parts,
        needs: Sequence[Parts],
        members: Sequence[int],
    ) -> Arrival:
        """Writes what brings an operand to the tiles of an operator."""
        position, target = work.position, work.cut.region
        kind = tcc.BufferType.of(root.type)
        element = _element_bytes(root)
        source: Holding | None = None
        apart = 0
        if root in self.position:
            source = self.holdings[root][0]
            sender = self.works[self.position[root]].assignment
            place = region_attribute(sender.region)
            name = f"{self._label(root)}.to{position}"
            apart = work.assignment.stage - sender.stage
            channel = self.declared.channel(name, root.type, place, target, slots=max(apart, 1))
        else:
            host = self.declared.argument_name(cast(BlockArgument, root))
            name = f"{self._label(root)}.to{position}"
            channel = self.declared.channel(name, root.type, None, target, host)
        count = len(needs)
        receives: dict[int, tuple[tcc.ReceiveOp, ...]] = {}
        for member in members:
            places = [r.rectangle for r in self.builders[member].program.places]
            own: list[tcc.ReceiveOp] = []
            for c, piece_need in enumerate(needs):
                size = max(piece_need.most(places) * element, 1)
                piece = (c, count) if count > 1 else None
                receive = tcc.ReceiveOp(channel, size, position, kind, piece)
                self.parts[receive.buffer] = piece_need
                own.append(receive)
            receives[member] = tuple(own)
        if source is not None:
            self._send(work, channel, source, needs, members, element)
        holding = Holding(need, {m: tuple(r.buffer for r in own) for m, own in receives.items()})
        if work.assignment.buffers >= count:
            self.holdings.setdefault(root, []).append(holding)
        return Arrival(root, holding, receives, apart > 0)

    def _send(
        self,
        work: Work,
        channel: str,
        source: Holding,
        needs: Sequence[Parts],
        members: Sequence[int],
        element: int,
    ) -> None:
        """Sends a value as soon as it is computed; waits where the receivers are done with it."""
        count = len(needs)
        for index, (buffer,) in source.buffers.items():
            builder = self.builders[index]
            places = [r.rectangle for r in builder.program.places]
            size = max(source.parts.most(places) * element, 1)
            tokens: list[SSAValue] = []
            for c, need in enumerate(needs):
                kind = tcc.MulticastOp if need.overlap else tcc.SendOp
                piece = (c, count) if count > 1 else None
                send = kind(channel, buffer, size, work.position, piece)
                source.segments[index].after.append(send)
                tokens.append(send.token)
            wait = tcc.WaitOp(tokens, work.position)
            (builder.last if index not in members else builder.segments[-1]).end.append(wait)

    # What it becomes.

    def _write(
        self,
        work: Work,
        op: Operation,
        members: Sequence[int],
        segments: Sequence[Segment],
        held: Sequence[dict[SSAValue, tuple[SSAValue, ...]]],
        arrivals: Sequence[Arrival],
        pieces: int,
    ) -> None:
        slot = self.schedule.slots[work.position]
        ahead = work.assignment.buffers
        buffers: dict[int, list[SSAValue]] = {}
        for member, segment, own in zip(members, segments, held, strict=True):
            builder = self.builders[member]
            waits: list[tcc.ReceiveOp] = []
            streams: list[tuple[tcc.ReceiveOp, ...]] = []
            for arrival in arrivals:
                receives = arrival.receives[member]
                place = builder.early(segment, arrival.from_another_stage)
                if len(receives) > ahead:
                    # Pieces that are dropped have no room beside those of the operator before.
                    place = segment.work
                place.extend(receives[:ahead] if pieces > 1 else receives)
                if len(receives) > 1:
                    streams.append(receives)
                else:
                    waits.extend(receives)
            if waits:
                segment.work.append(tcc.WaitOp([r.token for r in waits], work.position))
            lowering = Lowering(
                self.declared,
                work,
                {},
                segment.work.append,
                pieces=own,
                streams=tuple(streams),
            )
            done, values = lower(op, lowering)
            done.set_schedule(slot.start, slot.cycles)
            done.location = op.location
            self._note_parts(segment, done)
            buffers[member] = values
        for index, result in enumerate(op.results):
            own_buffers = {m: (values[index],) for m, values in buffers.items()}
            parts = self.parts[own_buffers[members[0]][0]]
            holding = Holding(parts, own_buffers, dict(zip(members, segments, strict=True)))
            self.holdings[result] = [holding]
            self._return(result, work, holding)

    def _note_parts(self, segment: Segment, done: Operation) -> None:
        """Works out what every buffer of a segment's work holds."""
        kernel = None
        if isinstance(done, tcc.VectorOp):
            kernel = self.declared.kernels.find(done.kernel.root_reference.data)
        for op in segment.work:
            if isinstance(op, tcc.ReduceOp):
                for partial, result in zip(op.partials, op.res, strict=True):
                    before = self.parts[partial]
                    self.parts[result] = self.footprints.reduced(op, before, cast(Cutting, done))
            elif isinstance(op, tcc.Instruction) and not isinstance(op, tcc.ReceiveOp):
                if isinstance(op, tcc.MmaOp) and op.continues is not None:
                    self.parts[op.result] = self.parts[op.continues]
                for buffer in op.buffers:
                    if buffer not in self.parts:
                        self.parts[buffer] = self.footprints.computed(cast(Cutting, op), kernel)

    def _return(self, root: SSAValue, work: Work, holding: Holding) -> None:
        """Writes what sends results of the model to the host."""
        for index, operand in self.returned.get(root, ()):
            host = self.declared.result_name(index)
            source = region_attribute(work.assignment.region)
            channel = self.declared.channel(f"out.{host}", operand.type, source, None, host)
            for member, held in holding.buffers.items():
                segment = holding.segments[member]
                lowering = Lowering(
                    self.declared, work, {}, segment.after.append, pieces={root: held}
                )
                buffer = lowering.buffer(operand)
                places = [r.rectangle for r in self.builders[member].program.places]
                size = max(holding.parts.most(places) * _element_bytes(operand), 1)
                send = tcc.SendOp(channel, buffer, size, work.position)
                segment.after.append(send)
                segment.end.append(tcc.WaitOp([send.token], work.position))

    # Caches.

    def _append(self, work: Work, op: asic.KvAppendOp) -> None:
        """Brings new keys or values to the tiles that hold their slots."""
        members = self._members(work)
        whole = self._cache_need(op)
        self._check_append(op, whole, members)
        slots = Slots(shape(op.cache), shape(op.values), op.axis.value.data, op.position.value.data)
        need = self.footprints.appended(slots, whole)
        root = root_of(op.values)
        segments = [self.builders[m].open(work.position) for m in members]
        found = self._find(root, need, members, 1)
        receives: dict[int, tuple[tcc.ReceiveOp, ...]] = {}
        if found is None:
            arrival = self._transfer(work, root, need, [need], members)
            found, receives = arrival.holding, arrival.receives
        slot = self.schedule.slots[work.position]
        for member, segment in zip(members, segments, strict=True):
            if member in receives:
                (receive,) = receives[member]
                self.builders[member].early(segment).append(receive)
                segment.work.append(tcc.WaitOp([receive.token], work.position))
            own = {root: found.buffers[member]}
            lowering = Lowering(self.declared, work, {}, segment.work.append, pieces=own)
            values = lowering.buffer(op.values)
            done = append(op, values, work.cut, work.position, self.declared)
            done.set_schedule(slot.start, slot.cycles)
            done.location = op.location
            segment.work.append(done)

    def _check_append(self, op: asic.KvAppendOp, cache: Parts, members: Sequence[int]) -> None:
        """Every tile that holds some of a cache must execute the append to it."""
        places = [r.rectangle for m in members for r in self.builders[m].program.places]
        for place, elements in zip(cache.places, cache.elements, strict=True):
            if len(elements) and not within(*place, places):
                raise UserError(
                    f"the cache lies on tile {place}, where nothing is appended to it",
                    location_of(op),
                    ["the append belongs to the stage and the tiles of the products that read it"],
                )

    def _cache_need(self, op: asic.KvAppendOp) -> Parts:
        """What tiles hold of a cache: what the products of the model read of it."""
        name = self.declared.cache(op.result)
        assert name is not None, "every append declares its cache"
        if name not in self.cache_parts and name in self.readers:
            position = self.readers[name]
            instruction, roots = self._probe(self.works[position], self.ops[position])
            for root, indices in roots.items():
                if self.declared.cache(root) == name:
                    self._note_cache(root, self._need(instruction, indices))
        return self.cache_parts[name]

    @cached_property
    def readers(self) -> dict[str, int]:
        """Position of the first product that reads each cache."""
        found: dict[str, int] = {}
        for position, op in enumerate(self.ops):
            for value in op.operands if isinstance(op, asic.MatmulOp) else ():
                name = self.declared.cache(root_of(value))
                if name is not None:
                    found.setdefault(name, position)
        return found

    def _note_cache(self, root: SSAValue, need: Parts) -> None:
        name = self.declared.cache(root)
        assert name is not None
        known = self.cache_parts.get(name)
        if known is None:
            self.cache_parts[name] = need
        elif not known.covers(need):
            self.cache_parts[name] = self.footprints.united([known, need])


def _element_bytes(value: SSAValue) -> int:
    return -(-bits(value) // 8)
