"""Inputs changed at random, as many as are wanted, in pieces: ``python benchmarks/fuzz.py --seconds 600``.

A run goes on after the last input that the results hold, target by target in turn by their shares.
Inputs are tried in forked processes with limits on time and memory. Of each fault the smallest
input is kept beside the results; ``--again TARGET NUMBER`` makes an input again and tells what
becomes of it. ``--state NAME`` says which state of the code the counts are of.
"""  # noqa: E501

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))

from fuzzing import TARGETS, fuzzed, made  # noqa: E402
from fuzzing.trying import warm  # noqa: E402
from fuzzing.workers import Batch, tried  # noqa: E402

from asic_compiler.files import write_atomic  # noqa: E402

ROUND = 50_000
"""Inputs of all targets together before it is the first one's turn again."""
FIRST = 10_000
"""Number of a target's first input; the suite has those below."""


def main() -> None:
    """Runs the targets in turn, and keeps how far each has come."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of wall time")
    parser.add_argument("--inputs", type=int, default=10**9, help="at most, in this run")
    parser.add_argument("--results", type=Path, default=ROOT / "build/fuzz.json")
    parser.add_argument("--state", default="", help="of the code, a name for the counts")
    parser.add_argument("--again", nargs=2, metavar=("TARGET", "NUMBER"))
    parser.add_argument("targets", nargs="*", default=list(TARGETS))
    options = parser.parse_args()
    if options.again:
        show(options.again[0], int(options.again[1]))
        return
    options.results.parent.mkdir(parents=True, exist_ok=True)
    held = json.loads(options.results.read_text()) if options.results.exists() else {}
    end, left = time.monotonic() + options.seconds, options.inputs
    for target in options.targets:
        warm(target)
    gc.freeze()  # what is loaded stays, and is not looked through again
    while time.monotonic() < end and left > 0:
        for target in options.targets:
            share = max(1, TARGETS[target].share * min(ROUND, left) // 1000)
            left -= piece(target, share, held, options)
            write_atomic(options.results, json.dumps(held, indent=1) + "\n")
    report(held)


def piece(name: str, count: int, held: dict[str, Any], options: argparse.Namespace) -> int:
    """Tries so many inputs of a target, and puts what became of them to the results."""
    state = held.setdefault(name, {"next": FIRST, "counts": {}, "faults": {}})
    counts = state["counts"].setdefault(options.state, {})
    done = 0
    while done < count:
        batch: Batch = tried(
            lambda number, folder: fuzzed(name, number, folder), state["next"], count - done, 120.0
        )
        for number, outcome in batch.faults:
            keep(name, number, outcome.signature, outcome.told, state, options)
        for kind, times in batch.kinds.items():
            counts[kind] = counts.get(kind, 0) + times
        state["next"] += batch.tried
        done += batch.tried
    return done


def keep(
    name: str,
    number: int,
    signature: str,
    told: str,
    state: dict[str, Any],
    options: argparse.Namespace,
) -> None:
    """A fault, and its input where it is smaller than the one that is kept."""
    data = made(name, number)
    fault = state["faults"].setdefault(f"{options.state}|{signature}", {"times": 0, "bytes": 10**9})
    fault["times"] += 1
    if len(data) < fault["bytes"]:
        fault |= {"bytes": len(data), "number": number, "told": told[:300]}
        state["faults"][f"{options.state}|{signature}"] = fault
        key = hashlib.sha256(signature.encode()).hexdigest()[:8]
        write_atomic(options.results.parent / f"fuzz.{name}.{key}.txt", data)


def show(name: str, number: int) -> None:
    """An input, and what becomes of it."""
    data = made(name, number)
    print(data.decode("utf-8", "backslashreplace"))
    with TemporaryDirectory() as folder:
        outcome = fuzzed(name, number, Path(folder))
    print(f"-- {outcome.kind} {outcome.signature}\n{outcome.told}")


def report(held: dict[str, Any]) -> None:
    """A table of counts, and the faults below it."""
    for state in sorted({s for target in held.values() for s in target["counts"]}):
        print(f"| {state or 'target'} | inputs | accepted | refused | faults |")
        print("| --- | --- | --- | --- | --- |")
        total = dict.fromkeys(("accepted", "refused", "fault"), 0)
        for name, target in held.items():
            counts = target["counts"].get(state, {})
            row = [counts.get(kind, 0) for kind in total]
            for kind, count in zip(total, row, strict=True):
                total[kind] += count
            print(f"| {name} | {sum(row):,} | " + " | ".join(f"{n:,}" for n in row) + " |")
        row = list(total.values())
        print(f"| all | {sum(row):,} | " + " | ".join(f"{n:,}" for n in row) + " |")
    for name, target in held.items():
        for signature, fault in target["faults"].items():
            print(f"{name} {fault['number']} x{fault['times']} {signature}: {fault['told'][:160]}")


if __name__ == "__main__":
    main()
