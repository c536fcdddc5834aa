"""One exploration: a workload and a serialisable request in, a chip and a placement out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.goal_text import parse_goal
from asic_compiler.explore.infeasible import infeasible
from asic_compiler.explore.observer import Observer
from asic_compiler.explore.problem import ChipProblem
from asic_compiler.explore.request import MODES, Request
from asic_compiler.explore.search import search
from asic_compiler.explore.strategy import SearchResult
from asic_compiler.explore.unseen import told_of
from asic_compiler.hardware.legality import Constraints
from asic_compiler.mapping.profile import Profile
from asic_compiler.plan.make import EvaluatedPlan, make_plan
from asic_compiler.ppa.breakdown import Breakdown, breakdown
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.ppa.corners import Corners, corners
from asic_compiler.ppa.kv_cache import page_overhead, windowed
from asic_compiler.technology.constant import ConstantSet
from asic_compiler.technology.library import load_constants, load_node
from asic_compiler.workload.table import OperatorTable


@dataclass(frozen=True)
class Exploration:
    """What an exploration decided, and the search behind it."""

    request: Request
    plan: EvaluatedPlan
    result: SearchResult
    problem: ChipProblem = field(repr=False)
    breakdown: Breakdown
    """Where power, energy and area of the chosen design go."""

    @cached_property
    def constants(self) -> ConstantSet:
        """The node's constants with their ranges and sources."""
        return load_constants(self.request.node, self.request.tech)

    @cached_property
    def corners(self) -> Corners:
        """Ranges of the chosen design's figures, worked out when they are first asked for."""
        best, model = self.result.best, self.problem.model
        assert best is not None
        design = self.problem.decode(best.discrete, best.continuous)
        return corners(model.profile, design, self.plan.metrics, model.conditions, self.constants)


def make_problem(table: OperatorTable, request: Request) -> ChipProblem:
    """The problem that ``request`` (resolved) poses for ``table``."""
    assert request.temperature_c is not None
    assert request.weights is not None
    total = sum(request.weights)
    weights = tuple(w / total for w in request.weights)
    node = load_node(request.node, request.tech)
    if request.kv_window is not None:
        table = windowed(table, request.kv_window)
    profile = Profile(table, page_overhead(table, request.kv_page, node))
    conditions = Conditions(
        temperature_c=request.temperature_c,
        constraints=Constraints(
            power_w=request.power_w,
            area_mm2=request.area_mm2,
            dies=request.dies,
            tokens_per_s=request.tokens_per_s,
        ),
        clock_hz=request.clock_hz,
        host_interface=MODES[request.mode].host_interface,
    )
    return ChipProblem(
        profile,
        node,
        conditions,
        replace(request.freedom, max_stages=min(16, profile.max_stages)),
        (weights[0], weights[1], weights[2]),
        None if request.goal is None else parse_goal(request.goal),
        request.restrictions,
    )


def explore(
    table: OperatorTable,
    request: Request,
    observer: Observer | None = None,
    checkpoint: Path | None = None,
    resume: Path | None = None,
) -> Exploration:
    """Searches a chip for ``table`` and places the program on it.

    ``checkpoint`` and ``resume`` are those of :func:`search`.

    Raises:
        UserError: The request has no meaning, the workload is empty, or nothing evaluated keeps
            every constraint; then the notes tell the nearest design and what it breaks.
    """
    request = request.resolved()
    if len(table.sequence) == 0:
        raise UserError(
            "the program has no operator to place",
            notes=["a function with at least one linalg or asic operator is needed"],
        )
    problem = make_problem(table, request)
    result = search(
        problem,
        request.searcher,
        request.evaluations,
        request.seed,
        observer,
        checkpoint,
        resume,
    )
    best, learning = result.best, result.learning
    if best is None:
        raise infeasible(problem, result, acted=learning is not None and not learning.trained)
    if learning is not None:
        notes = told_of(learning, chosen=request.train is not None)
        request = replace(request, train=learning.trained)
        result = replace(result, notes=(*result.notes, *notes))
    design = problem.decode(best.discrete, best.continuous)
    assert request.temperature_c is not None
    plan = make_plan(problem.model, design, request.temperature_c)
    return Exploration(request, plan, result, problem, breakdown(problem.model, design))
