"""Records that go over to code which was rewritten and still finds the same.

A record holds a digest of its strategy's code, so that any change of the code asks for all its runs
anew. Where a change leaves the results alone, two runs of each group (a strategy's runs of a
workload and a limit) are enough: its first and its last are made again with the evaluations that
they had, and the group's records go over if both found the same to the last figure.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from asic_compiler.files import write_atomic

from . import store
from .exact import reduced_score
from .runs import Record, code_digest, model_digest, outcome, searched
from .workloads import NODES, problem_of

SLOWER = 1.25
"""Records of a limit in seconds go over only if the runs take no more than so many times as long as
they did, and no less than the inverse: with faster code they would have had more evaluations."""

Item = TypeVar("Item")
Group = list[Record]
"""Stale records that stand or fall together, by seed and node."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A run that was made again."""

    same: bool
    """Whether it found what its record says."""
    pace: float
    """Its processor seconds over those of the record."""

    @classmethod
    def of(cls, repeats: Collection[Repeat]) -> Repeat:
        """Several as one: the same if all are, at their mean pace."""
        pace = statistics.geometric_mean(again.pace for again in repeats)
        return cls(all(again.same for again in repeats), pace)

    def holds(self, limit: str) -> bool:
        """Whether the records of its group are the present code's too."""
        in_time = 1.0 / SLOWER <= self.pace <= SLOWER
        return self.same and (in_time or not limit.endswith("s"))


def groups(records: Iterable[Record]) -> list[Group]:
    """Records of the present cost model and of other code."""
    found: dict[tuple[str, ...], Group] = {}
    for record in sorted(records, key=lambda one: (one["seed"], NODES.index(one["node"]))):
        label, workload = record["strategy"], record["workload"]
        present = record["model"] == model_digest(workload, record["node"])
        if present and record["code"] != code_digest(label):
            found.setdefault((label, workload, record["limit"]), []).append(record)
    return list(found.values())


def repeat(record: Record) -> Repeat:
    """Makes the run of a record again."""
    problem = problem_of(record["workload"], record["node"])
    _ = problem.ranges  # worked out before the clock starts
    started = time.process_time()
    result = searched(problem, record["strategy"], record["evaluations"], record["seed"])
    seconds = time.process_time() - started
    found = outcome(result, problem)
    same = all(record[name] == value for name, value in found.items())
    return Repeat(same, max(seconds, 1e-3) / max(record["cpu_s"], 1e-2))


def carry(
    pool: Executor, labels: Collection[str], asked: Collection[tuple[str, str]], folder: Path
) -> Iterator[str]:
    """Has runs of each group made again and takes the records over; tells of each group in a line.

    Args:
        pool: Where the runs are made.
        labels: The strategies.
        asked: Workloads and nodes.
        folder: Of the records.
    """
    chosen = groups(record for record in store.load(labels, folder).values()
                    if (record["workload"], record["node"]) in asked)  # fmt: skip
    calls = [[pool.submit(repeat, record) for record in _ends(group)] for group in chosen]
    for group, made in zip(chosen, calls, strict=True):
        again = Repeat.of([call.result() for call in made])
        label, limit = group[0]["strategy"], group[0]["limit"]
        kept = group if again.holds(limit) else []
        for record in kept:
            store.append(record | {"code": code_digest(label)}, folder)
        yield (
            f"{label} {group[0]['workload']} {limit}: "
            f"{'the same' if again.same else 'another result'} in {again.pace:.2f} of the time, "
            f"{len(kept)} of {len(group)} records taken over"
        )


def carry_reduced(
    pool: Executor, labels: Collection[str], asked: Collection[tuple[str, str]], folder: Path
) -> Iterator[str]:
    """As :func:`carry`, of the runs of the enumerated spaces."""
    path = folder / "exact.json"
    held: dict[str, Record] = json.loads(path.read_text()) if path.exists() else {}
    stale: dict[tuple[str, str], list[str]] = {}
    for name, space in held.items():
        workload, node = name.split(" ")
        if (workload, node) not in asked or space["model"] != model_digest(workload, node):
            continue
        for key in space["runs"]:
            label, digest, _ = key.split(" ")
            if label in labels and digest != code_digest(label):
                stale.setdefault((workload, key), []).append(name)
    for (workload, key), names in stale.items():
        label, _, limit = key.split(" ")
        runs = {name: held[name]["runs"][key] for name in names}
        tried = [(name, min(runs[name], key=int)) for name in _ends(names)]
        calls = [
            pool.submit(
                reduced_score, workload, name.partition(" ")[2], label, int(seed), int(limit)
            )
            for name, seed in tried
        ]
        same = all(call.result() == runs[name][seed]
                   for call, (name, seed) in zip(calls, tried, strict=True))  # fmt: skip
        count = sum(map(len, runs.values()))
        if same:
            for name in names:
                del held[name]["runs"][key]
                held[name]["runs"][f"{label} {code_digest(label)} {limit}"] = runs[name]
            write_atomic(path, json.dumps(held, indent=1) + "\n")
        yield (
            f"{label} {workload}, enumerated: {'the same' if same else 'another result'}, "
            f"{count if same else 0} of {count} runs taken over"
        )


def _ends(items: list[Item]) -> list[Item]:
    """The first and the last, or the only one."""
    return items[:1] + items[1:][-1:]
