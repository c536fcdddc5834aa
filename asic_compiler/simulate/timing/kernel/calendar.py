"""A calendar queue of three wheels: scheduling and taking out at O(1) an event.

The wheels have 4,096 buckets each: cycles of the current window of 4,096, windows of the current
2^24 cycles, and what is beyond, up to 2^36 cycles. A bucket is a list, first in first out. Windows
are aligned, and a window's list is dealt out when time enters it, before anything can be scheduled
into it directly: so events of one cycle keep the order in which they were scheduled.
"""

from __future__ import annotations

from asic_compiler.simulate.timing.kernel.layout import (
    BITS,
    MASK,
    TOO_LONG,
    Queue,
    compiled,
    inlined,
)


@inlined
def _append(q: Queue, bucket: int, node: int) -> None:
    """Puts an event at the end of a bucket."""
    if q.wheel[bucket].head == 0:
        q.wheel[bucket].head = node
    else:
        q.events[q.wheel[bucket].tail].next = node
    q.wheel[bucket].tail = node
    q.events[node].next = 0


@compiled
def _place_far(q: Queue, time: int, node: int) -> None:
    """Puts an event that is not in the current window into a bucket."""
    now = q.control[0].now
    q.far[node] = time
    if time >> 2 * BITS == now >> 2 * BITS:
        _append(q, (1 << BITS) + (time >> BITS & MASK), node)
        q.control[0].pending_1 += 1
        return
    _append(q, (2 << BITS) + (time >> 2 * BITS & MASK), node)
    q.control[0].pending_2 += 1
    if (time >> 2 * BITS) - (now >> 2 * BITS) > MASK:
        q.control[0].status = TOO_LONG


@inlined
def _place(q: Queue, time: int, node: int) -> None:
    if time >> BITS == q.control[0].now >> BITS:
        _append(q, time & MASK, node)
        q.control[0].pending_0 += 1
    else:
        _place_far(q, time, node)


@inlined
def push(q: Queue, time: int, event: int, where: int, what: int, source: int) -> None:
    """Schedules an event."""
    node = q.control[0].free_event
    q.control[0].free_event = q.events[node].next
    q.control[0].free_events -= 1
    q.events[node].what = what
    q.events[node].where = where << 3 | event
    q.events[node].source = source
    _place(q, time, node)


@compiled
def _deal(q: Queue, bucket: int) -> None:
    """Hands the events of a far bucket to nearer ones, in their order."""
    node = q.wheel[bucket].head
    q.wheel[bucket].head = 0
    while node != 0:
        after = q.events[node].next
        if bucket >> BITS == 1:
            q.control[0].pending_1 -= 1
        else:
            q.control[0].pending_2 -= 1
        _place(q, q.far[node], node)
        node = after


@compiled
def next_cycle(q: Queue) -> bool:
    """Moves time to the next cycle that has an event. False when there is none."""
    if q.control[0].pending_0 == 0 and q.control[0].pending_1 == 0:
        if q.control[0].pending_2 == 0:
            return False
        far = q.control[0].now >> 2 * BITS
        while q.wheel[(2 << BITS) + (far & MASK)].head == 0:
            far += 1
        q.control[0].now = far << 2 * BITS
        _deal(q, (2 << BITS) + (far & MASK))
    if q.control[0].pending_0 == 0:
        window = q.control[0].now >> BITS
        while q.wheel[(1 << BITS) + (window & MASK)].head == 0:
            window += 1
        q.control[0].now = window << BITS
        _deal(q, (1 << BITS) + (window & MASK))
    now = q.control[0].now
    while q.wheel[now & MASK].head == 0:
        now += 1
    q.control[0].now = now
    return True
