"""What each scalar operation of ``arith`` and ``math`` computes, on whole arrays.

Where MLIR leaves a result open, it is what the machine's RISC-V vector unit gives (RISC-V V
extension 1.0): a division by zero is -1 (all ones), the remainder then the dividend; shifts use
the low bits of their amount; a conversion to an integer saturates, NaN to the largest.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from asic_compiler.tensors.elements import Array

Function: TypeAlias = Callable[..., Any]
Unary: TypeAlias = Callable[[Array], Array]
Binary: TypeAlias = Callable[[Array, Array], Any]

_erf_of_one: Function = np.frompyfunc(math.erf, 1, 1)


def _erf(x: Array) -> Array:
    return np.asarray(_erf_of_one(x.astype(np.float64))).astype(np.float64)


def _maximum(a: Array, b: Array) -> Array:
    """NaN if either is; +0 is greater than -0."""
    result = np.maximum(a, b)
    zero = result == 0
    return np.where(zero & (a == b), a + b, result) if np.any(zero) else result


def _minimum(a: Array, b: Array) -> Array:
    return -_maximum(-a, -b)


def _round_half_away(x: Array) -> Array:
    whole: Array = np.trunc(x)
    # Exact: a fraction of a float needs no more bits than the float. Of infinities it is NaN.
    away = np.abs(x - whole) >= 0.5
    return np.where(away, whole + np.copysign(1, x), whole).astype(x.dtype)


def _fma(a: Array, b: Array, c: Array) -> Array:
    """``a * b + c`` rounded once for operands of at most 24 significant bits.

    The product is exact in f64, and the sum is rounded to odd there, so that the rounding that
    follows is the only one. Operands in f64 are rounded twice: NumPy has no wider type everywhere.
    """
    if a.dtype == np.float64:
        return a * b + c
    product, addend = a.astype(np.float64) * b.astype(np.float64), c.astype(np.float64)
    total = product + addend
    part = total - product
    error = (product - (total - part)) + (addend - part)
    even = np.asarray(total).view(np.int64) & 1 == 0
    nudged = np.nextafter(total, np.copysign(np.inf, error))
    inexact = np.isfinite(total) & (error != 0) & even
    return np.where(inexact, nudged, total)


def _inverse_root(x: Array) -> Array:
    return 1 / np.sqrt(x.astype(np.float64))


def _power(x: Array, n: Array) -> Array:
    """A float to an integer power, computed in f64."""
    return np.power(x.astype(np.float64), n.astype(np.float64))


FLOAT: dict[str, Function] = {
    "arith.addf": np.add,
    "arith.subf": np.subtract,
    "arith.mulf": np.multiply,
    "arith.divf": np.divide,
    "arith.remf": np.fmod,
    "arith.negf": np.negative,
    "arith.maximumf": _maximum,
    "arith.minimumf": _minimum,
    "arith.maxnumf": np.fmax,
    "arith.minnumf": np.fmin,
    "math.absf": np.abs,
    "math.acos": np.arccos,
    "math.acosh": np.arccosh,
    "math.asin": np.arcsin,
    "math.asinh": np.arcsinh,
    "math.atan": np.arctan,
    "math.atan2": np.arctan2,
    "math.atanh": np.arctanh,
    "math.cbrt": np.cbrt,
    "math.ceil": np.ceil,
    "math.copysign": np.copysign,
    "math.cos": np.cos,
    "math.cosh": np.cosh,
    "math.erf": _erf,
    "math.exp": np.exp,
    "math.exp2": np.exp2,
    "math.expm1": np.expm1,
    "math.floor": np.floor,
    "math.fma": _fma,
    "math.fpowi": _power,
    "math.log": np.log,
    "math.log10": np.log10,
    "math.log1p": np.log1p,
    "math.log2": np.log2,
    "math.powf": np.power,
    "math.round": _round_half_away,
    "math.roundeven": np.rint,
    "math.rsqrt": _inverse_root,
    "math.sin": np.sin,
    "math.sinh": np.sinh,
    "math.sqrt": np.sqrt,
    "math.tan": np.tan,
    "math.tanh": np.tanh,
    "math.trunc": np.trunc,
}
"""Floats in, floats out; the caller chooses the width and rounds the result to the element."""

COMPARE_FLOATS: tuple[Binary, ...] = (
    lambda a, b: np.zeros(np.broadcast_shapes(a.shape, b.shape), np.bool_),
    lambda a, b: a == b,
    lambda a, b: a > b,
    lambda a, b: a >= b,
    lambda a, b: a < b,
    lambda a, b: a <= b,
    lambda a, b: (a < b) | (a > b),
    lambda a, b: ~(np.isnan(a) | np.isnan(b)),
    lambda a, b: ~((a < b) | (a > b)),
    lambda a, b: ~(a <= b),
    lambda a, b: ~(a < b),
    lambda a, b: ~(a >= b),
    lambda a, b: ~(a > b),
    lambda a, b: a != b,
    lambda a, b: np.isnan(a) | np.isnan(b),
    lambda a, b: np.ones(np.broadcast_shapes(a.shape, b.shape), np.bool_),
)
"""By the number of ``arith.cmpf``'s predicate: false, oeq .. ord, ueq .. uno, true."""

