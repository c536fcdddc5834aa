"""The event loop."""

from __future__ import annotations

from asic_compiler.simulate.timing.kernel.calendar import next_cycle, push, take
from asic_compiler.simulate.timing.kernel.network import at_router
from asic_compiler.simulate.timing.kernel.ports import open_gate, port_free
from asic_compiler.simulate.timing.kernel.state import (
    DONE,
    FETCH,
    GROW_CHUNKS,
    GROW_SENDS,
    MASK,
    MORE,
    NORTH,
    PORT,
    TILE,
    State,
    entry,
)
from asic_compiler.simulate.timing.kernel.tiles import run_tile


@entry
def start(s: State) -> None:
    """Schedules the first event of every tile that has a text."""
    for tile in range(len(s.core)):
        if s.core[tile].phase == FETCH:
            push(s.queue, 0, TILE, 0, tile, 0)


@entry
def advance(s: State, limit: int, spare_chunks: int, spare_sends: int) -> int:
    """Handles at most `limit` events; one needs no more than the spare chunks and SENDs.

    Returns:
        ``DONE`` when there is no event left, ``MORE`` after the limit, or why it cannot go on.
    """
    q = s.queue
    for _ in range(limit):
        # Moving time on deals out events, which may each begin a chunk as well.
        if q.control[0].free_chunks < spare_chunks:
            return GROW_CHUNKS
        if q.control[0].free_sends < spare_sends:
            return GROW_SENDS
        now = q.control[0].now
        if q.wheel[now & MASK].head == q.wheel[now & MASK].tail:
            if not next_cycle(q):
                return DONE
            now = q.control[0].now
        at = take(q, now & MASK)
        q.control[0].pending_0 -= 1
        what, where, source = q.events[at].what, q.events[at].where, q.events[at].source
        event = where & 7
        if event <= NORTH:
            q.control[0].heads += 1
            at_router(s, now, what, source, where >> 3, event)
        elif event == TILE:
            run_tile(s, now, what)
        elif event == PORT:
            port_free(s, now, what)
        else:
            open_gate(s, now, what)
        if q.control[0].status != DONE:
            return q.control[0].status
    return MORE
