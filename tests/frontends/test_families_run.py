"""Decode steps of each family on the simulated mesh, measured by what PyTorch itself loses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_families import TINY_FAMILIES

from asic_compiler.tools import asic_import, asic_opt, asic_run

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
DESIGN = "node=7nm evaluations=16 seed=1 train=false constraints=mesh=3x2"


def runs(folder: Path, name: str, phase: str) -> bool:
    """Whether a program is as near to f32 as ``asic-run --check`` asks for."""
    config, model, made = folder / "config.json", str(folder / "m.mlir"), folder / "run"
    config.write_text(json.dumps(TINY_FAMILIES[name]))
    sizes = ["--phase", phase, "--batch", "2", "--context", "8"]
    assert asic_import.main([str(config), *sizes, "--with-weights", str(made), "-o", model]) == 0
    arguments = [
        f"--rl-explore={DESIGN} emit={folder / 'out'}",
        model,
        "-o",
        str(folder / "o.mlir"),
    ]
    assert asic_opt.main(arguments) == 0
    given = {"inputs": "inputs", "weights": "weights", "check": "reference"}
    files = [f"--{option}={made / file}.safetensors" for option, file in given.items()]
    return asic_run.main([str(folder / "out/program.mlir"), *files]) == 0


def test_a_step_of_both_kinds_of_layers(tmp_path: Path):
    assert runs(tmp_path, "gemma2", "decode")


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["decode", "prefill"])
@pytest.mark.parametrize("name", TINY_FAMILIES)
def test_every_family(tmp_path: Path, name: str, phase: str):
    assert runs(tmp_path, name, phase)