COMPARE_INTEGERS: tuple[tuple[Binary, bool], ...] = (
    (np.equal, True),
    (np.not_equal, True),
    (np.less, True),
    (np.less_equal, True),
    (np.greater, True),
    (np.greater_equal, True),
    (np.less, False),
    (np.less_equal, False),
    (np.greater, False),
    (np.greater_equal, False),
)
"""By the number of ``arith.cmpi``'s predicate: the function, and whether it reads signs."""


def _unless_zero(divide: Binary, otherwise: Unary) -> Binary:
    """A division that says what it gives where the divisor is 0."""

    def run(a: Array, b: Array) -> Array:
        zero = b == 0
        quotient: Array = divide(a, np.where(zero, 1, b).astype(b.dtype))
        return np.where(zero, otherwise(a), quotient)

    return run


def _all_ones(a: Array) -> Array:
    return np.full_like(a, -1 if a.dtype.kind == "i" else np.iinfo(a.dtype).max)


def _itself(a: Array) -> Array:
    return a


def _truncating(a: Array, b: Array) -> Array:
    """Towards zero. NumPy's floor division is one lower where signs differ and a rest is left."""
    floor = np.floor_divide(a, b)
    rest = (floor * b != a) & ((a < 0) != (b < 0))
    return floor + rest.astype(a.dtype)


def _ceiling(a: Array, b: Array) -> Array:
    floor = np.floor_divide(a, b)
    return floor + (floor * b != a).astype(a.dtype)


def _amount(a: Array, b: Array) -> Array:
    return b & np.asarray(8 * a.dtype.itemsize - 1, b.dtype)


def _shift_left(a: Array, b: Array) -> Array:
    return np.left_shift(a, _amount(a, b))


def _shift_right(a: Array, b: Array) -> Array:
    """Arithmetic for signed numbers, logical for others."""
    return np.right_shift(a, _amount(a, b))


def _integer_power(base: Array, exponent: Array) -> Array:
    """Wraps. With a negative exponent 1 and -1 keep their magnitude, others (also 0) become 0."""
    positive = np.power(base, np.maximum(exponent, 0))
    odd = np.where(exponent & 1 == 1, base, 1)
    return np.where(exponent >= 0, positive, np.where(np.abs(base) == 1, odd, 0)).astype(base.dtype)


def _leading_zeros(a: Array) -> Array:
    bits = 8 * a.dtype.itemsize
    count = np.full(a.shape, bits, a.dtype)
    for position in range(bits):
        place = (a >> np.asarray(position, a.dtype)) & 1
        count = np.where(place == 1, np.asarray(bits - 1 - position, a.dtype), count)
    return count


def _trailing_zeros(a: Array) -> Array:
    # ~a & (a - 1) has ones exactly below the lowest one of a.
    return np.bitwise_count(~a & (a - np.ones((), a.dtype)))


SIGNED: dict[str, Function] = {
    "arith.addi": np.add,
    "arith.subi": np.subtract,
    "arith.muli": np.multiply,
    "arith.andi": np.bitwise_and,
    "arith.ori": np.bitwise_or,
    "arith.xori": np.bitwise_xor,
    "arith.divsi": _unless_zero(_truncating, _all_ones),
    "arith.remsi": _unless_zero(np.fmod, _itself),
    "arith.floordivsi": _unless_zero(np.floor_divide, _all_ones),
    "arith.ceildivsi": _unless_zero(_ceiling, _all_ones),
    "arith.maxsi": np.maximum,
    "arith.minsi": np.minimum,
    "arith.shli": _shift_left,
    "arith.shrsi": _shift_right,
    "math.absi": np.abs,
    "math.ipowi": _integer_power,
}
"""Integers read with their sign."""

UNSIGNED: dict[str, Function] = {
    "arith.divui": _unless_zero(np.floor_divide, _all_ones),
    "arith.remui": _unless_zero(np.remainder, _itself),
    "arith.ceildivui": _unless_zero(_ceiling, _all_ones),
    "arith.maxui": np.maximum,
    "arith.minui": np.minimum,
    "arith.shrui": _shift_right,
    "math.ctlz": _leading_zeros,
    "math.cttz": _trailing_zeros,
    "math.ctpop": np.bitwise_count,
}
"""Integers read without a sign."""


def as_unsigned(values: Array) -> Array:
    """The same bits without a sign; i1 as 0 and 1 in a byte."""
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    return values.view(np.dtype(f"u{values.dtype.itemsize}"))


def as_signed(values: Array) -> Array:
    """The same bits with a sign; i1 as 0 and -1 in a byte."""
    if values.dtype.kind == "b":
        return -values.astype(np.int8)
    return values.view(np.dtype(f"i{values.dtype.itemsize}"))


def to_integer(values: Array, low: int, high: int, dtype: np.dtype[Any]) -> Array:
    """Floats towards zero into ``low .. high``, saturating; NaN becomes the largest."""
    whole = np.trunc(values.astype(np.float64))
    # Compared with the power of two above: 2^63 - 1 is no f64.
    too_large = ~(whole < float(high + 1))
    too_small = whole < float(low)
    safe = np.where(too_large | too_small, 0.0, whole).astype(np.uint64 if low == 0 else np.int64)
    result = np.where(too_small, np.asarray(low, dtype), safe.astype(dtype))
    return np.where(too_large, np.asarray(high, dtype), result)
