"""The pass from linalg to files, on a small model: bytes, schema, coverage, refusals."""

import json
from pathlib import Path
from typing import get_args, get_type_hints

import jsonschema
import numpy as np
import pytest
from killing import WRITING, killed
from safetensors.numpy import load_file
from xdsl.dialects.func import FuncOp

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects.asic import CHIP, chip_of
from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.mlir_text import parse_mlir
from asic_compiler.hardware.spec import SCHEMA_VERSION, schema
from asic_compiler.passes.rl_explore import RLExplorePass
from asic_compiler.program.placement.search import STRATEGIES
from asic_compiler.report.run.folder import open_run
from asic_compiler.tools import asic_opt
from asic_compiler.workload.extract import operators

MODEL = Path(__file__).parents[1] / "lit" / "rl-explore" / "mlp.mlir"
EXAMPLES = Path(__file__).parents[2] / "examples"
QUICK = {"strategy": "random", "evaluations": 48, "quiet": True}


def explore(folder=None, **options):
    module = parse_mlir(make_context(), MODEL.read_text(), "mlp.mlir")
    emit = None if folder is None else str(folder)
    RLExplorePass(**{**QUICK, **options}, emit=emit).apply(make_context(), module)
    return module


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


@pytest.mark.parametrize("strategy", ["random", "sac-moe"])
def test_the_same_seed_gives_the_same_bytes(tmp_path, strategy):
    first = explore(tmp_path / "a", strategy=strategy, seed=5)
    second = explore(tmp_path / "b", strategy=strategy, seed=5)
    assert str(first) == str(second)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_another_seed_gives_another_chip():
    assert str(explore(seed=5)) != str(explore(seed=6))


def test_a_placement_is_searched_and_written(tmp_path):
    """The chip and the annotations stay; the program and what hardware.json says of it do not."""
    rule = explore(tmp_path / "rule", seed=5)
    turned = explore(tmp_path / "turned", seed=5, placement="annealing")
    explore(tmp_path / "again", seed=5, placement="annealing")
    assert str(rule) == str(turned)
    assert files(tmp_path / "turned") == files(tmp_path / "again")
    spec = json.loads((tmp_path / "turned" / "hardware.json").read_text())
    jsonschema.validate(spec, schema())
    placement = spec.pop("placement")
    assert placement["strategy"] == "annealing"
    assert 0 <= placement["least_hop_bytes"] <= placement["hop_bytes"]
    assert placement["hop_bytes"] <= placement["rule_hop_bytes"]
    assert spec == json.loads((tmp_path / "rule" / "hardware.json").read_text())


def test_a_placement_needs_a_program():
    with pytest.raises(UserError, match="placement=annealing is of a program") as caught:
        explore(placement="annealing")
    assert caught.value.notes == ("name a folder for it: emit=DIR",)


def test_the_placements_on_offer_are_those_there_are():
    assert get_args(get_type_hints(RLExplorePass)["placement"]) == tuple(STRATEGIES)
    told = schema()["properties"]["placement"]["properties"]["strategy"]["enum"]
    assert told == list(STRATEGIES)


def test_hardware_json_obeys_its_schema_and_agrees_with_the_ir(tmp_path):
    module = explore(tmp_path)
    spec = json.loads((tmp_path / "hardware.json").read_text())
    jsonschema.Draft202012Validator(schema()).validate(spec)
    assert spec["schema_version"] == SCHEMA_VERSION
    chip = chip_of(module)
    assert chip is not None
    assert [spec["mesh"]["width"], spec["mesh"]["height"]] == list(chip.mesh_size)
    rows = np.array(spec["tile_map"])
    assert rows.shape == (spec["mesh"]["height"], spec["mesh"]["width"])
    for number, x, y, w, h in chip.rectangles:
        assert (rows[y : y + h, x : x + w] == number).all()
    for tile in spec["tile_classes"]:
        assert tile["count"] == (rows == tile["class"]).sum()
    predicted = spec["predicted"]
    assert predicted["energy_per_token_j"] == pytest.approx(
        predicted["power_w"] / predicted["tokens_per_s"]
    )
    assert predicted["die_area_mm2"] == pytest.approx(sum(predicted["area_parts_mm2"].values()))


