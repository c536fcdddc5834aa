"""Which constraints bind: how far the best design is from each, and what relaxing it would buy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from asic_compiler.explore.constraints import OUTCOMES, Restriction, Restrictions
from asic_compiler.explore.goal import FACTS, Bound, Goal, Quantity, Relation
from asic_compiler.explore.problem import ChipProblem
from asic_compiler.explore.protocol import FloatArray, IntArray
from asic_compiler.explore.recorder import Columns
from asic_compiler.explore.trace.history import actions_at
from asic_compiler.explore.trace.variants import Variants
from asic_compiler.hardware.legality import MAX_DMEM_BYTES, MAX_IMEM_BYTES, MAX_WMEM_BYTES
from asic_compiler.hardware.space import CONTINUOUS, DISCRETE
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.ppa.metrics import Metrics

Json = dict[str, Any]

RELAXED_BY = 0.01
"""Of a limit; whole numbers of dies by one."""
BINDS_WITHIN = 1e-3
"""Relative slack from which a constraint is called binding."""
_NOTHING = 1e-9
"""Gains below it are rounding."""
_NO_EDGE = ("clock", "weight_precision", "kv_precision")
"""The first may be the power budget's, the others choose among what the user allows."""
_NEAR_MISSES = 32
_NEAR = 0.02
"""Infeasible designs of the search that are over by this much at most are tried again."""


@dataclass(frozen=True)
class _Limit:
    """One constraint of the run, and the problem with it relaxed."""

    bound: Bound
    kind: str
    """``goal`` where only the excess tells the search, else ``budget``."""
    relax: Callable[[Bound], ChipProblem]

    @property
    def relaxed(self) -> Bound:
        value = self.bound.value
        if self.bound.quantity is Quantity.DIES:
            return replace(self.bound, value=value + 1.0)
        up = self.bound.relation is not Relation.AT_LEAST
        return replace(self.bound, value=value * (1.0 + RELAXED_BY if up else 1.0 - RELAXED_BY))


def constraints(variants: Variants, history: Columns) -> list[Json]:
    """Every constraint with its slack and what relaxing it alone would buy.

    What it buys is the best score among the same candidates with and without relaxing: the best
    design, its neighbours of one step, and the search's own near misses. It is a lower bound: a new
    search of the relaxed problem might find more.
    """
    problem = variants.problem
    design = problem.decode(variants.best.discrete, variants.best.continuous)
    metrics = problem.model.evaluate(design)
    near = _near_misses(variants, history)
    out: list[Json] = []
    for limit in _limits(problem):
        bound, relaxed = limit.bound, limit.relaxed
        value = float(FACTS[bound.quantity].metric(metrics)[0])
        slack = _slack(bound, value)
        out.append(
            {
                "constraint": str(bound),
                "kind": limit.kind,
                "value": value,
                "limit": bound.value,
                "slack": slack,
                "binds": slack <= BINDS_WITHIN,
                "relaxed": str(relaxed),
                "buys": _buys(variants, limit.relax(relaxed), near),
            }
        )
    if problem.projection is not None:
        for item in problem.projection.restrictions.items:
            if item.variable not in OUTCOMES:
                out.append(_restricted(variants, item, near))
    return out + _memories(variants)


def edges(variants: Variants) -> list[Json]:
    """Variables of the best design that stand at an end of the whole design space."""
    out: list[Json] = []
    for variable, value in zip(DISCRETE, variants.best.discrete[0].tolist(), strict=True):
        if value in (variable.low, variable.high):
            out.append(_edge(variable.name, value == variable.low))
    for variable, x in zip(CONTINUOUS, variants.best.continuous[0], strict=True):
        value = float(variable.decode(np.array(x)))
        if value in (variable.low, variable.high) and variable.name not in _NO_EDGE:
            out.append(_edge(variable.name, value == variable.low))
    return out


def neighbourhood(variants: Variants) -> Json:
    """Whether a single step from the best design would be better: a check of the search."""
    names, discrete, continuous = variants.neighbours(variants.problem)
    _, scores = variants.evaluate(discrete, continuous)
    gains = scores - variants.score
    top = int(np.argmax(gains))
    better = gains > _NOTHING
    return {
        "evaluated": len(names),
        "feasible": int(np.isfinite(scores).sum()),
        "better": int(better.sum()),
        "variable": names[top] if better.any() else None,
        "score_gained": float(gains[top]) if better.any() else 0.0,
    }


def _edge(name: str, low: bool) -> Json:
    return {"variable": name, "end": "lowest" if low else "highest"}


