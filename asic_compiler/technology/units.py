"""Units of the constants files, and what each is in SI."""

from __future__ import annotations

UNITS: dict[str, tuple[str, float]] = {
    "1": ("1", 1.0),
    "GE": ("GE", 1.0),
    "cycle": ("cycle", 1.0),
    "nm": ("m", 1e-9),
    "bit": ("bit", 1.0),
    "byte": ("byte", 1.0),
    "GB": ("byte", 1e9),
    "GB/s": ("B/s", 1e9),
    "mm": ("mm", 1.0),
    "mm/mm2": ("mm/mm2", 1.0),
    "1/cm2": ("1/mm2", 0.01),
    "W": ("W", 1.0),
    "mW": ("W", 1e-3),
    "uW": ("W", 1e-6),
    "us": ("s", 1e-6),
    "V": ("V", 1.0),
    "GHz": ("Hz", 1e9),
    "MHz": ("Hz", 1e6),
    "pJ": ("J", 1e-12),
    "fJ": ("J", 1e-15),
    "pJ/bit": ("J/bit", 1e-12),
    "fJ/bit": ("J/bit", 1e-15),
    "pJ/(bit*hop)": ("J/(bit*hop)", 1e-12),
    "pJ/(bit*mm)": ("J/(bit*mm)", 1e-12),
    "mW/mm2": ("W/mm2", 1e-3),
    "pW/bit": ("W/bit", 1e-12),
    "um2": ("mm2", 1e-6),
    "mm2": ("mm2", 1.0),
    "MGE/mm2": ("GE/mm2", 1e6),
    "ns/mm": ("s/mm", 1e-9),
    "ns": ("s", 1e-9),
}
"""Unit as written -> (unit of the model, factor). The model keeps areas in mm2, lengths in mm."""


def to_model(value: float, unit: str, expected: str) -> float:
    """Converts ``value`` from ``unit`` to the model's unit ``expected``.

    Raises:
        ValueError: The unit is unknown or measures something else.
    """
    if unit not in UNITS:
        raise ValueError(f"unknown unit '{unit}' where one of {_like(expected)} is expected")
    model_unit, factor = UNITS[unit]
    if model_unit != expected:
        raise ValueError(f"unit '{unit}' where one of {_like(expected)} is expected")
    return value * factor


def _like(expected: str) -> str:
    return ", ".join(f"'{u}'" for u, (model, _) in UNITS.items() if model == expected)
