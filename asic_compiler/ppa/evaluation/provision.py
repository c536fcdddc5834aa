"""Stage 2: memories of every tile, the chip's area and its fastest clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.hardware.derive import Demand, MemoryRange, provision_memory
from asic_compiler.hardware.legality import MAX_DMEM_BYTES, MAX_IMEM_BYTES
from asic_compiler.hardware.space import CONTINUOUS, INDEX, FloatArray
from asic_compiler.ppa import clock
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.ppa.evaluation.place import Placed
from asic_compiler.ppa.footprint import Memories, Space, footprint, interface_mm2
from asic_compiler.technology.node import Technology

WMEM_STEP_BYTES = 16384.0


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What N designs are made of."""

    memories: Memories
    dmem_average: FloatArray
    """[N] byte, of the average tile after raising."""
    imem_average: FloatArray
    """[N] likewise."""
    interface: float
    """mm2 of the host interface."""
    space: Space
    """Without the PHYs of off-chip memory."""
    fastest: FloatArray
    """[N] Hz."""
    built_for: FloatArray
    """[N] Hz that pipeline registers are placed for: the fastest clock, or the fixed one."""


def provision(placed: Placed, conditions: Conditions, technology: Technology) -> Provisioned:
    """Gives tiles what they need, or what was asked for if that is more."""
    mapping, need = placed.mapping, placed.need
    design, stages = mapping.design, mapping.stages
    segments = stages.segments
    tiles = stages.multiplicity[:, None] * segments.spread(mapping.bands.tiles)

    def memory(name: str, needed: FloatArray, most: float) -> tuple[FloatArray, FloatArray]:
        variable = CONTINUOUS[INDEX[name]]
        demand = Demand(needed, tiles, design.heterogeneity, segments)
        sizes = MemoryRange(variable.step, variable.low, most)
        return provision_memory(getattr(design, name), demand, sizes)

    dmem, dmem_average = memory("dmem", need.dmem, MAX_DMEM_BYTES)
    imem, imem_average = memory("imem", need.imem, MAX_IMEM_BYTES)
    wmem = np.ceil(need.wmem / WMEM_STEP_BYTES) * WMEM_STEP_BYTES
    memories = Memories(dmem=dmem, wmem=wmem, imem=imem, tiles=tiles)
    interface = interface_mm2(conditions.host_interface, technology)
    space = footprint(
        mapping, placed.logic, memories, interface, conditions.power_gating, technology
    )
    macro = segments.largest(np.maximum(dmem, imem).max(axis=1))
    fastest = np.minimum(
        clock.fastest_clock_hz(design, mapping.sizes, technology),
        clock.memory_clock_hz(macro, placed.memory_volts, technology),
    )
    fixed = conditions.clock_hz
    return Provisioned(
        memories=memories,
        dmem_average=dmem_average,
        imem_average=imem_average,
        interface=interface,
        space=space,
        fastest=fastest,
        built_for=fastest if fixed is None else np.full(len(design), fixed),
    )
