"""Figures of links, streams, formats and things at rest, worked out by hand."""

import numpy as np
import pytest
from workloads import table

from asic_compiler.hardware.derive import make_bands, size_tiles
from asic_compiler.hardware.precision import FORMAT_INDEX
from asic_compiler.hardware.weight_store import STORE_INDEX, WeightStore
from asic_compiler.mapping.profile import Profile
from asic_compiler.ppa import area, clock, dram, energy, links, power, precision
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.ppa.model import PPAModel
from asic_compiler.technology.library import load_node
from asic_compiler.workload.table import BodyCost, OperatorClass, OperatorKind

NODE = load_node("3nm")
E, A, F = NODE.energy, NODE.area_constants, NODE.system.formats
BIT = 640e9 * 8.0


def matmul(m, n, k, bits=16):
    size = bits // 8
    return OperatorClass(
        OperatorKind.MATMUL, 1, m, n, k, element_bits=bits, weight_bytes=size * n * k,
        weight_read_bytes=size * n * k, input_bytes=size * m * k, output_bytes=size * m * n,
    )  # fmt: skip


def vector(elements, bits=16, **body):
    return OperatorClass(
        OperatorKind.ELEMENTWISE, elements=elements, body=BodyCost(**body), element_bits=bits,
        input_bytes=2 * elements, output_bytes=2 * elements,
    )  # fmt: skip


def fixed(draw, **values):
    plain = {"heterogeneity": 0.0, "rho_matmul": 1.0, "rho_conv": 1.0, "rho_general": 1.0,
             "mesh_width": 8.0, "mesh_height": 8.0, "sc_x": 1.0, "sc_y": 1.0,
             "vdd": NODE.voltage.nominal, "clock": 1.0}  # fmt: skip
    columns = {name: np.array([v]) for name, v in (plain | values).items()}
    whole = {name: c.astype(np.int64) for name, c in columns.items()
             if name in ("precision", "weight_store", "stage_grid")}  # fmt: skip
    d = draw(1, 0).with_(stage_grid=np.zeros(1, dtype=np.int64))
    return d.with_(**(columns | whole))


# Links between dies


def test_borders_inside_a_stage():
    dies, stage_rows = (
        np.array([1.0, 2.0, 3.0, 3.0, 4.0, 9.0]),
        np.array([1.0, 1.0, 1.0, 2.0, 2.0, 4.0]),
    )
    assert links.borders(dies, stage_rows).tolist() == [0, 1, 2, 1, 1, 2]
    assert links.cycles_per_bit(np.array([1e9]), NODE)[0] == pytest.approx(1e9 / BIT)
    # 512 GB/s of 8 links of 64 byte at a GHz go over 640 GB/s, of 16 over nearly twice the time.
    one = np.ones(3)
    cycles = links.flit_cycles(512.0 * one, np.array([8.0, 10.0, 16.0]), 1e9 * one, NODE)
    assert cycles.tolist() == [1.0, 1.0, 1.625]


@pytest.mark.parametrize(("k_split", "allreduce"), [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)])
def test_a_border_is_crossed_by_inputs_and_sums(draw, make_model, k_split, allreduce):
    feed = OperatorClass(
        OperatorKind.ELEMENTWISE, elements=3072, output_bytes=6144, space=(1, 3, 1024)
    )
    profile = Profile(table([feed, matmul(3, 512, 1024)]))
    design = fixed(draw, k_split=k_split, allreduce=allreduce)
    _, inner = make_model(profile).evaluate_equal_stages(design)
    time = inner.contractions
    k, used = time.split.k[0, 0], time.split.used_tiles[0, 0]
    assert k == (8 if k_split else 1)
    bits = links.crossing_bits(time, time.split.used_tiles / time.split.k)[0, 0]
    # In each of 8 columns: inputs that all rows need, half of them from the other side, come from
    # both sides; those that an eighth of the rows needs cross with 9 chances in 16.
    inputs = 8 * 3 * 1024 * 16 * (1.0 if k == 1 else 9 / 16)
    sums = 0.0
    if k > 1:  # a scatter sends half of the sums of 7 tiles across, a tree those of one tile
        sums = 3 * 512 * 32 * (3.5 if allreduce else 1.0)
    assert used == 64
    assert bits == pytest.approx(inputs + sums, rel=0.03)


def over_borders(profile, inner):
    """Bits over one border inside of stages, of a step."""
    total = 0.0
    tensor, vector = inner.contractions, inner.vectors
    for index, time, groups in (
        (profile.contractions.index, tensor, tensor.split.used_tiles / tensor.split.k),
        (profile.vectors.index, vector, vector.split.parts / vector.split.group),
    ):
        total += (links.crossing_bits(time, groups)[0] * profile.counts[index]).sum()
    return total


