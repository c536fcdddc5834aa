"""Stage 4: joule of a step, and watt that flow whatever the clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.hardware.space import FloatArray
from asic_compiler.mapping.stages import dot_rows
from asic_compiler.ppa import clock, dram, energy, leakage, links, power
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.ppa.energy import Activity
from asic_compiler.ppa.evaluation.place import Placed
from asic_compiler.ppa.evaluation.provision import Provisioned
from asic_compiler.ppa.evaluation.time import Timed
from asic_compiler.technology.node import Technology


@dataclass(frozen=True, slots=True)
class Spent:
    """What a step and the time between cost."""

    operators: power.OperatorEnergy
    """Energy of operators at the nominal supply."""
    supply: FloatArray
    """[N, 8] energy over that at the nominal supply."""
    parts: FloatArray
    """[N, 8] joule a step by component, at the supply."""
    leakage_parts_w: FloatArray
    """[N, 3] by what leaks."""
    static_w: FloatArray
    """[N] interface and clock sources."""

    @property
    def step_energy(self) -> FloatArray:
        """[N] joule a step."""
        return self.parts.sum(axis=1)

    @property
    def leakage_w(self) -> FloatArray:
        """[N] all leakage."""
        return self.leakage_parts_w.sum(axis=1)


def spend(
    placed: Placed,
    provisioned: Provisioned,
    timed: Timed,
    conditions: Conditions,
    technology: Technology,
) -> Spent:
    """Counts the energy of a step and the power at rest."""
    mapping = placed.mapping
    profile, design, bands = mapping.profile, mapping.design, mapping.bands
    stages, segments = mapping.stages, mapping.stages.segments
    space = provisioned.space
    memory = energy.memory_energy(
        design, provisioned.dmem_average, space.tile_mm, space.hop_mm, technology
    )
    operators = power.operator_energy(
        mapping, placed.operands, memory, timed.contractions, timed.vectors, technology
    )
    parts = operators.of_step(profile)
    transferred = segments.total(stages.transfer_bytes * stages.multiplicity) * 8.0
    parts[:, power.NOC] += transferred * np.maximum(timed.stage_hops, 1.0) * memory.hop
    # Within a stage of one tile nothing else moves: what it is handed is read and written.
    alone = bands.width * bands.height == 1.0
    parts[:, power.DMEM] += np.where(alone, 2.0 * transferred * memory.dmem, 0.0)
    activity = _activity(placed, provisioned, timed, conditions, technology)
    parts[:, power.CLOCK] = energy.clock_energy(
        mapping,
        placed.logic,
        activity,
        technology.system.static.spine * space.total,
        technology,
    )
    crossed = _crossed_bits(placed, timed)
    changes = np.clip((space.dies - 1.0) / np.maximum(design.stages - 1.0, 1.0), 0.0, 1.0)
    die_to_die = technology.energy_constants.die_to_die
    parts[:, power.LINKS] = (crossed + transferred * changes) * die_to_die
    devices, traffic = placed.devices, timed.traffic
    if devices is not None and traffic is not None:
        bits = np.where(devices.used, traffic.bits, 0.0)
        parts[:, power.DRAM] = bits * devices.energy
        parts[:, power.NOC] += bits * (dram.stream_hops(design) * memory.hop + memory.local)
        parts[:, power.WMEM] += bits * memory.wmem
    supply = power.supply_factors(design, placed.memory_volts, technology)
    parts *= supply
    fixed = conditions.clock_hz
    leakage_parts = leakage.leakage_parts_w(
        power.silicon(mapping, space, provisioned.memories, activity),
        design.vdd,
        placed.memory_volts,
        conditions.temperature_c,
        technology,
        None
        if fixed is None
        else clock.fits_high_threshold(fixed, design.vdd, provisioned.fastest, technology),
        conditions.power_gating,
    )
    static = power.static_w(space.dies, conditions.host_interface, technology)
    return Spent(operators, supply, parts, leakage_parts, static)


def _activity(
    placed: Placed,
    provisioned: Provisioned,
    timed: Timed,
    conditions: Conditions,
    technology: Technology,
) -> Activity:
    """What is clocked and what sleeps."""
    mapping = placed.mapping
    stages = mapping.stages
    totals = (stages.segments.total(kind * stages.multiplicity) for kind in timed.kinds)
    tensor, vector = energy.active_cycles(mapping.bands, *totals)
    asleep = np.zeros_like(tensor)
    if conditions.power_gating:
        operators = len(mapping.profile.table.sequence)
        asleep = power.asleep(
            mapping.design,
            tensor + vector,
            timed.period,
            operators,
            provisioned.built_for,
            technology,
        )
    return Activity(timed.period, tensor, vector, asleep)


def _crossed_bits(placed: Placed, timed: Timed) -> FloatArray:
    """[N] bits over borders between dies inside stages, a step."""
    mapping = placed.mapping
    profile, split, vectors = mapping.profile, mapping.split, mapping.vectors
    tensor = links.crossing_bits(timed.contractions, split.used_tiles / split.k)
    vector = links.crossing_bits(timed.vectors, vectors.parts / vectors.group)
    return timed.fabric.borders * (
        dot_rows(tensor, profile.counts[mapping.work.index])
        + dot_rows(vector, profile.counts[profile.vectors.index])
    )
