"""Closed forms, figures worked out by hand, and what is not legal."""

from dataclasses import fields

import numpy as np
import pytest
from workloads import table, transformer

from asic_compiler.hardware.design import Freedom, decode
from asic_compiler.hardware.legality import MAX_WMEM_BYTES, REASONS, Constraints, Reason
from asic_compiler.hardware.space import CONTINUOUS, INDEX
from asic_compiler.machine.regions import CONV
from asic_compiler.mapping.profile import Profile
from asic_compiler.ppa import area, energy, leakage
from asic_compiler.technology.library import load_node
from asic_compiler.workload.table import BodyCost, OperatorClass, OperatorKind

NODE = load_node("3nm")
CHOSEN = {
    "fetch": 8, "stanum": 32, "vlen": 1024, "rows": 1, "dmem": 512 * 1024, "wmem_bank": 65536,
    "imem": 16384, "dflit": 8192, "xr_wp": 8, "vr_wp": 4, "xdpnum": 8, "vdpnum": 4, "clock": 1.0,
    "vdd": 0.5, "weight_precision": 0, "dmem_input": 0.5, "dmem_output": 0.5, "dmem_scratch": 0.5,
    "load_balance": 0, "matmul_ratio": 0.7, "conv_ratio": 0.7, "general_ratio": 0.7,
    "stream_chunks": 16, "stream_buffers": 2, "k_split": 0, "allreduce": 0, "stages": 0,
    "heterogeneity": 0, "locality": 0, "kv_precision": 0,
}  # fmt: skip


def chosen(mesh=(1, 1), node=NODE, **changes):
    values = CHOSEN | changes
    x = [float(v.encode(np.array(float(values[v.name])))) for v in CONTINUOUS]
    return decode(np.array([[*mesh, 1, 1]]), np.array([x]), node, Freedom())


def matmul(m, n, k, bits=16):
    size = bits // 8
    return OperatorClass(
        OperatorKind.MATMUL, 1, m, n, k, element_bits=bits, weight_bytes=size * n * k,
        weight_read_bytes=size * n * k, input_bytes=size * m * k, output_bytes=size * m * n,
    )  # fmt: skip


def violation(metrics, reason):
    return float(metrics.violations[0, REASONS.index(reason)])


@pytest.mark.parametrize("vlen", [128, 512, 2048])
def test_a_matrix_vector_product_runs_at_the_weight_memorys_bandwidth(make_model, vlen):
    model = make_model(Profile(table([matmul(1, 4096, 2048)])))
    metrics = model.evaluate(chosen(vlen=vlen))
    bytes_a_cycle = vlen / 8
    assert metrics.period_cycles[0] == pytest.approx(2 * 4096 * 2048 / bytes_a_cycle, rel=0.01)
    # Four times the rows of the tensor unit cannot help a single token.
    more = model.evaluate(chosen(vlen=vlen, rows=4))
    assert more.period_cycles[0] == metrics.period_cycles[0]


@pytest.mark.parametrize("rows", [4, 16])
def test_a_large_matmul_reaches_the_multipliers_peak(make_model, rows):
    m, n, k = 512, 2048, 2048
    model = make_model(Profile(table([matmul(m, n, k)])))
    metrics = model.evaluate(chosen(rows=rows, vlen=1024))
    assert metrics.period_cycles[0] == pytest.approx(m * n * k / (rows * 64), rel=0.02)
    assert metrics.compute_share[0] > 0.98


def test_tiles_share_a_matmul_in_proportion(make_model):
    model = make_model(Profile(table([matmul(64, 4096, 2048)])))
    one = model.evaluate(chosen(rows=16)).period_cycles[0]
    many = model.evaluate(chosen(mesh=(8, 8), rows=16)).period_cycles[0]
    assert one / many == pytest.approx(64, rel=0.05)


def test_sixteen_bit_work_is_twice_as_fast_as_thirty_two(make_model):
    half = make_model(Profile(table([matmul(1, 4096, 2048)]))).evaluate(chosen())
    full = make_model(Profile(table([matmul(1, 4096, 2048, bits=32)]))).evaluate(chosen())
    assert full.period_cycles[0] / half.period_cycles[0] == pytest.approx(2.0, rel=0.01)
    # FP32: (0.655 + 0.19) / (0.17 + 0.19) pJ and the same accumulator access.
    mac = [0.17 + 0.19 + 32 * 2.2e-3, 0.655 + 0.19 + 32 * 2.2e-3]
    ratio = full.energy_parts_j[0, 0] / half.energy_parts_j[0, 0]
    assert ratio == pytest.approx(mac[1] / mac[0], rel=1e-6)


