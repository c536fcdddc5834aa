"""What ``arith`` and ``math`` compute on floats, before they round."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from asic_compiler.interpret.elements import Array

_erf: Callable[[Array], Any] = np.frompyfunc(math.erf, 1, 1)


def _maximum(a: Array, b: Array) -> Array:
    """NaN if either is; +0 is greater than -0."""
    zeros = (a == 0.0) & (b == 0.0)
    return np.where(zeros & np.signbit(a), b, np.where(zeros, a, np.maximum(a, b)))


def _minimum(a: Array, b: Array) -> Array:
    return -_maximum(-a, -b)


def _error_function(a: Array) -> Array:
    return np.asarray(_erf(a), np.float64)


def _multiply_add(a: Array, b: Array, c: Array) -> Array:
    return a * b + c


def _half_away(a: Array) -> Array:
    whole: Array = np.trunc(a)
    return np.copysign(np.where(np.abs(a - whole) >= 0.5, np.abs(whole) + 1.0, np.abs(whole)), a)


def _power(a: Array, n: Array) -> Array:
    return np.power(a, n.astype(np.float64))


def _inverse_root(a: Array) -> Array:
    return 1.0 / np.sqrt(a)


EXACT: dict[str, Callable[..., Any]] = {
    "arith.negf": np.negative,
    "arith.maximumf": _maximum,
    "arith.minimumf": _minimum,
    "arith.maxnumf": np.fmax,
    "arith.minnumf": np.fmin,
    "arith.remf": np.fmod,
    "math.absf": np.abs,
    "math.ceil": np.ceil,
    "math.floor": np.floor,
    "math.round": _half_away,
    "math.roundeven": np.rint,
    "math.trunc": np.trunc,
    "math.copysign": np.copysign,
}
"""Results that need no rounding."""

ROUNDED: dict[str, Callable[..., Any]] = {
    "arith.addf": np.add,
    "arith.subf": np.subtract,
    "arith.mulf": np.multiply,
    "arith.divf": np.divide,
    "math.acos": np.arccos,
    "math.acosh": np.arccosh,
    "math.asin": np.arcsin,
    "math.asinh": np.arcsinh,
    "math.atan": np.arctan,
    "math.atan2": np.arctan2,
    "math.atanh": np.arctanh,
    "math.cbrt": np.cbrt,
    "math.cos": np.cos,
    "math.cosh": np.cosh,
    "math.erf": _error_function,
    "math.exp": np.exp,
    "math.exp2": np.exp2,
    "math.expm1": np.expm1,
    "math.fma": _multiply_add,
    "math.fpowi": _power,
    "math.log": np.log,
    "math.log10": np.log10,
    "math.log1p": np.log1p,
    "math.log2": np.log2,
    "math.powf": np.power,
    "math.rsqrt": _inverse_root,
    "math.sin": np.sin,
    "math.sinh": np.sinh,
    "math.sqrt": np.sqrt,
    "math.tan": np.tan,
    "math.tanh": np.tanh,
}


def compare(predicate: int, a: Array, b: Array) -> Array:
    """``arith.cmpf``: false, oeq, ogt, oge, olt, ole, one, ord, ueq .. une, uno, true."""
    equal, greater, less, unordered = 1, 2, 4, 8
    relations = predicate
    if predicate >= 8:
        relations = {14: unordered, 15: 15}.get(predicate, unordered | (predicate - 7))
    found = np.zeros(np.broadcast_shapes(a.shape, b.shape), np.bool_)
    for bit, holds in (
        (equal, a == b),
        (greater, a > b),
        (less, a < b),
        (unordered, np.isnan(a) | np.isnan(b)),
    ):
        if relations & bit:
            found = found | holds
    return found
