"""Low, central and high figures of a chosen design as lines of the summary."""

from __future__ import annotations

from asic_compiler.explore.run import Exploration
from asic_compiler.ppa.corners import Corners

_SHOWN = {
    "tokens_per_s": ("/s", 1.0),
    "power_w": (" W", 1.0),
    "area_mm2": (" mm2", 1.0),
    "energy_per_token_j": (" mJ", 1e3),
}
"""Figure -> unit, factor."""
_CAUSED = {"tokens_per_s": "throughput", "power_w": "power", "area_mm2": "area"}
_NAMED = 3


def uncertainty_rows(exploration: Exploration) -> list[tuple[str, str]]:
    """Likely and outermost ranges, and what they come from; docs/technology.md explains them."""
    corners = exploration.corners
    likely = ", ".join(_span(corners, name, "low", "high") for name in _SHOWN)
    bound = ", ".join(_span(corners, name, "bound_low", "bound_high") for name in _SHOWN)
    causes = [(f"{word} hangs on", _causes(corners, name)) for name, word in _CAUSED.items()]
    return [("likely", likely), ("at the outermost", bound), *causes]


def _span(corners: Corners, name: str, low: str, high: str) -> str:
    unit, factor = _SHOWN[name]
    figure = corners.ranges[name]
    ends = (f"{getattr(figure, end) * factor:,.3g}" for end in (low, high))
    return f"{' to '.join(ends)}{unit}"


def _causes(corners: Corners, name: str) -> str:
    """The doubts that move a figure most, with the figure at their low and high ends."""
    central = corners.ranges[name].central
    named = [
        f"{move.doubt} ({move.low[name] / central - 1.0:+.0%}, "
        f"{move.high[name] / central - 1.0:+.0%})"
        for move in corners.ranked(name)[:_NAMED]
    ]
    return ", ".join(named) or "nothing uncertain"
