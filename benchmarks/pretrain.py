"""Trains the policy that comes with the package, over nodes, workloads and goals.

    python benchmarks/pretrain.py [--evaluations 400000] [--out policy.safetensors] [--seed 0]
    python benchmarks/pretrain.py --designs policy.safetensors [--searches policy,known,nothing]
    python benchmarks/pretrain.py --check policy.safetensors [--seeds 3]

Problems are drawn from every combination of node, workload and goal below, but those with the node,
the workload or the goal that is held out: these three are never seen. Every problem gets the same
share of the evaluations. The file holds the actor and, of each problem, the best designs that its
walks have found; it says how it was made. Without ``--out`` it replaces the policy in the package.

``--designs`` searches every problem of the training, with the policy, without, and with CMA-ES, and
keeps the best designs of all in the same file. The actor stays as it is. A run that was killed goes
on where it was: what it has found stands beside the policy until it ends. ``--only`` searches few
problems and keeps what is known of the others.

``--check`` compares the policy (unchanged, ``train=false``) with learning from nothing: a row for a
problem it was trained on and one for each that was held out, medians over the seeds. Score is
docs/explorer.md's.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from search_evidence.workloads import table_of
from workloads import transformer

from asic_compiler.explore.archive import take
from asic_compiler.explore.checkpoint import container
from asic_compiler.explore.checkpoint.state import State, StateReader
from asic_compiler.explore.options import DEFAULT_EVALUATIONS
from asic_compiler.explore.problem import ChipProblem
from asic_compiler.explore.protocol import Evaluation, FloatArray, IntArray
from asic_compiler.explore.request import Request
from asic_compiler.explore.reward import score
from asic_compiler.explore.run import make_problem
from asic_compiler.explore.search import search
from asic_compiler.explore.strategies import resolve
from asic_compiler.explore.strategies.evolution.elite import Elite
from asic_compiler.explore.strategies.evolution.known import KnownDesigns
from asic_compiler.explore.strategies.flat import merit
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig, parse_config
from asic_compiler.explore.strategies.sac_moe.networks import Actor, dimensions_of
from asic_compiler.explore.strategies.sac_moe.policy_file import SHIPPED, load_policy, save_policy
from asic_compiler.explore.strategies.sac_moe.pretrain import Progress, pretrain
from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe
from asic_compiler.explore.strategy import Strategy
from asic_compiler.workload.table import OperatorTable

Design = tuple[IntArray, FloatArray]
"""Discrete [N, 4] and continuous [N, 30] variables of N designs."""

NODES = ("3nm", "5nm", "7nm", "10nm", "14nm", "22nm", "28nm")
HELD_OUT_NODE = "10nm"
KEPT = 4
"""Designs known of each problem, on as many meshes."""
NEIGHBOURS = 32
"""Known designs, of a problem and of those like it, that its searches must be better than."""
FEWER = 50
"""By how much fewer evaluations the policy is asked for."""

_DIMENSIONS: dict[str, dict[str, int]] = {
    "1b": {"layers": 16, "hidden": 2048, "heads": 32, "kv_heads": 8, "head_dim": 64, "ffn": 8192},
    "3b": {"layers": 28, "hidden": 3072, "heads": 24, "kv_heads": 8, "ffn": 8192},
    "135m": {"layers": 30, "hidden": 576, "heads": 9, "kv_heads": 3, "head_dim": 64, "ffn": 1536,
             "vocab": 49152, "batch": 1},
}  # fmt: skip
WORKLOADS = ("llama", "smolvlm", "1b", "3b", "135m")
"""The two of the evidence, and decode steps written down from a model's dimensions."""
HELD_OUT_WORKLOAD = "3b"

W8A8: dict[str, object] = {"precision": ("w8a8",), "kv_bits": (8,)}
GOALS: dict[str, dict[str, object]] = {
    "high-performance": {"mode": "high-performance"},
    "low-power": {"mode": "low-power"},
    "fast": {"goal": "maximize tokens_per_s subject to power <= 51 W"},
    "high-performance w8a8": {"mode": "high-performance", **W8A8},
    "fast w8a8": {"goal": "maximize tokens_per_s subject to power <= 51 W", **W8A8},
    "small": {"weights": (0.4, 0.2, 0.4)},
    "frugal": {"goal": "minimize energy_per_token subject to tokens_per_s_per_user >= 30"},
}
HELD_OUT_GOAL = "frugal"
TOO_LARGE = {("llama", "low-power"), ("1b", "low-power"), ("3b", "low-power")}
"""Their weights alone leak more than 13 mW: nothing is feasible."""


def table(workload: str) -> OperatorTable:
    """The operator table of a workload by name."""
    if workload in _DIMENSIONS:
        return transformer(**_DIMENSIONS[workload], name=workload)  # type: ignore[arg-type]
    return table_of(workload)


