"""Placements of programs: bytes times links of every search beside the rule's and a bound.

    python benchmarks/placement.py [--designs 6] [--workloads CNN]

Random legal designs of the workloads of model_vs_simulator.py are programmed, and placed by every
strategy. The table says, as medians and ranges over designs, what a program moves, of what the
rule's moves; what the timing simulator makes of it, cycles and energy of a step, of the rule's; and
the seconds that generating and placing take. Figures are of programs as they were generated, where
arrivals that came to lie on the same tiles are received once.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from model_vs_simulator import WORKLOADS, subject

from asic_compiler.plan.make import make_plan
from asic_compiler.plan.plan import Plan
from asic_compiler.program.place import PlacedProgram, generate_placed
from asic_compiler.program.placement.search import STRATEGIES
from asic_compiler.simulate.timing.energy import EventCosts, event_costs, step_energy
from asic_compiler.simulate.timing.engine import simulate
from asic_compiler.simulate.timing.link.linker import link
from asic_compiler.simulate.timing.report import report_of

SEED = 0


def simulated(placed: PlacedProgram, costs: EventCosts) -> tuple[float, float]:
    """Cycles and joule of a step."""
    linked = link(placed.program)
    report = report_of(linked, simulate(linked.program, 1), 1)
    return float(report.latency_cycles), sum(step_energy(report, costs).values())


def measure(name: str, designs: int) -> dict[str, list[tuple[float, ...]]]:
    """Of all strategies and designs: hop-bytes, bound, cycles, energy over the rule's; seconds."""
    own = subject(name, SEED)
    found: dict[str, list[tuple[float, ...]]] = {strategy: [] for strategy in STRATEGIES}
    for index in range(min(designs, len(own.discrete))):
        row = slice(index, index + 1)
        design = own.problem.decode(own.discrete[row], own.continuous[row])
        plan: Plan = make_plan(own.problem.model, design, 85.0)
        costs = event_costs(own.problem.model, design, plan.chip)
        rule = (1.0, 1.0)
        for strategy in STRATEGIES:
            started = time.perf_counter()
            placed = generate_placed(own.module, plan, strategy, SEED)
            seconds = time.perf_counter() - started
            cycles, energy = simulated(placed, costs)
            if strategy == "rule":
                rule = (cycles, energy)
            before = placed.placement.rule_hop_bytes
            if before:
                found[strategy].append((
                    placed.hop_bytes / before, placed.least_hop_bytes / before,
                    cycles / rule[0], energy / rule[1], seconds, float(bool(placed.refused)),
                ))  # fmt: skip
    return found


def spread(values: np.ndarray) -> str:
    return f"{np.median(values):.3f} ({values.min():.3f} to {values.max():.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--designs", type=int, default=6, help="of each workload")
    parser.add_argument("--workloads", nargs="+", default=[*WORKLOADS], choices=[*WORKLOADS])
    options = parser.parse_args()
    print("| workload | placement | hop-bytes / rule | bound / rule | cycles / rule ", end="")
    print("| energy / rule | s | refused |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in options.workloads:
        for strategy, rows in measure(name, options.designs).items():
            table = np.array(rows)
            cells = [spread(table[:, column]) for column in range(4)]
            print(
                f"| {name} | {strategy} | {' | '.join(cells)} | {np.median(table[:, 4]):.1f} "
                f"| {int(table[:, 5].sum())} of {len(table)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
