"""Injection ports and the gates before them."""

from __future__ import annotations

from asic_compiler.simulate.timing.kernel.calendar import push
from asic_compiler.simulate.timing.kernel.network import count_bin
from asic_compiler.simulate.timing.kernel.state import (
    AWAIT_SENT,
    GATE,
    INJECTED,
    PORT,
    RESUME,
    TILE,
    State,
    compiled,
    inlined,
)


@inlined
def _instance(s: State, packet: int, period: int) -> int:
    """Instance of a gate that a packet needs, or -1."""
    gate = s.packets[packet].gate
    if gate < 0:
        return -1
    number = period - s.gates[gate].initial
    if number < 0 or s.gates[gate].need == 0:
        return -1
    return gate * s.queue.control[0].periods + number


@compiled
def inject(s: State, now: int, tile: int) -> None:
    """A free injection port takes the next packet of the oldest SEND that may go on."""
    node = s.core[tile].send_head
    while node >= 0:
        if s.sends[node].gated == 0:
            key = _instance(s, s.sends[node].packet, s.sends[node].period)
            if key < 0 or s.instances[key].open != 0:
                break
            s.sends[node].gated = 1
            s.sends[node].next_gated = -1
            if s.instances[key].head < 0:
                s.instances[key].head = node
            else:
                s.sends[s.instances[key].tail].next_gated = node
            s.instances[key].tail = node
        node = s.sends[node].next
    if node < 0:
        return
    packet = s.sends[node].packet
    flits = s.packets[packet].flits
    s.core[tile].sending = node
    s.core[tile].injected += flits
    s.core[tile].port_free = now + flits
    s.queue.control[0].sent += 1
    s.queue.control[0].sent_bytes += s.packets[packet].payload
    if len(s.bins):
        count_bin(s, now, flits, 4)
    arrival = now + s.queue.control[0].port_cycles
    push(s.queue, arrival, INJECTED, s.site[tile].router, packet, tile)
    push(s.queue, now + flits, PORT, 0, tile, 0)


@compiled
def unsent(s: State, tile: int) -> bool:
    """Has a packet of the range of the tile's instruction yet to leave?"""
    first, last = s.core[tile].a, s.core[tile].a + s.core[tile].b
    node = s.core[tile].send_head
    while node >= 0:
        if max(first, s.sends[node].packet) < min(last, s.sends[node].last):
            return True
        node = s.sends[node].next
    return False


@inlined
def _forget(s: State, tile: int, node: int) -> None:
    """Takes a SEND whose packets have all left out of its tile's list."""
    before, at = -1, s.core[tile].send_head
    while at != node:
        before, at = at, s.sends[at].next
    after = s.sends[node].next
    if before < 0:
        s.core[tile].send_head = after
    else:
        s.sends[before].next = after
    if after < 0:
        s.core[tile].send_tail = before
    s.sends[node].next = s.queue.control[0].free_send
    s.queue.control[0].free_send = node
    s.queue.control[0].free_sends += 1


@inlined
def port_free(s: State, now: int, tile: int) -> None:
    """The last flit of a packet has left its tile."""
    node = s.core[tile].sending
    s.core[tile].sending = -1
    s.sends[node].packet += 1
    if s.sends[node].packet == s.sends[node].last:
        _forget(s, tile, node)
    if s.core[tile].phase == AWAIT_SENT and not unsent(s, tile):
        s.core[tile].stall_send += now - s.core[tile].since
        s.core[tile].phase = RESUME
        push(s.queue, now, TILE, 0, tile, 0)
    inject(s, now, tile)


@inlined
def send(s: State, now: int, tile: int) -> None:
    """A tile hands the packets of its instruction to its injection port."""
    node = s.queue.control[0].free_send
    s.queue.control[0].free_send = s.sends[node].next
    s.queue.control[0].free_sends -= 1
    s.sends[node].next = -1
    s.sends[node].owner = tile
    s.sends[node].packet = s.core[tile].a
    s.sends[node].last = s.core[tile].a + s.core[tile].b
    s.sends[node].period = s.core[tile].period
    s.sends[node].gated = 0
    if s.core[tile].send_head < 0:
        s.core[tile].send_head = node
    else:
        s.sends[s.core[tile].send_tail].next = node
    s.core[tile].send_tail = node
    if s.core[tile].sending < 0:
        inject(s, now, tile)


@inlined
def post(s: State, now: int, gate: int, period: int) -> None:
    """Counts a credit; the last one that a gate needs opens it a little later."""
    key = gate * s.queue.control[0].periods + period
    s.instances[key].posts += 1
    if s.instances[key].posts == s.gates[gate].need:
        push(s.queue, now + s.gates[gate].cycles, GATE, 0, key, 0)


@inlined
def open_gate(s: State, now: int, key: int) -> None:
    """Lets the SENDs that wait for an instance of a gate go on, in the order they came."""
    s.instances[key].open = 1
    node = s.instances[key].head
    s.instances[key].head = -1
    while node >= 0:
        after = s.sends[node].next_gated
        s.sends[node].gated = 0
        owner = s.sends[node].owner
        if s.core[owner].sending < 0:
            inject(s, now, owner)
        node = after
