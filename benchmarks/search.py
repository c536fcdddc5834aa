"""The evidence: every strategy on every node and workload over many seeds, at an equal budget.

    python benchmarks/search.py                     # what is missing of the whole comparison
    python benchmarks/search.py --strategies cma-es,sac-moe --nodes 7nm --seeds 2 --minutes 10
    python benchmarks/search.py --seconds 20        # at equal processor time instead
    python benchmarks/search.py --ablations         # the learner without one of its parts
    python benchmarks/search.py --strategies sac-moe/pretrained --budget 92   # a 50th
    python benchmarks/search.py --best-known        # 100 times the budget, for those that can
    python benchmarks/search.py --docs              # tables, pictures and data of docs/evidence
    python benchmarks/search.py --exact             # an enumerated space: gap to its optimum
    python benchmarks/search.py --carry             # after a rewrite that changes no result
    python benchmarks/search.py --table             # what the records say

Two processes, one thread each. A finished run is a line of benchmarks/data/search/<strategy>.jsonl
and is not repeated: the script goes on where it was stopped, by --minutes, Ctrl-C or SIGKILL. A
record holds digests of the cost model (of what it says of fixed designs) and of the strategy's
code; where either has changed, the run is made again. After code was rewritten --carry makes two
runs of each strategy, workload and limit again, and where both find the same keeps all records of
these. --compact drops the records left behind.

Every strategy gets the same problem, the same number of evaluations and, if it works on points, the
same 64 starts of a seed. Scores are docs/explorer.md's: the logarithm of performance^a / (power^b
area^c). "To best known" is by how much that figure of merit is lower than that of the best design
known, and 99 % is reached where it is within 1 %.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from itertools import repeat
from multiprocessing import get_context

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from search_evidence import carry, exact, pages, pictures, rows, store
from search_evidence.plan import (
    ABLATIONS,
    BEST_KNOWN,
    BUDGET,
    ENTRANTS,
    EVERY,
    FEW_SEEDS,
    PRETRAINED,
)
from search_evidence.runs import Record, Task, code_digest, model_digest, run
from search_evidence.tables import ablations, limit_in_words, overview, scores_of, tables
from search_evidence.tables import enumerated as enumerated_table
from search_evidence.workloads import NODES, WORKLOADS, table_of

from asic_compiler.files import write_atomic


def tasks(args: argparse.Namespace) -> Iterator[Task]:
    """All runs asked for, the first seed of everything before the second of anything."""
    for seed in range(args.seeds):
        for workload in args.workloads:
            for node in args.nodes:
                for label in args.strategies:
                    if seed < EVERY[label].seeds:
                        yield Task(workload, node, label, seed, args.limit)


def missing(asked: Iterable[Task]) -> list[Task]:
    """Those that no current record answers."""
    held = store.load()
    return [task for task in asked
            if task.key not in held or not store.is_current(held[task.key])]  # fmt: skip


def hints(limit: str, records: Iterable[Record]) -> dict[tuple[str, str], int]:
    """By workload and strategy, evaluations that are tried first at a limit in seconds.

    In proportion to the run that took the most like it; none where there has been no run.
    """
    if not limit.endswith("s"):
        return {}
    seconds, nearest = float(limit[:-1]), dict[tuple[str, str], tuple[float, int]]()
    for record in records:
        pace = seconds / max(record["cpu_s"], 1e-3)
        found = abs(math.log(pace)), max(int(record["evaluations"] * pace), 1)
        key = record["workload"], record["strategy"]
        nearest[key] = min(nearest.get(key, found), found)
    return {key: evaluations for key, (_, evaluations) in nearest.items()}


def next_hint(record: Record, seconds: float) -> int:
    """Evaluations that the next run tries first: half of the way to what would have taken so long.

    A machine is now faster and now slower: at the edge of what counts as ``seconds`` many runs
    would be made twice.
    """
    return max(round(record["evaluations"] * math.sqrt(seconds / max(record["cpu_s"], 1e-3))), 1)


def work(todo: list[Task], processes: int, minutes: float) -> int:
    """Makes the runs, writes each as it ends; returns how many were made.

    Raises:
        SystemExit: In the end, if a run failed: it is reported, and the others go on.
    """
    failed: list[str] = []
    deadline = time.monotonic() + 60.0 * minutes
    first = hints(todo[0].limit, store.load().values()) if todo else {}
    queue, made, running = iter(todo), 0, dict[Future[tuple[Record, Record]], Task]()
    pool = workers(processes)
    try:
        while True:
            while len(running) < processes and time.monotonic() < deadline:
                task = next(queue, None)
                if task is None:
                    break
                task = replace(task, hint=first.get((task.workload, task.label), task.hint))
                running[pool.submit(run, task)] = task
            if not running:
                if failed:
                    raise SystemExit(f"{made} made, {len(failed)} failed:\n" + "\n".join(failed))
                return made
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                if (error := future.exception()) is not None:
                    failed.append(f"{' '.join(map(str, task.key))}: {error!r}")
                    print(f"failed: {failed[-1]}", flush=True)
                    continue
                record, design = future.result()
                store.append(record)
                better = store.offer_best(design)
                if task.limit.endswith("s"):
                    first[task.workload, task.label] = next_hint(record, float(task.limit[:-1]))
                made += 1
                print(told(record, made, len(todo)) + (" best known" if better else ""), flush=True)
    finally:
        # Waits only where nothing runs: an exit while the pool still ends itself prints a trace.
        pool.shutdown(wait=not running, cancel_futures=True)


def leave_with_parent(parent: int) -> None:
    """In a worker: ends it when the script is killed; it would wait for work for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def workers(processes: int) -> ProcessPoolExecutor:
    """Processes that start afresh, one thread each."""
    return ProcessPoolExecutor(processes, get_context("spawn"), leave_with_parent, (os.getpid(),))


