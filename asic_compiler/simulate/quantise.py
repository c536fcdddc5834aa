"""Floats as integers of few bits that share scales: symmetric, and nothing is clipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Attribute

from asic_compiler.diagnostics import UserError
from asic_compiler.tensors.elements import Array, rounded

Axes: TypeAlias = int | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Quantised:
    """Numbers of few bits that share scales: ``value = code * scale``."""

    codes: NDArray[np.int8]
    """[...] in ``-qmax .. qmax``, where qmax is ``2**(bits-1) - 1``; 4 bits lie in a byte each."""
    scale: NDArray[np.float16]
    """The shape of ``codes``, 1 along the axes that share a scale."""
    bits: int


def largest_code(bits: int) -> int:
    """The largest code, qmax.

    Raises:
        ValueError: bits is neither 8 nor 4.
    """
    if bits not in (4, 8):
        raise ValueError(f"quantisation has 4 or 8 bits, not {bits}")
    return (1 << (bits - 1)) - 1


def quantise(values: Array, bits: int, axis: Axes = -1) -> Quantised:
    """Symmetric quantisation with one f16 scale for all numbers along ``axis``.

    Args:
        values: Floats, e.g. keys [b, heads, tokens, head size]: ``axis=-1`` is a scale for each
            (head, token), ``axis=(-2, -1)`` one for each head.
        bits: 8 or 4.
        axis: Which axes share a scale.

    Raises:
        UserError: A number is not finite, or too large for an f16 scale.
        ValueError: bits is neither 8 nor 4.
    """
    scale = scales_of(values, bits, axis)
    return Quantised(codes_of(values, scale, bits), scale, bits)


def scales_of(values: Array, bits: int, axis: Axes = -1) -> NDArray[np.float16]:
    """The smallest f16 not below the largest magnitude along ``axis`` over qmax; axes are kept.

    No code is clipped so, and every number is within half a scale of what `dequantise` gives
    (before that rounds to its element). The quotient is one of f64: of numbers of up to 24
    significant bits it is below, at or above an f16 exactly as the real one.

    Raises:
        UserError: A number is not finite, or too large for an f16 scale.
        ValueError: bits is neither 8 nor 4.
    """
    limit = largest_code(bits)
    largest: Array = np.max(np.abs(values), axis=axis, keepdims=True, initial=0.0)
    ideal = largest.astype(np.float64) / limit
    with np.errstate(over="ignore"):
        scale: Array = ideal.astype(np.float16)
    scale = np.where(scale < ideal, np.nextafter(scale, np.float16(np.inf)), scale)
    if not np.all(np.isfinite(scale)):
        raise UserError(
            f"cannot quantise to {bits} bits: a number is infinite, no number or too large for "
            "an f16 scale"
        )
    return scale


def codes_of(values: Array, scale: NDArray[Any], bits: int) -> NDArray[np.int8]:
    """The integers nearest to ``values / scale``, ties to even; 0 where the scale is 0."""
    divisor = np.where(scale == 0, 1, scale).astype(np.float64)
    codes = np.rint(values.astype(np.float64) / divisor)
    assert np.all(np.abs(codes) <= largest_code(bits))
    return codes.astype(np.int8)


def dequantise(quantised: Quantised, element: Attribute) -> Array:
    """``code * scale`` in f32 (exact: 8 and 11 significant bits), rounded once to ``element``."""
    product = quantised.codes.astype(np.float32) * quantised.scale.astype(np.float32)
    return rounded(product, element)
