"""Operators taken apart before torch-mlir sees them, where it lowers a legal form wrongly.

Each entry gives operators that torch-mlir lowers rightly; for other forms of the same operator it
says ``NotImplemented``, and they stay. Found by compiling torch-mlir's own linalg (20261001) with
MLIR and comparing with PyTorch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import torch

from asic_compiler.frontends.pytorch.layers import of_layers
from asic_compiler.frontends.pytorch.unsigned import of_bytes

_aten: Any = torch.ops.aten
_decompositions: Any = importlib.import_module("torch._decomp")
_PYTORCHS_OWN = (
    *(_aten.upsample_nearest1d.vec, _aten.upsample_nearest2d.vec, _aten.upsample_nearest3d.vec),
)
"""Operators that torch-mlir's list leaves whole, and that PyTorch itself can take apart."""


def own_decompositions() -> dict[Any, Callable[..., Any]]:
    """Operator overloads, and what stands for them."""
    own: dict[Any, Callable[..., Any]] = {
        **{op: _decompositions.decomposition_table[op] for op in _PYTORCHS_OWN},
        **of_layers(),
        _aten.constant_pad_nd.default: _constant_pad,
        _aten.clamp.default: _clamp,
        _aten.hardtanh.default: _hardtanh,
        _aten.maximum.default: _extreme(_aten.le.Tensor),
        _aten.minimum.default: _extreme(_aten.ge.Tensor),
    }
    unsigned = of_bytes()
    both = {op: _first(unsigned[op], own[op]) for op in own if op in unsigned}
    return {**own, **unsigned, **both}


def _constant_pad(x: torch.Tensor, pad: Sequence[int], value: float = 0) -> Any:
    """A negative width crops; torch-mlir drops it where the shape comes out the same."""
    if all(width >= 0 for width in pad):
        return NotImplemented
    for position, width in enumerate(pad):
        if width < 0:
            dim = x.ndim - 1 - position // 2
            size = x.shape[dim]
            start, stop = (-width, size) if position % 2 == 0 else (0, size + width)
            x = _aten.slice.Tensor(x, dim, start, stop)
    widths = [max(0, width) for width in pad]
    return _aten.constant_pad_nd.default(x, widths, value) if any(widths) else _aten.clone(x)


def _clamp(x: torch.Tensor, least: float | None = None, most: float | None = None) -> Any:
    """NaN stays NaN; torch-mlir makes it the lower bound."""
    if not x.is_floating_point():
        return NotImplemented
    if least is not None:
        x = _aten.where.self(_aten.lt.Scalar(x, least), _scalar(x, least), x)
    if most is not None:
        x = _aten.where.self(_aten.gt.Scalar(x, most), _scalar(x, most), x)
    return x


def _hardtanh(x: torch.Tensor, least: float = -1, most: float = 1) -> Any:
    """As clamp; of ReLU6 as well."""
    return _clamp(x, least, most)


def _scalar(like: torch.Tensor, value: float) -> torch.Tensor:
    return _aten.full.default([], value, dtype=like.dtype, device=like.device)


def _extreme(not_better: Any) -> Callable[..., Any]:
    """NaN on either side is the result; torch-mlir takes the other side."""

    def extreme(a: torch.Tensor, b: torch.Tensor) -> Any:
        if not (a.is_floating_point() and b.is_floating_point()):
            return NotImplemented
        dtype = torch.result_type(a, b)
        a, b = a.to(dtype), b.to(dtype)
        takes_b = _aten.logical_or.default(not_better(a, b), _aten.ne.Tensor(b, b))
        return _aten.where.self(takes_b, b, a)

    return extreme


def _first(one: Callable[..., Any], other: Callable[..., Any]) -> Callable[..., Any]:
    """What the first says of a form, else what the second says."""

    def either(*operands: Any, **named: Any) -> Any:
        found = one(*operands, **named)
        return other(*operands, **named) if found is NotImplemented else found

    return either