def test_lanes_take_their_time_and_their_energy(draw, llama, make_model):
    d = fixed(draw, mesh_width=48.0, mesh_height=48.0, dflit=8192.0, k_split=0.0)
    metrics, inner = make_model(llama).evaluate_equal_stages(d)
    dies = metrics.dies[0]
    assert dies > 1
    expected = over_borders(llama, inner) * (dies - 1) * 0.5e-12
    assert metrics.energy_parts_j[0, 6] == pytest.approx(expected)
    assert metrics.area_parts_mm2[0, 4] == pytest.approx(8.0 + 4.0 * dies)
    fastest = metrics.clock_hz[0] / metrics.clock_fraction[0]
    lanes = inner.fabric.border_flit_cycles[0]
    assert lanes == pytest.approx(8192 * 48 * fastest / BIT, rel=0.01)
    assert inner.fabric.slowest_flit[0] == lanes


def test_a_transfer_between_stages_on_two_dies_waits_for_one_link(draw, llama, make_model):
    """What a stage receives comes over the lanes at worst, beside what crosses inside of stages."""
    d = fixed(draw, mesh_width=48.0, mesh_height=48.0, dflit=8192.0, stage_grid=3)
    metrics, inner = make_model(llama).evaluate_equal_stages(d)
    dies = metrics.dies[0]
    assert 3 <= dies <= 4  # one border between the rows of stages, one inside each
    assert links.borders(metrics.dies, d.stage_rows)[0] == 1.0
    counted = (inner.cut.counts * inner.class_cycles[0]).sum(axis=1)
    rest = inner.stage_cycles[0] - counted
    fastest = metrics.clock_hz[0] / metrics.clock_fraction[0]
    link = inner.cut.transfer_bytes * 8.0 * fastest / BIT
    moved = inner.cut.transfer_bytes > 0
    assert (rest >= link)[moved].all()
    assert (rest < link + 1000.0)[moved].all()
    received = (inner.cut.transfer_bytes * inner.cut.multiplicity).sum() * 8.0
    between = received * (dies - 1) / 3.0 * 0.5e-12
    inside = over_borders(llama, inner) * 0.5e-12
    assert metrics.energy_parts_j[0, 6] == pytest.approx(between + inside)


# Off-chip weights


def device(**values):
    given = {"used": True, "bandwidth": 1e9, "capacity": 1e9, "energy": 1e-12,
             "static_power": 1.0, "phy_area": 5.0, "phy_edge": 5.0}  # fmt: skip
    return dram.Devices(**{name: np.array([v]) for name, v in (given | values).items()})


def choose(kind, least=1.0, most=8.0, by_clock=10.0, budget=None):
    one = np.ones(1)
    demand = dram.Demand(least * one, most * one, 8e9 * one, by_clock * one, 0.1 * one, 2.0 * one)
    number, rate = dram.choose_devices(kind, demand, budget)
    return number[0], rate[0]


def test_as_many_devices_as_make_it_fastest_and_no_more():
    """A step reads a gigabyte: one device feeds one step a second."""
    assert choose(device()) == (8.0, 8.0)  # the clock would allow ten, the edge eight devices
    assert choose(device(), by_clock=3.5) == (4.0, 3.5)
    assert choose(device(), most=2.0) == (2.0, 2.0)
    assert choose(device(), least=3.0, by_clock=0.5) == (3.0, 0.5)
    assert choose(device(), least=5.0, most=2.0) == (5.0, 5.0)  # what holds the weights is placed
    # 5.25 W, 2 W of them at rest: three devices leave 0.25 W, 2.5 steps of 0.1 J; two feed two.
    assert choose(device(), budget=5.25) == (3.0, 3.0)
    assert choose(device(used=False, bandwidth=0.0)) == (0.0, 10.0)


def test_streams_are_bound_by_ports_and_by_the_edges(draw):
    d = fixed(draw, dflit=256.0, mesh_height=10.0, sc_y=3.0)
    bands = make_bands(d, False)
    vlen = np.array([128.0])

    def cycles(need, bits):
        return dram.stream_cycles(np.array([need]), d, vlen, np.array([bits]), bands)[0]

    assert cycles(1600.0, 0.0) == 100.0  # 128 bits a cycle
    assert cycles(0.0, 2048e3) == 1000.0  # four routers on each of two edges, 256 bits each
    held = dram.buffer_bytes(np.array([1e6, 100.0]), np.array([8192.0, 8192.0]))
    assert held.tolist() == [16384.0, 100.0]


