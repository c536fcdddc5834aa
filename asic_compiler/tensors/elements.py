"""Element types as NumPy holds them, and the rounding that storing a value means.

NumPy knows no bf16: its values travel as f32 arrays that hold nothing but bf16 values. So the
element type of an array is what the IR says, never its dtype alone.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import (
    BFloat16Type,
    Float16Type,
    Float32Type,
    Float64Type,
    IndexType,
    IntegerType,
    Signedness,
)
from xdsl.ir import Attribute

from asic_compiler.diagnostics import UserError

Array = NDArray[Any]

_FLOATS: dict[type[Attribute], Any] = {
    Float16Type: np.float16,
    BFloat16Type: np.float32,
    Float32Type: np.float32,
    Float64Type: np.float64,
}
_SIGNED: dict[int, Any] = {
    1: np.bool_,
    8: np.int8,
    16: np.int16,
    32: np.int32,
    64: np.int64,
}
_UNSIGNED: dict[int, Any] = {
    1: np.bool_,
    8: np.uint8,
    16: np.uint16,
    32: np.uint32,
    64: np.uint64,
}


def dtype_of(element: Attribute) -> np.dtype[Any]:
    """The NumPy type that holds an element: f32 for bf16, int64 for an index, bool for i1.

    Raises:
        UserError: The simulator has no arithmetic for the type.
    """
    if (float_type := _FLOATS.get(type(element))) is not None:
        return np.dtype(float_type)
    if isinstance(element, IndexType):
        return np.dtype(np.int64)
    if (width := integer_width(element)) is not None:
        signedness = cast("IntegerType", element).signedness.data
        table = _UNSIGNED if signedness is Signedness.UNSIGNED else _SIGNED
        if (integer_type := table.get(width)) is not None:
            return np.dtype(integer_type)
    raise UserError(
        f"elements of type {element} cannot be simulated",
        notes=["known are f16, bf16, f32, f64, index and integers of 1, 8, 16, 32 and 64 bits"],
    )


def integer_width(element: Attribute) -> int | None:
    """Bits of an integer type; None for any other, also for an index."""
    return cast("IntegerType", element).width.data if isinstance(element, IntegerType) else None


def is_float(element: Attribute) -> bool:
    """Whether an element is one of the floating-point types that are known here."""
    return type(element) in _FLOATS


def with_sign_of(values: Array, like: np.dtype[Any]) -> Array:
    """Integers read as another type of their size has them: with a sign, or without.

    MLIR's integers are bits; PyTorch's uint8 and int8 are both an ``i8`` of a program.
    """
    same_bits = values.dtype.itemsize == like.itemsize and {values.dtype.kind, like.kind} <= {*"iu"}
    return np.asarray(values.view(like)) if same_bits else values


def compute_dtype(element: Attribute) -> np.dtype[Any]:
    """What one operation on an element is computed in: f32 for f16 and bf16, else itself."""
    if isinstance(element, Float16Type):
        return np.dtype(np.float32)
    return dtype_of(element)


def rounded(values: Array, element: Attribute) -> Array:
    """Values as an element of memory holds them.

    Floats round once, to nearest, ties to even; what is too large becomes infinite, as IEEE 754
    has it (`overflow_count` tells how many do). Integers wrap.

    Args:
        values: Numbers of any type and shape; integers for an integer element.
        element: What they are stored as.

    Returns:
        An array of `dtype_of(element)`; ``values`` itself where nothing changes.
    """
    if isinstance(element, BFloat16Type):
        return _to_bfloat16(values)
    if integer_width(element) == 1:
        return values if values.dtype == np.bool_ else (values & 1).astype(np.bool_)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return values.astype(dtype_of(element), copy=False)


def overflow_count(values: Array, element: Attribute) -> int:
    """How many finite numbers become infinite when they are stored as ``element``."""
    if not is_float(element):
        return 0
    return int(np.count_nonzero(np.isfinite(values) & ~np.isfinite(rounded(values, element))))


def _to_bfloat16(values: Array) -> Array:
    """To the nearest number of 8 significant bits, as f32."""
    if values.dtype == np.float64 or values.dtype.kind != "f":
        single = _round_to_odd(values.astype(np.float64, copy=False))
    else:
        single = values.astype(np.float32, copy=False)
    bits = np.ascontiguousarray(single).reshape(single.shape).view(np.uint32)
    # Half of the last kept place, less one where that place is even; a carry may reach infinity.
    nearest = (bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(single), single, nearest.view(np.float32))


def _round_to_odd(values: Array) -> Array:
    """f64 to f32 such that rounding once more is as good as rounding once.

    Source: Boldo and Melquiond, Emulation of FMA and correctly rounded sums, 2008.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        nearest = values.astype(np.float32)
        exact = nearest.astype(np.float64) == values
        away = np.abs(nearest.astype(np.float64)) > np.abs(values)
        truncated = np.where(away, np.nextafter(nearest, np.float32(0)), nearest)
    odd = np.ascontiguousarray(truncated).reshape(values.shape).view(np.uint32) | np.uint32(1)
    return np.where(exact | ~np.isfinite(values), nearest, odd.view(np.float32))


def constant(value: float | int, element: Attribute) -> Array:
    """A scalar of the element, as an array without dimensions; integers wrap."""
    if is_float(element):
        return np.asarray(rounded(np.asarray(value, np.float64), element))
    dtype = dtype_of(element)
    if dtype == np.bool_:
        return np.asarray(bool(int(value) & 1))
    bits = 8 * dtype.itemsize
    wrapped = int(value) % (1 << bits)
    if dtype.kind == "i" and wrapped >= 1 << (bits - 1):
        wrapped -= 1 << bits
    return np.asarray(wrapped, dtype)