def test_corners_hold_the_figures_that_they_are_about(tmp_path):
    explore(tmp_path)
    predicted = json.loads((tmp_path / "hardware.json").read_text())["predicted"]
    for name, r in predicted["corners"].items():
        assert r["central"] == pytest.approx(predicted[name], rel=1e-9)
        assert r["bound_low"] <= r["low"] < r["central"] < r["high"] <= r["bound_high"]


def test_constants_of_the_user_change_the_chip_and_are_written_down(tmp_path, capsys):
    """The example of docs/technology.md."""
    tech = str(EXAMPLES / "my_5nm.toml")
    explore(tmp_path / "mine", node="5nm", tech=tech, quiet=False)
    explore(tmp_path / "shipped", node="5nm")
    mine, shipped = (
        json.loads((tmp_path / name / "hardware.json").read_text()) for name in ("mine", "shipped")
    )
    jsonschema.Draft202012Validator(schema()).validate(mine)
    assert (mine["node"], shipped["node"]) == ("my-5nm", "5nm")
    assert mine["technology"]["file"] == tech
    assert mine["technology"]["overridden"]["density.sram_cell"]["value"] == 0.025
    assert shipped["technology"] == {"name": "5nm", "base": "5nm", "file": None, "overridden": {}}
    assert mine["predicted"]["power_w"] != shipped["predicted"]["power_w"]
    assert "my_5nm.toml on top of 5nm: density.sram_cell, " in capsys.readouterr().err


def test_a_wrong_technology_file_is_told_before_the_model_is_read(tmp_path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[density]\nsram_cell = { value = 1, unit = "pJ" }\n')
    with pytest.raises(UserError, match="lacks kind, source") as error:
        RLExplorePass(node="5nm", tech=str(wrong))
    assert str(error.value.location) == f"{wrong}:2:1"


def test_every_operator_has_a_place_inside_its_stage_and_none_is_left_out(tmp_path):
    module = explore(tmp_path)
    module.verify()
    placed = operators(module)
    assert (
        len(placed) == json.loads((tmp_path / "hardware.json").read_text())["workload"]["operators"]
    )
    for op in placed:
        assert op.region is not None
        assert op.split is not None
        assert op.stage is not None
        _, _, w, h = op.region.rectangle
        m, n, k = op.split.factors
        assert m * n * k <= w * h


def test_the_run_keeps_every_evaluation_and_the_front(tmp_path):
    explore(tmp_path)
    columns = load_file(tmp_path / "evaluations.safetensors")
    assert {len(column) for column in columns.values()} == {QUICK["evaluations"]}
    front = json.loads((tmp_path / "pareto.json").read_text())
    found = columns["feasible"].astype(bool)
    objectives = np.stack(
        [-columns["performance"], columns["power_w"], columns["area_mm2"]], axis=1
    )[found]
    kept = {(d["tokens_per_s"], d["power_w"], d["area_mm2"]) for d in front}
    for one in objectives:
        beaten = ((objectives <= one).all(axis=1) & (objectives < one).any(axis=1)).any()
        assert ((-one[0], one[1], one[2]) in kept) == (not beaten)


def test_the_program_of_the_run_reads_back(tmp_path):
    explore(tmp_path)
    text = (tmp_path / "program.mlir").read_text()
    program = parse_mlir(make_context(), text, "program.mlir")
    program.verify()
    assert CHIP in program.attributes


def test_exploring_twice_replaces_the_decisions():
    module = explore(node="3nm")
    RLExplorePass(**{**QUICK, "node": "28nm"}).apply(make_context(), module)
    chip = chip_of(module)
    assert chip is not None
    assert chip.node.data == "28nm"
    module.verify()


def test_an_infeasible_budget_leaves_no_file_and_names_the_nearest(tmp_path):
    with pytest.raises(UserError, match="infeasible") as error:
        explore(tmp_path / "run", area_mm2=0.01)
    assert error.value.notes[0].startswith("nearest design:")
    assert any(note.startswith("area: ") and "over the limit of 0.01 mm2" in note
               for note in error.value.notes)  # fmt: skip
    assert error.value.notes[-1] == "more evaluations than 48 may find one"
    assert not (tmp_path / "run").exists()
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError, match="infeasible"):
        explore(tmp_path / "mine", area_mm2=0.01)
    assert files(tmp_path / "mine") == {}  # a folder that was there stays


