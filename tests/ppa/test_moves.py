"""What moves between operators, over which links, and what combining costs; by hand and by law."""

import numpy as np
import pytest
from flows import fabric
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asic_compiler.mapping.mapping import map_designs
from asic_compiler.ppa.reduction import Adder, ReductionGroup, Ways, combine
from asic_compiler.ppa.transfer import Transfers, time_transfers

law = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def moved(profile, d, borders=0.0, slow=1.0) -> Transfers:
    mapping = map_designs(profile, d)
    return time_transfers(mapping, fabric(mapping, borders=borders, slow=slow))


@law
@given(seed=st.integers(0, 2**32 - 1))
def test_what_is_needed_is_brought_or_copied_or_lies_there(draw, small, seed):
    t = moved(small, draw(50, seed))
    assert np.allclose((t.brought_bytes + t.copied_bytes)[t.moves], t.need_bytes[t.moves])
    for values in (t.brought_bytes, t.copied_bytes, t.cycles, t.sent_bytes):
        assert (values[~t.moves] == 0.0).all()
        assert (values >= 0.0).all()
    # Nobody takes in what nobody sent.
    assert (t.sent_bytes[t.brought_bytes > 0.0] > 0.0).all()


@law
@given(seed=st.integers(0, 2**32 - 1))
def test_wider_links_never_slow_a_transfer_and_borders_never_speed_it(draw, small, seed):
    d = draw(50, seed)
    narrow = moved(small, d)
    wide = moved(small, d.with_(dflit=d.dflit * 2.0))
    assert (wide.cycles <= narrow.cycles).all()
    several = moved(small, d, borders=1.0, slow=4.0)
    assert (several.cycles >= narrow.cycles).all()
    assert np.array_equal(several.sent_bytes, narrow.sent_bytes)


def test_on_one_tile_nothing_moves(draw, small):
    ones = np.ones(8)
    d = draw(8, 3).with_(
        mesh_width=ones, mesh_height=ones, sc_x=ones, sc_y=ones,
        stage_grid=np.zeros(8, dtype=np.int64),
    )  # fmt: skip
    assert not moved(small, d).moves.any()


def ways(width, sc_x=1.0, sc_y=1.0, slowest=1.0):
    one = np.ones((1, 1))
    return Ways(width * one, sc_x * one, sc_y * one, 256.0 * one, 128.0 * one, 3.0 * one,
                0.0 * one, slowest * one)  # fmt: skip


def group(size, elements, stride, share=None):
    one = np.ones((1, 1))
    share = elements if share is None else share
    return ReductionGroup(size * one, elements * one, share * one, 16.0 * one, stride * one)


ADDER = Adder(*(np.full((1, 1), v) for v in (512.0, 1.0, 2.0)), 5.0, np.full((1, 1), 8.0))
NO, YES = np.zeros(1, dtype=np.bool_), np.ones(1, dtype=np.bool_)


def test_two_neighbours_add_up_by_hand():
    """128 sums of 32 bits: 32 cycles into the other tile, 8 registers of 16 to add."""
    done = combine(group(2, 128.0, 1.0), NO, ways(8.0), ADDER)
    message, ports, flits, hops = 8.0, 2.0, 32.0, 3.0
    adding = 8.0 + 5.0  # 8 registers; two instructions of four, 2 cycles apart, are sooner
    ends = (128 * 32 + 128 * 16) / 512.0
    # The credit comes a hop back, the sums a hop forth.
    assert done.cycles[0, 0] == message + adding + flits + ports + 2 * hops + ends
    assert done.partial_bits[0, 0] == 128 * 32
    assert done.dmem_bits[0, 0] == 3 * 128 * 32 + 128 * 32 + 128 * 16
    assert done.hops[0, 0] == 1.0


def test_groups_below_each_other_share_the_links_of_a_column():
    alone = combine(group(4, 512.0, 8.0), NO, ways(8.0), ADDER)
    beside = combine(group(4, 512.0, 32.0), NO, ways(8.0), ADDER)  # four rows to a member
    assert beside.cycles[0, 0] > alone.cycles[0, 0] + 2 * 2 * 512 * 32 / 256
    slow = combine(group(4, 512.0, 32.0), NO, ways(8.0, slowest=3.0), ADDER)
    assert slow.cycles[0, 0] == beside.cycles[0, 0] + 2 * 4 * 512 * 32 / 256
    assert slow.border_bits[0, 0] == 512 * 32


@pytest.mark.parametrize("scatter", [NO, YES])
def test_a_group_at_one_router_needs_no_links(scatter):
    done = combine(group(4, 64.0, 1.0, 16.0), scatter, ways(8.0, sc_x=4.0), ADDER)
    far = combine(group(4, 64.0, 1.0, 16.0), scatter, ways(8.0), ADDER)
    assert done.hops[0, 0] == 0.0 < far.hops[0, 0]
    assert done.cycles[0, 0] < far.cycles[0, 0]


@pytest.mark.parametrize("scatter", [NO, YES])
def test_nothing_is_combined_alone(scatter):
    done = combine(group(1, 64.0, 1.0), scatter, ways(8.0), ADDER)
    assert done.cycles[0, 0] == done.partial_bits[0, 0] == done.dmem_bits[0, 0] == 0.0
