"""Which chips programs are written for: a program computes what the chip's format says."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import BFloat16Type, Float16Type
from xdsl.ir import Attribute

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.hardware.chip import Chip
from asic_compiler.hardware.precision import FORMAT_INDEX, FORMATS, Arithmetic
from asic_compiler.hardware.weight_store import OFF_CHIP, STORES

_NUMBERS = {Arithmetic.FP16: None, Arithmetic.BF16: "bf16", Arithmetic.INT8: "int8"}
"""What instructions say that the multipliers take; None for the model's own 16-bit floats."""
EXECUTED: tuple[str, ...] = tuple(f.name for f in FORMATS if f.arithmetic in _NUMBERS)
"""Formats whose programs compute, bit for bit, what docs/tcc-dialect.md says."""
ON_CHIP: tuple[str, ...] = tuple(str(store) for store in STORES if store not in OFF_CHIP)
"""Stores that a program finds its weights in."""


def require_formats(
    formats: Sequence[str], stores: Sequence[str], location: SourceLocation | None = None
) -> None:
    """Refuses formats of arithmetic, and stores of weights, that no program is written for.

    Raises:
        UserError: There is one.
    """
    unwritten = [name for name in formats if name not in EXECUTED]
    if unwritten:
        raise UserError(
            f"no program is written for precision {', '.join(unwritten)}: the tensor unit's "
            f"{_arithmetic(unwritten)} arithmetic is priced and not executed",
            location,
            [f"allow precision={','.join(EXECUTED)} alone, or write no program"],
        )
    off_chip = [store for store in stores if store not in ON_CHIP]
    if off_chip:
        raise UserError(
            f"no program is written for weights in {', '.join(off_chip)}",
            location,
            [f"allow weight_store={','.join(ON_CHIP)} alone, or write no program"],
        )


def require_programs(chip: Chip, window: bool, location: SourceLocation | None) -> None:
    """Refuses a plan that no program is written for.

    Args:
        chip: The plan's.
        window: Whether the plan keeps fewer tokens of the cache than the model has.
        location: Of the model.

    Raises:
        UserError: It is such a plan.
    """
    require_formats([chip.precision], [chip.weight_store], location)
    if window:
        raise UserError(
            "no program is written for kv_window",
            location,
            ["import the model with the window as its context, or write no program"],
        )


def multiplied_as(chip: Chip, elements: Sequence[Attribute], *, attention: bool) -> str | None:
    """The numbers that the multipliers take of a contraction; None for its operands as they are.

    A format changes products of 16-bit floats alone; of two run-time tensors an 8-bit one changes
    those of a chip whose cache is narrow as well. bf16 is itself.

    Args:
        chip: The plan's.
        elements: Types of both operands.
        attention: Whether both are run-time tensors.
    """
    own = FORMATS[FORMAT_INDEX[chip.precision]]
    numbers = _NUMBERS[own.arithmetic]
    if numbers is None or not all(isinstance(e, Float16Type | BFloat16Type) for e in elements):
        return None
    if own.arithmetic is Arithmetic.BF16:
        return None if all(isinstance(e, BFloat16Type) for e in elements) else numbers
    return None if attention and chip.kv_bits >= 16 else numbers


def _arithmetic(names: Sequence[str]) -> str:
    kinds = dict.fromkeys(str(f.arithmetic) for f in FORMATS if f.name in names)
    return " and ".join(kinds)