def test_a_multiply_accumulate_costs_what_the_node_file_says(make_model):
    model = make_model(Profile(table([matmul(3, 512, 512)])))
    d = chosen(vdd=0.545454)  # 0.75 V, the nominal supply
    assert d.vdd[0] == pytest.approx(0.75)
    parts = model.evaluate(d).energy_parts_j[0]
    macs = 3 * 512 * 512
    assert parts[0] == pytest.approx(macs * (0.17 + 0.19 + 32 * 0.0022) * 1e-12, rel=1e-9)
    # One bank read of each weight for every block of rows: sqrt(floor x half an SRAM read).
    sram_64k = np.exp(np.interp(np.log(65536), np.log([32768, 1 << 20]), np.log([0.0903, 0.1488])))
    bank = np.sqrt(0.01 * 0.5 * sram_64k)
    tile_mm = np.sqrt(model.evaluate(d).area_mm2[0] - 8.0)
    bits = 3 * 512 * 512 * 16
    assert parts[1] == pytest.approx(bits * (bank + 0.042 * 0.5 * tile_mm) * 1e-12, rel=1e-6)


def test_memories_and_leakage_by_hand():
    node = load_node("7nm")
    one = np.ones(1)
    # 1 MiB of 0.027 um2 cells at 0.42..0.65 efficiency: a large macro.
    large = node.density.sram_efficiency_large
    expected = 2**23 * 0.027e-6 / large
    assert area.sram_area_mm2(2.0**20 * one, node)[0] == pytest.approx(expected)
    small = area.sram_area_mm2(16384.0 * one, node)[0]
    assert small == pytest.approx(16384 * 8 * 0.027e-6 / node.density.sram_efficiency_small)
    # 1 GiB of ROM in 256 KiB banks: 8.6 Gbit x 0.275 x 0.027 um2 / 0.65.
    rom = area.rom_area_mm2(2.0**30 * one, 2.0**18 * one, node)[0]
    assert rom == pytest.approx(8 * 2**30 * 0.275 * 0.027e-6 / 0.65)
    # In 2,048-bit words a 16 KiB macro has 64 rows below 48 rows' worth of columns; 256 is usual.
    wide = area.sram_area_mm2(16384.0 * one, node, 2048.0 * one)[0]
    assert wide / small == pytest.approx((1 + 48 / 64) / (1 + 48 / 256))
    assert area.sram_area_mm2(16384.0 * one, node, 64.0 * one)[0] == small
    assert area.sram_area_mm2(16384.0 * one, node, ports=2.0)[0] == pytest.approx(1.9 * small)


def leaking(node, volts=0.75, memory_volts=0.75, temperature=85.0, high=None, gating=True, **what):
    silicon = {f.name: np.array([what.get(f.name, 0.0)]) for f in fields(leakage.Silicon)}
    return leakage.leakage_parts_w(
        leakage.Silicon(**silicon), np.array([volts]), np.array([memory_volts]), temperature, node,
        high, gating,
    )[0]  # fmt: skip


