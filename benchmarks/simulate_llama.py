"""One step of Llama 3.1 8B decode on 41 x 42 tiles, simulated cycle by cycle.

    python benchmarks/simulate_llama.py [--periods 1] [--mesh 41x42] [--program out/program.mlir]

Without --program the model is imported, and the fastest of 4,096 random legal designs is placed
(one stage, seed 0). Prints what each step takes in seconds of this process, its peak memory, what
the run tells, the cost model's figures beside it, and the operators that take longest.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.program.elaborate import elaborate
from asic_compiler.simulate.timing.engine import simulate
from asic_compiler.simulate.timing.link.linker import link
from asic_compiler.simulate.timing.report import operator_names, report_of
from asic_compiler.simulate.timing.validation import validate

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp

    from asic_compiler.hardware.design import DesignBatch
    from asic_compiler.plan.make import EvaluatedPlan
    from asic_compiler.ppa.model import PPAModel
    from asic_compiler.simulate.timing.report import TimingReport

MODEL = ["llama-3.1-8b", "--phase", "decode", "--batch", "3", "--context", "2048"]
CANDIDATES = 4096


class Clock:
    """Seconds of wall and of processor, step by step."""

    def __init__(self) -> None:
        self.last = time.perf_counter(), time.process_time()

    def step(self, name: str) -> float:
        """Prints what passed since the step before."""
        now = time.perf_counter(), time.process_time()
        wall, busy = (a - b for a, b in zip(now, self.last, strict=True))
        self.last = now
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{name:12}{wall:9.2f} s {busy:9.2f} s of processor {peak:8.0f} MiB peak", flush=True)
        return wall


def make(width: int, height: int) -> tuple[ModuleOp, PPAModel, DesignBatch, EvaluatedPlan]:
    """Imports and places the model."""
    from xdsl.context import Context

    from asic_compiler.explore.problem import ChipProblem
    from asic_compiler.hardware.design import Freedom
    from asic_compiler.hardware.space import INDEX
    from asic_compiler.mapping.profile import Profile
    from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
    from asic_compiler.plan.make import make_plan
    from asic_compiler.ppa.conditions import Conditions
    from asic_compiler.program.generate import generate
    from asic_compiler.technology.library import load_node
    from asic_compiler.tools.asic_import import main as import_main
    from asic_compiler.workload.extract import extract

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "llama.mlir"
        if import_main([*MODEL, "-o", str(path)]):
            raise SystemExit(1)
        module = parse_module(path.read_text(), path.name)
    ConvertLinalgToAsic().apply(Context(), module)
    profile = Profile(extract(module))
    problem = ChipProblem(profile, load_node("3nm"), Conditions(), Freedom(), (0.4, 0.4, 0.2))
    discrete, continuous = problem.start(CANDIDATES, np.random.default_rng(0))
    metrics = problem.model.evaluate(problem.decode(discrete, continuous))
    best = int(np.argmax(np.where(metrics.legal, metrics.tokens_per_s, 0.0)))
    discrete, continuous = discrete[best : best + 1].copy(), continuous[best : best + 1].copy()
    discrete[0, :2] = width, height
    continuous[0, INDEX["stages"]] = -1.0
    design = problem.decode(discrete, continuous)
    plan = make_plan(problem.model, design, 85.0)
    return generate(module, plan), problem.model, design, plan


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--periods", type=int, default=1)
    parser.add_argument("--mesh", default="41x42")
    parser.add_argument("--program", help="a program that is there already")
    options = parser.parse_args()
    clock = Clock()
    made: tuple[PPAModel, DesignBatch, EvaluatedPlan] | None = None
    if options.program:
        module = parse_module(Path(options.program).read_text(), options.program)
        clock.step("parse")
    else:
        width, height = (int(size) for size in options.mesh.split("x"))
        module, model, design, plan = make(width, height)
        made = model, design, plan
        clock.step("generate")
    elaboration = elaborate(module)
    seconds = clock.step("elaborate")
    linked = link(module, elaboration)
    seconds += clock.step("link")
    validate(linked.program)
    result = simulate(linked.program, options.periods)
    seconds += clock.step("simulate")
    report = report_of(linked, result, options.periods)
    texts = linked.program.texts
    tiles = int((linked.program.text_of_tile >= 0).sum())
    print(f"elaborate, link, simulate: {seconds:.1f} s\n")
    print(
        f"{tiles} tiles, {len(texts.kind):,} lines, {result.instructions:,} instructions,"
        f" {result.traversals:,} traversals, {result.instructions / seconds:,.0f} instructions/s"
    )
    print(report.table())
    ends = result.operator_end[0]
    gaps = np.diff(np.maximum.accumulate(ends), prepend=0)
    names = operator_names(linked)
    kinds: dict[str, tuple[int, int]] = {}
    for name, gap in zip(names, gaps.tolist(), strict=True):
        what = name.split(" ")[-1]
        count, total = kinds.get(what, (0, 0))
        kinds[what] = count + 1, total + gap
    print(f"{'instruction':20}{'operators':>10}{'cycles to its end after the one before':>42}")
    for what, (count, total) in sorted(kinds.items(), key=lambda item: -item[1][1]):
        print(f"{what:20}{count:>10}{total:>42,}")
    if made:
        compare(report, *made)


def compare(
    report: TimingReport, model: PPAModel, design: DesignBatch, plan: EvaluatedPlan
) -> None:
    from asic_compiler.simulate.timing.energy import event_costs, model_energy, step_energy

    metrics = plan.metrics
    cycles = float(metrics.latency_s[0] * metrics.clock_hz[0])
    print(f"\n{'':12}{'simulated':>14}{'model':>14}{'ratio':>8}")
    rows = {"cycles": (float(report.latency_cycles), cycles)}
    found, expected = (
        step_energy(report, event_costs(model, design, plan.chip)),
        model_energy(metrics),
    )
    rows |= {f"{name} uJ": (found[name] * 1e6, expected[name] * 1e6) for name in found}
    rows["sum uJ"] = sum(found.values()) * 1e6, sum(expected.values()) * 1e6
    for name, (a, b) in rows.items():
        if a or b:
            print(f"{name:12}{a:14,.1f}{b:14,.1f}{a / b if b else float('nan'):8.2f}")


if __name__ == "__main__":
    main()
