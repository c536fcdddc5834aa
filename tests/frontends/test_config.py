from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from tiny_models import TINY_LLAMA, TINY_SMOLVLM

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends import ImportSpec, import_model
from asic_compiler.frontends.models.config import find_recipe


def refused(spec: ImportSpec) -> UserError:
    with pytest.raises(UserError) as caught:
        import_model(spec)
    return caught.value


def test_missing_keys_are_listed_together(write_config):
    path = write_config({"model_type": "llama", "hidden_size": 64, "vocab_size": 9})
    message = refused(ImportSpec(path)).message
    assert "missing intermediate_size, num_hidden_layers, num_attention_heads" in message


def test_missing_keys_of_a_part_name_the_part(write_config):
    config = json.loads(json.dumps(TINY_SMOLVLM))
    del config["vision_config"]["patch_size"], config["scale_factor"]
    assert (
        "missing vision_config.patch_size, scale_factor"
        in refused(ImportSpec(write_config(config))).message
    )


def test_an_unsupported_model_type_says_what_is_supported(write_config):
    error = refused(ImportSpec(write_config({"model_type": "llama4"})))
    assert "unsupported model_type 'llama4'" in error.message
    # "did you mean llama?" would have been an invitation to import another model.
    assert error.notes[0].startswith("supported: llama, mistral, qwen2, ")
    assert not any("did you mean" in note for note in error.notes)
    assert "has no key 'model_type'" in refused(ImportSpec(write_config({}))).message


def test_bad_json_points_at_the_place(write_config):
    error = refused(ImportSpec(write_config('{\n  "model_type": llama\n}')))
    assert (error.location.line, error.location.column) == (2, 17)


def test_a_configuration_that_transformers_refuses(write_config):
    error = refused(ImportSpec(write_config({**TINY_LLAMA, "num_attention_heads": "many"})))
    assert "num_attention_heads" in error.message
    assert "\n" not in error.message


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        ({"model_type": "gemma3", "text_config": [1]}, {}, "'text_config' must be an object"),
        ({**TINY_LLAMA, "num_hidden_layers": "two"}, {"layers": 1}, "must be an integer"),
        ({"model_type": ["llama"]}, {}, "'model_type' must be a text"),
        ({"model_type": "gemma3", "text_config": {"model_type": "llama"}}, {}, "type 'llama'"),
    ],
)
def test_values_of_another_kind(write_config, config, options, message):
    # They ended in a Python trace.
    assert message in refused(ImportSpec(write_config(config), **options)).message


def test_a_missing_file_is_not_looked_for_on_a_hub():
    error = refused(ImportSpec("meta-llama/Llama-3.1-8B"))
    assert "no such file" in error.message
    assert "never downloaded" in error.notes[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 3}, "the model has only 2 layers"),
        ({"layers": 0}, "--layers 0: must be at least 1"),
        ({"batch": -1}, "--batch -1: must be at least 1"),
        ({"part": "vision"}, "is a language model"),
    ],
)
def test_options_out_of_range(write_config, options, message):
    assert message in refused(ImportSpec(write_config(TINY_LLAMA), **options)).message


def test_options_without_meaning_for_a_vision_tower(write_config):
    path = write_config(TINY_SMOLVLM)
    assert "--phase" in refused(ImportSpec(path, part="vision", phase="decode")).message
    assert "--context" in refused(ImportSpec(path, part="vision", context=4)).message


def test_layers_cut_only_the_imported_part(write_config):
    recipe = find_recipe(ImportSpec(write_config(TINY_SMOLVLM), part="vision", layers=1))
    assert recipe.sub_config("vision")["num_hidden_layers"] == 1
    assert recipe.sub_config("text")["num_hidden_layers"] == 2


def safetensors_header(file: Path, shapes: dict[str, list[int]]) -> None:
    """A file with names and shapes; the data is never read."""
    header = {
        name: {"dtype": "F16", "shape": shape, "data_offsets": [0, 0]}
        for name, shape in shapes.items()
    }
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text)


def test_a_checkpoint_folder_is_checked_by_names_and_shapes(write_config):
    path = write_config({**TINY_LLAMA, "num_hidden_layers": 1})
    folder = Path(path).parent
    assert "no *.safetensors" in refused(ImportSpec(str(folder))).message
    model = import_model(ImportSpec(path, context=8))
    shapes = {name: list(info.shape) for name, info in model.parameters.items()}
    names = sorted(shapes)
    safetensors_header(folder / "model-1.safetensors", {n: shapes[n] for n in names[:4]})
    safetensors_header(folder / "model-2.safetensors", {n: shapes[n] for n in names[4:]})
    assert import_model(ImportSpec(str(folder), context=8)).parameters == model.parameters

    shapes["lm_head.weight"] = [95, 64]
    del shapes["model.norm.weight"]
    (folder / "model-2.safetensors").unlink()
    safetensors_header(folder / "model-1.safetensors", shapes)
    error = refused(ImportSpec(str(folder)))
    assert "does not fit its config.json" in error.message
    assert error.notes == (
        "model.norm.weight is missing",
        "lm_head.weight is [95, 64] in the checkpoint, [96, 64] by config.json",
    )


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, struct.pack("<Q", 2) + b"[]"])
def test_a_broken_safetensors_file(write_config, content: bytes):
    folder = Path(write_config(TINY_LLAMA)).parent
    (folder / "model.safetensors").write_bytes(content)
    assert "is not a safetensors file" in refused(ImportSpec(str(folder))).message


def test_a_folder_without_configuration(tmp_path: Path):
    assert "no config.json" in refused(ImportSpec(str(tmp_path))).message
