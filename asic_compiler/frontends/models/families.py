"""Families of language models: which fields of their configurations say what is computed.

transformers' own code computes each of them; what stands here is what it cannot tell: which fields
its class reads, which must be given, and which values it does not read but a file may state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LAYER_TYPES = ("full_attention", "sliding_attention")
"""Kinds of layers, in transformers' words."""

_SIZES = "vocab_size hidden_size num_hidden_layers num_attention_heads"
_GATED = "vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads"
_ROPE = "rope_theta rope_scaling rope_parameters"
_SHARED = "max_position_embeddings tie_word_embeddings"
_LLAMA = (
    f"{_GATED} {_SHARED} {_ROPE} num_key_value_heads head_dim hidden_act rms_norm_eps "
    "attention_bias mlp_bias"
)
_WINDOWS = "sliding_window layer_types"
_GEMMA2 = (
    f"{_GATED} {_SHARED} {_ROPE} {_WINDOWS} num_key_value_heads head_dim hidden_activation "
    "rms_norm_eps attention_bias query_pre_attn_scalar final_logit_softcapping"
)


@dataclass(frozen=True, slots=True)
class Family:
    """What the configuration of one ``model_type`` may hold.

    Args:
        honoured: Fields that transformers' class builds from.
        needed: Fields without which another model would be described.
        only: Fields that the class does not read, with the values that say what it does anyway.
        layers: The field that holds the number of layers.
        positions: The field that holds how many positions were learned; None where they are
            computed, and have no end.
        rope_types: Scalings of rotary positions.
        partial: Whether a part of a head may be rotated.
        rope_by_kind: Whether ``rope_parameters`` tells of each kind of layers.
        code: transformers' class, for checkpoints that bring its code along.
        renamed: Beginnings of transformers' names, and what published checkpoints have there.
    """

    honoured: frozenset[str]
    needed: tuple[str, ...]
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict[str, tuple[Any, ...]])
    layers: str = "num_hidden_layers"
    positions: str | None = None
    rope_types: tuple[str, ...] = ("default", "linear", "llama3", "yarn")
    partial: bool = False
    rope_by_kind: bool = False
    code: str = ""
    renamed: tuple[tuple[str, str], ...] = ()

    @property
    def slides(self) -> bool:
        """Whether layers may attend over a window."""
        return "sliding_window" in self.honoured


def _family(honoured: str, needed: str = _GATED, **more: Any) -> Family:
    return Family(frozenset(honoured.split()), tuple(needed.split()), **more)


_NO_BIAS = {"attention_bias": (False,), "mlp_bias": (False,)}

