"""Serving Llama 3.1 8B on one node: micro-batches, cache strategies, weight stores; and prefill.

    python benchmarks/serving.py [--node 3nm] [--evaluations 2000] [--power 51.4]
        [--prefill llama-prefill.mlir]

Each row is a search for the most tokens/s within the power. The operator tables are written down
from the model's dimensions (tests/support/workloads.py), so that batch and context can be changed
without an import. With ``--prefill`` (an import with ``--phase prefill``) the chips found run that
prompt as well, in their own format. The table is Markdown.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from workloads import transformer
from xdsl.context import Context

import asic_compiler as ac
from asic_compiler.diagnostics import UserError
from asic_compiler.explore.request import Request
from asic_compiler.explore.run import Exploration, explore
from asic_compiler.hardware.legality import REASONS
from asic_compiler.mapping.profile import Profile
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
from asic_compiler.ppa.model import PPAModel
from asic_compiler.workload.extract import extract
from asic_compiler.workload.table import OperatorTable

W8A8 = {"precision": ("w8a8",)}
CASES: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("FP16, 16-bit cache", 1, {}),
    ("FP16, 16-bit cache", 3, {}),
    ("FP16, 16-bit cache", 8, {}),
    ("FP16, 8-bit cache", 3, {"kv_bits": (8,)}),
    ("FP16, 4-bit cache", 3, {"kv_bits": (4,)}),
    ("FP16, window of 512", 3, {"kv_window": 512}),
    ("FP16, pages of 512", 3, {"kv_page": 512}),
    ("W8A8, 8-bit cache", 3, {**W8A8, "kv_bits": (8,)}),
    ("W8A8, 8-bit cache", 8, {**W8A8, "kv_bits": (8,)}),
    ("W4A8, 8-bit cache, one die", 1, {"precision": ("w4a8",), "kv_bits": (8,), "dies": 1}),
    ("FP16 in SRAM", 3, {"weight_store": ("sram",)}),
    ("FP16 in HBM3E", 3, {"weight_store": ("hbm3e",)}),
    ("FP16 in LPDDR5X", 3, {"weight_store": ("lpddr5x",)}),
    ("W4A8 in HBM3E, 8-bit cache", 8,
     {"precision": ("w4a8",), "kv_bits": (8,), "weight_store": ("hbm3e",)}),
)  # fmt: skip


def decode(batch: int, request: Request) -> Exploration | UserError:
    """The design found for one decode step of ``batch`` sequences."""
    try:
        return explore(transformer(batch=batch, context=2048), request)
    except UserError as error:
        return error


def prefill_row(found: Exploration, prompt: OperatorTable) -> str:
    """Time to first token and prompt tokens/s of a chip found for decode, or what it lacks."""
    model = found.problem.model
    best = found.result.best
    assert best is not None
    design = found.problem.decode(best.discrete, best.continuous)
    metrics = PPAModel(Profile(prompt), model.technology, model.conditions).evaluate(design)
    if not metrics.legal[0]:
        over = [
            f"{r} {1 + v:.1f}x"
            for r, v in zip(REASONS, metrics.violations[0], strict=True)
            if v > 0
        ]
        return f"does not fit: {', '.join(over)}"
    return f"{metrics.latency_s[0]:.3g} s, {metrics.tokens_per_s[0]:,.0f} tokens/s"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--node", default="3nm")
    parser.add_argument("--evaluations", type=int, default=2000)
    parser.add_argument("--power", type=float, default=51.4)
    parser.add_argument("--prefill", type=Path)
    args = parser.parse_args()
    prompt: OperatorTable | None = None
    if args.prefill is not None:
        module = ac.parse_file(str(args.prefill))
        ConvertLinalgToAsic().apply(Context(), module)
        prompt = extract(module)
    print(
        f"Llama 3.1 8B, {args.node}, context 2048, {args.power} W, {args.evaluations} evaluations, "
        "seed 0\n"
    )
    names = ["case", "batch", "stages", "in flight", "tokens/s", "a user", "W", "mm2", "dies",
             "devices", "mJ/token"]  # fmt: skip
    if prompt is not None:
        names.append(f"prompt of {prompt.batch} x {prompt.context}")
    print("| " + " | ".join(names) + " |")
    print("|" + " --- |" * len(names))
    for name, batch, options in CASES:
        goal = f"maximize tokens_per_s subject to power <= {args.power} W"
        request = Request(node=args.node, goal=goal, evaluations=args.evaluations, **options)
        found = decode(batch, request)
        if isinstance(found, UserError):
            print(f"| {name} | {batch} | none: {'; '.join(found.notes)} |", flush=True)
            continue
        m = found.plan.metrics
        cells = [
            name, str(batch), str(found.plan.chip.stages), f"{m.sequences[0]:.0f}",
            f"{m.tokens_per_s[0]:,.0f}", f"{m.tokens_per_s_per_user[0]:,.0f}",
            f"{m.power_w[0]:.3g}", f"{m.area_mm2[0]:,.0f}", str(found.plan.chip.dies),
            f"{m.dram_devices[0]:.0f}", f"{m.energy_per_token_j[0] * 1e3:.3g}",
        ]  # fmt: skip
        if prompt is not None:
            cells.append(prefill_row(found, prompt))
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
