"""SAC-MoE beside random search at an equal budget: score, throughput, power, feasible share.

    python benchmarks/strategies.py [llama.mlir] [--seeds 3] [--nodes 3nm,28nm]

Without a file the model is imported first. One row a node and strategy: median over the seeds, and
the worst and best in brackets. The score is docs/explorer.md's; 0.01 of it are 4.7 % of
performance^0.4 / (power^0.4 area^0.2). benchmarks/search.py compares all strategies, at length.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

from asic_compiler.explore.options import DEFAULT_EVALUATIONS
from asic_compiler.explore.request import Request
from asic_compiler.explore.run import make_problem
from asic_compiler.explore.search import search
from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.mlir_text import parse_mlir
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
from asic_compiler.workload.extract import extract
from asic_compiler.workload.table import OperatorTable


def load(path: Path | None) -> OperatorTable:
    """The operator table of a file, or of Llama 3.1 8B decode imported now."""
    if path is None:
        from asic_compiler.frontends import ImportSpec, import_model

        spec = ImportSpec("llama-3.1-8b", phase="decode", batch=3, context=2048)
        text, name = import_model(spec).text, "llama.mlir"
    else:
        text, name = path.read_text(), str(path)
    context = make_context()
    module = parse_mlir(context, text, name)
    ConvertLinalgToAsic().apply(context, module)
    return extract(module)


def spread(values: list[float], form: str) -> str:
    """Median with the extremes in brackets."""
    return f"{median(values):{form}} [{min(values):{form}}, {max(values):{form}}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--nodes", default="3nm,28nm")
    parser.add_argument("--evaluations", type=int, default=DEFAULT_EVALUATIONS)
    args = parser.parse_args()
    table = load(args.model)
    print("| node | strategy | score | tokens/s | W | mm2 | feasible | wall s |")
    print("|" + " --- |" * 8)
    for node in args.nodes.split(","):
        problem = make_problem(table, Request(node=node).resolved())
        for strategy in ("random", "sac-moe"):
            runs, seconds = [], []
            for seed in range(args.seeds):
                began = time.perf_counter()
                runs.append(search(problem, strategy, args.evaluations, seed))
                seconds.append(time.perf_counter() - began)
            best = [run.best for run in runs if run.best is not None]
            row = [
                spread([run.best_score for run in runs if run.best_score is not None], ".4f"),
                spread([float(b.performance[0]) for b in best], ".4g"),
                spread([float(b.power_w[0]) for b in best], ".3g"),
                spread([float(b.area_mm2[0]) for b in best], ".4g"),
                spread([float(run.history["feasible_share"][-1]) for run in runs], ".0%"),
                spread(seconds, ".1f"),
            ]
            print(f"| {node} | {strategy} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
