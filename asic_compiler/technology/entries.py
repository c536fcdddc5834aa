"""The constants that a TOML document holds, every name, unit, kind and range checked."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, cast

from asic_compiler.diagnostics import UserError
from asic_compiler.technology.constant import KINDS, Constant, ConstantSet, is_finite_number, units
from asic_compiler.technology.document import Document
from asic_compiler.technology.units import to_model

_ENTRY = '{ value = 1.0, unit = "...", kind = "assumed", source = "..." }'
_ENTRY_KEYS = ("value", "low", "high", "unit", "kind", "source")


def read_entries(document: Document, known: Sequence[str], whole: bool) -> dict[str, Constant]:
    """The constants of a document, ``section.name`` -> constant.

    Args:
        document: The file.
        known: Constants that it may hold.
        whole: It must hold all of them.

    Raises:
        UserError: A name, unit, kind, source or range is wrong, or one is missing.
    """
    sections = list(dict.fromkeys(key.split(".", 1)[0] for key in known))
    found: dict[str, Constant] = {}
    for section, table in document.data.items():
        if not isinstance(table, dict):
            continue
        if section not in sections:
            near = get_close_matches(section, sections, n=1)
            raise UserError(
                f"unknown section [{section}]",
                document.where(section),
                [*(f"did you mean [{n}]?" for n in near), f"sections: {', '.join(sections)}"],
            )
        for name, entry in cast("dict[str, Any]", table).items():
            key = f"{section}.{name}"
            if key not in known:
                others = [k.split(".", 1)[1] for k in known if k.startswith(f"{section}.")]
                near = get_close_matches(name, others, n=1)
                raise UserError(
                    f"[{section}] has no constant '{name}'",
                    document.where(section, name),
                    [f"did you mean '{near[0]}'?"] if near else [f"known: {', '.join(others)}"],
                )
            found[key] = _constant(document, section, name, entry)
    missing = [key for key in known if key not in found]
    if whole and missing:
        section = missing[0].split(".", 1)[0]
        raise UserError(f"missing constants: {', '.join(missing)}", document.where(section))
    return found


def _constant(document: Document, section: str, name: str, entry: Any) -> Constant:
    where = document.where(section, name)
    label = f"[{section}] {name}"
    if not isinstance(entry, dict):
        raise UserError(f"{label}: a constant is a table", where, [f"{name} = {_ENTRY}"])
    table = cast("dict[str, Any]", entry)
    for key in table:
        if key not in _ENTRY_KEYS:
            raise UserError(
                f"{label}: unknown key '{key}'",
                document.where(section, name, key),
                [f"keys: {', '.join(_ENTRY_KEYS)}"],
            )
    lacking = [key for key in ("value", "unit", "kind", "source") if key not in table]
    if lacking:
        raise UserError(f"{label}: lacks {', '.join(lacking)}", where, [f"{name} = {_ENTRY}"])
    if table["kind"] not in KINDS:
        raise UserError(
            f"{label}: kind is one of {', '.join(KINDS)}, not '{table['kind']}'",
            document.where(section, name, "kind"),
        )
    if not isinstance(table["source"], str) or not table["source"].strip():
        raise UserError(
            f"{label}: the source must be a text that says where the value is from",
            document.where(section, name, "source"),
        )
    unit = units()[f"{section}.{name}"]
    values: dict[str, float] = {}
    for key in ("value", "low", "high"):
        written = table.get(key, table["value"])
        place = document.where(section, name, key)
        if not is_finite_number(written) or written < 0:
            raise UserError(f"{label}: {key} must be a number, not negative and finite", place)
        try:
            values[key] = to_model(float(written), str(table["unit"]), unit)
        except ValueError as error:
            raise UserError(f"{label}: {error}", document.where(section, name, "unit")) from error
    if not values["low"] <= values["value"] <= values["high"]:
        raise UserError(
            f"{label}: low <= value <= high does not hold: "
            f"{table.get('low', table['value'])}, {table['value']}, "
            f"{table.get('high', table['value'])}",
            document.where(section, name, "low" if "low" in table else "high"),
        )
    return Constant(
        value=values["value"],
        low=values["low"],
        high=values["high"],
        unit=unit,
        written_unit=str(table["unit"]),
        written_value=float(table["value"]),
        kind=table["kind"],
        source=table["source"],
        where=where,
    )


_ORDERED = (
    ("timing.threshold", "voltage.minimum"),
    ("voltage.minimum", "voltage.nominal"),
    ("voltage.nominal", "voltage.maximum"),
    ("energy.sram_wide_floor", "energy.sram_8kb"),
    ("energy.sram_8kb", "energy.sram_32kb"),
    ("energy.sram_32kb", "energy.sram_1mb"),
    ("leakage.logic_25c", "leakage.logic_85c"),
    ("leakage.sram_25c", "leakage.sram_85c"),
    ("timing.typical", "timing.fastest"),
)
"""Pairs of which the first is never above the second."""
_POSITIVE = (
    "voltage.minimum", "density.gates", "density.sram_cell", "density.sram_efficiency_small",
    "density.sram_efficiency_large", "energy.int32_add", "energy.sram_wide_floor",
    "leakage.logic_25c", "leakage.sram_25c", "timing.fastest", "timing.alpha",
)  # fmt: skip
"""What models divide by or take the logarithm of."""


def check_node(constants: ConstantSet) -> None:
    """Refuses what no silicon can be, at the constant that the user's file changed."""
    entries = constants.constants
    for key in _POSITIVE:
        if entries[key].low <= 0.0:
            raise UserError(f"{key} must be above 0", entries[key].where)
    for lower, upper in _ORDERED:
        if entries[lower].value > entries[upper].value:
            blamed = lower if lower in constants.overridden else upper
            raise UserError(
                f"{lower} ({entries[lower].value:g}) is above {upper} "
                f"({entries[upper].value:g}), in {entries[lower].unit}",
                entries[blamed].where,
            )
