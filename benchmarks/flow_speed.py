"""The whole flow in two checkouts side by side: processor time, memory, and whether bytes differ.

Runs ``asic-opt --rl-explore`` with ``emit`` on one model, by turns in each checkout, each run in a
process of its own, so that what else the machine does falls on both alike.

    asic-import llama-3.1-8b --phase decode --batch 3 --context 2048 -o llama.mlir
    python benchmarks/flow_speed.py OLD NEW llama.mlir --pairs 3
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

OPTIONS = "node=3nm mode=high-performance evaluations=4613 seed=0"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the flow."""

    processor_s: float
    """In user and in system mode."""
    peak_mb: float
    digests: dict[str, str]
    """SHA-256 of the printed IR and of every emitted file, by name."""


def run(checkout: Path, model: Path, options: str) -> Run:
    """The flow in a checkout, with the interpreter of its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        command = [
            checkout / ".venv/bin/asic-opt",
            # The path is part of what a run remembers: all runs have the same.
            f"--rl-explore={options} emit=run quiet=true",
            model.resolve(),
            "-o",
            "out.mlir",
        ]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, cwd=out, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{checkout}: asic-opt ended with exit code {process.returncode}")
        files = sorted(path for path in out.rglob("*") if path.is_file())
        digests = {
            str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        }
    return Run(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, digests)


def main() -> None:
    """Prints both checkouts, a line each, and what differs of their files."""
    parser = argparse.ArgumentParser(description="the flow in two checkouts, by turns")
    parser.add_argument("old", type=Path, help="a checkout with its .venv")
    parser.add_argument("new", type=Path, help="another")
    parser.add_argument("model", type=Path)
    parser.add_argument("--options", default=OPTIONS, help="of rl-explore, but for emit and quiet")
    parser.add_argument("--pairs", type=int, default=3)
    args = parser.parse_args()
    runs: dict[str, list[Run]] = {"old": [], "new": []}
    for _ in range(args.pairs):
        for name, checkout in (("old", args.old), ("new", args.new)):
            runs[name].append(run(checkout, args.model, args.options))
    print("| checkout | processor s, median | of all runs | peak MB |\n|---|---|---|---|")
    for name, own in runs.items():
        times = [r.processor_s for r in own]
        shown = ", ".join(f"{t:.1f}" for t in times)
        print(f"| {name} | {median(times):.1f} | {shown} | {max(r.peak_mb for r in own):.0f} |")
    old, new = (median(r.processor_s for r in own) for own in runs.values())
    print(f"\nnew takes {new / old:.2f} of old")
    every = [r.digests for own in runs.values() for r in own]
    names = dict.fromkeys(name for digests in every for name in digests)
    differ = [name for name in names if len({digests.get(name) for digests in every}) > 1]
    print(f"files that differ: {', '.join(differ) or 'none'}, of {len(names)}")


if __name__ == "__main__":
    main()