def test_leakage_by_hand():
    """7 nm, 85 C, nominal supply: 40 mW/mm2 of logic, 175 pW a bit of SRAM."""
    node = load_node("7nm")
    everything = leaking(node, logic_mm2=10, router_mm2=2, sram_bits=1e6, rom_bits=1e9)
    assert everything == pytest.approx([12 * 40e-3, 1e6 * 175e-12, 1e9 * 175e-12 * 0.05])
    # Asleep, cores keep 5 % and SRAM 60 %; routers stay awake. What never works keeps 5 %.
    asleep = leaking(node, logic_mm2=10, router_mm2=2, sram_bits=1e6, asleep=1.0)
    assert asleep == pytest.approx([2.5 * 40e-3, 0.6 * 1e6 * 175e-12, 0.0])
    idle = leaking(node, idle_logic_mm2=10, idle_sram_bits=1e6)
    assert idle == pytest.approx([0.5 * 40e-3, 0.05 * 1e6 * 175e-12, 0.0])
    # The bank that is read is awake: a fifth of an SRAM's leakage, or all of it in SRAM.
    rom = leaking(node, rom_bits=1e9, awake_bank_bits=1e6)
    assert rom[2] == pytest.approx(175e-12 * (1e9 * 0.05 + 1e6 * 0.15))
    sram = leaking(node, weight_sram_bits=1e9, awake_bank_bits=1e6)
    assert sram[1] == pytest.approx(175e-12 * (1e9 * 0.6 + 1e6 * 0.4))
    everything = leaking(node, rom_bits=1e9, idle_logic_mm2=10, asleep=0.5, gating=False)
    assert everything == pytest.approx([10 * 40e-3, 0.0, 1e9 * 175e-12 * 0.2])
    slow = leaking(node, logic_mm2=10, high=np.array([True]))
    assert slow[0] == pytest.approx(10 * 40e-3 * 0.1)
    # Each on its own supply, with its power of 2.5.
    low = leaking(node, volts=0.45, memory_volts=0.5, logic_mm2=10, sram_bits=1e6, rom_bits=1e9)
    at = [0.6**2.5, (0.5 / 0.75) ** 2.5, 0.6**2.5]
    assert low == pytest.approx([10 * 40e-3 * at[0], 175e-6 * at[1], 1e9 * 175e-12 * 0.05 * at[2]])


def test_no_read_is_cheaper_than_the_wide_word_floor():
    for name in ("3nm", "7nm", "28nm"):
        node = load_node(name)
        floor = node.energy.sram_wide_floor
        sizes = 2.0 ** np.arange(10, 25)
        assert (energy.rom_read(sizes, node) >= floor).all()
        for word in (64.0, 512.0, 2048.0):
            reads = energy.sram_read(sizes, np.full(len(sizes), word), node)
            assert (reads >= floor).all()
            assert (np.diff(reads) >= 0).all()


def test_llama_matches_the_published_counts(llama):
    work = llama.contractions
    macs = work.macs * llama.counts[work.index]
    assert macs[~work.attention].sum() / 3 == pytest.approx(7.505e9, rel=1e-3)
    assert macs[work.attention].sum() / 3 == 262144 * 2048
    assert llama.weight_bytes == pytest.approx(16.06e9, rel=1e-3)
    assert llama.total_kv_bytes / 3 / 2048 == 131072


def test_llama_energy_lies_between_the_physical_corners(llama, make_model):
    """FP16, weights on the die, batch 3: 0.49 mJ at the zero-overhead floor, 15.7 mJ nominal."""
    model = make_model(llama)
    d = chosen(mesh=(48, 60), rows=3, vlen=1024, dflit=512, fetch=2, stanum=8, xdpnum=2, xr_wp=2,
               vdpnum=1, vr_wp=1, k_split=0.7)  # fmt: skip
    nominal = model.evaluate(d.with_(vdd=np.array([0.75])))
    low = model.evaluate(d.with_(vdd=np.array([0.45])))
    per_token = [float(m.energy_parts_j[0].sum() / 3) * 1e3 for m in (nominal, low)]
    assert 4.15 < per_token[0] < 15.7
    assert 0.49 < per_token[1] < 5.0
    # 128.5 Gbit of ROM: 1,040 to 1,250 mm2 before the floorplan's own share.
    assert 1040 < nominal.area_parts_mm2[0, 2] * 0.92 < 1600


# Legality


def test_weights_that_do_not_fit_name_the_excess(make_model):
    size = int(MAX_WMEM_BYTES)
    model = make_model(Profile(table([matmul(1, 8192, 8192)])))  # 128 MiB on one tile
    metrics = model.evaluate(chosen())
    assert not metrics.legal[0]
    assert violation(metrics, Reason.WMEM) == pytest.approx(8192 * 8192 * 2 / size - 1)
    assert violation(metrics, Reason.DMEM) == 0
    assert model.evaluate(chosen(mesh=(4, 2))).legal[0]


