"""Laws of area, peak and power of a described chip."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asic_compiler.ppa import area
from asic_compiler.ppa.chips.description import ChipDescription, Core, Io, Memory, Power, Unit
from asic_compiler.ppa.chips.power import chip_power, supply_for
from asic_compiler.ppa.chips.structure import (
    PAD_RING_MM,
    Overheads,
    chip_area,
    core_gates,
    described_area,
    peak_ops,
    ring_area_mm2,
)
from asic_compiler.technology.library import load_node

NODE = load_node("7nm")
UNIT = Unit("fp16", 64, {"int8": 128}, reuse=8)
CORE = Core("core", 16, issue=1, sram_kib=64, ports=5, flit_bits=64, units=(UNIT,))
CHIP = ChipDescription(
    "c", "7nm", 1.0, "test", core=(CORE,), memory=(Memory(8),),
    io=Io(hbm_stacks=1, serdes_lanes=16, dram_gb_s=400, serdes_gb_s=32),
)  # fmt: skip
NONE = Overheads()


def test_peak_counts_every_format_and_only_enabled_cores():
    assert peak_ops(CHIP, "fp16") == 2 * 16 * 64 * 1e9
    assert peak_ops(CHIP, "int8") == 2 * 16 * 128 * 1e9
    assert peak_ops(CHIP, "fp64") == 0
    spare = replace(CHIP, core=(replace(CORE, on_die=20),))
    assert peak_ops(spare, "fp16") == peak_ops(CHIP, "fp16")
    assert described_area(spare).logic == pytest.approx(1.25 * described_area(CHIP).logic)


def test_vector_lanes_count_only_without_a_matrix_unit():
    lanes = Unit("fp32", 4, vector=True)
    both = replace(CHIP, core=(replace(CORE, units=(UNIT, Unit("fp32", 8), lanes)),))
    assert peak_ops(both, "fp32") == 2 * 16 * 8 * 1e9
    alone = replace(CHIP, core=(replace(CORE, units=(UNIT, lanes)),))
    assert peak_ops(alone, "fp32") == 2 * 16 * 4 * 1e9


def test_area_goes_through_the_models_own_functions():
    bare = described_area(CHIP)
    logic = area.logic_area_mm2(np.array(16 * core_gates(CORE, NODE)), NODE)
    assert bare.logic == pytest.approx(float(logic))
    banks = float(area.sram_area_mm2(np.array(32.0 * 1024), NODE)) * 2 * 16
    shared = float(area.sram_area_mm2(np.array(256.0 * 1024), NODE)) * 32
    assert bare.sram == pytest.approx(banks + shared)
    phys = NODE.system.hbm3e.phy_area + NODE.area_constants.host_interface
    assert bare.interfaces == pytest.approx(phys)


def test_overheads_scale_their_parts_alone():
    plain, scaled = chip_area(CHIP, NONE), chip_area(CHIP, Overheads(2.0, 3.0))
    assert scaled.logic == 2 * plain.logic
    assert scaled.sram == 2 * plain.sram
    assert scaled.interfaces == 3 * plain.interfaces
    assert scaled.links == plain.links


@given(inside=st.floats(0.1, 1e4), dies=st.integers(1, 8))
def test_the_pad_ring_frames_square_dies(inside: float, dies: int):
    edge = np.sqrt(inside / dies)
    framed = (edge + 2 * PAD_RING_MM) ** 2 * dies
    assert inside + ring_area_mm2(inside, dies) == pytest.approx(framed)


def test_a_block_has_no_ring():
    assert chip_area(replace(CHIP, macro=True), NONE).ring == 0 < chip_area(CHIP, NONE).ring


def test_products_summed_before_accumulation_cost_less():
    dot = replace(CORE, units=(replace(UNIT, dot=16),))
    assert core_gates(dot, NODE) < core_gates(CORE, NODE)
    single, summed = (chip_power(replace(CHIP, core=(c,)), NONE) for c in (CORE, dot))
    assert summed.arithmetic < single.arithmetic


@given(volts=st.floats(0.5, 0.9), use=st.floats(0.1, 1.0))
def test_power_laws(volts: float, use: float):
    case = Power("tdp", utilisation=use)
    one = chip_power(replace(CHIP, vdd_v=volts, power=case), NONE)
    assert min(one.arithmetic, one.memory, one.issue, one.clock, one.leakage, one.board) > 0
    double = chip_power(replace(CHIP, vdd_v=volts, power=replace(case, clock_ghz=2.0)), NONE)
    assert double.arithmetic == pytest.approx(2 * one.arithmetic)
    assert double.leakage == pytest.approx(one.leakage)
    more = chip_power(replace(CHIP, vdd_v=volts * 1.05, power=case), NONE)
    assert more.arithmetic == pytest.approx(1.05**2 * one.arithmetic)
    assert more.interfaces == pytest.approx(one.interfaces)


def test_arithmetic_power_by_hand():
    power = chip_power(replace(CHIP, vdd_v=NODE.voltage.nominal), NONE)
    e = NODE.energy
    each = e.fp16_multiply + e.fp32_add + 32 * e.register_file
    assert power.arithmetic == pytest.approx(16 * 64 * 1e9 * 0.9 * each)


def test_what_does_not_work_takes_no_arithmetic_power():
    idle = replace(CHIP, core=(replace(CORE, units=(replace(UNIT, used=False),)),))
    assert chip_power(idle, NONE).arithmetic == 0
    assert chip_power(idle, NONE).clock < chip_power(CHIP, NONE).clock


def test_a_board_adds_memory_devices_and_supply_losses():
    on_board = chip_power(CHIP, NONE)
    alone = chip_power(replace(CHIP, power=Power("chip", temperature_c=85)), NONE)
    assert alone.board == 0
    assert on_board.total * 0.9 > alone.total


def test_the_supply_follows_the_clock():
    assert supply_for(NODE.timing.typical * 0.5, NODE) == NODE.voltage.nominal
    above = supply_for(NODE.timing.typical * 1.3, NODE)
    assert NODE.voltage.nominal < above < NODE.voltage.maximum
    assert supply_for(NODE.timing.typical * 9, NODE) == NODE.voltage.maximum


def test_links_inside_a_package_have_no_controllers():
    a = NODE.area_constants
    linked = replace(CHIP, io=Io(die_to_die_gb_s=NODE.system.links.bandwidth / 1e9))
    assert chip_area(linked, Overheads(2.0, 3.0)).links == pytest.approx(a.die_to_die / 2)


def test_serial_lanes_take_power_idle_or_busy():
    serial = replace(CHIP, io=Io(serdes_gb_s=100), memory=())
    for use in (0.1, 0.9):
        power = chip_power(replace(serial, power=Power("chip", utilisation=use)), NONE)
        # both directions of 100 GB/s at 6 pJ/bit
        assert power.interfaces == pytest.approx(2 * 100e9 * 8 * 6e-12)


def test_gates_of_a_dot_product_by_hand():
    a = NODE.area_constants
    core = Core("core", 1, units=(Unit("fp16", 1, dot=4),))
    adders = a.fp32_add / 4 + a.fp16_add * 3 / 4
    registers = (32 / 4 + 3 * 16) * a.flip_flop
    assert core_gates(core, NODE) == pytest.approx(a.fp16_multiply + adders + registers)
