"""Programs of the ``tcc`` dialect as streams of the timing engine.

| instruction | becomes |
|---|---|
| receive | POST of its channel's gate, by tiles that packets come to |
| send, multicast | SEND of the tile's packets |
| wait | a WAIT or a WAIT_SENT a token; of a reduction its steps |
| load, view | nothing: the instruction that reads them has the ports |
| reduce | POSTs and the first SENDs |
| any other | COMPUTE; before it, and before what it waits for, the operator's setup |

Channels of the host have no time: arguments are there at the start, results leave at once.
What a tile needs and holds itself it copies within its DMEM, during the next COMPUTE.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from asic_compiler.dialects import tcc
from asic_compiler.dialects.tcc.base import buffer_type
from asic_compiler.machine.pipeline import MESSAGE_INSTRUCTIONS, SETUP_INSTRUCTIONS
from asic_compiler.program.elaborate import (
    ElaboratedProgram,
    Elaboration,
    Exchange,
    elaborate,
    reduction_groups,
)
from asic_compiler.program.elements import CUTTING
from asic_compiler.simulate.timing.link.costs import Cost
from asic_compiler.simulate.timing.link.events import Event
from asic_compiler.simulate.timing.link.machine import Floats, Integers, Machine, machine_of
from asic_compiler.simulate.timing.link.packets import Packing, pack
from asic_compiler.simulate.timing.link.reduction import (
    Amounts,
    Combining,
    Sending,
    combine_scattered,
    combine_tree,
)
from asic_compiler.simulate.timing.link.text import Table, Text, Wires, make_texts, ranks
from asic_compiler.simulate.timing.link.work import Costs
from asic_compiler.simulate.timing.program import Kind, TimingProgram, Unit
from asic_compiler.workload.body_cost import stored_bits

_NOBODY = 0
"""A gate that nothing waits for: what a tile posts to that receives nothing."""


@dataclass(frozen=True, eq=False)
class Linked:
    """A timing program, and what its numbers stand for."""

    program: TimingProgram
    machine: Machine
    elaboration: Elaboration
    origin: tuple[tuple[tcc.Instruction, ...], ...]
    """Of each text, the instruction that each of its rows comes from."""
    channels: tuple[tuple[int, str], ...]
    """First number and name of each block of channels."""
    gates: tuple[tuple[int, str], ...]
    events: Floats
    """[operators, classes, events] of one period."""
    flit_hops: int
    """Flits times links, of one period."""


@dataclass(frozen=True, eq=False)
class _Line:
    """An exchange in the engine's numbers."""

    packing: Packing
    bits: int
    """Of an element."""
    channel: int
    gate: int
    first: int
    """Its first packet."""


@dataclass(frozen=True, eq=False)
class _Sum:
    """A reduction in the engine's numbers."""

    plan: Combining
    channel: int
    gate: int
    first: int


@dataclass(slots=True, eq=False)
class _Open:
    """What a program has under way while its text is written."""

    program: ElaboratedProgram
    text: Text
    own: np.ndarray
    """[tiles] Whether a tile runs it."""
    costs: dict[tcc.Instruction, Cost]
    active: dict[int, np.ndarray]
    """Tiles with work, by operator."""
    begun: dict[int, bool] = field(default_factory=dict[int, bool])
    reduced: dict[int, int] = field(default_factory=dict[int, int])
    """Reductions of each operator so far."""
    tokens: dict[SSAValue, tcc.Instruction] = field(default_factory=dict[SSAValue, tcc.Instruction])
    sums: dict[tcc.Instruction, _Sum] = field(default_factory=dict[tcc.Instruction, _Sum])
    copies: Floats | None = None
    """[tiles] Bits to copy in the next COMPUTE."""


def link(module: ModuleOp, elaboration: Elaboration | None = None) -> Linked:
    """Makes a timing program.

    Args:
        module: Verified programs.
        elaboration: Of the module, if it is there already.

    Raises:
        UserError: The module has no chip, or its programs cannot be elaborated.
    """
    return _Linker(elaboration or elaborate(module), machine_of(module)).run()


