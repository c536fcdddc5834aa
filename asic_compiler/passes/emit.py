"""The program of an exploration, generated, placed and checked; and its run written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from asic_compiler.explore.run import Exploration
from asic_compiler.plan.plan import Plan
from asic_compiler.program.check import check
from asic_compiler.program.footprints import Footprints
from asic_compiler.program.generate import generate
from asic_compiler.report.run.write import write_run


def emit_exploration(
    folder: Path, module: ModuleOp, exploration: Exploration, placement: str = "rule"
) -> tuple[str, ...]:
    """Generates the program and writes the run's files (``report/run/``).

    Args:
        folder: Where.
        module: The model, in ``asic``.
        exploration: What was found for it.
        placement: Strategy that places the program, one of ``program.placement.search.STRATEGIES``.

    Returns:
        What a user should know.
    """
    seed = exploration.request.seed
    program, placed, notes = _program(module, exploration.plan, placement, seed)
    write_run(folder, exploration, program, placed)
    notes += _copies_note(exploration.plan)
    return notes


def _program(
    module: ModuleOp, plan: Plan, strategy: str, seed: int
) -> tuple[ModuleOp, dict[str, Any], tuple[str, ...]]:
    """The program, what hardware.json says of its placement, and notes."""
    footprints = Footprints()
    if strategy == "rule":
        program = generate(module, plan, footprints)
        placed: dict[str, Any] = {}
        notes: tuple[str, ...] = ()
        checked = False
    else:
        # Imported here: whoever does not ask for it does not wait for a compiler to load.
        from asic_compiler.program.place import generate_placed

        found = generate_placed(module, plan, strategy, seed, footprints)
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
    findings = () if checked else check(program, footprints)
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
