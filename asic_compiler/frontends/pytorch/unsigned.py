"""Operators on uint8 that torch-mlir lowers as if bytes had a sign, or crashes on.

They compute in a wider integer, and the result goes back to what PyTorch gives. Found as
`decompositions` tells.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import torch

_aten: Any = torch.ops.aten
_convert: Any = torch.ops.prims.convert_element_type.default

_WIDENED = (
    *(_aten.neg.default, _aten.abs.default, _aten.constant_pad_nd.default),
    *(_aten.max.default, _aten.min.default, _aten.amax.default, _aten.amin.default),
    *(_aten.div.Tensor, _aten.div.Tensor_mode, _aten.floor_divide.default),
    *(_aten.remainder.Tensor, _aten.remainder.Scalar, _aten.fmod.Tensor, _aten.fmod.Scalar),
    *(_aten.mm.default, _aten.bmm.default, _aten.mv.default, _aten.dot.default),
    *(_aten.addmm.default, _aten.baddbmm.default),
)
_SUMMED = (
    *(_aten.sum.default, _aten.sum.dim_IntList),
    *(_aten.prod.default, _aten.prod.dim_int),
)


def of_bytes() -> dict[Any, Callable[..., Any]]:
    """Operator overloads, and what stands for them where an operand is uint8."""
    return {
        **{op: _in(torch.int32, op) for op in _WIDENED},
        **{op: _in(torch.int64, op) for op in _SUMMED},
        _convert: _converted,
    }


def _in(wide: torch.dtype, op: Any) -> Callable[..., Any]:
    """An operator whose operands of bytes are widened first."""

    def widened(*operands: Any, **named: Any) -> Any:
        types = [x.dtype for x in operands if isinstance(x, torch.Tensor)]
        if torch.uint8 not in types:
            return NotImplemented
        result = op(*(_widened(x, wide) for x in operands), **named)
        # What stayed as wide as it was made is what PyTorch keeps in the operands' own type.
        own = wide is torch.int32 and result.dtype is wide
        return _convert(result, reduce(torch.promote_types, types)) if own else result

    return widened


def _widened(operand: Any, wide: torch.dtype) -> Any:
    is_bytes = isinstance(operand, torch.Tensor) and operand.dtype is torch.uint8
    return _convert(operand, wide) if is_bytes else operand


def _converted(x: torch.Tensor, dtype: torch.dtype) -> Any:
    """Floats become bytes by way of an integer that holds 255; torch-mlir ends at 127."""
    if dtype is not torch.uint8 or not x.is_floating_point():
        return NotImplemented
    return _convert(_convert(x, torch.int32), dtype)
