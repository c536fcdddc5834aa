"""Addresses of buffers: nobody overlaps, and little of the memory is lost between them."""

from __future__ import annotations

from itertools import combinations
from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from xdsl.ir import OpResult

from asic_compiler.mapping.capacity import FRAGMENTATION
from asic_compiler.program.allocate import Lifetime, in_order, largest_first, most_alive

NOBODY = cast(OpResult, None)


def lives(*rows: tuple[int, int, int]) -> list[Lifetime]:
    """Of (first, last, bytes), in the order they begin."""
    return [Lifetime(NOBODY, *row) for row in sorted(rows, key=lambda row: row[0])]


SOME = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 8), st.integers(0, 6)).map(
        lambda row: (row[0], row[0] + row[1], 32 * row[2])
    ),
    max_size=24,
).map(lambda rows: lives(*rows))


@given(SOME)
def test_buffers_that_live_at_the_same_time_never_overlap(some: list[Lifetime]):
    for order in (in_order, largest_first):
        addresses, top = order(some)
        ranges = [(at, at + life.size_bytes) for at, life in zip(addresses, some, strict=True)]
        for (a, own), (b, other) in combinations(zip(some, ranges, strict=True), 2):
            if a.first <= b.last and b.first <= a.last and a.size_bytes and b.size_bytes:
                assert own[1] <= other[0] or other[1] <= own[0]
        assert top == max((stop for _, stop in ranges), default=0)
        assert top >= most_alive(some)


@given(SOME)
def test_most_alive_is_the_largest_sum_of_any_moment(some: list[Lifetime]):
    sums = [sum(a.size_bytes for a in some if a.first <= t <= a.last) for t in range(40)]
    assert most_alive(some) == max(sums)


def test_small_buffers_in_the_way_of_large_ones_choose_last():
    """Two small ones outlive what was between them; a large one then fits into no gap."""
    some = lives((0, 1, 64), (0, 9, 32), (0, 1, 64), (0, 9, 32), (2, 9, 128))
    assert most_alive(some) == 192
    assert in_order(some)[1] == 320
    assert largest_first(some)[1] == 192 < FRAGMENTATION * most_alive(some)
