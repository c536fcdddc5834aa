"""Searches of placements with few hop-bytes: the turns of groups, under what memories hold.

``rule`` is the placement that a plan comes with. ``snake`` lets each group begin where the one
before on the same region ended, as a snake fills a mesh. ``greedy`` puts group after group, in
program order, where the flows to those before it are shortest. ``descent`` turns one group at a
time to its best place, beginning with the best of these three, until nothing gets shorter.
``annealing`` is simulated annealing from there, then another descent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp

import numpy as np

from asic_compiler.program.placement.traffic import Traffic, Turns, tiles_of

MOVES = 400
"""Of annealing, a group; at most ``MOST_MOVES`` in all."""
MOST_MOVES = 40_000
COOLING = 1e-3
"""Last temperature of annealing over the first."""
EXHAUSTIVE = 128
"""Places of a group up to which all are tried."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where groups begin, and what that moves."""

    strategy: str
    turns: Turns
    hop_bytes: float
    """Of one period."""
    rule_hop_bytes: float
    """The same under the rule."""
    least_hop_bytes: float
    """No placement has fewer (``Traffic.least_hop_bytes``)."""


def place(traffic: Traffic, strategy: str, seed: int = 0) -> Placement:
    """Searches a placement.

    Args:
        traffic: What moves.
        strategy: One of ``STRATEGIES``.
        seed: Of annealing; the others draw nothing.

    Raises:
        ValueError: There is no such strategy.
    """
    check_strategy(strategy)
    turns = STRATEGIES[strategy](traffic, np.random.default_rng(seed))
    rule, least = traffic.hop_bytes(traffic.unturned), traffic.least_hop_bytes()
    return Placement(strategy, turns, traffic.hop_bytes(turns), rule, least)


