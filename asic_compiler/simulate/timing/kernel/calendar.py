"""A calendar queue of three wheels: scheduling and taking out at O(1) an event.

The wheels have 4,096 buckets each: cycles of the current window of 4,096, windows of the current
2^24 cycles, and what is beyond, up to 2^36 cycles. Windows are aligned, and a window's bucket is
dealt out when time enters it, before anything can be scheduled into it directly: so events of one
cycle keep the order in which they were scheduled.

A bucket is a list of chunks of 15 events, first in first out. In a list of single events each
would lie on a cache line of its own, long evicted when its time comes. A chunk has 16 places, so
that its end is not the beginning of another chunk.
"""

from __future__ import annotations

from asic_compiler.simulate.timing.kernel.state import (
    BITS,
    CHUNK,
    END,
    MASK,
    TOO_LONG,
    Queue,
    compiled,
    inlined,
)


@inlined
def _room(q: Queue, bucket: int) -> int:
    """A place at the end of a bucket. An empty bucket has equal ends, both ``END``."""
    at = q.wheel[bucket].tail
    if at & END == END:
        chunk = q.control[0].free_chunk
        q.control[0].free_chunk = q.chunks[chunk]
        q.control[0].free_chunks -= 1
        if q.wheel[bucket].head == at:
            q.wheel[bucket].head = chunk * CHUNK
        else:
            q.chunks[at // CHUNK] = chunk
        at = chunk * CHUNK
    q.wheel[bucket].tail = at + 1
    return at


@inlined
def take(q: Queue, bucket: int) -> int:
    """The place of the first event of a bucket; it may be overwritten by the next `push`."""
    at = q.wheel[bucket].head
    after = at + 1
    empty = after == q.wheel[bucket].tail
    if empty or after & END == END:
        chunk = at // CHUNK
        if empty:
            q.wheel[bucket].tail = after = END
        else:
            after = q.chunks[chunk] * CHUNK
        q.chunks[chunk] = q.control[0].free_chunk
        q.control[0].free_chunk = chunk
        q.control[0].free_chunks += 1
    q.wheel[bucket].head = after
    return at


@compiled
def _room_far(q: Queue, time: int) -> int:
    """A place for an event that is not in the current window."""
    now = q.control[0].now
    if time >> 2 * BITS == now >> 2 * BITS:
        at = _room(q, (1 << BITS) + (time >> BITS & MASK))
        q.control[0].pending_1 += 1
    else:
        at = _room(q, (2 << BITS) + (time >> 2 * BITS & MASK))
        q.control[0].pending_2 += 1
        if (time >> 2 * BITS) - (now >> 2 * BITS) > MASK:
            q.control[0].status = TOO_LONG
    q.times[at] = time
    return at


@inlined
def push(q: Queue, time: int, event: int, where: int, what: int, source: int) -> None:
    """Schedules an event."""
    _put(q, time, where << 3 | event, what, source)


@inlined
def _put(q: Queue, time: int, where: int, what: int, source: int) -> None:
    if time >> BITS == q.control[0].now >> BITS:
        at = _room(q, time & MASK)
        q.control[0].pending_0 += 1
    else:
        at = _room_far(q, time)
    q.events[at].what = what
    q.events[at].where = where
    q.events[at].source = source


@compiled
def _deal(q: Queue, bucket: int) -> int:
    """Hands the events of a far bucket to nearer ones, in their order. Returns their number."""
    number = 0
    while q.wheel[bucket].head != q.wheel[bucket].tail:
        at = take(q, bucket)
        where, what, source = q.events[at].where, q.events[at].what, q.events[at].source
        _put(q, q.times[at], where, what, source)
        number += 1
    return number


@compiled
def _first(q: Queue, wheel: int, start: int) -> int:
    """Number of the first window from `start` on that has events."""
    window = start
    while True:
        bucket = (wheel << BITS) + (window & MASK)
        if q.wheel[bucket].head != q.wheel[bucket].tail:
            return window
        window += 1


@compiled
def next_cycle(q: Queue) -> bool:
    """Moves time to the next cycle that has an event. False when there is none."""
    if q.control[0].pending_0 == 0 and q.control[0].pending_1 == 0:
        if q.control[0].pending_2 == 0:
            return False
        far = _first(q, 2, q.control[0].now >> 2 * BITS)
        q.control[0].now = far << 2 * BITS
        q.control[0].pending_2 -= _deal(q, (2 << BITS) + (far & MASK))
    if q.control[0].pending_0 == 0:
        window = _first(q, 1, q.control[0].now >> BITS)
        q.control[0].now = window << BITS
        q.control[0].pending_1 -= _deal(q, (1 << BITS) + (window & MASK))
    q.control[0].now = _first(q, 0, q.control[0].now)
    return True
