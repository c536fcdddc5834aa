"""``tcc.reduce`` as messages between the tiles of a group.

A tree: at distances 1, 2, 4, ... a tile at a multiple of twice the distance waits for the tile at
the distance after it and adds what came to its own. A scatter: every tile sends each peer the
peer's column range; a tile adds what comes in the order of its peers' numbers, a block of peers
at a time, so that the adding of a block hides behind the arrival of the next. Each message has a
credit of its receiver, which it gives when it starts the reduction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from asic_compiler.machine.network import REDUCTION_BLOCKS, SMALLEST_BLOCK
from asic_compiler.program.messages import tree
from asic_compiler.simulate.timing.link.costs import Cost, Vector, vector_cost
from asic_compiler.simulate.timing.link.machine import Floats, Integers, Machine
from asic_compiler.workload.table import BodyCost

ADD = BodyCost(simple=1)


@dataclass(frozen=True, eq=False)
class Sending:
    """A SEND of a reduction. Arrays are over all tiles."""

    first: Integers
    count: Integers


@dataclass(frozen=True, eq=False)
class Taking:
    """A WAIT of a reduction, and what is done with what came."""

    channel: int
    count: Integers
    cost: Cost
    then: Sending | None
    """What a tile sends on after that."""


@dataclass(frozen=True, eq=False)
class Combining:
    """A reduction on all tiles of its cut; packets, gates and channels count from 0."""

    target: Integers
    """[packets] Tile."""
    bits: Integers
    """[packets]"""
    channel: Integers
    """[packets]"""
    gate: Integers
    """[packets]"""
    hops: Integers
    """[packets] Links, summed over all tiles that send the packet."""
    crossings: Integers
    senders: Integers
    """[packets] How many tiles send it."""
    credit_cycles: Integers
    """[gates]"""
    posts: tuple[Integers, ...]
    """[tiles] Gate of each POST, or -1."""
    receives: Integers
    """[tiles] Messages that a tile receives."""
    channels: int
    start: tuple[Sending, ...]
    steps: tuple[Taking, ...]
    all_sent: Sending
    sent_bits: Floats
    """[tiles]"""
    received_bits: Floats
    """[tiles]"""


@dataclass(frozen=True, eq=False)
class Amounts:
    """What tiles hold, in elements of one item of the group. Arrays are over all tiles."""

    own: Integers
    """Elements before."""
    result: Integers
    """Elements after."""
    bits: int
    """Of an element that travels; of several partial results together."""
    result_bits: int


def combine_tree(machine: Machine, groups: list[Integers], amounts: Amounts) -> Combining:
    """A reduction up a binary tree to the first tile of each group."""
    tiles = machine.tiles
    largest = max((len(group) for group in groups), default=1)
    levels = (largest - 1).bit_length()
    rows: list[tuple[int, int, int, int, int]] = []  # source, target, bits, channel, gate
    posts = [np.full(tiles, -1, dtype=np.int64) for _ in range(levels)]
    count = [np.zeros(tiles, dtype=np.int64) for _ in range(levels)]
    first = [np.zeros(tiles, dtype=np.int64) for _ in range(levels)]
    send = [np.zeros(tiles, dtype=np.int64) for _ in range(levels)]
    for group in groups:
        members = group.tolist()
        if not amounts.own[members[0]]:
            continue
        for level, sender, receiver in tree(len(members)):
            root, other = members[receiver], members[sender]
            first[level][other], send[level][other] = len(rows), 1
            posts[level][root], count[level][root] = len(rows), 1
            bits = int(amounts.own[other]) * amounts.bits
            rows.append((other, root, bits, level, len(rows)))
    table = np.array(rows, dtype=np.int64).reshape(-1, 5)
    source, target = table[:, 0], table[:, 1]
    sendings = [Sending(first[level], send[level]) for level in range(levels)]
    receives = np.sum(count, axis=0) if levels else np.zeros(tiles, dtype=np.int64)
    taken = np.zeros(tiles, dtype=np.int64)
    steps: list[Taking] = []
    for level in range(levels):
        cost = _adding(machine, amounts, amounts.own, count[level], taken, receives)
        taken = taken + count[level]
        then = sendings[level + 1] if level + 1 < levels else None
        steps.append(Taking(level, count[level], cost, then))
    return Combining(
        target=target,
        bits=table[:, 2],
        channel=table[:, 3],
        gate=table[:, 4],
        hops=_hops(machine, source, target),
        crossings=_crossings(machine, source, target),
        senders=np.ones(len(rows), dtype=np.int64),
        credit_cycles=machine.way_cycles(target, source),
        posts=tuple(posts),
        receives=receives,
        channels=levels,
        start=tuple(sendings[:1]),
        steps=tuple(steps),
        all_sent=Sending(
            np.sum([f * s for f, s in zip(first, send, strict=True)], axis=0, dtype=np.int64)
            + np.zeros(tiles, dtype=np.int64),
            np.sum(send, axis=0, dtype=np.int64) + np.zeros(tiles, dtype=np.int64),
        ),
        sent_bits=1.0 * np.bincount(source, table[:, 2], minlength=tiles),
        received_bits=1.0 * np.bincount(target, table[:, 2], minlength=tiles),
    )


def combine_scattered(machine: Machine, groups: list[Integers], amounts: Amounts) -> Combining:
    """A reduction in which tile i of a group gets the i-th column range.

    The packets of a block of sources lie twice in a row, but for the last, so that every source
    finds those to all others behind its own, wherever it begins.
    """
    tiles = machine.tiles
    largest = max((len(group) for group in groups), default=1)
    block = max(SMALLEST_BLOCK, -(-largest // REDUCTION_BLOCKS))
    blocks = -(-largest // block)
    columns: list[list[Integers]] = [[] for _ in range(4)]  # target, channel, gate, senders
    hops: list[Integers] = []
    crossings: list[Integers] = []
    credit: list[Integers] = []
    gate = np.full(tiles, -1, dtype=np.int64)
    first = np.zeros(tiles, dtype=np.int64)
    count = np.zeros(tiles, dtype=np.int64)
    takes = np.zeros((blocks, tiles), dtype=np.int64)
    placed, gates = 0, 0
    for group in groups:
        if not amounts.own[group[0]]:
            continue
        got = int(np.count_nonzero(amounts.result[group]))  # shares are filled from the first
        ring = np.concatenate([np.arange(got), np.arange(got - 1)])
        gate[group[:got]] = gates + np.arange(got)
        credit.append(machine.way_cycles(group[:got, None], group[None, :]).max(axis=1))
        for which in range(blocks):
            sources = np.arange(which * block, min((which + 1) * block, len(group)))
            if not len(sources):
                break
            inside = sources < got
            first[group[sources]] = placed + np.where(inside, sources + 1, 0)
            count[group[sources]] = got - inside
            takes[which, group[:got]] = len(sources) - np.isin(np.arange(got), sources)
            columns[0].append(group[ring])
            columns[1].append(np.full(len(ring), which))
            columns[2].append(gates + ring)
            begins = np.where(inside, sources + 1, 0)
            sends = got - inside
            place = np.arange(len(ring))
            used = (place >= begins[:, None]) & (place < (begins + sends)[:, None])
            columns[3].append(used.sum(axis=0))
            from_, to = group[sources][:, None], group[ring][None, :]
            hops.append((_hops(machine, from_, to) * used).sum(axis=0))
            crossings.append((_crossings(machine, from_, to) * used).sum(axis=0))
            placed += len(ring)
        gates += got
    joined = [_concatenated(column) for column in columns]
    target = joined[0]
    receives = takes.sum(axis=0)
    bits = amounts.result[target] * amounts.bits
    taken = np.zeros(tiles, dtype=np.int64)
    steps: list[Taking] = []
    for which in range(blocks):
        cost = _adding(machine, amounts, amounts.result, takes[which], taken, receives)
        taken = taken + takes[which]
        steps.append(Taking(which, takes[which], cost, None))
    sent = Sending(first, count)
    share = np.zeros(tiles)
    for group in groups:
        share[group] = (amounts.result[group].sum() - amounts.result[group]) * amounts.bits
    return Combining(
        target=target,
        bits=bits,
        channel=joined[1],
        gate=joined[2],
        hops=_concatenated(hops),
        crossings=_concatenated(crossings),
        senders=joined[3],
        credit_cycles=_concatenated(credit),
        posts=(gate,),
        receives=receives,
        channels=blocks,
        start=_in_chunks(sent, block),
        steps=tuple(steps),
        all_sent=sent,
        sent_bits=np.where(count > 0, share, 0.0),
        received_bits=1.0 * receives * amounts.result * amounts.bits,
    )


def _in_chunks(sending: Sending, size: int) -> tuple[Sending, ...]:
    """SENDs of at most ``size`` packets: the port works while the next are prepared."""
    largest = int(sending.count.max(initial=0))
    return tuple(
        Sending(sending.first + start, np.clip(sending.count - start, 0, size))
        for start in range(0, largest, size)
    )


def _adding(
    machine: Machine,
    amounts: Amounts,
    elements: Integers,
    count: Integers,
    before: Integers,
    total: Integers,
) -> Cost:
    """Adds ``count`` arrivals; a tile's own part is read first, and the sum written at last."""
    tile = np.flatnonzero(count)
    size = elements[tile]
    port = size * count[tile] * amounts.bits
    port = port + np.where(before[tile] == 0, size * amounts.bits, 0)
    last = before[tile] + count[tile] == total[tile]
    port = port + np.where(last, size * amounts.result_bits, 0)
    work = Vector(ADD, 32, partial=True)
    lanes = np.ceil(size * amounts.bits / 32.0)
    # Each arrival begins a register of its own.
    per_register = machine.vlen[tile] / 32.0
    points = np.ceil(lanes / per_register) * per_register * count[tile]
    cost = vector_cost(machine, tile, work, points.astype(np.int64), port.astype(np.float64))
    exact = vector_cost(machine, tile, work, (lanes * count[tile]).astype(np.int64), 1.0 * port)
    return replace(cost, amounts=exact.amounts)


def _hops(machine: Machine, a: Integers, b: Integers) -> Integers:
    x, y = machine.router_x, machine.router_y
    return np.abs(x[a] - x[b]) + np.abs(y[a] - y[b])


def _crossings(machine: Machine, a: Integers, b: Integers) -> Integers:
    y = machine.router_y
    return np.abs(machine.border[y[a]] - machine.border[y[b]])


def _concatenated(arrays: list[Integers]) -> Integers:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=np.int64)
