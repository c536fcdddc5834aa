"""Records of finished runs: one JSON object a line, appended whole; the last of a key counts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from asic_compiler.files import write_atomic

from .plan import EVERY
from .runs import Record, code_digest, model_digest
from .workloads import ROOT

FOLDER = ROOT / "benchmarks" / "data" / "search"
_KEY = ("workload", "node", "strategy", "seed", "limit")
Key = tuple[Any, ...]


def key_of(record: Record) -> Key:
    """What a run is of: workload, node, strategy, seed, limit."""
    return tuple(record[name] for name in _KEY)


def append(record: Record, folder: Path = FOLDER) -> None:
    """Adds a record to the file of its strategy, in one write.

    A line that a full disk or a crash of the machine cut short is closed first, and never read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = _path(record["strategy"], folder)
    line = _line(record)
    if path.exists() and not (b"\n" + path.read_bytes()).endswith(b"\n"):
        line = "\n" + line
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def _line(record: Record) -> str:
    return json.dumps(record, separators=(",", ":")) + "\n"


def load(labels: Iterable[str] = EVERY, folder: Path = FOLDER) -> dict[Key, Record]:
    """The records of these strategies, also those of another cost model or code."""
    found: dict[Key, Record] = {}
    for label in labels:
        path = _path(label, folder)
        for line in path.read_text().splitlines() if path.exists() else ():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            found[key_of(record)] = record
    return found


def is_current(record: Record) -> bool:
    """Whether the cost model, the strategy and its budget are still those of the record."""
    label, limit = record["strategy"], record["limit"]
    if label not in EVERY:
        return False
    if limit.isdigit() and record["evaluations"] != EVERY[label].budget(int(limit)):
        return False
    try:
        now = (model_digest(record["workload"], record["node"]), code_digest(label))
    except FileNotFoundError:  # its policy is shipped no more
        return False
    return (record["model"], record["code"]) == now


def is_current_key(key: str) -> bool:
    """Whether the strategy of an enumerated space's runs, 'label digest limit', is as it was."""
    label, digest, _ = key.split(" ")
    return label in EVERY and digest == code_digest(label)


def compact(folder: Path = FOLDER) -> tuple[int, int]:
    """Rewrites every file without what is not current; returns records kept and dropped."""
    kept = dropped = 0
    for label in EVERY:
        path = _path(label, folder)
        if not path.exists():
            continue
        lines = path.read_text().splitlines()
        current = sorted(
            (r for r in load([label], folder).values() if is_current(r)),
            key=lambda r: tuple(map(str, key_of(r))),
        )
        write_atomic(path, "".join(_line(record) for record in current))
        kept, dropped = kept + len(current), dropped + len(lines) - len(current)
    return kept, dropped


def best_known(folder: Path = FOLDER) -> dict[str, Record]:
    """The best design known of each workload and node, where the cost model is still the same."""
    path = folder / "best_known.json"
    held = json.loads(path.read_text()) if path.exists() else {}
    return {
        name: one for name, one in held.items()
        if one["model"] == model_digest(one["workload"], one["node"])
    }  # fmt: skip


def offer_best(design: Record, folder: Path = FOLDER) -> bool:
    """Keeps ``design`` if it is better than what is known; returns whether it is."""
    if not design:
        return False
    known = best_known(folder)
    name = f"{design['workload']} {design['node']}"
    if name in known and known[name]["score"] >= design["score"]:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "best_known.json"
    held = json.loads(path.read_text()) if path.exists() else {}
    held[name] = design
    write_atomic(path, json.dumps(held, indent=1, sort_keys=True) + "\n")
    return True


def _path(label: str, folder: Path) -> Path:
    return folder / f"{label.replace('/', '-')}.jsonl"
