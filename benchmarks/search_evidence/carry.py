"""Records that go over to code which was rewritten and still finds the same.

A record holds a digest of its strategy's code, so that any change of the code asks for all its runs
anew. Where a change leaves the results alone, one run of each group (a strategy's runs of a
workload, a node and a limit) is enough: it is made again with the evaluations that it had, and the
group's records go over if it found the same to the last figure.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass
from pathlib import Path

from asic_compiler.files import write_atomic

from . import store
from .exact import reduced
from .plan import EVERY
from .runs import Record, code_digest, model_digest, outcome, searched
from .workloads import problem_of

SLOWER = 1.25
"""Records of a limit in seconds go over only if the run takes no more than so many times as long as
it did, and no less than the inverse: with faster code it would have had more evaluations."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A run that was made again."""

    same: bool
    """Whether it found what its record says."""
    pace: float = 1.0
    """Its processor seconds over those of the record."""

    def holds(self, limit: str) -> bool:
        """Whether the records of its group are the present code's too."""
        in_time = 1.0 / SLOWER <= self.pace <= SLOWER
        return self.same and (in_time or not limit.endswith("s"))


def groups(records: Iterable[Record]) -> list[list[Record]]:
    """Records of the present cost model and of other code, a list a group, the first seed first."""
    found: dict[tuple[str, ...], list[Record]] = {}
    for record in sorted(records, key=lambda one: one["seed"]):
        label, workload, node = record["strategy"], record["workload"], record["node"]
        if record["code"] != code_digest(label) and record["model"] == model_digest(workload, node):
            found.setdefault((label, workload, node, record["limit"]), []).append(record)
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
    return Repeat(same, seconds / max(record["cpu_s"], 1e-2))


def carry(
    pool: Executor, labels: Collection[str], asked: Collection[tuple[str, str]], folder: Path
) -> Iterator[str]:
    """Has a run of each group made again and takes the records over; tells of each in a line.

    Args:
        pool: Where the runs are made.
        labels: The strategies.
        asked: Workloads and nodes.
        folder: Of the records.
    """
    chosen = [one for one in groups(store.load(labels, folder).values())
              if (one[0]["workload"], one[0]["node"]) in asked]  # fmt: skip
    calls = {pool.submit(repeat, one[0]): one for one in chosen}
    for call in as_completed(calls):
        group, again = calls[call], call.result()
        label, limit = group[0]["strategy"], group[0]["limit"]
        holds = again.holds(limit)
        for record in group if holds else ():
            store.append(record | {"code": code_digest(label)}, folder)
        yield (
            f"{label} {group[0]['workload']} {group[0]['node']} {limit}: "
            f"{'the same' if again.same else 'another result'} in {again.pace:.2f} of the time, "
            f"{len(group) if holds else 0} of {len(group)} records taken over"
        )


def repeat_reduced(name: str, key: str, seed: str) -> float | None:
    """The score of a run of an enumerated space, made again."""
    label, _, limit = key.split(" ")
    space = reduced(*name.split(" "))
    return searched(space, label, EVERY[label].budget(int(limit)), int(seed)).best_score


def carry_reduced(
    pool: Executor, labels: Collection[str], asked: Collection[tuple[str, str]], folder: Path
) -> Iterator[str]:
    """As :func:`carry`, of the runs of the enumerated spaces."""
    path = folder / "exact.json"
    held: dict[str, Record] = json.loads(path.read_text()) if path.exists() else {}
    calls: dict[Future[float | None], tuple[str, str, str]] = {}
    for name, space in held.items():
        workload, node = name.split(" ")
        if (workload, node) not in asked or space["model"] != model_digest(workload, node):
            continue
        for key, runs in space["runs"].items():
            label, digest, _ = key.split(" ")
            if label in labels and digest != code_digest(label):
                first = min(runs, key=int)
                calls[pool.submit(repeat_reduced, name, key, first)] = (name, key, first)
    for call in as_completed(calls):
        name, key, first = calls[call]
        runs, (label, _, limit) = held[name]["runs"], key.split(" ")
        same = call.result() == runs[key][first]
        count = len(runs[key])
        if same:
            runs[f"{label} {code_digest(label)} {limit}"] = runs.pop(key)
            write_atomic(path, json.dumps(held, indent=1) + "\n")
        yield (
            f"{label} {name}, enumerated: {'the same' if same else 'another result'}, "
            f"{count if same else 0} of {count} runs taken over"
        )
