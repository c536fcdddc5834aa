"""Every field that a family honours changes its model; what it does not read is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_families import TINY_FAMILIES
from tiny_models import TINY_TEXT

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends import ImportSpec, import_model
from asic_compiler.frontends.models.config import find_recipe
from asic_compiler.frontends.models.families import LANGUAGE_FAMILIES
from asic_compiler.frontends.pytorch import language
from asic_compiler.frontends.pytorch.weights import generator

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
CONTEXT = 8

LINEAR = {"rope_type": "linear", "factor": 4.0}
LONG = {"rope_type": "longrope", "short_factor": [2.0] * 8, "long_factor": [3.0] * 8}
OTHERS = {
    "vocab_size": 80,
    "hidden_size": 96,
    "n_embd": 96,
    "intermediate_size": 64,
    "ffn_dim": 64,
    "n_inner": 64,
    "ffn_hidden_size": 64,
    "num_hidden_layers": 1,
    "n_layer": 1,
    "num_attention_heads": 8,
    "n_head": 8,
    "num_key_value_heads": 4,
    "num_kv_heads": 2,
    "head_dim": 32,
    "word_embed_proj_dim": 32,
    "max_position_embeddings": 32,
    "n_positions": 32,
    "rope_theta": 50.0,
    "rotary_emb_base": 50.0,
    "rotary_pct": 0.75,
    "partial_rotary_factor": 0.75,
    "rope_scaling": LINEAR,
    "rope_parameters": {**LINEAR, "rope_theta": 50.0},
    "rope_local_base_freq": 50.0,
    "sliding_window": 3,
    "sliding_window_pattern": 2,
    "max_window_layers": 0,
    "layer_types": ["sliding_attention", "full_attention"],
    "original_max_position_embeddings": 4,
    "no_rope_layers": [0, 1],
    "no_rope_layer_interval": 1,
    "num_ln_in_parallel_attn": 1,
    "query_pre_attn_scalar": 3,
    "final_logit_softcapping": 0.5,
    "attn_logit_softcapping": 0.5,
}
"""Another value than the tiny configuration's; of switches it is the other one, of numbers 1.5."""

NEEDS: dict[tuple[str, str], dict[str, object]] = {
    ("qwen3", "use_sliding_window"): {"sliding_window": 4, "max_window_layers": 1},
    ("qwen3", "sliding_window"): {"use_sliding_window": True, "max_window_layers": 1},
    ("qwen3", "max_window_layers"): {"use_sliding_window": True, "sliding_window": 4},
    ("qwen3", "layer_types"): {"use_sliding_window": True, "sliding_window": 4},
    ("falcon", "num_kv_heads"): {"new_decoder_architecture": True},
    ("falcon", "num_ln_in_parallel_attn"): {"new_decoder_architecture": True},
    ("gemma3_text", "sliding_window_pattern"): {"layer_types": None},
    ("gemma3_text", "num_hidden_layers"): {"layer_types": None},
    ("gemma3_text", "rope_theta"): {"rope_scaling": None},
    ("gemma3_text", "rope_parameters"): {"rope_scaling": None, "rope_theta": None},
    ("gemma3_text", "layer_types"): {"layer_types": ["full_attention", "sliding_attention"]},
    ("olmo3", "num_hidden_layers"): {"layer_types": None},
    ("olmo3", "rope_parameters"): {"rope_scaling": None},
    ("olmo3", "layer_types"): {"layer_types": ["full_attention", "sliding_attention"]},
    ("cohere2", "layer_types"): {"sliding_window_pattern": 1},
    ("cohere2", "sliding_window_pattern"): {"sliding_window_pattern": 1},
    ("phi", "head_dim"): {"qk_layernorm": False},
    ("gemma2", "layer_types"): {"layer_types": ["full_attention", "sliding_attention"]},
    ("smollm3", "no_rope_layer_interval"): {"no_rope_layers": None, "num_hidden_layers": 4},
    ("phi3", "rope_scaling"): {"partial_rotary_factor": 1.0},
    ("phi3", "rope_parameters"): {"partial_rotary_factor": 1.0},
    ("phi3", "original_max_position_embeddings"): {
        "partial_rotary_factor": 1.0,
        "rope_scaling": LONG,
    },
}
"""Fields that say something only beside others."""

