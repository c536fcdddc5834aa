"""Which chips programs are written for: a program computes what the chip's format says."""

from __future__ import annotations

from collections.abc import Sequence

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.hardware.chip import Chip
from asic_compiler.hardware.precision import FORMATS, Arithmetic
from asic_compiler.hardware.weight_store import OFF_CHIP, STORES

EXECUTED: tuple[str, ...] = tuple(f.name for f in FORMATS if f.arithmetic is Arithmetic.FP16)
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
            [f"leave out emit, or allow precision={','.join(EXECUTED)} alone"],
        )
    off_chip = [store for store in stores if store not in ON_CHIP]
    if off_chip:
        raise UserError(
            f"no program is written for weights in {', '.join(off_chip)}",
            location,
            [f"leave out emit, or allow weight_store={','.join(ON_CHIP)} alone"],
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
            ["leave out emit, or import the model with the window as its context"],
        )


def _arithmetic(names: Sequence[str]) -> str:
    kinds = dict.fromkeys(str(f.arithmetic) for f in FORMATS if f.name in names)
    return " and ".join(kinds)
