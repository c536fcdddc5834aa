"""Explorations one after the other in one process: do memory and descriptors stay where they are?

    python benchmarks/soak.py [--explorations 1000] [--results build/soak.json]

Each exploration reads a small model, raises it, searches, annotates it and prints the module: by
another strategy, seed and goal than the one before; some write checkpoints, some a summary, some
emit a run, and every tenth is refused. Memory (resident set), open descriptors and objects that
Python tracks are taken after every fifth; behind the first third they must not grow. Prints a
table, exits with 1 if one grows. Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))

from fuzzing.modules import MODEL  # noqa: E402

from asic_compiler.files import write_atomic  # noqa: E402
from asic_compiler.tools import asic_opt  # noqa: E402

STRATEGIES = ("random", "annealing", "grid", "starts", "random")
GOALS = ("", "goal='minimize power'", "goal='minimize latency' dies=1", "mode=low-power")
REFUSED = "power_w=1e-9"
"""A budget that no design keeps: an exploration that ends in an error is one too."""

EVERY = 5
"""Explorations from one sample to the next: to look through all objects takes long."""
MOST_GROWTH = 0.03
"""Of memory or objects over all explorations behind the first third."""


@dataclass(frozen=True)
class Sample:
    """What the process holds after an exploration."""

    megabytes: float
    descriptors: int
    objects: int


def sample() -> Sample:
    """Of this process, now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Sample(
        pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        len(os.listdir("/proc/self/fd")),  # noqa: PTH208  (a listing opens one itself, always)
        len(gc.get_objects()),
    )


def explored(number: int, folder: Path) -> int:
    """One exploration through the tool; its exit code."""
    strategy = STRATEGIES[number % len(STRATEGIES)]
    goal = REFUSED if number % 10 == 9 else GOALS[number % len(GOALS)]
    options = f"strategy={strategy} evaluations=16 seed={number} {goal}"
    if strategy == "random":
        options += f" checkpoint={folder / 'run.ckpt'}"
        (folder / "run.ckpt").unlink(missing_ok=True)
    if number % 20 == 0:
        options += f" emit={folder / 'out'}"
    if number % 10:
        options += " quiet=true"  # a summary looks at every constant's range, and takes long
    with contextlib.redirect_stderr(io.StringIO()):
        return asic_opt.main(
            [str(MODEL), f"--rl-explore={options}", "-o", str(folder / "out.mlir")]
        )


def soak(count: int, folder: Path, every: int = 1) -> tuple[list[Sample], list[int]]:
    """Samples after every so many explorations, and the exit codes of all."""
    samples: list[Sample] = []
    codes: list[int] = []
    for number in range(count):
        codes.append(explored(number, folder))
        if number % every == 0:
            samples.append(sample())
    return samples, codes


def growth(values: list[float]) -> float:
    """Of a line through the values behind the first third: its rise over them, as a share."""
    kept = np.array(values[len(values) // 3 :])
    slope, start = np.polyfit(np.arange(len(kept)), kept, 1)
    return float(slope * len(kept) / start)


def grown(samples: list[Sample], most: float = MOST_GROWTH) -> list[str]:
    """What grows, in words."""
    told: list[str] = []
    for name in ("megabytes", "objects"):
        if (share := growth([getattr(s, name) for s in samples])) > most:
            told.append(f"{name} grow by {share:.1%}")
    kept = samples[len(samples) // 3 :]
    if kept[-1].descriptors > kept[0].descriptors:
        told.append(f"descriptors grow from {kept[0].descriptors} to {kept[-1].descriptors}")
    return told


def main() -> None:
    """Explores, and prints what the process held."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--explorations", type=int, default=1000)
    parser.add_argument("--results", type=Path, default=ROOT / "build/soak.json")
    args = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        samples, codes = soak(args.explorations, Path(folder), EVERY)
    rows = [[s.megabytes, s.descriptors, s.objects] for s in samples]
    args.results.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(args.results, json.dumps({"samples": rows, "codes": codes}) + "\n")
    print("| exploration | memory, MB | descriptors | objects |")
    print("| --- | --- | --- | --- |")
    marks = np.unique(np.linspace(0, len(samples) - 1, 11).astype(int))
    for at in marks:
        s = samples[at]
        print(f"| {EVERY * at + 1} | {s.megabytes:.1f} | {s.descriptors} | {s.objects:,} |")
    told = grown(samples)
    refused = sum(code == 1 for code in codes)
    print(
        f"{len(codes)} explorations, {refused} of them refused, in "
        f"{time.perf_counter() - began:.0f} s; " + ("; ".join(told) or "nothing grows")
    )
    sys.exit(1 if told or set(codes) - {0, 1} else 0)


if __name__ == "__main__":
    main()
