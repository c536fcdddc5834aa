"""Leakage: supply, temperature, and what sleeps.

Logic of tiles that belong to no region is switched off for good. A working tile's logic sleeps
while it waits, and its SRAM is kept at retention, if waits are longer than it takes to be worth
it. Mask ROM sleeps but for the bank that is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.space import FloatArray
from asic_compiler.technology.node import Technology


@dataclass(frozen=True, slots=True)
class Silicon:
    """What leaks. Arrays are [N]; shares of time are in [0, 1]."""

    logic_mm2: FloatArray
    """Cores of working tiles."""
    idle_logic_mm2: FloatArray
    """Cores of tiles that never work."""
    router_mm2: FloatArray
    """Never sleeps: any tile's messages may pass."""
    sram_bits: FloatArray
    """DMEM and IMEM of working tiles."""
    idle_sram_bits: FloatArray
    """Bits of SRAM of tiles that never work and have nothing to keep."""
    rom_bits: FloatArray
    weight_sram_bits: FloatArray
    """Weight memories that are SRAM."""
    awake_bank_bits: FloatArray
    """Weight banks being read, times the share of time in which they are."""
    asleep: FloatArray
    """Share of time in which a working tile's logic sleeps, by area."""


@dataclass(frozen=True, slots=True)
class Densities:
    """Leakage of each thing awake, at nominal supply and a temperature."""

    logic_w_per_mm2: float
    sram_w_per_bit: float


def densities(temperature_c: float, technology: Technology) -> Densities:
    """Exponential in temperature, through the node's values at 25 and 85 degrees Celsius."""
    leak = technology.leakage
    t = (temperature_c - 25.0) / 60.0
    return Densities(
        leak.logic_25c * (leak.logic_85c / leak.logic_25c) ** t,
        leak.sram_25c * (leak.sram_85c / leak.sram_25c) ** t,
    )


def supply_factor(volts: FloatArray, technology: Technology) -> FloatArray:
    """Leakage power at ``volts`` over that at the nominal supply."""
    exponent = technology.energy_constants.leakage_voltage_exponent
    return (volts / technology.voltage.nominal) ** exponent


def asleep_share(
    busy: FloatArray,
    period: FloatArray,
    operators: FloatArray,
    clock_hz: FloatArray,
    technology: Technology,
) -> FloatArray:
    """Share of time that a tile sleeps, for any shape.

    It waits for period - busy, in as many pieces as it executes operators; of each piece the
    break-even time is lost.

    Args:
        busy: Cycles of a period in which the tile computes.
        period: Cycles.
        operators: Operators of its stage.
        clock_hz: The fastest that the tile is built for: at a slower clock waits only grow.
        technology: The node.
    """
    waiting = np.maximum(period - busy, 0.0)
    lost = technology.system.gating.break_even * clock_hz * operators
    return np.maximum(waiting - lost, 0.0) / period


def leakage_parts_w(
    silicon: Silicon,
    volts: FloatArray,
    memory_volts: FloatArray,
    temperature_c: float,
    technology: Technology,
    high_threshold: NDArray[np.bool_] | None = None,
    gating: bool = True,
) -> FloatArray:
    """Leakage of N designs.

    Args:
        silicon: What leaks.
        volts: [N] supply of logic and ROM.
        memory_volts: [N] supply of SRAM.
        temperature_c: Junction temperature.
        technology: The node.
        high_threshold: [N] designs whose logic is of high-threshold cells; none if not given.
        gating: False leaves everything awake.

    Returns:
        [N, 3] watt of logic, SRAM (weights in SRAM included) and ROM.
    """
    k, g = technology.energy_constants, technology.system.gating
    each = densities(temperature_c, technology)
    sleep = g.sleep_leakage if gating else 1.0
    retention = g.retention_leakage if gating else 1.0
    rom_asleep = k.sleep_rom_leakage if gating else g.rom_leakage

    cores = silicon.logic_mm2 * (1.0 - silicon.asleep * (1.0 - sleep))
    logic = (cores + silicon.idle_logic_mm2 * sleep + silicon.router_mm2) * each.logic_w_per_mm2
    if high_threshold is not None:
        logic = np.where(high_threshold, k.high_threshold_leakage, 1.0) * logic
    kept = silicon.sram_bits * (1.0 - silicon.asleep * (1.0 - retention))
    weights = silicon.weight_sram_bits * retention
    in_sram = silicon.weight_sram_bits > 0.0
    weights = weights + np.where(in_sram, silicon.awake_bank_bits * (1.0 - retention), 0.0)
    sram = (kept + silicon.idle_sram_bits * sleep + weights) * each.sram_w_per_bit
    reading = np.where(in_sram, 0.0, silicon.awake_bank_bits * (g.rom_leakage - rom_asleep))
    rom = (silicon.rom_bits * rom_asleep + reading) * each.sram_w_per_bit
    at_logic, at_memory = supply_factor(volts, technology), supply_factor(memory_volts, technology)
    return np.stack([at_logic * logic, at_memory * sram, at_logic * rom], axis=1)
