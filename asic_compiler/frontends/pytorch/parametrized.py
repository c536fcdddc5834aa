"""Weights that a module computes from other weights at every call: computed once."""

from __future__ import annotations

import importlib
from typing import Any

import torch

_parametrize: Any = importlib.import_module("torch.nn.utils.parametrize")
_weight_norm: Any = importlib.import_module("torch.nn.utils.weight_norm")
_spectral_norm: Any = importlib.import_module("torch.nn.utils.spectral_norm")
_HOOKS = (
    (_weight_norm.WeightNorm, _weight_norm.remove_weight_norm),
    (_spectral_norm.SpectralNorm, _spectral_norm.remove_spectral_norm),
)
"""Of PyTorch before parametrizations: what computes a weight before a call, and what undoes it."""


def settle(module: torch.nn.Module) -> None:
    """Weight norm, spectral norm and other parametrizations leave a plain parameter behind.

    Evaluation changes no weight, so what they compute is the same at every execution. A chip reads
    its filters from memory, where one that is computed anew could not lie.

    Args:
        module: In evaluation mode; changed in place.
    """
    for part in module.modules():
        untyped: Any = part
        for hook in list(untyped._forward_pre_hooks.values()):
            for kind, remove in _HOOKS:
                if isinstance(hook, kind):
                    made: Any = hook
                    remove(part, made.name)
                    _keep(part, made.name)
        if _parametrize.is_parametrized(part):
            for name in list(untyped.parametrizations):
                _parametrize.remove_parametrizations(part, name, leave_parametrized=True)
                _keep(part, name)


def _keep(part: torch.nn.Module, name: str) -> None:
    """What was left is a parameter, also where none of what it was made of is trained."""
    value = getattr(part, name)
    if not isinstance(value, torch.nn.Parameter):
        delattr(part, name)
        part.register_parameter(name, torch.nn.Parameter(value.detach(), requires_grad=False))
