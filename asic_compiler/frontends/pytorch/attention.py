"""What the layers of a language model attend over: slots, masks, and caches of tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from asic_compiler.diagnostics import UserError

_FULL, _SLIDING = "full_attention", "sliding_attention"


@dataclass(frozen=True, slots=True)
class Attention:
    """The caches of a model's layers.

    Args:
        slots: Tokens that each layer attends over: the context, or the window of a layer that
            slides.
        kinds: Of each layer, in transformers' words.
        kv_heads: Heads of keys and values.
        head_dim: Size of one.
        copies: How often transformers' code repeats each such head before the cache.
    """

    slots: tuple[int, ...]
    kinds: tuple[str, ...]
    kv_heads: int
    head_dim: int
    copies: int = 1

    @property
    def masks(self) -> dict[str, int]:
        """Names of the mask arguments, and the slots that each speaks of."""
        by_kind = dict(zip(self.kinds, self.slots, strict=True))
        if len(by_kind) == 1:
            return {"attention_mask": self.slots[0]}
        return {"attention_mask": by_kind[_FULL], "sliding_attention_mask": by_kind[_SLIDING]}

    def given(self, masks: tuple[torch.Tensor, ...]) -> Any:
        """The masks as transformers' code takes them."""
        if len(masks) == 1:
            return masks[0]
        return {_FULL: masks[0], _SLIDING: masks[1]}


def attention(config: Any, context: int, shown: str) -> Attention:
    """What a model's layers attend over.

    A layer that slides sees the last ``sliding_window`` tokens, its own among them. Where a window
    is no shorter than the context, the layer is like a full one.

    Args:
        config: transformers' configuration of the language model.
        context: Tokens of the whole context.
        shown: The model's name, for messages.

    Raises:
        UserError: Layers slide, and no window is given.
    """
    layers: int = config.num_hidden_layers
    window: int | None = getattr(config, "sliding_window", None)
    kinds: list[str] | None = getattr(config, "layer_types", None)
    if kinds is None:
        kinds = [_FULL if window is None else _SLIDING] * layers
    if window is None and _SLIDING in kinds:
        raise UserError(
            f"'{shown}': layers slide, and no window is given",
            notes=["sliding_window says how many tokens they see; qwen needs use_sliding_window"],
        )
    if window is None or window >= context:
        kinds = [_FULL] * layers
    slots = tuple(context if kind == _FULL or window is None else window for kind in kinds)
    heads: int = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    kv_heads, copies = getattr(config, "num_key_value_heads", None) or heads, 1
    if config.model_type == "falcon":
        kv_heads = config.num_kv_heads
        if config.new_decoder_architecture:
            copies = heads // kv_heads
        elif config.multi_query:
            kv_heads = 1
    return Attention(slots, tuple(kinds), kv_heads, head_dim, copies)


class LastSlotCache:
    """A KV cache of a fixed number of slots; the step's own token takes the last one.

    Args:
        tensors: Key and value of each layer in turn, each [batch, kv_heads, slots, head_dim].
        layout: The layers.
    """

    is_compileable = False

    def __init__(self, tensors: tuple[torch.Tensor, ...], layout: Attention) -> None:
        self.tensors = list(tensors)
        self._copies = layout.copies

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Writes the new token and returns all slots of the layer."""
        for index, new in ((2 * layer, key), (2 * layer + 1, value)):
            slots = self.tensors[index].shape[2]
            self.tensors[index] = torch.slice_scatter(
                self.tensors[index], self._once(new), dim=2, start=slots - 1, end=slots
            )
        return self._repeated(2 * layer), self._repeated(2 * layer + 1)

    def get_seq_length(self, *_: Any) -> int:
        """Never used: positions are an argument of the program."""
        return 0

    def _once(self, heads: torch.Tensor) -> torch.Tensor:
        return heads if self._copies == 1 else heads[:, :: self._copies]

    def _repeated(self, index: int) -> torch.Tensor:
        stored = self.tensors[index]
        if self._copies == 1:
            return stored
        batch, heads, slots, size = stored.shape
        wide = stored[:, :, None].expand(batch, heads, self._copies, slots, size)
        return wide.reshape(batch, heads * self._copies, slots, size)


class PrefillCache:
    """Keeps the keys and values that a prefill computes: those that a decode step takes over.

    Args:
        layout: The layers.
    """

    is_compileable = False

    def __init__(self, layout: Attention) -> None:
        self.tensors: list[torch.Tensor] = []
        self._layout = layout

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Layers come in order."""
        slots = self._layout.slots[layer]
        for new in (key, value):
            kept = new if self._layout.copies == 1 else new[:, :: self._layout.copies]
            self.tensors.append(kept if slots >= kept.shape[2] else kept[:, :, -slots:])
        return key, value

    def get_seq_length(self, *_: Any) -> int:
        """Nothing precedes a prefill."""
        return 0
