"""Regions, bands and every tile's own sizes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asic_compiler.hardware.derive import (
    Demand,
    MemoryRange,
    make_bands,
    provision_memory,
    size_tiles,
)
from asic_compiler.hardware.design import Freedom, decode
from asic_compiler.hardware.segments import Segments
from asic_compiler.technology.library import load_node

NODE = load_node("3nm")


def designs(seed, count=64):
    rng = np.random.default_rng(seed)
    return decode(rng.integers(1, 65, (count, 4)), rng.uniform(-1, 1, (count, 30)), NODE, Freedom())


@given(seed=st.integers(0, 2**32 - 1), has_conv=st.booleans())
def test_bands_partition_the_rows(seed, has_conv):
    d = designs(seed)
    bands = make_bands(d, has_conv)
    assert np.array_equal(bands.rows.sum(axis=1), d.mesh_height / d.stage_rows)
    assert (bands.rows >= 0).all()
    assert np.array_equal(bands.start[:, 0], np.zeros(len(d)))
    assert np.array_equal(bands.start[:, 1:], bands.start[:, :-1] + bands.rows[:, :-1])
    assert not bands.member[bands.rows == 0].any()


@given(seed=st.integers(0, 2**32 - 1))
def test_regions_have_the_rows_that_rho_asks_for(seed):
    d = designs(seed)
    bands = make_bands(d, has_conv=True)
    height = d.mesh_height / d.stage_rows
    for region, rho in enumerate((d.rho_matmul, d.rho_conv, d.rho_general)):
        wanted = np.clip(np.ceil(rho * height - 1e-9), 1, height)
        assert np.array_equal(bands.region_rows[:, region], wanted)
        # The bands that belong to the region are exactly its rows.
        assert np.array_equal((bands.rows * bands.member[:, :, region]).sum(axis=1), wanted)
    assert np.array_equal(bands.region_tiles, bands.region_rows * bands.width[:, None])


def test_without_convolutions_their_region_is_the_matmuls():
    bands = make_bands(designs(1), has_conv=False)
    assert np.array_equal(bands.member[:, :, 0], bands.member[:, :, 1])


def test_heterogeneity_makes_tiles_follow_their_load():
    d = designs(2, 256)
    bands = make_bands(d, has_conv=False)
    work = np.tile([1e9, 0.0, 1e7], (len(d), 1))
    flat = size_tiles(d.with_(heterogeneity=np.zeros(len(d))), bands, work)
    assert (flat.vlen == d.vlen[:, None]).all()
    assert (flat.fetch == d.fetch[:, None]).all()
    shaped = size_tiles(d.with_(heterogeneity=np.ones(len(d))), bands, work)
    load = np.einsum("nbr,nr->nb", bands.member, work / bands.region_tiles)
    filled = bands.rows > 0
    for i in range(len(d)):
        order = np.argsort(load[i][filled[i]])
        assert (np.diff(shaped.vlen[i][filled[i]][order]) >= 0).all()
    assert (shaped.vlen != flat.vlen).any()
    assert (shaped.region_vlen <= shaped.vlen.max(axis=1, keepdims=True)).all()


sizes = st.floats(0.0, 6e5)
SIZES = MemoryRange(step=4096.0, low=16384.0, high=524288.0)


@given(
    needs=st.lists(st.lists(sizes, min_size=4, max_size=4), min_size=1, max_size=5),
    average=st.integers(4, 128),
    h=st.floats(0.0, 1.0),
    data=st.data(),
)
def test_provision_meets_every_need(needs, average, h, data):
    need = np.array(needs)
    tiles = np.array(
        [[data.draw(st.integers(0, 30)) for _ in range(4)] for _ in needs], dtype=np.float64
    )
    tiles[0, 0] += 1
    need = need * (tiles > 0)
    segments = Segments.of_lengths(np.array([len(needs)]))
    demand = Demand(need, tiles, np.array([h]), segments)
    asked = np.array([average * 4096.0])
    capacity, raised = provision_memory(asked, demand, SIZES)
    assert (capacity[tiles > 0] >= need[tiles > 0] - 1e-6).all()
    assert (capacity >= SIZES.low).all()
    assert np.allclose(capacity / SIZES.step, np.rint(capacity / SIZES.step))
    assert raised[0] >= asked[0]
    # What is raised once need not be raised again.
    again, same = provision_memory(raised, demand, SIZES)
    assert same[0] == raised[0]
    assert np.array_equal(again, capacity)


def test_provision_conserves_the_average_where_there_is_slack():
    need = np.array([[40e3, 60e3, 50e3, 80e3]])
    tiles = np.array([[10.0, 20.0, 5.0, 5.0]])
    one = Segments.of_lengths(np.array([1]))
    asked = np.array([200.0 * 1024])
    for h in (0.0, 0.3, 1.0):
        demand = Demand(need, tiles, np.array([h]), one)
        capacity, raised = provision_memory(asked, demand, SIZES)
        assert raised[0] == asked[0]
        mean = (capacity * tiles).sum() / tiles.sum()
        assert asked[0] <= mean <= asked[0] + 4096.0


def test_designs_of_a_batch_are_provisioned_apart():
    need = np.array([[1e5, 0, 0, 0], [2e5, 0, 0, 0], [3e5, 0, 0, 0]])
    tiles = np.ones((3, 4))
    segments = Segments.of_lengths(np.array([1, 2]))
    h = np.zeros(2)
    demand = Demand(need, tiles, h, segments)
    together, raised = provision_memory(np.array([16384.0, 16384.0]), demand, SIZES)
    assert raised[0] == pytest.approx(np.ceil(1e5 / 4096) * 4096)
    assert raised[1] == pytest.approx(np.ceil(3e5 / 4096) * 4096)
    assert (together[1:] == raised[1]).all()


@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_segments_reduce_like_loops(lengths):
    segments = Segments.of_lengths(np.array(lengths))
    values = np.random.default_rng(0).random((sum(lengths), 3))
    groups = np.split(values, np.cumsum(lengths)[:-1])
    assert np.allclose(segments.total(values), [g.sum(axis=0) for g in groups])
    assert np.array_equal(segments.largest(values), [g.max(axis=0) for g in groups])
    assert np.array_equal(segments.least(values), [g.min(axis=0) for g in groups])
    assert np.array_equal(
        segments.spread(np.arange(len(lengths), dtype=np.float64)),
        np.repeat(np.arange(len(lengths)), lengths),
    )
