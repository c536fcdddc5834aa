"""``trace.json``: why this design, in a versioned format.

The schema is ``trace.schema.json`` beside this file; docs/explorer.md explains it.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from asic_compiler.explore.problem import ChipProblem
from asic_compiler.explore.strategy import SearchResult
from asic_compiler.explore.trace.binding import constraints, edges, neighbourhood
from asic_compiler.explore.trace.changes import ablation
from asic_compiler.explore.trace.front import trades
from asic_compiler.explore.trace.history import (
    actions_at,
    incumbent_rows,
    incumbents,
    signal_table,
)
from asic_compiler.explore.trace.values import NAMES, UNITS, shown
from asic_compiler.explore.trace.variants import Variants

SCHEMA_VERSION = "1.0"

Json = dict[str, Any]


def decision_trace(problem: ChipProblem, result: SearchResult) -> Json:
    """Why ``result.best`` was chosen, as plain data in a fixed order.

    Some hundred further designs are evaluated for it; they are no part of the search's budget, and
    nothing of them goes back into its result.

    Raises:
        ValueError: The search found nothing feasible.
    """
    best = result.best
    if best is None:
        raise ValueError("a trace explains a design, and nothing feasible was found")
    history = result.history
    rows = incumbent_rows(history)
    discrete, continuous = actions_at(problem, history, rows)
    variants = Variants(problem, best)
    designs, _ = variants.evaluate(discrete, continuous)
    references = {"first_feasible": 0}
    if len(rows) > 2:
        references["previous_incumbent"] = len(rows) - 2
    changes: Json = {
        name: ablation(variants, int(history["evaluation"][rows[at]]), discrete[at], continuous[at])
        for name, at in references.items()
        if 0 <= at < len(rows) - 1
    }
    values = shown(problem, best)[0]
    document: Json = {
        "schema_version": SCHEMA_VERSION,
        "node": problem.technology.name,
        "workload": problem.model.profile.table.name,
        "goal": None if problem.goal is None else str(problem.goal),
        "weights": list(problem.weights),
        "search": {
            "strategy": result.strategy,
            "seed": result.seed,
            "evaluations": result.evaluations,
            "feasible": int(history["feasible"].sum()),
            "front": len(result.archive),
        },
        "design": {
            "score": variants.score,
            "performance": float(best.performance[0]),
            "power_w": float(best.power_w[0]),
            "area_mm2": float(best.area_mm2[0]),
            "fastest_clock": variants.fastest_clock,
            "variables": [
                {"variable": name, "value": values[name], "unit": UNITS[name]} for name in NAMES
            ],
        },
        "incumbents": incumbents(problem, history, designs),
        "changes": changes,
        "constraints": constraints(variants, history),
        "edges": edges(variants),
        "neighbourhood": neighbourhood(variants),
        "trades": trades(variants, result.archive),
        "signals": signal_table(result.signals),
    }
    return {**document, "analysis_evaluations": variants.evaluations}


def to_text(trace: Json) -> str:
    """The document as JSON."""
    return json.dumps(trace, indent=1, allow_nan=False) + "\n"


def schema() -> Json:
    """The JSON schema of the document."""
    path = files("asic_compiler.explore.trace") / "trace.schema.json"
    return json.loads(path.read_text(encoding="utf-8"))