def problem(node: str, workload: str, goal: str) -> ChipProblem:
    """One problem of the training or of the test."""
    request = Request(node=node, **GOALS[goal])  # type: ignore[arg-type]
    return make_problem(table(workload), request.resolved())


def training() -> list[tuple[str, str, str]]:
    """Node, workload and goal of every problem trained on."""
    return [
        (node, workload, goal)
        for node, workload, goal in product(NODES, WORKLOADS, GOALS)
        if node != HELD_OUT_NODE
        and workload != HELD_OUT_WORKLOAD
        and goal != HELD_OUT_GOAL
        and (workload, goal) not in TOO_LARGE
    ]


TRAINING = SacMoeConfig(warm_up=1000, updates_per_step=2)
"""What the shipped policy was trained with. Other values were not tried: training has no surrogate,
by which the defaults were chosen."""


def train(args: argparse.Namespace) -> None:
    """Trains and writes the policy."""
    names = training()[:: args.every]
    problems = [problem(*name) for name in names]
    began = time.perf_counter()
    told = 0.0

    def watch(progress: Progress) -> None:
        nonlocal told
        seconds = time.perf_counter() - began
        if seconds >= told + 30.0 or progress.evaluations >= args.evaluations:
            told = seconds
            found = [score for score in progress.scores if score is not None]
            print(
                f"{progress.evaluations:,} evaluations, {seconds:.0f} s, feasible on "
                f"{len(found)} of {len(names)}, mean best score {np.mean(found or [0.0]):.4f}",
                flush=True,
            )

    config = parse_config(args.learner, TRAINING)
    actor, found = pretrain(problems, args.evaluations, config, args.seed, watch)
    kept = [best_of(given, [designs]) for given, designs in zip(problems, found, strict=True)]
    made = {
        "script": "benchmarks/pretrain.py",
        "evaluations": args.evaluations,
        "seed": args.seed,
        "learner": args.learner,
        "problems": len(names),
        "held out": [HELD_OUT_NODE, HELD_OUT_WORKLOAD, HELD_OUT_GOAL],
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    save_policy(args.out, actor, KnownDesigns.of(problems, kept), problems[0], made)
    told_of(args.out, began)


def best_of(given: ChipProblem, parts: Sequence[Evaluation]) -> Evaluation:
    """The best feasible designs of all parts, each on a mesh of its own, best first."""
    elite = Elite(KEPT, per_kind=1)
    for designs in parts:
        legal = take(designs, designs.feasible)
        if len(legal):
            elite.offer(legal, merit(legal, given))
    return elite.designs if len(elite) else take(parts[0], slice(0, 0))


SEARCHES = ("policy", "known", "nothing", "cma-es")
"""What looks for better designs: the policy as it acts; the learner from what the policy knows, and
from nothing, both without updates (as good within one search, in half the time); CMA-ES."""


def strategy_of(kind: str, config: SacMoeConfig, path: Path) -> Strategy:
    """One of :data:`SEARCHES`."""
    still = replace(config, updates_per_step=0, mpc=False)
    match kind:
        case "policy":
            return SacMoe(config, str(path), train=False)
        case "known":
            return SacMoe(still, str(path), train=True)
        case "nothing":
            return SacMoe(still)
        case _:
            return resolve(kind)


def search_designs(args: argparse.Namespace) -> None:
    """Replaces the known designs of a policy by better ones, where searches find them."""
    began = time.perf_counter()
    names = training()[:: args.every]
    problems = [problem(*name) for name in names]
    config = parse_config(args.learner)
    policy = load_policy(args.designs, problems[0], config)
    kinds = args.searches.split(",")
    tasks = [
        (name, args.designs, args.learner, kinds if args.only <= set(name) else [], args.seed)
        for name in names
    ]
    done = Searched(args.designs, tasks)
    told = f", {len(done)} of before" if len(done) else ""
    print(f"{len(tasks)} problems{told}", flush=True)
    with ProcessPoolExecutor(args.processes, get_context("spawn")) as pool:
        for name, (design, gain) in zip(
            names[len(done) :], pool.map(searched, tasks[len(done) :]), strict=True
        ):
            done.add(design)
            print(f"{len(done)}/{len(names)} {' '.join(name)}: {gain}", flush=True)
    kept = [given.evaluate(*design) for given, design in zip(problems, done, strict=True)]
    actor = Actor(dimensions_of(problems[0]), config, torch.Generator())
    actor.load_state_dict(policy.parameters)
    round_ = " ".join([args.searches, *sorted(args.only)])
    rounds = [*policy.made.get("searches", []), round_]
    made = {**policy.made, "searches": rounds}
    save_policy(args.designs, actor, KnownDesigns.of(problems, kept), problems[0], made)
    done.forget()
    told_of(args.designs, began)


class Searched:
    """Designs of the problems searched so far, in a file beside the policy: a run that was killed
    goes on from it. It is of one policy and one set of tasks; another's is not read.
    """

    KIND = "searched designs"

    def __init__(self, policy: Path, tasks: Sequence[object]) -> None:
        told = hashlib.sha256(policy.read_bytes())
        told.update(repr(tasks).encode())
        self.path = policy.with_name(f"{policy.stem}.{told.hexdigest()[:12]}.searched.safetensors")
        self.found: list[Design] = []
        if self.path.exists():
            reader = StateReader(container.read(self.path, self.KIND))
            for index in range(len(reader.names())):
                part = reader.part(str(index))
                discrete = part.array("discrete", np.int64, (None, None))
                self.found.append((discrete, part.array("continuous", np.float64, (None, None))))

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Design]:
        return iter(self.found)

    def add(self, design: Design) -> None:
        """The next problem's designs."""
        self.found.append(design)
        state: State = {
            str(index): {"discrete": discrete, "continuous": continuous}
            for index, (discrete, continuous) in enumerate(self.found)
        }
        container.write(self.path, self.KIND, state)

    def forget(self) -> None:
        """The file: the policy has it all."""
        self.path.unlink(missing_ok=True)


