"""What an exploration leaves on disk: one folder a run."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save
from xdsl.dialects.builtin import ModuleOp

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.run import Exploration
from asic_compiler.explore.trace.document import decision_trace
from asic_compiler.explore.trace.document import to_text as trace_text
from asic_compiler.files import write_atomic
from asic_compiler.hardware.spec import Predicted, hardware_spec, to_text
from asic_compiler.plan.make import EvaluatedPlan
from asic_compiler.plan.plan import Plan
from asic_compiler.program.check import check
from asic_compiler.program.emit import write_program
from asic_compiler.program.generate import generate
from asic_compiler.report.summary import AREA_PARTS, ENERGY_PARTS
from asic_compiler.workload.table import OperatorTable

HARDWARE, PROGRAM = "hardware.json", "program.mlir"
EVALUATIONS, PARETO, TRACE = "evaluations.safetensors", "pareto.json", "trace.json"


@contextmanager
def open_run(folder: Path) -> Generator[Path, None, None]:
    """The folder of a run, made before the search spends time; a failed run takes it away again.

    Raises:
        UserError: It cannot be made or written.
    """
    existed = folder.is_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder '{folder}': {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"cannot write into '{folder}': permission denied")
    try:
        yield folder
    except BaseException:
        if not existed and not any(folder.iterdir()):
            folder.rmdir()
        raise


def emit_exploration(
    folder: Path, module: ModuleOp, exploration: Exploration, placement: str = "rule"
) -> tuple[str, ...]:
    """Writes hardware.json, program.mlir, every evaluation, the Pareto front and the trace.

    Args:
        folder: Where.
        module: The model, in ``asic``.
        exploration: What was found for it.
        placement: Strategy that places the program, one of ``program.placement.search.STRATEGIES``.

    Returns:
        What a user should know.
    """
    plan, result = exploration.plan, exploration.result
    request = exploration.request
    constraints = {
        name: getattr(request, name)
        for name in ("goal", "power_w", "area_mm2", "dies", "tokens_per_s", "clock_hz")
    }
    if request.constraints is not None:
        constraints["variables"] = str(request.restrictions)
    asked = {
        "mode": request.mode,
        "strategy": result.strategy,
        "seed": request.seed,
        "evaluations": result.evaluations,
        "weights": list(request.weights or ()),
        "weight_bits": list(request.weight_bits),
        "kv_bits": list(request.kv_bits),
    }
    spec = hardware_spec(
        plan.chip,
        workload_summary(plan.table),
        predicted(plan),
        constraints,
        asked,
    )
    spec = exploration.documented(spec)
    program, placed, notes = _program(module, plan, placement, request.seed)
    notes += _copies_note(plan)
    spec |= placed
    write_program(folder / PROGRAM, program)
    columns = {name: np.ascontiguousarray(column) for name, column in result.history.items()}
    write_atomic(folder / EVALUATIONS, save(columns))
    write_atomic(folder / PARETO, json.dumps(_front(exploration), indent=1) + "\n")
    write_atomic(folder / TRACE, trace_text(decision_trace(exploration.problem, result)))
    write_atomic(folder / HARDWARE, to_text(spec))
    return notes


def _program(
    module: ModuleOp, plan: Plan, strategy: str, seed: int
) -> tuple[ModuleOp, dict[str, Any], tuple[str, ...]]:
    """The program, what hardware.json says of its placement, and notes."""
    if strategy == "rule":
        program = generate(module, plan)
        placed: dict[str, Any] = {}
        notes: tuple[str, ...] = ()
        checked = False
    else:
        # Imported here: whoever does not ask for it does not wait for a compiler to load.
        from asic_compiler.program.place import generate_placed

        found = generate_placed(module, plan, strategy, seed)
        program, rule, checked = found.program, found.placement.rule_hop_bytes, found.moved
        placed = {
            "placement": {
                "strategy": strategy,
                "hop_bytes": found.hop_bytes,
                "rule_hop_bytes": rule,
                "least_hop_bytes": found.least_hop_bytes,
            }
        }
        notes = (_placement_note(found.hop_bytes, rule, found.least_hop_bytes),)
        if found.refused:
            notes += (f"placement={strategy} does not fit, the rule's stays: {found.refused[0]}",)
    findings = () if checked else check(program)
    if findings:  # the explorer's legality and the program's disagree: a defect, not a bad input
        raise ValueError(f"the program does not fit its chip: {findings[0]}")
    return program, placed, notes


def _copies_note(plan: Plan) -> tuple[str, ...]:
    """What copies of weights take that several operators read; nothing where there are none."""
    stages = np.array([a.stage for a in plan.assignments], dtype=np.int64)
    ends = np.flatnonzero(np.diff(stages, prepend=-1, append=-1))
    table = plan.table
    held = table.held_weight_bytes(ends)
    if held <= table.weight_bytes:
        return ()
    return (
        f"weights are {table.weight_bytes / 1e6:.3f} MB and take {held / 1e6:.3f} MB: operators in "
        "several stages, or that cannot share a copy, read the same",
    )


def _placement_note(hop_bytes: float, rule: float, least: float) -> str:
    ratio = f", {hop_bytes / rule:.3f} of the rule's" if rule else ""
    return (
        f"placement: {hop_bytes / 1e6:.3f} MB x links a period{ratio}; "
        f"no placement of its packets has fewer than {least / 1e6:.3f}"
    )


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


def _front(exploration: Exploration) -> list[dict[str, Any]]:
    """The Pareto front, best performance first: objectives and the 34 variables of each design."""
    problem = exploration.problem
    members = exploration.result.archive.members
    if members is None:
        return []
    tokens_per_s = problem.model.evaluate(
        problem.decode(members.discrete, members.continuous)
    ).tokens_per_s  # ``performance`` is what the goal maximises, which may be another rate
    order = np.lexsort((members.area_mm2, members.power_w, -members.performance))
    return [
        {
            "tokens_per_s": float(tokens_per_s[i]),
            "power_w": float(members.power_w[i]),
            "area_mm2": float(members.area_mm2[i]),
            "discrete": dict(
                zip(problem.discrete_names, members.discrete[i].tolist(), strict=True)
            ),
            "continuous": dict(
                zip(problem.continuous_names, members.continuous[i].tolist(), strict=True)
            ),
        }
        for i in order
    ]
