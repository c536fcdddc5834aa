"""What a search is asked for: its options, with what mode, goal and constraints say of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.constraint_text import parse_constraints
from asic_compiler.explore.constraints import WIDTHS, Restrictions
from asic_compiler.explore.goal import Goal, Quantity
from asic_compiler.explore.goal_text import parse_goal
from asic_compiler.explore.options import ABOUT, DEFAULTS, SearchOptions
from asic_compiler.explore.strategies import resolve
from asic_compiler.explore.strategy import Strategy
from asic_compiler.hardware.design import Freedom
from asic_compiler.hardware.weight_store import WeightStore
from asic_compiler.technology.library import load_node


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


@dataclass(frozen=True)
class Request(SearchOptions):
    """The options of one search; ``resolved`` fills in what they leave to mode and goal."""

    @classmethod
    def of(cls, options: SearchOptions) -> Request:
        """The options of a pass, say, as a request."""
        return cls(**{name: getattr(options, name) for name in ABOUT})

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
        return resolve(self.strategy, self.of_strategy)

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
            own, free = getattr(self, name), DEFAULTS[name]
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
        super().check()
        _ = self.freedom.formats
