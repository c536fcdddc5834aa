"""Contents of KV caches as a checkpoint's own layers make them.

Random numbers in a trained model's cache are like nothing that it was trained on: layers then
magnify roundings by a factor that the draw decides (SmolLM2-135M in PyTorch's f16: 0.7 % to 7 % of
the logits, by the seed), and a check of another arithmetic measures the draw.
"""

from __future__ import annotations

import torch

from asic_compiler.frontends.pytorch.inputs import hidden_slots
from asic_compiler.frontends.pytorch.language import LanguageStep
from asic_compiler.frontends.pytorch.prepared import Prepared
from asic_compiler.frontends.pytorch.weights import from_numpy, generator
from asic_compiler.frontends.spec import Workload

_MOST_TOKENS = 64
"""Of a prefill; longer caches repeat it, without its first token, which models treat apart."""


def cache_contents(prepared: Prepared, seed: int) -> list[torch.Tensor] | None:
    """Keys and values of random tokens, in the order of a decode step's arguments.

    The module must hold its weights. The first slot that a sequence sees is its first token.

    Args:
        prepared: A decode step.
        seed: Of the tokens.

    Returns:
        One tensor [batch, kv_heads, slots, head_dim] a cache; None if this is no decode step, or
        PyTorch cannot compute a prefill in the module's own type.
    """
    step, workload = prepared.module, prepared.workload
    if not isinstance(step, LanguageStep) or not step.decode:
        return None
    tokens = min(_MOST_TOKENS, *step.layout.slots)
    mask = prepared.inputs[2]
    assert isinstance(mask, torch.Tensor)
    hidden = torch.finfo(mask.dtype).min / 2
    causal = torch.ones(tokens, tokens, dtype=torch.bool).tril()
    ids = generator(seed, "tokens before").integers(
        0, prepared.vocabulary, (workload.batch, tokens)
    )
    seen = torch.where(causal, 0.0, hidden).to(mask.dtype).repeat(workload.batch, 1, 1, 1)
    try:
        with torch.no_grad():
            results = step.prefill()(
                from_numpy(ids),
                torch.arange(tokens).repeat(workload.batch, 1),
                *(seen for _ in step.layout.masks),
            )
    except RuntimeError:  # not every operator of PyTorch exists for every type
        return None
    return [
        _spread(made, step.layout.slots[index // 2], workload)
        for index, made in enumerate(results[1:])
    ]


def _spread(made: torch.Tensor, slots: int, workload: Workload) -> torch.Tensor:
    """Keys or values of some tokens over all slots [batch, kv_heads, slots, head_dim]."""
    tokens = made.shape[2]
    rows: list[torch.Tensor] = []
    for sequence, hidden in enumerate(hidden_slots(workload, slots)):
        slot = (torch.arange(slots) - int(hidden)) % slots
        token = torch.where(slot < tokens, slot, 1 + (slot - 1) % max(1, tokens - 1))
        rows.append(made[sequence][:, token.clamp(max=tokens - 1)])
    return torch.stack(rows)
