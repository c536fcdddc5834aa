"""Stage 1: the workload on the designs, in their formats, and what their tiles must hold."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.space import FloatArray
from asic_compiler.mapping.capacity import Need, memory_need
from asic_compiler.mapping.mapping import Mapping, map_designs
from asic_compiler.mapping.profile import Profile
from asic_compiler.ppa import area, clock, dram, precision, timing
from asic_compiler.technology.node import Technology


@dataclass(frozen=True, slots=True)
class Placed:
    """N designs that run the workload."""

    mapping: Mapping
    """Mapping of designs whose widths are those that weights and cache really take, with scales."""
    operands: precision.Operands
    issue: timing.Issue
    logic: area.Logic
    memory_volts: FloatArray
    """[N] supply of the SRAM."""
    devices: dram.Devices | None
    """Off-chip memory of the weights; None where no design has any."""
    need: Need
    """What tiles must hold; of weights that stream in, their buffers."""


def place(
    profile: Profile, design: DesignBatch, needs: precision.Needs, technology: Technology
) -> Placed:
    """Maps the workload onto N designs.

    Args:
        profile: The workload.
        design: N designs.
        needs: What the workload asks of multipliers.
        technology: The node.
    """
    design = precision.stored(design, profile.head_dim, technology)
    operands = precision.operands(profile.contractions, design, technology)
    mapping = map_designs(profile, design, operands.work)
    need = memory_need(mapping)
    devices = dram.devices(design, technology)
    if devices is not None:
        spread = mapping.stages.segments.spread
        bank = spread(design.wmem_bank)[:, None]
        buffer = dram.buffer_bytes(need.wmem, bank)
        need = replace(need, wmem=np.where(spread(devices.used)[:, None], buffer, need.wmem))
    return Placed(
        mapping=mapping,
        operands=operands,
        issue=timing.issue_limits(design, mapping.sizes, technology.timing_constants),
        logic=area.core_logic(design, mapping.sizes, technology, needs),
        memory_volts=clock.memory_supply(design.vdd, technology),
        devices=devices,
        need=need,
    )
