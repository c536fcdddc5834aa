"""The analytic model against the timing simulator, on random legal designs.

    python benchmarks/model_vs_simulator.py [--designs 200] [--workloads CNN] [--minutes 30]
    python benchmarks/model_vs_simulator.py --table

For each workload random legal designs of the whole space are programmed and simulated, one step
and, of pipelines, some more: latency and energy of a step, and the cycles between two steps, are
set beside the model's. Nothing is fitted: where the two differ, one of them is wrong. Models keep
their widths but have one or two layers; images are of 256 x 256 and not 512 x 512 pixels, since a
program for the 1,024 patches of the latter takes minutes; the CNN is that of the tests.

Two processes, one thread each. Every finished design is a line of
benchmarks/data/agreement/<workload>.jsonl and is not repeated: the script goes on where it was
stopped. A record holds a digest of what the model says of fixed designs: when the model has
changed, the run is made again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from functional_cases import MODELS
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from asic_compiler.explore.problem import ChipProblem
from asic_compiler.files import write_atomic
from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.frontends.models.catalogue import named_model
from asic_compiler.hardware.design import Freedom
from asic_compiler.mapping.profile import Profile
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
from asic_compiler.plan.make import make_plan
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.program.generate import generate
from asic_compiler.simulate.timing.energy import event_costs, model_energy, step_energy
from asic_compiler.simulate.timing.engine import simulate
from asic_compiler.simulate.timing.link.linker import link
from asic_compiler.simulate.timing.report import report_of
from asic_compiler.technology.library import load_node
from asic_compiler.tools.asic_import import main as import_main
from asic_compiler.workload.extract import extract

LLAMA, VLM = ["llama-3.1-8b", "--layers", "2"], ["smolvlm-256m", "--layers", "2"]
WORKLOADS: dict[str, list[str]] = {
    "Llama decode": [*LLAMA, "--phase", "decode", "--batch", "3", "--context", "2048"],
    "Llama prefill": [*LLAMA, "--phase", "prefill", "--batch", "1", "--context", "32"],
    "SmolVLM vision": ["vision.json", "--part", "vision", "--layers", "1"],
    "SmolVLM text": [*VLM, "--phase", "decode", "--batch", "1", "--context", "2048"],
    "CNN": ["small_models:cnn"],
}
IMAGE = 256
TRIES = 16384
FOLDER = Path(__file__).parent / "data" / "agreement"
Record = dict[str, Any]


class Subject(NamedTuple):
    """A workload, and the legal designs drawn of it."""

    module: ModuleOp
    problem: ChipProblem
    discrete: np.ndarray
    continuous: np.ndarray
    digest: str
    """Of what the model says of all designs drawn."""


@cache
def subject(name: str, seed: int) -> Subject:
    sys.path.insert(0, str(MODELS))
    with tempfile.TemporaryDirectory() as folder:
        path, config = Path(folder) / "model.mlir", Path(folder) / "vision.json"
        vision = dict(named_model("smolvlm-256m").config)
        vision["vision_config"] = {**vision["vision_config"], "image_size": IMAGE}
        config.write_text(json.dumps(vision))
        arguments = [str(config) if a == config.name else a for a in WORKLOADS[name]]
        if import_main([*arguments, "-o", str(path)]):
            raise SystemExit(1)
        module = parse_module(path.read_text(), path.name)
    ConvertLinalgToAsic().apply(Context(), module)
    profile = Profile(extract(module))
    problem = ChipProblem(profile, load_node("3nm"), Conditions(), Freedom(), (0.4, 0.4, 0.2))
    rng = np.random.default_rng(seed)
    discrete, continuous = problem.start(TRIES, rng)
    wild = rng.random(TRIES) < 0.5
    continuous[wild] = rng.uniform(-1.0, 1.0, (int(wild.sum()), continuous.shape[1]))
    metrics = problem.model.evaluate(problem.decode(discrete, continuous))
    said = np.stack([metrics.latency_s, metrics.period_cycles, metrics.energy_parts_j.sum(axis=1)])
    digest = hashlib.sha256(np.float32(said).tobytes()).hexdigest()[:12]
    chosen = rng.permutation(np.flatnonzero(metrics.legal))
    return Subject(module, problem, discrete[chosen], continuous[chosen], digest)


def run(name: str, seed: int, index: int) -> Record:
    """Simulates one design."""
    own = subject(name, seed)
    started = time.perf_counter()
    row = slice(index, index + 1)
    design = own.problem.decode(own.discrete[row], own.continuous[row])
    plan = make_plan(own.problem.model, design, 85.0)
    linked = link(generate(own.module, plan))
    result = simulate(linked.program, 1)
    report = report_of(linked, result, 1)
    latency, stages = report.latency_cycles, plan.chip.stages
    if stages > 1:
        periods = 2 * stages + 2
        result = simulate(linked.program, periods)
        report = report_of(linked, result, periods)
    metrics = plan.metrics
    costs = event_costs(own.problem.model, design, plan.chip)
    return {
        "workload": name, "seed": seed, "index": index, "model": own.digest,
        "tiles": plan.chip.mesh_width * plan.chip.mesh_height, "stages": stages,
        "dies": plan.chip.dies, "deadlock": result.failure is not None,
        "latency": [float(metrics.latency_s[0] * metrics.clock_hz[0]), float(latency)],
        "period": [float(metrics.period_cycles[0]), float(report.period_cycles)],
        "energy": {
            part: [value, simulated]
            for (part, value), simulated in zip(
                model_energy(metrics).items(), step_energy(report, costs).values(), strict=True
            )
        },
        "seconds": round(time.perf_counter() - started, 2),
    }  # fmt: skip


def path_of(name: str) -> Path:
    return FOLDER / f"{name.lower().replace(' ', '_')}.jsonl"


def load(name: str, seed: int) -> dict[int, Record]:
    """The records of a workload that the model of today made, by design."""
    found: dict[int, Record] = {}
    if path_of(name).exists():
        for line in path_of(name).read_text().splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:  # the last line of a run that was killed
                continue
            if record["seed"] == seed and record["model"] == subject(name, seed).digest:
                found[record["index"]] = record
    return found


def work(names: list[str], options: argparse.Namespace) -> None:
    """Makes what is missing."""
    deadline = time.monotonic() + 60.0 * options.minutes
    todo: list[tuple[str, int]] = []
    for name in names:
        held, there = load(name, options.seed), len(subject(name, options.seed).discrete)
        todo += [(name, i) for i in range(min(options.designs, there)) if i not in held]
        # Those of an older model are dropped; a line is written when its design is done.
        FOLDER.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(held[i]) for i in sorted(held)]
        write_atomic(path_of(name), "".join(line + "\n" for line in lines).encode())
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        running: set[Future[Record]] = set()
        done, queue = 0, iter(todo)
        while True:
            while len(running) < 2 and time.monotonic() < deadline:
                following = next(queue, None)
                if following is None:
                    break
                running.add(pool.submit(run, following[0], options.seed, following[1]))
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                record = future.result()
                with path_of(record["workload"]).open("a") as file:
                    file.write(json.dumps(record) + "\n")
                done += 1
                if sys.stderr.isatty() or done % 20 == 0:
                    print(f"{done} of {len(todo)}", file=sys.stderr)


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    ranks = np.stack([np.argsort(np.argsort(v)).astype(float) for v in (a, b)])
    return float(np.corrcoef(ranks)[0, 1]) if len(a) > 2 else float("nan")


def errors(pairs: np.ndarray) -> str:
    ours, theirs = pairs[:, 0], pairs[:, 1]
    error = np.abs(ours / theirs - 1.0)
    return (
        f"{np.median(error):9.1%}{np.quantile(error, 0.95):9.1%}"
        f"{np.median(ours / theirs - 1.0):+9.1%}{spearman(ours, theirs):9.3f}"
    )


def table(names: list[str], seed: int) -> None:
    """Prints errors of latency, period and energy, then those of the parts of the energy."""
    heads = "".join(f"{h:>9}" for h in ("median", "95 %", "bias", "rank"))
    print(f"{'workload':15}{'designs':>8}{'pipes':>6}{'quantity':>10}{heads}{'s each':>8}")
    records = {name: list(load(name, seed).values()) for name in names}
    for name, own in records.items():
        if not own:
            continue
        pipes = [r for r in own if r["stages"] > 1]
        energy = np.array(
            [np.array(list(r["energy"].values())).sum(axis=0) for r in own], dtype=np.float64
        )
        rows = {
            "latency": np.array([r["latency"] for r in own]),
            "energy": energy,
            "period": np.array([r["period"] for r in pipes]),
        }
        seconds = float(np.median([r["seconds"] for r in own]))
        for quantity, pairs in rows.items():
            if len(pairs):
                print(
                    f"{name:15}{len(own):8}{len(pipes):6}{quantity:>10}{errors(pairs)}{seconds:8.1f}"
                )
        if any(r["deadlock"] for r in own):
            print(f"{name:15}{sum(r['deadlock'] for r in own):8} programs that do not end")
    print(f"\n{'part of energy':15}" + "".join(f"{name:>24}" for name in records))
    print(f"{'':15}" + "".join(f"{'share  model/simulator':>24}" for _ in records))
    for part in next((list(r[0]["energy"]) for r in records.values() if r), []):
        line = f"{part:15}"
        for own in records.values():
            pairs = np.array([r["energy"][part] for r in own]).reshape(-1, 2)
            total = np.array([sum(v[1] for v in r["energy"].values()) for r in own])
            some = pairs[:, 1] > 0.0
            ratio = f"{np.median(pairs[some, 0] / pairs[some, 1]):.2f}" if some.any() else "-"
            share = float(np.median(pairs[:, 1] / total)) if len(own) else 0.0
            line += f"{share:14.1%}{ratio:>10}"
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--designs", type=int, default=200, help="of each workload")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="to start new designs in")
    parser.add_argument("--workloads", default="", help="only those whose name contains this")
    parser.add_argument("--table", action="store_true", help="only print what is there")
    options = parser.parse_args()
    names = [name for name in WORKLOADS if options.workloads in name]
    if not options.table:
        work(names, options)
    table(names, options.seed)


if __name__ == "__main__":
    main()
