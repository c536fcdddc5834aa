"""One exploration: a workload and a serialisable request in, a chip and a placement out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.constraint_text import parse_constraints
from asic_compiler.explore.constraints import WIDTHS, Restrictions
from asic_compiler.explore.goal import Goal, Quantity
from asic_compiler.explore.goal_text import parse_goal
from asic_compiler.explore.infeasible import infeasible
from asic_compiler.explore.observer import Observer
from asic_compiler.explore.problem import ChipProblem
from asic_compiler.explore.search import DEFAULT_EVALUATIONS, SearchResult, Strategy, search
from asic_compiler.explore.strategies import resolve
from asic_compiler.explore.unseen import ACTS, LEARNS, is_unseen
from asic_compiler.hardware.design import Freedom
from asic_compiler.hardware.legality import Constraints
from asic_compiler.hardware.weight_store import STORES, WeightStore
from asic_compiler.mapping.profile import Profile
from asic_compiler.plan.make import EvaluatedPlan, make_plan
from asic_compiler.ppa.breakdown import Breakdown, breakdown
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.ppa.corners import Corners, corners
from asic_compiler.ppa.kv_cache import page_overhead, windowed
from asic_compiler.technology.constant import ConstantSet
from asic_compiler.technology.library import load_constants, load_node
from asic_compiler.workload.table import OperatorTable


@dataclass(frozen=True, slots=True)
class Mode:
    """Defaults that go together."""

    weights: tuple[float, float, float]
    """Of performance, power and area."""
    temperature_c: float
    power_w: float
    clock_hz: float | None
    host_interface: bool


MODES: dict[str, Mode] = {
    "high-performance": Mode((0.4, 0.4, 0.2), 85.0, 51.4, None, True),
    "low-power": Mode((0.2, 0.6, 0.2), 25.0, 0.013, 10e6, False),
}
"""The two modes of the published experiments: their weights, budgets and temperatures."""


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that an exploration depends on besides the workload.

    None stands for the mode's default; ``resolved`` fills it in.
    """

    node: str = "3nm"
    tech: str | None = None
    """Path of a file that overrides constants of the node, see docs/technology.md."""
    mode: str = "high-performance"
    goal: str | None = None
    """What the design is chosen by, see docs/goals.md; takes the place of the mode's weights and
    power budget."""
    constraints: str | None = None
    """Variables of the design that are pinned or kept within a range, see docs/goals.md."""
    strategy: str = "sac-moe"
    evaluations: int = DEFAULT_EVALUATIONS
    seed: int = 0
    power_w: float | None = None
    area_mm2: float | None = None
    dies: int | None = None
    tokens_per_s: float | None = None
    clock_hz: float | None = None
    temperature_c: float | None = None
    weights: tuple[float, float, float] | None = None
    weight_bits: tuple[int, ...] = (16,)
    kv_bits: tuple[int, ...] = (16,)
    activation_bits: tuple[int, ...] = (16,)
    precision: tuple[str, ...] = ()
    """Formats of weights and activations by name; instead of their two widths."""
    weight_store: tuple[str, ...] = ("rom",)
    kv_window: int | None = None
    """Tokens that the cache keeps; None keeps all of the context."""
    kv_page: int | None = None
    """Tokens a page of the cache; None is one piece a sequence."""
    policy: str = "default"
    """What sac-moe begins with: ``default`` (the shipped policy), ``none``, or a path."""
    train: bool | None = None
    """Whether sac-moe learns; None: where there is no policy, or where it was not trained on such
    a workload and goal."""
    learner: str = ""
    """Hyper-parameters of sac-moe that differ from their defaults: ``experts=1 mpc=false``."""

    @property
    def freedom(self) -> Freedom:
        """What the search may change.

        Raises:
            UserError: A format or a store is not known.
        """
        return Freedom(
            weight_bits=self.weight_bits,
            activation_bits=self.activation_bits,
            precision=self.precision,
            kv_bits=self.kv_bits,
            weight_stores=tuple(WeightStore(store) for store in self.weight_store),
        )

    @property
    def searcher(self) -> Strategy:
        """The strategy with its options.

        Raises:
            UserError: There is no such strategy, or it has no such option.
        """
        if self.strategy == "sac-moe":
            from asic_compiler.explore.strategies.sac_moe.config import parse_config
            from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe

            learns = self.policy == "none" if self.train is None else self.train
            return SacMoe(parse_config(self.learner), self.policy, learns)
        for option, given in (
            ("learner", self.learner != ""),
            ("policy", self.policy not in ("default", "none")),
            ("train", self.train is not None),
        ):
            if given:
                raise UserError(f"{option} is an option of sac-moe, not of {self.strategy}")
        return resolve(self.strategy)

    def resolved(self) -> Request:
        """The request with the mode's defaults filled in.

        Raises:
            UserError: An option has no meaning, with what would have one.
        """
        if self.mode not in MODES:
            raise UserError(f"unknown mode '{self.mode}'", notes=[f"known: {', '.join(MODES)}"])
        load_node(self.node, self.tech)
        mode = MODES[self.mode]
        request = self._with_restrictions(self.restrictions)
        if request.goal is not None:
            out = request._with_goal(parse_goal(request.goal), mode)
            out.check()
            return out
        out = replace(
            request,
            power_w=mode.power_w if request.power_w is None else request.power_w,
            clock_hz=request._clock_hz(mode),
            temperature_c=mode.temperature_c
            if request.temperature_c is None
            else request.temperature_c,
            weights=mode.weights if request.weights is None else request.weights,
        )
        out.check()
        return out

    @property
    def restrictions(self) -> Restrictions:
        """What ``constraints`` says.

        Raises:
            UserError: It has no meaning.
        """
        return parse_constraints(self.constraints or "")

    def _with_restrictions(self, restrictions: Restrictions) -> Request:
        """The request with what options can say as well: widths, a fixed clock, most dies.

        Raises:
            UserError: An option says something else.
        """
        stated: dict[str, Any] = {}
        for name in WIDTHS:
            restriction = restrictions.of(name)
            if restriction is not None:  # the widest first: it is the IR's own
                widths = tuple(int(v) for v in sorted(restriction.values.tolist(), reverse=True))
                same = sorted(getattr(self, name)) == sorted(widths)
                stated[name] = getattr(self, name) if same else widths
        dies, clock = restrictions.of("dies"), restrictions.of("clock")
        if dies is not None and isfinite(dies.high):
            stated["dies"] = int(dies.high)
        if clock is not None and clock.low == clock.high:
            stated["clock_hz"] = clock.low
        for name, value in stated.items():
            own, free = getattr(self, name), Request.__dataclass_fields__[name].default
            if own not in (free, value):
                raise UserError(
                    f"both the constraints and the option {name} say what holds",
                    notes=[f"constraints: {restrictions}", f"{name}={own}"],
                )
        if clock is not None and self.clock_hz is not None and self.clock_hz != clock.low:
            raise UserError(
                "both the constraints and the option clock_hz say what holds",
                notes=[f"constraints: {restrictions}", f"clock_hz={self.clock_hz}"],
            )
        return replace(self, constraints=self.constraints if restrictions else None, **stated)

    def _clock_hz(self, mode: Mode) -> float | None:
        """The fixed clock: the mode's, where neither an option nor a constraint speaks of it."""
        spoken = self.restrictions.of("clock") is not None
        return mode.clock_hz if self.clock_hz is None and not spoken else self.clock_hz

    def _with_goal(self, goal: Goal, mode: Mode) -> Request:
        """The request with what ``goal`` states; of the mode what a goal cannot state is left."""
        stated = {
            "power_w": goal.budgets.power_w,
            "area_mm2": goal.budgets.area_mm2,
            "dies": goal.budgets.dies,
            "tokens_per_s": goal.budgets.tokens_per_s,
            "clock_hz": goal.clock_hz,
            "weights": goal.score_weights,
        }
        for name, value in stated.items():
            own = getattr(self, name)
            if own is not None and value is not None and own != value:
                raise UserError(
                    f"both the goal and the option {name} say what holds",
                    notes=[f"goal: {goal}", f"{name}={own}"],
                )
            stated[name] = value if own is None else own
        bounds_clock = any(bound.quantity is Quantity.CLOCK for bound in goal.constraints)
        if stated["clock_hz"] is None and not bounds_clock:
            stated["clock_hz"] = self._clock_hz(mode)
        temperature_c = mode.temperature_c if self.temperature_c is None else self.temperature_c
        return replace(self, goal=str(goal), temperature_c=temperature_c, **stated)

    def check(self) -> None:
        """Refuses values that no search could use.

        Raises:
            UserError: Which option, and what it may be.
        """
        for name in ("power_w", "area_mm2", "dies", "tokens_per_s", "clock_hz"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise UserError(f"{name} must be positive, not {value}")
        if self.temperature_c is not None and not -55.0 <= self.temperature_c <= 150.0:
            raise UserError(f"temperature_c must be between -55 and 150, not {self.temperature_c}")
        if self.weights is not None and (
            len(self.weights) != 3
            or not all(isfinite(w) and w >= 0 for w in self.weights)
            or sum(self.weights) <= 0
        ):
            raise UserError(
                "weights must be three numbers, none negative: performance, power, area"
            )
        widths = (
            ("weight_bits", (4, 8, 16)),
            ("activation_bits", (8, 16)),
            ("kv_bits", (4, 8, 16)),
        )
        for name, allowed in widths:
            chosen = getattr(self, name)
            if not chosen or any(bits not in allowed for bits in chosen):
                raise UserError(f"{name} must be some of {allowed}, not {chosen}")
        if self.precision and (self.weight_bits, self.activation_bits) != ((16,), (16,)):
            raise UserError(
                "both precision and widths say which formats are allowed",
                notes=["leave out weight_bits and activation_bits, or precision"],
            )
        known = tuple(str(store) for store in STORES)
        if not self.weight_store or any(store not in known for store in self.weight_store):
            raise UserError(f"weight_store must be some of {known}, not {self.weight_store}")
        for name in ("kv_window", "kv_page"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name} must be at least one token, not {value}")
        _ = self.freedom.formats


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

    def documented(self, spec: dict[str, Any]) -> dict[str, Any]:
        """``hardware.json`` with corners, breakdown and constants; new keys stand at the end."""
        stated = {"precision": list(self.request.precision)} if self.request.precision else {}
        allowed = {
            "activation_bits": list(self.request.activation_bits),
            "weight_store": list(self.request.weight_store),
            "kv_window": self.request.kv_window,
            "kv_page": self.request.kv_page,
        }
        if self.result.strategy == "sac-moe":
            allowed |= {
                "policy": self.request.policy,
                "train": self.request.train is True,
                "learner": self.request.learner,
            }
        return {
            **spec,
            "predicted": {**spec["predicted"], "corners": self.corners.as_json()},
            "search": {**spec["search"], **stated, **allowed},
            "breakdown": self.breakdown.as_json(),
            "technology": self.constants.as_json(),
        }


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
    request, notes = _settled(problem, request)
    result = search(
        problem,
        request.searcher,
        request.evaluations,
        request.seed,
        observer,
        checkpoint,
        resume,
    )
    if result.best is None:
        # Notes of a search tell of a policy that did not fit: then it has learned from nothing.
        acted = request.strategy == "sac-moe" and not request.train and not result.notes
        raise infeasible(problem, result, acted)
    design = problem.decode(result.best.discrete, result.best.continuous)
    assert request.temperature_c is not None
    plan = make_plan(problem.model, design, request.temperature_c)
    parts = breakdown(problem.model, design)
    result = replace(result, notes=(*result.notes, *notes))
    return Exploration(request, plan, result, problem, parts)


def _settled(problem: ChipProblem, request: Request) -> tuple[Request, tuple[str, ...]]:
    """The request with whether its policy learns, and what is to be said of that."""
    if request.strategy != "sac-moe" or request.train:
        return request, ()
    if request.policy == "none":
        return (replace(request, train=True) if request.train is None else request), ()
    from asic_compiler.explore.strategies.sac_moe.config import parse_config
    from asic_compiler.explore.strategies.sac_moe.policy_file import choose_policy

    policy, _ = choose_policy(request.policy, problem, parse_config(request.learner))
    if policy is None or not is_unseen(problem, policy.known.context):
        return replace(request, train=False), ()
    if request.train is None:
        return replace(request, train=True), (LEARNS,)
    return request, (ACTS,)
