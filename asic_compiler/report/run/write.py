"""A run written: the chip, its program, every evaluation, the Pareto front and the trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save
from xdsl.dialects.builtin import ModuleOp

from asic_compiler.explore.run import Exploration
from asic_compiler.explore.trace.document import decision_trace
from asic_compiler.explore.trace.document import to_text as trace_text
from asic_compiler.hardware.spec import to_text
from asic_compiler.program.emit import program_text
from asic_compiler.report.run.folder import (
    EVALUATIONS,
    HARDWARE,
    PARETO,
    PROGRAM,
    TRACE,
    replace_run,
)
from asic_compiler.report.run.hardware import hardware_document


def write_run(
    folder: Path, exploration: Exploration, program: ModuleOp, placed: dict[str, Any]
) -> None:
    """Writes hardware.json, program.mlir, every evaluation, the Pareto front and the trace.

    The folder has all of them, or is as before.

    Args:
        folder: Where.
        exploration: What was found.
        program: Of the plan, in ``tcc``.
        placed: What hardware.json says of the program's placement besides.

    Raises:
        UserError: They cannot be written.
        VerifyException: The program is not well formed: a defect of its generator.
    """
    spec = hardware_document(exploration) | placed
    result = exploration.result
    program.verify()
    columns = {name: np.ascontiguousarray(column) for name, column in result.history.items()}
    replace_run(
        folder,
        {
            PROGRAM: program_text(program),
            EVALUATIONS: save(columns),
            PARETO: json.dumps(_front(exploration), indent=1) + "\n",
            TRACE: trace_text(decision_trace(exploration.problem, result)),
            HARDWARE: to_text(spec),
        },
    )


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
