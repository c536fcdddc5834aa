"""Designs a second of the power-performance-area model on one Llama 3.1 8B decode step.

Two kinds of batch: ``start`` (designs as a search starts from, mostly one pipeline stage) and
``random`` (anywhere in the space, all stage grids). Each figure is the median of several runs.

    python benchmarks/model_speed.py [--runs 7] [--processes 2]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from workloads import transformer

from asic_compiler.explore.problem import ChipProblem
from asic_compiler.hardware.design import DesignBatch, Freedom
from asic_compiler.hardware.legality import Constraints
from asic_compiler.mapping.profile import Profile
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.technology.library import load_node

SIZES = (1, 16, 64, 256, 1024, 4096, 16384)


@cache
def problem() -> ChipProblem:
    conditions = Conditions(constraints=Constraints(power_w=51.4))
    profile = Profile(transformer())
    return ChipProblem(profile, load_node("3nm"), conditions, Freedom(), (0.4, 0.4, 0.2))


@cache
def batch(kind: str, size: int) -> DesignBatch:
    rng = np.random.default_rng(size)
    if kind == "start":
        return problem().decode(*problem().start(size, rng))
    discrete = np.stack([*rng.integers(1, 65, (2, size)), *rng.integers(1, 5, (2, size))], axis=1)
    return problem().decode(discrete, rng.uniform(-1.0, 1.0, (size, 30)))


def evaluate(kind: str, size: int) -> int:
    return len(problem().model.evaluate(batch(kind, size)).power_w)


def timed(kind: str, size: int, runs: int) -> float:
    """Seconds of one evaluation, median."""
    evaluate(kind, size)
    repeat = max(1, 256 // size)  # short ones are timed in groups
    seconds: list[float] = []
    for _ in range(runs):
        start = time.perf_counter()
        for _ in range(repeat):
            evaluate(kind, size)
        seconds.append((time.perf_counter() - start) / repeat)
    return statistics.median(seconds)


def together(pool: ProcessPoolExecutor | ThreadPoolExecutor, workers: int, kind: str, size: int,
             runs: int) -> float:  # fmt: skip
    """Designs a second of all workers, each with batches of ``size``, median."""
    tasks = workers * max(2, 16384 // size)
    list(pool.map(evaluate, [kind] * workers * 2, [size] * workers * 2))
    rates: list[float] = []
    for _ in range(runs):
        start = time.perf_counter()
        done = sum(pool.map(evaluate, [kind] * tasks, [size] * tasks))
        rates.append(done / (time.perf_counter() - start))
    return statistics.median(rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    print(f"numpy {np.__version__}, {os.cpu_count()} cores, median of {options.runs} runs")
    print(f"{'batch':>6} {'start, 1/s':>12} {'ms':>9} {'random, 1/s':>12} {'ms':>9}")
    for size in SIZES:
        start, anywhere = (timed(kind, size, options.runs) for kind in ("start", "random"))
        print(
            f"{size:>6} {size / start:>12,.0f} {start * 1e3:>9.2f}"
            f" {size / anywhere:>12,.0f} {anywhere * 1e3:>9.2f}"
        )
    workers = options.processes
    with (
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as processes,
        ThreadPoolExecutor(workers) as threads,
    ):
        for name, pool in (("processes", processes), ("threads", threads)):
            for size in (1024, 4096):
                start, anywhere = (
                    together(pool, workers, kind, size, options.runs)
                    for kind in ("start", "random")
                )
                print(
                    f"{workers} {name}, batches of {size}: "
                    f"start {start:,.0f}/s, random {anywhere:,.0f}/s"
                )


if __name__ == "__main__":
    main()
