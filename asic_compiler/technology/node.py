"""A process node: every constant in the model's units, as loaded from its file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def quantity(unit: str) -> Any:
    """A dataclass field whose value is measured in ``unit`` (a unit of the model)."""
    return field(metadata={"unit": unit})


@dataclass(frozen=True, slots=True)
class Voltage:
    """Supply limits."""

    nominal: float = quantity("V")
    minimum: float = quantity("V")
    maximum: float = quantity("V")


@dataclass(frozen=True, slots=True)
class Density:
    """What fits in a square millimetre."""

    gates: float = quantity("GE/mm2")
    sram_cell: float = quantity("mm2")
    sram_efficiency_small: float = quantity("1")
    sram_efficiency_large: float = quantity("1")


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy of events at the nominal supply."""

    fp16_multiply: float = quantity("J")
    fp16_add: float = quantity("J")
    fp32_multiply: float = quantity("J")
    fp32_add: float = quantity("J")
    int32_add: float = quantity("J")
    sram_8kb: float = quantity("J/bit")
    sram_32kb: float = quantity("J/bit")
    sram_1mb: float = quantity("J/bit")
    sram_wide_floor: float = quantity("J/bit")
    register_file: float = quantity("J/bit")
    wire: float = quantity("J/(bit*mm)")
    router_hop: float = quantity("J/(bit*hop)")


@dataclass(frozen=True, slots=True)
class Leakage:
    """Leakage at the nominal supply, at 25 and 85 degrees Celsius."""

    logic_25c: float = quantity("W/mm2")
    logic_85c: float = quantity("W/mm2")
    sram_25c: float = quantity("W/bit")
    sram_85c: float = quantity("W/bit")


@dataclass(frozen=True, slots=True)
class Timing:
    """Clock at the nominal supply, and the alpha-power law that carries it to others."""

    typical: float = quantity("Hz")
    fastest: float = quantity("Hz")
    threshold: float = quantity("V")
    alpha: float = quantity("1")


@dataclass(frozen=True, slots=True)
class AreaConstants:
    """Gate equivalents of logic, ratios of memories, fixed blocks; the same at every node."""

    fp16_multiply: float = quantity("GE")
    fp16_add: float = quantity("GE")
    fp32_add: float = quantity("GE")
    flip_flop: float = quantity("GE")
    latch_register_bit: float = quantity("GE")
    port_growth: float = quantity("1")
    scalar_core: float = quantity("GE")
    issue_slot: float = quantity("GE")
    reservation_station: float = quantity("GE")
    vector_lane_control: float = quantity("GE")
    tensor_control: float = quantity("GE")
    router_port_control: float = quantity("GE")
    logic_utilisation: float = quantity("1")
    floorplan_utilisation: float = quantity("1")
    rom_cell_over_sram_cell: float = quantity("1")
    rom_efficiency_small: float = quantity("1")
    rom_efficiency_large: float = quantity("1")
    host_interface: float = quantity("mm2")
    microcontroller_interface: float = quantity("mm2")
    reticle: float = quantity("mm2")
    die_to_die: float = quantity("mm2")


@dataclass(frozen=True, slots=True)
class EnergyConstants:
    """Energies at 28 nm and 0.9 V that scale with the node's int32 add, and ratios."""

    instruction: float = quantity("J")
    flip_flop_clock: float = quantity("J")
    clock_gating: float = quantity("1")
    die_to_die: float = quantity("J/bit")
    divide_multiplies: float = quantity("1")
    transcendental_multiplies: float = quantity("1")
    rom_word_share: float = quantity("1")
    leakage_voltage_exponent: float = quantity("1")
    sleep_rom_leakage: float = quantity("1")
    high_threshold_leakage: float = quantity("1")


@dataclass(frozen=True, slots=True)
class TimingConstants:
    """Latencies, in cycles or in time."""

    high_threshold_shift: float = quantity("V")
    router_cycles: float = quantity("cycle")
    wire_delay_28nm: float = quantity("s/mm")
    die_crossing: float = quantity("s")
    tensor_latency: float = quantity("cycle")
    vector_latency: float = quantity("cycle")
    scalar_latency: float = quantity("cycle")