WITHOUT_A_TRACE = {
    "max_position_embeddings",  # no end unless learned, or scaled with respect to a length
    "reorder_and_upcast_attn",  # a matter of rounding: here all is f32
}


def base_of(model_type: str) -> dict[str, object]:
    return next(c for c in TINY_FAMILIES.values() if c["model_type"] == model_type)


def other(model_type: str, field: str, value: object) -> object:
    if model_type == "phi3" and field in ("rope_scaling", "rope_parameters"):
        return LONG
    if model_type in ("gemma3_text", "olmo3") and field == "rope_parameters":
        return {"full_attention": LINEAR, "sliding_attention": LINEAR}
    if model_type in ("gemma3_text", "olmo3") and field == "rope_scaling":
        return {**LINEAR, "factor": 2.0}
    if field in ("hidden_act", "hidden_activation", "activation", "activation_function"):
        return "tanh"
    if field in OTHERS:
        return OTHERS[field]
    return not value if isinstance(value, bool) else 1.5


def default_of(model_type: str, field: str) -> object:
    from transformers import AutoConfig

    return getattr(AutoConfig.for_model(model_type), field, None)


def outcome(folder: Path, config: dict[str, object]) -> object:
    """What a decode step is: shapes of weights and caches, and logits of weights by their names."""
    file = folder / "config.json"
    file.write_text(json.dumps(config))
    spec = ImportSpec(str(file), dtype="f32", context=CONTEXT)
    prepared = language.prepare(find_recipe(spec), spec, mode=None)
    parameters = dict(prepared.module.named_parameters())
    shapes = {name: tuple(p.shape) for name, p in parameters.items()}
    inputs = [torch.zeros_like(x) for x in prepared.inputs]
    with torch.no_grad():
        for name, parameter in parameters.items():
            drawn = generator(0, name).uniform(-0.5, 0.5, tuple(parameter.shape))
            parameter.copy_(torch.from_numpy(drawn))
        inputs[1] += CONTEXT - 1
        for index, value in enumerate(inputs):
            if value.ndim == 4 and value.shape[1] == prepared.module.layout.kv_heads != 1:
                drawn = generator(1, str(index)).uniform(-1, 1, tuple(value.shape))
                inputs[index] = torch.from_numpy(drawn).float()
        logits = prepared.module(*inputs)[0]
    caches = [tuple(x.shape) for x in inputs]
    return shapes, caches, prepared.module.layout.kinds, logits.tolist()


