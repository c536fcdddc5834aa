"""Laws of gating, rails, weight stores, formats and links, on random designs."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workloads import transformer

from asic_compiler.hardware.design import Freedom
from asic_compiler.hardware.legality import Constraints
from asic_compiler.hardware.precision import FORMAT_INDEX
from asic_compiler.hardware.weight_store import STORE_INDEX, STORES, WeightStore
from asic_compiler.mapping.profile import Profile
from asic_compiler.ppa import clock, leakage
from asic_compiler.ppa.metrics import Metrics
from asic_compiler.ppa.model import PPAModel
from asic_compiler.technology.library import load_node

NODE = load_node("3nm")
seeds = st.integers(0, 2**32 - 1)
law = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
OFF_CHIP = [WeightStore.LPDDR5X, WeightStore.HBM3E]


def stored_in(design, store):
    return design.with_(weight_store=np.full(len(design), STORE_INDEX[store]))


def in_format(design, name, kv=16.0):
    count = len(design)
    widths = {"fp16": 16.0, "bf16": 16.0, "w4a16": 4.0, "w4a8": 4.0}
    return design.with_(
        precision=np.full(count, FORMAT_INDEX[name]),
        weight_bits=np.full(count, widths.get(name, 8.0)),
        kv_bits=np.full(count, kv),
    )


def with_system(node, room, **changes):
    """A node whose constants of one room of ``system`` are changed."""
    changed = replace(getattr(node.system, room), **changes)
    return replace(node, system=replace(node.system, **{room: changed}))


@law
@given(seed=seeds, clock_hz=st.sampled_from([None, 1e6, 10e6, 100e6]))
def test_gating_never_takes_more_power_and_never_changes_speed(
    small, draw, make_model, seed, clock_hz
):
    d = draw(64, seed)
    on = make_model(small, clock_hz=clock_hz).evaluate(d)
    off = make_model(small, clock_hz=clock_hz, power_gating=False).evaluate(d)
    assert (on.leakage_w < off.leakage_w).all()
    # Its switches take area, so wires and the clock's trunk get a little longer.
    assert (on.area_mm2 > off.area_mm2).all()
    same = on.dies == off.dies
    assert (on.area_mm2 < off.area_mm2 * 1.0301)[same].all()
    spent = on.energy_parts_j.sum(axis=1) / off.energy_parts_j.sum(axis=1)
    assert (spent < 1.02)[same].all()
    assert (on.period_cycles == off.period_cycles).mean() > 0.8


@law
@given(seed=seeds)
def test_a_slower_fixed_clock_sleeps_more_and_leaks_less(small, draw, make_model, seed):
    d = draw(64, seed)
    fast, slow = (make_model(small, clock_hz=hz).evaluate(d) for hz in (100e6, 1e6))
    both = fast.violations[:, 3] == 0.0
    assert (slow.leakage_w[both] <= fast.leakage_w[both] * (1 + 1e-12)).all()
    assert (slow.leakage_w[both] < fast.leakage_w[both]).any()


def test_sleep_starts_where_waits_are_worth_it():
    share = leakage.asleep_share(
        np.array([100.0, 100.0, 1000.0]), np.array([1000.0] * 3), np.array([1.0, 9.0, 1.0]),
        np.array([100e6] * 3), NODE,
    )  # fmt: skip
    # 900 cycles of waiting; a microsecond, 100 cycles of it, is lost at each operator.
    assert share == pytest.approx([0.8, 0.0, 0.0])


@law
@given(seed=seeds)
def test_memories_below_their_rail_do_not_follow_the_logic(small, draw, make_model, seed):
    d = draw(64, seed)
    rail = NODE.voltage.minimum + NODE.system.rails.sram_margin
    low, at = (make_model(small).evaluate(d.with_(vdd=np.full(64, v))) for v in (0.45, rail))
    assert np.allclose(low.energy_parts_j[:, 2], at.energy_parts_j[:, 2], atol=0.0)  # DMEM
    assert (low.energy_parts_j[:, 0] < at.energy_parts_j[:, 0]).all()
    assert (low.leakage_parts_w[:, 0] < at.leakage_parts_w[:, 0]).all()
    assert np.allclose(low.energy_parts_j[:, 6:], at.energy_parts_j[:, 6:], atol=0.0)  # links


def test_larger_macros_are_slower_up_to_the_largest():
    sizes = np.array([4096.0, 8192.0, 16384.0, 65536.0, 524288.0])
    hertz = clock.memory_clock_hz(sizes, np.full(5, 0.75), NODE)
    assert hertz[0] == hertz[1] > hertz[2] > hertz[3] == hertz[4]
    # 0.55 of a period at 8 KiB, 0.1 more each doubling, and cells with a threshold 30 mV higher.
    slower = ((0.75 - 0.33) / (0.75 - 0.3)) ** 1.6
    assert hertz[3] == pytest.approx(2.5e9 * slower / 0.85, rel=1e-3)
    by_supply = [
        clock.memory_clock_hz(np.array([65536.0]), np.array([v]), NODE)[0] for v in (0.5, 0.6, 0.9)
    ]
    assert by_supply == sorted(by_supply)


def test_a_large_dmem_can_bound_the_clock(small, draw, make_model):
    d = draw(200, 5).with_(
        fetch=np.ones(200), stanum=np.ones(200), vlen=np.full(200, 128.0), sc_x=np.ones(200),
        sc_y=np.ones(200), xr_wp=np.ones(200), vr_wp=np.ones(200), xdpnum=np.ones(200),
        vdpnum=np.ones(200), heterogeneity=np.zeros(200), vdd=np.full(200, 0.5),
        clock=np.ones(200),
    )  # fmt: skip
    memory = clock.memory_clock_hz(np.full(200, 524288.0), np.full(200, 0.5), NODE)
    large = make_model(small).evaluate(d.with_(dmem=np.full(200, 524288.0)))
    assert np.allclose(large.clock_hz, memory)
    wide = d.with_(sc_x=np.full(200, 4.0), sc_y=np.full(200, 4.0))
    assert (clock.router_factor(wide) < clock.router_factor(d)).all()


@law
@given(seed=seeds, store=st.sampled_from(OFF_CHIP), budget=st.sampled_from([None, 5.0, 50.0]))
def test_more_bandwidth_is_never_slower(small, draw, seed, store, budget):
    d = stored_in(draw(64, seed), store)
    conditions = make_conditions(budget)
    room = str(store)
    device = getattr(NODE.system, room)
    more = with_system(NODE, room, bandwidth=4.0 * device.bandwidth)
    base = PPAModel(small, NODE, conditions).evaluate(d)
    wide = PPAModel(small, more, conditions).evaluate(d)
    assert (wide.tokens_per_s >= base.tokens_per_s * (1 - 1e-9)).all()
    assert (wide.dram_devices <= base.dram_devices).all()
    bits = base.energy_parts_j[:, 7] / device.energy
    supplied = base.dram_devices * device.bandwidth * 8.0
    assert (base.steps_per_s * bits <= supplied * (1 + 1e-9)).all()


def make_conditions(budget, **more):
    from asic_compiler.ppa.conditions import Conditions

    return Conditions(constraints=Constraints(power_w=budget), **more)


@law
@given(seed=seeds, store=st.sampled_from(OFF_CHIP))
def test_projecting_an_off_chip_design_twice_changes_nothing(small, draw, make_model, seed, store):
    d = stored_in(draw(64, seed), store)
    model = make_model(small, constraints=Constraints(power_w=20.0))
    m = model.evaluate(d)
    again = model.evaluate(d.with_(clock=np.minimum(m.clock_fraction, 1.0)))
    assert np.array_equal(again.dram_devices, m.dram_devices)
    np.testing.assert_allclose(again.clock_hz, m.clock_hz, rtol=1e-12)
    np.testing.assert_allclose(again.power_w, m.power_w, rtol=1e-12)
    assert (m.power_w[m.violations[:, 4] == 0.0] <= 20.0 * (1 + 1e-9)).all()


def test_stores_differ_as_they_should(small, draw, make_model):
    d = draw(200, 6)
    model = make_model(small)
    rom, sram, lpddr, hbm = (model.evaluate(stored_in(d, store)) for store in STORES)
    assert (sram.area_parts_mm2[:, 2] > 2.0 * rom.area_parts_mm2[:, 2]).all()
    assert (sram.leakage_w > rom.leakage_w).all()
    buffers = lpddr.area_parts_mm2[:, 2] / sram.area_parts_mm2[:, 2]
    assert (buffers <= 1.0 + 1e-12).all()
    assert (buffers < 0.5).mean() > 0.3
    for off, room in ((lpddr, NODE.system.lpddr5x), (hbm, NODE.system.hbm3e)):
        phys = off.dram_devices * room.phy_area
        assert (off.area_parts_mm2[:, 4] >= rom.area_parts_mm2[:, 4] + phys - 1e-9).all()
        assert np.allclose(
            off.static_w, rom.static_w + off.dram_devices * room.static_power, rtol=0.05
        )
        edge = 4.0 * np.sqrt(off.area_mm2 / off.dies) * off.dies * 0.5
        assert (off.dram_devices * room.phy_edge <= edge * (1 + 1e-9)).all()
        assert (off.energy_parts_j[:, 7] > 0).all()
        assert (off.tokens_per_s <= rom.tokens_per_s * (1 + 1e-9)).mean() > 0.9
    assert (rom.energy_parts_j[:, 7] == 0).all()
    assert (rom.dram_devices == 0).all()


def test_off_chip_traffic_is_the_weights_once_and_the_rows_of_tables(small, draw, make_model):
    d = stored_in(draw(20, 7), WeightStore.HBM3E)
    m = make_model(small).evaluate(d)
    table = small.table
    gather = sum(
        int(n) * (c.weight_read_bytes - c.weight_bytes)
        for n, c in zip(table.counts, table.classes, strict=True)
        if c.macs == 0
    )
    expected = 8.0 * (table.total("weight_bytes") + gather) * NODE.system.hbm3e.energy
    assert np.allclose(m.energy_parts_j[:, 7], expected, atol=0.0)


def test_too_few_edges_make_the_die_larger(draw, make_model):
    """A model of 4 TB needs 64 packages or more: their PHYs set the size of the die."""
    huge = Profile(transformer(layers=2, hidden=128, heads=2, kv_heads=1, head_dim=64, ffn=256,
                               vocab=256, batch=1, context=16))  # fmt: skip
    d = stored_in(draw(10, 8), WeightStore.LPDDR5X).with_(
        mesh_width=np.ones(10), mesh_height=np.ones(10), sc_x=np.ones(10), sc_y=np.ones(10),
        stage_grid=np.zeros(10, dtype=np.int64),
    )  # fmt: skip
    tiny = with_system(NODE, "lpddr5x", capacity=huge.weight_bytes / 39.5)
    m = PPAModel(huge, tiny, make_conditions(None, host_interface=False)).evaluate(d)
    assert (m.dram_devices == 40).all()
    side = 40 * NODE.system.lpddr5x.phy_edge / (4 * 0.5)
    assert (m.area_mm2 >= side**2 * (1 - 1e-9) / m.dies).all()


@law
@given(seed=seeds)
def test_narrower_formats_never_cost_more(small, draw, make_model, seed):
    d = draw(64, seed)
    model = make_model(small)
    full = model.evaluate(in_format(d, "fp16"))
    int8 = model.evaluate(in_format(d, "w8a8", kv=8.0))
    fp8 = model.evaluate(in_format(d, "fp8", kv=8.0))
    bf16 = model.evaluate(in_format(d, "bf16"))
    assert (bf16.energy_parts_j[:, 0] < full.energy_parts_j[:, 0]).all()
    for narrow in (int8, fp8):
        # Each sum over a part of k is rescaled: where parts are a few products, that is most of it.
        assert (narrow.energy_parts_j[:, 0] < full.energy_parts_j[:, 0]).mean() > 0.85
    # Inputs lie in DMEM as they are and are read once more, for the scales of their rows: where the
    # port binds, twice the lanes gain nothing.
    assert (int8.period_cycles <= full.period_cycles * (1 + 1e-9)).mean() > 0.8
    assert (int8.period_cycles <= full.period_cycles * 1.25).all()
    assert (int8.energy_parts_j[:, 0] < fp8.energy_parts_j[:, 0]).all()
    # Two adders of 32 bits for one: integers are small, FP32 accumulators are not.
    for narrow, sign in ((int8, -1.0), (bf16, -1.0), (fp8, 1.0)):
        gained = sign * (narrow.area_parts_mm2[:, 0] - full.area_parts_mm2[:, 0])
        assert (gained > 0).all()
    assert (bf16.period_cycles <= full.period_cycles * (1 + 1e-9)).all()  # shorter wires


def test_eight_bit_operands_have_twice_the_lanes(small, draw, make_model):
    d = in_format(draw(50, 9), "fp16")
    model = make_model(small)
    matmul = ~small.contractions.attention
    for i in range(0, 50, 7):
        one = d.take(np.array([i]))
        full = model.evaluate_equal_stages(one)[1].contractions.tensor[0]
        whole = model.evaluate_equal_stages(in_format(one, "w8a8"))[1].contractions.tensor[0]
        cached = model.evaluate_equal_stages(in_format(one, "w8a8", 8.0))[1].contractions.tensor[0]
        assert (whole[matmul] <= full[matmul] / 2 + 1).all()
        assert (whole[~matmul] == full[~matmul]).all()  # a 16-bit cache: attention in FP16
        assert (cached[~matmul] < full[~matmul]).all()


def test_an_eight_bit_unit_keeps_fp16_multipliers_for_a_wide_cache(small, draw, make_model):
    d = draw(50, 10)
    model = make_model(small)
    narrow = model.evaluate(in_format(d, "w8a8", kv=8.0))
    both = model.evaluate(in_format(d, "w8a8", kv=16.0))
    assert (both.area_parts_mm2[:, 0] > narrow.area_parts_mm2[:, 0]).all()


def test_links_bind_and_are_monotone(llama, draw, make_model):
    d = draw(100, 12).with_(
        mesh_width=np.full(100, 48.0), mesh_height=np.full(100, 48.0),
        stage_grid=np.zeros(100, dtype=np.int64),
    )  # fmt: skip
    base = make_model(llama).evaluate(d)
    several = base.dies > 1
    assert several.mean() > 0.9
    for factor in (0.1, 10.0):
        node = with_system(NODE, "links", bandwidth=factor * NODE.system.links.bandwidth)
        other = PPAModel(llama, node, make_conditions(None)).evaluate(d)
        slower = other.period_cycles > base.period_cycles
        faster = other.period_cycles < base.period_cycles
        assert not (faster if factor < 1 else slower).any()
        # Lanes of a tenth are in the way of all but the thinnest links.
        assert (slower if factor < 1 else faster)[several].mean() > (0.8 if factor < 1 else 0.3)
        assert np.array_equal(other.energy_parts_j[:, 6], base.energy_parts_j[:, 6])
    assert (base.energy_parts_j[several, 6] > 0).all()
    assert (base.energy_parts_j[~several, 6] == 0).all()


def test_batches_of_mixed_choices_equal_one_by_one_bit_for_bit(small, draw, make_model):
    freedom = Freedom(
        precision=("fp16", "w8a8", "w4a16", "bf16"), kv_bits=(16, 8, 4), weight_stores=STORES
    )
    d = draw(120, 13, freedom=freedom)
    assert len(np.unique(d.precision)) == 4
    assert len(np.unique(d.weight_store)) == 4
    model = make_model(small, constraints=Constraints(power_w=5.0))
    together = model.evaluate(d)
    for i in range(len(d)):
        alone = model.evaluate(d.take(np.array([i])))
        for f in fields(Metrics):
            a, b = getattr(together, f.name)[i], getattr(alone, f.name)[0]
            assert np.array_equal(a, b), (i, f.name, a, b)
