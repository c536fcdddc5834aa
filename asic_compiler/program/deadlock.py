"""Whether all programs of a module always come to their end: safe, deadlocks, or cannot decide.

Programs run in order and only ``tcc.wait`` stops. What it waits for never goes away once it is
there (a transfer that was started stays started), so the order in which programs take turns does
not matter: one run tells for all. A receive is complete when every sender has started its send and
every receiver its receive (the credit); a send when every receiver has started; a reduction when
the whole group has.

The run is done first with whole programs: a program counts as waiting as soon as any of its tiles
might. If that comes to an end, so does the machine. If not, it is repeated tile by tile, which is
exact, unless the mesh is too large for that.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from asic_compiler.diagnostics import SourceLocation
from asic_compiler.dialects import tcc
from asic_compiler.dialects.location import location_of
from asic_compiler.program.elaborate import Elaboration, Exchange, reduction_groups
from asic_compiler.program.parts import Place

MOST_STEPS = 20_000_000
"""Instructions times tiles that a run tile by tile is tried for."""

Agent: TypeAlias = Hashable
"""A program's position, or a tile."""


@dataclass(frozen=True, slots=True)
class Safe:
    """Every program ends."""


@dataclass(frozen=True, slots=True)
class BlockedProgram:
    """Where a program, or one of its tiles, stands, and what it waits for."""

    program: str
    tile: Place | None
    location: SourceLocation | None
    waits_for: str


@dataclass(frozen=True, slots=True)
class Deadlocks:
    """These wait for one another; the last waits for the first."""

    cycle: tuple[BlockedProgram, ...]


@dataclass(frozen=True, slots=True)
class CannotDecide:
    """Whole programs wait for one another, and there are too many tiles to look at each."""

    cycle: tuple[BlockedProgram, ...]


Verdict: TypeAlias = Safe | Deadlocks | CannotDecide


@dataclass(slots=True)
class _Transfer:
    """What agents a transfer still lacks."""

    name: str
    posts: set[Agent]
    """That have not granted their credit."""
    sources: dict[Agent, set[Agent]]
    """By receiver, senders that have not started."""


def check_deadlock(elaboration: Elaboration) -> Verdict:
    """Runs the programs of a module without their data."""
    stuck = _run(_of_programs(elaboration))
    if not stuck:
        return Safe()
    steps = sum(len(p.instructions) * len(p.tiles) for p in elaboration.programs)
    if steps > MOST_STEPS:
        return CannotDecide(stuck)
    stuck = _run(_of_tiles(elaboration))
    return Deadlocks(stuck) if stuck else Safe()


@dataclass(slots=True)
class _Machine:
    """Agents, their instructions, and what these start and wait for."""

    texts: dict[Agent, tuple[tcc.Instruction, ...]]
    names: dict[Agent, tuple[str, Place | None]]
    starts: dict[tuple[Agent, tcc.Instruction], _Transfer]
    """By agent and send, receive or reduce; absent where the agent takes no part."""


def _of_programs(elaboration: Elaboration) -> _Machine:
    texts: dict[Agent, tuple[tcc.Instruction, ...]] = {}
    names: dict[Agent, tuple[str, Place | None]] = {}
    starts: dict[tuple[Agent, tcc.Instruction], _Transfer] = {}
    for index, program in enumerate(elaboration.programs):
        texts[index], names[index] = program.instructions, (program.name, None)
    for exchange in elaboration.exchanges:
        senders, receivers = tuple(exchange.sends), tuple(exchange.receives)
        transfer = _Transfer(_name(exchange), set(receivers), {r: set(senders) for r in receivers})
        for index, op in (*exchange.sends.items(), *exchange.receives.items()):
            starts[index, op] = transfer
    groups: dict[int, list[tuple[int, tcc.ReduceOp]]] = {}
    for index, program in enumerate(elaboration.programs):
        for op in program.instructions:
            if isinstance(op, tcc.ReduceOp):
                groups.setdefault(op.position, []).append((index, op))
    for position, members in groups.items():
        all_members: set[Agent] = {index for index, _ in members}
        transfer = _Transfer(f"the reduction of operator {position}", set(all_members), {})
        for index, op in members:
            starts[index, op] = transfer
    return _Machine(texts, names, starts)


