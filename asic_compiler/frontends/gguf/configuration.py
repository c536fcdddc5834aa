"""What a GGUF file says of its model, as a Hugging Face configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.gguf.file import GgufFile
from asic_compiler.frontends.models.catalogue import Config

ARCHITECTURES = ("llama", "qwen2", "qwen3")
"""llama.cpp's names, which are those of the configurations; ``llama`` is Mistral's as well."""

_FIELDS = {
    "block_count": "num_hidden_layers",
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "attention.key_length": "head_dim",
    "vocab_size": "vocab_size",
    "attention.sliding_window": "sliding_window",
}
_NEEDED = ("embedding_length", "attention.head_count", "attention.layer_norm_rms_epsilon")
"""Without a default, and not asked for by the check of every configuration."""
_ELSEWHERE = ("attention.value_length", "rope.dimension_count", "rope.freq_base")
_ONLY: dict[str, tuple[object, ...]] = {
    "expert_count": (0,),
    "expert_used_count": (0,),
    "attention.causal": (True,),
    "attention.scale": (0.0,),
    "rope.scaling.attn_factor": (1.0,),
    "use_parallel_residual": (True,),  # of models without a parallel form it says nothing
    "tensor_data_layout": ("Meta AI original pth",),
}
"""Keys that may be there if they say what the architecture does anyway."""
_SCALING = "rope.scaling."
_SCALING_FIELDS = ("type", "factor", "original_context_length", "finetuned", "attn_factor")
_HARMLESS = ("general.", "tokenizer.", "split.", "quantize.")
_LLAMA3_FACTORS = (8.0, 32.0)
_DEFAULT_THETA = 10000.0
_ROPE_FACTORS = "rope_freqs.weight"


def configuration(file: GgufFile, factors: Callable[[], np.ndarray[Any, Any]]) -> Config:
    """The configuration that describes the model of a GGUF file.

    Args:
        file: Its header.
        factors: Gives ``rope_freqs.weight``; called if there is such a tensor.

    Raises:
        UserError: An architecture that is not read, a key that is missing, or one that changes
            the model in a way that is not read.
    """
    shown, metadata = f"'{file.path}'", file.metadata
    architecture = metadata.get("general.architecture")
    if architecture not in ARCHITECTURES:
        notes = [f"read from GGUF: {', '.join(ARCHITECTURES)}"]
        raise UserError(f"{shown}: unsupported architecture '{architecture}'", notes=notes)
    if metadata.get("split.count", 1) not in (0, 1):
        notes = ["llama-gguf-split --merge makes one file of them"]
        raise UserError(f"{shown} is a part of a model that is split over files", notes=notes)
    own = _own_keys(file, str(architecture))
    config: Config = {"model_type": architecture}
    for key, field in _FIELDS.items():
        if key in own:
            config[field] = own[key]
    if "token_embd.weight" in file.tensors:
        config.setdefault("vocab_size", file.tensors["token_embd.weight"].shape[0])
    config["tie_word_embeddings"] = "output.weight" not in file.tensors
    if architecture == "llama":
        config["attention_bias"] = "blk.0.attn_q.bias" in file.tensors
        config["mlp_bias"] = "blk.0.ffn_up.bias" in file.tensors
    for key in _NEEDED:
        if key not in own:
            raise UserError(f"{shown} has no key '{architecture}.{key}'")
    heads, width = config["num_attention_heads"], config["hidden_size"]
    if not all(isinstance(n, int) and n > 0 for n in (heads, width)):
        raise UserError(f"{shown}: '{architecture}' with {heads} heads on a width of {width}")
    head = config.setdefault("head_dim", width // heads)
    for key in ("attention.value_length", "rope.dimension_count"):
        if own.get(key, head) != head:
            notes = ["heads of one size, with all of it rotated, are read"]
            raise UserError(
                f"{shown}: '{architecture}.{key}' is {own[key]}, not {head}", notes=notes
            )
    config["rope_parameters"] = _rope(file, own, head, factors)
    return config


def _own_keys(file: GgufFile, architecture: str) -> dict[str, Any]:
    """Keys of the architecture, without its name; all others must be known not to matter."""
    own: dict[str, Any] = {}
    for key, value in file.metadata.items():
        if key.startswith(_HARMLESS):
            continue
        name = key.removeprefix(f"{architecture}.")
        allowed = _ONLY.get(name)
        is_known = name != key and (
            name in _FIELDS
            or name in _ELSEWHERE
            or (name.startswith(_SCALING) and name.removeprefix(_SCALING) in _SCALING_FIELDS)
        )
        if allowed is None and not is_known:
            notes = ["what is not known may change the model, so it is not ignored"]
            raise UserError(f"'{file.path}': the key '{key}' is not known", notes=notes)
        if allowed is not None and value not in allowed:
            raise UserError(f"'{file.path}': '{key}' is {value}, which is not supported")
        if not isinstance(value, (int, float, str)):
            notes = ["a value a layer is not supported: all layers must be alike"]
            raise UserError(f"'{file.path}': '{key}' is an array", notes=notes)
        # 1e-05 is stored as f32: what was meant is the shortest decimal that gives it.
        own[name] = float(str(np.float32(value))) if isinstance(value, float) else value
    return own


def _rope(
    file: GgufFile,
    own: dict[str, Any],
    head: int,
    factors: Callable[[], np.ndarray[Any, Any]],
) -> Config:
    rope: Config = {"rope_type": "default", "rope_theta": own.get("rope.freq_base", _DEFAULT_THETA)}
    kind = own.get("rope.scaling.type", "none")
    if kind == "linear":
        rope |= {"rope_type": "linear", "factor": own.get("rope.scaling.factor", 1.0)}
    elif kind != "none":
        notes = ["none, linear, and Llama 3's (a tensor) are read"]
        raise UserError(f"'{file.path}': rope.scaling.type '{kind}' is not supported", notes=notes)
    if _ROPE_FACTORS not in file.tensors:
        return rope
    # llama.cpp stores Llama 3's scaling as the divisor of each frequency.
    stored = factors()
    for factor in _LLAMA3_FACTORS:
        wanted = llama3_divisors(head, rope["rope_theta"], factor)
        if kind == "none" and stored.shape == wanted.shape and np.allclose(stored, wanted, 1e-4):
            return rope | {
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 8192,
            }
    raise UserError(f"'{file.path}': '{_ROPE_FACTORS}' is not that of a Llama 3.1 or 3.2")


def llama3_divisors(head: int, theta: float, factor: float) -> np.ndarray[Any, Any]:
    """By what Llama 3.1 divides each frequency of a head [head / 2].

    Source: ``_compute_llama3_parameters`` of transformers, with a low factor of 1, a high one of 4
    and 8,192 positions originally.
    """
    low, high, positions = 1.0, 4.0, 8192
    lengths = 2 * np.pi * theta ** (np.arange(0, head, 2) / head)
    smooth = (positions / lengths - low) / (high - low)
    between = 1 / ((1 - smooth) / factor + smooth)
    divisors = np.where(lengths > positions / low, factor, between)
    return np.where(lengths < positions / high, 1.0, divisors)
