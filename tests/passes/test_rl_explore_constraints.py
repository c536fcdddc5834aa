"""Partial constraints through the pass: what is written obeys them."""

import json
from pathlib import Path

import jsonschema
import pytest
from safetensors.numpy import load_file
from test_rl_explore import explore, files

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects.asic import CHIP
from asic_compiler.hardware.spec import schema
from asic_compiler.passes.rl_explore import RLExplorePass

TEXT = (
    "mesh in 2x2..4x4; vlen in {256, 1024}; vlen = 256 for matmul; rows 3..5 only for fc1; "
    "dmem <= 64 KiB"
)


def test_every_file_of_a_run_obeys(tmp_path: Path):
    explore(tmp_path, constraints=TEXT)
    spec = json.loads((tmp_path / "hardware.json").read_text())
    jsonschema.Draft202012Validator(schema()).validate(spec)
    assert spec["constraints"]["variables"] == (
        "mesh_width in 2..4; mesh_height in 2..4; vlen in {256, 1024}; vlen = 256 for matmul; "
        "rows in 3..5 for fc1; dmem <= 64 KiB"
    )
    assert 2 <= spec["mesh"]["width"] <= 4
    assert 2 <= spec["mesh"]["height"] <= 4
    for tile in spec["tile_classes"]:
        assert tile["vlen_bits"] in (256, 1024)
        assert tile["vlen_bits"] == 256 or "matmul" not in tile["regions"]
        assert 3 <= tile["tensor_rows"] <= 5
        assert tile["dmem_bytes"] <= 64 * 1024
    evaluations = load_file(tmp_path / "evaluations.safetensors")
    assert set(evaluations["mesh_width"].tolist()) <= {2, 3, 4}
    for member in json.loads((tmp_path / "pareto.json").read_text()):
        assert 2 <= member["discrete"]["mesh_width"] <= 4


def test_a_text_without_constraints_gives_the_bytes_of_no_text(tmp_path: Path):
    first = explore(tmp_path / "a")
    second = explore(tmp_path / "b", constraints=" ; ")
    assert first.attributes[CHIP] == second.attributes[CHIP]
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_a_wrong_text_is_told_before_a_model_is_read():
    with pytest.raises(UserError, match="dmem needs a unit") as error:
        RLExplorePass(constraints="mesh = 8x8; dmem = 64")
    assert str(error.value.location) == "constraints:1:20"


def test_the_nearest_design_says_which_constraint_it_misses():
    with pytest.raises(UserError, match="infeasible") as error:
        explore(constraints="clock >= 90 GHz; mesh = 2x2")
    assert any("constraint 'clock >= 90000000000 Hz'" in note for note in error.value.notes)