@dataclass(frozen=True, slots=True)
class Gating:
    """What sleeping saves and costs."""

    sleep_leakage: float = quantity("1")
    retention_leakage: float = quantity("1")
    switch_area: float = quantity("1")
    break_even: float = quantity("s")
    rom_leakage: float = quantity("1")


@dataclass(frozen=True, slots=True)
class Rails:
    """Supply, cycle time and shape of memory macros."""

    sram_margin: float = quantity("V")
    sram_threshold_shift: float = quantity("V")
    macro_cycle_8kb: float = quantity("1")
    macro_cycle_doubling: float = quantity("1")
    largest_macro: float = quantity("byte")
    column_rows: float = quantity("1")
    usual_rows: float = quantity("1")
    port_cells: float = quantity("1")


@dataclass(frozen=True, slots=True)
class Formats:
    """Arithmetic other than FP16, relative to it, and what storing few bits adds."""

    bf16_multiply: float = quantity("1")
    fp8_multiply: float = quantity("1")
    int8_multiply: float = quantity("1")
    int8_multiply_area: float = quantity("GE")
    int32_add_area: float = quantity("GE")
    fp32_multiply_area: float = quantity("GE")
    unpack: float = quantity("1")
    scale_bits: float = quantity("bit")
    weight_group: float = quantity("1")
    page_entry: float = quantity("byte")


@dataclass(frozen=True, slots=True)
class Static:
    """Power that does not depend on the work, and the clock trunk."""

    host_interface: float = quantity("W")
    microcontroller_interface: float = quantity("W")
    clock_source: float = quantity("W")
    slow_clock_source: float = quantity("W")
    spine: float = quantity("mm/mm2")


@dataclass(frozen=True, slots=True)
class Links:
    """Die-to-die links."""

    bandwidth: float = quantity("B/s")


@dataclass(frozen=True, slots=True)
class Manufacturing:
    """Defects, wafers."""

    defects_28nm: float = quantity("1/mm2")
    defects_14nm: float = quantity("1/mm2")
    defects_7nm: float = quantity("1/mm2")
    defects_5nm: float = quantity("1/mm2")
    defects_3nm: float = quantity("1/mm2")
    clustering: float = quantity("1")
    wafer_diameter: float = quantity("mm")
    edge_exclusion: float = quantity("mm")
    scribe_line: float = quantity("mm")


@dataclass(frozen=True, slots=True)
class DramDevice:
    """One device or stack of off-chip memory, and its PHY on the die."""

    bandwidth: float = quantity("B/s")
    capacity: float = quantity("byte")
    energy: float = quantity("J/bit")
    static_power: float = quantity("W")
    phy_area: float = quantity("mm2")
    phy_edge: float = quantity("mm")


@dataclass(frozen=True, slots=True)
class Package:
    """What surrounds the dies."""

    memory_edge: float = quantity("1")


@dataclass(frozen=True, slots=True)
class Silicon:
    """What a die has beyond the structures that a description names."""

    core: float = quantity("1")
    interface: float = quantity("1")


@dataclass(frozen=True, slots=True)
class System:
    """The chip around the tiles; the same at every node."""

    gating: Gating
    rails: Rails
    formats: Formats
    static: Static
    links: Links
    manufacturing: Manufacturing
    lpddr5x: DramDevice
    hbm3e: DramDevice
    package: Package
    silicon: Silicon


@dataclass(frozen=True, slots=True)
class Technology:
    """One process node and the constants that hold for all."""

    name: str
    feature_nm: int
    reference_process: str
    voltage: Voltage
    density: Density
    energy: Energy
    leakage: Leakage
    timing: Timing
    area_constants: AreaConstants
    energy_constants: EnergyConstants
    timing_constants: TimingConstants
    system: System
    scale_from_28nm: float
    """Energy of this node's int32 add over 28 nm's, at their nominal supplies."""
