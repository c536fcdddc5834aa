"""What an exchange sends as packets: elements of one owner that go to the same tiles together.

A tile's packets leave in the order of their first elements. A tile of a target set that is the
sender itself is skipped on the way: what it needs of its own it copies within its DMEM.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.program.elaborate import Routes
from asic_compiler.program.messages import grouped
from asic_compiler.simulate.timing.link.machine import Integers, Machine
from asic_compiler.simulate.timing.program import Int32s


@dataclass(frozen=True, eq=False)
class Packing:
    """Packets of an exchange, of one period. Arrays are over all tiles, or over packets."""

    source: Integers
    """[packets] Ascending."""
    target: Integers
    """[packets] Place in ``sets``."""
    sets: tuple[Int32s, ...]
    """Tiles of each target set, ascending."""
    elements: Integers
    """[packets]"""
    hops: Integers
    """[packets] Links that the packet's tree has."""
    crossings: Integers
    """[packets] Of these, how many times a border between dies is crossed."""
    first: Integers
    """[tiles] A tile's first packet."""
    count: Integers
    """[tiles] How many it sends."""
    arrivals: Integers
    """[tiles] Packets that come to it."""
    awaited: Integers
    """[tiles] The same, and one more where nobody sends something that it needs."""
    arrived: Integers
    """[tiles] Elements in them."""
    copied: Integers
    """[tiles] Elements that it needs and has."""
    credit_cycles: int
    """The longest way from a receiver to a sender."""


def pack(machine: Machine, routes: Routes) -> Packing:
    """Groups what is sent into packets."""
    senders = machine.tiles_at(routes.senders)
    receivers = machine.tiles_at(routes.receivers)
    owner, group, elements, members = grouped(routes)
    source = senders[owner]
    sets = tuple(
        np.sort(np.concatenate([receivers[routes.needs[i].receivers] for i in needs])).astype(
            np.int32
        )
        for needs in members
    )
    tiles = machine.tiles
    size = np.array([len(s) for s in sets], dtype=np.int64)
    pair = np.repeat(np.arange(len(sets)), size) * tiles + _joined(sets)
    own = np.isin(group * tiles + source, pair)
    copied = np.bincount(source[own], elements[own], minlength=tiles).astype(np.int64)
    sent = size[group] > own
    packets = np.bincount(group[sent], minlength=len(sets))
    amount = np.bincount(group[sent], elements[sent], minlength=len(sets))
    arrivals = np.zeros(tiles, dtype=np.int64)
    arrived = np.zeros(tiles, dtype=np.int64)
    for index, chosen in enumerate(sets):
        arrivals[chosen] += packets[index]
        arrived[chosen] += int(amount[index])
    back = own & sent
    arrivals -= np.bincount(source[back], minlength=tiles)
    arrived -= np.bincount(source[back], elements[back], minlength=tiles).astype(np.int64)
    wanted = np.zeros(tiles, dtype=np.int64)
    for need in routes.needs:
        wanted[receivers[need.receivers]] += len(need.elements)
    source, group, elements = source[sent], group[sent], elements[sent]
    order = np.argsort(source, kind="stable")
    source, group, elements = source[order], group[order], elements[order]
    hops, crossings = _tree_links(machine, source, group, sets)
    count = np.bincount(source, minlength=tiles)
    return Packing(
        source=source,
        target=group,
        sets=sets,
        elements=elements,
        hops=hops,
        crossings=crossings,
        first=np.cumsum(count) - count,
        count=count,
        arrivals=arrivals,
        awaited=arrivals + (wanted > arrived + copied),
        arrived=arrived,
        copied=copied,
        credit_cycles=_longest_way(machine, np.flatnonzero(count), np.flatnonzero(arrivals)),
    )


def _joined(sets: tuple[Int32s, ...]) -> Integers:
    return np.concatenate(sets).astype(np.int64) if sets else np.zeros(0, dtype=np.int64)


def _tree_links(
    machine: Machine, source: Integers, group: Integers, sets: tuple[Int32s, ...]
) -> tuple[Integers, Integers]:
    """Links, and crossings, of the tree from each source to each set."""
    hops = np.zeros(len(source), dtype=np.int64)
    crossings = np.zeros(len(source), dtype=np.int64)
    x, y = machine.router_x, machine.router_y
    single = np.array([len(s) == 1 for s in sets], dtype=np.bool_)
    last = np.array([s[-1] for s in sets], dtype=np.int64)
    alone = single[group] if len(group) else np.zeros(0, dtype=np.bool_)
    a, b = source[alone], last[group[alone]]
    hops[alone] = np.abs(x[a] - x[b]) + np.abs(y[a] - y[b])
    crossings[alone] = np.abs(machine.border[y[a]] - machine.border[y[b]])
    order = np.argsort(group, kind="stable")
    order = order[~alone[order]]
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    blocks: list[Integers] = np.split(order, starts[1:]) if len(order) else []
    for rows in blocks:
        own = sets[int(group[rows[0]])]
        tx, ty = x[own], y[own]
        columns, where = np.unique(tx, return_inverse=True)
        low = np.full(len(columns), machine.mesh.router_rows, dtype=np.int64)
        high = np.full(len(columns), -1, dtype=np.int64)
        np.minimum.at(low, where, ty)
        np.maximum.at(high, where, ty)
        sx, sy = x[source[rows]], y[source[rows]]
        top = np.minimum(low[None, :], sy[:, None])
        bottom = np.maximum(high[None, :], sy[:, None])
        along = np.maximum(columns[-1], sx) - np.minimum(columns[0], sx)
        hops[rows] = along + (bottom - top).sum(axis=1)
        crossings[rows] = (machine.border[bottom] - machine.border[top]).sum(axis=1)
    return hops, crossings


def _longest_way(machine: Machine, senders: Integers, receivers: Integers) -> int:
    """Cycles of a credit over the longest way from any receiver to any sender."""
    if not len(senders) or not len(receivers):
        return 0
    scale = machine.mesh.hop_cycles
    extra = np.concatenate([[0], np.cumsum(machine.mesh.row_extra)])
    across = machine.router_x * scale
    down = machine.router_y * scale + extra[machine.router_y]
    return max(
        int(sign[r].max() - sign[s].min())
        for sign in (across + down, across - down, down - across, -across - down)
        for r, s in ((receivers, senders),)
    )
