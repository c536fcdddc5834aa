"""Searches of placements, on traffic made up: distances, memories, bounds, order of merit."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asic_compiler.hardware.chip import Rectangle
from asic_compiler.program.placement.search import STRATEGIES, place
from asic_compiler.program.placement.traffic import Flow, OperatorGroup, Pattern, Traffic, ring_of


def pattern(packets: list[tuple[int, int, int]], sets: list[list[int]]) -> Pattern:
    """Of (source tile, place of its target set, bits)."""
    table = np.array(sorted(packets, key=lambda p: p[1]), dtype=np.int64).reshape(-1, 3)
    start = np.cumsum([0, *(len(s) for s in sets)])
    tiles = np.array([tile for s in sets for tile in s], dtype=np.int64)
    source, target, bits = (table[:, i].copy() for i in range(3))
    return Pattern(source, target, bits, start, tiles)


def random_traffic(seed: int, groups: int = 4, room: int | None = None) -> Traffic:
    """Groups on a mesh, each with bytes on some tiles, and packets between any two of them."""
    rng = np.random.default_rng(seed)
    width, height, sc_x, sc_y = (int(v) for v in (*rng.integers(2, 6, 2), *rng.integers(1, 3, 2)))
    whole = Rectangle(0, 0, width, height)
    tiles = width * height
    made: list[OperatorGroup] = []
    for index in range(groups):
        held = np.zeros(tiles, dtype=np.int64)
        begin, used = int(rng.integers(tiles)), int(rng.integers(1, tiles + 1))
        held[(begin + np.arange(used)) % tiles] = 10
        made.append(OperatorGroup((index,), whole, begin, used, bool(rng.random() < 0.8), (held,)))
    flows: list[Flow] = []
    for _ in range(6):
        count = int(rng.integers(1, 4))
        sets = [
            sorted(rng.choice(tiles, int(rng.integers(1, tiles + 1)), replace=False).tolist())
            for _ in range(count)
        ]
        packets = [
            (int(rng.integers(tiles)), int(rng.integers(count)), 8 * int(rng.integers(1, 9)))
            for _ in range(5)
        ]
        a, b = (int(v) for v in rng.integers(groups, size=2))
        flows.append(Flow(pattern(packets, sets), a, b))
    held = sum(group.resident[0] for group in made)
    limit = np.full(tiles, int(np.max(held)) if room is None else room)
    return Traffic(width, height, sc_x, sc_y, tuple(made), tuple(flows), (limit,))


def walked(traffic: Traffic, turns: tuple[int, ...]) -> float:
    """Byte-links, every link of every tree walked: along the source's row, then its columns."""
    total = 0
    tiles = traffic.width * traffic.height

    def router(tile: int, turn: int) -> tuple[int, int]:
        tile = (tile + turn) % tiles
        return tile % traffic.width // traffic.sc_x, tile // traffic.width // traffic.sc_y

    for flow in traffic.flows:
        p = flow.pattern
        for source, target, bits in zip(p.source, p.target, p.bits, strict=True):
            x, y = router(int(source), turns[flow.sender])
            links: set[tuple[tuple[int, int], tuple[int, int]]] = set()
            for tile in p.tiles[p.start[target] : p.start[target + 1]]:
                at = (x, y)
                to = router(int(tile), turns[flow.receiver])
                while at != to:
                    step = int(np.sign(to[0] - at[0]))
                    next_ = (at[0] + step, at[1])
                    if not step:
                        next_ = (at[0], at[1] + int(np.sign(to[1] - at[1])))
                    links.add((at, next_))
                    at = next_
            total += len(links) * int(bits)
    return total / 8


def random_turns(traffic: Traffic, seed: int) -> tuple[int, ...]:
    rng = np.random.default_rng(seed)
    return tuple(int(rng.integers(group.places)) for group in traffic.groups)