LANGUAGE_FAMILIES: Mapping[str, Family] = {
    "llama": _family(_LLAMA),
    "mistral": _family(f"{_LLAMA} sliding_window", only=_NO_BIAS),
    "qwen2": _family(
        f"{_LLAMA} {_WINDOWS} use_sliding_window max_window_layers",
        only={"attention_bias": (True,), "mlp_bias": (False,)},
    ),
    "qwen3": _family(
        f"{_LLAMA} {_WINDOWS} use_sliding_window max_window_layers", only={"mlp_bias": (False,)}
    ),
    "gemma": _family(
        _LLAMA,
        # "gelu" is meant, and taken, for its approximation by tanh.
        only={"mlp_bias": (False,), "use_bidirectional_attention": (False,)},
    ),
    "gemma2": _family(
        f"{_GEMMA2} attn_logit_softcapping",
        only={"hidden_act": ("gelu_pytorch_tanh",), "use_bidirectional_attention": (False,)},
    ),
    "gemma3_text": _family(
        f"{_GEMMA2} rope_local_base_freq sliding_window_pattern",
        # Published files of the larger models leave the rest to the class.
        "hidden_size intermediate_size num_hidden_layers",
        only={
            "hidden_act": ("gelu_pytorch_tanh",),
            "use_bidirectional_attention": (False,),
            "attn_logit_softcapping": (),
        },
        rope_types=("default", "linear", "llama3"),
        rope_by_kind=True,
    ),
    "phi3": _family(
        f"{_LLAMA} sliding_window partial_rotary_factor original_max_position_embeddings",
        only={
            **_NO_BIAS,
            "lm_head_bias": (False,),
            "full_attn_mod": (1,),
            "interpolate_factor": (1,),
        },
        rope_types=("default", "longrope", "su"),
        partial=True,
        code="Phi3ForCausalLM",
    ),
    "phi": _family(
        f"{_GATED} {_SHARED} {_ROPE} num_key_value_heads head_dim hidden_act layer_norm_eps "
        "qk_layernorm partial_rotary_factor",
        partial=True,
    ),
    "stablelm": _family(
        f"{_GATED} {_SHARED} {_ROPE} num_key_value_heads hidden_act layer_norm_eps use_qkv_bias "
        "qk_layernorm use_parallel_residual partial_rotary_factor",
        partial=True,
    ),
    "granite": _family(
        f"{_LLAMA} embedding_multiplier logits_scaling residual_multiplier attention_multiplier",
    ),
    "olmo2": _family(_LLAMA, only={"mlp_bias": (False,)}),
    "olmo": _family(f"{_LLAMA} clip_qkv", only={"mlp_bias": (False,), "rms_norm_eps": ()}),
    "olmo3": _family(
        f"{_LLAMA} {_WINDOWS}",
        # transformers gives a stated base to the full layers alone.
        only={"mlp_bias": (False,), "rope_theta": (500000,)},
        rope_by_kind=True,
    ),
    "smollm3": _family(
        f"{_LLAMA} {_WINDOWS} use_sliding_window no_rope_layers no_rope_layer_interval",
    ),
    "gpt2": _family(
        "vocab_size n_embd n_layer n_head n_positions n_inner activation_function "
        "layer_norm_epsilon scale_attn_weights scale_attn_by_inverse_layer_idx "
        "reorder_and_upcast_attn tie_word_embeddings",
        "vocab_size n_embd n_layer n_head n_positions",
        layers="n_layer",
        positions="n_positions",
    ),
    "gpt_neox": _family(
        f"{_GATED} {_SHARED} rope_scaling rope_parameters rotary_pct rotary_emb_base hidden_act "
        "layer_norm_eps use_parallel_residual attention_bias",
        partial=True,
        renamed=(("lm_head.", "embed_out."),),
    ),
    "opt": _family(
        f"{_SIZES} {_SHARED} ffn_dim do_layer_norm_before _remove_final_layer_norm "
        "word_embed_proj_dim activation_function enable_bias layer_norm_elementwise_affine",
        f"{_SIZES} ffn_dim max_position_embeddings",
        positions="max_position_embeddings",
    ),
    "falcon": _family(
        f"{_SIZES} {_SHARED} {_ROPE} num_kv_heads new_decoder_architecture multi_query "
        "parallel_attn bias num_ln_in_parallel_attn ffn_hidden_size activation layer_norm_epsilon",
        _SIZES,
        only={"alibi": (False,), "apply_residual_connection_post_layernorm": (False,)},
        code="FalconForCausalLM",
    ),
    "starcoder2": _family(
        f"{_GATED} {_SHARED} {_ROPE} num_key_value_heads head_dim hidden_act norm_epsilon use_bias "
        "sliding_window",
        only={
            "mlp_type": ("default",),
            "norm_type": ("layer_norm",),
            "attention_softmax_in_fp32": (True,),
            "scale_attention_softmax_in_fp32": (True,),
            "scale_attn_weights": (True,),
            "activation_function": ("gelu", "gelu_pytorch_tanh"),
        },
    ),
    "cohere": _family(
        f"{_GATED} {_SHARED} {_ROPE} num_key_value_heads head_dim hidden_act layer_norm_eps "
        "logit_scale attention_bias use_qk_norm",
    ),
    "cohere2": _family(
        f"{_GATED} {_SHARED} {_ROPE} {_WINDOWS} num_key_value_heads hidden_act layer_norm_eps "
        "logit_scale attention_bias sliding_window_pattern",
        only={"use_qk_norm": (False,), "use_parallel_embedding": (True, False)},
    ),
}
"""By ``model_type``; each is imported and compared with PyTorch by a test."""

VISION_LANGUAGE_TYPES = ("idefics3", "smolvlm")
"""Of two parts, each of which can be imported."""
THEIR_TEXT_TYPES = ("llama", "mistral", "qwen2", "qwen3")

TEXT_OF: Mapping[str, tuple[str, str]] = {"gemma3": ("gemma3_text", "language_model.")}
"""Of these the language model alone is imported: its type, and what checkpoints put before it."""
