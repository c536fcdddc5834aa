"""Cycles to combine the partial results that a group of tiles holds. Arrays are [N, C].

The rules are those of ``tcc.reduce``. Along a tree, at distances 1, 2, 4, ... a tile sends all
that it has and the tile it sends to adds. In a scatter every tile sends each peer the peer's share,
and a tile adds a block of arrivals while the next comes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.space import FloatArray, IntArray
from asic_compiler.machine.network import PORT_CYCLES, REDUCTION_BLOCKS, SMALLEST_BLOCK
from asic_compiler.machine.pipeline import VECTORS_PER_INSTRUCTION


@dataclass(frozen=True, slots=True)
class Adder:
    """The vector unit of the tiles that add."""

    vlen: FloatArray
    """Bits a cycle of the DMEM port, and of a register."""
    pipes: FloatArray
    interval: FloatArray
    """Cycles from one vector instruction to the next."""
    latency: float
    message: FloatArray
    """Cycles to start a send or a receive."""


@dataclass(frozen=True, slots=True)
class ReductionGroup:
    """What the tiles of a group hold, and where they stand."""

    size: FloatArray
    """Tiles; 1 where nothing is to be combined."""
    elements: FloatArray
    """Partial results of 32 bit on each tile."""
    share: FloatArray
    """Elements that one tile has after a scatter."""
    result_bits: FloatArray
    """Bits of an element after the last addition."""
    stride: FloatArray
    """Tiles from one member to the next."""


@dataclass(frozen=True, slots=True)
class Ways:
    """The links between them."""

    width: FloatArray
    """Tiles in a row of the stage."""
    sc_x: FloatArray
    sc_y: FloatArray
    flit: FloatArray
    """Bits of a flit."""
    port: FloatArray
    """Bits a cycle that a tile takes in."""
    hop: FloatArray
    """Cycles."""
    crossing: FloatArray
    """Further cycles over the borders of dies on the way across a stage."""
    slowest: FloatArray
    """Cycles of a flit over such a border, or 1."""


@dataclass(frozen=True, slots=True)
class Combination:
    """What combining costs."""

    cycles: FloatArray
    """Cycles from the last partial result to the sum."""
    partial_bits: FloatArray
    """Bits of partial results that the tiles of a group send."""
    dmem_bits: FloatArray
    """Bits through the DMEM ports of a group: sent, written, read to be added, and the sums."""
    hops: FloatArray
    """Links that a partial result takes, on average."""
    border_bits: FloatArray
    """Bits of a group that pass a border between dies in the middle of a stage."""

    def among(self, columns: IntArray, count: int) -> Combination:
        """The same for ``count`` classes, of which those at ``columns`` combine anything."""
        wide = [np.zeros((len(self.cycles), count), order="F") for _ in fields(self)]
        for out, field in zip(wide, fields(self), strict=True):
            out[:, columns] = getattr(self, field.name)
        return Combination(*wide)


@dataclass(frozen=True, slots=True)
class _Steps:
    """The way from one member of a group to the next."""

    in_column: NDArray[np.bool_]
    """Whether members stand below each other."""
    apart: FloatArray
    """Rows from one to the next, if so."""
    linked: FloatArray
    """1, or 0 where all members share a router and need no links."""
    hops: FloatArray
    """Hops between routers, from one member to the next."""


def _steps(group: ReductionGroup, ways: Ways) -> _Steps:
    in_column = group.stride >= ways.width
    apart = np.ceil(group.stride / ways.width)
    span = group.size * group.stride
    low = (ways.width <= ways.sc_x) & (span <= ways.width * ways.sc_y)
    linked = 1.0 - np.where(in_column, low, span <= ways.sc_x)
    hops = np.where(in_column, apart / ways.sc_y, group.stride / ways.sc_x) * linked
    return _Steps(in_column, apart, linked, hops)


def combine(
    group: ReductionGroup, scatter: NDArray[np.bool_], ways: Ways, adder: Adder
) -> Combination:
    """What it costs to add up what a group has; nothing for groups of one.

    Args:
        group: What is combined.
        scatter: Whether each tile gets a share; otherwise one tile gets all.
        ways: The links.
        adder: The vector unit.
    """
    several = group.size > 1.0
    steps = _steps(group, ways)
    cycles = _tree(group, steps, ways, adder)
    if scatter.any():
        cycles = np.where(scatter, _scatter(group, steps, ways, adder), cycles)
    sent = (group.size - 1.0) * group.elements * 32.0
    own = np.where(scatter, 1.0, np.floor(group.size / 2.0)) * group.elements * 32.0
    moved = 3.0 * sent + own + group.elements * group.result_bits
    return Combination(
        cycles=np.where(several, cycles, 0.0),
        partial_bits=sent,
        dmem_bits=np.where(several, moved, 0.0),
        hops=_mean_hops(group, steps, scatter, ways),
        border_bits=np.where(
            several & steps.in_column,
            np.where(scatter, sent / 2.0, group.elements * 32.0),
            0.0,
        ),
    )


def _tree(group: ReductionGroup, steps: _Steps, ways: Ways, adder: Adder) -> FloatArray:
    levels = np.ceil(np.log2(np.maximum(group.size, 1.0)))
    bits = group.elements * 32.0
    # Groups side by side send over the same links: those in between, and those of a router.
    beside = np.where(
        steps.in_column,
        steps.apart * ways.sc_x,
        np.minimum(group.stride, ways.width) * ways.sc_y,
    )
    beside = beside * steps.linked
    flits = np.ceil(bits / ways.flit)
    moved = np.maximum(np.ceil(bits / ways.port), beside * flits)
    adding = _adding(group.elements, np.ones(1), np.zeros(1), np.zeros(1), adder)
    # The first level reads what the tile had, the last writes the sum.
    ends = (bits + group.elements * group.result_bits) / adder.vlen
    first = steps.hops * ways.hop
    # Of all steps along a column one crosses the border at its middle.
    border = ways.crossing + (ways.slowest - 1.0) * beside * flits
    last = first + np.where(steps.in_column, border, 0.0)
    members = np.exp2(levels)
    reach = members - 1.0
    along = np.minimum(reach * group.stride, ways.width - 1.0) / ways.sc_x
    below = np.maximum(members * group.stride / ways.width - 1.0, 0.0) / ways.sc_y
    hops = np.where(steps.in_column, reach * first / ways.hop, along + below)
    flight = moved + 2.0 * PORT_CYCLES + hops * ways.hop / np.maximum(levels, 1.0)
    # A tile that adds j times gives j credits before it begins, one with fewer is ahead of it by
    # the difference: only flights that are longer make it wait.
    waits = np.minimum(np.floor(flight / adder.message) + 1.0, np.maximum(levels - 1.0, 0.0))
    waiting = waits * flight - adder.message * waits * (waits - 1.0) / 2.0
    rest = np.ceil(np.log2(np.maximum(group.size - np.exp2(levels - 1.0), 1.0)))
    ahead = (levels - 1.0 - rest) * (adder.message + adding)
    return (
        levels * (adder.message + adding)
        + moved
        + 2.0 * PORT_CYCLES
        + first
        + last
        + np.maximum(waiting - ahead, 0.0)
        + ends
    )


def _scatter(group: ReductionGroup, steps: _Steps, ways: Ways, adder: Adder) -> FloatArray:
    takers = np.minimum(group.size, np.maximum(np.ceil(group.elements / group.share), 1.0))
    peers = np.maximum(group.size - 1.0, 1.0)
    bits = group.share * 32.0
    in_column = steps.in_column
    rows = np.maximum(np.ceil(group.size * group.stride / ways.width), 1.0)
    beside = np.where(in_column, steps.apart * ways.sc_x, group.stride * ways.sc_y / rows)
    beside = beside * steps.linked
    half = np.floor(group.size / 2.0)
    crossing = np.maximum(half * np.ceil(takers / 2.0), 1.0) * beside
    crossing = crossing * np.where(in_column, ways.slowest, 1.0)
    flits = np.ceil(bits / ways.flit)
    arriving = np.maximum(peers * np.ceil(bits / ways.port), crossing * flits)
    block = np.maximum(np.ceil(group.size / REDUCTION_BLOCKS), SMALLEST_BLOCK)
    rest = np.fmod(peers, block)
    last = np.minimum(np.where(rest > 0.0, rest, block), peers)
    own, result = bits, group.share * group.result_bits
    adding = _adding(group.share, peers, own, result, adder)
    ending = _adding(group.share, last, np.zeros(1), result, adder)
    first = np.minimum(block, takers) * adder.message
    busy = np.maximum(first + arriving, takers * adder.message)
    far = peers * steps.hops
    rounds = np.where(in_column, far, np.minimum(far, (ways.width / ways.sc_x) + rows))
    return (
        peers * adder.message
        + np.maximum(busy + ending, adding)
        + 2.0 * (rounds * ways.hop + PORT_CYCLES)
        + 2.0 * np.where(in_column, ways.crossing, 0.0)
    )


def _mean_hops(
    group: ReductionGroup, steps: _Steps, scatter: NDArray[np.bool_], ways: Ways
) -> FloatArray:
    levels = np.ceil(np.log2(np.maximum(group.size, 2.0)))
    apart = np.where(
        scatter,
        (group.size + 1.0) / 3.0,
        levels * group.size / (2.0 * np.maximum(group.size - 1.0, 1.0)),
    )
    rows = np.ceil(group.size * group.stride / ways.width)
    turned = (ways.width / ways.sc_x + rows / ways.sc_y) / 3.0
    far = apart * steps.hops
    return np.where(steps.in_column, far, np.minimum(far, turned))


def _adding(
    elements: FloatArray, count: FloatArray, own: FloatArray, result: FloatArray, adder: Adder
) -> FloatArray:
    """Cycles to add ``count`` arrivals; ``own`` and ``result`` are bits that the port moves."""
    registers = np.ceil(elements * 32.0 / adder.vlen) * count
    issued = np.ceil(registers / VECTORS_PER_INSTRUCTION) * adder.interval
    computing = np.maximum(registers / adder.pipes, issued) + adder.latency
    port = (elements * 32.0 * count + own + result) / adder.vlen
    return np.maximum(computing, port)