def _of_tiles(elaboration: Elaboration) -> _Machine:
    texts: dict[Agent, tuple[tcc.Instruction, ...]] = {}
    names: dict[Agent, tuple[str, Place | None]] = {}
    starts: dict[tuple[Agent, tcc.Instruction], _Transfer] = {}
    for program in elaboration.programs:
        for tile in program.tiles:
            texts[tile], names[tile] = program.instructions, (program.name, tile)
    own = {tile: i for i, p in enumerate(elaboration.programs) for tile in p.tiles}
    for exchange in elaboration.exchanges:
        _add_exchange(exchange, own, starts)
    reductions: dict[int, dict[int, tcc.ReduceOp]] = {}
    for index, program in enumerate(elaboration.programs):
        for op in program.instructions:
            if isinstance(op, tcc.ReduceOp):
                reductions.setdefault(op.position, {})[index] = op
    for position, ops in reductions.items():
        first = next(iter(ops.values()))
        for group in reduction_groups(first.cut, first.along.data):
            members = [tile for tile in group if own.get(tile) in ops]
            transfer = _Transfer(f"the reduction of operator {position}", set(members), {})
            for tile in members:
                starts[tile, ops[own[tile]]] = transfer
    return _Machine(texts, names, starts)


def _add_exchange(
    exchange: Exchange,
    own: Mapping[Place, int],
    starts: dict[tuple[Agent, tcc.Instruction], _Transfer],
) -> None:
    routes = exchange.routes
    host = not exchange.sends or not exchange.receives
    receivers: dict[Place, set[Place]] = {}
    senders: set[Place] = set()
    if not host:
        for need in routes.needs:
            owners = {routes.senders[int(owner)] for owner in need.owners}
            for receiver in need.receivers:
                tile = routes.receivers[int(receiver)]
                receivers[tile] = owners - {tile}
                senders |= receivers[tile]
    sources: dict[Agent, set[Agent]] = {tile: set(froms) for tile, froms in receivers.items()}
    transfer = _Transfer(_name(exchange), set(receivers), sources)
    for tile in senders:
        if own[tile] in exchange.sends:
            starts[tile, exchange.sends[own[tile]]] = transfer
    for tile in receivers:
        if own.get(tile) in exchange.receives:
            starts[tile, exchange.receives[own[tile]]] = transfer


def _name(exchange: Exchange) -> str:
    piece = "" if exchange.piece is None else f" piece {list(exchange.piece)}"
    return f"@{exchange.channel.sym_name.data}{piece}"


def _run(machine: _Machine) -> tuple[BlockedProgram, ...]:
    """Lets every agent run until nothing moves; a cycle of those that wait, empty if none do."""
    at = dict.fromkeys(machine.texts, 0)
    moved = True
    while moved:
        moved = False
        for agent, text in machine.texts.items():
            while at[agent] < len(text):
                op = text[at[agent]]
                if isinstance(op, tcc.WaitOp):
                    if any(True for _ in _lacking(machine, agent, op)):
                        break
                else:
                    _start(machine, agent, op)
                at[agent] += 1
                moved = True
    waiting = {agent: i for agent, i in at.items() if i < len(machine.texts[agent])}
    return _cycle(machine, waiting) if waiting else ()


def _start(machine: _Machine, agent: Agent, op: tcc.Instruction) -> None:
    transfer = machine.starts.get((agent, op))
    if transfer is None:
        return
    if isinstance(op, tcc.ReceiveOp | tcc.ReduceOp):
        transfer.posts.discard(agent)
    else:
        for sources in transfer.sources.values():
            sources.discard(agent)


def _lacking(
    machine: _Machine, agent: Agent, op: tcc.WaitOp
) -> Iterable[tuple[_Transfer, Iterable[Agent]]]:
    """The transfers that a wait still waits for, and for whom."""
    for token in op.tokens:
        owner = token.owner
        if not isinstance(owner, tcc.Instruction):
            continue
        transfer = machine.starts.get((agent, owner))
        if transfer is None:
            continue
        missing: list[Agent] = list(transfer.posts)
        if isinstance(owner, tcc.ReceiveOp):
            missing += transfer.sources.get(agent, ())
        if missing:
            yield transfer, missing


def _cycle(machine: _Machine, waiting: Mapping[Agent, int]) -> tuple[BlockedProgram, ...]:
    """Follows who waits for whom until someone comes again."""
    agent = next(iter(waiting))
    path: list[Agent] = []
    found: dict[Agent, BlockedProgram] = {}
    while agent not in found:
        path.append(agent)
        op = machine.texts[agent][waiting[agent]]
        assert isinstance(op, tcc.WaitOp)
        transfer, missing = next(iter(_lacking(machine, agent, op)))
        name, tile = machine.names[agent]
        found[agent] = BlockedProgram(name, tile, location_of(op), transfer.name)
        stuck = sorted((m for m in missing if m in waiting), key=str)
        if not stuck:  # it waits for an instruction that no program has
            return (found[agent],)
        agent = stuck[0]
    return tuple(found[a] for a in path[path.index(agent) :])
