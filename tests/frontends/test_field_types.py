"""Every field of a configuration has a kind; another one is refused at the key, never a trace."""

import json

import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.models.config import find_recipe
from asic_compiler.frontends.models.types import fault
from asic_compiler.frontends.spec import ImportSpec

LLAMA = {
    "model_type": "llama",
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
SMOL = {
    "model_type": "smolvlm",
    "scale_factor": 4,
    "text_config": {k: v for k, v in LLAMA.items() if k != "model_type"},
    "vision_config": {"hidden_size": 32, "image_size": 64, "patch_size": 8},
}


def recipe(config, folder, **options):
    path = folder / "config.json"
    path.write_text(json.dumps(config, indent=1))
    return find_recipe(ImportSpec(str(path), **options))


def test_the_configurations_are_sound(tmp_path):
    recipe(LLAMA, tmp_path)
    recipe(SMOL, tmp_path)


@pytest.mark.parametrize(
    ("base", "change"),
    [
        (SMOL, {"text_config": True}),
        (SMOL, {"text_config": 0}),
        (SMOL, {"vision_config": [1]}),
        (SMOL, {"vision_config": 0.5}),
        (LLAMA, {"num_hidden_layers": []}),
        (LLAMA, {"num_hidden_layers": 1e6}),
        (LLAMA, {"hidden_size": "32"}),
        (LLAMA, {"hidden_size": True}),
        (LLAMA, {"layer_types": -0.0}),
        (LLAMA, {"layer_types": [["full_attention"]]}),
        (LLAMA, {"sliding_window": {}}),
        (LLAMA, {"rope_scaling": {"rope_type": ["linear"]}}),
        (LLAMA, {"rope_scaling": {"rope_type": "linear", "factor": "2"}}),
        (LLAMA, {"rms_norm_eps": 10**400}),
        (LLAMA, {"tie_word_embeddings": "no"}),
        (LLAMA, {"hidden_act": 3}),
    ],
)
def test_a_value_of_another_kind_is_refused_at_its_key(base, change, tmp_path):
    (name,) = change
    with pytest.raises(UserError, match="must be") as caught:
        recipe(base | change, tmp_path, layers=1)
    assert name in caught.value.message
    assert caught.value.location is not None
    assert caught.value.location.line > 1


@pytest.mark.parametrize(
    ("name", "largest"),
    [("num_hidden_layers", 4096), ("hidden_size", 2**31 - 1), ("sliding_window", 2**31 - 1)],
)
def test_a_size_has_a_limit(name, largest):
    assert fault(name, largest) is None
    assert fault(name, largest + 1) is not None
    assert fault(name, -1) is not None


def test_null_says_nothing():
    assert fault("hidden_size", None) is None


def test_a_text_part_without_a_type_is_a_llama_and_an_empty_type_is_refused(tmp_path):
    """An empty type, and null, were looked up as kinds of models: KeyError."""
    unsaid = {**SMOL, "text_config": {**SMOL["text_config"], "model_type": None}}
    assert recipe(unsaid, tmp_path).has_vision
    empty = {**SMOL, "text_config": {**SMOL["text_config"], "model_type": ""}}
    with pytest.raises(UserError, match=r"unsupported text_config.model_type ''"):
        recipe(empty, tmp_path)
