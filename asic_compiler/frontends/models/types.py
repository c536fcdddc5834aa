"""What kind of value each field of a configuration has, checked before any is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

_SIZES_TEXT = """
vocab_size hidden_size intermediate_size num_attention_heads num_key_value_heads head_dim
max_position_embeddings num_channels image_size patch_size scale_factor n_embd n_head n_positions
n_inner ffn_dim ffn_hidden_size num_kv_heads word_embed_proj_dim no_rope_layer_interval
sliding_window_pattern
"""
_COUNTS_TEXT = """
sliding_window max_window_layers original_max_position_embeddings num_ln_in_parallel_attn
"""
_NUMBERS_TEXT = """
rms_norm_eps layer_norm_eps rope_theta factor low_freq_factor high_freq_factor
attention_factor beta_fast beta_slow mscale mscale_all_dim layer_norm_epsilon norm_epsilon
rope_local_base_freq rotary_emb_base rotary_pct partial_rotary_factor query_pre_attn_scalar
final_logit_softcapping attn_logit_softcapping clip_qkv logit_scale logits_scaling
embedding_multiplier residual_multiplier attention_multiplier
"""
_FLAGS_TEXT = """
tie_word_embeddings attention_bias mlp_bias use_sliding_window truncate finetuned bias enable_bias
use_bias use_qkv_bias use_qk_norm qk_layernorm use_parallel_residual parallel_attn multi_query
new_decoder_architecture do_layer_norm_before _remove_final_layer_norm
layer_norm_elementwise_affine scale_attn_weights scale_attn_by_inverse_layer_idx
reorder_and_upcast_attn
"""
_TEXTS_TEXT = """
hidden_act hidden_activation activation activation_function model_type rope_type type
"""
_OBJECTS_TEXT = "text_config vision_config"

_LARGEST_SIZE = 2**31 - 1
_LARGEST_NUMBER = 1e300
_MOST_LAYERS = 4096
"""Each is built, and each is an operator or ten of the program."""


def fault(name: str, value: Any) -> str | None:
    """Why a field cannot have a value; None if it can. Null says nothing, and is always right."""
    if value is None:
        return None
    return next((why for names, of in _KINDS if name in names and (why := of(value))), None)


def _integer(low: int, high: int) -> Callable[[Any], str | None]:
    def of(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return "must be an integer"
        return None if low <= value <= high else f"must be from {low} to {high}"

    return of


def _number(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "must be a number"
    return None if abs(value) <= _LARGEST_NUMBER else "must be finite"


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else "must be a text"


def _texts(value: Any) -> str | None:
    listed = isinstance(value, list) and all(isinstance(v, str) for v in cast("list[Any]", value))
    return None if listed else "must be a list of texts"


def _numbers(value: Any) -> str | None:
    listed = isinstance(value, list) and not any(map(_number, cast("list[Any]", value)))
    return None if listed else "must be a list of numbers"


def _object(value: Any) -> str | None:
    return None if isinstance(value, dict) else "must be an object"


_KINDS: tuple[tuple[frozenset[str], Callable[[Any], str | None]], ...] = (
    (frozenset(_SIZES_TEXT.split()), _integer(1, _LARGEST_SIZE)),
    (frozenset(_COUNTS_TEXT.split()), _integer(0, _LARGEST_SIZE)),
    (frozenset(("num_hidden_layers", "n_layer")), _integer(1, _MOST_LAYERS)),
    (frozenset(_NUMBERS_TEXT.split()), _number),
    (frozenset(_FLAGS_TEXT.split()), _flag),
    (frozenset(_TEXTS_TEXT.split()), _text),
    (frozenset(_OBJECTS_TEXT.split()), _object),
    (frozenset(("layer_types",)), _texts),
    (frozenset(("no_rope_layers", "short_factor", "long_factor")), _numbers),
)
