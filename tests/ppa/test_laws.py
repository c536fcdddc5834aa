"""What must hold of every design: monotonicity, conservation, consistency."""

from dataclasses import fields, replace

import numpy as np
import pytest
from flows import arriving, fabric
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from asic_compiler.hardware.derive import make_bands, size_tiles
from asic_compiler.hardware.legality import REASONS, Constraints, Reason
from asic_compiler.mapping.capacity import memory_need
from asic_compiler.mapping.mapping import map_designs
from asic_compiler.ppa import area, energy, leakage, timing
from asic_compiler.ppa.metrics import Metrics
from asic_compiler.technology.library import load_node

NODE = load_node("3nm")
seeds = st.integers(0, 2**32 - 1)
law = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def timed(profile, design, network=None):
    """The contraction and vector times of designs, on a fabric of ours."""
    mapping = map_designs(profile, design)
    constants = NODE.timing_constants
    issue = timing.issue_limits(design, mapping.sizes, constants)
    network = network or fabric(mapping)
    moved = arriving(mapping, network)
    tensor = timing.time_contractions(
        mapping, issue, network, moved.take(profile.contractions.index), constants
    )
    vector = timing.time_vectors(
        mapping, issue, network, moved.take(profile.vectors.index), constants
    )
    return tensor, vector, mapping.bands, mapping.sizes


def uniform(design):
    return design.with_(heterogeneity=np.zeros(len(design)))


@law
@given(seed=seeds)
def test_a_wider_noc_is_never_slower(small, draw, seed):
    d = draw(64, seed)
    d = d.with_(dflit=np.minimum(d.dflit, 4096.0))
    wide = d.with_(dflit=d.dflit * 2.0)
    for narrow_time, wide_time in zip(timed(small, d)[:2], timed(small, wide)[:2], strict=True):
        assert (wide_time.cycles <= narrow_time.cycles + 1e-9).all()
    assert (timed(small, wide)[0].cycles < timed(small, d)[0].cycles).any()


@law
@given(seed=seeds)
def test_longer_vectors_never_take_more_cycles(small, draw, seed):
    d = uniform(draw(64, seed))
    d = d.with_(vlen=np.minimum(d.vlen, 1024.0))
    longer = d.with_(vlen=d.vlen * 2.0)
    a, av, *_ = timed(small, d)
    b, bv, *_ = timed(small, longer)
    assert (b.tensor <= a.tensor).all()
    assert (b.busy <= a.busy + 1e-9).all()
    # Wider pieces may be fewer; where they are as many, each takes no longer.
    same = av.split.n == bv.split.n
    assert (bv.busy <= av.busy + 1e-9)[same].all()
    assert same.any()


@law
@given(seed=seeds)
def test_more_tensor_rows_never_take_more_tensor_cycles(small, draw, seed):
    d = uniform(draw(64, seed))
    d = d.with_(rows=np.minimum(d.rows, 8.0), k_split=np.zeros(len(d)))
    a, b = timed(small, d)[0], timed(small, d.with_(rows=d.rows * 2.0))[0]
    same = a.split.m == b.split.m  # with fewer blocks of rows, fewer tiles can share them
    assert (b.tensor <= a.tensor)[same].all()
    assert (b.tensor < a.tensor).any()
    assert (b.row_blocks <= a.row_blocks).all()
    many = d.with_(rows=np.full(len(d), 8.0))
    more = timed(small, many.with_(rows=np.full(len(d), 16.0)))[0]
    # Decode of two sequences and groups of four queries: eight rows hold all there is.
    np.testing.assert_array_equal(more.cycles, timed(small, many)[0].cycles)


@law
@given(seed=seeds)
def test_macs_are_conserved(small, draw, seed):
    d = draw(64, seed)
    time, _, _, sizes = timed(small, d)
    work, split = small.contractions, time.split
    covered = split.groups * split.m_tile * split.n_tile * split.k_tile * split.used_tiles
    assert (covered >= work.macs - 0.5).all()
    lanes = sizes.region_vlen[:, work.region] / work.bits
    peak = time.tensor * lanes * d.rows[:, None] * split.used_tiles
    assert (peak >= work.macs - 0.5).all()
    bands = make_bands(d, small.has_conv)
    assert (split.used_tiles <= bands.region_tiles[:, work.region]).all()


