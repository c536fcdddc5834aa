"""Inputs changed at random, as many as are wanted, in pieces: ``python benchmarks/fuzz.py --seconds 600``.

Each target goes on after the last number that the results hold; faults are printed, and can be made
again from target and number (``tests/support/fuzzing.py``).
"""  # noqa: E501

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))

from fuzzing import TARGETS, fuzzed  # noqa: E402

from asic_compiler.files import write_atomic  # noqa: E402


def main() -> None:
    """Runs the targets in turn, and keeps how far each has come."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of all targets together")
    parser.add_argument("--results", type=Path, default=ROOT / "build/fuzz.json")
    parser.add_argument(
        "--first", type=int, default=10_000, help="number of a target's first input"
    )
    parser.add_argument("targets", nargs="*", default=list(TARGETS))
    options = parser.parse_args()
    options.results.parent.mkdir(parents=True, exist_ok=True)
    held = json.loads(options.results.read_text()) if options.results.exists() else {}
    share = options.seconds / len(options.targets)
    for target in options.targets:
        state = held.setdefault(target, {"next": options.first, "inputs": 0, "faults": {}})
        TARGETS[target].seeds()
        end = time.monotonic() + share
        with TemporaryDirectory() as folder:
            while time.monotonic() < end:
                number = state["next"]
                found = fuzzed(target, number, Path(folder))
                state["next"], state["inputs"] = number + 1, state["inputs"] + 1
                if found is not None:
                    state["faults"][str(number)] = found[:300]
        write_atomic(options.results, json.dumps(held, indent=1) + "\n")
        print(f"{target:12} {state['inputs']:>8,} inputs {len(state['faults']):>4} faults")
    for target in options.targets:
        for number, found in held[target]["faults"].items():
            print(f"{target} {number}: {found[:160]}")


if __name__ == "__main__":
    main()
