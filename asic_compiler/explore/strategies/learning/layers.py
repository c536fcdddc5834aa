"""What networks begin with."""

from __future__ import annotations

import math

import torch
from torch import nn


def layer(shape: tuple[int, ...], generator: torch.Generator) -> tuple[nn.Parameter, nn.Parameter]:
    """Weight [..., in, out] and bias, uniform in +-1/sqrt(in) as torch's own linear layers are."""
    bound = 1.0 / math.sqrt(shape[-2])
    # Batched layers keep a row axis in the bias for baddbmm; plain ones do not for addmm.
    bias_shape = (*shape[:-2], 1, shape[-1]) if len(shape) > 2 else shape[-1:]
    weight = torch.empty(shape).uniform_(-bound, bound, generator=generator)
    bias = torch.empty(bias_shape).uniform_(-bound, bound, generator=generator)
    return nn.Parameter(weight), nn.Parameter(bias)
