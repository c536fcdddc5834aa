"""From a placed model to one scheduled ``tcc`` program per class of tiles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, i64
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import BlockArgument, Operation, OpResult, SSAValue

from asic_compiler.dialects import asic, tcc
from asic_compiler.dialects.tcc.attrs import part_size
from asic_compiler.hardware.chip import Rectangle
from asic_compiler.placement.plan import Plan
from asic_compiler.ppa.profile import GENERAL, REGION_NAMES
from asic_compiler.program.chip_attribute import chip_attribute, region_attribute
from asic_compiler.program.declarations import Declarations
from asic_compiler.program.lowering import Lowering, append, lower
from asic_compiler.program.names import OPERATORS, PERIOD
from asic_compiler.program.schedule import make_schedule
from asic_compiler.program.work import Work, apportion, make_work, operand_weights
from asic_compiler.workload.extract import main_function, operators
from asic_compiler.workload.values import bits, count, root_of, size_bytes


@dataclass(slots=True)
class Builder:
    """The program of one tile class while it is written."""

    program: tcc.ProgramOp
    held: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])
    """Values of the model that its tiles hold parts of, and the buffers with them."""

    def add(self, op: Operation) -> None:
        """Appends an instruction."""
        self.program.body.block.add_op(op)


@dataclass(frozen=True, slots=True)
class Holder:
    """Where a value lies in a stage."""

    region: Rectangle
    builders: tuple[Builder, ...]
    part_elements: int
    """Elements that one tile sends of it, at most."""


def generate(module: ModuleOp, plan: Plan) -> ModuleOp:
    """Writes the programs of a plan.

    Args:
        module: The model in ``asic`` IR; it is not changed.
        plan: Where and when each of its operators runs.

    Returns:
        A module with the chip, and one ``tcc.program`` a tile class in the chip's order.

    Raises:
        UserError: The model holds something that no instruction executes.
        ScheduleError: The plan's times contradict each other.
        ValueError: The plan is not one of this model.
    """
    return _Generator(module, plan).run()


class _Generator:
    def __init__(self, module: ModuleOp, plan: Plan) -> None:
        self.ops: list[Operation] = list(operators(module))
        if len(self.ops) != len(plan.assignments):
            raise ValueError(f"{len(self.ops)} operators, {len(plan.assignments)} assignments")
        table = plan.table
        self.module, self.plan = module, plan
        self.function: FuncOp = main_function(module)
        self.schedule = make_schedule(plan)
        self.works = [
            make_work(position, table.classes[int(table.sequence[position])], assignment)
            for position, assignment in enumerate(plan.assignments)
        ]
        self.position: dict[SSAValue, int] = {
            result: position for position, op in enumerate(self.ops) for result in op.results
        }
        self.declared = Declarations(self.function, plan)
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
        self.holders: dict[tuple[SSAValue, int], Holder] = {}
        self.imports: list[dict[SSAValue, int]] = [{} for _ in range(plan.chip.stages)]
        """For each stage: values from elsewhere, and the first operator that needs them."""
        self.exports: dict[SSAValue, dict[int, str]] = {}
        """For each value that leaves its stage: the stages it goes to, and the channels."""
        self.returned = self._returned()

    def run(self) -> ModuleOp:
        """The whole module."""
        self._plan_boundaries()
        stage = -1
        for work, op in zip(self.works, self.ops, strict=True):
            while stage < work.assignment.stage:
                stage += 1
                self._receive_imports(stage)
            self._emit(work, op)
        if self.ops:
            for root in [root for root in self.returned if root not in self.position]:
                self._return(root, self.works[0], self._home(0))
        chip = self.module.attributes.get(asic.CHIP) or chip_attribute(self.plan.chip)
        counts = {OPERATORS: len(self.ops), PERIOD: self.schedule.period}
        return ModuleOp(
            [*self.declared.ops, *(builder.program for builder in self.builders)],
            {asic.CHIP: chip} | {name: IntegerAttr(value, i64) for name, value in counts.items()},
        )

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
        """Whether a value moves between tiles: no constant, and no cache as it was before."""
        if isinstance(root, OpResult):
            return not isinstance(root.op, asic.WeightOp | ConstantOp)
        return self.declared.cache(root) is None

    def _activations(self, op: Operation) -> list[SSAValue]:
        """The values behind an operator's operands that may move to it; none twice."""
        cache = root_of(op.cache) if isinstance(op, asic.KvAppendOp) else None
        roots = dict.fromkeys(root_of(operand) for operand in op.operands)
        return [root for root in roots if root is not cache and self._moves(root)]

    def _stage_of(self, root: SSAValue) -> int | None:
        position = self.position.get(root)
        return None if position is None else self.works[position].assignment.stage

    # Between stages, and between the chip and the host.

    def _plan_boundaries(self) -> None:
        """Finds the values that each stage needs from elsewhere, and declares their channels."""
        for work, op in zip(self.works, self.ops, strict=True):
            stage = work.assignment.stage
            for root in self._activations(op):
                if self._stage_of(root) != stage:
                    self.imports[stage].setdefault(root, work.position)
        for root in self.returned:
            if self.ops and root not in self.position and self._moves(root):
                self.imports[0].setdefault(root, 0)
        for stage, roots in enumerate(self.imports):
            for root in roots:
                target = region_attribute(self._home(stage).region)
                position = self.position.get(root)
                if position is None:
                    host = self.declared.argument_name(cast(BlockArgument, root))
                    name = f"in.{host}.s{stage}"
                    channel = self.declared.channel(name, root.type, None, target, host)
                else:
                    sent = _payload(root)
                    source = region_attribute(self.works[position].assignment.region)
                    name = f"v{self._label(root)}.s{stage}"
                    channel = self.declared.channel(name, sent.type, source, target)
                self.exports.setdefault(root, {})[stage] = channel

    def _label(self, root: SSAValue) -> str:
        """Position of a value's operator, and which result it is if there are several."""
        position = self.position[root]
        index = self.ops[position].results.index(cast(OpResult, root))
        return f"{position}" if index == 0 else f"{position}.{index}"

    def _home(self, stage: int) -> Holder:
        """The general region of a stage, where values from elsewhere are kept."""
        pairs = [
            (builder, place)
            for builder, tile in zip(self.builders, self.plan.chip.classes, strict=True)
            if tile.stage == stage and REGION_NAMES[GENERAL] in tile.regions
            for place in tile.places
        ]
        left, top = min(p.x for _, p in pairs), min(p.y for _, p in pairs)
        width = max(p.x + p.width for _, p in pairs) - left
        height = max(p.y + p.height for _, p in pairs) - top
        builders = {builder.program.tile_class.value.data: builder for builder, _ in pairs}
        return Holder(Rectangle(left, top, width, height), tuple(builders.values()), 0)

    def _receive_imports(self, stage: int) -> None:
        """Writes what brings a stage's imports to its home.

        Values of other stages come in the tail of the period before, which the plan leaves free;
        one flit a cycle crosses each link of the stage's shorter edge. The plan has no time for
        what the host sends.
        """
        if not self.imports[stage]:
            return
        home = self._home(stage)
        end = self.schedule.stage_end(stage) - self.schedule.period
        places = [p for tile in self.plan.chip.classes if tile.stage == stage for p in tile.places]
        width = max(p.x + p.width for p in places) - min(p.x for p in places)
        height = max(p.y + p.height for p in places) - min(p.y for p in places)
        bits_per_cycle = self.plan.chip.flit_bits * min(width, height)
        receives: list[list[tcc.ReceiveOp]] = [[] for _ in home.builders]
        moved = 0
        for root, position in self.imports[stage].items():
            sent = _payload(root)
            part = part_size(count(sent), home.region.tiles)
            self.holders[root, stage] = Holder(home.region, home.builders, part)
            first, moved_after = end + moved // bits_per_cycle, moved + size_bytes(sent) * 8
            last = end - (-moved_after // bits_per_cycle)
            for builder, started in zip(home.builders, receives, strict=True):
                receive = tcc.ReceiveOp(
                    self.exports[root][stage],
                    part * _element_bytes(sent),
                    position,
                    tcc.BufferType.of(sent.type),
                )
                if root in self.position:
                    receive.set_schedule(first, max(last - first, 1))
                builder.add(receive)
                started.append(receive)
            moved = moved_after if root in self.position else moved
        for builder, started in zip(home.builders, receives, strict=True):
            builder.add(tcc.WaitOp([op.token for op in started], min(self.imports[stage].values())))
            for (root, position), receive in zip(self.imports[stage].items(), started, strict=True):
                builder.held[root] = self._arrived(builder, root, receive, position, home)

    def _arrived(
        self, builder: Builder, root: SSAValue, receive: tcc.ReceiveOp, position: int, home: Holder
    ) -> SSAValue:
        """The buffer of an import; of a cache that another stage appends to, only news arrive."""
        if not isinstance(root.owner, asic.KvAppendOp):
            return receive.buffer
        region = region_attribute(home.region)
        cut = tcc.CutAttr.of(1, 1, home.region.tiles, 1, region)
        again = append(root.owner, receive.buffer, cut, position, self.declared)
        builder.add(again)
        return again.result

    def _send_exports(self, root: SSAValue, holder: Holder, values: list[SSAValue]) -> None:
        """Writes what sends a value to the stages that need it; ``values`` are its buffers."""
        position = self.position[root]
        for channel in self.exports.get(root, {}).values():
            sent = _payload(root)
            size = holder.part_elements * _element_bytes(sent)
            for builder, value in zip(holder.builders, values, strict=True):
                send = tcc.SendOp(channel, value, size, position)
                builder.add(send)
                builder.add(tcc.WaitOp([send.token], position))

    def _return(self, root: SSAValue, work: Work, holder: Holder) -> None:
        """Writes what sends results of the model to the host."""
        for index, operand in self.returned.get(root, ()):
            host = self.declared.result_name(index)
            source = region_attribute(holder.region)
            channel = self.declared.channel(f"out.{host}", operand.type, source, None, host)
            part = holder.part_elements or part_size(count(operand), holder.region.tiles)
            for builder in holder.builders:
                value = Lowering(self.declared, work, builder.held, builder.add).buffer(operand)
                send = tcc.SendOp(channel, value, part * _element_bytes(operand), work.position)
                builder.add(send)
                builder.add(tcc.WaitOp([send.token], work.position))

    # Inside a stage.

    def _emit(self, work: Work, op: Operation) -> None:
        assignment, position = work.assignment, work.position
        name = REGION_NAMES[assignment.region_kind]
        members = tuple(
            builder
            for builder, tile in zip(self.builders, self.plan.chip.classes, strict=True)
            if tile.stage == assignment.stage and name in tile.regions
        )
        received = self._transfers(work, op, members)
        slot = self.schedule.slots[position]
        buffers: list[list[SSAValue]] = []
        payloads: list[SSAValue] = []
        for builder, arrived in zip(members, received, strict=True):
            context = Lowering(self.declared, work, builder.held | arrived, builder.add)
            done, values = lower(op, context)
            done.set_schedule(slot.start, slot.cycles)
            done.location = op.location
            buffers.append(values)
            payloads.append(done.operands[0] if isinstance(done, tcc.KvAppendOp) else values[0])
            builder.held.update(zip(op.results, values, strict=True))
        for index, result in enumerate(op.results):
            sent = _payload(result)
            holder = Holder(assignment.region, members, work.result_part_elements(count(sent)))
            self.holders[result, assignment.stage] = holder
            values = payloads if sent is not result else [own[index] for own in buffers]
            self._send_exports(result, holder, values)
            self._return(result, work, holder)

    def _transfers(
        self, work: Work, op: Operation, members: tuple[Builder, ...]
    ) -> list[dict[SSAValue, SSAValue]]:
        """Writes the transfers that bring an operator its operands.

        Operands move when the plan says that bytes arrive, and when a tile of the operator's
        region does not hold its part; a cache that all of them hold never does.

        Returns:
            For each program of ``members``: the buffers that arrived.
        """
        arriving = work.assignment.input_bytes
        moving = [
            root
            for root in self._activations(op)
            if any(root not in builder.held for builder in members)
            or (arriving > 0 and self.declared.cache(root) is None)
        ]
        received: list[dict[SSAValue, SSAValue]] = [{} for _ in members]
        if not moving:
            return received
        stage, position = work.assignment.stage, work.position
        sizes = self._arriving_bytes(work, op, moving)
        tokens: dict[int, list[SSAValue]] = {}
        for root, size in zip(moving, sizes, strict=True):
            holder = self.holders[root, stage]
            source, target = region_attribute(holder.region), work.cut.region
            label = f"v{self._label(root)}" if root in self.position else self._argument_label(root)
            channel = self.declared.channel(f"{label}.to{position}", root.type, source, target)
            rounding = work.cut.active_tiles * _element_bytes(root)
            copies = size * work.cut.active_tiles > size_bytes(root) + rounding
            kind = tcc.MulticastOp if copies else tcc.SendOp
            most = holder.part_elements * _element_bytes(root)
            for builder in holder.builders:
                send = kind(channel, builder.held[root], most, position)
                builder.add(send)
                tokens.setdefault(id(builder), []).append(send.token)
            for builder, arrived in zip(members, received, strict=True):
                receive = tcc.ReceiveOp(channel, size, position, tcc.BufferType.of(root.type))
                builder.add(receive)
                tokens.setdefault(id(builder), []).append(receive.token)
                arrived[root] = receive.buffer
        for builder in self.builders:
            if id(builder) in tokens:
                builder.add(tcc.WaitOp(tokens[id(builder)], position))
        return received

    def _argument_label(self, root: SSAValue) -> str:
        return f"in.{self.declared.argument_name(cast(BlockArgument, root))}"

    def _arriving_bytes(self, work: Work, op: Operation, moving: list[SSAValue]) -> list[int]:
        """Bytes into one tile of each operand: the plan's, shared out by what the cut needs.

        Where the plan takes an operand to be in place but it is not, its even share.
        """
        if work.assignment.input_bytes > 0:
            rhs = root_of(op.operands[1]) if isinstance(op, asic.MatmulOp) else None
            sizes = [size_bytes(root) for root in moving]
            weights = operand_weights(work, sizes, [root is rhs for root in moving])
            units = [_element_bytes(root) for root in moving]
            return apportion(work.assignment.input_bytes, weights, units)
        tiles = work.cut.active_tiles
        return [part_size(count(root), tiles) * _element_bytes(root) for root in moving]


def _payload(root: SSAValue) -> SSAValue:
    """What travels when another stage needs a value: of an appended cache, the new part."""
    return root.owner.values if isinstance(root.owner, asic.KvAppendOp) else root


def _element_bytes(value: SSAValue) -> int:
    return -(-bits(value) // 8)