def test_a_streamed_weight_pays_for_the_way_and_for_the_buffer(draw, small, make_model):
    d = fixed(draw, weight_store=STORE_INDEX[WeightStore.HBM3E], mesh_width=12.0, dflit=1024.0)
    metrics, inner = make_model(small).evaluate_equal_stages(d)
    assert metrics.dies[0] == 1
    bits = metrics.energy_parts_j[0, 7] / NODE.system.hbm3e.energy
    own = (inner.class_energy_j[0] * small.counts[:, None]).sum(axis=0)
    silicon = metrics.area_parts_mm2[0, :4].sum()
    tile = np.sqrt(np.array([silicon / 96.0]))
    memory = energy.memory_energy(d, metrics.dmem_average, tile, tile, NODE)
    hops = (12.0 + 8.0) / 4.0
    stream = metrics.energy_parts_j[0, 4] - own[4]
    assert stream == pytest.approx(bits * hops * memory.hop[0])
    written = metrics.energy_parts_j[0, 1] - own[1]
    assert written == pytest.approx(bits * memory.wmem[0])
    sram = energy.sram_read(d.wmem_bank, d.vlen, NODE)[0]
    assert memory.wmem[0] == pytest.approx(sram + E.wire * 0.5 * tile[0], abs=0.0)
    # The port of the fullest tile, or the routers on the edges, set the least period.
    port = np.ceil(inner.wmem_need.max() * 8.0 / min(1024.0, inner.sizes.vlen.min()))
    assert metrics.period_cycles[0] >= port


def test_a_narrow_noc_slows_a_stream_down(draw, small, make_model):
    d = fixed(draw, weight_store=STORE_INDEX[WeightStore.HBM3E], dflit=64.0, vlen=2048.0)
    on = make_model(small).evaluate(fixed(draw, dflit=64.0, vlen=2048.0))
    off = make_model(small).evaluate(d)
    bits = off.energy_parts_j[0, 7] / NODE.system.hbm3e.energy
    assert off.period_cycles[0] >= bits / (2 * 8 * 64.0)
    assert off.period_cycles[0] > on.period_cycles[0]


# Formats


def spent(make_model, draw, name, kv=16.0, weight_bits=16.0, operator=None, buffers=1.0):
    model = make_model(Profile(table([operator or matmul(3, 512, 512)])))
    d = fixed(
        draw, precision=FORMAT_INDEX[name], kv_bits=kv, weight_bits=weight_bits, k_split=0.0,
        stream_buffers=buffers, stream_chunks=4.0, rows=4.0,
    )  # fmt: skip
    return model.evaluate(d).energy_parts_j[0]


def test_energy_of_formats_by_hand(draw, make_model):
    macs, reads, outputs = 3 * 512 * 512, 512 * 512, 3 * 512
    access = 32 * E.register_file
    blocks = np.ceil(3 / 4)
    full = macs * (E.fp16_multiply + E.fp32_add + access)
    assert spent(make_model, draw, "fp16")[0] == pytest.approx(full)
    unpack = 0.5 * E.fp16_add
    w8a16 = spent(make_model, draw, "w8a16", weight_bits=8.0)
    assert w8a16[0] == pytest.approx(full + blocks * reads * unpack)
    rescale = outputs * (E.fp32_multiply + unpack)
    int8 = macs * (0.206 * E.fp16_multiply + E.int32_add + access)
    assert spent(make_model, draw, "w8a8", weight_bits=8.0)[0] == pytest.approx(int8 + rescale)
    # Pieces of k have sums, and scales, of their own; groups of 128 weights of 4 bits as well.
    pieces = spent(make_model, draw, "w8a8", weight_bits=8.0, buffers=2.0)
    assert pieces[0] == pytest.approx(int8 + 4 * rescale)
    groups = spent(make_model, draw, "w4a8", weight_bits=4.0)
    assert groups[0] == pytest.approx(int8 + 512 / 128 * rescale)
    fp8 = macs * (0.25 * E.fp16_multiply + E.fp32_add + access)
    assert spent(make_model, draw, "fp8", weight_bits=8.0)[0] == pytest.approx(fp8 + rescale)
    bf16 = macs * (0.618 * E.fp16_multiply + E.fp32_add + access)
    assert spent(make_model, draw, "bf16")[0] == pytest.approx(bf16)
    wide = spent(make_model, draw, "w8a8", weight_bits=8.0, operator=matmul(3, 512, 512, 32))
    assert wide[0] == pytest.approx(macs * (E.fp32_multiply + E.fp32_add + access))


