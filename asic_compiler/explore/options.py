"""The options of a search, each defined once: passes, help, checks and JSON follow from here.

A pass takes them by inheriting from :class:`SearchOptions`; ``asic-opt --help`` reads this file
without running it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.constraint_text import parse_constraints
from asic_compiler.explore.goal_text import parse_goal
from asic_compiler.explore.strategies.sac_moe.config import parse_config
from asic_compiler.hardware.weight_store import STORES
from asic_compiler.machine.limits import LARGEST, LARGEST_NUMBER, LEAST_NUMBER

T = TypeVar("T")
Check = Callable[[Any], str]
"""What a value must be; empty where it is that. Texts with a grammar raise UserError instead."""

DEFAULT_EVALUATIONS = 4613
"""The budget of the seed paper, a node."""


@dataclass(frozen=True, slots=True)
class About:
    """What is known of an option besides its name, type and default."""

    check: Check
    """Of every value but None."""
    group: Literal["", "search", "constraints"]
    """Of ``hardware.json``, where its value is told; empty where it is told in another way."""
    key: str
    """Its name there."""
    shown: Callable[[Any], Any]
    """Its value there."""
    if_given: bool
    """Whether it is told only where it differs from the default."""
    strategy: str
    """The only one that has it; empty where all do."""
    idle: tuple[Any, ...]
    """Values besides the default that say nothing to other strategies."""


def option(
    default: T,
    help: str,
    *,
    check: Check = lambda _: "",
    group: Literal["", "search", "constraints"] = "",
    key: str = "",
    shown: Callable[[Any], Any] = lambda value: value,
    if_given: bool = False,
    strategy: str = "",
    idle: tuple[Any, ...] = (),
) -> T:
    """A field of :class:`SearchOptions`; the arguments are those of :class:`About`."""
    about = About(check, group, key, shown, if_given, strategy, idle)
    return field(default=default, metadata={"help": help, "about": about})


def positive(value: float) -> str:
    """More than nothing, and a number that squares and quotients of two can be made of."""
    if not value > 0.0:
        return "must be positive"
    low, high = LEAST_NUMBER, LARGEST_NUMBER
    return "" if low <= value <= high else f"must be between {low:g} and {high:g}"


def within(low: float, high: float) -> Check:
    """Between two values, both allowed."""
    return lambda value: "" if low <= value <= high else f"must be between {low:g} and {high:g}"


def some_of(*allowed: Any) -> Check:
    """At least one, and no other."""
    return lambda chosen: (
        "" if chosen and set(chosen) <= set(allowed) else f"must be some of {allowed}"
    )


def tokens(value: int) -> str:
    """A number of tokens."""
    if value < 1:
        return "must be at least one token"
    return "" if value <= LARGEST else f"must be at most {LARGEST} tokens"


def count(value: int) -> str:
    """Designs to evaluate."""
    return "" if value <= LARGEST else f"must be at most {LARGEST}"


def three_weights(value: tuple[float, ...]) -> str:
    """Weights of performance, power and area."""
    each = len(value) == 3 and all(w >= 0 for w in value) and sum(value) > 0
    if not each:
        return "must be three numbers, none negative: performance, power, area"
    return next((positive(w) for w in value if w > 0 and positive(w)), "")


def _goal(text: str) -> str:
    parse_goal(text)
    return ""


def _constraints(text: str) -> str:
    parse_constraints(text)
    return ""


def _learner(text: str) -> str:
    parse_config(text)
    return ""


@dataclass(frozen=True)
class SearchOptions:
    """Everything that a search depends on besides the workload.

    None stands for what the mode or the goal says.
    """

    node: str = option("3nm", "process node, 3nm to 28nm")
    tech: str | None = option(
        None, "file that overrides constants of the node (docs/technology.md)"
    )
    mode: Literal["high-performance", "low-power"] = option(
        "high-performance",
        "defaults of weights, budget, temperature and clock",
        group="search",
    )
    goal: str | None = option(
        None,
        "what to maximize or minimize, subject to what (docs/goals.md)",
        check=_goal,
        group="constraints",
    )
    strategy: str = option(
        "sac-moe",
        "annealing, bayesian, cma-es, gradient, grid, nsga2, nsga3, random, sac-moe, "
        "sb3-ppo, sb3-sac, starts, tpe (docs/explorer.md)",
        group="search",
    )
    seed: int = option(0, "of every random choice", group="search")
    evaluations: int = option(
        DEFAULT_EVALUATIONS, "designs to evaluate", check=count, group="search"
    )
    power_w: float | None = option(None, "power budget, W", check=positive, group="constraints")
    area_mm2: float | None = option(
        None, "area budget of all dies, mm2", check=positive, group="constraints"
    )
    dies: int | None = option(None, "most dies of 858 mm2", check=positive, group="constraints")
    tokens_per_s: float | None = option(
        None, "least throughput", check=positive, group="constraints"
    )
    clock_hz: float | None = option(None, "fixes the clock", check=positive, group="constraints")
    constraints: str | None = option(
        None,
        "'mesh = 8x8; vlen in 256..1024': what a design may be (docs/goals.md)",
        check=_constraints,
        group="constraints",
        key="variables",
        shown=lambda text: str(parse_constraints(text)),
        if_given=True,
    )
    temperature_c: float | None = option(
        None, "junction temperature, degrees Celsius", check=within(-55.0, 150.0)
    )
    weights: tuple[float, ...] | None = option(
        None,
        "of performance, power, area in the score",
        check=three_weights,
        group="search",
    )
    weight_bits: tuple[int, ...] = option(
        (16,), "widths that a stored weight may have", check=some_of(4, 8, 16), group="search"
    )
    kv_bits: tuple[int, ...] = option(
        (16,),
        "widths that a stored key or value may have",
        check=some_of(4, 8, 16),
        group="search",
    )
    precision: tuple[str, ...] = option(
        (),
        "formats allowed, instead of both widths (docs/ppa-model.md)",
        group="search",
        if_given=True,
    )
    activation_bits: tuple[int, ...] = option(
        (16,), "widths that operands of matmuls may have", check=some_of(8, 16), group="search"
    )
    weight_store: tuple[str, ...] = option(
        ("rom",),
        "where weights may be: rom, sram, lpddr5x, hbm3e",
        check=some_of(*(str(store) for store in STORES)),
        group="search",
    )
    kv_window: int | None = option(
        None,
        "tokens the cache keeps; changes what the model computes",
        check=tokens,
        group="search",
    )
    kv_page: int | None = option(None, "tokens a page of the cache", check=tokens, group="search")
    policy: str = option(
        "default",
        "what sac-moe begins with: default (the shipped one), none, or a path",
        group="search",
        strategy="sac-moe",
        idle=("none",),
    )
    train: bool | None = option(
        None,
        "whether sac-moe learns; unless said, where there is no policy, or it was not "
        "trained on such a workload and goal",
        group="search",
        strategy="sac-moe",
    )
    learner: str = option(
        "",
        "'experts=1 mpc=false': options of sac-moe (docs/learner.md)",
        check=_learner,
        group="search",
        strategy="sac-moe",
    )

    def check(self) -> None:
        """Refuses values that no search could use.

        Raises:
            UserError: Which option, and what it may be.
        """
        for name, about in ABOUT.items():
            value = getattr(self, name)
            must = "" if value is None else about.check(value)
            if must:
                raise UserError(f"{name} {must}, not {value}")
        if self.precision and (self.weight_bits, self.activation_bits) != ((16,), (16,)):
            raise UserError(
                "both precision and widths say which formats are allowed",
                notes=["leave out weight_bits and activation_bits, or precision"],
            )

    @property
    def of_strategy(self) -> dict[str, Any]:
        """The options that the strategy has alone, by name.

        Raises:
            UserError: An option of another strategy is given.
        """
        own: dict[str, Any] = {}
        for name, about in ABOUT.items():
            value = getattr(self, name)
            if about.strategy == self.strategy:
                own[name] = value
            elif about.strategy and value not in (DEFAULTS[name], *about.idle):
                raise UserError(f"{name} is an option of {about.strategy}, not of {self.strategy}")
        return own

    def told(self, group: Literal["search", "constraints"]) -> dict[str, Any]:
        """What ``hardware.json`` says under ``group``, in the order of the fields."""
        out: dict[str, Any] = {}
        for name, about in ABOUT.items():
            value = getattr(self, name)
            other = about.strategy not in ("", self.strategy)
            if about.group != group or other or (about.if_given and value == DEFAULTS[name]):
                continue
            out[about.key or name] = None if value is None else about.shown(value)
        return out


ABOUT: dict[str, About] = {f.name: f.metadata["about"] for f in fields(SearchOptions)}
DEFAULTS: dict[str, Any] = {f.name: f.default for f in fields(SearchOptions)}
