"""The best designs found at every seed node: Llama 3.1 8B at 51.4 W, SmolVLM-256M under 13 mW.

    python benchmarks/nodes_table.py [--evaluations 4613] [--seeds 3] [--nodes 3nm,...]
        [--llama llama.mlir] [--smolvlm vlm.mlir]

Llama is asked for the most tokens/s within the power at 85 C, in FP16 and in W8A8 with an 8-bit
cache. SmolVLM's language model runs in low-power mode: 10 MHz, 25 C, weights in mask ROM. Of
several seeds the best design is shown. Models that are not given are imported first. Tables are
Markdown.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from xdsl.context import Context

import asic_compiler as ac
from asic_compiler.diagnostics import UserError
from asic_compiler.explore.request import Request
from asic_compiler.explore.run import Exploration, explore
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
from asic_compiler.workload.extract import extract
from asic_compiler.workload.table import OperatorTable

NODES = ("3nm", "5nm", "7nm", "10nm", "14nm", "22nm", "28nm")
BUDGET_W = 51.4
MODELS = {
    "llama": ("llama-3.1-8b", "--phase", "decode", "--batch", "3", "--context", "2048"),
    "smolvlm": ("smolvlm-256m", "--part", "text", "--phase", "decode", "--context", "2048"),
}


def read(name: str, path: Path | None, folder: Path) -> OperatorTable:
    """The operator table of a model, imported first where no file is given."""
    if path is None:
        path = folder / f"{name}.mlir"
        importer = Path(sys.executable).parent / "asic-import"
        subprocess.run([str(importer), *MODELS[name], "-o", str(path)], check=True)
    module = ac.parse_file(str(path))
    ConvertLinalgToAsic().apply(Context(), module)
    return extract(module)


def best(table: OperatorTable, seeds: int, request: dict[str, object]) -> Exploration | UserError:
    """The design with most tokens/s of all seeds and strategies; without a goal, of best score."""
    found: list[Exploration] = []
    refused: UserError | None = None
    strategies = str(request["strategies"]).split(",")
    own = {name: value for name, value in request.items() if name != "strategies"}
    for seed, strategy in product(range(seeds), strategies):
        try:
            asked = Request(seed=seed, strategy=strategy, **own)  # type: ignore[arg-type]
            found.append(explore(table, asked))
        except UserError as error:
            refused = error
    if not found:
        assert refused is not None
        return refused
    if "goal" in request:
        return max(found, key=lambda e: float(e.plan.metrics.tokens_per_s[0]))
    return max(found, key=_score)


def _score(outcome: Exploration) -> float:
    assert outcome.result.best_score is not None  # where nothing is feasible there is no outcome
    return outcome.result.best_score


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000.0 else f"{value:.4g}"


def row(node: str, outcome: Exploration | UserError, milli: bool) -> dict[str, str]:
    """One line of a table; power in mW where ``milli``."""
    if isinstance(outcome, UserError):
        return {"node": node, "mesh": f"none: {'; '.join(outcome.notes)}"}
    chip, m, parts = outcome.plan.chip, outcome.plan.metrics, outcome.breakdown
    made, unit = parts.manufacture, 1e3 if milli else 1.0
    watts = "mW" if milli else "W"
    store = sum(parts.power_w[f"{name}_leakage"] for name in ("logic", "sram", "rom"))
    return {
        "node": node,
        "mesh": f"{chip.mesh_width}x{chip.mesh_height}",
        "stages": str(chip.stages),
        "dies": str(chip.dies),
        "MHz": f"{chip.clock_hz / 1e6:.4g}",
        "V": f"{chip.supply_v:.2f}",
        "tokens/s": f"{_count(m.tokens_per_s[0])}",
        "a user": f"{_count(m.tokens_per_s_per_user[0])}",
        watts: f"{m.power_w[0] * unit:.4g}",
        f"leakage, {watts}": f"{store * unit:.3g}",
        "mm2": f"{m.area_mm2[0]:,.5g}",
        "mJ/token": f"{m.energy_per_token_j[0] * 1e3:.4g}",
        "yield": f"{made.yield_of_die:.0%}",
        "chips a wafer": f"{made.chips_per_wafer:.3g}",
    }


def show(title: str, rows: list[dict[str, str]]) -> None:
    """Prints a Markdown table."""
    names = max(rows, key=len)
    print(f"\n### {title}\n")
    print("| " + " | ".join(names) + " |")
    print("|" + " --- |" * len(names))
    for line in rows:
        print("| " + " | ".join(line.get(name, "") for name in names) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--evaluations", type=int, default=4613)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--strategies", default="cma-es,sac-moe")
    parser.add_argument("--nodes", default=",".join(NODES))
    parser.add_argument("--llama", type=Path)
    parser.add_argument("--smolvlm", type=Path)
    args = parser.parse_args()
    nodes = args.nodes.split(",")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"NumPy {np.__version__}; {args.evaluations} evaluations, best of {args.seeds} seed(s) of "
        f"{args.strategies}"
    )
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        llama = read("llama", args.llama, Path(folder))
        smolvlm = read("smolvlm", args.smolvlm, Path(folder))
    goal = f"maximize tokens_per_s subject to power <= {BUDGET_W} W"
    plain: dict[str, object] = {"evaluations": args.evaluations, "strategies": args.strategies}
    formats: tuple[tuple[str, dict[str, object]], ...] = (
        ("FP16, weights in mask ROM", {}),
        ("W8A8 with an 8-bit cache, weights in mask ROM",
         {"precision": ("w8a8",), "kv_bits": (8,)}),
    )  # fmt: skip
    for name, format_ in formats:
        rows = [
            row(n, best(llama, args.seeds, {"node": n, "goal": goal, **plain, **format_}), False)
            for n in nodes
        ]
        show(f"Llama 3.1 8B decode, batch 3, context 2048: most tokens/s in {BUDGET_W} W, {name}",
             rows)  # fmt: skip
    low = {"mode": "low-power", **plain}
    rows = [row(n, best(smolvlm, args.seeds, {"node": n, **low}), True) for n in nodes]
    show("SmolVLM-256M decode, FP16, mask ROM, context 2048: 10 MHz, 25 C, at most 13 mW", rows)
    print(f"\n{time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
