"""What ``arith`` and ``math`` compute on integers.

Where MLIR leaves a result open, it is the machine's (RISC-V V extension 1.0): a division by zero
gives all ones and the dividend as its remainder, shifts use the low bits of their amount.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from asic_compiler.interpret.elements import Array, signed, unsigned, wrapped

Operation = Callable[[Array, Array, int], Any]


def _quotient(a: Array, b: Array) -> Array:
    """Towards zero; by zero all ones. Computed on magnitudes, so that no sign is in the way."""
    size = unsigned(np.abs(a), 64) // np.maximum(unsigned(np.abs(b), 64), np.uint64(1))
    size = size.view(np.int64)
    return np.where(b == 0, -1, np.where((a < 0) != (b < 0), -size, size))


def _remainder(a: Array, b: Array) -> Array:
    return np.where(b == 0, a, a - _quotient(a, b) * b)


def _rest_and_signs(a: Array, b: Array) -> tuple[Array, Array]:
    rest = (b != 0) & (_quotient(a, b) * b != a)
    return rest, (a < 0) == (b < 0)


def _floor(a: Array, b: Array) -> Array:
    rest, alike = _rest_and_signs(a, b)
    return _quotient(a, b) - (rest & ~alike)


def _ceiling(a: Array, b: Array) -> Array:
    rest, alike = _rest_and_signs(a, b)
    return _quotient(a, b) + (rest & alike)


def _unsigned_quotient(a: Array, b: Array, bits: int) -> Array:
    x, y = unsigned(a, bits), unsigned(b, bits)
    return np.where(b == 0, -1, signed(x // np.maximum(y, np.uint64(1)), bits))


def _unsigned_remainder(a: Array, b: Array, bits: int) -> Array:
    x, y = unsigned(a, bits), unsigned(b, bits)
    return np.where(b == 0, a, signed(x % np.maximum(y, np.uint64(1)), bits))


def _unsigned_ceiling(a: Array, b: Array, bits: int) -> Array:
    rest = _unsigned_remainder(a, b, bits) != 0
    return _unsigned_quotient(a, b, bits) + ((b != 0) & rest)


def _amount(b: Array, bits: int) -> Array:
    return b & (1 << (bits - 1).bit_length()) - 1


def _logical_right(a: Array, b: Array, bits: int) -> Array:
    return signed(unsigned(a, bits) >> unsigned(_amount(b, bits), 64), bits)


def _choose(larger: bool, bits: int, a: Array, b: Array) -> Array:
    first = unsigned(a, bits) > unsigned(b, bits)
    return np.where(first == larger, a, b)


def _power(a: Array, b: Array, bits: int) -> Array:
    """By squaring; a negative exponent leaves 1 and -1, others become 0."""
    result, base = np.ones_like(a), a
    for bit in range(63):
        result = np.where((b >> bit) & 1 == 1, wrapped(result * base, bits), result)
        base = wrapped(base * base, bits)
    of_unit = np.where(b & 1 == 1, a, 1)
    return np.where(b >= 0, result, np.where(np.abs(a) == 1, of_unit, 0))


BINARY: dict[str, Operation] = {
    "arith.addi": lambda a, b, _: a + b,
    "arith.subi": lambda a, b, _: a - b,
    "arith.muli": lambda a, b, _: a * b,
    "arith.andi": lambda a, b, _: a & b,
    "arith.ori": lambda a, b, _: a | b,
    "arith.xori": lambda a, b, _: a ^ b,
    "arith.divsi": lambda a, b, _: _quotient(a, b),
    "arith.remsi": lambda a, b, _: _remainder(a, b),
    "arith.floordivsi": lambda a, b, _: _floor(a, b),
    "arith.ceildivsi": lambda a, b, _: _ceiling(a, b),
    "arith.divui": _unsigned_quotient,
    "arith.remui": _unsigned_remainder,
    "arith.ceildivui": _unsigned_ceiling,
    "arith.maxsi": lambda a, b, _: np.maximum(a, b),
    "arith.minsi": lambda a, b, _: np.minimum(a, b),
    "arith.maxui": lambda a, b, bits: _choose(True, bits, a, b),
    "arith.minui": lambda a, b, bits: _choose(False, bits, a, b),
    "arith.shli": lambda a, b, bits: a << _amount(b, bits),
    "arith.shrsi": lambda a, b, bits: a >> _amount(b, bits),
    "arith.shrui": _logical_right,
    "math.ipowi": _power,
}
"""Two integers of some bits to one, which is then wrapped."""


def _bit_count(a: Array, bits: int) -> Array:
    return np.bitwise_count(unsigned(a, bits)).astype(np.int64)


def _length(a: Array, bits: int) -> Array:
    """Bits up to the highest that is set."""
    length = np.zeros(a.shape, np.int64)
    value = unsigned(a, bits)
    for bit in range(bits):
        length = np.where((value >> np.uint64(bit)) & np.uint64(1) == 1, bit + 1, length)
    return length


UNARY: dict[str, Callable[[Array, int], Any]] = {
    "math.absi": lambda a, _: np.abs(a),
    "math.ctpop": _bit_count,
    "math.ctlz": lambda a, bits: bits - _length(a, bits),
    "math.cttz": lambda a, bits: _bit_count(~a & (a - 1), bits),
}

_SIGNED: tuple[Callable[[Array, Array], Any], ...] = (
    np.equal,
    np.not_equal,
    np.less,
    np.less_equal,
    np.greater,
    np.greater_equal,
)


def compare(predicate: int, a: Array, b: Array, bits: int) -> Array:
    """``arith.cmpi``: eq, ne, slt, sle, sgt, sge, ult, ule, ugt, uge."""
    if predicate < len(_SIGNED):
        return _SIGNED[predicate](a, b)
    return _SIGNED[predicate - 4](unsigned(a, bits), unsigned(b, bits))
