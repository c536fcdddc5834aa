"""What power is made of beside the events: rails, sleep, things at rest, off-chip devices."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.space import FloatArray
from asic_compiler.hardware.weight_store import STORE_INDEX, WeightStore
from asic_compiler.machine.regions import CONV, GENERAL, MATMUL
from asic_compiler.mapping.mapping import Mapping
from asic_compiler.mapping.profile import Profile
from asic_compiler.mapping.stages import StageRows, dot_rows
from asic_compiler.ppa import energy, leakage, timing
from asic_compiler.ppa.footprint import Memories, Space
from asic_compiler.ppa.precision import Operands
from asic_compiler.technology.node import Technology

ENERGY_PARTS: tuple[str, ...] = (
    "compute", "wmem", "dmem", "issue", "noc", "clock", "links", "dram",
)  # fmt: skip
"""Components of the energy of a step; the first five belong to operators."""
LEAKAGE_PARTS: tuple[str, ...] = ("logic", "sram", "rom")
WMEM, DMEM, NOC, CLOCK, LINKS, DRAM = 1, 2, 4, 5, 6, 7
OF_OPERATORS = 5


@dataclass(frozen=True, slots=True)
class OperatorEnergy:
    """Joule of one operator of each class at the nominal supply."""

    contractions: energy.EnergyParts
    vectors: energy.EnergyParts

    def of_step(self, profile: Profile) -> FloatArray:
        """[N, 8] joule a step; what belongs to no operator is left at 0."""
        tensor_counts = profile.counts[profile.contractions.index]
        vector_counts = profile.counts[profile.vectors.index]
        columns = [
            dot_rows(getattr(self.contractions, f.name), tensor_counts)
            + dot_rows(getattr(self.vectors, f.name), vector_counts)
            for f in fields(energy.EnergyParts)
        ]
        parts = np.zeros((len(columns[0]), len(ENERGY_PARTS)))
        parts[:, :OF_OPERATORS] = np.stack(columns, axis=1)
        return parts

    def by_class(self, profile: Profile, supply: FloatArray) -> FloatArray:
        """[N, C, 5] joule of one operator of each class, at ``supply``, [N, 8] over the nominal."""
        out = np.zeros((len(supply), len(profile.table.classes), OF_OPERATORS))
        for i, part in enumerate(fields(energy.EnergyParts)):
            out[:, profile.contractions.index, i] = getattr(self.contractions, part.name)
            out[:, profile.vectors.index, i] = getattr(self.vectors, part.name)
        return out * supply[:, None, :OF_OPERATORS]


def operator_energy(
    mapping: Mapping,
    operands: Operands,
    memory: energy.MemoryEnergy,
    tensor_time: timing.ContractionTime,
    vector_time: timing.VectorTime,
    technology: Technology,
) -> OperatorEnergy:
    """What operators spend, from how they were timed."""
    sizes, vectors = mapping.sizes, mapping.profile.vectors
    return OperatorEnergy(
        energy.contraction_energy(operands, tensor_time, sizes, memory, technology),
        energy.vector_energy(vectors, vector_time, sizes, memory, technology),
    )


def static_w(dies: FloatArray, host_interface: bool, technology: Technology) -> FloatArray:
    """[N] interface and one clock source a die."""
    s = technology.system.static
    if host_interface:
        return s.host_interface + dies * s.clock_source
    return s.microcontroller_interface + dies * s.slow_clock_source


def supply_factors(
    design: DesignBatch, memory_volts: FloatArray, technology: Technology
) -> FloatArray:
    """[N, 8] energy over that at the nominal supply: SRAM has its rail, links and DRAM theirs.

    Router buffers, stations and registers are logic; so is IMEM, whose reads are part of issue.
    """
    nominal = technology.voltage.nominal
    factor = np.repeat(((design.vdd / nominal) ** 2)[:, None], len(ENERGY_PARTS), axis=1)
    memory = (memory_volts / nominal) ** 2
    factor[:, DMEM] = memory
    rom = design.weight_store == STORE_INDEX[WeightStore.ROM]
    factor[:, WMEM] = np.where(rom, factor[:, WMEM], memory)
    factor[:, LINKS:] = 1.0
    return factor


def cycles_by_kind(
    profile: Profile, stages: StageRows, contractions: FloatArray, vectors: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """[M] cycles of each stage: matmuls, convolutions, attention, vectors.

    Args:
        profile: The workload.
        stages: The stages.
        contractions: [N, C] of one contraction of each class.
        vectors: [N, V] likewise.
    """
    work = profile.contractions
    kinds = [np.flatnonzero(work.region == region) for region in (MATMUL, CONV, GENERAL)]
    matmul, conv, attention = (stages.total(contractions[:, c], work.index[c]) for c in kinds)
    return matmul, conv, attention, stages.total(vectors, profile.vectors.index)


def asleep(
    design: DesignBatch,
    active: FloatArray,
    period: FloatArray,
    operators: int,
    clock_hz: FloatArray,
    technology: Technology,
) -> FloatArray:
    """[N, 4] share of the time that a tile of each band sleeps.

    Args:
        design: N designs.
        active: [N, 4] cycles in which a tile computes, summed over the stages.
        period: [N] cycles.
        operators: Of the whole program.
        clock_hz: [N] that the tiles are built for.
        technology: The node.
    """
    stages = design.stages[:, None]
    busy = np.minimum(active / stages, period[:, None])
    each = operators / stages
    return leakage.asleep_share(busy, period[:, None], each, clock_hz[:, None], technology)


def silicon(
    mapping: Mapping, space: Space, memories: Memories, activity: energy.Activity
) -> leakage.Silicon:
    """What leaks, and for what share of the time it is awake.

    Args:
        mapping: N designs, with their bands and stages.
        space: Their area.
        memories: Of their tiles.
        activity: Of their tiles; weights are read while tensor units are busy.
    """
    design, bands, segments = mapping.design, mapping.bands, mapping.stages.segments
    used = np.any(bands.member, axis=2)
    working = (space.cores * used).sum(axis=1)
    bank = np.minimum(memories.wmem, segments.spread(design.wmem_bank)[:, None]) * 8.0
    duty = np.minimum(activity.tensor / (activity.period * design.stages)[:, None], 1.0)
    rom = design.weight_store == STORE_INDEX[WeightStore.ROM]
    return leakage.Silicon(
        logic_mm2=working,
        idle_logic_mm2=(space.cores * ~used).sum(axis=1),
        router_mm2=space.parts[:, 3],
        sram_bits=space.sram_bits,
        idle_sram_bits=space.idle_sram_bits,
        rom_bits=np.where(rom, space.weight_bits, 0.0),
        weight_sram_bits=np.where(rom, 0.0, space.weight_bits),
        awake_bank_bits=segments.total((bank * memories.tiles * segments.spread(duty)).sum(axis=1)),
        asleep=(activity.asleep * space.cores * used).sum(axis=1) / np.maximum(working, 1e-300),
    )
