"""Formats, weight stores and cache strategies from the pass to its files and its summary."""

import json
from pathlib import Path

import jsonschema
import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.mlir_text import parse_mlir
from asic_compiler.hardware.precision import FORMAT_INDEX, FORMATS
from asic_compiler.hardware.spec import schema
from asic_compiler.passes.asic_schedule import AsicSchedulePass
from asic_compiler.passes.convert_asic_to_tcc import ConvertAsicToTcc
from asic_compiler.passes.rl_explore import RLExplorePass
from asic_compiler.program.emit import program_text

MODEL = Path(__file__).parents[1] / "lit" / "rl-explore" / "mlp.mlir"


def explore(folder=None, **options):
    module = parse_mlir(make_context(), MODEL.read_text(), "mlp.mlir")
    given = {"strategy": "random", "evaluations": 48, **options}
    emit = None if folder is None else str(folder)
    RLExplorePass(**given, emit=emit).apply(make_context(), module)
    return None if folder is None else json.loads((folder / "hardware.json").read_text())


@pytest.mark.parametrize(
    "options",
    [
        {"precision": ("w8a8",), "kv_bits": (8,)},
        {"precision": ("bf16", "w4a16"), "weight_store": ("rom", "sram")},
        {"weight_bits": (8, 4), "activation_bits": (16, 8), "kv_page": 4},
    ],
)
def test_what_was_chosen_stands_in_hardware_json(tmp_path, capsys, options):
    spec = explore(tmp_path, **options)
    jsonschema.Draft202012Validator(schema()).validate(spec)
    chosen = FORMATS[FORMAT_INDEX[spec["precision"]]]
    assert spec["precision"] != "fp16"
    assert spec["precision"] in options.get("precision", ("w8a16", "w4a16", "w8a8", "w4a8"))
    parts = spec["breakdown"]
    # Less than the model's own precision is never taken silently.
    assert parts["accuracy_notes"][0] == chosen.note
    assert chosen.note in capsys.readouterr().err
    assert sum(parts["power_w"].values()) == pytest.approx(spec["predicted"]["power_w"])
    assert sum(parts["area_mm2"].values()) == pytest.approx(spec["predicted"]["die_area_mm2"])
    assert spec["weight_store"] in ("mask_rom", "sram")


def test_nothing_is_narrowed_unless_allowed(tmp_path):
    spec = explore(tmp_path, quiet=True)
    assert spec["precision"] == "fp16"
    assert spec["weight_store"] == "mask_rom"
    assert spec["breakdown"]["accuracy_notes"] == []
    assert (spec["weight_bits"], spec["kv_bits"], spec["dram_devices"]) == (16, 16, 0)


def test_weights_beside_the_die_are_summarised(capsys):
    explore(weight_store=("hbm3e",))
    text = capsys.readouterr().err
    assert "1 x hbm3e" in text
    assert "weights in hbm3e" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight_store": ("rom", "hbm3e")}, "no program is written for weights in hbm3e"),
        ({"precision": ("w8a8", "fp8")}, "no program is written for precision fp8: the tensor"),
        ({"kv_window": 64}, "no program is written for kv_window"),
        ({"weight_store": ("disk",)}, "weight_store must be some of"),
        ({"weight_store": ()}, "weight_store must be some of"),
        ({"precision": ("int3",)}, "unknown precision 'int3'"),
        ({"precision": ("w8a8",), "weight_bits": (8,)}, "both precision and widths"),
        ({"activation_bits": (4,)}, "activation_bits must be some of"),
        ({"weight_bits": (16,), "activation_bits": (8,)}, "no format has weights of"),
        ({"kv_page": 0}, "kv_page must be at least one token"),
    ],
)
def test_options_without_meaning_are_refused(tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        explore(tmp_path / "run", quiet=True, **options)
    assert not (tmp_path / "run").exists()


def test_a_window_needs_a_cache():
    with pytest.raises(UserError, match="kv_window needs a decode step"):
        explore(kv_window=8, quiet=True)


def test_the_pipeline_refuses_what_emit_refuses():
    # The plan of a W8A8 or off-chip design was read back as FP16 in mask ROM, and a program made.
    for options, message in (
        ({"precision": ("fp8",)}, "precision fp8"),
        ({"weight_store": ("lpddr5x",)}, "weights in lpddr5x"),
    ):
        module = parse_mlir(make_context(), MODEL.read_text(), "mlp.mlir")
        given = {"strategy": "random", "evaluations": 48, "quiet": True, **options}
        RLExplorePass(**given).apply(make_context(), module)
        AsicSchedulePass().apply(make_context(), module)
        with pytest.raises(UserError, match=f"no program is written for {message}") as told:
            ConvertAsicToTcc().apply(make_context(), module)
        assert told.value.location is not None
        assert len(told.value.notes) == 1


def test_a_w8a8_plan_in_text_gives_the_program_that_emit_writes(tmp_path):
    module = parse_mlir(make_context(), MODEL.read_text(), "mlp.mlir")
    options = {"strategy": "random", "evaluations": 48, "quiet": True}
    options |= {"precision": ("w8a8",), "kv_bits": (8,), "weight_store": ("sram",)}
    RLExplorePass(**options, emit=str(tmp_path)).apply(make_context(), module)
    text = program_text(module)
    assert 'precision = "w8a8", weight_store = "sram">' in text
    again = parse_mlir(make_context(), text, "placed.mlir")
    AsicSchedulePass().apply(make_context(), again)
    ConvertAsicToTcc().apply(make_context(), again)
    emitted = (tmp_path / "program.mlir").read_text()
    assert 'as "int8"' in emitted
    assert "bits = 8 value" in emitted
    assert emitted.startswith(program_text(again).partition("{-#")[0].rstrip()[:-1])
