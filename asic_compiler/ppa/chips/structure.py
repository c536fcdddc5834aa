"""Area and peak throughput of a described chip, from the model's own constants and functions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from asic_compiler.hardware.space import FloatArray
from asic_compiler.ppa import area
from asic_compiler.ppa.chips.arithmetic import arithmetic
from asic_compiler.ppa.chips.description import ChipDescription, Core, Io, Unit
from asic_compiler.technology.library import load_node
from asic_compiler.technology.node import Technology

LATCH_LIMIT_KIB = 16.0
"""Register files up to this size are latches; larger ones are SRAM macros."""
REGISTER_BANK_KIB = 8.0
OPERAND_REGISTERS = 3.0
"""Operand-wide registers of a multiplier: two inputs and a preloaded one."""
PAD_RING_MM = 0.15
"""Width of pads, their drivers and the seal ring on each edge of a die (assumed)."""


@dataclass(frozen=True, slots=True)
class Overheads:
    """What a die has beyond what its makers publish; the same for every chip."""

    core: float = 1.0
    """Area of logic and memories over that of the described structures: pipeline registers, buses,
    test, repair, clock trees, white space."""
    interface: float = 1.0
    """Area of an interface over that of its PHY: controllers, protocols, the network to it."""


@dataclass(frozen=True, slots=True)
class Area:
    """mm2 of the whole chip, all dies."""

    logic: float
    sram: float
    interfaces: float
    links: float
    """Short-reach links inside the package."""
    ring: float = 0.0
    """Pads and seal ring."""

    @property
    def total(self) -> float:
        """All parts."""
        return self.logic + self.sram + self.interfaces + self.links + self.ring


def described_area(chip: ChipDescription) -> Area:
    """The structures that the description names, without overheads."""
    node = load_node(chip.node)
    gates = sum(core.built * core_gates(core, node) for core in chip.core)
    sram = sum(core.built * _core_sram_mm2(core, node) for core in chip.core)
    for memory in chip.memory:
        sram += _macros_mm2(memory.mib * 1024.0, memory.bank_kib, node)
    return Area(
        logic=float(area.logic_area_mm2(scalar(gates), node)),
        sram=sram,
        interfaces=rim_area_mm2(chip.io, node),
        links=links_area_mm2(chip.io, node),
    )


def chip_area(chip: ChipDescription, overheads: Overheads) -> Area:
    """Area of all dies."""
    bare = described_area(chip)
    inside = Area(
        logic=bare.logic * overheads.core,
        sram=bare.sram * overheads.core,
        interfaces=bare.interfaces * overheads.interface,
        links=bare.links,
    )
    return inside if chip.macro else replace(inside, ring=ring_area_mm2(inside.total, chip.dies))


def peak_ops(chip: ChipDescription, name: str) -> float:
    """Operations a second in the format ``name``, two a multiply-accumulate; 0 if it has none."""
    macs = sum(
        core.count * rate_in(unit, name)
        for core in chip.core
        for unit in core.units
        if not unit.vector
    )
    if macs == 0.0:
        macs = sum(core.count * rate_in(unit, name) for core in chip.core for unit in core.units)
    return 2.0 * macs * chip.clock_ghz * 1e9


def peak_instructions(chip: ChipDescription) -> float:
    """Instructions a second of all cores."""
    return sum(core.count * core.issue for core in chip.core) * chip.clock_ghz * 1e9


def core_gates(core: Core, node: Technology) -> float:
    """Gate equivalents of one core."""
    a = node.area_constants
    gates = 0.0
    if core.issue > 0.0:
        pipes = float(sum(1.0 for unit in core.units if unit.vector))
        front = area.front_end_gates(
            scalar(core.issue), scalar(core.stations), scalar(core.pipes),
            scalar(pipes), node,
        )  # fmt: skip
        gates += float(front) + a.latch_register_bit * area.SCALAR_REGISTER_BITS
    if 0.0 < core.registers_kib <= LATCH_LIMIT_KIB:
        gates += core.registers_kib * 8192.0 * a.latch_register_bit
    for unit in core.units:
        gates += unit.count * _unit_gates(unit, node)
    if core.ports > 0.0:
        switch = area.switch_gates(scalar(core.ports), scalar(core.flit_bits), node)
        gates += float(switch)
    return gates


def rim_area_mm2(io: Io, node: Technology) -> float:
    """PHYs of memory and of serial lanes, which hardly scale with the node."""
    system = node.system
    lane = node.area_constants.host_interface / 16.0
    return (
        io.hbm_stacks * system.hbm3e.phy_area
        + io.dram_x64 * system.lpddr5x.phy_area
        + io.serdes_lanes * lane
    )


def links_area_mm2(io: Io, node: Technology) -> float:
    """Short-reach links to dies of the same package: no controllers or protocols behind them."""
    edge = 0.5 * node.area_constants.die_to_die  # the constant is for two edges
    return io.die_to_die_gb_s * 1e9 / node.system.links.bandwidth * edge


def ring_area_mm2(inside_mm2: float, dies: float) -> float:
    """Pad and seal ring around ``inside_mm2`` spread over square dies."""
    edge = math.sqrt(inside_mm2 / dies) + 2.0 * PAD_RING_MM
    return edge * edge * dies - inside_mm2


def scalar(value: float) -> FloatArray:
    """A number as the array without dimensions that the model's functions take."""
    return np.array(value, dtype=np.float64)


def rate_in(unit: Unit, name: str) -> float:
    """Multiply-accumulates a cycle of one core in the format ``name``."""
    return unit.count if name == unit.format else unit.rates.get(name, 0.0)


def sram_kib(chip: ChipDescription) -> float:
    """All memories that are SRAM."""
    held = sum(
        core.built * (core.sram_kib + core.registers_kib * (core.registers_kib > LATCH_LIMIT_KIB))
        for core in chip.core
    )
    return held + sum(memory.mib * 1024.0 for memory in chip.memory)


def _unit_gates(unit: Unit, node: Technology) -> float:
    """One multiply-accumulate: multiplier, adder, accumulator and operand registers."""
    a = node.area_constants
    parts = arithmetic(unit.format, node)
    if unit.vector:
        lane = a.vector_lane_control * parts.bits / area.LANE_BITS
        return parts.multiply_ge + parts.add_ge + lane
    share = 1.0 / unit.dot
    add = parts.add_ge * share + min(parts.add_ge, a.fp16_add) * (1.0 - share)
    held = parts.accumulator_bits * share + OPERAND_REGISTERS * parts.bits
    return parts.multiply_ge + add + held * a.flip_flop


def _core_sram_mm2(core: Core, node: Technology) -> float:
    out = _macros_mm2(core.sram_kib, core.bank_kib, node)
    if core.registers_kib > LATCH_LIMIT_KIB:
        out += _macros_mm2(core.registers_kib, REGISTER_BANK_KIB, node)
    return out


def _macros_mm2(kib: float, bank_kib: float, node: Technology) -> float:
    """Area of ``kib`` in macros of ``bank_kib``."""
    if kib <= 0.0:
        return 0.0
    bank = max(min(kib, bank_kib), 0.125)
    return float(area.sram_area_mm2(scalar(bank * 1024.0), node)) * kib / bank
