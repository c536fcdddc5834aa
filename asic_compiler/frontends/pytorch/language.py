"""Decode and prefill of a causal language model of Hugging Face, and a vision tower."""

from __future__ import annotations

import importlib
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.models.config import Recipe
from asic_compiler.frontends.pytorch.prepared import (
    TORCH_DTYPES,
    Prepared,
    default_dtype,
    weightless,
)
from asic_compiler.frontends.spec import (
    DEFAULT_BATCH,
    DEFAULT_CONTEXT,
    ArgumentInfo,
    ImportSpec,
    Workload,
)

# Untyped: transformers resolves its names lazily.
_transformers: Any = importlib.import_module("transformers")


class LastSlotCache:
    """A KV cache of a fixed number of slots; the step's own token takes the last one.

    Args:
        tensors: Key and value of each layer in turn, each [batch, kv_heads, context, head_dim].
    """

    is_compileable = False

    def __init__(self, tensors: tuple[torch.Tensor, ...]) -> None:
        self.tensors = list(tensors)

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Writes the new token and returns all slots of the layer."""
        for index, new in ((2 * layer, key), (2 * layer + 1, value)):
            slots = self.tensors[index].shape[2]
            self.tensors[index] = torch.slice_scatter(
                self.tensors[index], new, dim=2, start=slots - 1, end=slots
            )
        return self.tensors[2 * layer], self.tensors[2 * layer + 1]

    def get_seq_length(self, *_: Any) -> int:
        """Never used: positions are an argument of the program."""
        return 0


class PrefillCache:
    """Keeps the keys and values that a prefill computes."""

    is_compileable = False

    def __init__(self) -> None:
        self.tensors: list[torch.Tensor] = []

    def update(
        self, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Layers come in order."""
        self.tensors += [key, value]
        return key, value

    def get_seq_length(self, *_: Any) -> int:
        """Nothing precedes a prefill."""
        return 0


class LanguageStep(torch.nn.Module):
    """One step of a causal language model as a pure function of its inputs and cache.

    Inputs are token ids and positions [batch, tokens], an additive mask
    [batch, 1, tokens, context], and in decode the cache of ``LastSlotCache``. Results are the
    logits of the last position [batch, 1, vocab] and the key and value of each layer.
    """

    def __init__(self, model: torch.nn.Module, backbone: Any, head: Any, decode: bool) -> None:
        super().__init__()
        self.model = model
        # Outside the module tree, so that every parameter has one name.
        self.parts = (backbone, head)
        self.decode = decode

    def forward(
        self,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        *cache_tensors: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Runs the step."""
        backbone, head = self.parts
        cache = LastSlotCache(cache_tensors) if self.decode else PrefillCache()
        hidden = backbone(
            input_ids=input_ids,
            position_ids=position_ids,
            attention_mask=attention_mask,
            past_key_values=cache,
            use_cache=True,
            return_dict=True,
        ).last_hidden_state
        return (head(hidden[:, -1:]), *cache.tensors)


class VisionStep(torch.nn.Module):
    """Vision encoder and pixel-shuffle connector for full images (no padding).

    Pixels [batch, channels, height, width] become visual tokens
    [batch, tokens, width of the language model]. The position of each patch is what the model's
    own embedding computes for an image without padding; it is a constant of the program.
    """

    def __init__(self, model: torch.nn.Module, vision: Any, connector: Any) -> None:
        super().__init__()
        self.model = model
        self.parts = (vision, connector)
        self.register_buffer("position_ids", _patch_positions(vision), persistent=False)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Runs the tower."""
        vision, connector = self.parts
        embeddings = vision.embeddings
        patches = embeddings.patch_embedding(pixel_values).flatten(2).transpose(1, 2)
        hidden = patches + embeddings.position_embedding(self.position_ids)
        hidden = vision.encoder(inputs_embeds=hidden, attention_mask=None).last_hidden_state
        return connector(vision.post_layernorm(hidden))


def _patch_positions(vision: Any) -> torch.Tensor:
    """Rows of the position table for one full image, [1, patches], from the model's own code."""
    embeddings = vision.embeddings
    side = vision.config.image_size // vision.config.patch_size
    seen: list[torch.Tensor] = []
    hook = embeddings.position_embedding.register_forward_pre_hook(
        lambda _module, args: seen.append(args[0])  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    )
    size = vision.config.image_size
    dtype = embeddings.patch_embedding.weight.dtype
    with torch.no_grad():
        embeddings(
            pixel_values=torch.zeros(1, vision.config.num_channels, size, size, dtype=dtype),
            patch_attention_mask=torch.ones(1, side, side, dtype=torch.bool),
        )
    hook.remove()
    return seen[0].to(torch.int64)


@dataclass(frozen=True, slots=True)
class BuiltModel:
    """A Hugging Face model and the parts a program is made of."""

    model: Any
    backbone: Any
    head: Any
    vision: Any = None
    connector: Any = None


def build(recipe: Recipe, mode: FakeTensorMode | None) -> BuiltModel:
    """Builds the model of a recipe: without weights in ``mode``, or with random ones if None.

    Raises:
        UserError: transformers refuses the configuration.
    """
    fields = {key: value for key, value in recipe.config.items() if key != "model_type"}
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
        return BuiltModel(model, model.model, model.lm_head)
    inner = model.model
    return BuiltModel(model, inner.text_model, model.lm_head, inner.vision_model, inner.connector)


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
    batch, context = spec.batch or DEFAULT_BATCH, spec.context or DEFAULT_CONTEXT
    phase = spec.phase or "decode"
    decode = phase == "decode"
    if recipe.has_vision:
        # Export lifts every parameter it can reach; the tower is not part of this program.
        built.model.model.vision_model = built.model.model.connector = None
    config = built.backbone.config
    layers: int = config.num_hidden_layers
    tokens = 1 if decode else context
    dtype = TORCH_DTYPES[recipe.dtype]
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    kv_shape = (batch, config.num_key_value_heads, context, head_dim)
    with mode if mode else nullcontext():
        inputs = (
            torch.zeros(batch, tokens, dtype=torch.int64),
            torch.zeros(batch, tokens, dtype=torch.int64),
            torch.zeros(batch, 1, tokens, context, dtype=dtype),
            *(torch.zeros(kv_shape, dtype=dtype) for _ in range(2 * layers if decode else 0)),
        )
    arguments = (
        ArgumentInfo("input_ids", "token_ids"),
        ArgumentInfo("position_ids", "position"),
        ArgumentInfo("attention_mask", "mask"),
    )
    return Prepared(
        module=LanguageStep(built.model, built.backbone, built.head, decode),
        inputs=inputs,
        workload=Workload(recipe.name, phase, batch, context),
        prefix="model.",
        arguments=(*arguments, *(_cache_infos("past", layers) if decode else ())),
        results=(ArgumentInfo("logits", "logits"), *_cache_infos("present", layers)),
        layers=layers,
        vocabulary=config.vocab_size,
    )


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
        prefix="model.",
        arguments=(ArgumentInfo("pixel_values", "activation"),),
        results=(ArgumentInfo("image_features", "activation"),),
        layers=config.num_hidden_layers,
    )
