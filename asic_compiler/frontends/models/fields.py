"""Every field of a configuration is honoured, known not to matter, or refused.

transformers takes whatever a configuration holds and builds what its class knows: a field that the
class does not know describes another model, and is dropped there without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asic_compiler.frontends.models.catalogue import Config
from asic_compiler.frontends.models.families import LANGUAGE_FAMILIES, LAYER_TYPES, Family
from asic_compiler.frontends.models.json_places import KeyPath
from asic_compiler.frontends.models.reading import Reading, not_supported, short
from asic_compiler.frontends.models.rotary_fields import check_rope
from asic_compiler.frontends.models.types import fault

_VISION_TEXT = """
hidden_size intermediate_size num_hidden_layers num_attention_heads num_channels
image_size patch_size hidden_act layer_norm_eps
"""
_PARTS: Mapping[str, frozenset[str]] = {
    "whole": frozenset(("scale_factor", "tie_word_embeddings", "text_config", "vision_config")),
    "text": frozenset(("tie_word_embeddings", "text_config", "vision_config")),
    "vision": frozenset(_VISION_TEXT.split()),
}
"""What is read of a vision-language model: of the whole, of one cut to its text, of its tower."""

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
dropout layerdrop init_std residual_dropout embedding_dropout activation_dropout
classifier_dropout
neftune_noise_alpha use_reentrant_checkpointing gradient_checkpointing tp_plan
    how it is run, which changes no result:
use_cache pretraining_tp attn_implementation _attn_implementation
_attn_implementation_autoset _flash_attn_2_enabled torchscript return_dict
cache_implementation model_max_length
return_dict_in_generate output_attentions output_hidden_states output_scores
remove_invalid_values tf_legacy_loss transformers.js_config max_length min_length
    how text is drawn from what the model says:
do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature top_k top_p
typical_p repetition_penalty length_penalty no_repeat_ngram_size
encoder_no_repeat_ngram_size num_return_sequences exponential_decay_length_penalty
    what images are cut and padded to, before the model, and their tokens:
max_image_size size use_base_siglip image_seq_len mm_tokens_per_image boi_token_index
eoi_token_index image_token_index
    of other heads than the one that ends in tokens:
summary_type summary_use_proj summary_activation summary_proj_to_labels
summary_first_dropout
    said again by scale_factor, or of a part that use_resampler switches off:
perceiver_config pixel_shuffle_factor is_llama_config
    read with windows, positions and code, below:
sliding_window use_sliding_window max_window_layers layer_types _sliding_window_pattern
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
_PART_ONLY: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "vision": {"tie_word_embeddings": (False, True)}
}

_NESTED = ("text_config", "vision_config", "rope_scaling", "rope_parameters", *LAYER_TYPES)
_SAID_AGAIN: Mapping[str, str] = {"n_ctx": "n_positions", "layer_norm_epsilon": "norm_epsilon"}
"""Names of old that files still state, and the field that is read."""

_TASKS = ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel", "ForVision2Seq")
_DTYPES = ("float16", "bfloat16", "float32", "float64", "auto")
_PATTERNS = {"gemma3_text": 6, "cohere2": 4}
"""Every so manieth layer is full, where the file does not say otherwise."""


def check_fields(config: Config, reading: Reading, parts: tuple[str, ...]) -> tuple[str, ...]:
    """Refuses what would be ignored.

    Args:
        config: A configuration of a supported type.
        reading: Where it is from.
        parts: Which of ``text`` and ``vision`` the program is made of; none of a language model,
            which is all text. The other part is not read.

    Returns:
        What the user should know of how it was read.

    Raises:
        UserError: A field is not known, or has a value that is not supported; the location is the
            key's.
    """
    if not parts:
        return _check_part(config, reading, (), str(config["model_type"]))
    whole = "whole" if "scale_factor" in config else "text"
    notes = _check_part(config, reading, (), whole)
    if "text" in parts:
        text: Config = config["text_config"]
        kind = str(text.get("model_type") or "llama")
        notes += _check_part(text, reading, ("text_config",), kind)
    if "vision" in parts:
        notes += _check_part(config["vision_config"], reading, ("vision_config",), "vision")
    return notes


def check_types(config: Config, reading: Reading, path: KeyPath = ()) -> None:
    """Refuses values of a wrong kind, of the parts and of their rope too.

    Raises:
        UserError: There is one; the location is the key's.
    """
    for name, value in config.items():
        why = fault(name, value)
        if why is not None:
            raise reading.refuse((*path, name), f"{why}, not {short(value)}")
        if name in _NESTED and isinstance(value, dict):
            check_types(value, reading, (*path, name))  # pyright: ignore[reportUnknownArgumentType]


def _check_part(config: Config, reading: Reading, path: KeyPath, kind: str) -> tuple[str, ...]:
    family = LANGUAGE_FAMILIES.get(kind)
    honoured = _PARTS[kind] if family is None else family.honoured
    own_only = _PART_ONLY.get(kind, {}) if family is None else family.only
    for name, value in config.items():
        here = (*path, name)
        allowed = own_only.get(name)
        if value is None or (allowed is None and name in honoured):
            continue
        allowed = _ONLY.get(name) if allowed is None else allowed
        if kind in ("whole", "text") and name == "vocab_size":
            allowed = (value,)  # said again by the text's own
        if name in _SAID_AGAIN and name not in honoured and _SAID_AGAIN[name] in honoured:
            allowed = (config.get(_SAID_AGAIN[name]),)
        if allowed is not None and value not in allowed:
            raise not_supported(reading, here, value)
        if allowed is None and name not in _HARMLESS:
            raise reading.refuse(
                here,
                "is not a field that is known",
                "what is not known may change the model, so it is not ignored",
                "remove it if it says nothing; or give the model as package.module:factory",
            )
    notes = _check_task(config, reading, path, family)
    if family is not None:
        _check_window(config, reading, path, family)
        _check_positions(config, reading, path, family)
        check_rope(config, reading, path, family)
    return notes


def _check_task(
    config: Config, reading: Reading, path: KeyPath, family: Family | None
) -> tuple[str, ...]:
    own: Any = config.get("architectures")
    if isinstance(own, list):
        for name in own:  # pyright: ignore[reportUnknownVariableType]
            if not str(name).endswith(_TASKS):  # pyright: ignore[reportUnknownArgumentType]
                raise reading.refuse(
                    (*path, "architectures"),
                    f"names {short(name)}: a model that ends in the logits of tokens is imported",
                    "any other model can be given as package.module:factory",
                )
    for name in ("torch_dtype", "dtype"):
        dtype = config.get(name)
        if dtype is not None and str(dtype).removeprefix("torch.") not in _DTYPES:
            raise reading.refuse(
                (*path, name), f"is {short(dtype)}, which is not supported", "save it in bf16"
            )
    code: Any = config.get("auto_map")
    if not isinstance(code, dict):
        return ()
    models = [str(value) for key, value in code.items() if str(key).startswith("AutoModel")]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    causal = str(code.get("AutoModelForCausalLM", ""))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    theirs = family is not None and family.code != "" and causal.endswith(f".{family.code}")
    if models and not theirs:
        raise reading.refuse(
            (*path, "auto_map"),
            "names code of the checkpoint's own, which is not run",
            "remove it if transformers' own model is the same; or give a factory",
        )
    if not models:
        return ()
    assert family is not None
    return (f"the checkpoint's own code is not run: transformers' {family.code} is imported",)


def _check_window(config: Config, reading: Reading, path: KeyPath, family: Family) -> None:
    """Refuses windows that hide tokens where the type has none, and what is no window."""
    types: Any = config.get("layer_types")
    window: Any = config.get("sliding_window")
    if window is not None and (type(window) is not int or window < 1):
        raise not_supported(reading, (*path, "sliding_window"), window)
    pattern = config.get("_sliding_window_pattern")
    usual = _PATTERNS.get(str(config.get("model_type")))
    if types is None and pattern not in (None, usual):
        raise not_supported(reading, (*path, "_sliding_window_pattern"), pattern)
    allowed = LAYER_TYPES
    if family.slides and "layer_types" not in family.honoured:
        allowed = ("full_attention" if window is None else "sliding_attention",)
    for kind in types or ():
        if kind not in allowed:
            raise reading.refuse(
                (*path, "layer_types"), f"holds '{short(kind)}', which is not supported"
            )
    slides = "sliding_attention" in types if types else config.get("use_sliding_window", True)
    if family.slides or not slides or window is None or window >= reading.context:
        return
    raise reading.refuse(
        (*path, "sliding_window"),
        f"hides tokens: attention of {window} tokens, a context of {reading.context}, "
        "and the layers of this type have no window",
        f"--context {window} or less imports it: nothing is hidden then",
        "with null in place of the window all tokens are attended to",
    )


def _check_positions(config: Config, reading: Reading, path: KeyPath, family: Family) -> None:
    if family.positions is None:
        return
    learned = config.get(family.positions)
    if isinstance(learned, int) and reading.context > learned:
        raise reading.refuse(
            (*path, family.positions),
            f"is {learned}: the model has learned no further positions, "
            f"a context of {reading.context} needs them",
            f"--context {learned} or less imports it",
        )
