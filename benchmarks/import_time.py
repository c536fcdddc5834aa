"""Import time of the full Llama 3.1 8B against torch.export and torch-mlir alone.

    python benchmarks/import_time.py [--layers 32] [--repeat 1]

Each side runs in its own process. "Bare" is what a user would write without this project: the
same module under fake tensors, ``torch.export.export`` and ``torch_mlir.fx.export_and_import``
with their defaults, weights by name (their data would not fit in memory), printed in generic
form. Building the model and importing Python packages are shown and left out of the ratio; peak
memory is that of the whole process. The CPU time (user and system, from torch.export on) is what to
compare on a machine that does other work too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time

from asic_compiler.frontends.stages import Stages

BATCH, CONTEXT = 3, 2048


class Watch(Stages):
    """Notes the CPU time at which each stage starts."""

    def __init__(self) -> None:
        self.cpu_at: dict[str, float] = {}
        super().__init__(announce=lambda stage: self.cpu_at.update({stage: time.process_time()}))

    def result(self) -> dict[str, float]:
        """Stage times, and the CPU time since torch.export began."""
        return {**self.seconds, "cpu": time.process_time() - self.cpu_at["torch.export"]}


def ours(layers: int) -> dict[str, float]:
    import torch

    from asic_compiler.frontends import ImportSpec, import_model

    torch.set_num_threads(1)
    stages = Watch()
    spec = ImportSpec("llama-3.1-8b", phase="decode", batch=BATCH, context=CONTEXT, layers=layers)
    model = import_model(spec, stages)
    print(f"{model.parameter_count:,} parameters, {len(model.text):,} characters", file=sys.stderr)
    return stages.result()


def bare(layers: int) -> dict[str, float]:
    import torch

    torch.set_num_threads(1)
    from torch_mlir import fx
    from torch_mlir.compiler_utils import OutputType

    from asic_compiler.frontends.models.config import find_recipe
    from asic_compiler.frontends.pytorch import language
    from asic_compiler.frontends.pytorch.graph import Names, _Hooks
    from asic_compiler.frontends.pytorch.prepared import fake_mode
    from asic_compiler.frontends.spec import ImportSpec

    stages = Watch()
    spec = ImportSpec("llama-3.1-8b", phase="decode", batch=BATCH, context=CONTEXT, layers=layers)
    mode = fake_mode()
    with stages.run("build"):
        prepared = language.prepare(find_recipe(spec), spec, mode)
    with stages.run("torch.export"), mode, torch.no_grad():
        program = torch.export.export(prepared.module, prepared.inputs, strict=False)
    with stages.run("torch-mlir"):
        module = fx.export_and_import(
            program,
            output_type=OutputType.LINALG_ON_TENSORS,
            experimental_support_mutation=True,
            hooks=_Hooks(Names(prepared.module, prepared.prefix)),
        )
    with stages.run("print"):
        module.operation.get_asm(print_generic_op_form=True)
    return stages.result()


def measure(side: str, layers: int) -> tuple[dict[str, float], float]:
    """Stage times in second and peak resident memory in MB, from a fresh process."""
    command = [sys.executable, "-W", "ignore", __file__, "--side", side, "--layers", str(layers)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    result = json.loads(done.stdout.splitlines()[-1])
    return result["stages"], result["peak_mb"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--side", choices=("ours", "bare"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        os.environ["HF_HUB_OFFLINE"] = "1"
        start = time.perf_counter()
        stages = (ours if arguments.side == "ours" else bare)(arguments.layers)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        wall = time.perf_counter() - start
        print(json.dumps({"stages": stages | {"wall": wall}, "peak_mb": peak_mb}))
        return
    for attempt in range(arguments.repeat):
        totals: dict[str, float] = {}
        cpus: dict[str, float] = {}
        for side in ("bare", "ours"):
            stages, peak_mb = measure(side, arguments.layers)
            wall, cpu = stages.pop("wall"), stages.pop("cpu")
            # Building includes importing transformers, equally on both sides.
            work = {k: v for k, v in stages.items() if k not in ("load PyTorch", "build")}
            totals[side], cpus[side] = sum(work.values()), cpu
            shown = f"{totals[side]:.1f} s (CPU {cpu:.1f} s), peak {peak_mb:.0f} MB"
            print(f"{side}, run {attempt + 1}: {shown}")
            for stage, seconds in stages.items():
                note = "" if stage in work else "  (not counted)"
                print(f"  {stage:15s} {seconds:6.2f} s{note}")
            print(f"  {'whole process':15s} {wall:6.2f} s  (not counted)")
        wall_ratio, cpu_ratio = (each["ours"] / each["bare"] for each in (totals, cpus))
        print(f"ours / bare: wall {wall_ratio:.2f}, CPU {cpu_ratio:.2f}")


if __name__ == "__main__":
    main()
