"""The analytic model against the timing simulator, on random legal designs.

    python benchmarks/model_vs_simulator.py [--designs 40] [--seed 0]

For each workload random legal designs of the whole space are programmed and simulated for one
step. Prints the error of the model's latency of a step (median, 95th percentile, bias) and
Spearman's rank correlation. Models keep their widths but have one or two layers; the CNN is that
of the tests. Nothing is fitted: where the two differ, one of them is wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from functional_cases import MODELS
from xdsl.context import Context

from asic_compiler.explore.problem import ChipProblem
from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.hardware.design import Freedom
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
from asic_compiler.placement.plan import make_plan
from asic_compiler.ppa.model import Conditions
from asic_compiler.ppa.profile import Profile
from asic_compiler.program.generate import generate
from asic_compiler.simulate.timing.engine import simulate
from asic_compiler.simulate.timing.link.linker import link
from asic_compiler.technology.library import load_node
from asic_compiler.tools.asic_import import main as import_main
from asic_compiler.workload.extract import extract

LLAMA, VLM = ["llama-3.1-8b", "--layers", "2"], ["smolvlm-256m", "--layers", "2"]
WORKLOADS: dict[str, list[str]] = {
    "Llama decode": [*LLAMA, "--phase", "decode", "--batch", "3", "--context", "2048"],
    "Llama prefill": [*LLAMA, "--phase", "prefill", "--batch", "1", "--context", "32"],
    "SmolVLM vision": ["smolvlm-256m", "--part", "vision", "--layers", "1"],
    "SmolVLM text": [*VLM, "--phase", "decode", "--batch", "1", "--context", "2048"],
    "CNN": ["small_models:cnn"],
}
TRIES = 16384


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--designs", type=int, default=40, help="of each workload")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workloads", default="", help="only those whose name contains this")
    options = parser.parse_args()
    sys.path.insert(0, str(MODELS))
    heads = ("designs", "median", "95 %", "bias", "Spearman", "deadlocks", "s each")
    print(f"{'workload':18}" + "".join(f"{h:>11}" for h in heads))
    for name, arguments in WORKLOADS.items():
        if options.workloads not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.mlir"
            if import_main([*arguments, "-o", str(path)]):
                raise SystemExit(1)
            module = parse_module(path.read_text(), path.name)
        ConvertLinalgToAsic().apply(Context(), module)
        profile = Profile(extract(module))
        problem = ChipProblem(profile, load_node("3nm"), Conditions(), Freedom(), (0.4, 0.4, 0.2))
        rng = np.random.default_rng(options.seed)
        discrete, continuous = problem.start(TRIES, rng)
        wild = rng.random(TRIES) < 0.5
        continuous[wild] = rng.uniform(-1.0, 1.0, (int(wild.sum()), continuous.shape[1]))
        legal = np.flatnonzero(problem.model.evaluate(problem.decode(discrete, continuous)).legal)
        if not len(legal):
            print(f"{name:18}{0:11}  no legal design among {TRIES} drawn", flush=True)
            continue
        model, found, failed = [], [], 0
        started = time.perf_counter()
        for i in rng.permutation(legal)[: options.designs]:
            design = problem.decode(discrete[i : i + 1], continuous[i : i + 1])
            plan = make_plan(problem.model, design, 85.0)
            result = simulate(link(generate(module, plan)).program, 1)
            failed += result.failure is not None
            model.append(float(plan.metrics.latency_s[0] * plan.metrics.clock_hz[0]))
            found.append(float(result.cycles))
        each = (time.perf_counter() - started) / max(len(model), 1)
        ours, theirs = np.array(model), np.array(found)
        error = np.abs(ours / theirs - 1.0)
        ranks = [np.argsort(np.argsort(v)).astype(float) for v in (ours, theirs)]
        spearman = float(np.corrcoef(*ranks)[0, 1]) if len(ours) > 2 else float("nan")
        bias = float(np.median(ours / theirs - 1.0))
        print(
            f"{name:18}{len(ours):11}{np.median(error):11.1%}{np.quantile(error, 0.95):11.1%}"
            f"{bias:+11.1%}{spearman:11.3f}{failed:11}{each:11.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
