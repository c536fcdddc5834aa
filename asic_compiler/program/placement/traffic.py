"""What a placed program moves, as a function of where its groups of operators begin.

Operators that work in place on each other's values, or share what arrived, or a cache, belong
together: a *group*. A placement turns each group on its region: its tiles are counted row by row
and all move on by the same number, round the end. Packets follow the tiles of both their ends;
what each tile computes, and how much, does not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.chip import Rectangle
from asic_compiler.plan.plan import Plan
from asic_compiler.program.placement.distance import hop_bits

Integers: TypeAlias = NDArray[np.signedinteger[Any]]
Turns: TypeAlias = tuple[int, ...]
"""Of each group, tiles that it has moved on from where the rule puts it."""


@dataclass(frozen=True, slots=True)
class OperatorGroup:
    """Operators that move together."""

    positions: tuple[int, ...]
    """In program order."""
    region: Rectangle
    """Whose tiles they run on."""
    begin: int
    """Tile of the region that its first part lies on under the rule."""
    tiles: int
    """From that one to the last that any of them uses, round the end."""
    free: bool
    """Whether it may turn."""
    resident: tuple[Integers, ...]
    """Of each kind of memory [tiles of the region] bytes that stay on a tile, under the rule."""

    @property
    def places(self) -> int:
        """Turns that it may have."""
        return self.region.tiles if self.free else 1


@dataclass(frozen=True, eq=False)
class Pattern:
    """Packets under the rule's placement; exchanges of equal parts share one."""

    source: Integers
    """[packets] Tile of the mesh, ``y * width + x``."""
    target: Integers
    """[packets] Place among the target sets, ascending."""
    bits: Integers
    """[packets]"""
    start: Integers
    """[sets + 1] Where each set begins in ``tiles``."""
    tiles: Integers
    """Tiles of the target sets, one set after another."""


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """A pattern, and the groups that its two ends turn with."""

    pattern: Pattern
    sender: int
    receiver: int


@dataclass(frozen=True, eq=False)
class Traffic:
    """All that a program moves over links in one period."""

    width: int
    height: int
    """Of the mesh, tiles."""
    sc_x: int
    sc_y: int
    """Tiles that share a router."""
    groups: tuple[OperatorGroup, ...]
    flows: tuple[Flow, ...]
    limits: tuple[Integers, ...]
    """Of each kind of memory [tiles] bytes that may stay on a tile."""
    _known: dict[tuple[int, ...], int] = field(default_factory=dict[tuple[int, ...], int])

    @property
    def unturned(self) -> Turns:
        """The rule's placement."""
        return (0,) * len(self.groups)

    def hop_bytes(self, turns: Turns) -> float:
        """Bytes times the links that they pass, of one period."""
        return sum(self.flow_bits(flow, turns) for flow in self.flows) / 8

    def turned(self, plan: Plan, turns: Turns) -> Plan:
        """A plan with its operators moved on with their groups."""
        out = list(plan.assignments)
        for group, turn in zip(self.groups, turns, strict=True):
            for position in group.positions:
                own = out[position]
                out[position] = replace(own, first=(own.first + turn) % own.region.tiles)
        return replace(plan, assignments=tuple(out))

    def flow_bits(self, flow: Flow, turns: Sequence[int]) -> int:
        """Bits times links of one flow."""
        sender, receiver = self.groups[flow.sender].region, self.groups[flow.receiver].region
        at, to = turns[flow.sender], turns[flow.receiver]
        key = (id(flow.pattern), sender.x, sender.y, receiver.x, receiver.y, at, to)
        if key not in self._known:
            p = flow.pattern
            self._known[key] = hop_bits(
                p.source, p.target, p.bits, p.start, p.tiles,
                (sender.x, sender.y, sender.width, sender.height, at),
                (receiver.x, receiver.y, receiver.width, receiver.height, to),
                (self.width, self.height, self.sc_x, self.sc_y),
            )  # fmt: skip
        return self._known[key]

    def least_hop_bytes(self) -> float:
        """A lower bound on ``hop_bytes`` of any placement that keeps the flows.

        Whatever tile a part lies on: the tree of a packet to s tiles has a router for every
        ``sc_x * sc_y`` of them, and a link less; and of the packets that one tile sends to single
        tiles no more than those that share its router stay on it, four routers' worth go one
        link, eight routers' worth two, and so on, the largest the shortest way. Where the ends are
        of different groups, the sender may lie on one of the tiles it sends to.
        """
        room = self.sc_x * self.sc_y
        known: dict[tuple[int, bool], float] = {}
        total = 0.0
        for flow in self.flows:
            together = flow.sender == flow.receiver
            key = (id(flow.pattern), together)
            if key not in known:
                known[key] = _least_bits(flow.pattern, room, together) / 8
            total += known[key]
        return total


def tiles_of(region: Rectangle, width: int) -> Integers:
    """[tiles of the region] their numbers in a mesh so many tiles wide, row by row."""
    local = np.arange(region.tiles)
    return (region.y + local // region.width) * width + region.x + local % region.width


def _least_bits(pattern: Pattern, room: int, together: bool) -> float:
    """Of the tiles of a tree ``together`` says whether its sender is known to be another."""
    size = np.diff(pattern.start)
    owner = np.repeat(np.arange(len(size)), size)
    width = int(max(pattern.tiles.max(initial=0), pattern.source.max(initial=0))) + 1
    own = np.isin(pattern.target * width + pattern.source, owner * width + pattern.tiles)
    many = size[pattern.target] > 1
    tiles = size[pattern.target[many]] + (~own[many] if together else 0)
    least = float((pattern.bits[many] * (-(-tiles // room) - 1)).sum())
    single = ~many & ~own if together else ~many
    ends = pattern.source[single] * width + pattern.tiles[pattern.start[pattern.target[single]]]
    pairs, which = np.unique(ends, return_inverse=True)
    bits = np.bincount(which, weights=pattern.bits[single], minlength=len(pairs))
    source = pairs // width
    order = np.lexsort((-bits, source))
    source, bits = source[order], bits[order]
    rank = np.arange(len(source)) - np.searchsorted(source, source)
    return least + float((bits * ring_of(rank + together, room)).sum())


def ring_of(rank: Integers, room: int) -> Integers:
    """Links to the rank-th nearest tile, itself the first, where ``room`` tiles share a router.

    Within d links are 1 + 4 + 8 + ... + 4d = 2d(d + 1) + 1 routers.
    """
    router = np.asarray(rank, dtype=np.int64) // room
    d = np.ceil((np.sqrt(2.0 * router + 1.0) - 1.0) / 2.0).astype(np.int64)
    d = np.where(2 * d * (d - 1) + 1 > router, d - 1, d)
    return np.where(router == 0, 0, np.maximum(d, 1))
