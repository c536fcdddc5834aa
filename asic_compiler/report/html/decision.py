"""The decision trace as a section of a report: why this design."""

from __future__ import annotations

from typing import Any

from asic_compiler.report.html.page import (
    figure,
    folded,
    heading,
    paragraph,
    percent,
    quantity,
    table,
)
from asic_compiler.report.html.svg import Series, bars, plot

Json = dict[str, Any]

_FEW = 6
"""Rows or variables that are shown at once; the others fold away."""
_BARS = 14
_UNSEEN = 5e-6
"""Losses of score below it are no effect."""


def decision(trace: Json) -> list[str]:
    """HTML of the whole section, from ``trace.json``."""
    search = trace["search"]
    return [
        heading(2, "Why this design"),
        paragraph(
            f"{search['strategy']} with seed {search['seed']} evaluated "
            f"{search['evaluations']:,} designs; {search['feasible']:,} kept every constraint and "
            f"{search['front']:,} of them are on the Pareto front. For this section "
            f"{trace['analysis_evaluations']:,} more were evaluated after the search; they are no "
            "part of its budget."
        ),
        *_history(trace),
        *_changes(trace),
        *_constraints(trace),
        *_trades(trace),
        *_signals(trace["signals"]),
    ]


def _history(trace: Json) -> list[str]:
    found = trace["incumbents"]
    last = trace["search"]["evaluations"]
    drawn = plot(
        [
            Series(
                "best score",
                [*(float(row["evaluation"]) for row in found), float(last)],
                [*(row["score"] for row in found), found[-1]["score"]],
                steps=True,
            )
        ],
        "evaluations",
        "score",
        title="Best score over the evaluations",
    )
    rows = [
        [
            f"{row['evaluation']:,}", f"{row['score']:.4f}", quantity(row["performance"]),
            quantity(row["power_w"]), quantity(row["area_mm2"], 5), _moves(row["changed"], 4),
        ]
        for row in found
    ]  # fmt: skip
    header = ["evaluation", "score", "performance (1/s)", "power (W)", "area (mm2)",
              "changed against the incumbent before"]  # fmt: skip
    numbers = range(5)
    few = rows if len(rows) <= _FEW else [rows[0], *rows[1 - _FEW :]]
    return [
        heading(3, "How the search came to it"),
        figure(drawn, f"Score of the best feasible design so far: {len(found)} improvements."),
        table(header, few, numbers),
        folded(f"all {len(rows)} improvements", table(header, rows, numbers))
        if len(rows) > len(few)
        else "",
    ]


def _changes(trace: Json) -> list[str]:
    titles = {
        "first_feasible": "the first feasible design",
        "previous_incumbent": "the incumbent before it",
    }
    out: list[str] = []
    for key, title in titles.items():
        if key in trace["changes"]:
            out += _ablation(trace, trace["changes"][key], title, drawn=key == "first_feasible")
    if not out:
        return []
    clock = (
        "The design runs as fast as supply, structure and power budget allow, and so does every "
        "variant."
        if trace["design"]["fastest_clock"]
        else ""
    )
    return [
        heading(3, "What each decision did"),
        paragraph(
            "The design with one variable set back, the others as they are. Losses do not add up "
            f"where variables act together. {clock}"
        ),
        *out,
    ]


def _ablation(trace: Json, found: Json, title: str, drawn: bool) -> list[str]:
    reference, changed = found["reference"], found["variables"]
    if not changed:
        return []
    gained = ""
    if reference["score"] is not None:
        gained = f", score {reference['score']:.4f}, now {trace['design']['score']:.4f}"
    lost = [row for row in changed if row["score_lost"] is not None]
    idle = [row for row in lost if abs(row["score_lost"]) < _UNSEEN]
    shown = [row for row in changed if row not in idle]
    bar_rows = [
        (f"{row['variable']}: {_value(row['from'])} → {_value(row['to'])}", row["score_lost"],
         f"{row['score_lost']:+.5f}")
        for row in lost
        if row not in idle
    ]  # fmt: skip
    design = trace["design"]
    rows = [
        [
            row["variable"],
            f"{_value(row['from'])} → {_value(row['to'])}",
            "infeasible" if row["score_lost"] is None else f"{row['score_lost']:+.5f}",
            *(
                percent(row["set_back"][name] / design[name])
                for name in ("performance", "power_w", "area_mm2")
            ),
        ]
        for row in shown
    ]
    header = ["variable", "from → to", "score lost without", "performance", "power", "area"]
    listing = table(header, rows, range(2, 6), [row["score_lost"] is None for row in shown])
    kept = "" if not idle else "No effect: " + ", ".join(
        f"{row['variable']} {_value(row['from'])} → {_value(row['to'])}" for row in idle
    ) + "."  # fmt: skip
    picture = bars(bar_rows[:_BARS], f"Score lost with a variable set back to {title}")
    return [
        heading(4, f"Against {title} (evaluation {reference['evaluation']:,}{gained})"),
        figure(picture, "Score lost when this variable alone is set back.") if drawn else "",
        folded(f"all {len(shown)} with figures when set back", listing) if drawn else listing,
        paragraph(kept, note=True),
    ]


