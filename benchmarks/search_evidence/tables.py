"""Records as Markdown tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from asic_compiler.explore.protocol import FloatArray

from .figures import difference, interval, shortfall
from .rows import Row, median, rows_of, score_of, top_score
from .runs import Record
from .workloads import NODES, WORKLOADS, octaves

HEADER = ("strategy", "runs", "score, median", "95 % of the median", "to best known", "hypervolume",
          "feasible", "evaluations", "to 99 %", "core s")  # fmt: skip

ABLATION_HEADER = ("learner", "nodes", "pairs", "change, median", "95 % of the median",
                   "better / worse", "core s", "of the whole")  # fmt: skip
WHOLE = "sac-moe"
EQUAL = 5e-4
"""A change of the figure of merit by less counts as none."""


def tables(records: list[Record], best: dict[str, Record], limit: str) -> Iterator[str]:
    """A table a problem, best median first, then one over all nodes of a workload."""
    rows = rows_of([record for record in records if record["limit"] == limit], best)
    for (workload, node), own in groupby(rows, key=lambda row: (row.workload, row.node)):
        yield f"\n### {WORKLOADS[workload].title}, {node}, {limit_in_words(limit)}\n"
        if (known := best.get(f"{workload} {node}")) is not None:
            by = f"{known['strategy']}, {limit_in_words(known['limit'])}"
            yield f"Best known: {known['score']:.4f} ({by}).\n"
        yield "| " + " | ".join(HEADER) + " |"
        yield "|" + " --- |" * len(HEADER)
        yield from map(_line, own)
    for workload, own in groupby(rows, key=lambda row: row.workload):
        yield f"\n### {WORKLOADS[workload].title}, over the nodes above\n"
        yield "| strategy | nodes | mean place | first | mean gap | largest gap |"
        yield "|" + " --- |" * 6
        places: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for _, at_node in groupby(own, key=lambda row: row.node):
            for place, row in enumerate(at_node, 1):
                places[row.strategy].append((place, row.below_best))
        for label in sorted(places, key=lambda one: np.mean([p for p, _ in places[one]])):
            place, gap = np.array(places[label]).T
            yield (
                f"| {label} | {len(place)} | {place.mean():.1f} | {(place == 1).sum()} | "
                f"{gap.mean():.1%} | {gap.max():.1%} |"
            )


def overview(
    records: list[Record], best: dict[str, Record], limit: str, shown: Collection[str] | None = None
) -> Iterator[str]:
    """By how much each strategy's median is below the best known, by node: of one workload.

    Args:
        records: Of runs of the workload.
        best: The best design known of each workload and node.
        limit: Of the runs that count.
        shown: Strategies that have a row, of all that the best known is taken of; all by default.
    """
    runs: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        if record["limit"] == limit:
            runs[record["strategy"], record["node"]].append(record)
    if not runs:
        return
    (workload,) = {record["workload"] for record in records}
    nodes = [node for node in NODES if any(node == at for _, at in runs)]
    tops = {
        node: top_score(best, [r for r in records if r["limit"] == limit and r["node"] == node])
        for node in nodes
    }
    rows: list[tuple[float, str]] = []
    for label in dict.fromkeys(label for label, _ in runs):
        if shown is not None and label not in shown:
            continue
        cells, gaps, seconds = list[str](), list[float](), list[float]()
        for node in nodes:
            held = runs.get((label, node), [])
            if not held:
                cells.append("")
                continue
            gap = shortfall(median(held), tops[node], octaves(workload, node))
            gaps.append(gap)
            seconds += [run["cpu_s"] for run in held]
            cells.append(f"{-gap:.1%} ({len(held)})" if gap < 1.0 else f"none ({len(held)})")
        row = " | ".join([label, *cells, f"{np.median(seconds):.1f}"])
        rows.append((float(np.mean(gaps)), f"| {row} |"))
    yield "| strategy | " + " | ".join(nodes) + " | core s |"
    yield "|" + " --- |" * (len(nodes) + 2)
    yield from (row for _, row in sorted(rows))


def means(
    records: list[Record], best: dict[str, Record], limit: str, labels: list[str]
) -> Iterator[str]:
    """Strategies by the mean over nodes and seeds that all of them have: of one workload.

    Args:
        records: Of runs of the workload.
        best: The best design known of each workload and node.
        limit: Of the runs that count.
        labels: Of the strategies; the first is what the others are held against.
    """
    held = {
        (r["strategy"], r["node"], r["seed"]): r
        for r in records
        if r["limit"] == limit and r["strategy"] in labels
    }
    nodes = [node for node in NODES if any(node == at for _, at, _ in held)]
    seeds = [
        seed
        for seed in sorted({seed for _, _, seed in held})
        if all((label, node, seed) in held for label in labels for node in nodes)
    ]
    if not seeds:
        return
    tops = {
        node: top_score(best, [r for r in held.values() if r["node"] == node]) for node in nodes
    }
    found = {
        label: np.array([
            [-_gap(held[label, node, seed], tops[node]) for seed in seeds] for node in nodes
        ])
        for label in labels
    }  # fmt: skip
    first = found[labels[0]]
    header = ("strategy", f"mean of {len(nodes)} nodes x {len(seeds)} seeds", "of each seed",
              f"less that of {labels[0]}, 95 %", "designs evaluated")  # fmt: skip
    yield "| " + " | ".join(header) + " |"
    yield "|" + " --- |" * len(header)
    for label in sorted(labels, key=lambda one: -float(found[one].mean())):
        own = found[label]
        by_seed = own.mean(axis=0)
        low, high = difference(own, first)
        counts = [held[label, node, seed]["evaluations"] for node in nodes for seed in seeds]
        cells = [
            label,
            f"{own.mean():.2%}",
            f"{by_seed.min():.2%} to {by_seed.max():.2%}",
            f"{low:+.2%} to {high:+.2%}" if own is not first else "",
            f"{min(counts):,} to {max(counts):,}",
        ]
        yield "| " + " | ".join(cells) + " |"


def apart(
    records: list[Record],
    best: dict[str, Record],
    limit: str,
    seeds: int,
    label: str,
    rival: tuple[str, str],
) -> Iterator[str]:
    """One strategy with its first seeds, with the others and with all: of both workloads.

    What was chosen by looking at some seeds is to be judged by those that nobody looked at.

    Args:
        records: Of runs of all workloads.
        best: The best design known of each workload and node.
        limit: Of the strategy's runs.
        seeds: How many are the first.
        label: Of the strategy.
        rival: Another strategy and the limit of its runs, all of which it is held against.
    """
    runs: dict[tuple[str, str, str, str], list[Record]] = defaultdict(list)
    for r in records:
        runs[r["strategy"], r["limit"], r["workload"], r["node"]].append(r)
    columns = [
        (workload, node)
        for workload in WORKLOADS
        for node in NODES
        if (*rival, workload, node) in runs
        and {r["seed"] < seeds for r in runs[label, limit, workload, node]} == {True, False}
    ]
    if not columns:
        return

    def gaps(strategy: str, at: str, chosen: Callable[[Record], bool]) -> dict[str, FloatArray]:
        found: dict[str, list[float]] = defaultdict(list)
        for workload, node in columns:
            every = runs[strategy, at, workload, node]
            own = median([r for r in every if chosen(r)])
            top = top_score(best, every)
            found[workload].append(shortfall(own, top, octaves(workload, node)))
        return {workload: np.array(own) for workload, own in found.items()}

    theirs = gaps(*rival, lambda _: True)
    first = "seed 0" if seeds == 1 else f"seeds 0 to {seeds - 1}"
    rows = {
        f"{label}, {first}": gaps(label, limit, lambda r: r["seed"] < seeds),
        f"{label}, the others": gaps(label, limit, lambda r: r["seed"] >= seeds),
        f"{label}, all": gaps(label, limit, lambda _: True),
        rival[0]: theirs,
    }
    titles = [WORKLOADS[workload].title.split()[0] for workload in theirs]
    yield f"| strategy | {' | '.join(titles)} | all columns | ahead of {rival[0]} |"
    yield "|" + " --- |" * (len(titles) + 3)
    for name, own in rows.items():
        means = [f"{-one.mean():.2%}" for one in own.values()]
        whole = np.concatenate(list(own.values()))
        ahead = (whole < np.concatenate(list(theirs.values()))).sum()
        cells = [name, *means, f"{-whole.mean():.2%}", f"{ahead} of {len(whole)}"]
        yield "| " + " | ".join(cells if own is not theirs else [*cells[:-1], ""]) + " |"


def enumerated(held: dict[str, Record], labels: dict[str, str], workload: str) -> Iterator[str]:
    """How far from the optimum of an enumerated space each strategy ends, by node.

    Args:
        held: What is known of the space of each workload and node.
        labels: Strategies, and the key of each one's runs.
        workload: The one that is told of.
    """
    nodes = [node for node in NODES if f"{workload} {node}" in held]
    rows: list[tuple[float, str]] = []
    for label, key in labels.items():
        cells, gaps = list[str](), list[float]()
        for node in nodes:
            one = held[f"{workload} {node}"]
            found = scores_of(one["runs"].get(key, {}))
            if not len(found):
                cells.append("")
                continue
            gap = shortfall(float(np.median(found)), one["optimum"], octaves(workload, node))
            gaps.append(gap)
            exact = (found > one["optimum"] - 1e-9).sum()
            below = f"{-gap:.1%}" if gap < 1.0 else "none"
            cells.append(f"{below} ({exact} of {len(found)})")
        if gaps:
            rows.append((float(np.mean(gaps)), f"| {' | '.join([label, *cells])} |"))
    if rows:
        yield "| strategy | " + " | ".join(nodes) + " |"
        yield "|" + " --- |" * (len(nodes) + 1)
        yield from (row for _, row in sorted(rows))


def scores_of(runs: dict[str, float | None]) -> FloatArray:
    """Scores of the runs of an enumerated space, by seed, [N]; -inf where nothing was feasible."""
    return np.array([-np.inf if one is None else one for one in runs.values()])


@dataclass(frozen=True, slots=True)
class Change:
    """What a change of the learner does to the figure of merit, node and seed the same."""

    nodes: int
    pairs: int
    median: float
    """Relative; so are the ends of its 95 % interval."""
    low: float
    high: float
    better: int
    """Pairs in which it gained more than :data:`EQUAL`."""
    worse: int
    seconds: float
    """Of a core, in the median."""
    seconds_of_whole: float


def changes(records: list[Record], workload: str, limit: str) -> dict[str, Change]:
    """Every changed learner against the whole, by its label."""
    held = {
        (r["strategy"], r["node"], r["seed"]): r
        for r in records
        if r["workload"] == workload and r["limit"] == limit
    }
    found: dict[str, Change] = {}
    for label in dict.fromkeys(key[0] for key in held if key[0].startswith(f"{WHOLE}/")):
        pairs = [
            (record, held[other])
            for key, record in held.items()
            if key[0] == label and (other := (WHOLE, *key[1:])) in held
        ]
        if not pairs:
            continue
        change = np.array([
            -shortfall(score_of(r), score_of(w), octaves(workload, w["node"])) for r, w in pairs
        ])  # fmt: skip
        found[label] = Change(
            len({w["node"] for _, w in pairs}),
            len(pairs),
            float(np.median(change)),
            *interval(change),
            int((change > EQUAL).sum()),
            int((change < -EQUAL).sum()),
            float(np.median([r["cpu_s"] for r, _ in pairs])),
            float(np.median([w["cpu_s"] for _, w in pairs])),
        )
    return found


def ablations(records: list[Record], workload: str, limit: str) -> Iterator[str]:
    """The learner changed, against the whole; the most harmful first."""
    found = changes(records, workload, limit)
    if not found:
        return
    yield "| " + " | ".join(ABLATION_HEADER) + " |"
    yield "|" + " --- |" * len(ABLATION_HEADER)
    for label, one in sorted(found.items(), key=lambda item: item[1].median):
        cells = [label.removeprefix(f"{WHOLE}/"), str(one.nodes), str(one.pairs),
                 f"{one.median:+.2%}", f"{one.low:+.2%} to {one.high:+.2%}",
                 f"{one.better} / {one.worse}", f"{one.seconds:.1f}",
                 f"{one.seconds_of_whole:.1f}"]  # fmt: skip
        yield "| " + " | ".join(cells) + " |"


def _line(row: Row) -> str:
    found = row.score is not None
    arrival = f"{row.to_99:,}" if row.to_99 is not None else "not"
    cells = [
        row.strategy,
        str(row.runs),
        f"{row.score:.4f}" if found else "none",
        f"{row.low:.4f} to {row.high:.4f}" if found else "",
        f"{-row.below_best:.1%}" if found else "",
        f"{row.hypervolume:.4f}",
        f"{row.feasible:.0%}",
        f"{row.evaluations:,}",
        f"{arrival} ({row.reached_99}/{row.runs})",
        f"{row.core_s:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _gap(run: Record, top: float) -> float:
    return shortfall(score_of(run), top, octaves(run["workload"], run["node"]))


def limit_in_words(limit: str) -> str:
    """A limit of evaluations or of core seconds."""
    return f"{limit[:-1]} core seconds" if limit.endswith("s") else f"{int(limit):,} evaluations"
