"""Inputs for one execution of a program: realistic where the role is known, else as given."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from asic_compiler.frontends.pytorch.prepared import Prepared
from asic_compiler.frontends.pytorch.weights import from_numpy, generator
from asic_compiler.frontends.spec import ArgumentInfo, Workload


def draw(prepared: Prepared, arguments: tuple[ArgumentInfo, ...], seed: int) -> list[torch.Tensor]:
    """One tensor an argument, in the element types of the program.

    Decode: every slot of the caches has content, the last one too (it is overwritten). Sequence
    ``i`` hides its first ``i * context // 8`` slots, so that the mask matters; its position is
    the number of slots that it sees. A layer's window shows the last of them. Prefill: the mask is
    causal, and that of layers with a window shows the last tokens. A hidden slot is half the most
    negative number of its type: adding a score to it cannot overflow.

    Floats of a factory's example inputs are kept unless they are all one value (zeros, say):
    those become normal numbers. Its integers are kept, and what it calls a mask.
    """
    shapes = [
        leaf for leaf in pytree.tree_leaves(prepared.inputs) if isinstance(leaf, torch.Tensor)
    ]
    if prepared.examples is not None:
        leaves = pytree.tree_leaves(prepared.examples)
        given = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        return [
            _example(example, like, generator(seed, f"input {info.name}"), info)
            for info, like, example in zip(arguments, shapes, given, strict=True)
        ]
    return [
        _of_role(info, like, prepared, generator(seed, f"input {info.name}"))
        for info, like in zip(arguments, shapes, strict=True)
    ]


def _example(
    example: torch.Tensor, like: torch.Tensor, rng: np.random.Generator, info: ArgumentInfo
) -> torch.Tensor:
    is_constant = example.numel() == 0 or bool((example == example.flatten()[0]).all())
    if example.is_floating_point() and is_constant and info.role != "mask":
        return _normal(like, rng)
    return example.detach().to(like.dtype).contiguous()


def _of_role(
    info: ArgumentInfo, like: torch.Tensor, prepared: Prepared, rng: np.random.Generator
) -> torch.Tensor:
    shape = tuple(like.shape)
    match info.role:
        case "token_ids":
            return from_numpy(rng.integers(0, prepared.vocabulary, shape))
        case "position":
            return from_numpy(_positions(prepared.workload))
        case "mask":
            hidden = torch.finfo(like.dtype).min / 2
            seen = from_numpy(_seen(prepared, info.name, like.shape[-1]))
            return torch.where(seen, 0.0, hidden).to(like.dtype)
        case _:
            return _normal(like, rng)


def _normal(like: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    return from_numpy(rng.standard_normal(tuple(like.shape), np.float32)).to(like.dtype)


def hidden_slots(workload: Workload, slots: int) -> np.ndarray[Any, Any]:
    """First of the slots of a cache that each sequence of a decode step does not see [batch]."""
    most = workload.context - 1
    tokens = workload.context - np.minimum(np.arange(workload.batch) * workload.context // 8, most)
    return slots - np.minimum(tokens, slots)


def _positions(workload: Workload) -> np.ndarray[Any, Any]:
    context = workload.context
    if workload.phase == "prefill":
        return np.tile(np.arange(context), (workload.batch, 1))
    return (context - 1 - hidden_slots(workload, context))[:, None]


def _seen(prepared: Prepared, name: str, slots: int) -> np.ndarray[Any, Any]:
    """Which slots a token sees [batch, 1, tokens, slots]."""
    workload, all_slots = prepared.workload, np.arange(slots)
    if workload.phase == "prefill":
        before = all_slots[:, None] - all_slots[None, :]
        seen = (before >= 0) & (before < prepared.windows.get(name, slots))
        return np.tile(seen, (workload.batch, 1, 1, 1))
    hidden = hidden_slots(workload, slots)
    return (all_slots[None, :] >= hidden[:, None])[:, None, None, :]
