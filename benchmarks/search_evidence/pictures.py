"""docs/search-<workload>.svg: how far below the best known a strategy is, by evaluations.

Of the runs at one budget; the mean over the nodes of the medians over the seeds. The learner's with
a small budget are drawn too: it then thinks longer about each design.
"""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import numpy as np

from asic_compiler.explore.protocol import FloatArray

from .figures import best_after, shortfall
from .plan import ENTRANTS
from .runs import Record
from .workloads import NODES, ROOT, WORKLOADS, octaves

SHOWN = ("sac-moe/pretrained", *ENTRANTS)
PATIENT, FEW = "sac-moe with 300", "300"
"""The learner's line of a small budget, and that limit."""
LEAST = 5e-4
"""What is nearer to the best known is drawn here."""

_COLOURS = {
    "sac-moe/pretrained": "#b2182b",
    "sac-moe": "#2166ac",
    PATIENT: "#4393c3",
    "cma-es": "#1b7837",
    "annealing": "#8c510a",
    "gradient": "#762a83",
    "bayesian": "#c51b7d",
    "tpe": "#01665e",
    "nsga2": "#bf812d",
    "nsga3": "#5aae61",
}
"""Of strategies that are told apart; the others are grey."""


def place_of(workload: str) -> Path:
    """The file of a workload's picture."""
    return ROOT / "docs" / f"search-{workload}.svg"


def progress(
    records: list[Record], best: dict[str, Record], workload: str, limit: str, at: FloatArray
) -> dict[str, FloatArray]:
    """How much lower the figure of merit is than the best known's, by strategy.

    Args:
        records: Of runs.
        best: The best design known of each workload and node.
        workload: Whose runs count.
        limit: Theirs, too.
        at: Numbers of evaluations, [N].

    Returns:
        [N] of each strategy that has run on every node; nan after its runs have ended, 1 where
        nothing feasible was found.
    """
    own = [r for r in records if r["workload"] == workload and r["limit"] == limit]
    found: dict[str, FloatArray] = {}
    for label in SHOWN:
        medians = list[FloatArray]()
        for node in NODES:
            runs = [r for r in own if (r["strategy"], r["node"]) == (label, node)]
            if not runs or f"{workload} {node}" not in best:
                break
            scores = np.median([best_after(r["curve"], at) for r in runs], axis=0)
            top, scale = best[f"{workload} {node}"]["score"], octaves(workload, node)
            medians.append(np.array([shortfall(score, top, scale) for score in scores]))
            medians[-1][at > max(r["evaluations"] for r in runs)] = np.nan
        else:
            found[label] = np.mean(medians, axis=0)
    return found


def picture(records: list[Record], best: dict[str, Record], workload: str, budget: int) -> str:
    """The picture of a workload as SVG; the same records are the same bytes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, StrMethodFormatter

    marks = [mark for mark in (10, 30, 100, 300, 1000) if mark < budget] + [budget]
    at = np.unique(np.append(np.geomspace(10, budget, 400).round(), marks))
    lines = progress(records, best, workload, str(budget), at)
    if (line := progress(records, best, workload, FEW, at).get("sac-moe")) is not None:
        lines[PATIENT] = line
    written = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": workload, "font.size": 9}):
        figure = Figure(figsize=(9, 5), layout="constrained")
        axes = figure.add_subplot()
        axes.set(
            xscale="log", yscale="log", xlim=(at[0], at[-1]), ylim=(LEAST, 1.0),
            xlabel="designs evaluated", ylabel="figure of merit below the best known",
            title=WORKLOADS[workload].title,
        )  # fmt: skip
        axes.xaxis.set_major_locator(FixedLocator(marks))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_locator(NullLocator())
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        ends = [float(line[np.isfinite(line)][-1]) for line in lines.values()]
        for (label, line), end, height in zip(lines.items(), ends, _apart(ends), strict=True):
            ours, colour = label.startswith("sac-moe"), _COLOURS.get(label, "#888888")
            axes.plot(
                at, np.maximum(line, LEAST), color=colour, zorder=3 if ours else 2,
                linewidth=2.2 if ours else 1.1,
            )  # fmt: skip
            axes.text(
                1.01, height, f"{label}  {end:.2%}", color=colour, transform=axes.transAxes,
                va="center", weight="bold" if ours else "normal",
            )  # fmt: skip
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"


def _apart(values: list[float], room: float = 0.042) -> list[float]:
    """Heights of labels in shares of the axis, near to their values and ``room`` apart."""
    heights = 1.0 - np.log(np.maximum(values, LEAST)) / np.log(LEAST)
    order = np.argsort(heights, kind="stable")
    for below, above in pairwise(order):
        heights[above] = max(heights[above], heights[below] + room)
    heights[order[-1:]] = np.minimum(heights[order[-1:]], 1.0)
    for above, below in pairwise(order[::-1]):
        heights[below] = min(heights[below], heights[above] - room)
    return heights.tolist()
