"""A search killed at random moments, and resumed: does it end in the same bytes?

    python benchmarks/resume_kill.py [--moments 50] [--evaluations 480] [--interval 1] [--seed 0]

For each moment a process begins a search of Llama 3.1 8B decode at 3 nm with SAC-MoE, writing a
checkpoint after every batch, and is killed (SIGKILL) at a time drawn uniformly over the length of a
whole search. A second process resumes from what the first left, or begins anew if it left nothing,
and its history, signals and Pareto front are compared with those of a search that nobody
interrupted. A temporary file that the first left shows that it was killed while it wrote. Prints a
table, and exits with 1 if one result differs. Linux and macOS: it forks.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from workloads import transformer

from asic_compiler.explore.checkpoint import container
from asic_compiler.explore.checkpoint.keeper import KIND, Keeper
from asic_compiler.explore.checkpoint.state import StateReader
from asic_compiler.explore.problem import ChipProblem
from asic_compiler.explore.request import Request
from asic_compiler.explore.run import make_problem
from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe
from asic_compiler.explore.strategy import SearchResult


def digest(result: SearchResult) -> str:
    """SHA-256 of the history, the signals and the Pareto front."""
    told = hashlib.sha256()
    for columns in (result.history, result.signals):
        for name, column in columns.items():
            told.update(name.encode() + column.tobytes())
    members = result.archive.members
    if members is not None:
        told.update(members.continuous.tobytes() + members.features.tobytes())
    return told.hexdigest()


def in_a_process(
    problem: ChipProblem, budget: int, seed: int, path: Path, interval: int, out: Path
) -> int:
    """Forks a search that resumes if it can; its digest goes to ``out``. Returns the process."""
    child = os.fork()
    if child == 0:
        keeper = Keeper(path, path if path.exists() else None, interval)
        out.write_text(digest(SacMoe().run_kept(problem, budget, seed, None, keeper)))
        os._exit(0)
    return child


def done_in(path: Path) -> int:
    """Evaluations that a checkpoint holds."""
    if not path.exists():
        return 0
    search = StateReader(container.read(path, KIND)).part("search")
    designs = search.part("recorder").part("designs")
    return len(designs.array("power_w", np.float64, (None,)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--evaluations", type=int, default=480)
    parser.add_argument("--interval", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    problem = make_problem(transformer(), Request(policy="none").resolved())
    SacMoe().run(problem, 200, args.seed)  # what is loaded at the first step is no part of a run
    began = time.perf_counter()
    keeper = Keeper()
    whole = digest(SacMoe().run_kept(problem, args.evaluations, args.seed, None, keeper))
    took = time.perf_counter() - began
    moments = np.random.default_rng(args.seed).uniform(0.0, took, args.moments)
    print(f"a whole search: {args.evaluations} evaluations in {took:.2f} s, digest {whole[:12]}")
    print(
        "| killed after, s | it was | evaluations in the checkpoint | resumed to the same bytes |"
    )
    print("|" + " --- |" * 4)
    differing = 0
    for moment in moments:
        with tempfile.TemporaryDirectory() as folder:
            path, out = Path(folder) / "run.ckpt", Path(folder) / "digest"
            child = in_a_process(problem, args.evaluations, args.seed, path, args.interval, out)
            time.sleep(moment)
            os.kill(child, signal.SIGKILL)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            writing = any(Path(folder).glob(".*.tmp"))
            state = "done" if code == 0 else "writing" if writing else "searching"
            evaluations = done_in(path)
            out.unlink(missing_ok=True)
            child = in_a_process(problem, args.evaluations, args.seed, path, args.interval, out)
            os.waitpid(child, 0)
            same = out.exists() and out.read_text() == whole
            differing += not same
            print(
                f"| {moment:.3f} | {state} | {evaluations} | {'yes' if same else 'NO'} |",
                flush=True,
            )
    print(f"{args.moments - differing} of {args.moments} the same")
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
