"""Models on simulated meshes against PyTorch: every case imported, placed, programmed and executed.

    python benchmarks/functional_cases.py [--designs 3]

For each model and mesh some random legal designs (stages, splits, widths, pieces: anything the
space has, in the model's own f16) and one that the explorer chose; prints the largest error of any
output over PyTorch in f32, relative to the output's largest magnitude, and whether the next token
is the same.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from xdsl.context import Context

from asic_compiler.explore.problem import ChipProblem
from asic_compiler.explore.request import Request
from asic_compiler.explore.run import explore
from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.hardware.design import Freedom
from asic_compiler.hardware.space import INDEX
from asic_compiler.mapping.profile import Profile
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
from asic_compiler.plan.make import make_plan
from asic_compiler.plan.plan import Plan
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.program.check import check
from asic_compiler.program.generate import generate
from asic_compiler.simulate import run_program
from asic_compiler.simulate.tensors import inputs_of, load, select, weights_of
from asic_compiler.technology.library import load_node
from asic_compiler.tensors.comparison import compare
from asic_compiler.tools.asic_import import main as import_main
from asic_compiler.workload.extract import extract

MODELS = Path(__file__).parent.parent / "tests" / "simulate" / "models"
LLAMA, VLM = (
    str(MODELS / "llama_tiny" / "config.json"),
    str(MODELS / "smolvlm_tiny" / "config.json"),
)
CASES: dict[str, list[str]] = {
    "Llama decode, batch 1": [LLAMA, "--phase", "decode", "--batch", "1", "--context", "64"],
    "Llama decode, batch 3": [LLAMA, "--phase", "decode", "--batch", "3", "--context", "64"],
    "Llama prefill, batch 1": [LLAMA, "--phase", "prefill", "--batch", "1", "--context", "64"],
    "Llama prefill, batch 3": [LLAMA, "--phase", "prefill", "--batch", "3", "--context", "64"],
    "SmolVLM vision": [VLM, "--part", "vision"],
    "SmolVLM text": [VLM, "--part", "text", "--context", "64"],
    "CNN": ["small_models:cnn"],
    "MLP": ["small_models:mlp"],
}
MESHES = ((1, 1), (2, 3), (4, 4), (8, 8))
TRIES = 4096


def plans(module: object, mesh: tuple[int, int], designs: int) -> Iterator[tuple[str, Plan]]:
    """Random legal plans on a mesh, and the explorer's (on a mesh of its own)."""
    table = extract(module)  # type: ignore[arg-type]
    problem = ChipProblem(
        Profile(table), load_node("7nm"), Conditions(), Freedom(), (0.4, 0.4, 0.2)
    )
    rng = np.random.default_rng(mesh[0] * 100 + mesh[1])
    count = len(INDEX)
    discrete = np.tile([*mesh, 1, 1], (TRIES, 1))
    discrete[:, 2:] = rng.integers(1, 3, (TRIES, 2))
    continuous = rng.uniform(-1.0, 1.0, (TRIES, count))
    batch = problem.decode(discrete, continuous)
    same = (batch.mesh_width == mesh[0]) & (batch.mesh_height == mesh[1])
    legal = np.flatnonzero(problem.model.evaluate(batch).legal & same)
    for i in legal[:designs]:
        chosen = problem.decode(discrete[i : i + 1], continuous[i : i + 1])
        yield f"{mesh[0]}x{mesh[1]}", make_plan(problem.model, chosen, 85.0)
    if mesh == MESHES[-1]:
        request = Request(node="7nm", evaluations=300)
        plan = explore(table, request).plan
        yield f"explorer, {plan.chip.mesh_width}x{plan.chip.mesh_height}", plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--designs", type=int, default=3)
    parser.add_argument("--cases", default="", help="only cases whose name contains this")
    options = parser.parse_args()
    sys.path.insert(0, str(MODELS))
    worst_of_all, runs = 0.0, 0
    print(f"{'model':24}{'mesh':18}{'designs':>8}{'stages':>16}{'largest error':>15}{'token':>8}")
    for name, arguments in CASES.items():
        if options.cases not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            text = path / "model.mlir"
            code = import_main([*arguments, "-o", str(text), "--with-weights", str(path)])
            if code:
                raise SystemExit(code)
            module = parse_module(text.read_text(), text.name)
            ConvertLinalgToAsic().apply(Context(), module)
            files = [load(path / f"{n}.safetensors") for n in ("inputs", "weights", "reference")]
            inputs, weights, reference = files
            rows: dict[str, list[tuple[float, int, bool]]] = {}
            for mesh in MESHES:
                for label, plan in plans(module, mesh, options.designs):
                    program = generate(module, plan)
                    program.verify()
                    findings = check(program)
                    if findings:
                        raise SystemExit(f"{name} on {label}: {findings[0]}")
                    outputs = run_program(
                        program,
                        select(inputs, inputs_of(program), "inputs"),
                        select(weights, weights_of(program), "weights"),
                    )
                    comparison = compare(outputs, reference)
                    error = max(e.max_rel for e in comparison.outputs)
                    same = all(
                        e.same_tokens is None or e.same_tokens[0] == e.same_tokens[1]
                        for e in comparison.outputs
                    )
                    rows.setdefault(label, []).append((error, plan.chip.stages, same))
                    runs += 1
            for label, found in rows.items():
                worst = max(e for e, _, _ in found)
                worst_of_all = max(worst_of_all, worst)
                stages = ",".join(str(s) for _, s, _ in found)
                token = "same" if all(s for *_, s in found) else "OTHER"
                print(
                    f"{name:24}{label:18}{len(found):8}{stages:>16}{worst:15.2e}{token:>8}",
                    flush=True,
                )
    print(f"\n{runs} programs executed; largest error {worst_of_all:.2e}")


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")
