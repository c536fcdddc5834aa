"""Goals: what a design is chosen by, and what that is in numbers.

``goal_text.parse_goal`` reads them. Quantities are kept in the units of the cost model: W, J, s,
Hz, mm2, 1/s, or a count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from asic_compiler.explore.protocol import FloatArray
from asic_compiler.hardware.legality import Constraints
from asic_compiler.ppa.metrics import Metrics

_TOLERANCE = 1e-9
"""Relative; the cost model has the same for its own budgets."""
_TINY = 1e-300
"""Stands for 0 where a quantity divides or is taken the logarithm of."""


class Sense(StrEnum):
    """Which way an objective is better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


class Relation(StrEnum):
    """How a quantity is bounded."""

    AT_MOST = "<="
    AT_LEAST = ">="
    EXACTLY = "="


class Quantity(StrEnum):
    """What a goal may speak of."""

    TOKENS_PER_S = "tokens_per_s"
    TOKENS_PER_S_PER_USER = "tokens_per_s_per_user"
    LATENCY = "latency"
    ENERGY_PER_TOKEN = "energy_per_token"
    POWER = "power"
    DIE_AREA = "die_area"
    DIES = "dies"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a quantity is."""

    sense: Sense | None
    """None: not an objective."""
    relations: tuple[Relation, ...]
    """Those that make sense: a better value is never forbidden."""
    units: dict[str, int]
    """Unit -> power of ten to the model's unit, which comes first; "" is no unit at all."""
    metric: Callable[[Metrics], FloatArray]
    """[N] the quantity of N designs."""


