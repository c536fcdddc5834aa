"""How operators fall on tiles: streams, stages, and one record for all who ask."""

from dataclasses import replace

import numpy as np
from workloads import table

from asic_compiler.mapping.contractions import split_contractions, split_streams
from asic_compiler.mapping.mapping import make_tiles, map_designs
from asic_compiler.mapping.profile import Profile
from asic_compiler.workload.table import OperatorClass, OperatorKind


def test_a_mapping_is_what_its_rules_say_one_by_one(draw, small):
    design = draw(60, 3)
    mapping = map_designs(small, design)
    bands, sizes = make_tiles(small, design)
    split = split_contractions(small.contractions, design, bands)
    for own, other in ((mapping.bands, bands), (mapping.sizes, sizes), (mapping.split, split)):
        for name in own.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(own, name), getattr(other, name))
    assert mapping.work is small.contractions


def test_partial_sums_are_scattered_where_it_is_asked_for_and_there_are_any(draw, small):
    design = draw(60, 4).with_(allreduce=np.linspace(0.0, 1.0, 60))
    split = map_designs(small, design).split
    assert not split.scatter[:30].any()
    np.testing.assert_array_equal(split.scatter[30:], split.k[30:] > 1.0)


def test_rows_are_streamed_where_there_are_enough(draw):
    def matmul(m):
        return OperatorClass(OperatorKind.MATMUL, 1, m, 512, 2048, weight_bytes=2 * 512 * 2048)

    profile = Profile(table([matmul(3), matmul(4096)]))
    d = draw(200, 7).with_(stream_buffers=np.full(200, 2.0), stage_grid=np.zeros(200, dtype=int))
    mapping = map_designs(profile, d)
    split, streams = mapping.split, mapping.streams
    blocks = np.ceil(split.m_tile / d.rows[:, None])
    assert (streams.by_rows == (blocks >= d.stream_chunks[:, None])).all()
    assert streams.by_rows[:, 1].mean() > 0.9 > 0.3 > streams.by_rows[:, 0].mean()
    # Whole blocks: no more of them than without pieces.
    rows = np.ceil(split.m_tile / streams.pieces)
    assert (rows % d.rows[:, None] == 0)[streams.by_rows & (streams.pieces > 1)].mean() > 0.8
    assert (streams.kept <= streams.pieces).all()
    whole = split_streams(profile.contractions, split, d.with_(stream_buffers=np.ones(200)))
    assert (whole.pieces == 1.0).all()
    assert not whole.dropped.any()


def test_what_another_stage_does_meanwhile_is_beside_the_way():
    """Two large products of one value, a stage each: they run at the same time."""
    feed = OperatorClass(OperatorKind.ELEMENTWISE, elements=64, output_bytes=128, space=(1, 1, 64))
    half = OperatorClass(OperatorKind.MATMUL, 1, 1, 4096, 64, weight_bytes=2 * 4096 * 64)
    last = OperatorClass(OperatorKind.ELEMENTWISE, elements=32, output_bytes=64, space=(1, 1, 32))
    plain = table([feed, half, half, last])
    apart = replace(plain, edges=np.array([(0, 1, 128), (0, 2, 128), (1, 3, 8), (2, 3, 8)]))
    cut = Profile(apart).cut(1, 0.0)
    assert cut.boundaries.tolist() == [0, 2, 4]
    index = apart.classes.index(half)
    assert cut.aside[index] == 1.0
    assert cut.aside.sum() <= 2.0
    chained = Profile(plain).cut(1, 0.0)
    assert chained.aside.sum() == 0.0