def _limits(problem: ChipProblem) -> list[_Limit]:
    conditions, goal = problem.model.conditions, problem.goal
    budget = conditions.constraints
    out: list[_Limit] = []
    held = (
        (Quantity.POWER, Relation.AT_MOST, "power_w"),
        (Quantity.DIE_AREA, Relation.AT_MOST, "area_mm2"),
        (Quantity.DIES, Relation.AT_MOST, "dies"),
        (Quantity.TOKENS_PER_S, Relation.AT_LEAST, "tokens_per_s"),
    )
    for quantity, relation, name in held:
        value = getattr(budget, name)
        if value is not None:

            def relax(bound: Bound, name: str = name) -> ChipProblem:
                number = int(bound.value) if name == "dies" else bound.value
                own = replace(budget, **{name: number})
                return _like(problem, conditions=replace(conditions, constraints=own))

            out.append(_Limit(Bound(quantity, relation, float(value)), "budget", relax))
    if conditions.clock_hz is not None:
        fixed = Bound(Quantity.CLOCK, Relation.EXACTLY, conditions.clock_hz)
        out.append(
            _Limit(
                fixed,
                "budget",
                lambda b: _like(problem, conditions=replace(conditions, clock_hz=b.value)),
            )
        )
    if goal is not None:
        for own in goal.further_bounds:

            def loosen(bound: Bound, own: Bound = own) -> ChipProblem:
                kept = tuple(bound if b == own else b for b in goal.constraints)
                return _like(problem, goal=replace(goal, constraints=kept))

            out.append(_Limit(own, "goal", loosen))
    return out


def _like(
    problem: ChipProblem,
    conditions: Conditions | None = None,
    goal: Goal | None = None,
    restrictions: Restrictions | None = None,
) -> ChipProblem:
    own = None if problem.projection is None else problem.projection.restrictions
    return ChipProblem(
        problem.model.profile,
        problem.technology,
        conditions or problem.model.conditions,
        problem.freedom,
        problem.weights,
        goal or problem.goal,
        own if restrictions is None else restrictions,
    )


def _slack(bound: Bound, value: float) -> float:
    """How far inside a bound a value is, relative to the bound; 0 at it."""
    if bound.relation is Relation.EXACTLY:
        return 0.0
    ratio = value / bound.value
    return max(0.0, 1.0 - ratio if bound.relation is Relation.AT_MOST else ratio - 1.0)


def _near_misses(variants: Variants, history: Columns) -> tuple[IntArray, FloatArray]:
    near = ~history["feasible"].astype(bool) & (history["violation"] <= _NEAR)
    rows = np.flatnonzero(near)
    scores = np.asarray(history["score"], dtype=np.float64)[rows]
    rows = rows[np.argsort(-scores, kind="stable")][:_NEAR_MISSES]
    return actions_at(variants.problem, history, rows)


def _buys(variants: Variants, relaxed: ChipProblem, near: tuple[IntArray, FloatArray]) -> Json:
    """The best of the candidates under the relaxed problem against the best as it was."""
    names, discrete, continuous = variants.neighbours(relaxed)
    discrete = np.concatenate([variants.discrete[None], discrete, near[0]])
    continuous = np.concatenate([variants.continuous[None], continuous, near[1]])
    before, old = variants.evaluate(discrete, continuous)
    after, new = variants.evaluate(discrete, continuous, relaxed)
    was, now = int(np.argmax(old)), int(np.argmax(new))
    labels = ["the design as it is", *(f"a step of {name}" for name in names)]
    labels += ["a near miss of the search"] * len(near[0])
    gained = float(new[now] - old[was])
    if not gained > _NOTHING:  # a clock that is fixed elsewhere may fit no candidate
        return {
            "score_gained": 0.0,
            "by": None,
            "performance_ratio": 1.0,
            "power_ratio": 1.0,
            "area_ratio": 1.0,
        }
    return {
        "score_gained": gained,
        "by": labels[now],
        "performance_ratio": float(after.performance[now] / before.performance[was]),
        "power_ratio": float(after.power_w[now] / before.power_w[was]),
        "area_ratio": float(after.area_mm2[now] / before.area_mm2[was]),
    }


def _restricted(variants: Variants, item: Restriction, near: tuple[IntArray, FloatArray]) -> Json:
    """A restricted variable: what a step beyond its bounds would buy, the others kept."""
    projection = variants.problem.projection
    assert projection is not None
    others = Restrictions(tuple(r for r in projection.restrictions.items if r != item))
    buys = _buys(variants, _like(variants.problem, restrictions=others), near)
    return {
        "constraint": str(item),
        "kind": "variable",
        "value": None,
        "limit": None,
        "slack": None,
        "binds": buys["score_gained"] > 0.0,
        "relaxed": "left out",
        "buys": buys,
    }


def _memories(variants: Variants) -> list[Json]:
    """Memories of the fullest tile against the largest that the design space has."""
    problem = variants.problem
    design = problem.decode(variants.best.discrete, variants.best.continuous)
    metrics, internals = problem.model.evaluate_equal_stages(design)
    assert isinstance(metrics, Metrics)
    needs = (
        ("dmem", internals.dmem_need, MAX_DMEM_BYTES),
        ("wmem", internals.wmem_need, MAX_WMEM_BYTES),
        ("imem", internals.imem, MAX_IMEM_BYTES),
    )
    out: list[Json] = []
    for name, need, most in needs:
        value = float(need.max())
        slack = max(0.0, 1.0 - value / most)
        out.append(
            {
                "constraint": f"{name} of the fullest tile <= {most / 1024:g} KiB",
                "kind": "memory",
                "value": value,
                "limit": most,
                "slack": slack,
                "binds": slack <= BINDS_WITHIN,
                "relaxed": None,
                "buys": None,
            }
        )
    return out
