"""Loads process nodes from their TOML files, checking every name and unit."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar, cast

from asic_compiler.diagnostics import UserError
from asic_compiler.technology.node import (
    AreaConstants,
    Density,
    DramDevice,
    Energy,
    EnergyConstants,
    Formats,
    Gating,
    Leakage,
    Links,
    Manufacturing,
    Package,
    Rails,
    Silicon,
    Static,
    System,
    Technology,
    Timing,
    TimingConstants,
    Voltage,
)
from asic_compiler.technology.units import to_model

NODE_NAMES: tuple[str, ...] = ("3nm", "5nm", "7nm", "10nm", "14nm", "22nm", "28nm")
"""The process nodes that come with the package, finest first."""

_ALIASES = {"16nm": "14nm"}  # one file serves the 16/14/12 nm FinFET family

_Section = TypeVar("_Section")


@cache
def load_node(name: str) -> Technology:
    """The process node called ``name``.

    Raises:
        UserError: There is no such node.
    """
    text = name if name.endswith("nm") else f"{name}nm"
    key = _ALIASES.get(text, text)
    if key not in NODE_NAMES:
        raise UserError(f"unknown process node '{name}'", notes=[f"known: {', '.join(NODE_NAMES)}"])
    node = _read(f"nodes/{key}.toml")
    common = _read("constants.toml")
    reference = _read("nodes/28nm.toml")
    energy = _section(node, "energy", Energy)
    return Technology(
        name=str(node["name"]),
        feature_nm=int(node["feature_nm"]),
        reference_process=str(node["reference_process"]),
        voltage=_section(node, "voltage", Voltage),
        density=_section(node, "density", Density),
        energy=energy,
        leakage=_section(node, "leakage", Leakage),
        timing=_section(node, "timing", Timing),
        area_constants=_section(common, "area", AreaConstants),
        energy_constants=_section(common, "energy", EnergyConstants),
        timing_constants=_section(common, "timing", TimingConstants),
        system=_system(_read("system.toml")),
        scale_from_28nm=energy.int32_add / _section(reference, "energy", Energy).int32_add,
    )


def _system(data: dict[str, Any]) -> System:
    return System(
        gating=_section(data, "gating", Gating),
        rails=_section(data, "rails", Rails),
        formats=_section(data, "formats", Formats),
        static=_section(data, "static", Static),
        links=_section(data, "links", Links),
        manufacturing=_section(data, "manufacturing", Manufacturing),
        lpddr5x=_section(data, "lpddr5x", DramDevice),
        hbm3e=_section(data, "hbm3e", DramDevice),
        package=_section(data, "package", Package),
        silicon=_section(data, "silicon", Silicon),
    )


def _read(path: str) -> dict[str, Any]:
    data = (files("asic_compiler.technology") / path).read_text(encoding="utf-8")
    return tomllib.loads(data)


def _section(data: dict[str, Any], name: str, kind: type[_Section]) -> _Section:
    """Builds one dataclass from one table: same names, known kinds, units that fit."""
    entries = cast("dict[str, dict[str, Any]]", data[name])
    expected = {f.name: str(f.metadata["unit"]) for f in fields(cast("Any", kind))}
    if set(entries) != set(expected):
        wrong = sorted(set(entries) ^ set(expected))
        raise UserError(f"[{name}]: missing or unknown constants: {', '.join(wrong)}")
    values: dict[str, float] = {}
    for key, unit in expected.items():
        entry = entries[key]
        if entry.get("kind") not in ("published", "derived", "assumed") or not entry.get("source"):
            raise UserError(
                f"[{name}] {key}: needs a kind (published, derived, assumed) and a source"
            )
        try:
            values[key] = to_model(float(entry["value"]), str(entry["unit"]), unit)
        except ValueError as error:
            raise UserError(f"[{name}] {key}: {error}") from error
    return kind(**values)
