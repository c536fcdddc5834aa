"""Every field of a configuration is honoured, known not to matter, or refused.

transformers takes whatever a configuration holds and builds what its class knows: a field that the
class does not know describes another model, and is dropped there without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.frontends.models.catalogue import Config
from asic_compiler.frontends.models.json_places import KeyPath
from asic_compiler.frontends.models.types import fault

_LANGUAGE_TEXT = """
vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads
num_key_value_heads head_dim hidden_act max_position_embeddings rms_norm_eps
tie_word_embeddings rope_theta
"""
_VISION_TEXT = """
hidden_size intermediate_size num_hidden_layers num_attention_heads num_channels
image_size patch_size hidden_act layer_norm_eps
"""
_ROPE_TEXT = """
rope_type type rope_theta factor low_freq_factor high_freq_factor attention_factor
original_max_position_embeddings beta_fast beta_slow mscale mscale_all_dim truncate
finetuned partial_rotary_factor
"""
_LANGUAGE = frozenset(_LANGUAGE_TEXT.split())
_HONOURED: Mapping[str, frozenset[str]] = {
    "llama": _LANGUAGE | {"attention_bias", "mlp_bias"},
    "mistral": _LANGUAGE,
    "qwen2": _LANGUAGE,
    "qwen3": _LANGUAGE | {"attention_bias"},
    "whole": frozenset(("scale_factor", "tie_word_embeddings", "text_config", "vision_config")),
    "vision": frozenset(_VISION_TEXT.split()),
}
"""What the classes of transformers build from, by type or by part of a vision-language model."""

_HARMLESS_TEXT = """
    what made the file, and where it came from:
model_type architectures transformers_version _name_or_path name_or_path _commit_hash
dtype torch_dtype unsloth_version unsloth_fixed base_model
    tokens and labels:
bos_token_id eos_token_id pad_token_id unk_token_id sep_token_id image_token_id
decoder_start_token_id tokenizer_class prefix id2label label2id finetuning_task
problem_type task_specific_params bad_words_ids begin_suppress_tokens suppress_tokens
forced_bos_token_id forced_eos_token_id
    training:
initializer_range attention_dropout hidden_dropout attn_pdrop resid_pdrop embd_pdrop
neftune_noise_alpha use_reentrant_checkpointing gradient_checkpointing tp_plan
    how it is run, which changes no result:
use_cache pretraining_tp attn_implementation _attn_implementation
_attn_implementation_autoset _flash_attn_2_enabled torchscript return_dict
return_dict_in_generate output_attentions output_hidden_states output_scores
remove_invalid_values tf_legacy_loss transformers.js_config max_length min_length
    how text is drawn from what the model says:
do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature top_k top_p
typical_p repetition_penalty length_penalty no_repeat_ngram_size
encoder_no_repeat_ngram_size num_return_sequences exponential_decay_length_penalty
    what images are cut and padded to, before the model:
max_image_size size use_base_siglip image_seq_len
    said again by scale_factor, or of a part that use_resampler switches off:
perceiver_config pixel_shuffle_factor is_llama_config
    read with windows, positions and code, below:
sliding_window use_sliding_window max_window_layers layer_types rope_scaling rope_parameters
auto_map
"""
_HARMLESS = frozenset(
    word
    for line in _HARMLESS_TEXT.splitlines()
    if not line.startswith(" ")
    for word in line.split()
)
"""Fields without a say in what a program computes."""

_ONLY: Mapping[str, tuple[Any, ...]] = {
    "attention_bias": (False,),
    "mlp_bias": (False,),
    "use_bias": (False,),
    "qk_layer_norms": (False,),
    "use_resampler": (False,),
    "rope_interleaved": (False,),
    "partial_rotary_factor": (1, 1.0),
    "is_decoder": (False, True),
    "is_encoder_decoder": (False,),
    "add_cross_attention": (False,),
    "tie_encoder_decoder": (False,),
    "cross_attention_hidden_size": (),
    "chunk_size_feed_forward": (0,),
    "pruned_heads": ({},),
    "use_bfloat16": (False,),
    "hidden_size_multiplier": (1,),
    "attention_multiplier": (),
    "quantization_config": (),
}
"""Values with which a field says what the model does anyway; null always does."""
_ONLY_OF_TYPE: Mapping[tuple[str, str], tuple[Any, ...]] = {
    ("qwen2", "attention_bias"): (True,),
    ("vision", "tie_word_embeddings"): (False, True),
    ("whole", "vocab_size"): (),
}

_NESTED = ("text_config", "vision_config", "rope_scaling", "rope_parameters")
_ROPE_TYPES = ("default", "linear", "llama3", "yarn")
_ROPE_FIELDS = frozenset(_ROPE_TEXT.split())
_TASKS = ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel", "ForVision2Seq")
_DTYPES = ("float16", "bfloat16", "float32", "float64", "auto")
_DEFAULT_WINDOW = {"mistral": 4096}


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read, and where its keys stand."""

    shown: str
    """File or name, for messages."""
    context: int
    """Tokens that the program attends over."""
    places: Mapping[KeyPath, SourceLocation] = field(default_factory=dict[KeyPath, SourceLocation])

    def refuse(self, path: KeyPath, why: str, *notes: str) -> UserError:
        """An error at a key, or one that names it where there is no text to point into."""
        place = self.places.get(path)
        where = "" if place is not None else f"'{self.shown}': "
        return UserError(f"{where}'{'.'.join(path)}' {why}", place, notes)