@pytest.mark.parametrize("model_type", LANGUAGE_FAMILIES)
def test_every_honoured_field_is_honoured(tmp_path: Path, model_type: str):
    family, base = LANGUAGE_FAMILIES[model_type], base_of(model_type)
    plain = outcome(tmp_path, base)
    silent: list[str] = []
    for field in sorted(family.honoured - family.only.keys()):
        if field in WITHOUT_A_TRACE and field != family.positions:
            continue
        own = {**base, **NEEDS.get((model_type, field), {})}
        value = own.get(field, default_of(model_type, field))
        before = plain if own == base else outcome(tmp_path, own)
        if outcome(tmp_path, {**own, field: other(model_type, field, value)}) == before:
            silent.append(field)
    assert silent == []


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("falcon", {"alibi": True}, "'alibi' is True, which is not supported"),
        ("falcon", {"apply_residual_connection_post_layernorm": True}, "post_layernorm' is True"),
        ("gemma2", {"use_bidirectional_attention": True}, "'use_bidirectional_attention' is True"),
        ("gemma2", {"hidden_act": "relu"}, "'hidden_act' is relu"),
        ("gemma3", {"attn_logit_softcapping": 50.0}, "'attn_logit_softcapping' is 50.0"),
        ("gemma3", {"rope_scaling": {"rope_type": "yarn"}}, "'yarn' is not supported"),
        (
            "gemma3",
            {"rope_scaling": None, "rope_parameters": {"full_attention": {"rope_type": "dynamic"}}},
            "'rope_parameters.full_attention.rope_type' 'dynamic' is not supported",
        ),
        ("gemma3", {"rope_scaling": None, "rope_parameters": {"rope_type": "default"}}, "no kind"),
        ("gemma3", {"rope_parameters": {}}, "'rope_scaling' stands beside 'rope_parameters'"),
        ("granite", {"rope_theta": 5.0, "rope_parameters": {"rope_theta": 6.0}}, "is 5.0, and 6.0"),
        ("olmo3", {"rope_theta": 10000.0}, "'rope_theta' is 10000.0"),
        ("olmo", {"rms_norm_eps": 1e-5}, "'rms_norm_eps' is 1e-05"),
        ("gemma3", {"layer_types": None, "_sliding_window_pattern": 2}, "_pattern' is 2"),
        ("phi3", {"rope_scaling": {"rope_type": "yarn"}}, "'yarn' is not supported"),
        ("phi3", {"lm_head_bias": True}, "'lm_head_bias' is True"),
        ("phi3", {"auto_map": {"AutoModelForCausalLM": "m.Other"}}, "names code"),
        ("granite", {"num_local_experts": 4}, "'num_local_experts' is not a field"),
        ("granite", {"partial_rotary_factor": 0.5}, "'partial_rotary_factor' is 0.5"),
        ("gpt2", {"n_ctx": 8}, "'n_ctx' is 8"),
        ("gpt2", {"rope_theta": 1e4}, "'rope_theta' is not a field"),
        ("gpt2", {"add_cross_attention": True}, "'add_cross_attention' is True"),
        ("gpt_neox", {"head_dim": 8}, "'head_dim' is not a field"),
        ("gpt_neox", {"rope_scaling": {"type": "dynamic"}}, "'dynamic' is not supported"),
        ("opt", {"sliding_window": 4}, "'sliding_window' hides tokens"),
        ("starcoder2", {"mlp_type": "gated"}, "'mlp_type' is gated"),
        ("starcoder2", {"norm_epsilon": 1e-5, "layer_norm_epsilon": 1e-6}, "epsilon' is 1e-06"),
        ("cohere", {"use_parallel_embedding": True}, "'use_parallel_embedding' is not a field"),
        ("smollm3", {"layer_types": ["chunked_attention"] * 2}, "holds 'chunked_attention'"),
    ],
)
def test_what_a_family_does_not_read_is_refused(tmp_path: Path, name: str, fields, message: str):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**TINY_FAMILIES[name], **fields}))
    with pytest.raises(UserError) as caught:
        find_recipe(ImportSpec(str(file), context=CONTEXT))
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.location is not None


def test_positions_that_were_not_learned(tmp_path: Path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps(TINY_FAMILIES["gpt2"]))
    with pytest.raises(UserError) as caught:
        find_recipe(ImportSpec(str(file), context=17))
    assert "'n_positions' is 16: the model has learned no further positions" in caught.value.message
    # Without --context it is as long as it can be, up to the usual length; a note says so.
    recipe = find_recipe(ImportSpec(str(file)))
    assert recipe.context == 16
    assert recipe.notes == ("--context 16: the model has learned no further positions",)


def test_layers_that_slide_without_a_window(tmp_path: Path):
    file = tmp_path / "config.json"
    config = {"model_type": "qwen3", **TINY_TEXT, "layer_types": ["sliding_attention"] * 2}
    file.write_text(json.dumps({**config, "sliding_window": 4}))
    with pytest.raises(UserError, match="layers slide, and no window is given"):
        import_model(ImportSpec(str(file), context=CONTEXT))


def test_the_code_of_a_checkpoint_is_told_of(tmp_path: Path):
    # Phi-3's published configuration names code that transformers has taken over long since.
    file = tmp_path / "config.json"
    code = {"AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM"}
    file.write_text(json.dumps({**TINY_FAMILIES["phi3"], "auto_map": code}))
    recipe = find_recipe(ImportSpec(str(file), context=CONTEXT))
    assert recipe.notes == (
        "the checkpoint's own code is not run: transformers' Phi3ForCausalLM is imported",
    )
