"""Each event is counted where it happens: one change at a time, and what it must change."""

from dataclasses import replace

import numpy as np
import pytest
from flows import arriving, fabric
from workloads import table

from asic_compiler.hardware.derive import make_bands, size_tiles
from asic_compiler.mapping.capacity import memory_need
from asic_compiler.mapping.mapping import map_designs
from asic_compiler.mapping.profile import Profile
from asic_compiler.ppa import area, clock, energy, precision, timing
from asic_compiler.technology.library import load_node
from asic_compiler.workload.table import OperatorClass, OperatorKind

NODE = load_node("3nm")


def attention(cached, bits=16):
    size = 2 * 8 * 512 * 64 if cached else 0
    return OperatorClass(
        OperatorKind.ATTENTION, 8, 4, 512, 64, element_bits=bits, kv_read_bytes=size,
        kv_bytes=size, input_bytes=2 * 8 * 4 * 64, output_bytes=2 * 8 * 4 * 512,
    )  # fmt: skip


def fixed(draw, **values):
    d = draw(1, 0)
    plain = {"heterogeneity": 0.0, "rho_matmul": 1.0, "rho_conv": 1.0, "rho_general": 1.0,
             "mesh_width": 8.0, "mesh_height": 8.0, "sc_x": 1.0, "sc_y": 1.0}  # fmt: skip
    columns = {name: np.array([v]) for name, v in (plain | values).items()}
    return d.with_(stage_grid=np.zeros(1, dtype=np.int64), **columns)


def spent(profile, design, memory):
    """Energy of the contractions of one design at given joules a bit."""
    mapping = map_designs(profile, design)
    constants = NODE.timing_constants
    issue = timing.issue_limits(design, mapping.sizes, constants)
    network = fabric(mapping, hop=1.0, diameter=np.full(1, 16.0))
    work, sizes = mapping.work, mapping.sizes
    moved = arriving(mapping, network).take(work.index)
    time = timing.time_contractions(mapping, issue, network, moved, constants)
    operands = precision.operands(work, design, NODE)
    parts = energy.contraction_energy(operands, time, sizes, memory, NODE)
    return parts, time


