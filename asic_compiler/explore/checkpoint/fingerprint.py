"""Whether two problems are the same, without knowing what they are made of."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from asic_compiler.explore.protocol import Evaluation, Problem, context_of
from asic_compiler.explore.reward import reward

_PROBES = 16


def fingerprint(problem: Problem) -> str:
    """A digest of a problem's variables, ranges, weights and of what it says of 16 fixed designs.

    It differs when the workload, the node, the goal or the cost model differ. Figures go in with
    six digits, so that another processor's last bit does not make another problem.
    """
    designs = problem.start(_PROBES, np.random.default_rng(0))
    outcome = problem.evaluate(*designs)
    described: dict[str, object] = {
        "features": list(problem.feature_names),
        "observed": [int(i) for i in problem.observed],
        "discrete": list(problem.discrete_names),
        "continuous": list(problem.continuous_names),
        "low": [int(v) for v in problem.discrete_low],
        "high": [int(v) for v in problem.discrete_high],
        "ranges": [[f"{r.low:.6g}", f"{r.high:.6g}", r.logarithmic] for r in problem.ranges],
        "weights": [f"{w:.6g}" for w in problem.weights],
        "context": [f"{v:.6g}" for v in context_of(problem)],
        "outcome": _figures(outcome, problem),
    }
    restrictions = getattr(problem, "restrictions", None)
    if restrictions:  # 16 designs may all keep them
        described["restrictions"] = str(restrictions)
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _figures(outcome: Evaluation, problem: Problem) -> list[str]:
    columns = (
        outcome.performance,
        outcome.power_w,
        outcome.area_mm2,
        outcome.violation,
        reward(outcome, problem),
    )
    return [f"{value:.6g}" for column in columns for value in column]
