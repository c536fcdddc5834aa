"""The table of every strategy on every problem: a row each, as CSV and inside a page that shows it.

``docs/data/searches.csv`` has a row for each limit, workload, node and strategy, best median first
within a problem. ``docs/evidence-tables.html`` holds the same rows, and needs no server to be read.
"""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from .figures import interval, reached, shortfall
from .runs import Record
from .workloads import NODES, ROOT, WORKLOADS, octaves

DATA = ROOT / "docs" / "data" / "searches.csv"
PAGE = ROOT / "docs" / "evidence-tables.html"
_TEMPLATE = Path(__file__).with_name("page.html")


@dataclass(frozen=True, slots=True)
class Row:
    """A strategy on a problem within a limit, over its runs."""

    limit: str
    """Evaluations, or core seconds with the unit "s"."""
    workload: str
    node: str
    strategy: str
    runs: int
    score: float | None
    """Median; None where a run found nothing feasible. Likewise its interval."""
    low: float | None
    """Ends of the median's 95 % interval, by bootstrap."""
    high: float | None
    below_best: float
    """Share of the figure of merit that the median is below the best known; 1 for nothing."""
    hypervolume: float
    """Of the Pareto front in normalised performance, power and area; median, as all below."""
    feasible: float
    """Share of the designs."""
    evaluations: int
    to_99: int | None
    """Evaluations until within 1 % of the best known; None where half of the runs never are."""
    reached_99: int
    """Runs that come so near."""
    core_s: float
    """Seconds of a core that a run takes."""
    best_known: float
    """Score of the best design known of the problem."""
    best_known_by: str
    """The strategy that found it, and the limit of its run: "annealing@22s"."""


_DECIMALS = {"score": 5, "low": 5, "high": 5, "below_best": 5, "hypervolume": 4, "feasible": 3,
             "core_s": 2, "best_known": 5}  # fmt: skip


def rows_of(records: list[Record], best: dict[str, Record]) -> list[Row]:
    """The rows of these records, by limit, workload, node, and the median score, best first."""
    cells: dict[tuple[str, str, str], dict[str, list[Record]]]
    cells = defaultdict(lambda: defaultdict(list))
    for record in records:
        problem = record["limit"], record["workload"], record["node"]
        cells[problem][record["strategy"]].append(record)
    found: list[Row] = []
    for limit, workload, node in sorted(cells, key=_place):
        entrants = cells[limit, workload, node]
        top = top_score(best, [run for runs in entrants.values() for run in runs])
        known = best.get(f"{workload} {node}")
        by = f"{known['strategy']}@{known['limit']}" if known is not None else ""
        for label in sorted(entrants, key=lambda one: (-median(entrants[one]), one)):
            found.append(_row((limit, workload, node, label), entrants[label], top, by))
    return found


def as_csv(rows: list[Row]) -> str:
    """The rows as text, with a header; a field is empty where there is no figure."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [one.name for one in fields(Row)]
    writer.writerow(names)
    for row in rows:
        writer.writerow(map(_cell, names, astuple(row)))
    return out.getvalue()


def as_page(rows: list[Row], versions: list[str]) -> str:
    """A page that shows the rows, by itself: style, script and rows are inside."""
    page = _TEMPLATE.read_text()
    titles = "\n".join(f"{name},{one.title}" for name, one in WORKLOADS.items())
    for mark, text in (
        ("<!-- rows -->", as_csv(rows)),
        ("<!-- titles -->", titles),
        ("<!-- versions -->", "; ".join(versions)),
    ):
        if page.count(mark) != 1:
            raise ValueError(f"{_TEMPLATE.name} has {mark} {page.count(mark)} times")
        page = page.replace(mark, text.strip())
    return page


def _row(key: tuple[str, str, str, str], runs: list[Record], top: float, by: str) -> Row:
    _, workload, node, _ = key
    scores = np.array([score_of(run) for run in runs])
    found = bool(np.isfinite(scores).all())
    target = top - percent(workload, node)
    arrivals = [reached(run["curve"], target) for run in runs]
    arrival = float(np.median(arrivals))
    low, high = interval(scores) if found else (None, None)

    def mid(name: str) -> float:
        return float(np.median([run[name] for run in runs]))

    return Row(
        *key,
        runs=len(runs),
        score=float(np.median(scores)) if found else None,
        low=low,
        high=high,
        below_best=shortfall(float(np.median(scores)), top, octaves(workload, node)),
        hypervolume=mid("hypervolume"),
        feasible=mid("feasible"),
        evaluations=int(mid("evaluations")),
        to_99=round(arrival) if math.isfinite(arrival) else None,
        reached_99=int(np.isfinite(arrivals).sum()),
        core_s=mid("cpu_s"),
        best_known=top,
        best_known_by=by,
    )


def score_of(run: Record) -> float:
    """The score of a run; -inf where nothing was feasible."""
    return -math.inf if run["score"] is None else float(run["score"])


def median(runs: list[Record]) -> float:
    """The median of their scores."""
    return float(np.median([score_of(run) for run in runs]))


def top_score(best: dict[str, Record], runs: list[Record]) -> float:
    """The best score known of the problem of these runs, theirs among them."""
    known = best.get(f"{runs[0]['workload']} {runs[0]['node']}", {"score": -math.inf})
    return max(known["score"], *(score_of(run) for run in runs))


def percent(workload: str, node: str) -> float:
    """How much score 1 % of that figure of merit is."""
    return -math.log(0.99) / octaves(workload, node)


def _cell(name: str, value: str | float | None) -> str:
    if value is None:
        return ""
    return f"{value:.{_DECIMALS[name]}f}" if name in _DECIMALS else str(value)


def _place(problem: tuple[str, str, str]) -> tuple[bool, float, int, int]:
    limit, workload, node = problem
    number = float(limit.rstrip("s"))
    return limit.endswith("s"), number, list(WORKLOADS).index(workload), NODES.index(node)
