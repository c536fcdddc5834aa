"""Heads at routers, on links and at ejection ports."""

from __future__ import annotations

from asic_compiler.simulate.timing.kernel.calendar import push
from asic_compiler.simulate.timing.kernel.state import (
    EAST,
    INJECTED,
    NORTH,
    OVERRUN,
    RESUME,
    SOUTH,
    TILE,
    WEST,
    State,
    compiled,
    inlined,
)
from asic_compiler.simulate.timing.program import FULL_RATE


@compiled
def _complete(s: State, done: int, tile: int, counter: int, channel: int) -> None:
    """The count that a tile waits for, or will wait for, is there in cycle `done`."""
    s.counters[counter].missing = s.counters[counter].expected
    number = s.counters[counter].complete
    s.counters[counter].complete = number + 1
    if s.eject[tile].waiting == counter:
        s.eject[tile].waiting = -1
        s.core[tile].stall_data += done - s.core[tile].since
        s.core[tile].phase = RESUME
        push(s.queue, done, TILE, 0, tile, 0)
        return
    s.ready[counter, number % s.queue.control[0].remembered] = done
    s.counters[counter].unused += 1
    ahead = s.counters[counter].unused > s.queue.control[0].remembered
    if ahead and s.queue.control[0].status != OVERRUN:  # the first tile of a router counts
        s.queue.control[0].status = OVERRUN
        s.queue.control[0].fault_tile = tile
        s.queue.control[0].fault_channel = channel


@inlined
def _deliver(s: State, now: int, packet: int, tile: int) -> None:
    """A head takes an ejection port."""
    cycles = s.eject_cycles[packet, s.site[tile].kind]
    start = max(now, s.eject[tile].free)
    free = start + cycles
    s.eject[tile].free = free
    s.eject[tile].busy += cycles
    if start - now > s.eject[tile].peak:
        s.eject[tile].peak = start - now
    s.queue.control[0].ejected += 1
    s.queue.control[0].ejected_bytes += s.packets[packet].payload
    if len(s.bins):
        count_bin(s, start, cycles, 5)
    counter = s.packets[packet].counter + tile
    missing = s.counters[counter].missing - 1
    s.counters[counter].missing = missing
    if missing == 0:
        done = free + s.queue.control[0].port_cycles
        _complete(s, done, tile, counter, s.packets[packet].channel)


@compiled
def count_bin(s: State, start: int, flits: int, series: int) -> None:
    """Adds flits to a time series of a bounded number of bins, which widen as needed."""
    bins = len(s.bins)
    while start // s.queue.control[0].bin_cycles >= bins:
        for i in range(bins):
            for j in range(s.bins.shape[1]):
                first = s.bins[2 * i, j] if 2 * i < bins else 0
                second = s.bins[2 * i + 1, j] if 2 * i + 1 < bins else 0
                s.bins[i, j] = first + second
        s.queue.control[0].bin_cycles *= 2
    s.bins[start // s.queue.control[0].bin_cycles, series] += flits


@inlined
def _cross(s: State, now: int, packet: int, source: int, router: int, direction: int) -> None:
    """A head takes a link."""
    link = router * 4 + direction - 1
    flits = s.packets[packet].flits
    start = max(now, s.links[link].free)
    s.links[link].free = start + (flits * s.links[link].rate + FULL_RATE - 1) // FULL_RATE
    s.links[link].busy += flits
    if start - now > s.links[link].peak:
        s.links[link].peak = start - now
    if len(s.bins):
        count_bin(s, start, flits, direction - 1)
    push(s.queue, start + s.links[link].hop, direction, s.links[link].to, packet, source)


@inlined
def at_router(s: State, now: int, packet: int, source: int, router: int, came: int) -> None:
    """A head is at a router: local tiles, then east, west, south, north."""
    x, y = s.router_place[router].x, s.router_place[router].y
    target = s.packets[packet].target
    first, last = 0, 0
    east, west, south, north = False, False, False, False
    if target < 0:
        goal = s.site[-1 - target].router
        goal_x, goal_y = s.router_place[goal].x, s.router_place[goal].y
        east, west = x < goal_x, x > goal_x
        if x == goal_x:
            south, north = y < goal_y, y > goal_y
            last = 1 if y == goal_y else 0
    else:
        dx, dy = x - s.boxes[target].x, y - s.boxes[target].y
        width = s.boxes[target].width
        east = came <= EAST and dx < width - 1
        west = (came == INJECTED or came == WEST) and dx > 0  # noqa: SIM109, slower compiled
        if 0 <= dx < width:
            column = s.boxes[target].column + dx
            south = came != NORTH and y < s.extents[column].high
            north = came != SOUTH and y > s.extents[column].low
            if 0 <= dy < s.boxes[target].height:
                cell = s.boxes[target].cell + dy * width + dx
                first, last = s.local_first[cell], s.local_first[cell + 1]
    for i in range(first, last):
        tile = -1 - target if target < 0 else s.local_tiles[i]
        if tile != source:
            _deliver(s, now, packet, tile)
    outputs = east | west << 1 | south << 2 | north << 3
    direction = EAST
    while outputs:
        if outputs & 1:
            _cross(s, now, packet, source, router, direction)
        outputs >>= 1
        direction += 1