_AT_MOST = (Relation.AT_MOST,)
_AT_LEAST = (Relation.AT_LEAST,)
_RATE = {"": 0, "1/s": 0, "/s": 0, "tokens/s": 0, "inferences/s": 0}
_WATT = {"W": 0, "uW": -6, "mW": -3, "kW": 3}
_JOULE = {"J": 0, "nJ": -9, "uJ": -6, "mJ": -3}
FACTS: dict[Quantity, Facts] = {
    Quantity.TOKENS_PER_S: Facts(Sense.MAXIMIZE, _AT_LEAST, _RATE, lambda m: m.tokens_per_s),
    Quantity.TOKENS_PER_S_PER_USER: Facts(
        Sense.MAXIMIZE, _AT_LEAST, _RATE, lambda m: m.tokens_per_s_per_user
    ),
    Quantity.LATENCY: Facts(
        Sense.MINIMIZE, _AT_MOST, {"s": 0, "ns": -9, "us": -6, "ms": -3}, lambda m: m.latency_s
    ),
    Quantity.ENERGY_PER_TOKEN: Facts(
        Sense.MINIMIZE,
        _AT_MOST,
        _JOULE | {f"{unit}/token": power for unit, power in _JOULE.items()},
        lambda m: m.energy_per_token_j,
    ),
    Quantity.POWER: Facts(Sense.MINIMIZE, _AT_MOST, _WATT, lambda m: m.power_w),
    Quantity.DIE_AREA: Facts(Sense.MINIMIZE, _AT_MOST, {"mm2": 0, "cm2": 2}, lambda m: m.area_mm2),
    Quantity.DIES: Facts(
        None,
        (Relation.AT_MOST, Relation.EXACTLY),
        {"": 0, "die": 0, "dies": 0},
        lambda m: m.dies,
    ),
    Quantity.CLOCK: Facts(
        None, tuple(Relation), {"Hz": 0, "kHz": 3, "MHz": 6, "GHz": 9}, lambda m: m.clock_hz
    ),
}
OBJECTIVES: tuple[Quantity, ...] = tuple(q for q in Quantity if FACTS[q].sense is not None)
"""What can be maximized or minimized."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One constraint."""

    quantity: Quantity
    relation: Relation
    value: float
    """In the model's unit of the quantity: W, J, s, Hz, mm2, 1/s, or a count."""

    def __str__(self) -> str:
        unit = next(iter(FACTS[self.quantity].units))
        return f"{self.quantity} {self.relation} {_written(self.value)} {unit}".rstrip()

    def excess(self, metrics: Metrics) -> FloatArray:
        """[N] how far each design is beyond the bound, relative; 0 where it is kept.

        At most: value / limit - 1; at least: limit / value - 1; exactly: the larger of both.
        """
        value = np.maximum(FACTS[self.quantity].metric(metrics), _TINY)
        ratio = {
            Relation.AT_MOST: lambda: value / self.value,
            Relation.AT_LEAST: lambda: self.value / value,
            Relation.EXACTLY: lambda: np.maximum(value / self.value, self.value / value),
        }[self.relation]()
        return np.where(ratio > 1.0 + _TOLERANCE, ratio - 1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Goal:
    """What a design is chosen by: an objective or weights, and constraints.

    ``str(goal)`` is a text that parses to an equal goal. ``parse_goal`` gives the constraints in
    the order of ``Quantity``, one a quantity (the clock may have two), so that goals that mean the
    same are equal.

    Raises:
        ValueError: Not exactly one of objective and weights is given.
    """

    objective: Quantity | None = None
    weights: tuple[float, float, float] | None = None
    """Of performance, power and area in the score, as written: they need not sum to one."""
    constraints: tuple[Bound, ...] = ()

    def __post_init__(self) -> None:
        if (self.objective is None) == (self.weights is None):
            raise ValueError("a goal has either an objective or weights")
        if self.objective is not None and self.objective not in OBJECTIVES:
            raise ValueError(f"{self.objective} is no objective")

    def __str__(self) -> str:
        if self.weights is not None:
            text = "weights " + "/".join(_written(weight) for weight in self.weights)
        else:
            text = f"{self.sense} {self.objective}"
        bounds = " and ".join(str(bound) for bound in self.constraints)
        return f"{text} subject to {bounds}" if bounds else text

    @property
    def sense(self) -> Sense | None:
        """Which way the objective is better; None where there are weights instead."""
        return None if self.objective is None else FACTS[self.objective].sense

    @property
    def score_weights(self) -> tuple[float, float, float]:
        """Weights of performance, power and area that order designs as the goal does.

        Exact where the three are measured on logarithmic scales of one span, as the chip problem
        does, and ``performance`` is the column of that name here: energy a token is power over
        throughput, hence the two with equal weights.
        """
        if self.weights is not None:
            return self.weights
        assert self.objective is not None
        return {
            Quantity.ENERGY_PER_TOKEN: (0.5, 0.5, 0.0),
            Quantity.POWER: (0.0, 1.0, 0.0),
            Quantity.DIE_AREA: (0.0, 0.0, 1.0),
        }.get(self.objective, (1.0, 0.0, 0.0))

    def performance(self, metrics: Metrics) -> FloatArray:
        """[N] 1/s, what stands for performance in score and Pareto front.

        Throughput, unless the objective is the rate of one user or latency (then its inverse),
        which throughput, power and area do not determine.
        """
        if self.objective is Quantity.TOKENS_PER_S_PER_USER:
            return metrics.tokens_per_s_per_user
        if self.objective is Quantity.LATENCY:
            return 1.0 / np.maximum(metrics.latency_s, _TINY)
        return metrics.tokens_per_s

    def columns(self, metrics: Metrics) -> tuple[FloatArray, FloatArray]:
        """The goal in numbers.

        Returns:
            [N] what to maximise: the logarithm of the objective, negated if it is minimized; with
            weights (a, b, c) the logarithm of throughput^a / (power^b area^c). And [N, bounds] the
            relative excess over each constraint, 0 where it is kept, see ``Bound.excess``.
        """
        if self.objective is not None:
            sign = 1.0 if self.sense is Sense.MAXIMIZE else -1.0
            value = sign * _log(FACTS[self.objective].metric(metrics))
        else:
            a, b, c = self.score_weights
            value = (
                a * _log(metrics.tokens_per_s)
                - b * _log(metrics.power_w)
                - c * _log(metrics.area_mm2)
            )
        return value, excess(self.constraints, metrics)

    @property
    def budgets(self) -> Constraints:
        """The constraints that the cost model checks by itself."""
        dies = self._limit(Quantity.DIES, Relation.AT_MOST)
        return Constraints(
            power_w=self._limit(Quantity.POWER, Relation.AT_MOST),
            area_mm2=self._limit(Quantity.DIE_AREA, Relation.AT_MOST),
            dies=None if dies is None else int(dies),
            tokens_per_s=self._limit(Quantity.TOKENS_PER_S, Relation.AT_LEAST),
        )

    @property
    def clock_hz(self) -> float | None:
        """The clock that the goal fixes."""
        return self._limit(Quantity.CLOCK, Relation.EXACTLY)

    @property
    def further_bounds(self) -> tuple[Bound, ...]:
        """The constraints that neither ``budgets`` nor ``clock_hz`` holds."""
        held = (Quantity.POWER, Quantity.DIE_AREA, Quantity.TOKENS_PER_S)
        pairs = ((Quantity.DIES, Relation.AT_MOST), (Quantity.CLOCK, Relation.EXACTLY))
        return tuple(
            bound
            for bound in self.constraints
            if bound.quantity not in held and (bound.quantity, bound.relation) not in pairs
        )

    def _limit(self, quantity: Quantity, relation: Relation) -> float | None:
        return next(
            (b.value for b in self.constraints if (b.quantity, b.relation) == (quantity, relation)),
            None,
        )


def excess(bounds: Sequence[Bound], metrics: Metrics) -> FloatArray:
    """[N, bounds] relative excess of N designs over each bound, 0 where it is kept."""
    columns = [bound.excess(metrics) for bound in bounds]
    return np.stack(columns, axis=1) if columns else np.zeros((len(metrics.power_w), 0))


def _written(value: float) -> str:
    """The shortest text that reads back as the same number."""
    return repr(float(value)).removesuffix(".0")


def _log(values: FloatArray) -> FloatArray:
    return np.log(np.maximum(values, _TINY))