class _Linker:
    def __init__(self, elaboration: Elaboration, machine: Machine) -> None:
        self.elaboration, self.machine = elaboration, machine
        self.costs = Costs(machine, elaboration)
        self.table = Table()
        self.wires = Wires(machine)
        self.wires.add_gates(np.zeros(1, np.int64), np.zeros(1, np.int64), "nobody")
        self.message = np.ceil(MESSAGE_INSTRUCTIONS / machine.scalar_ipc).astype(np.int64)
        self.setup = np.ceil(SETUP_INSTRUCTIONS / machine.scalar_ipc).astype(np.int64)
        instructions = [op for p in elaboration.programs for op in p.instructions]
        self.operators = 1 + max((op.position for op in instructions), default=0)
        self.events = np.zeros((self.operators, machine.classes, len(Event)))
        self.flit_hops = 0
        self.packings: dict[int, Packing] = {}
        self.lines: dict[int, _Line] = {}
        self.sums: dict[tuple[int, int], _Sum] = {}
        self.counted: dict[tuple[int, int], tuple[Floats, Cost]] = {}
        self.plans: dict[tuple[object, ...], tuple[Combining, object]] = {}

    def run(self) -> Linked:
        """The whole module."""
        texts: list[Text] = []
        for program in self.elaboration.programs:
            text = Text(self.machine.tiles_at(program.tiles), self.table)
            self._write(program, text)
            texts.append(text)
        text_of, rank = ranks(self.machine, texts)
        program = TimingProgram(
            mesh=self.machine.mesh,
            texts=make_texts(texts, self.table),
            text_of_tile=text_of,
            rank_of_tile=rank,
            packets=self.wires.make_packets(),
            targets=self.wires.make_targets(),
            gates=self.wires.make_gates(),
            channels=self.wires.channel_count,
            operators=self.operators,
            final_operator=self.operators - 1,
        )
        return Linked(
            program=program,
            machine=self.machine,
            elaboration=self.elaboration,
            origin=tuple(tuple(text.origin) for text in texts),
            channels=tuple(self.wires.channel_names),
            gates=tuple(self.wires.gate_names),
            events=self.events,
            flit_hops=self.flit_hops,
        )

    def _write(self, program: ElaboratedProgram, text: Text) -> None:
        own = np.zeros(self.machine.tiles, dtype=np.bool_)
        own[text.tiles] = True
        costs: dict[tcc.Instruction, Cost] = {}
        active: dict[int, np.ndarray] = {}
        for op in program.instructions:
            if isinstance(op, (*CUTTING, tcc.KvAppendOp)):
                costs[op] = self.costs.of(program, op)
                busy = costs[op].active & own
                active[op.position] = active.get(op.position, busy) | busy
        state = _Open(program, text, own, costs, active)
        for op in program.instructions:
            for value in op.results:
                if value.type == tcc.TOKEN:
                    state.tokens[value] = op
            match op:
                case tcc.ReceiveOp():
                    self._receive(state, op)
                case tcc.SendOp() | tcc.MulticastOp():
                    self._send(state, op)
                case tcc.WaitOp():
                    self._wait(state, op)
                case tcc.ReduceOp():
                    self._reduce(state, op)
                case _ if op in costs:
                    self._begin(state, op)
                    self._compute(state, op, costs[op])
                case _:
                    pass

    # Computation.

    def _begin(self, state: _Open, op: tcc.Instruction) -> None:
        """The setup of an operator, once."""
        if op.position in state.begun or op.position not in state.active:
            return
        state.begun[op.position] = True
        active = state.active[op.position]
        state.text.add(Kind.COMPUTE, Unit.ISSUE, op, np.where(active, self.setup, 0))
        self._scalar(state, op, np.where(active, SETUP_INSTRUCTIONS, 0.0))

    def _compute(self, state: _Open, op: tcc.Instruction, cost: Cost) -> None:
        bits = cost.port
        if state.copies is not None:
            bits = bits + state.copies
            state.copies = None
        port = np.ceil(bits / self.machine.vlen).astype(np.int64)
        state.text.add(Kind.COMPUTE, cost.unit, op, cost.cycles, port)
        key = (id(cost), id(state.program))
        if key not in self.counted:
            self.counted[key] = cost.events(state.own), cost
        self._events(state, op)[:] += self.counted[key][0]

    def _events(self, state: _Open, op: tcc.Instruction) -> Floats:
        """[events] of an operator on the tiles of a program: all are of one class."""
        return self.events[op.position, state.program.op.tile_class.value.data]

    def _scalar(self, state: _Open, op: tcc.Instruction, count: Integers | Floats) -> None:
        """Counts scalar instructions, given for each tile."""
        self._events(state, op)[Event.INSTRUCTIONS] += float(count[state.own].sum())

    # Transfers.

    def _line(self, op: tcc.Instruction) -> _Line | None:
        """The exchange of a transfer; None for one with the host."""
        exchange = self.elaboration.exchange_of[op]
        if id(exchange) in self.lines:
            return self.lines[id(exchange)]
        routes = exchange.routes
        if exchange.channel.host is not None:
            return None
        if id(routes) not in self.packings:
            self.packings[id(routes)] = pack(self.machine, routes)
        packing = self.packings[id(routes)]
        name = _name(exchange)
        wires = self.wires
        need = np.array([np.count_nonzero(packing.awaited)])
        free = np.array([exchange.channel.depth - 1])
        gate = wires.add_gates(need, np.array([packing.credit_cycles]), name, free)
        channel = wires.add_channels(1, name)
        bits = stored_bits(exchange.channel.tensor.element_type)
        targets = np.array([wires.target(s) for s in packing.sets], dtype=np.int64)
        chosen = targets[packing.target] if len(packing.target) else packing.target
        first = wires.add_packets(packing.elements * bits, channel, gate, chosen)
        line = _Line(packing, bits, channel, gate, first)
        self.lines[id(exchange)] = line
        payload = packing.elements * bits
        self._count_ways(op, packing.source, payload, packing.hops, packing.crossings)
        return line

    def _count_ways(
        self,
        op: tcc.Instruction,
        source: Integers,
        bits: Integers,
        hops: Integers,
        crossings: Integers,
    ) -> None:
        """Counts what links carry, for the class of the sender."""
        kind = self.machine.mesh.tile_class[source]
        for event, ways in ((Event.HOP_BITS, hops), (Event.CROSSING_BITS, crossings)):
            amount = np.bincount(kind, bits * ways, minlength=self.machine.classes)
            self.events[op.position, :, event] += amount
        flits = np.maximum(-(-bits // self.machine.flit_bits), 1)
        self.flit_hops += int((flits * hops).sum())

    def _receive(self, state: _Open, op: tcc.ReceiveOp) -> None:
        line = self._line(op)
        if line is None:
            return
        comes = line.packing.awaited > 0
        gate = np.where(comes, line.gate, _NOBODY)
        if (comes & state.own).any():
            state.text.add(Kind.POST, Unit.ISSUE, op, np.where(comes, self.message, 0), gate)
        self._scalar(state, op, np.where(comes, MESSAGE_INSTRUCTIONS, 0.0))
        bits = line.packing.arrived * line.bits
        self._arrive(state, op, bits)

    def _arrive(self, state: _Open, op: tcc.Instruction, bits: Integers | Floats) -> None:
        amount = float(bits[state.own].sum())
        events = self._events(state, op)
        events[Event.DMEM_BITS] += amount
        events[Event.LOCAL_BITS] += amount

    def _leave(self, state: _Open, op: tcc.Instruction, bits: Integers | Floats) -> None:
        amount = float(bits[state.own].sum())
        events = self._events(state, op)
        events[Event.DMEM_BITS] += amount
        events[Event.LOCAL_BITS] += amount

    def _send(self, state: _Open, op: tcc.SendOp | tcc.MulticastOp) -> None:
        line = self._line(op)
        if line is None:
            return
        packing = line.packing
        sends = packing.count > 0
        state.text.add(
            Kind.SEND,
            Unit.ISSUE,
            op,
            np.where(sends, self.message, 0),
            np.where(sends, line.first + packing.first, 0),
            packing.count,
        )
        self._scalar(state, op, np.where(sends, MESSAGE_INSTRUCTIONS, 0.0))
        bits = np.bincount(
            packing.source, packing.elements * line.bits, minlength=self.machine.tiles
        )
        self._leave(state, op, bits)

    def _wait(self, state: _Open, op: tcc.WaitOp) -> None:
        for token in op.tokens:
            started = state.tokens[token]
            match started:
                case tcc.ReceiveOp():
                    self._wait_arrival(state, op, started)
                case tcc.ReduceOp():
                    self._finish_reduction(state, op, started)
                case _:
                    line = self._line(started)
                    if line is not None:
                        sent = Sending(line.packing.first, line.packing.count)
                        self._wait_sent(state, op, sent, line.first)

    def _wait_arrival(self, state: _Open, op: tcc.WaitOp, receive: tcc.ReceiveOp) -> None:
        self._begin(state, op)
        line = self._line(receive)
        if line is None:
            return
        state.text.add(Kind.WAIT, Unit.ISSUE, op, 0, line.channel, line.packing.awaited)
        copied = 2.0 * line.bits * line.packing.copied
        if copied[state.own].any():
            state.copies = copied if state.copies is None else state.copies + copied
            self._events(state, op)[Event.DMEM_BITS] += float(copied[state.own].sum())

    def _wait_sent(self, state: _Open, op: tcc.WaitOp, sent: Sending, first: int) -> None:
        at = np.where(sent.count > 0, first + sent.first, 0)
        state.text.add(Kind.WAIT_SENT, Unit.ISSUE, op, 0, at, sent.count)

    # Reductions.

    def _reduce(self, state: _Open, op: tcc.ReduceOp) -> None:
        total = self._sum(state, op)
        state.sums[op] = total
        plan = total.plan
        # The messages are started one by one, and counted with the first POST.
        cycles = np.where(plan.receives > 0, self.message * plan.receives, 0)
        for gates in plan.posts:
            posted = np.where(gates >= 0, total.gate + gates, _NOBODY)
            if (gates[state.own] >= 0).any():
                state.text.add(Kind.POST, Unit.ISSUE, op, cycles, posted)
                cycles = np.zeros_like(cycles)
        for sending in plan.start:
            self._send_part(state, op, total, sending)
        self._scalar(state, op, MESSAGE_INSTRUCTIONS * (plan.receives + plan.all_sent.count))
        self._leave(state, op, plan.sent_bits)
        self._arrive(state, op, plan.received_bits)

    def _send_part(self, state: _Open, op: tcc.Instruction, total: _Sum, sending: Sending) -> None:
        sends = sending.count > 0
        state.text.add(
            Kind.SEND,
            Unit.ISSUE,
            op,
            self.message * sending.count,
            np.where(sends, total.first + sending.first, 0),
            sending.count,
        )

    def _finish_reduction(self, state: _Open, op: tcc.WaitOp, reduce: tcc.ReduceOp) -> None:
        total = state.sums[reduce]
        for step in total.plan.steps:
            channel = total.channel + step.channel
            state.text.add(Kind.WAIT, Unit.ISSUE, op, 0, channel, step.count)
            self._compute(state, op, step.cost)
            if step.then is not None:
                self._send_part(state, op, total, step.then)
        self._wait_sent(state, op, total.plan.all_sent, total.first)

    def _sum(self, state: _Open, op: tcc.ReduceOp) -> _Sum:
        """The reduction that an instruction takes part in; other programs have it as well."""
        order = state.reduced.get(op.position, 0)
        state.reduced[op.position] = order + 1
        key = (op.position, order)
        if key not in self.sums:
            plan = self._plan(state, op)
            wires, name = self.wires, f"the reduction of operator {op.position}"
            gate = wires.add_gates(np.ones_like(plan.credit_cycles), plan.credit_cycles, name)
            channel = wires.add_channels(plan.channels, name)
            first = wires.add_packets(
                plan.bits, channel + plan.channel, gate + plan.gate, -1 - plan.target
            )
            self.sums[key] = _Sum(plan, channel, gate, first)
            self._count_ways(op, plan.target, plan.bits, plan.hops, plan.crossings)
        return self.sums[key]

    def _plan(self, state: _Open, op: tcc.ReduceOp) -> Combining:
        partial, result = op.partials[0], op.res[0]
        before = state.program.parts[state.program.root[partial]]
        after = state.program.parts[result]
        bits = sum(stored_bits(buffer_type(value).element_type) for value in op.partials)
        result_bits = sum(stored_bits(buffer_type(value).element_type) for value in op.res)
        scatter = op.scatter is not None
        along = op.along.data
        key = (op.cut, along, scatter, id(before), id(after), bits, result_bits)
        if key not in self.plans:
            groups = [self.machine.tiles_at(g) for g in reduction_groups(op.cut, along)]
            amounts = Amounts(self.costs.sizes(before), self.costs.sizes(after), bits, result_bits)
            make = combine_scattered if scatter else combine_tree
            self.plans[key] = make(self.machine, groups, amounts), (before, after)
        return self.plans[key][0]


def _name(exchange: Exchange) -> str:
    name = f"@{exchange.channel.sym_name.data}"
    return name if exchange.piece is None else f"{name} piece {list(exchange.piece)}"