def searched(task: tuple[tuple[str, str, str], Path, str, list[str], int]) -> tuple[Design, str]:
    """The best designs known of a training problem and found by searches, and a line of it."""
    name, path, learner, kinds, seed = task
    given, config = problem(*name), parse_config(learner)
    known = load_policy(path, given, config).known
    parts = [given.evaluate(*known.nearest(given, NEIGHBOURS))]
    before = best_of(given, parts)
    for kind in kinds:
        strategy = strategy_of(kind, config, path)
        front = search(given, strategy, DEFAULT_EVALUATIONS, seed).archive.members
        parts += [] if front is None else [front]
    after = best_of(given, parts)
    scores = [
        "none" if not len(best) else f"{score(best, given)[0]:.4f}" for best in (before, after)
    ]
    return (after.discrete, after.continuous), " to ".join(scores)


def told_of(path: Path, began: float) -> None:
    """Says how large a policy is and how long it took."""
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {time.perf_counter() - began:.0f} s")


def check(args: argparse.Namespace) -> None:
    """The policy on problems that it has seen and on those that it has not."""
    few = max(DEFAULT_EVALUATIONS // FEWER, 1)
    cases = {
        "trained on": ("3nm", "llama", "high-performance"),
        "node held out": (HELD_OUT_NODE, "llama", "high-performance"),
        "workload held out": ("3nm", HELD_OUT_WORKLOAD, "high-performance"),
        "goal held out": ("3nm", "llama", HELD_OUT_GOAL),
        "all three held out": (HELD_OUT_NODE, HELD_OUT_WORKLOAD, HELD_OUT_GOAL),
    }
    config = parse_config(args.learner)
    policy = SacMoe(config, str(args.check), train=False)
    print(
        f"| problem | policy, {few} | policy, {args.budget:,} | s | from nothing, {args.budget:,} |"
    )
    print("|" + " --- |" * 5)
    for kind, name in cases.items():
        given = problem(*name)
        quick = [search(given, policy, few, seed).best_score for seed in range(args.seeds)]
        began = time.perf_counter()
        full = [search(given, policy, args.budget, seed).best_score for seed in range(args.seeds)]
        seconds = (time.perf_counter() - began) / args.seeds
        nothing = [
            search(given, SacMoe(config), args.budget, seed).best_score
            for seed in range(args.seeds)
        ]
        print(
            f"| {kind}: {' '.join(name)} | {middle(quick)} | {middle(full)} | {seconds:.1f} "
            f"| {middle(nothing)} |",
            flush=True,
        )


def middle(scores: list[float | None]) -> str:
    """The median; a run that found nothing feasible counts as the lowest."""
    value = median(-np.inf if score is None else score for score in scores)
    return "none feasible" if value == -np.inf else f"{value:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--evaluations", type=int, default=400_000)
    parser.add_argument("--every", type=int, default=1, help="train on each n-th problem alone")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--learner", default="", help="as rl-explore's option")
    parser.add_argument("--designs", type=Path, help="search better known designs for this policy")
    parser.add_argument("--searches", default=",".join(SEARCHES), help="by which (%(default)s)")
    parser.add_argument("--only", default="", help="such problems alone: '22nm,llama,small'")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--check", type=Path, help="compare this policy, train nothing")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=DEFAULT_EVALUATIONS)
    args = parser.parse_args()
    for kind in args.searches.split(","):
        if kind not in SEARCHES:
            parser.error(f"unknown search: {kind}; there are {', '.join(SEARCHES)}")
    if args.only and args.designs is None:
        parser.error("--only is of --designs")
    args.only = set(filter(None, args.only.split(",")))
    if not any(args.only <= set(name) for name in training()):
        parser.error(f"no problem of the training is {', '.join(sorted(args.only))}")
    torch.set_num_threads(1)
    if args.check is not None:
        check(args)
    elif args.designs is not None:
        search_designs(args)
    else:
        train(args)


if __name__ == "__main__":
    main()