def check_strategy(strategy: str) -> None:
    """Refuses the name of no strategy.

    Raises:
        ValueError: There is no such strategy.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown placement '{strategy}', known: {', '.join(STRATEGIES)}")


class _State:
    """Turns of all groups, and what they leave of the memories."""

    def __init__(self, traffic: Traffic, turns: Turns) -> None:
        self.traffic = traffic
        self.turns = list(turns)
        self.flows_of: list[list[int]] = [[] for _ in traffic.groups]
        for index, flow in enumerate(traffic.flows):
            for group in {flow.sender, flow.receiver}:
                self.flows_of[group].append(index)
        self.tiles = [tiles_of(group.region, traffic.width) for group in traffic.groups]
        self.held = [np.zeros_like(limit) for limit in traffic.limits]
        for index in range(len(turns)):
            self._hold(index, 1)

    def _hold(self, index: int, sign: int) -> None:
        for held, own in zip(self.held, self.traffic.groups[index].resident, strict=True):
            held[self.tiles[index]] += sign * np.roll(own, self.turns[index])

    def bits(self, indices: tuple[int, ...], among: range | None = None) -> int:
        """Bits times links of the flows of some groups, perhaps only those among others."""
        flows = {f for index in indices for f in self.flows_of[index]}
        traffic = self.traffic
        return sum(
            traffic.flow_bits(flow, self.turns)
            for flow in (traffic.flows[f] for f in flows)
            if among is None or (flow.sender in among and flow.receiver in among)
        )

    def move(self, moves: dict[int, int]) -> bool:
        """Turns groups, unless a memory would not hold it."""
        before = {index: self.turns[index] for index in moves}
        for index, turn in moves.items():
            self._hold(index, -1)
            self.turns[index] = turn % self.traffic.groups[index].region.tiles
            self._hold(index, 1)
        if all(
            (held[self.tiles[index]] <= limit[self.tiles[index]]).all()
            for index in moves
            if self._resides(index)
            for held, limit in zip(self.held, self.traffic.limits, strict=True)
        ):
            return True
        self.restore(before)
        return False

    def restore(self, turns: dict[int, int]) -> None:
        """Turns groups back to where they were."""
        for index, turn in turns.items():
            self._hold(index, -1)
            self.turns[index] = turn
            self._hold(index, 1)

    def _resides(self, index: int) -> bool:
        return any(own.any() for own in self.traffic.groups[index].resident)

    def settle(self, index: int, among: range | None = None) -> bool:
        """Turns a group to its best place; whether it moved.

        Of many places some that lie evenly are tried, and closer and closer ones around the best.
        """
        places = self.traffic.groups[index].places
        if places == 1:
            return False
        start = self.turns[index]
        best, at = self.bits((index,), among), start
        step = -(-places // EXHAUSTIVE)
        tried = range(0, places, step)
        while True:
            for turn in tried:
                if self.move({index: turn}):
                    bits = self.bits((index,), among)
                    if bits < best:
                        best, at = bits, self.turns[index]
            self.restore({index: at})
            if step == 1:
                return at != start
            step = -(-step // 4)
            tried = range(at - 4 * step, at + 4 * step + 1, step)


def _rule(traffic: Traffic, rng: np.random.Generator) -> Turns:
    return traffic.unturned


def _snake(traffic: Traffic, rng: np.random.Generator) -> Turns:
    state = _State(traffic, traffic.unturned)
    ends: dict[object, int] = {}
    for index, group in enumerate(traffic.groups):
        if group.free:
            end = ends.get(group.region, 0)
            state.move({index: end - group.begin})
            ends[group.region] = group.begin + state.turns[index] + group.tiles
    return tuple(state.turns)


def _greedy(traffic: Traffic, rng: np.random.Generator) -> Turns:
    state = _State(traffic, traffic.unturned)
    for index in range(len(traffic.groups)):
        state.settle(index, range(index + 1))
    return tuple(state.turns)


def _descent(traffic: Traffic, rng: np.random.Generator) -> Turns:
    starts = (make(traffic, rng) for make in (_rule, _snake, _greedy))
    return _descend(traffic, min(starts, key=traffic.hop_bytes))


def _descend(traffic: Traffic, turns: Turns) -> Turns:
    state = _State(traffic, turns)
    moved = True
    while moved:
        moved = False
        for index in range(len(traffic.groups)):
            moved |= state.settle(index)
    return tuple(state.turns)


def _annealing(traffic: Traffic, rng: np.random.Generator) -> Turns:
    start = _descent(traffic, rng)
    movable = [i for i, group in enumerate(traffic.groups) if group.places > 1]
    if not movable:
        return start
    state = _State(traffic, start)
    alike = _alike(traffic)
    steps = min(MOVES * len(movable), MOST_MOVES)
    bits = best = 8 * traffic.hop_bytes(start)
    found = start
    temperature = bits / len(movable) / 10
    cooling = COOLING ** (1 / steps)
    for _ in range(steps):
        temperature *= cooling
        index = movable[int(rng.integers(len(movable)))]
        moves = _proposal(state, index, alike[index], rng)
        before = {i: state.turns[i] for i in moves}
        was = state.bits(tuple(moves))
        if not state.move(moves):
            continue
        change = state.bits(tuple(moves)) - was
        if change > 0 and rng.random() >= exp(-change / max(temperature, 1e-300)):
            state.restore(before)
            continue
        bits += change
        if bits < best:
            best, found = bits, tuple(state.turns)
    return _descend(traffic, found)


def _proposal(
    state: _State, index: int, alike: list[int], rng: np.random.Generator
) -> dict[int, int]:
    """Any place, one nearby, or that of a group that leaves the same in memories."""
    group, turn = state.traffic.groups[index], state.turns[index]
    kind = rng.integers(3)
    if kind == 0 and alike:
        other = alike[int(rng.integers(len(alike)))]
        apart = state.traffic.groups[other].begin - group.begin
        return {index: state.turns[other] + apart, other: turn - apart}
    if kind == 1:
        width = group.region.width
        return {index: turn + int(rng.choice([-1, 1, -width, width]))}
    return {index: int(rng.integers(group.places))}


def _alike(traffic: Traffic) -> list[list[int]]:
    """Of each group the others that could lie where it does: same region, same bytes a tile."""
    kinds: dict[object, list[int]] = {}
    for index, group in enumerate(traffic.groups):
        if group.free:
            own = tuple(np.roll(r, -group.begin).tobytes() for r in group.resident)
            kinds.setdefault((group.region, own), []).append(index)
    out: list[list[int]] = [[] for _ in traffic.groups]
    for members in kinds.values():
        for index in members:
            out[index] = [other for other in members if other != index]
    return out


STRATEGIES: dict[str, Callable[[Traffic, np.random.Generator], Turns]] = {
    "rule": _rule,
    "snake": _snake,
    "greedy": _greedy,
    "descent": _descent,
    "annealing": _annealing,
}
"""Each from traffic and a generator to turns."""