def check_fields(config: Config, reading: Reading, parts: tuple[str, ...]) -> None:
    """Refuses what would be ignored.

    Args:
        config: A configuration of a supported type.
        reading: Where it is from.
        parts: Which of ``text`` and ``vision`` the program is made of; none of a language model,
            which is all text. The other part is not read.

    Raises:
        UserError: A field is not known, or has a value that is not supported; the location is the
            key's.
    """
    if not parts:
        _check_part(config, reading, (), str(config["model_type"]))
        return
    _check_part(config, reading, (), "whole")
    if "text" in parts:
        text: Config = config["text_config"]
        _check_part(text, reading, ("text_config",), str(text.get("model_type") or "llama"))
    if "vision" in parts:
        _check_part(config["vision_config"], reading, ("vision_config",), "vision")


def check_types(config: Config, reading: Reading, path: KeyPath = ()) -> None:
    """Refuses values of a wrong kind, of the parts and of their rope too.

    Raises:
        UserError: There is one; the location is the key's.
    """
    for name, value in config.items():
        why = fault(name, value)
        if why is not None:
            raise reading.refuse((*path, name), f"{why}, not {_short(value)}")
        if name in _NESTED and isinstance(value, dict):
            check_types(value, reading, (*path, name))  # pyright: ignore[reportUnknownArgumentType]


def _check_part(config: Config, reading: Reading, path: KeyPath, kind: str) -> None:
    for name, value in config.items():
        here = (*path, name)
        if value is None or name in _HONOURED[kind]:
            continue
        allowed = _ONLY_OF_TYPE.get((kind, name), _ONLY.get(name))
        if kind == "whole" and name == "vocab_size":
            allowed = (value,)  # said again by the text's own
        if allowed is not None and value not in allowed:
            raise _not_supported(reading, here, value)
        if allowed is None and name not in _HARMLESS:
            raise reading.refuse(
                here,
                "is not a field that is known",
                "what is not known may change the model, so it is not ignored",
                "remove it if it says nothing; or give the model as package.module:factory",
            )
    _check_task(config, reading, path)
    if kind in ("whole", "vision"):
        return
    _check_window(config, reading, path, kind)
    for name in ("rope_scaling", "rope_parameters"):
        if config.get(name) is not None:
            _check_rope(config[name], reading, (*path, name))


def _not_supported(reading: Reading, path: KeyPath, value: Any) -> UserError:
    if path[-1] == "quantization_config":
        return reading.refuse(
            path,
            "is not supported: the weights would be read as if they were not quantised",
            "save the checkpoint in f16 or bf16, or give a GGUF file, which is de-quantised",
        )
    return reading.refuse(
        path,
        f"is {_short(value)}, which is not supported",
        "the model can be given as package.module:factory",
    )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _check_task(config: Config, reading: Reading, path: KeyPath) -> None:
    own: Any = config.get("architectures")
    if isinstance(own, list):
        for name in own:  # pyright: ignore[reportUnknownVariableType]
            if not str(name).endswith(_TASKS):  # pyright: ignore[reportUnknownArgumentType]
                raise reading.refuse(
                    (*path, "architectures"),
                    f"names {_short(name)}: a model that ends in the logits of tokens is imported",
                    "any other model can be given as package.module:factory",
                )
    code: Any = config.get("auto_map")
    if isinstance(code, dict) and any(str(key).startswith("AutoModel") for key in code):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        raise reading.refuse(
            (*path, "auto_map"),
            "names code of the checkpoint's own, which is not run",
            "remove it if transformers' own model is the same; or give a factory",
        )
    for name in ("torch_dtype", "dtype"):
        dtype = config.get(name)
        if dtype is not None and str(dtype).removeprefix("torch.") not in _DTYPES:
            raise reading.refuse(
                (*path, name), f"is {_short(dtype)}, which is not supported", "save it in bf16"
            )


def _check_window(config: Config, reading: Reading, path: KeyPath, kind: str) -> None:
    """A window that is no shorter than the context hides nothing."""
    types: Any = config.get("layer_types")
    slides = kind not in ("qwen2", "qwen3") or bool(config.get("use_sliding_window", False))
    if types is not None:
        others = [kind for kind in types if kind not in ("full_attention", "sliding_attention")]
        if others:
            raise reading.refuse(
                (*path, "layer_types"), f"holds '{_short(others[0])}', which is not supported"
            )
        slides = "sliding_attention" in types
    elif slides and kind in ("qwen2", "qwen3"):
        slides = config.get("max_window_layers", 28) < config["num_hidden_layers"]
    window = config.get("sliding_window", _DEFAULT_WINDOW.get(kind))
    if not slides or window is None or window >= reading.context:
        return
    stated = "sliding_window" in config
    raise reading.refuse(
        (*path, "sliding_window" if stated else "model_type"),
        f"hides tokens: attention of {window} tokens"
        + ("" if stated else " (the default of its type)")
        + f", a context of {reading.context}",
        f"--context {window} or less imports it: nothing is hidden then",
        "with null in place of the window all tokens are attended to",
    )


def _check_rope(rope: Any, reading: Reading, path: KeyPath) -> None:
    if not isinstance(rope, dict):
        raise reading.refuse(path, "is no object")
    given: Config = rope  # pyright: ignore[reportUnknownVariableType]
    for name, value in given.items():
        if name not in _ROPE_FIELDS:
            raise reading.refuse((*path, name), "is not a field that is known")
        if name in ("rope_type", "type") and value not in _ROPE_TYPES:
            raise reading.refuse(
                (*path, name),
                f"'{_short(value)}' is not supported",
                f"supported: {', '.join(_ROPE_TYPES)}",
            )
        if name == "partial_rotary_factor" and value not in (None, 1, 1.0):
            raise _not_supported(reading, (*path, name), value)
