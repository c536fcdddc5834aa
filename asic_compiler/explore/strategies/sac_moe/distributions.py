"""The two halves of a hybrid action: what is sampled, how likely it is, how gradients pass."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


def tanh_gaussian(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """A reparameterised sample of a Gaussian squashed into (-1, 1), and its log density.

    With u = mean + std * noise and a = tanh(u), log p(a) = log N(u) - sum log(1 - tanh(u)^2)
    (Haarnoja et al. 2018, appendix C). The last term is computed as
    2 * (log 2 - u - softplus(-2 u)), which does not underflow for large u.

    Args:
        mean: [..., D] before squashing.
        log_std: [..., D]
        noise: [..., D] standard normal.

    Returns:
        The action [..., D] and its log density [...] in nat.
    """
    before = mean + log_std.exp() * noise
    log_normal = -0.5 * noise.square() - log_std - _HALF_LOG_TWO_PI
    log_slope = 2.0 * (math.log(2.0) - before - functional.softplus(-2.0 * before))
    return before.tanh(), (log_normal - log_slope).sum(dim=-1)


def categorical(logits: Tensor, gumbel: Tensor) -> Tensor:
    """Samples of categorical variables by the Gumbel-max trick, one-hot: [..., C]."""
    return functional.one_hot((logits + gumbel).argmax(dim=-1), logits.shape[-1]).to(logits.dtype)


def categorical_entropy(logits: Tensor) -> Tensor:
    """Entropy of independent categorical variables [B, V, C], summed over V: [B], nat."""
    log_p = logits.log_softmax(dim=-1)
    return -(log_p.exp() * log_p).sum(dim=(-2, -1))


def gumbel_noise(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Standard Gumbel noise."""
    return -torch.empty(shape).exponential_(generator=generator).log()