def test_a_cache_that_does_not_fit_names_the_excess(make_model):
    small = {"layers": 2, "hidden": 256, "heads": 4, "kv_heads": 2, "head_dim": 64, "ffn": 512,
             "vocab": 1024, "batch": 1}  # fmt: skip
    long = make_model(Profile(transformer(**small, context=4096))).evaluate(chosen(mesh=(2, 2)))
    longer = make_model(Profile(transformer(**small, context=8192))).evaluate(chosen(mesh=(2, 2)))
    assert violation(long, Reason.DMEM) > 0
    assert violation(longer, Reason.DMEM) > violation(long, Reason.DMEM) + 0.5
    assert violation(long, Reason.WMEM) == 0
    narrow = chosen(mesh=(2, 2)).with_(kv_bits=np.array([8.0]))
    half = make_model(Profile(transformer(**small, context=4096))).evaluate(narrow)
    assert violation(half, Reason.DMEM) < violation(long, Reason.DMEM)


def test_a_fixed_clock_beyond_the_node_is_refused(make_model):
    profile = Profile(table([matmul(1, 64, 64)]))
    fast = make_model(profile, clock_hz=100e9).evaluate(chosen())
    assert violation(fast, Reason.CLOCK) == pytest.approx(fast.clock_fraction[0] - 1)
    assert fast.clock_fraction[0] > 10
    slow = make_model(profile, clock_hz=10e6).evaluate(chosen())
    assert slow.legal[0]
    assert slow.clock_hz[0] == pytest.approx(10e6)
    # Cells that may be slow leak less.
    free = make_model(profile).evaluate(chosen())
    assert slow.leakage_w[0] < free.leakage_w[0]


def test_budgets(llama, make_model):
    d = chosen(mesh=(48, 60), rows=3, dflit=512, k_split=0.7)
    free = make_model(llama).evaluate(d)
    assert free.legal[0]
    assert free.dies[0] > 1
    one_die = make_model(llama, constraints=Constraints(dies=1)).evaluate(d)
    assert violation(one_die, Reason.DIES) == free.dies[0] - 1
    half = make_model(llama, constraints=Constraints(area_mm2=free.area_mm2[0] / 2)).evaluate(d)
    assert violation(half, Reason.AREA) == pytest.approx(1.0)
    hasty = make_model(llama, constraints=Constraints(tokens_per_s=3 * free.tokens_per_s[0]))
    assert violation(hasty.evaluate(d), Reason.THROUGHPUT) == pytest.approx(2.0)
    content = make_model(llama, constraints=Constraints(tokens_per_s=0.9 * free.tokens_per_s[0]))
    assert content.evaluate(d).legal[0]
    # Less than leakage and the slowest clock take: no projection can help, and it says so.
    starved = make_model(llama, constraints=Constraints(power_w=0.5 * free.leakage_w[0]))
    metrics = starved.evaluate(d)
    expected = metrics.power_w[0] / (0.5 * free.leakage_w[0]) - 1
    assert violation(metrics, Reason.POWER) == pytest.approx(expected)
    assert metrics.clock_fraction[0] == CONTINUOUS[INDEX["clock"]].low


def test_violations_are_zero_exactly_where_kept(llama, draw, make_model):
    limits = Constraints(power_w=51.4, area_mm2=3000.0, dies=4, tokens_per_s=100.0)
    m = make_model(llama, constraints=limits).evaluate(draw(500, 3))
    column = {r: m.violations[:, i] > 0 for i, r in enumerate(REASONS)}
    assert np.array_equal(column[Reason.POWER], m.power_w > 51.4 * (1 + 1e-9))
    assert np.array_equal(column[Reason.AREA], m.area_mm2 > 3000.0 * (1 + 1e-9))
    assert np.array_equal(column[Reason.DIES], m.dies > 4)
    assert np.array_equal(column[Reason.THROUGHPUT], m.tokens_per_s < 100.0 * (1 - 1e-9))
    assert np.array_equal(m.legal, ~np.any(list(column.values()), axis=0))
    assert np.array_equal(m.violation > 0, ~m.legal)


# Odd programs


def evaluated(make_model, draw, operators, **kwargs):
    profile = Profile(table(operators, **kwargs))
    metrics = make_model(profile).evaluate(
        draw(200, 9, freedom=Freedom(max_stages=profile.max_stages))
    )
    for name in ("tokens_per_s", "power_w", "area_mm2", "energy_parts_j", "latency_s", "hazards"):
        assert np.isfinite(getattr(metrics, name)).all(), name
    assert (metrics.tokens_per_s > 0).all()
    return metrics