def _constraints(trace: Json) -> list[str]:
    rows: list[list[str]] = []
    for row in trace["constraints"]:
        buys = row["buys"]
        rows.append(
            [
                row["constraint"],
                "" if row["slack"] is None else f"{row['slack']:.2%}",
                "yes" if row["binds"] else "no",
                row["relaxed"] or "not relaxed",
                "" if buys is None else _bought(buys),
            ]
        )
    header = ["constraint", "slack", "binds", "relaxed to", "what that buys"]
    near = trace["neighbourhood"]
    local = (
        f"No design one step away in one variable is better ({near['evaluated']} tried)."
        if not near["better"]
        else f"{near['better']} of {near['evaluated']} designs one step away in one variable are "
        f"better, at most by {near['score_gained']:.4f} (a step of {near['variable']}): the "
        "search stopped short of a local optimum."
    )
    ends = ", ".join(f"{row['variable']} ({row['end']})" for row in trace["edges"])
    return [
        heading(3, "Which constraints bind"),
        table(header, rows, (1,), [row["binds"] for row in trace["constraints"]]),
        paragraph(
            "What relaxing buys is the best of the design, its neighbours of one step and near "
            "misses of the search: a lower bound.",
            note=True,
        ),
        paragraph(local),
        paragraph(f"At an end of the design space: {ends}." if ends else ""),
    ]


def _bought(buys: Json) -> str:
    if buys["by"] is None:
        return "nothing"
    return (
        f"score {buys['score_gained']:+.5f}, performance {percent(buys['performance_ratio'])}, "
        f"power {percent(buys['power_ratio'])}, area {percent(buys['area_ratio'])} "
        f"({buys['by']})"
    )


def _trades(trace: Json) -> list[str]:
    rows = [
        [
            row["name"],
            f"{row['score']:.4f}",
            percent(row["performance_ratio"]),
            percent(row["power_ratio"]),
            percent(row["area_ratio"]),
            _moves(
                [
                    {"variable": d["variable"], "from": d["chosen"], "to": d["other"]}
                    for d in row["differs"]
                ],
                4,
            ),
        ]
        for row in trace["trades"]
    ]
    if not rows:
        return []
    header = ["design", "score", "performance", "power", "area", "differs from the chosen one"]
    return [
        heading(3, "What other designs trade"),
        paragraph("Designs of the Pareto front against the chosen one."),
        table(header, rows, range(1, 5)),
    ]


_GROUPS = {
    "gate": "Weights of the experts (gate)",
    "temperature": "Temperatures of the entropy",
    "loss": "Losses",
    "epsilon": "Share of exploring actions (epsilon)",
}
"""Captions of known signals; others have their own name."""


def _signals(signals: dict[str, list[float | None]]) -> list[str]:
    if not signals:
        return []
    at = [float(x or 0) for x in signals["evaluation"]]
    groups: dict[str, list[str]] = {}
    for name in signals:
        if name != "evaluation":
            groups.setdefault(name.split(".")[0], []).append(name)
    order = sorted(groups, key=lambda g: list(_GROUPS).index(g) if g in _GROUPS else len(_GROUPS))
    drawn: list[str] = []
    for group in order:
        names = groups[group]
        caption = _GROUPS.get(group, ", ".join(names))
        lines = [Series(_label(name), at, signals[name]) for name in names]
        shown = plot(lines, "evaluations", group, title=caption, size=(620.0, 180.0))
        drawn.append(figure(shown, f"{caption}."))
    return [heading(3, "What the strategy noted of itself"), *drawn]


def _label(name: str) -> str:
    group, _, rest = name.partition(".")
    return f"expert {rest}" if group == "gate" else rest or name


def _moves(changed: list[Json], most: int) -> str:
    shown = ", ".join(
        f"{row['variable']} {_value(row['from'])} → {_value(row['to'])}" for row in changed[:most]
    )
    return shown + (f", {len(changed) - most} more" if len(changed) > most else "")


def _value(value: float | int | str) -> str:
    return value if isinstance(value, str) else quantity(value)
