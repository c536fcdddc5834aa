"""How the search came to its design: every improvement, and what the strategy noted of itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from asic_compiler.explore.problem import ChipProblem
from asic_compiler.explore.protocol import Evaluation, FloatArray, IntArray
from asic_compiler.explore.recorder import Columns
from asic_compiler.explore.trace.values import differing, shown

Json = dict[str, Any]

MOST_SIGNALS = 200
"""Rows of the signals that the trace keeps: evenly spaced, first and last included."""


def incumbent_rows(history: Columns) -> IntArray:
    """[I] rows of the history at which a better feasible design than all before was found."""
    scores = np.where(history["feasible"], history["score"], -np.inf)
    before = np.concatenate([[-np.inf], np.maximum.accumulate(scores)[:-1]])
    return np.flatnonzero(scores > before)


def actions_at(
    problem: ChipProblem, history: Columns, rows: IntArray
) -> tuple[IntArray, FloatArray]:
    """The designs at ``rows`` of a history: [I, 4] and [I, 30]."""
    discrete = np.stack([history[name][rows] for name in problem.discrete_names], axis=1)
    continuous = np.stack([history[name][rows] for name in problem.continuous_names], axis=1)
    return discrete.astype(np.int64), continuous.astype(np.float64)


def incumbents(problem: ChipProblem, history: Columns, designs: Evaluation) -> list[Json]:
    """Every incumbent in order, and which variables it changed against the one before.

    Args:
        problem: What was searched.
        history: Of the search.
        designs: The incumbents, evaluated again.
    """
    rows = incumbent_rows(history)
    values = shown(problem, designs)
    out: list[Json] = []
    for i, row in enumerate(rows.tolist()):
        changed = differing(values[i - 1], values[i]) if i else []
        out.append(
            {
                "evaluation": int(history["evaluation"][row]),
                "score": float(history["score"][row]),
                "performance": float(history["performance"][row]),
                "power_w": float(history["power_w"][row]),
                "area_mm2": float(history["area_mm2"][row]),
                "changed": [
                    {"variable": n, "from": values[i - 1][n], "to": values[i][n]} for n in changed
                ],
            }
        )
    return out


def signal_table(signals: Columns) -> Json:
    """Columns of what the strategy noted, thinned; a number that is none is None."""
    if not signals:
        return {}
    count = len(signals["evaluation"])
    kept = np.unique(np.rint(np.linspace(0, count - 1, min(count, MOST_SIGNALS))).astype(np.int64))
    return {
        name: [value if math.isfinite(value) else None for value in column[kept].tolist()]
        for name, column in signals.items()
    }
