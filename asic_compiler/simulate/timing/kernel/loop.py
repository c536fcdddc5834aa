"""The event loop."""

from __future__ import annotations

from asic_compiler.simulate.timing.kernel.calendar import next_cycle, push
from asic_compiler.simulate.timing.kernel.layout import (
    DONE,
    FETCH,
    GROW_EVENTS,
    GROW_SENDS,
    MASK,
    MORE,
    NORTH,
    PORT,
    TILE,
    State,
    entry,
)
from asic_compiler.simulate.timing.kernel.network import at_router
from asic_compiler.simulate.timing.kernel.ports import open_gate, port_free
from asic_compiler.simulate.timing.kernel.tiles import run_tile


@entry
def start(s: State) -> None:
    """Schedules the first event of every tile that has a text."""
    for tile in range(len(s.core)):
        if s.core[tile].phase == FETCH:
            push(s.queue, 0, TILE, 0, tile, 0)


@entry
def advance(s: State, limit: int, spare_events: int, spare_sends: int) -> int:
    """Handles at most `limit` events; an event needs no more than the spare nodes.

    Returns:
        ``DONE`` when there is no event left, ``MORE`` after the limit, or why it cannot go on.
    """
    q = s.queue
    for _ in range(limit):
        now = q.control[0].now
        node = q.wheel[now & MASK].head
        if node == 0:
            if not next_cycle(q):
                return DONE
            now = q.control[0].now
            node = q.wheel[now & MASK].head
        if q.control[0].free_events < spare_events:
            return GROW_EVENTS
        if q.control[0].free_sends < spare_sends:
            return GROW_SENDS
        what, where, source = q.events[node].what, q.events[node].where, q.events[node].source
        q.wheel[now & MASK].head = q.events[node].next
        q.control[0].pending_0 -= 1
        q.events[node].next = q.control[0].free_event
        q.control[0].free_event = node
        q.control[0].free_events += 1
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
