"""The tables of docs/evidence.md, written between their marks.

A mark says what stands below it, up to the next ``<!-- end -->``:

    <!-- overview llama 4613 sac-moe/pretrained@92 -->   medians by node; rows of other limits too
    <!-- means llama 22s annealing cma-es -->            the mean; held against the first
    <!-- apart 300 5 sac-moe bayesian@4613 -->           by seeds: the first five, the others
    <!-- enumerated llama -->                            gaps to the optimum of the reduced space
    <!-- ablations 4613 1000 -->                         the learner changed, by workload and limit
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .plan import ABLATIONS, ENTRANTS, PACES, PRETRAINED
from .runs import Record
from .tables import WHOLE, apart, changes, enumerated, limit_in_words, means, overview
from .workloads import ROOT, WORKLOADS

EVIDENCE = ROOT / "docs" / "evidence.md"

PARTS = {
    "no-surrogate": "surrogate, screening and refinement",
    "no-learning": "updates of actor and critics, planning",
    "no-experts": "the experts",
    "no-priority": "priorities",
    "no-mpc": "world model and planning",
}
"""What an ablation of the page is without."""

_MARK = re.compile(r"(<!-- ([a-z]+) ([^>\n]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_SHOWN = (*ENTRANTS, *PACES, *PRETRAINED)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the tables are made of."""

    records: list[Record]
    """Of runs, those that are current."""
    best: dict[str, Record]
    """The best design known of each workload and node."""
    spaces: dict[str, Record]
    """What is known of the enumerated spaces."""
    keys: dict[str, str]
    """Strategies, and the key of each one's runs in these."""


def rewritten(page: str, evidence: Evidence) -> str:
    """The page with its tables made anew.

    Raises:
        ValueError: A mark asks for a table that there is not.
    """

    def block(match: re.Match[str]) -> str:
        kind, asked = match[2], match[3].split()
        match kind:
            case "overview":
                lines = _overview(evidence, asked)
            case "means":
                workload, limit, *labels = asked
                own = [r for r in evidence.records if r["workload"] == workload]
                lines = means(own, evidence.best, limit, labels)
            case "apart":
                limit, seeds, label, other = asked
                rival, its_limit = other.split("@")
                lines = apart(
                    evidence.records, evidence.best, limit, int(seeds), label, (rival, its_limit)
                )
            case "enumerated":
                lines = enumerated(evidence.spaces, evidence.keys, asked[0])
            case "ablations":
                lines = _ablations(evidence, asked)
            case _:
                raise ValueError(f"no such table: {kind}")
        return "\n".join((match[1], *lines, "", match[4]))

    return _MARK.sub(block, page)


def _overview(evidence: Evidence, asked: list[str]) -> Iterator[str]:
    workload, limit, *others = asked
    records = [r for r in evidence.records if r["workload"] == workload]
    shown = list(_SHOWN)
    for other in others:
        label, its_limit = other.split("@")
        for one in [r for r in records if r["strategy"] == label and r["limit"] == its_limit]:
            name = label
            if limit.isdigit() and one["evaluations"] != int(limit):
                name = f"{label}, {one['evaluations']:,} evaluations"
            records.append({**one, "limit": limit, "strategy": name})
            shown.append(name)
    return overview(records, evidence.best, limit, shown)


def _ablations(evidence: Evidence, limits: list[str]) -> Iterator[str]:
    columns = [(workload, limit) for workload in WORKLOADS for limit in limits]
    titles = [f"{WORKLOADS[w].title.split()[0]}, {limit_in_words(limit)}" for w, limit in columns]
    yield f"| without | {' | '.join(titles)} |"
    yield "|" + " --- |" * (len(columns) + 1)
    found = [changes(evidence.records, *column) for column in columns]
    names = dict.fromkeys((*PARTS, *(label.split("/")[1] for label in ABLATIONS)))
    for name in names:
        cells = [
            f"{one.median:+.2%} ({one.low:+.2%} to {one.high:+.2%}), {one.better} / {one.worse}"
            if (one := column.get(f"{WHOLE}/{name}")) is not None else ""
            for column in found
        ]  # fmt: skip
        if any(cells):
            yield f"| {PARTS.get(name, name)} | {' | '.join(cells)} |"