def lane(draw, name, kv=16.0, **needs):
    d = fixed(draw, precision=FORMAT_INDEX[name], kv_bits=kv)
    made = precision.tensor_lane(d, precision.Needs(**needs), NODE)
    return made.gates[0], made.flip_flops[0]


def test_multipliers_by_hand(draw):
    accumulator = 32 * A.flip_flop
    half = A.fp16_multiply + A.fp32_add
    assert lane(draw, "fp16") == (pytest.approx(half + accumulator), 80.0)
    int8 = 2 * (F.int8_multiply_area + F.int32_add_area)
    assert lane(draw, "w8a8") == (pytest.approx(int8 + 2 * accumulator), 112.0)
    # Attention over a 16-bit cache keeps FP16 multipliers; a narrow cache does not.
    both = lane(draw, "w8a8", attention=True)
    assert both[0] == pytest.approx(int8 + half + 2 * accumulator)
    assert lane(draw, "w8a8", kv=8.0, attention=True) == lane(draw, "w8a8")
    unpack = 0.5 * A.fp16_add
    assert lane(draw, "w4a16")[0] == pytest.approx(half + accumulator + unpack)
    wide = {"wide_contractions": True, "narrow_contractions": False}
    fp32 = 0.5 * (F.fp32_multiply_area + A.fp32_add)
    assert lane(draw, "fp16", **wide) == (pytest.approx(fp32 + 0.5 * accumulator), 56.0)
    mixed = lane(draw, "fp16", wide_contractions=True)
    assert mixed[0] == pytest.approx(fp32 + half + accumulator)


def test_what_a_program_needs_of_multipliers(llama):
    assert precision.needs(llama) == precision.Needs(True, False, True, True)
    plain = Profile(table([matmul(1, 64, 64, 32), vector(64, simple=1)]))
    assert precision.needs(plain) == precision.Needs(False, True, False, False)


def test_fp32_vectors_build_pairs_of_lanes(draw, small):
    d = fixed(draw, vlen=1024.0, vdpnum=1.0)
    bands = make_bands(d, False)
    sizes = size_tiles(d, bands, small.lane_cycles[d.rows.astype(int) - 1])
    narrow = area.core_logic(d, sizes, NODE)
    wide = area.core_logic(d, sizes, NODE, precision.Needs(wide_vectors=True))
    more = 64 * (F.fp32_multiply_area / 2 - A.fp16_multiply + A.fp32_add / 2 - A.fp16_add)
    used = bands.tiles[0] > 0
    assert (wide.vector_ge - narrow.vector_ge)[0, used] == pytest.approx(more)


# Sleep, clocks, things at rest


def test_tiles_of_a_stage_sleep_by_their_own_share(draw):
    d = fixed(draw, stage_grid=3)  # four stages
    active = np.array([[400.0, 0.0, 4000.0, 0.0]])
    asleep = power.asleep(d, active, np.array([1000.0]), 8, np.array([10e6]), NODE)
    # A stage computes a quarter of it; two operators lose ten cycles each at 10 MHz.
    assert asleep[0] == pytest.approx([0.88, 0.98, 0.0, 0.98])


def test_a_router_of_many_ports_bounds_the_clock(draw, small):
    d = fixed(draw, fetch=1.0, stanum=1.0, vlen=128.0, xr_wp=1.0, vr_wp=1.0, xdpnum=1.0,
              vdpnum=1.0, sc_x=4.0, sc_y=4.0)  # fmt: skip
    bands = make_bands(d, False)
    sizes = size_tiles(d, bands, small.lane_cycles[d.rows.astype(int) - 1])
    bound = clock.fastest_clock_hz(d, sizes, NODE)[0]
    assert bound == pytest.approx(2.5e9 / (0.93 + 0.1 * np.log2(20 / 5)))
    alone = d.with_(sc_x=np.ones(1), sc_y=np.ones(1))
    assert clock.fastest_clock_hz(alone, sizes, NODE)[0] == pytest.approx(2.5e9)


def test_what_draws_power_at_rest(draw, small):
    d = fixed(draw)
    for host, expected in ((True, 0.3 + 0.01), (False, 10e-6 + 20e-6)):
        model = PPAModel(small, NODE, Conditions(host_interface=host))
        assert model.evaluate(d).static_w[0] == pytest.approx(expected)
    assert power.static_w(np.array([3.0]), True, NODE)[0] == pytest.approx(0.33)
