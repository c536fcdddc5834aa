"""Low, central and high figures of one finished design, from the ranges of the constants.

What is uncertain is knowledge before silicon, not the spread of dies on a wafer: the design stands,
and its clock stays at the same fraction of what the silicon turns out to allow (or at the fixed
clock, as long as the silicon allows it). Budgets bind no longer: a figure may exceed them.

For each doubt (a constant, or constants that move together) the design is evaluated with it at its
low and at its high end, all else central. From these one-at-a-time moves, as logarithms of a
figure over its central value:

- **likely**: the root of the sum of squares of all moves downwards, and of all upwards. It is what
  independent errors add up to.
- **bound**: one evaluation with every doubt at the end that lowers (raises) the figure. Nothing
  within the ranges goes further, but for interactions that turn a move around.

It costs two evaluations of one design a doubt and two a figure, about 0.4 s for a language model.
Searches do not use it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.legality import Constraints
from asic_compiler.mapping.profile import Profile
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.ppa.metrics import Metrics
from asic_compiler.ppa.model import PPAModel
from asic_compiler.technology.constant import ConstantSet
from asic_compiler.technology.uncertainty import Doubt, doubts

FIGURES: tuple[str, ...] = ("tokens_per_s", "power_w", "area_mm2", "energy_per_token_j")
"""Fields of ``Metrics`` that get a range."""

_JSON_NAMES = {"area_mm2": "die_area_mm2"}

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Range:
    """One figure of a design."""

    central: float
    low: float
    """Likely: root sum of squares of single moves."""
    high: float
    bound_low: float
    """Every uncertain constant at its worse end for this figure."""
    bound_high: float


@dataclass(frozen=True, slots=True)
class Move:
    """What one doubt does to every figure."""

    doubt: str
    low: Figures
    """Figures with the constants at their low ends."""
    high: Figures


@dataclass(frozen=True, slots=True)
class Corners:
    """Ranges of a design's figures, and the moves that they come from."""

    ranges: Mapping[str, Range]
    """Figure -> range, in the order of ``FIGURES``."""
    moves: tuple[Move, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain data in a fixed order; names as in the rest of ``predicted``."""
        return {_JSON_NAMES.get(name, name): asdict(r) for name, r in self.ranges.items()}

    def ranked(self, figure: str) -> list[Move]:
        """The moves, the one that changes ``figure`` most first; those that do nothing left out."""
        central = self.ranges[figure].central
        effect = {
            move.doubt: max(abs(math.log(end[figure] / central)) for end in (move.low, move.high))
            for move in self.moves
        }
        moved = [move for move in self.moves if effect[move.doubt] > 1e-9]
        return sorted(moved, key=lambda move: (-effect[move.doubt], move.doubt))


def corners(
    profile: Profile,
    design: DesignBatch,
    metrics: Metrics,
    conditions: Conditions,
    constants: ConstantSet,
) -> Corners:
    """Evaluates a design over the ranges of the constants.

    Args:
        profile: The workload.
        design: One design (arrays of length 1).
        metrics: Its figures; the clock that the power budget left it is kept.
        conditions: What held in the search.
        constants: Those of the node, with their ranges.

    Raises:
        ValueError: ``design`` is not a single design.
    """
    if len(design) != 1:
        raise ValueError(f"corners are those of one design, not {len(design)}")
    at = _Silicon(profile, design.with_(clock=metrics.clock_fraction), conditions, constants)
    central = at.figures({})
    known = doubts(constants)
    moves = tuple(Move(d.name, at.figures(d.low), at.figures(d.high)) for d in known)
    ranges = {name: _range(name, central, known, moves, at) for name in FIGURES}
    return Corners(ranges, moves)


@dataclass(frozen=True)
class _Silicon:
    """A design on silicon whose constants turn out other than thought."""

    profile: Profile
    design: DesignBatch
    conditions: Conditions
    constants: ConstantSet

    def figures(self, values: Mapping[str, float]) -> Figures:
        """The figures where some constants have other values."""
        technology = self.constants.technology(values)
        free = replace(self.conditions, constraints=Constraints())
        metrics = PPAModel(self.profile, technology, free).evaluate(self.design)
        fraction = float(metrics.clock_fraction[0])
        if free.clock_hz is not None and fraction > 1.0:  # this silicon is too slow for the clock
            slower = replace(free, clock_hz=free.clock_hz / fraction)
            metrics = PPAModel(self.profile, technology, slower).evaluate(self.design)
        return {name: float(getattr(metrics, name)[0]) for name in FIGURES}


def _range(
    name: str, central: Figures, known: Sequence[Doubt], moves: Sequence[Move], at: _Silicon
) -> Range:
    middle = central[name]
    down, up = 0.0, 0.0
    lowering: dict[str, float] = {}
    raising: dict[str, float] = {}
    for doubt, move in zip(known, moves, strict=True):
        ends = ((move.low[name], doubt.low), (move.high[name], doubt.high))
        least, most = min(ends, key=_first), max(ends, key=_first)
        if least[0] < middle:
            down += math.log(least[0] / middle) ** 2
            lowering |= least[1]
        if most[0] > middle:
            up += math.log(most[0] / middle) ** 2
            raising |= most[1]
    low, high = middle * math.exp(-math.sqrt(down)), middle * math.exp(math.sqrt(up))
    return Range(
        central=middle,
        low=low,
        high=high,
        bound_low=min(low, at.figures(lowering)[name]),
        bound_high=max(high, at.figures(raising)[name]),
    )


def _first(end: tuple[float, Mapping[str, float]]) -> float:
    return end[0]
