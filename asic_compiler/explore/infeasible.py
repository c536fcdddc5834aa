"""What is told when no design of a search keeps every constraint."""

from __future__ import annotations

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.advice import advice
from asic_compiler.explore.problem import ChipProblem
from asic_compiler.explore.protocol import Evaluation
from asic_compiler.explore.strategy import SearchResult
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.legality import REASONS, Constraints, Reason
from asic_compiler.ppa.metrics import Metrics


def infeasible(problem: ChipProblem, result: SearchResult, acted: bool = False) -> UserError:
    """The answer when nothing fits: the nearest design and which constraints fail by how much.

    Args:
        problem: What was searched.
        result: Of the search, in which no design is feasible.
        acted: Whether a policy chose the designs that did not learn.
    """
    notes: list[str] = []
    if result.nearest is not None:
        design = problem.decode(result.nearest.discrete, result.nearest.continuous)
        metrics = problem.model.evaluate(design)
        notes.append(f"nearest design: {_described(result.nearest, metrics)}")
        constraints = problem.model.conditions.constraints
        over = {reason: float(v) for reason, v in zip(REASONS, metrics.violations[0], strict=True)}
        for reason, value in over.items():
            if value > 0.0:
                notes.append(_broken(reason, value, constraints))
        notes += advice(problem, design, metrics)
        notes += _missed(problem, design, metrics)
        if problem.restrictions:
            notes.append(f"the constraints may leave no room: {problem.restrictions}")
    also = ", and so may train=true: the policy acted without learning" if acted else ""
    notes.append(f"more evaluations than {result.evaluations} may find one{also}")
    return UserError(
        f"infeasible: none of {result.evaluations} designs keeps every constraint", notes=notes
    )


def _missed(problem: ChipProblem, nearest: DesignBatch, metrics: Metrics) -> list[str]:
    """Of the goal and the constraints, what the nearest design misses."""
    names = [f"goal '{bound}'" for bound in problem.further_bounds]
    contradicted = None
    if problem.projection is not None:
        names += [f"constraint '{r}'" for r in problem.projection.restrictions.items]
        contradicted = "constraints of operators that share tiles contradict each other"
        names.append(contradicted)
    over = problem.excess(nearest, metrics)[0]
    return [
        name if name == contradicted else f"{name}: missed by a factor of {1.0 + value:.4g}"
        for name, value in zip(names, over, strict=True)
        if value > 0.0
    ]


def _described(design: Evaluation, metrics: Metrics) -> str:
    """A design in one line."""
    width, height = (int(v) for v in design.discrete[0, :2])
    return (
        f"{width}x{height} tiles, {metrics.clock_hz[0] / 1e6:.4g} MHz, "
        f"{metrics.tokens_per_s[0]:.4g} tokens/s, {metrics.power_w[0]:.4g} W, "
        f"{metrics.area_mm2[0]:.4g} mm2 on {int(metrics.dies[0])} die(s)"
    )


def _broken(reason: Reason, excess: float, constraints: Constraints) -> str:
    limit = constraints.limit(reason)
    if reason is Reason.THROUGHPUT:
        return f"throughput: {1.0 - 1.0 / (1.0 + excess):.1%} under the least of {limit}"
    return f"{reason}: {excess:.1%} over the limit of {limit}"