def feed(elements):
    """An operator whose result the next one reads."""
    return OperatorClass(
        OperatorKind.ELEMENTWISE, elements=elements, output_bytes=2 * elements,
        space=(1, 8, elements // 8),
    )  # fmt: skip


def joules(hop=0.0, local=0.0, dmem=0.0):
    return energy.MemoryEnergy(*(np.array([v]) for v in (0.0, dmem, hop, local)))


def test_keys_and_values_outside_the_cache_travel(draw):
    design = fixed(draw)
    keys = feed(8 * 512 * 64)
    plain = table([keys, feed(8 * 4 * 64), attention(False)])
    both = np.array([(0, 2, keys.output_bytes), (1, 2, 8 * 4 * 64 * 2)])
    first = np.array([(1, 2, 8 * 4 * 64 * 2), (0, 2, keys.output_bytes)])
    here, _ = spent(Profile(replace(plain, edges=both[1:])), design, joules(hop=1.0))
    far, _ = spent(Profile(replace(plain, edges=first)), design, joules(hop=1.0))
    bits = 8 * 512 * 64 * 16
    # Each goes to the four tiles with the rows of its head, side by side: 3 links between them,
    # (8^2 - 4^2) / 24 to come to the nearest, and in each of 4 columns (8^2 - 1) / 24.
    expected = 3 + 2 + 4 * 63 / 24
    assert (far.noc[0, 0] - here.noc[0, 0]) / bits == pytest.approx(expected, rel=0.02)


def test_bits_pay_for_the_way_from_router_to_tile(draw):
    profile = Profile(table([feed(8 * 4 * 64), attention(True)]))
    parts, time = spent(profile, fixed(draw), joules(local=1.0))
    moved = time.arriving.size_bytes * time.split.used_tiles + time.arriving.sent_bytes
    assert parts.noc[0, 0] == 8 * moved[0, 0]
    assert parts.noc[0, 0] > 0


def test_partial_sums_are_read_moved_and_added(draw):
    matmul = OperatorClass(OperatorKind.MATMUL, 1, 2, 512, 512, weight_bytes=2 * 512 * 512)
    profile = Profile(table([matmul]))
    partial = 2 * 512 * 3  # four groups of rows: three further sums of each output
    whole, _ = spent(profile, fixed(draw, k_split=0.0), joules())
    split, time = spent(profile, fixed(draw, k_split=2 / 3, allreduce=0.0), joules())
    assert time.split.k[0, 0] == 4
    added = split.compute[0, 0] - whole.compute[0, 0]
    assert added == pytest.approx(partial * NODE.energy.fp32_add, rel=1e-6)
    moved, _ = spent(profile, fixed(draw, k_split=2 / 3, allreduce=0.0), joules(dmem=1.0))
    # Each is read, written elsewhere and read again; two tiles of four read their own, one writes.
    added = 3 * 32 * partial + 2 * 32 * 2 * 512 + 16 * 2 * 512
    assert moved.dmem[0, 0] == (time.dmem_bits * time.split.used_tiles)[0, 0] + added


def test_a_link_wider_than_the_vectors_does_not_help(draw):
    profile = Profile(table([feed(8 * 4 * 64), attention(False)]))
    times = [
        spent(profile, fixed(draw, dflit=flit, vlen=512.0), joules())[1].cycles[0, 0]
        for flit in (64.0, 512.0, 8192.0)
    ]
    assert times[0] > times[1] == times[2]


def test_the_slowest_tile_of_a_region_sets_its_pace(draw, small):
    d = draw(300, 21).with_(heterogeneity=np.ones(300))
    bands = make_bands(d, small.has_conv)
    sizes = size_tiles(d, bands, small.lane_cycles[d.rows.astype(int) - 1])
    for i in range(300):
        for region in range(3):
            mine = bands.member[i, :, region]
            assert sizes.region_vlen[i, region] == sizes.vlen[i, mine].min()
            assert sizes.region_fetch[i, region] == sizes.fetch[i, mine].min()


def test_only_a_sixteen_bit_cache_is_narrowed():
    for bits, scale in ((16, 0.5), (32, 1.0)):
        profile = Profile(table([attention(True, bits)]))
        assert profile.kv_scale(np.array([8.0]))[0] == scale


def test_a_pipelines_latency_is_the_longest_way_through_its_stages(draw, small, make_model):
    model = make_model(small)
    for i in range(0, 60, 3):
        design = draw(60, 22).take(np.array([i]))
        metrics, inner = model.evaluate_equal_stages(design)
        total = sum(float(inner.stage_cycles[0, kind]) for kind in inner.cut.of_stage)
        beside = float(inner.class_cycles[0] @ inner.cut.aside)
        assert beside == 0.0 or len(inner.cut.of_stage) > 1
        total -= beside
        assert metrics.latency_s[0] * metrics.clock_hz[0] == pytest.approx(total)
        assert metrics.period_cycles[0] == inner.stage_cycles.max()


def test_a_longer_way_between_stages_costs_energy(draw, small, make_model):
    d = draw(400, 23)
    wide = (d.stage_columns > 1) & (d.stage_rows > 1) & (d.mesh_width > 16)
    d = d.take(np.flatnonzero(wide))
    count = len(d)
    far = make_model(small).evaluate(d.with_(locality=np.zeros(count)))
    near = make_model(small).evaluate(d.with_(locality=np.ones(count)))
    assert (far.energy_parts_j[:, 4] > near.energy_parts_j[:, 4]).all()


def test_structure_slows_the_clock_and_pipes_take_area(draw, small):
    d = draw(50, 24)
    bands = make_bands(d, small.has_conv)
    sizes = size_tiles(d, bands, small.lane_cycles[d.rows.astype(int) - 1])
    base = clock.structure_factor(d, sizes)
    assert (clock.structure_factor(d.with_(stanum=d.stanum * 2), sizes) < base).all()
    more = clock.structure_factor(d, replace(sizes, fetch=sizes.fetch * 2))
    assert (more < base).all()
    logic = area.core_logic(d, sizes, NODE)
    pipes = area.core_logic(d.with_(vdpnum=d.vdpnum * 2), sizes, NODE)
    assert np.allclose(pipes.vector_ge, 2 * logic.vector_ge)


def test_the_tile_with_most_heads_holds_them(draw):
    """Eight heads on three tiles: one has three of them, not eight thirds."""
    profile = Profile(table([attention(True)]))
    design = fixed(draw, mesh_width=3.0, mesh_height=1.0)
    need = memory_need(map_designs(profile, design))
    assert need.kv.max() == 3 * 512 * 64 * 2 + 32  # and the alignment of its part


def test_a_wide_cache_is_read_at_its_own_width(draw):
    profile = Profile(table([attention(True, 32)]))
    full, half = (
        spent(profile, fixed(draw, kv_bits=bits), joules())[1].dmem_bits for bits in (16.0, 8.0)
    )
    assert np.array_equal(full, half)


def test_waiting_stages_pay_for_their_ungated_clock(draw, small):
    d = draw(20, 25)
    mapping = map_designs(small, d)
    bands = mapping.bands
    ones, none = np.ones((20, 4)), np.zeros((20, 4))
    logic = area.Logic(none, none, none, none, ones, 2 * ones, 3 * ones)
    period = np.full(20, 1000.0)
    used = bands.member.any(axis=2)
    routers = np.ceil(bands.width / d.sc_x) * np.ceil(bands.height / d.sc_y)
    each = 2e-15 * NODE.scale_from_28nm

    def joule(tensor, vector, asleep=0.0, trunk=0.0):
        activity = energy.Activity(period, tensor * ones, vector * ones, asleep * ones)
        return energy.clock_energy(mapping, logic, activity, np.full(20, trunk), NODE)

    tiles = (bands.tiles * used).sum(axis=1)
    pins = area.router_flip_flops(d) * routers
    waiting = each * 0.15 * 1000.0 * d.stages
    assert np.allclose(joule(0.0, 0.0), (6.0 * tiles + pins) * waiting, atol=0.0)
    # A sleeping tile has no clock; its router goes on.
    assert np.allclose(joule(0.0, 0.0, asleep=1.0), pins * waiting, atol=0.0)
    # Only what computes is clocked whole: front end and tensor unit, or front end and vectors.
    everywhere = bands.tiles.sum(axis=1)
    more = joule(100.0, 0.0) - joule(0.0, 0.0)
    assert np.allclose(more, (4.0 * everywhere + pins) * each * 0.85 * 100.0, atol=0.0)
    more = joule(0.0, 100.0) - joule(0.0, 0.0)
    assert np.allclose(more, (3.0 * everywhere + pins) * each * 0.85 * 100.0, atol=0.0)
    # The trunk swings whole: four times the energy of a wire with random data.
    trunk = joule(0.0, 0.0, trunk=5.0) - joule(0.0, 0.0)
    assert np.allclose(trunk, 4.0 * NODE.energy.wire * 5.0 * 1000.0, rtol=1e-6, atol=0.0)
