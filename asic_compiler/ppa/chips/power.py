"""Power of a described chip in the case that its own figure is published for.

Nothing here is informed by a published power. Events of the described structures are counted; what
is not described leaks and is clocked in proportion to its area.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from asic_compiler.ppa import area, clock, energy, leakage
from asic_compiler.ppa.chips.arithmetic import arithmetic
from asic_compiler.ppa.chips.description import ChipDescription, Core, Io, Memory, Unit
from asic_compiler.ppa.chips.structure import (
    OPERAND_REGISTERS,
    Overheads,
    chip_area,
    core_gates,
    described_area,
    rate_in,
    scalar,
    sram_kib,
)
from asic_compiler.technology.library import load_node
from asic_compiler.technology.node import Technology

WIDEST_WORD_BITS = 2048.0
SHARED_WORD_BITS = 512.0
DRAM_PJ_BIT: dict[str, float] = {
    "hbm2": 5.5, "hbm3": 4.0, "gddr6": 6.5, "lpddr": 4.0, "ddr3": 20.3,
}  # fmt: skip
"""Device and interface. Middle of the ranges for a 64-bit word in Jouppi et al. (ISCA 2021, Table
2): DDR 1300 pJ, HBM2 250-450, GDDR6 350-480; LPDDR and HBM3 as in the technology's system file."""
ON_DIE_SHARE = 0.35
"""Share of that energy that the die's own PHY and controller take (assumed)."""
SERDES_PJ_BIT = 6.0
"""Long-reach serial lanes of 25 to 56 Gbit/s, 5 to 8 pJ/bit (assumed)."""
SUPPLY_LOSS = 0.1
"""Share of a board's power that its voltage regulators lose (assumed)."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a kind of published power implies (assumed, the same for every chip)."""

    utilisation: float
    """Share of cycles in which the multipliers work, unless the chip's own is published."""
    traffic: float
    """Share of the bandwidth of external and shared memory that is used."""
    temperature_c: float
    board: bool
    """Memory devices and supply losses are included."""


CASES: dict[str, Case] = {
    "tdp": Case(0.9, 0.9, 85.0, board=True),
    "max": Case(0.9, 0.9, 65.0, board=True),
    "busy": Case(0.5, 0.5, 65.0, board=True),
    "chip": Case(0.9, 0.9, 65.0, board=False),
    "measured": Case(0.95, 0.9, 25.0, board=False),
}
"""Design power of a board or module; its measured maximum; measured under usual work; a chip
without its board; a small chip or block on a test bench or after layout."""


@dataclass(frozen=True, slots=True)
class PowerParts:
    """Watt."""

    arithmetic: float
    memory: float
    issue: float
    clock: float
    leakage: float
    interfaces: float
    board: float

    @property
    def total(self) -> float:
        """All parts."""
        return (
            self.arithmetic + self.memory + self.issue + self.clock + self.leakage
            + self.interfaces + self.board
        )  # fmt: skip


