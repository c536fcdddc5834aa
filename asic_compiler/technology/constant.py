"""A constant with its unit, source and range, and all constants of a node together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, TypeVar, cast, get_type_hints

from asic_compiler.diagnostics import SourceLocation
from asic_compiler.technology.node import (
    AreaConstants,
    Density,
    Energy,
    EnergyConstants,
    Leakage,
    System,
    Technology,
    Timing,
    TimingConstants,
    Voltage,
)

KINDS = ("published", "derived", "assumed")
"""In a public source; computed from one; a judgement."""

_Facts = TypeVar("_Facts")

NODE_SECTIONS: dict[str, type] = {
    "voltage": Voltage,
    "density": Density,
    "energy": Energy,
    "leakage": Leakage,
    "timing": Timing,
}
"""Sections of a node's file."""
COMMON_SECTIONS: dict[str, type] = {
    "area": AreaConstants,
    "energy": EnergyConstants,
    "timing": TimingConstants,
}
"""Sections of ``constants.toml``. No name is in a section of the same name in a node's file."""


@dataclass(frozen=True, slots=True)
class Constant:
    """One constant, in the model's unit."""

    value: float
    """The central estimate."""
    low: float
    high: float
    """Ends of the range in which the truth is thought to lie; both equal ``value`` where nothing
    better is known or there is nothing to doubt."""
    unit: str
    """The model's."""
    written_unit: str
    """The file's."""
    written_value: float
    kind: str
    source: str
    where: SourceLocation

    @property
    def uncertain(self) -> bool:
        """Whether it has a range."""
        return self.low < self.high


@dataclass(frozen=True)
class ConstantSet:
    """All constants of a node, with the sources; ``technology`` is what models work with."""

    name: str
    feature_nm: int
    reference_process: str
    constants: Mapping[str, Constant]
    """``section.name`` -> constant, in the order of the dataclasses."""
    reference_int32_add: float
    """Joule, at 28 nm: what energies that are given at 28 nm scale from."""
    base: str
    """The shipped node underneath, or "" if none of its constants is left."""
    tech_file: str | None = None
    """The user's file on top, as it was named."""
    overridden: tuple[str, ...] = ()
    """Constants that come from it, in the order of ``constants``."""

    def as_json(self) -> dict[str, Any]:
        """Which constants a design was made with: the node underneath, and what a file changed."""
        return {
            "name": self.name,
            "base": self.base,
            "file": self.tech_file,
            "overridden": {
                key: {
                    "value": self.constants[key].written_value,
                    "unit": self.constants[key].written_unit,
                    "kind": self.constants[key].kind,
                    "source": self.constants[key].source,
                }
                for key in self.overridden
            },
        }

    def technology(self, values: Mapping[str, float] | None = None) -> Technology:
        """The node with every constant at its central value, or at the one in ``values``."""
        chosen = {key: constant.value for key, constant in self.constants.items()}
        for key, value in (values or {}).items():
            if key not in chosen:
                raise KeyError(key)
            chosen[key] = value
        system: dict[str, Any] = {
            name: _build(name, kind, chosen) for name, kind in system_sections().items()
        }
        return Technology(
            name=self.name,
            feature_nm=self.feature_nm,
            reference_process=self.reference_process,
            voltage=_build("voltage", Voltage, chosen),
            density=_build("density", Density, chosen),
            energy=_build("energy", Energy, chosen),
            leakage=_build("leakage", Leakage, chosen),
            timing=_build("timing", Timing, chosen),
            area_constants=_build("area", AreaConstants, chosen),
            energy_constants=_build("energy", EnergyConstants, chosen),
            timing_constants=_build("timing", TimingConstants, chosen),
            system=System(**system),
            scale_from_28nm=chosen["energy.int32_add"] / self.reference_int32_add,
        )


@cache
def system_sections() -> dict[str, type]:
    """Sections of ``system.toml``: the fields of ``System``."""
    hints = get_type_hints(System)
    return {f.name: hints[f.name] for f in fields(System)}


@cache
def units() -> dict[str, str]:
    """``section.name`` of every constant that a node has -> the model's unit, in order."""
    out: dict[str, str] = {}
    for sections in (NODE_SECTIONS, COMMON_SECTIONS, system_sections()):
        for section, kind in sections.items():
            for f in fields(cast("Any", kind)):
                key = f"{section}.{f.name}"
                if key in out:
                    raise ValueError(f"two constants are called {key}")
                out[key] = str(f.metadata["unit"])
    return out


def names_of(sections: Mapping[str, type]) -> list[str]:
    """``section.name`` of every constant of some sections."""
    return [
        f"{section}.{f.name}"
        for section, kind in sections.items()
        for f in fields(cast("Any", kind))
    ]


def is_finite_number(value: Any) -> bool:
    """Whether a TOML value is a finite number, and no boolean."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _build(section: str, kind: type[_Facts], values: Mapping[str, float]) -> _Facts:
    names = [f.name for f in fields(cast("Any", kind))]
    return kind(**{name: values[f"{section}.{name}"] for name in names})
