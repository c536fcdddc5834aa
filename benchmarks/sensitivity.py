"""Which constant moves throughput, power and area most: the chosen Llama 3.1 8B design at 3 nm.

The default search chooses a design; each uncertain constant (or constants of one source together)
then goes to its low and its high end, all else central.

    python benchmarks/sensitivity.py [--model llama.mlir] [--node 3nm] [--evaluations 4613]

Without a model the operator table of the tests stands for Llama's own IR.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))

import asic_compiler as ac
from asic_compiler.explore.request import Request
from asic_compiler.explore.run import Exploration, explore
from asic_compiler.ppa.corners import FIGURES, Corners
from asic_compiler.report.summary import summary

COLUMNS = {"tokens_per_s": "tokens/s", "power_w": "power", "area_mm2": "area"}


def chosen(options: argparse.Namespace) -> Exploration:
    request = {
        "node": options.node,
        "strategy": options.strategy,
        "evaluations": options.evaluations,
        "seed": options.seed,
        "tech": options.tech,
    }
    if options.model is not None:
        return ac.design_chip(ac.parse_file(str(options.model)), **request)
    from workloads import transformer

    return explore(transformer(), Request(**request))


def show_ranges(corners: Corners) -> None:
    print("\n| figure | central | likely | outermost |\n|---|---|---|---|")
    for name in FIGURES:
        r = corners.ranges[name]
        print(
            f"| {name} | {r.central:,.4g} | {r.low:,.4g} to {r.high:,.4g} "
            f"({r.low / r.central - 1:+.0%}, {r.high / r.central - 1:+.0%}) "
            f"| {r.bound_low:,.4g} to {r.bound_high:,.4g} |"
        )


def show_moves(corners: Corners, most: int) -> None:
    """The doubts that are among the first ``most`` for any of the three figures."""
    ranked = {name: [m.doubt for m in corners.ranked(name)] for name in COLUMNS}
    best = {
        move.doubt: min(r.index(move.doubt) if move.doubt in r else 999 for r in ranked.values())
        for move in corners.moves
    }
    shown = [m for m in corners.moves if best[m.doubt] < most]
    spread = {
        move.doubt: max(
            abs(end[name] / corners.ranges[name].central - 1.0)
            for name in COLUMNS
            for end in (move.low, move.high)
        )
        for move in shown
    }
    print("\n| constant, at its low and its high end | " + " | ".join(COLUMNS.values()) + " |")
    print("|---" * (1 + len(COLUMNS)) + "|")
    for move in sorted(shown, key=lambda m: (-spread[m.doubt], m.doubt)):
        cells = [
            f"{move.low[name] / corners.ranges[name].central - 1:+.1%}, "
            f"{move.high[name] / corners.ranges[name].central - 1:+.1%}"
            for name in COLUMNS
        ]
        print(f"| {move.doubt} | " + " | ".join(cells) + " |")
    nothing = [m.doubt for m in corners.moves if all(m.doubt not in r for r in ranked.values())]
    print(f"\n{len(corners.moves)} uncertain; {len(nothing)} of them move none of the three.")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--node", default="3nm")
    parser.add_argument("--tech")
    parser.add_argument("--strategy", default="sac-moe")
    parser.add_argument("--evaluations", type=int, default=4613)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=8, help="rows a figure")
    options = parser.parse_args()
    exploration = chosen(options)
    start = time.perf_counter()
    corners = exploration.corners
    print(f"corners took {time.perf_counter() - start:.2f} s")
    print(summary(exploration))
    show_ranges(corners)
    show_moves(corners, options.most)


if __name__ == "__main__":
    main()
