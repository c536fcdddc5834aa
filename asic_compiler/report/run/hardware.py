"""What hardware.json says of an exploration."""

from __future__ import annotations

from typing import Any

from asic_compiler.explore.run import Exploration
from asic_compiler.hardware.spec import Predicted, hardware_spec
from asic_compiler.plan.make import EvaluatedPlan
from asic_compiler.ppa.power import ENERGY_PARTS
from asic_compiler.workload.table import OperatorTable

AREA_PARTS: tuple[str, ...] = ("logic", "sram", "wmem", "noc", "interface")
"""Columns of ``Metrics.area_parts_mm2``."""


def hardware_document(exploration: Exploration) -> dict[str, Any]:
    """The chip, what was asked for, what the model says of it and with what constants."""
    plan, request = exploration.plan, exploration.request
    spec = hardware_spec(
        plan.chip,
        workload_summary(plan.table),
        predicted(plan),
        request.told("constraints"),
        request.told("search"),
    )
    return {
        **spec,
        "predicted": {**spec["predicted"], "corners": exploration.corners.as_json()},
        "breakdown": exploration.breakdown.as_json(),
        "technology": exploration.constants.as_json(),
    }


def predicted(plan: EvaluatedPlan) -> Predicted:
    """The model's figures of a plan."""
    m = plan.metrics
    return Predicted(
        tokens_per_s=float(m.tokens_per_s[0]),
        tokens_per_s_per_user=float(m.tokens_per_s_per_user[0]),
        latency_s=float(m.latency_s[0]),
        sequences_in_flight=int(m.sequences[0]),
        power_w=float(m.power_w[0]),
        leakage_w=float(m.leakage_w[0]),
        die_area_mm2=float(m.area_mm2[0]),
        energy_per_token_j=float(m.energy_per_token_j[0]),
        energy_parts_j=_parts(ENERGY_PARTS, m.energy_parts_j[0]),
        area_parts_mm2=_parts(AREA_PARTS, m.area_parts_mm2[0]),
    )


def workload_summary(table: OperatorTable) -> dict[str, Any]:
    """What hardware.json says of the workload."""
    return {
        "name": table.name,
        "phase": table.phase,
        "batch": table.batch,
        "context": table.context,
        "tokens_per_step": table.tokens_per_step,
        "operators": len(table.sequence),
        "macs_per_step": table.macs(),
        "weight_bytes": table.weight_bytes,
        "kv_bytes": table.total("kv_bytes"),
    }


def _parts(names: tuple[str, ...], values: Any) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True)}
