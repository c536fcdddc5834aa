"""Decode and prefill of a causal language model of Hugging Face, and a vision tower."""

from __future__ import annotations

import importlib
from contextlib import nullcontext
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.models.config import Recipe
from asic_compiler.frontends.pytorch.attention import (
    Attention,
    LastSlotCache,
    PrefillCache,
    attention,
)
from asic_compiler.frontends.pytorch.prepared import (
    TORCH_DTYPES,
    Prepared,
    Spelling,
    default_dtype,
    weightless,
)
from asic_compiler.frontends.pytorch.rotary import make_steady
from asic_compiler.frontends.pytorch.vision import VisionStep
from asic_compiler.frontends.spec import (
    DEFAULT_BATCH,
    ArgumentInfo,
    ImportSpec,
    Workload,
)

_NOT_NULL = (
    "head_dim",
    "rope_theta",
    "rope_local_base_freq",
    "rotary_emb_base",
    "rotary_pct",
    "partial_rotary_factor",
)
"""Of these transformers takes null for a number."""

# Untyped: transformers resolves its names lazily.
_transformers: Any = importlib.import_module("transformers")


class TextPart:
    """The language model inside of a larger one, called like one that stands alone.

    It is no module: its parts are reached by the names of the whole.
    """

    def __init__(self, backbone: Any, head: Any) -> None:
        self.parts = (backbone, head)

    def __call__(self, logits_to_keep: int, **given: Any) -> Any:
        """The logits of the last tokens."""
        backbone, head = self.parts
        hidden = backbone(**given).last_hidden_state
        return SimpleNamespace(logits=head(hidden[:, -logits_to_keep:]))