def chip_power(chip: ChipDescription, overheads: Overheads) -> PowerParts:
    """Power in the case that the chip's own figure is stated for."""
    node, case = load_node(chip.node), CASES[chip.power.kind]
    k, p = node.energy_constants, chip.power
    hertz = (p.clock_ghz or chip.clock_ghz) * 1e9
    volts = p.vdd_v or chip.vdd_v or supply_for(hertz, node)
    use = p.utilisation or case.utilisation
    supply = (volts / node.voltage.nominal) ** 2
    scale = node.scale_from_28nm
    work = moved = clocked = instructions = 0.0
    for core in chip.core:
        edge_mm = math.sqrt(core_gates(core, node) / node.density.gates)
        clocked += core.count * _clocked(core, use if p.gated else 1.0, node)
        wide = 1.0 + 0.1 * max(core.issue - 1.0, 0.0)
        each = k.instruction * scale * wide + 32.0 * node.energy.sram_8kb
        instructions += core.count * (core.issue if core.ipc < 0.0 else core.ipc) * each
        for unit in core.units:
            name = p.format or unit.format
            rate = core.count * rate_in(unit, name) * unit.used
            if rate == 0.0:
                continue
            a = arithmetic(name, node)
            work += rate * _mac_energy_j(unit, name, node)
            word = min(max(a.bits * max(unit.reuse, unit.dot), 64.0), WIDEST_WORD_BITS)
            bank = scalar(max(min(core.bank_kib, core.sram_kib or 8.0), 1.0) * 1024.0)
            access = float(energy.sram_read(bank, scalar(word), node))
            read = access + node.energy.wire * edge_mm
            moved += rate * 2.0 * a.bits / unit.reuse * read
    bare = described_area(chip)
    bits = 8.0 * 1024.0 * sram_kib(chip)
    temperature = p.temperature_c or case.temperature_c
    leak = leakage.densities(temperature, node)
    leaking = bare.logic * overheads.core * leak.logic_w_per_mm2 + bits * leak.sram_w_per_bit
    dram = chip.io.dram_gb_s * 8e9 * case.traffic * DRAM_PJ_BIT[chip.io.dram] * 1e-12
    static = chip.io.hbm_stacks * node.system.hbm3e.static_power
    static += chip.io.dram_x64 * node.system.lpddr5x.static_power
    # Serial lanes take the same power idle or busy: both ends keep their clocks.
    links = chip.io.serdes_gb_s * 2.0 * 8e9 * SERDES_PJ_BIT * 1e-12
    near = chip.io.die_to_die_gb_s * 8e9 * case.traffic * k.die_to_die
    edge = math.sqrt(chip_area(chip, overheads).total / chip.dies)
    shared = sum(_shared_w(m, chip.io, edge, node) for m in chip.memory)
    dynamic = hertz * supply
    parts = (
        work * use * dynamic,
        (moved * use * hertz + shared * case.traffic) * supply,
        instructions * use * dynamic,
        clocked * k.flip_flop_clock * scale * dynamic * overheads.core,
        leaking * float(leakage.supply_factor(scalar(volts), node)),
        dram * ON_DIE_SHARE + links + near,
    )
    board = 0.0
    if case.board:
        outside = dram * (1.0 - ON_DIE_SHARE) + static
        board = (sum(parts) + outside) / (1.0 - SUPPLY_LOSS) - sum(parts)
    return PowerParts(*parts, board)


def supply_for(hertz: float, node: Technology) -> float:
    """V: the nominal supply, or what a clock above the node's typical one needs (alpha-power)."""
    volts = np.linspace(node.voltage.nominal, node.voltage.maximum, 101)
    reached = clock.voltage_factor(volts, node) * node.timing.typical >= hertz
    return float(volts[int(np.argmax(reached))] if reached.any() else volts[-1])


def _clocked(core: Core, use: float, node: Technology) -> float:
    """Flip-flops of a core's units, each weighted by the share of cycles in which it is clocked.

    Those of the front end are left out: the energy of an instruction was measured on whole cores,
    their clock included.
    """
    gating = node.energy_constants.clock_gating

    def weight(busy: float) -> float:
        return 1.0 - gating + gating * busy

    out = 0.0
    for unit in core.units:
        parts = arithmetic(unit.format, node)
        if unit.vector:
            each = area.FLIPS_PER_LANE * parts.bits / area.LANE_BITS
        else:
            each = parts.accumulator_bits / unit.dot + OPERAND_REGISTERS * parts.bits
        out += unit.count * each * weight(use * unit.used)
    router = core.ports * area.ROUTER_BUFFER_FLITS * core.flit_bits
    return out + router * weight(use)


def _mac_energy_j(unit: Unit, name: str, node: Technology) -> float:
    """One multiply-accumulate with its share of the accumulator."""
    parts, share = arithmetic(name, node), 1.0 / unit.dot
    tree = min(parts.add_j, node.energy.fp16_add) * (1.0 - share)
    held = parts.accumulator_bits * node.energy.register_file
    return parts.multiply_j + tree + (parts.add_j + held) * share


def _shared_w(memory: Memory, io: Io, edge_mm: float, node: Technology) -> float:
    """Watt of a shared memory at its whole bandwidth: a wide access, and half a die of wire."""
    word = scalar(SHARED_WORD_BITS)
    bank = scalar(memory.bank_kib * 1024.0)
    each = float(energy.sram_read(bank, word, node)) + node.energy.wire * 0.5 * edge_mm
    return (memory.gb_s or 2.0 * io.dram_gb_s) * 8e9 * each