@given(seed=st.integers(0, 10_000), turn=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_hop_bytes_are_the_links_that_trees_walk(seed: int, turn: int):
    traffic = random_traffic(seed)
    turns = random_turns(traffic, turn)
    assert traffic.hop_bytes(turns) == walked(traffic, turns)


@given(seed=st.integers(0, 10_000), turn=st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_no_placement_has_fewer_hop_bytes_than_the_bound(seed: int, turn: int):
    traffic = random_traffic(seed)
    assert traffic.least_hop_bytes() <= traffic.hop_bytes(random_turns(traffic, turn))


def test_the_bound_is_met_by_neighbours():
    """A tile sends to the four beside it, whose routers are one link away."""
    traffic = Traffic(
        3, 3, 1, 1, (OperatorGroup((0,), Rectangle(0, 0, 3, 3), 0, 9, True, ()),),
        (Flow(pattern([(4, i, 8) for i in range(4)], [[1], [3], [5], [7]]), 0, 0),), (),
    )  # fmt: skip
    assert traffic.least_hop_bytes() == traffic.hop_bytes((0,)) == 4


def test_a_tile_of_another_group_may_lie_where_it_sends_to():
    groups = tuple(OperatorGroup((i,), Rectangle(0, 0, 3, 1), 0, 3, True, ()) for i in range(2))
    traffic = Traffic(3, 1, 1, 1, groups, (Flow(pattern([(0, 0, 8)], [[2]]), 0, 1),), ())
    assert traffic.least_hop_bytes() == traffic.hop_bytes((2, 0)) == 0


def test_rings_hold_four_routers_more_each():
    assert ring_of(np.arange(14), 1).tolist() == [0] + [1] * 4 + [2] * 8 + [3]
    assert ring_of(np.arange(7), 2).tolist() == [0] * 2 + [1] * 5


def fits(traffic: Traffic, turns: tuple[int, ...]) -> bool:
    held = sum(
        np.roll(group.resident[0], turn) for group, turn in zip(traffic.groups, turns, strict=True)
    )
    return bool((held <= traffic.limits[0]).all())


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_searches_keep_memories_and_end_no_longer_than_they_began(seed: int):
    traffic = random_traffic(seed)
    found = {name: place(traffic, name) for name in STRATEGIES}
    for placement in found.values():
        assert fits(traffic, placement.turns)
        assert placement.hop_bytes == traffic.hop_bytes(placement.turns)
        assert placement.least_hop_bytes <= placement.hop_bytes
        for group, turn in zip(traffic.groups, placement.turns, strict=True):
            assert group.free or turn == 0
    assert found["rule"].turns == traffic.unturned
    starts = min(found[name].hop_bytes for name in ("rule", "snake", "greedy"))
    assert found["annealing"].hop_bytes <= found["descent"].hop_bytes <= starts


@pytest.mark.parametrize("seed", range(6))
def test_annealing_finds_what_trying_everything_finds(seed: int):
    traffic = random_traffic(seed, groups=3)
    every = product(*(range(group.places) for group in traffic.groups))
    best = min(traffic.hop_bytes(turns) for turns in every if fits(traffic, turns))
    assert place(traffic, "annealing", 1).hop_bytes == best


def test_a_full_memory_turns_a_shorter_way_away():
    """Two groups would both like the tile in the middle; only one fits."""
    row = Rectangle(0, 0, 3, 1)
    held = np.array([8, 0, 0])
    groups = (
        OperatorGroup((0,), row, 0, 1, True, (held,)),
        OperatorGroup((1,), row, 1, 1, True, (np.roll(held, 1),)),
    )
    flows = (Flow(pattern([(0, 0, 8)], [[1]]), 0, 1),)
    roomy, tight = (Traffic(3, 1, 1, 1, groups, flows, (np.full(3, room),)) for room in (16, 8))
    assert place(roomy, "greedy").hop_bytes == 0
    assert place(tight, "annealing").hop_bytes == 1


def test_snake_begins_where_the_one_before_ended():
    row = Rectangle(0, 0, 4, 2)
    none = (np.zeros(8, dtype=np.int64),)
    groups = tuple(
        OperatorGroup((i,), row, 0, used, True, none) for i, used in enumerate((3, 2, 4))
    )
    traffic = Traffic(4, 2, 1, 1, groups, (), (np.zeros(8, dtype=np.int64),))
    assert place(traffic, "snake").turns == (0, 3, 5)


def test_the_same_seed_gives_the_same_turns():
    traffic = random_traffic(3)
    assert place(traffic, "annealing", 5) == place(random_traffic(3), "annealing", 5)


def test_an_unknown_strategy_is_refused():
    with pytest.raises(ValueError, match="unknown placement 'best', known: rule, snake"):
        place(random_traffic(0), "best")