@pytest.mark.parametrize(
    ("options", "hinted"),
    [({"train": False}, True), ({"train": True}, False), ({"policy": "none"}, False)],
)
def test_where_a_policy_acted_and_found_nothing_learning_is_named_as_a_way(options, hinted):
    with pytest.raises(UserError, match="infeasible") as error:
        explore(strategy="sac-moe", area_mm2=0.01, **options)
    assert ("train=true" in error.value.notes[-1]) == hinted


def test_a_folder_that_cannot_be_made_is_refused_before_the_search(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match="cannot make the folder"),
        open_run(tmp_path / "file" / "run"),
    ):
        pass


def test_weights_need_three_numbers():
    with pytest.raises(UserError, match="three numbers"):
        explore(weights=(1.0, 2.0))


def test_a_throughput_that_is_asked_for_is_kept(tmp_path):
    explore(tmp_path / "free", weights=(0.0, 1.0, 0.0))
    free = json.loads((tmp_path / "free" / "hardware.json").read_text())["predicted"]
    wanted = 4.0 * free["tokens_per_s"]
    explore(tmp_path / "bound", weights=(0.0, 1.0, 0.0), tokens_per_s=wanted)
    bound = json.loads((tmp_path / "bound" / "hardware.json").read_text())["predicted"]
    assert bound["tokens_per_s"] >= wanted


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork beside torch's idle threads
def test_a_killed_run_leaves_nothing_half_written(tmp_path):
    """Every file appears by a rename: what is there after SIGKILL is whole."""

    def run(name):
        options = f"evaluations=48 strategy=random quiet=true emit={tmp_path / name}"
        output = tmp_path / f"{name}.mlir"
        assert asic_opt.main([f"--rl-explore={options}", str(MODEL), "-o", str(output)]) == 0

    run("whole")
    whole = files(tmp_path / "whole")
    old = dict.fromkeys(whole, b"old")
    for name, there in {"new": {}, "own": old, "shared": old | {"mine.txt": b"mine"}}.items():
        for number, (moment, count) in enumerate(
            [
                ("half of the file", 1),
                ("before the renaming", 3),
                ("after the renaming", len(whole)),
                ("half of the file", len(whole) + 1),  # of the output, after the folder
            ]
        ):
            folder = tmp_path / f"{name}{number}"
            if there:
                folder.mkdir()
            for file, data in there.items():
                (folder / file).write_bytes(data)
            assert killed(lambda folder=folder: run(folder.name), WRITING[moment], count)
            left = {f: d for f, d in files(folder).items() if not f.startswith(".")}
            assert left == (there | whole if number == 3 else there)
            assert not (tmp_path / f"{folder.name}.mlir").exists()
            run(folder.name)
            assert files(folder) == there | whole
            assert not list(tmp_path.glob(".*"))
    # Between two renames in a folder that holds other things: no run, and nothing takes it for one.
    folder = tmp_path / "shared0"
    assert killed(lambda: run(folder.name), WRITING["after the renaming"], len(whole) + 2)
    assert "hardware.json" not in files(folder)


def test_a_function_without_operators_is_refused():
    module = parse_mlir(
        make_context(),
        "func.func @main(%x: tensor<4xf16>) { func.return }",
        "empty.mlir",
    )
    assert any(isinstance(op, FuncOp) for op in module.ops)
    with pytest.raises(UserError, match="no operator to place"):
        RLExplorePass(**QUICK).apply(make_context(), module)
