"""Rotary positions of transformers in a form that is exported: without state, in a fixed order."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import torch

_rope: Any = importlib.import_module("transformers.modeling_rope_utils")


def make_steady(model: Any, context: int) -> None:
    """Replaces what a program cannot hold in the rotary positions of a model.

    LongRoPE writes its frequencies into a buffer at each step: long ones if a position lies beyond
    those of the first training. Here they are computed, or are the short ones where the context
    ends before. Models with frequencies for each kind of layer ask for them in the order of a
    Python set, which no two processes share.

    Args:
        model: transformers' model; changed in place.
        context: Tokens of context; positions are below it.
    """
    for part in model.modules():
        kinds = getattr(part, "rope_type", None)
        if isinstance(kinds, dict):
            part.forward = _in_order(part)
        elif kinds == "longrope":
            part.forward = _long(part, context)


def _in_order(rotary: Any) -> Any:
    """Computes for all kinds of layers when the first is asked for."""
    original = rotary.forward
    made: dict[str, Any] = {}
    made_for: list[Any] = []

    def forward(x: torch.Tensor, position_ids: torch.Tensor, layer_type: str) -> Any:
        if layer_type not in made or made_for[0] is not x:
            made_for[:] = [x]
            made.update({kind: original(x, position_ids, kind) for kind in rotary.layer_types})
        return made.pop(layer_type)

    return forward


def _long(rotary: Any, context: int) -> Any:
    plain: Any = rotary.forward.__func__.__wrapped__  # without the decorator that writes
    first: int = rotary.config.rope_parameters["original_max_position_embeddings"]
    long, _ = _rope.ROPE_INIT_FUNCTIONS["longrope"](rotary.config, seq_len=first + 1)
    rotary.register_buffer("long_inv_freq", long, persistent=False)

    def forward(x: torch.Tensor, position_ids: torch.Tensor) -> Any:
        chosen: Any = rotary.original_inv_freq
        if context > first:
            chosen = torch.where(position_ids.max() >= first, rotary.long_inv_freq, chosen)
        return plain(
            SimpleNamespace(inv_freq=chosen, attention_scaling=rotary.attention_scaling),
            x,
            position_ids,
        )

    return forward