class LanguageStep(torch.nn.Module):
    """One step of a causal language model as a pure function of its inputs and cache.

    Inputs are token ids and positions [batch, tokens], additive masks [batch, 1, tokens, slots],
    one or, where some layers slide and others do not, two, and in decode the cache of
    ``LastSlotCache``. Results are the logits of the last position [batch, 1, vocab] and the key
    and value of each layer.
    """

    def __init__(
        self, model: torch.nn.Module, layout: Attention, decode: bool, text: TextPart | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.layout = layout
        self.decode = decode
        self.text = text

    def prefill(self) -> LanguageStep:
        """The same model's prefill."""
        return LanguageStep(self.model, self.layout, False, self.text)

    def forward(
        self, input_ids: torch.Tensor, position_ids: torch.Tensor, *rest: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Runs the step."""
        masks = len(self.layout.masks)
        cache = (
            LastSlotCache(rest[masks:], self.layout) if self.decode else PrefillCache(self.layout)
        )
        logits = (self.text or self.model)(
            input_ids=input_ids,
            position_ids=position_ids,
            attention_mask=self.layout.given(rest[:masks]),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
            return_dict=True,
        ).logits
        return (logits, *cache.tensors)


@dataclass(frozen=True, slots=True)
class BuiltModel:
    """A Hugging Face model and the parts a program is made of."""

    model: Any
    backbone: Any
    vision: Any = None
    connector: Any = None


def build(recipe: Recipe, mode: FakeTensorMode | None) -> BuiltModel:
    """Builds the model of a recipe: without weights in ``mode``, or with random ones if None.

    Raises:
        UserError: transformers refuses the configuration.
    """
    fields = {
        key: value
        for key, value in recipe.config.items()
        if key != "model_type" and not (value is None and key in _NOT_NULL)
    }
    auto = (
        _transformers.AutoModelForImageTextToText
        if recipe.has_vision
        else _transformers.AutoModelForCausalLM
    )
    dtype = TORCH_DTYPES[recipe.dtype]
    try:
        config = _transformers.AutoConfig.for_model(recipe.config["model_type"], **fields)
        with weightless(mode) if mode else nullcontext(), default_dtype(dtype):
            # Plain attention: the fused kernels of PyTorch have no counterpart in linalg.
            model = auto.from_config(config, attn_implementation="eager", dtype=dtype).eval()
    except Exception as error:
        summary = " ".join(str(error).split())
        notes = ["the configuration is not one that transformers can build"]
        raise UserError(f"'{recipe.name}': {summary}", notes=notes) from None
    if not recipe.has_vision:
        return BuiltModel(model, model.base_model)
    inner = model.model
    return BuiltModel(model, inner.text_model, inner.vision_model, inner.connector)


def prepare(recipe: Recipe, spec: ImportSpec, mode: FakeTensorMode | None) -> Prepared:
    """A recipe and the options to a module with inputs.

    Raises:
        UserError: The configuration cannot be built, or an option has no meaning for the model.
    """
    if spec.part == "vision":
        if not recipe.has_vision:
            raise UserError(f"--part vision: '{recipe.name}' is a language model, without vision")
        return _prepare_vision(recipe, spec, mode)
    return _prepare_text(recipe, spec, mode)


def _prepare_text(recipe: Recipe, spec: ImportSpec, mode: FakeTensorMode | None) -> Prepared:
    built = build(recipe, mode)
    batch, context = spec.batch or DEFAULT_BATCH, recipe.context
    phase = spec.phase or "decode"
    decode = phase == "decode"
    if recipe.has_vision:
        # Export lifts every parameter it can reach; the tower is not part of this program.
        built.model.model.vision_model = built.model.model.connector = None
    make_steady(built.model, context)
    config = built.backbone.config
    layout = attention(config, context, recipe.name)
    tokens = 1 if decode else context
    dtype = TORCH_DTYPES[recipe.dtype]
    masks = layout.masks if decode else dict.fromkeys(layout.masks, context)
    caches = [slots for slots in layout.slots for _ in range(2)] if decode else []
    with mode if mode else nullcontext():
        inputs = (
            torch.zeros(batch, tokens, dtype=torch.int64),
            torch.zeros(batch, tokens, dtype=torch.int64),
            *(torch.zeros(batch, 1, tokens, slots, dtype=dtype) for slots in masks.values()),
            *(
                torch.zeros(batch, layout.kv_heads, slots, layout.head_dim, dtype=dtype)
                for slots in caches
            ),
        )
    spellings = _spellings(recipe, built)
    layers = len(layout.slots)
    text = TextPart(built.backbone, built.model.lm_head) if recipe.has_vision else None
    arguments = (
        ArgumentInfo("input_ids", "token_ids"),
        ArgumentInfo("position_ids", "position"),
        *(ArgumentInfo(name, "mask") for name in masks),
    )
    return Prepared(
        module=LanguageStep(built.model, layout, decode, text),
        inputs=inputs,
        workload=Workload(recipe.name, phase, batch, context),
        prefix=spellings[0],
        other_spellings=spellings[1:],
        arguments=(*arguments, *(_cache_infos("past", layers) if decode else ())),
        results=(ArgumentInfo("logits", "logits"), *_cache_infos("present", layers)),
        layers=layers,
        vocabulary=config.vocab_size,
        windows=layout.masks,
    )


def _spellings(recipe: Recipe, built: BuiltModel) -> tuple[Spelling, ...]:
    """How checkpoints name the weights: as published, or without what stands before the layers.

    transformers reads either; a checkpoint saved of a model without its head is of the latter kind.
    """
    before = recipe.before_names
    published = (
        *((f"model.{ours}", before + theirs) for ours, theirs in recipe.family.renamed),
        ("model.", before),
    )
    if recipe.has_vision:
        return (published,)
    plain = (("model.", before),)
    bare = ((f"model.{built.model.base_model_prefix}.", before), *plain)
    return tuple(dict.fromkeys((published, plain, bare)))


def _cache_infos(stem: str, layers: int) -> tuple[ArgumentInfo, ...]:
    return tuple(
        info
        for layer in range(layers)
        for info in (
            ArgumentInfo(f"{stem}.{layer}.key", "kv_key", layer),
            ArgumentInfo(f"{stem}.{layer}.value", "kv_value", layer),
        )
    )


def _prepare_vision(recipe: Recipe, spec: ImportSpec, mode: FakeTensorMode | None) -> Prepared:
    for option, value in (("--phase", spec.phase), ("--context", spec.context)):
        if value is not None:
            raise UserError(f"{option} has no meaning for a vision tower")
    built = build(recipe, mode)
    batch = spec.batch or DEFAULT_BATCH
    # Not part of this program; see _prepare_text.
    built.model.model.text_model = built.model.lm_head = None
    config = built.vision.config
    shape = (batch, config.num_channels, config.image_size, config.image_size)
    with mode if mode else nullcontext():
        inputs = (torch.zeros(shape, dtype=TORCH_DTYPES[recipe.dtype]),)
    return Prepared(
        module=VisionStep(built.model, built.vision, built.connector),
        inputs=inputs,
        workload=Workload(recipe.name, "inference", batch, 0),
        prefix=(("model.", ""),),
        arguments=(ArgumentInfo("pixel_values", "activation"),),
        results=(ArgumentInfo("image_features", "activation"),),
        layers=config.num_hidden_layers,
    )
