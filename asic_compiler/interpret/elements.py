"""Numbers of every element type in two kinds of arrays.

Floats of all widths are float64 arrays that hold nothing but numbers of their type; integers, also
``i1`` and ``index``, are int64 arrays of the signed value of their bits (``i1``: 0 and -1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import IndexType, IntegerType
from xdsl.ir import Attribute

from asic_compiler.interpret.errors import CannotEvaluateError

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class FloatFormat:
    """A binary float: ``precision`` significant bits, exponents from ``least`` on."""

    precision: int
    least: int
    largest: float
    """The largest finite number."""
    overflow: float
    """What a larger one becomes."""


_INF = float("inf")
FLOATS: dict[str, FloatFormat] = {
    "f64": FloatFormat(53, -1022, float(np.finfo(np.float64).max), _INF),
    "f32": FloatFormat(24, -126, float(np.finfo(np.float32).max), _INF),
    "f16": FloatFormat(11, -14, 65504.0, _INF),
    "bf16": FloatFormat(8, -126, float.fromhex("0x1.fep127"), _INF),
    "f8E5M2": FloatFormat(3, -14, 57344.0, _INF),
    "f8E4M3FN": FloatFormat(4, -6, 448.0, float("nan")),
}


def is_float(element: Attribute) -> bool:
    """Whether an element type is a float.

    Raises:
        CannotEvaluateError: It is neither a float nor an integer known here.
    """
    if isinstance(element, IndexType | IntegerType):
        return False
    if str(element) in FLOATS:
        return True
    raise CannotEvaluateError(f"elements of type {element} are not known to the check")


def float_format(element: Attribute) -> FloatFormat:
    """The format of a float type."""
    return FLOATS[str(element)]


def width(element: Attribute) -> int:
    """Bits of an integer type; ``index`` has 64.

    Raises:
        CannotEvaluateError: It has more than 64.
    """
    bits = cast("IntegerType", element).width.data if isinstance(element, IntegerType) else 64
    if bits > 64:
        raise CannotEvaluateError(f"integers of {bits} bits are not known to the check")
    return bits


def rounded(values: Array, element: Attribute) -> Array:
    """Floats to the nearest of a type, ties to even; beyond its largest, what overflow gives."""
    kind = str(element)
    if kind == "f64":
        return values
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if kind in ("f32", "f16"):
            return values.astype(np.float32 if kind == "f32" else np.float16).astype(np.float64)
        shape = FLOATS[kind]
        _, exponent = np.frexp(values)
        unit = np.ldexp(1.0, np.maximum(exponent - 1, shape.least) - (shape.precision - 1))
        near = np.rint(values / unit) * unit
        too_large = np.abs(near) > shape.largest
        return np.where(too_large, np.copysign(shape.overflow, values), near)


def wrapped(values: Array, bits: int) -> Array:
    """The signed value of the low bits."""
    shift = np.int64(64 - bits)
    return np.right_shift(np.left_shift(values.astype(np.int64), shift), shift)


def unsigned(values: Array, bits: int) -> NDArray[np.uint64]:
    """The same bits without a sign."""
    mask = np.uint64((1 << bits) - 1)
    return np.array(values, np.int64).view(np.uint64) & mask


def signed(values: Array, bits: int) -> Array:
    """Unsigned bits as the signed value that they stand for."""
    return wrapped(np.array(values, np.uint64).view(np.int64), bits)


def take_in(array: Array, element: Attribute) -> Array:
    """An array as files and programs hold it (bf16 as float32, i1 as bool), as held here."""
    if is_float(element):
        return rounded(array.astype(np.float64), element)
    return wrapped(array.astype(np.int64), width(element))


def give_out(values: Array, element: Attribute) -> Array:
    """The inverse of `take_in`."""
    if is_float(element):
        dtype = {"f64": np.float64, "f16": np.float16}.get(str(element), np.float32)
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    bits = width(element)
    if bits == 1:
        return values != 0
    size = next(size for size in (8, 16, 32, 64) if size >= bits)
    return values.astype(f"i{size // 8}")
