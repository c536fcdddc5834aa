"""How the machine computes: products with f32 accumulation, and partial sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from xdsl.ir import Attribute

from asic_compiler.diagnostics import UserError
from asic_compiler.simulate import scalars
from asic_compiler.tensors.elements import (
    Array,
    compute_dtype,
    constant,
    dtype_of,
    integer_width,
    is_float,
    rounded,
)


def accumulator_dtype(element: Attribute) -> np.dtype[Any]:
    """What products of an element type are summed in.

    f32 for floats (f64 for f64), as the tensor unit has it; integers in their own type, wrapping.
    """
    return np.dtype(np.float64) if str(element) == "f64" else compute_dtype(element)


def accumulate_block(accumulator: Array | None, lhs: Array, rhs: Array) -> Array:
    """Adds a product of blocks to partial sums, without rounding to the element type.

    Operands are widened to the accumulator's type first, so products of f16 are exact. The order
    of additions inside a block is the linear algebra library's; blocks are added in the order of
    the calls.

    Args:
        accumulator: Partial sums [b, m, n] of `accumulator_dtype`; None to start with this block.
            Not changed.
        lhs: [b, m, k].
        rhs: [b, n, k], or [1, n, k] to share it among all b.

    Returns:
        Partial sums [b, m, n]; f32 where ``accumulator`` is None and operands are no wider.
    """
    wide = accumulator.dtype if accumulator is not None else _wide(lhs, rhs)
    product = _product(lhs, rhs, wide)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return product if accumulator is None else accumulator + product


def _product(lhs: Array, rhs: Array, wide: np.dtype[Any]) -> Array:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        # Widened before it is transposed: the copy then has rows as the library wants them.
        columns = np.swapaxes(rhs.astype(wide, copy=False), -1, -2)
        product = np.matmul(lhs.astype(wide, copy=False), columns)
        # An accumulator starts at +0; the library may give -0 where all products are -0.
        return product + np.zeros((), wide)


def _wide(lhs: Array, rhs: Array) -> np.dtype[Any]:
    both = np.result_type(lhs, rhs)
    return np.promote_types(both, np.float32) if both.kind == "f" else both


def matmul_block(lhs: Array, rhs: Array, element: Attribute) -> Array:
    """``result[b, m, n] = sum_k lhs[b, m, k] * rhs[b, n, k]``, rounded once.

    Args:
        lhs: [b, m, k].
        rhs: [b, n, k], or [1, n, k] to share it among all b.
        element: Of the result.

    Returns:
        [b, m, n] of `dtype_of(element)`. Sums are f32 for floats (f64 if anything is f64); for an
        integer result everything is computed in its type and wraps.
    """
    if is_float(element):
        wide = np.promote_types(_wide(lhs, rhs), accumulator_dtype(element))
    else:
        wide = dtype_of(element)
    return rounded(_product(lhs, rhs, wide), element)


def combine(name: str, parts: Sequence[Array], element: Attribute) -> Array:
    """Combines partial values of tiles, the first two first, rounding after each.

    Args:
        name: The scalar operation: ``arith.addf``, ``arith.maximumf``, ``arith.addi``, ...
        parts: What each tile holds, in order of rank, all of one shape.
        element: Their type.

    Raises:
        UserError: The operation is not one that combines partial values.
        ValueError: There is nothing to combine.
    """
    if not parts:
        raise ValueError("nothing to combine")
    function = _combiner(name, element)
    total = parts[0]
    with np.errstate(all="ignore"):
        for part in parts[1:]:
            total = rounded(np.asarray(function(total, part)), element)
    return total


def neutral(name: str, element: Attribute) -> Array:
    """The value, without dimensions, that leaves the other one as it is under ``name``.

    Raises:
        UserError: The operation is not one that combines partial values.
    """
    _combiner(name, element)
    if is_float(element):
        # -0 and not 0: 0 + -0 is 0. The number variants ignore NaN, so it is their neutral value.
        values = {
            "addf": -0.0,
            "mulf": 1.0,
            "maximumf": -np.inf,
            "minimumf": np.inf,
            "maxnumf": np.nan,
            "minnumf": np.nan,
        }
        return constant(values[name.removeprefix("arith.")], element)
    width = integer_width(element) or 64
    top = 1 << (width - 1)
    integers = {
        "addi": 0,
        "muli": 1,
        "maxsi": -top,
        "minsi": top - 1,
        "maxui": 0,
        "minui": -1,
        "andi": -1,
        "ori": 0,
        "xori": 0,
    }
    return constant(integers[name.removeprefix("arith.")], element)


_COMBINE_FLOATS = ("addf", "mulf", "maximumf", "minimumf", "maxnumf", "minnumf")
_COMBINE_SIGNED = ("addi", "muli", "maxsi", "minsi", "andi", "ori", "xori")
_COMBINE_UNSIGNED = ("maxui", "minui")


def _combiner(name: str, element: Attribute) -> Callable[[Array, Array], Array]:
    short = name.removeprefix("arith.")
    if is_float(element) and short in _COMBINE_FLOATS:
        function, wide = scalars.FLOAT[name], compute_dtype(element)
        return lambda a, b: function(a.astype(wide, copy=False), b.astype(wide, copy=False))
    if not is_float(element):
        for names, table, view in (
            (_COMBINE_SIGNED, scalars.SIGNED, scalars.as_signed),
            (_COMBINE_UNSIGNED, scalars.UNSIGNED, scalars.as_unsigned),
        ):
            if short in names:
                integer = table[name]
                return lambda a, b: integer(view(a), view(b))
    raise UserError(f"partial values of {element} cannot be combined by '{name}'")
