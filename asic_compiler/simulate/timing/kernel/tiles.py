"""Tiles: one instruction after the other."""

from __future__ import annotations

from asic_compiler.simulate.timing.kernel.calendar import push
from asic_compiler.simulate.timing.kernel.ports import post, send, unsent
from asic_compiler.simulate.timing.kernel.state import (
    AWAIT_DATA,
    AWAIT_SENT,
    COMPUTE,
    EXECUTE,
    FETCH,
    FINISHED,
    POST,
    RESUME,
    SEND,
    TILE,
    WAIT,
    State,
    inlined,
)


@inlined
def _arrived(s: State, now: int, tile: int) -> int:
    """Cycles of the DMEM port that arrivals have taken until `now`."""
    busy = s.eject[tile].busy - max(0, s.eject[tile].free - now)
    return busy * s.site[tile].eject_bits // s.site[tile].dmem_bits


@inlined
def _operand(s: State, at: int, column: int, rank: int) -> int:
    row = s.row[at, column]
    return s.operands[at, column] if row < 0 else s.table[row + rank]


@inlined
def _fetch(s: State, now: int, tile: int) -> int:
    """Begins an instruction. Returns its cycles, or -1 when the tile has finished."""
    last = s.site[tile].last
    if s.core[tile].pc == last:
        s.core[tile].period += 1
        empty = s.site[tile].first == last
        if empty or s.core[tile].period >= s.queue.control[0].periods:
            s.core[tile].phase = FINISHED
            s.core[tile].finish = now
            return -1
        s.core[tile].pc = s.site[tile].first
    at, rank = s.core[tile].pc, s.site[tile].rank
    cycles = _operand(s, at, 0, rank)
    s.core[tile].a = _operand(s, at, 1, rank)
    s.core[tile].b = _operand(s, at, 2, rank)
    s.core[tile].began = now
    s.core[tile].phase = EXECUTE
    s.busy[tile, s.code[at].unit] += cycles
    if s.code[at].kind == COMPUTE:
        s.core[tile].arrived = _arrived(s, now, tile)
    period, operator = s.core[tile].period, s.code[at].operator
    if now < s.spans[period, operator, 0]:
        s.spans[period, operator, 0] = now
    s.queue.control[0].instructions += 1
    return cycles


@inlined
def _compute(s: State, now: int, tile: int) -> bool:
    """Has a computation had its cycles of the DMEM port?"""
    arrivals = _arrived(s, now, tile) - s.core[tile].arrived
    excess = s.core[tile].a + arrivals - (now - s.core[tile].began)
    if excess > 0:
        s.core[tile].stall_dmem += excess
        push(s.queue, now + excess, TILE, 0, tile, 0)
        return False
    s.core[tile].dmem += s.core[tile].a
    return True


@inlined
def _wait(s: State, now: int, tile: int) -> bool:
    """Are the arrivals there that the tile's instruction waits for?"""
    if s.core[tile].b == 0:
        return True
    counter = s.channel_base[s.core[tile].a] + tile
    unused = s.counters[counter].unused
    if unused == 0:
        s.eject[tile].waiting = counter
        s.core[tile].since = now
        s.core[tile].phase = AWAIT_DATA
        return False
    s.counters[counter].unused = unused - 1
    oldest = s.counters[counter].complete - unused
    done = s.ready[counter, oldest % s.queue.control[0].remembered]
    if done <= now:
        return True
    s.core[tile].stall_data += done - now
    s.core[tile].phase = RESUME
    push(s.queue, done, TILE, 0, tile, 0)
    return False


@inlined
def _execute(s: State, now: int, tile: int) -> bool:
    """What an instruction does after its cycles. False when the tile has to wait."""
    kind = s.code[s.core[tile].pc].kind
    if kind == COMPUTE:
        return _compute(s, now, tile)
    if kind == WAIT:
        return _wait(s, now, tile)
    if kind == POST:
        post(s, now, s.core[tile].a, s.core[tile].period)
    elif kind == SEND:
        if s.core[tile].b > 0:
            send(s, now, tile)
    elif unsent(s, tile):
        s.core[tile].since = now
        s.core[tile].phase = AWAIT_SENT
        return False
    return True


@inlined
def _retire(s: State, now: int, tile: int) -> None:
    at, period = s.core[tile].pc, s.core[tile].period
    s.spans[period, s.code[at].operator, 1] = now  # time never goes back: the last is the latest
    if s.site[tile].log >= 0:
        length = s.site[tile].last - s.site[tile].first
        entry = s.site[tile].log + period * length + at - s.site[tile].first
        s.log[entry, 0] = s.core[tile].began
        s.log[entry, 1] = now
    s.core[tile].pc = at + 1
    s.core[tile].phase = FETCH


@inlined
def run_tile(s: State, now: int, tile: int) -> None:
    """A tile goes on until something takes time."""
    while True:
        if s.core[tile].phase == FETCH:
            cycles = _fetch(s, now, tile)
            if cycles < 0:
                return
            if cycles > 0:
                push(s.queue, now + cycles, TILE, 0, tile, 0)
                return
        if s.core[tile].phase == EXECUTE and not _execute(s, now, tile):
            return
        _retire(s, now, tile)