def told(record: Record, made: int, of: int) -> str:
    """A finished run in a line."""
    value = "none feasible" if record["score"] is None else f"{record['score']:.4f}"
    return (
        f"{made}/{of} {record['workload']} {record['node']} {record['strategy']} "
        f"seed {record['seed']}: {value}, {record['evaluations']:,} evaluations, "
        f"{record['cpu_s']:.1f} s of {record['wall_s']:.1f}"
    )


def enumerated(args: argparse.Namespace) -> None:
    """Optimum of the reduced space, and what each strategy finds of it."""
    path = store.FOLDER / "exact.json"
    store.FOLDER.mkdir(parents=True, exist_ok=True)
    held: dict[str, Record] = json.loads(path.read_text()) if path.exists() else {}
    keys = {label: f"{label} {code_digest(label)} {args.limit}" for label in args.strategies}
    with workers(args.processes) as pool:
        for workload in args.workloads:
            for node in args.nodes:
                name, digest = f"{workload} {node}", model_digest(workload, node)
                if held.get(name, {}).get("model") != digest:
                    edges = np.linspace(0, exact.SIZE, 4 * args.processes + 1).astype(int).tolist()
                    parts = list(
                        pool.map(
                            exact.enumerate_part,
                            repeat(workload),
                            repeat(node),
                            edges[:-1],
                            edges[1:],
                        )
                    )
                    best, at, _ = max(parts)
                    held[name] = {
                        "model": digest,
                        "optimum": best,
                        "design": exact.describe(workload, node, at),
                        "designs": exact.SIZE,
                        "feasible": sum(part[2] for part in parts),
                        "runs": {},
                    }
                    write_atomic(path, json.dumps(held, indent=1) + "\n")
                one = held[name]
                one["runs"] = {
                    key: runs for key, runs in one["runs"].items() if store.is_current_key(key)
                }
                print(f"\n### {name}: {one['designs']:,} designs, {one['feasible']:,} feasible, "
                      f"optimum {one['optimum']:.5f} ({one['design']})\n")  # fmt: skip
                print("| strategy | runs | exact | median gap | largest gap |\n|" + " --- |" * 5)
                for label in args.strategies:
                    runs: dict[str, float | None] = one["runs"].setdefault(keys[label], {})
                    seeds = [s for s in range(min(args.seeds, EVERY[label].seeds))
                             if str(s) not in runs]  # fmt: skip
                    calls = [
                        pool.submit(exact.reduced_score, workload, node, label, s, int(args.limit))
                        for s in seeds
                    ]
                    for seed, call in zip(seeds, calls, strict=True):
                        runs[str(seed)] = call.result()
                        write_atomic(path, json.dumps(held, indent=1) + "\n")
                    gaps = one["optimum"] - scores_of(runs)
                    print(f"| {label} | {len(gaps)} | {(gaps < 1e-9).sum()} | "
                          f"{np.median(gaps):.5f} | {gaps.max():.5f} |", flush=True)  # fmt: skip
    asked = {f"{workload} {node}" for workload in args.workloads for node in args.nodes}
    # Others may be of another cost model.
    spaces = {name: held[name] for name in held if name in asked}
    for workload in args.workloads:
        show(f"{workload}: median below the optimum (runs that found it)",
             enumerated_table(spaces, keys, workload))  # fmt: skip


def carried(args: argparse.Namespace) -> None:
    """Takes over the records of code that was rewritten, where runs made again find the same."""
    asked = [(workload, node) for workload in args.workloads for node in args.nodes]
    with workers(args.processes) as pool:
        for take in (carry.carry, carry.carry_reduced):
            for line in take(pool, args.strategies, asked, store.FOLDER):
                print(line, flush=True)