def vector(elements, **body):
    return OperatorClass(
        OperatorKind.ELEMENTWISE, elements=elements, body=BodyCost(**body), element_bits=16,
        input_bytes=2 * elements, output_bytes=2 * elements,
    )  # fmt: skip


def test_a_program_without_a_contraction(make_model, draw):
    metrics = evaluated(make_model, draw, [vector(4096, simple=1), vector(4096, transcendental=1)])
    assert (metrics.energy_parts_j[:, 0] > 0).all()
    assert (metrics.area_parts_mm2[:, 2] == 0).all()


def test_a_program_without_a_vector_operator(make_model, draw):
    metrics = evaluated(make_model, draw, [matmul(4, 256, 256), matmul(4, 64, 256)])
    assert (metrics.energy_parts_j[:, 1] > 0).all()


def test_a_single_operator(make_model, draw):
    metrics = evaluated(make_model, draw, [matmul(1, 1, 1)])
    assert (metrics.sequences == 1).all()


def test_fp32_operands_keep_their_width(make_model, draw):
    """Fewer stored bits are for 16-bit tensors: an FP32 model is never narrowed silently."""
    profile = Profile(table([matmul(4, 256, 256, bits=32)]))
    d = draw(100, 4)
    narrow = d.with_(weight_bits=np.full(100, 8.0), kv_bits=np.full(100, 8.0))
    a, b = make_model(profile).evaluate(d), make_model(profile).evaluate(narrow)
    assert np.array_equal(a.area_mm2, b.area_mm2)
    assert np.array_equal(a.power_w, b.power_w)


def test_a_convolutional_network_uses_its_own_region(make_model, draw):
    convs = [
        OperatorClass(
            OperatorKind.CONV, 1, 112 * 112, 64, 3 * 49, weight_bytes=2 * 64 * 147,
            weight_read_bytes=2 * 64 * 147, input_bytes=2 * 3 * 224 * 224,
            output_bytes=2 * 64 * 112 * 112,
        ),
        OperatorClass(
            OperatorKind.CONV, 32, 56 * 56, 1, 9, weight_bytes=2 * 32 * 9,
            weight_read_bytes=2 * 32 * 9, input_bytes=2 * 32 * 56 * 56,
            output_bytes=2 * 32 * 56 * 56,
        ),
    ]  # fmt: skip
    profile = Profile(table(convs, phase="inference"))
    assert profile.has_conv
    metrics = evaluated(make_model, draw, convs, phase="inference")
    assert (metrics.sequences >= 1).all()
    d = draw(200, 9).with_(stage_grid=np.zeros(200, dtype=np.int64))
    model = make_model(profile)
    wide, thin = (
        model.evaluate_equal_stages(
            d.with_(rho_conv=np.full(200, r), rho_matmul=np.full(200, 0.5))
        )[1].contractions.busy[:, profile.contractions.region == CONV]
        for r in (1.0, 0.1)
    )
    assert (wide < thin)[d.mesh_height > 12].mean() > 0.85


def test_prefill_is_bound_by_compute(make_model):
    """Three prompts of 2,048 tokens: multipliers busy, not memories."""
    m = 3 * 2048
    layer = [matmul(m, 4096, 4096), matmul(m, 14336, 4096), matmul(m, 4096, 14336)]
    program = table(layer * 4, batch=3, context=2048, phase="prefill")
    model = make_model(Profile(program))
    d = chosen(mesh=(8, 8), rows=8, vlen=1024, dflit=1024, k_split=0)
    metrics = model.evaluate(d)
    lanes = 8 * 8 * 8 * 64
    least = program.macs() / lanes
    assert least <= metrics.period_cycles[0] < 1.35 * least
    assert metrics.compute_share[0] > 0.8
    # Sixteen rows fill the vector registers with so few columns that the DMEM port binds instead.
    port = model.evaluate(chosen(mesh=(8, 8), rows=16, vlen=512, dflit=1024))
    assert port.hazards[0] > 0.1
    # Every weight is read once for each block of rows.
    _, inner = model.evaluate_equal_stages(d)
    assert (inner.contractions.row_blocks == m / 8).all()
    # Whole rows of six thousand tokens do not fit a tile: such a prompt is not one micro-batch.
    assert violation(metrics, Reason.DMEM) > 1.0
    assert metrics.tokens_per_s_per_user[0] == pytest.approx(
        program.tokens_per_step / 3 / metrics.latency_s[0]
    )
