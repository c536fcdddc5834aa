"""Fields of a configuration: honoured, known not to matter, or refused at their place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_models import TINY_LLAMA, TINY_SMOLVLM

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends import ImportSpec
from asic_compiler.frontends.models.catalogue import NAMED_MODELS
from asic_compiler.frontends.models.config import find_recipe
from asic_compiler.frontends.models.json_places import key_places

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def refused(config: object, write_config, **options) -> UserError:
    with pytest.raises(UserError) as caught:
        find_recipe(ImportSpec(write_config(config), **options))
    assert "\n" not in caught.value.message
    return caught.value


QUANTISED = {"quant_method": "gptq", "bits": 4}


@pytest.mark.parametrize(
    ("model_type", "fields", "message"),
    [
        ("llama", {"quantization_config": QUANTISED}, "'quantization_config' is not supported"),
        ("llama", {"final_logit_softcapping": 30.0}, "'final_logit_softcapping' is not a field"),
        ("llama", {"attn_logit_softcapping": 50.0}, "'attn_logit_softcapping' is not a field"),
        ("llama", {"num_local_experts": 8}, "'num_local_experts' is not a field"),
        ("llama", {"attention_multiplier": 0.5}, "'attention_multiplier' is 0.5"),
        ("llama", {"partial_rotary_factor": 0.5}, "'partial_rotary_factor' is 0.5"),
        ("mistral", {"attention_bias": True}, "'attention_bias' is True"),
        ("qwen2", {"attention_bias": False}, "'attention_bias' is False"),
        ("qwen3", {"mlp_bias": True}, "'mlp_bias' is True"),
        ("llama", {"sliding_window": 16}, "'sliding_window' hides tokens"),
        ("mistral", {"sliding_window": 0}, "'sliding_window' is 0"),
        ("mistral", {"sliding_window": True}, "'sliding_window' must be an integer"),
        (
            "mistral",
            {"sliding_window": 16, "layer_types": ["full_attention"] * 2},
            "'layer_types' holds 'full_attention'",
        ),
        ("qwen3", {"layer_types": ["chunked_attention"] * 2}, "'layer_types' holds 'chunked"),
        (
            "llama",
            {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
            "'dynamic' is not supported",
        ),
        ("llama", {"rope_scaling": {"rope_type": "longrope"}}, "'longrope' is not supported"),
        ("qwen2", {"rope_scaling": {"type": "mrope"}}, "'mrope' is not supported"),
        ("qwen2", {"rope_scaling": {"type": "yarn", "mrope_section": [1]}}, "mrope_section"),
        ("llama", {"architectures": ["LlamaForSequenceClassification"]}, "names LlamaForSeq"),
        ("llama", {"auto_map": {"AutoModelForCausalLM": "my.Model"}}, "names code"),
        ("llama", {"torch_dtype": "float8_e4m3fn"}, "'torch_dtype' is float8_e4m3fn"),
    ],
)
def test_what_changes_the_model_is_refused_at_its_line(write_config, model_type, fields, message):
    # transformers builds the model from what its class knows and drops the rest without a word.
    config = {**TINY_LLAMA, "model_type": model_type, **fields}
    text = json.dumps(config, indent=2)
    error = refused(text, write_config, context=64)
    assert message in error.message
    place = error.location
    assert place is not None
    key = text.splitlines()[place.line - 1][place.column - 1 :].split('"')[1]
    assert key in error.message


@pytest.mark.parametrize(
    ("model_type", "fields"),
    [
        ("llama", {"quantization_config": None, "final_logit_softcapping": None}),
        ("llama", {"pretraining_tp": 2, "_name_or_path": "x", "attention_dropout": 0.1}),
        ("llama", {"attention_bias": True, "mlp_bias": True, "head_dim": 32}),
        ("mistral", {"sliding_window": 64}),
        ("mistral", {"sliding_window": 16}),
        ("llama", {"sliding_window": 16, "use_sliding_window": False}),
        ("qwen2", {"use_sliding_window": False, "sliding_window": 16, "max_window_layers": 1}),
        ("qwen2", {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1}),
        ("qwen3", {"layer_types": ["full_attention"] * 2}),
        ("llama", {"rope_scaling": {"type": "linear", "factor": 2.0}, "rope_theta": 5e5}),
        ("llama", {"architectures": ["LlamaForCausalLM"], "torch_dtype": "bfloat16"}),
    ],
)
def test_what_changes_nothing_or_is_honoured_is_taken(write_config, model_type, fields):
    config = {**TINY_LLAMA, "model_type": model_type, **fields}
    assert find_recipe(ImportSpec(write_config(config), context=64)).config["hidden_size"] == 64


@pytest.mark.parametrize("model_type", ["smolvlm", "idefics3"])
@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("text_config", "qk_layer_norms", True),
        ("text_config", "use_resampler", True),
        ("text_config", "sliding_window", 16),
        ("text_config", "rope_interleaved", True),
        ("vision_config", "num_experts", 4),
        ("vision_config", "patch_norm", True),
        ("", "resampler_depth", 3),
        ("", "quantization_config", QUANTISED),
    ],
)
def test_parts_of_a_vision_language_model(write_config, model_type, part, field, value):
    config = json.loads(json.dumps({**TINY_SMOLVLM, "model_type": model_type}))
    (config[part] if part else config)[field] = value
    imported = "vision" if part == "vision_config" else "text"
    context = None if imported == "vision" else 64
    error = refused(config, write_config, part=imported, context=context)
    assert f"'{part}.{field}'".replace("'.", "'") in error.message
    assert error.location is not None


def test_the_part_that_is_not_imported_is_not_read(write_config):
    config = json.loads(json.dumps(TINY_SMOLVLM))
    config["vision_config"]["num_experts"] = 4
    assert find_recipe(ImportSpec(write_config(config), context=8)).has_vision


@pytest.mark.parametrize("name", NAMED_MODELS)
def test_named_models_pass(name: str):
    for part in ("text", "vision") if "vlm" in name else (None,):
        find_recipe(ImportSpec(name, part=part))


def test_scaling_under_its_older_name_reaches_the_model(write_config):
    from asic_compiler.frontends.pytorch import language

    frequencies = []
    for scaling in (None, {"type": "linear", "factor": 4.0}):
        config = {**TINY_LLAMA, "rope_theta": 20000.0, "rope_scaling": scaling}
        recipe = find_recipe(ImportSpec(write_config(config)))
        frequencies.append(language.build(recipe, None).backbone.rotary_emb.inv_freq)
    assert float(frequencies[0][1]) == pytest.approx(20000 ** (-2 / 16))
    torch.testing.assert_close(frequencies[0] / 4, frequencies[1])


def test_a_bias_that_the_configuration_does_not_speak_of(write_config):
    # It was left out without a word: another model than the checkpoint's.
    from safetensors.numpy import save_file

    from asic_compiler.frontends import import_model
    from asic_compiler.frontends.pytorch import language

    path = write_config(TINY_LLAMA)
    folder = Path(path).parent
    model = language.build(find_recipe(ImportSpec(path)), None).model
    tensors = {name: value.detach().float().numpy() for name, value in model.named_parameters()}
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = tensors["model.norm.weight"]
    tensors["model.layers.7.mlp.up_proj.bias"] = tensors["model.norm.weight"]
    save_file(tensors, folder / "model.safetensors")
    import_model(ImportSpec(str(folder), context=8))
    tensors["model.layers.0.mlp.up_proj.bias"] = tensors["model.norm.weight"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(UserError) as caught:
        import_model(ImportSpec(str(folder), context=8))
    assert caught.value.notes == (
        "model.layers.0.mlp.up_proj.bias is in the checkpoint, and config.json describes no such "
        "tensor",
    )


def test_places_of_keys():
    text = '{"a": {"b\\"c": [1, {"d": 2}],\n  "e": "x: {"}, "f"\n: null}'
    places = key_places(text, "f.json")
    found = {path: (place.line, place.column) for path, place in places.items()}
    assert found == {("a",): (1, 2), ("a", 'b"c'): (1, 8), ("a", "e"): (2, 3), ("f",): (2, 17)}