def show(title: str, table: Iterator[str]) -> None:
    """Prints a table under its title, and nothing where it has no row."""
    if lines := list(table):
        print(f"\n### {title}\n", *lines, sep="\n")


def write_pages() -> None:
    """Makes the tables of the documentation anew."""
    records = store.load().values()
    current = [record for record in records if store.is_current(record)]
    path = store.FOLDER / "exact.json"
    held: dict[str, Record] = json.loads(path.read_text()) if path.exists() else {}
    evidence = pages.Evidence(
        current,
        store.best_known(),
        {name: one for name, one in held.items() if one["model"] == model_digest(*name.split())},
        {label: f"{label} {code_digest(label)} {BUDGET}" for label in EVERY},
    )
    page = pages.rewritten(pages.EVIDENCE.read_text(), evidence)
    write_atomic(pages.EVIDENCE, page)
    every = rows.rows_of(current, evidence.best)
    rows.DATA.parent.mkdir(exist_ok=True)
    write_atomic(rows.DATA, rows.as_csv(every))
    write_atomic(rows.PAGE, rows.as_page(every, sorted({r["versions"] for r in current})))
    for workload in WORKLOADS:
        drawn = pictures.picture(current, evidence.best, workload, BUDGET)
        write_atomic(pictures.place_of(workload), drawn)
    print(f"{len(current)} records; {len(records) - len(current)} of another cost model or code")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--table", action="store_true", help="print what the records say")
    choice.add_argument(
        "--docs", action="store_true", help="write tables, pictures and data of docs/evidence"
    )
    choice.add_argument("--exact", action="store_true", help="search an enumerated space")
    choice.add_argument("--best-known", action="store_true", help="runs of 100 times the budget")
    choice.add_argument("--carry", action="store_true", help="keep records of code rewritten")
    choice.add_argument("--compact", action="store_true", help="drop records that are not current")
    parser.add_argument("--strategies", help=f"some of {', '.join(EVERY)}")
    parser.add_argument("--ablations", action="store_true", help="the learner's, besides the whole")
    parser.add_argument("--nodes", default=",".join(NODES))
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--seeds", type=int, help="10; those over a minute a run have 5")
    parser.add_argument("--budget", type=int, default=BUDGET, help="evaluations of a run")
    parser.add_argument("--seconds", type=float, help="processor seconds of a run instead")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no run after these")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    usual = ENTRANTS
    if args.ablations:
        usual = {"sac-moe": ENTRANTS["sac-moe"], **ABLATIONS, **PRETRAINED}
    elif args.table or args.carry:
        usual = EVERY
    elif args.best_known:
        usual = {label: EVERY[label] for label in BEST_KNOWN}
    args.strategies = args.strategies.split(",") if args.strategies else list(usual)
    args.nodes, args.workloads = args.nodes.split(","), args.workloads.split(",")
    for asked, known in (
        (args.strategies, EVERY),
        (args.workloads, WORKLOADS),
        (args.nodes, NODES),
    ):
        for name in asked:
            if name not in known:
                parser.error(f"unknown: {name}; there are {', '.join(known)}")
    if args.exact and any(EVERY[label].policy != "none" for label in args.strategies):
        parser.error("an enumerated space has no context, by which a policy acts: none takes part")
    if args.seeds is None:
        args.seeds = 1 if args.best_known else FEW_SEEDS if args.exact else 10
    if args.best_known:
        args.budget *= 100
    args.limit = f"{args.seconds:g}s" if args.seconds else str(args.budget)
    return args


def main() -> None:
    args = parsed()
    for workload in args.workloads:
        table_of(workload)  # once, before two processes would both import it
    if args.compact:
        print("{} records kept, {} dropped".format(*store.compact()))
    elif args.carry:
        carried(args)
    elif args.docs:
        write_pages()
    elif args.exact:
        enumerated(args)
    elif args.table:
        chosen = [
            record for record in store.load(args.strategies).values()
            if record["workload"] in args.workloads and record["node"] in args.nodes
            and record["seed"] < args.seeds
        ]  # fmt: skip
        current = [record for record in chosen if store.is_current(record)]
        known, limit = store.best_known(), limit_in_words(args.limit)
        print(*tables(current, known, args.limit), sep="\n")
        for workload in args.workloads:
            own = [record for record in current if record["workload"] == workload]
            show(f"{workload}: median below the best known (runs), {limit}",
                 overview(own, known, args.limit))  # fmt: skip
            show(f"{workload}: the learner changed, against the whole, {limit}",
                 ablations(own, workload, args.limit))  # fmt: skip
        print(
            f"\n{len(current)} records; {len(chosen) - len(current)} of another cost model or code"
        )
    else:
        todo = missing(tasks(args))
        print(f"{len(todo)} runs to make")
        print(f"{work(todo, args.processes, args.minutes)} made")


if __name__ == "__main__":
    main()