@law
@given(seed=seeds)
def test_memories_hold_the_whole_model(small, draw, make_model, seed):
    d = draw(64, seed)
    model = make_model(small)
    mapping = map_designs(small, d)
    stages, bands, need = mapping.stages, mapping.bands, memory_need(mapping)
    spread, total = stages.segments.spread, stages.segments.total
    tiles = stages.multiplicity[:, None] * spread(bands.tiles)
    assert (total((need.wmem * tiles).sum(axis=1)) >= small.weight_bytes * (1 - 1e-12)).all()
    cache = small.total_kv_bytes * d.stages  # every stage's micro-batch is another
    assert (total((need.kv * tiles).sum(axis=1)) >= cache * (1 - 1e-12)).all()
    metrics = model.evaluate(d)
    assert (metrics.dmem_average >= d.dmem).all()
    for i in range(0, 64, 13):
        _, inner = model.evaluate_equal_stages(d.take(np.array([i])))
        here = inner.bands.tiles[0] > 0
        assert (inner.dmem[0][:, here] >= inner.dmem_need[0][:, here] - 1e-6).all()
        assert (inner.wmem[0][:, here] >= inner.wmem_need[0][:, here]).all()


def test_slices_laid_out_as_placed_stay_within_what_is_provided(small, draw):
    """The capacity rule against an actual layout, class by class, row after row."""
    d = draw(40, 5)
    d = d.with_(stage_grid=np.zeros(40, dtype=np.int64))
    mapping = map_designs(small, d)
    bands, split, need = mapping.bands, mapping.split, memory_need(mapping)
    work = small.contractions
    weighted = {int(c): i for i, c in enumerate(work.index) if work.weight_bytes[i] > 0}
    tables = sum(small.vectors.weight_bytes)
    for i in range(40):
        tiles = int(bands.region_tiles[i, 0])
        width = int(bands.width[i])
        held = np.zeros(tiles)
        first = dict.fromkeys(weighted, 0)
        for c in (int(c) for c in small.table.sequence):
            if c not in weighted:
                continue
            j = weighted[c]
            copies = int(split.m[i, j])
            ks, ns = int(split.k[i, j]), int(split.n[i, j])
            n, k = work.n[j], work.k[j]
            columns = np.diff(np.floor(np.linspace(0, n, ns + 1)))
            rows = np.diff(np.floor(np.linspace(0, k, ks + 1)))
            slices = np.sort(np.tile(np.outer(rows, columns).ravel() * 2.0, copies))[::-1]
            places = (first[c] * width + np.arange(len(slices))) % tiles
            held[places] += slices
            first[c] += -(-len(slices) // width)
        band = int(np.argmax(bands.member[i, :, 0]))
        general = tables / bands.region_tiles[i, 2] if bands.member[i, band, 2] else 0.0
        assert held.max() + general <= need.wmem[i, band] + 1e-6


@law
@given(seed=seeds)
def test_stages_hold_the_whole_program(small, seed):
    rng = np.random.default_rng(seed)
    for grid in range(8):
        cut = small.cut(grid, float(rng.choice([0.0, 0.5, 1.0])))
        assert np.array_equal(cut.multiplicity @ cut.counts, small.counts)
        assert cut.multiplicity.sum() == len(cut.of_stage)
        assert cut.boundaries[0] == 0
        assert cut.boundaries[-1] == len(small.table.sequence)
        assert (np.diff(cut.boundaries) > 0).all()


@law
@given(seed=seeds)
@example(seed=905)  # with a mesh of one tile
def test_a_lower_supply_never_costs_more_energy(small, draw, make_model, seed):
    d = draw(64, seed).with_(vdd=np.full(64, 0.75))
    model = make_model(small)
    high, low = model.evaluate(d), model.evaluate(d.with_(vdd=np.full(64, 0.6)))
    assert (low.energy_parts_j <= high.energy_parts_j * (1 + 1e-12)).all()
    assert (low.leakage_w < high.leakage_w).all()
    assert (low.clock_hz < high.clock_hz).all()
    # All but the clock tree, whose cycles depend on wires, scale with the square. A part may be
    # nothing: one tile has no network.
    expected = (0.6 / 0.75) ** 2 * high.energy_parts_j[:, :5]
    np.testing.assert_allclose(low.energy_parts_j[:, :5], expected, rtol=1e-5)


@law
@given(seed=seeds)
def test_the_books_balance(small, draw, make_model, seed):
    d = draw(64, seed)
    m = make_model(small).evaluate(d)
    rate = m.clock_hz / m.period_cycles
    assert np.allclose(m.steps_per_s, rate)
    spent = m.energy_parts_j.sum(axis=1) * rate
    assert np.allclose(m.power_w, spent + m.leakage_w + m.static_w)
    assert np.allclose(m.leakage_w, m.leakage_parts_w.sum(axis=1))
    assert np.allclose(m.tokens_per_s, rate * small.table.tokens_per_step)
    assert np.allclose(m.energy_per_token_j * m.tokens_per_s, m.power_w)
    assert np.allclose(m.area_mm2, m.area_parts_mm2.sum(axis=1))
    assert np.allclose(m.sequences, small.table.batch * d.stages)
    assert np.allclose(m.tokens_per_s_per_user * m.sequences, m.tokens_per_s)
    assert (m.latency_s <= d.stages * m.period_cycles / m.clock_hz * (1 + 1e-9)).all()
    assert (m.energy_parts_j >= 0).all()
    assert (m.leakage_w > 0).all()
    assert (m.dies * NODE.area_constants.reticle >= m.area_mm2 - 1e-6).all()
    for f in fields(Metrics):
        assert np.isfinite(getattr(m, f.name)).all(), f.name
    assert ((m.hazards >= 0) & (m.hazards <= 1)).all()
    assert ((m.compute_share >= 0) & (m.compute_share <= 1)).all()


@law
@given(seed=seeds, budget=st.floats(0.05, 100.0))
def test_power_never_exceeds_the_budget_unflagged(small, draw, make_model, seed, budget):
    d = draw(64, seed)
    m = make_model(small, constraints=Constraints(power_w=budget)).evaluate(d)
    flagged = m.violations[:, REASONS.index(Reason.POWER)] > 0
    assert (m.power_w[~flagged] <= budget * (1 + 1e-9)).all()
    assert (m.power_w[flagged] > budget).all()
    assert (m.clock_fraction <= d.clock).all()
    # Projection lowers the clock only where the budget asks for it.
    free = make_model(small).evaluate(d)
    kept = free.power_w <= budget
    assert np.array_equal(m.clock_hz[kept], free.clock_hz[kept])
    # It is exact: a second projection changes nothing.
    again = make_model(small, constraints=Constraints(power_w=budget)).evaluate(
        d.with_(clock=m.clock_fraction)
    )
    np.testing.assert_array_equal(again.clock_hz, m.clock_hz)


def test_leakage_grows_with_temperature_and_supply():
    def leak(temperature, volts):
        one = {f.name: np.ones(1) for f in fields(leakage.Silicon)}
        at = np.array([volts])
        return leakage.leakage_parts_w(leakage.Silicon(**one), at, at, temperature, NODE)[0].sum()

    by_heat = [leak(t, 0.75) for t in (0.0, 25.0, 55.0, 85.0, 105.0)]
    assert by_heat == sorted(by_heat)
    assert by_heat[3] / by_heat[1] == pytest.approx(7.0, rel=0.05)
    assert leak(85.0, 0.45) / leak(85.0, 0.75) == pytest.approx(0.6**2.5)


def test_batches_equal_one_by_one_bit_for_bit(small, draw, make_model):
    d = draw(150, 11)
    model = make_model(small, constraints=Constraints(power_w=5.0))
    together = model.evaluate(d)
    for i in range(len(d)):
        alone = model.evaluate(d.take(np.array([i])))
        for f in fields(Metrics):
            a, b = getattr(together, f.name)[i], getattr(alone, f.name)[0]
            assert np.array_equal(a, b), (i, f.name, a, b)


def test_order_and_chunks_do_not_matter(small, draw, make_model):
    d = draw(5000, 12)
    model = make_model(small)
    order = np.random.default_rng(0).permutation(len(d))
    straight, shuffled = model.evaluate(d), model.evaluate(d.take(order))
    for f in fields(Metrics):
        assert np.array_equal(getattr(straight, f.name)[order], getattr(shuffled, f.name)), f.name


def test_every_tile_and_placement_counts(small, draw, make_model):
    """What the closed forms of earlier work do not see."""
    model = make_model(small)
    d = draw(400, 13)
    bands = make_bands(d, small.has_conv)
    base = model.evaluate(d)

    shaped = model.evaluate(d.with_(heterogeneity=np.ones(len(d))))
    even = model.evaluate(d.with_(heterogeneity=np.zeros(len(d))))
    several = (bands.rows > 0).sum(axis=1) > 1
    differs = (shaped.area_mm2 != even.area_mm2) | (shaped.period_cycles != even.period_cycles)
    assert differs[several].mean() > 0.9

    rows, spiral = np.zeros(len(d)), np.ones(len(d))
    far, near = model.evaluate(d.with_(locality=rows)), model.evaluate(d.with_(locality=spiral))
    wide = (d.stage_columns > 1) & (d.stage_rows > 1) & (d.mesh_width > 8)
    assert (near.period_cycles[wide] <= far.period_cycles[wide]).all()
    assert (near.latency_s[wide] < far.latency_s[wide]).mean() > 0.9
    assert (near.period_cycles[wide] < far.period_cycles[wide]).mean() > 0.5
    one = d.stages == 1
    assert np.array_equal(near.period_cycles[one], far.period_cycles[one])

    fewer = model.evaluate(d.with_(rho_matmul=d.rho_matmul * 0.5))
    assert (fewer.period_cycles != base.period_cycles).mean() > 0.5


def test_one_class_of_tiles_with_shorter_vectors_is_slower(small, draw):
    """A single band that is weaker sets the pace of the regions it belongs to, and no other."""
    d = uniform(draw(200, 14).with_(vlen=np.full(200, 1024.0)))
    whole = map_designs(small, d)
    bands, work = whole.bands, whole.work
    vlen = whole.sizes.vlen.copy()
    weak = np.array([np.flatnonzero(r)[-1] for r in bands.rows > 0])
    vlen[np.arange(200), weak] = 256.0
    region = np.where(~bands.member, np.inf, vlen[:, :, None]).min(axis=1)
    weaker = replace(whole, sizes=replace(whole.sizes, vlen=vlen, region_vlen=region))
    constants = NODE.timing_constants
    issue = timing.issue_limits(d, weaker.sizes, constants)
    network = fabric(weaker, hop=1.0, diameter=np.ones(200))
    moved = arriving(weaker, network).take(work.index)
    fast = timing.time_contractions(whole, issue, network, moved, constants)
    slow = timing.time_contractions(weaker, issue, network, moved, constants)
    hit = bands.member[np.arange(200), weak][:, work.region]
    assert (slow.tensor[hit] > fast.tensor[hit]).all()
    assert np.array_equal(slow.tensor[~hit], fast.tensor[~hit])


@law
@given(seed=seeds)
def test_structure_costs_area(small, draw, seed):
    """Nothing that makes a tile faster is free."""
    d = uniform(draw(64, seed))
    bands = make_bands(d, small.has_conv)

    def gates(design):
        sizes = size_tiles(design, bands, small.lane_cycles[design.rows.astype(int) - 1])
        return area.core_logic(design, sizes, NODE).gates

    base = gates(d)
    for name, least in (
        ("rows", 16),
        ("fetch", 16),
        ("stanum", 32),
        ("vdpnum", 16),
        ("xdpnum", 16),
    ):
        value = getattr(d, name)
        more = np.minimum(value + 1.0, float(least))
        bigger = gates(d.with_(**{name: more}))
        assert (bigger[more > value] > base[more > value]).all(), name
    wide = area.router_gates(d.with_(dflit=d.dflit * 2), NODE)
    assert (wide > area.router_gates(d, NODE) * 1.2).all()
    clustered = area.router_gates(d.with_(sc_x=np.full(64, 4.0), sc_y=np.full(64, 4.0)), NODE)
    alone = area.router_gates(d.with_(sc_x=np.ones(64), sc_y=np.ones(64)), NODE)
    assert (clustered > alone).all()


def test_super_clusters_do_not_make_distance_free(draw):
    """Tiles behind one router save hops, not wire: 16 tiles are still 16 tiles apart."""
    d = draw(1, 0).with_(dflit=np.array([512.0]))

    def reach(cluster):
        here = d.with_(sc_x=np.array([float(cluster)]), sc_y=np.array([float(cluster)]))
        memory = energy.memory_energy(
            here, np.array([65536.0]), np.array([0.8]), np.array([0.8 * cluster]), NODE
        )
        # A multicast to 64 tiles: each router once, then each tile.
        return 64 / cluster**2 * memory.hop[0] + 64 * memory.local[0]

    assert reach(4) > 0.5 * reach(1)
    assert reach(4) > reach(2) * 0.5
