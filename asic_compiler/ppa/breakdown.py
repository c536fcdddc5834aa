"""Where power, energy and area of one design go: of the chosen one, not of those searched."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.precision import FORMATS, KV_NOTES
from asic_compiler.hardware.weight_store import STORES
from asic_compiler.ppa.area import logic_area_mm2
from asic_compiler.ppa.clock import memory_supply
from asic_compiler.ppa.manufacture import Manufacture, manufacture
from asic_compiler.ppa.model import PPAModel
from asic_compiler.ppa.power import ENERGY_PARTS, LEAKAGE_PARTS, OF_OPERATORS
from asic_compiler.workload.table import OperatorClass


@dataclass(frozen=True, slots=True)
class OperatorShare:
    """What the operators of one class cost in one step."""

    operator: str
    """Kind and sizes."""
    count: int
    energy_j: dict[str, float]
    """Joule by component; clock, links and DRAM belong to no operator."""
    cycles: float

    @property
    def total_j(self) -> float:
        """All components."""
        return sum(self.energy_j.values())


@dataclass(frozen=True, slots=True)
class Breakdown:
    """One design, taken apart."""

    precision: str
    """Format of weights and activations."""
    accuracy_notes: tuple[str, ...]
    weight_store: str
    dram_devices: int
    memory_supply_v: float
    power_w: dict[str, float]
    """Dynamic, by component; leakage, by component; what is static."""
    area_mm2: dict[str, float]
    operators: tuple[OperatorShare, ...]
    """Dearest first."""
    manufacture: Manufacture

    def as_json(self) -> dict[str, Any]:
        """Plain data in a fixed order."""
        return asdict(self)


def breakdown(model: PPAModel, design: DesignBatch) -> Breakdown:
    """Takes a single design apart.

    Raises:
        ValueError: ``design`` is not a single design.
    """
    if len(design) != 1:
        raise ValueError(f"a breakdown is of one design, not {len(design)}")
    node, table = model.technology, model.profile.table
    metrics, inner = model.evaluate_equal_stages(design)
    rate = float(metrics.steps_per_s[0])
    power = {
        name: float(e) * rate
        for name, e in zip(ENERGY_PARTS, metrics.energy_parts_j[0], strict=True)
    }
    power |= {
        f"{name}_leakage": float(w)
        for name, w in zip(LEAKAGE_PARTS, metrics.leakage_parts_w[0], strict=True)
    }
    power["static"] = float(metrics.static_w[0])
    parts = metrics.area_parts_mm2[0]
    gates = {
        "front_end": inner.logic.front_end_ge,
        "registers": inner.logic.registers_ge,
        "vector": inner.logic.vector_ge,
        "tensor": inner.logic.tensor_ge,
    }
    cores = {
        name: float(logic_area_mm2((ge * inner.bands.tiles).sum(axis=1), node)[0])
        for name, ge in gates.items()
    }
    scale = float(parts[0]) / max(sum(cores.values()), 1e-300)  # stages, floorplan, switches
    area = {name: value * scale for name, value in cores.items()}
    area |= dict(
        zip(("sram", "wmem", "noc", "interface"), (float(p) for p in parts[1:]), strict=True)
    )
    names = ENERGY_PARTS[:OF_OPERATORS]
    operators = [
        OperatorShare(
            operator=_label(own),
            count=int(count),
            energy_j={n: float(e) * int(count) for n, e in zip(names, each, strict=True)},
            cycles=float(cycles) * int(count),
        )
        for own, count, each, cycles in zip(
            table.classes, table.counts, inner.class_energy_j[0], inner.class_cycles[0], strict=True
        )
    ]
    chosen = FORMATS[int(design.precision[0])]
    notes = (chosen.note, KV_NOTES[int(design.kv_bits[0])])
    return Breakdown(
        precision=chosen.name,
        accuracy_notes=tuple(note for note in notes if note),
        weight_store=str(STORES[int(design.weight_store[0])]),
        dram_devices=int(metrics.dram_devices[0]),
        memory_supply_v=round(float(memory_supply(design.vdd, node)[0]), 4),
        power_w=power,
        area_mm2=area,
        operators=tuple(sorted(operators, key=lambda o: (-o.total_j, o.operator))),
        manufacture=manufacture(float(metrics.area_mm2[0]), int(np.rint(metrics.dies[0])), node),
    )


def _label(own: OperatorClass) -> str:
    """Kind and sizes of an operator class."""
    if own.macs:
        batch = f"{own.batch} x " if own.batch > 1 else ""
        return f"{own.kind} {batch}{own.m}x{own.n}x{own.k}"
    return f"{own.kind} {own.elements or own.output_bytes // 2}"
