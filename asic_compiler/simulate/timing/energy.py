"""Joule of a simulated step, with the constants of the cost model.

Events are counted by the linker and busy cycles by the engine; what one costs is what
``ppa.energy`` says, for the same design. Components are those of ``ppa.power.ENERGY_PARTS``.

Unlike the model's, DMEM events hold the reads of what is sent, and copies within a tile; links
carry each packet along its own tree. Contractions are charged in the format that their instructions
say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from asic_compiler.hardware.derive import BANDS
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.space import FloatArray
from asic_compiler.machine.regions import REGION_NAMES
from asic_compiler.ppa import clock, energy, power
from asic_compiler.ppa.footprint import Memories, footprint, interface_mm2
from asic_compiler.ppa.metrics import Metrics
from asic_compiler.ppa.model import Internals, PPAModel
from asic_compiler.simulate.timing.link.events import Event
from asic_compiler.simulate.timing.program import Unit

if TYPE_CHECKING:
    from asic_compiler.hardware.chip import Chip
    from asic_compiler.simulate.timing.report import TimingReport


@dataclass(frozen=True)
class EventCosts:
    """What events cost on one design, at its supply."""

    joule: FloatArray
    """[classes, events]"""
    component: tuple[str, ...]
    """[events] Component that each belongs to."""
    model: PPAModel
    design: DesignBatch
    internals: Internals
    trunk_mm: FloatArray
    supply: FloatArray
    """[1, components] Energy over that at the nominal supply."""
    bands: tuple[int, ...]
    """Band of each tile class."""


_COMPONENT = {
    Event.WMEM_BITS: "wmem",
    Event.DMEM_BITS: "dmem",
    Event.INSTRUCTIONS: "issue",
    Event.HOP_BITS: "noc",
    Event.LOCAL_BITS: "noc",
    Event.CROSSING_BITS: "links",
}


def event_costs(model: PPAModel, design: DesignBatch, chip: Chip) -> EventCosts:
    """Costs of one design.

    Args:
        model: That evaluated it.
        design: The design alone.
        chip: What it became.
    """
    _, internals = model.evaluate_equal_stages(design)
    node, conditions = model.technology, model.conditions
    mapping = internals.mapping
    stored = mapping.design
    stages = mapping.stages
    tiles = stages.multiplicity[:, None] * stages.segments.spread(mapping.bands.tiles)
    dmem, wmem, imem = (
        a.reshape(-1, BANDS) for a in (internals.dmem, internals.wmem, internals.imem)
    )
    memories = Memories(dmem, wmem, imem, tiles)
    interface = interface_mm2(conditions.host_interface, node)
    space = footprint(mapping, internals.logic, memories, interface, conditions.power_gating, node)
    average = (dmem * tiles).sum() / tiles.sum()
    memory = energy.memory_energy(stored, np.array([average]), space.tile_mm, space.hop_mm, node)
    e, k, f = node.energy, node.energy_constants, node.system.formats
    access = 32.0 * e.register_file
    kind = _bands_of(chip, internals, model.profile.has_conv)
    instruction = k.instruction * node.scale_from_28nm
    joule = np.zeros((len(chip.classes), len(Event)))
    each = {
        Event.MACS_NARROW: e.fp16_multiply + e.fp32_add + access,
        Event.MACS_WIDE: e.fp32_multiply + e.fp32_add + access,
        Event.MACS_BF16: f.bf16_multiply * e.fp16_multiply + e.fp32_add + access,
        Event.MACS_INT8: f.int8_multiply * e.fp16_multiply + e.int32_add + access,
        Event.RESCALES: e.fp32_multiply + f.unpack * e.fp16_add,
        Event.UNPACKS: f.unpack * e.fp16_add,
        Event.ADDS_NARROW: e.fp16_add,
        Event.ADDS_WIDE: e.fp32_add,
        Event.MULTIPLIES_NARROW: e.fp16_multiply,
        Event.MULTIPLIES_WIDE: e.fp32_multiply,
        Event.REGISTER_BITS: e.register_file,
        Event.PARTIAL_ADDS: e.fp32_add,
        Event.WMEM_BITS: float(memory.wmem[0]),
        Event.DMEM_BITS: float(memory.dmem[0]),
        Event.HOP_BITS: float(memory.hop[0]),
        Event.LOCAL_BITS: float(memory.local[0]),
        Event.CROSSING_BITS: k.die_to_die,
    }
    for event, cost in each.items():
        joule[:, event] = cost
    fetch = np.array([tile.fetch for tile in chip.classes], dtype=np.float64)
    joule[:, Event.INSTRUCTIONS] = instruction * (1.0 + 0.1 * (fetch - 1.0)) + 32.0 * e.sram_32kb
    supply = power.supply_factors(stored, clock.memory_supply(stored.vdd, node), node)
    component = tuple(_COMPONENT.get(event, "compute") for event in Event)
    for event in Event:
        joule[:, event] *= supply[0, power.ENERGY_PARTS.index(component[event])]
    trunk = node.system.static.spine * space.total
    return EventCosts(joule, component, model, stored, internals, trunk, supply, kind)


def step_energy(report: TimingReport, costs: EventCosts) -> dict[str, float]:
    """Joule of one step by component; off-chip memory is not simulated."""
    spent = (report.linked.events.sum(axis=0) * costs.joule).sum(axis=0)
    parts = dict.fromkeys(power.ENERGY_PARTS, 0.0)
    for event, name in zip(Event, costs.component, strict=True):
        parts[name] += float(spent[event])
    parts["clock"] = _clock(report, costs)
    return parts


def model_energy(metrics: Metrics) -> dict[str, float]:
    """The same components as the cost model has them."""
    return dict(zip(power.ENERGY_PARTS, metrics.energy_parts_j[0].tolist(), strict=True))


def _clock(report: TimingReport, costs: EventCosts) -> float:
    """Clocked flip-flops, from the cycles in which units were busy."""
    busy = report.result.busy / report.periods
    tile_class = report.linked.machine.mesh.tile_class
    internals, design, node = costs.internals, costs.design, costs.model.technology
    active = np.zeros((2, 1, BANDS))
    stages = float(design.stages[0])
    for row, unit in enumerate((Unit.TENSOR, Unit.VECTOR)):
        for band in range(BANDS):
            own = np.isin(tile_class, [c for c, b in enumerate(costs.bands) if b == band])
            if own.any():  # the mean over a band's tiles in all stages, summed over the stages
                active[row, 0, band] = busy[own, unit].mean() * stages
    period = np.array([report.period_cycles])
    asleep = np.zeros((1, BANDS))
    if costs.model.conditions.power_gating:
        operators = report.linked.program.operators
        clock_hz = np.array([report.clock_hz])
        asleep = power.asleep(design, active[0] + active[1], period, operators, clock_hz, node)
    activity = energy.Activity(period, active[0], active[1], asleep)
    joule = energy.clock_energy(internals.mapping, internals.logic, activity, costs.trunk_mm, node)
    return float(joule[0] * costs.supply[0, power.CLOCK])


def _bands_of(chip: Chip, internals: Internals, has_conv: bool) -> tuple[int, ...]:
    """Band of each tile class: the one that belongs to the same regions."""
    member, rows = internals.bands.member[0], internals.bands.rows[0]
    named = [i for i, name in enumerate(REGION_NAMES) if name != "conv" or has_conv]
    of_regions = {
        tuple(REGION_NAMES[i] for i in named if member[band, i]): band
        for band in range(BANDS)
        if rows[band] > 0
    }
    return tuple(of_regions[tile.regions] for tile in chip.classes)
