"""Which constants are uncertain, and which of them move together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asic_compiler.technology.constant import ConstantSet

_FAMILIES: dict[str, tuple[str, ...]] = {
    "arithmetic energy": (
        "energy.fp16_multiply", "energy.fp16_add", "energy.fp32_multiply", "energy.fp32_add",
        "energy.int32_add",
    ),
    "SRAM read energy": ("energy.sram_8kb", "energy.sram_32kb", "energy.sram_1mb"),
    "logic leakage": ("leakage.logic_25c", "leakage.logic_85c"),
    "SRAM leakage": ("leakage.sram_25c", "leakage.sram_85c"),
    "clock of the node": ("timing.typical", "timing.fastest"),
    "SRAM array efficiency": ("density.sram_efficiency_small", "density.sram_efficiency_large"),
    "ROM array efficiency": ("area.rom_efficiency_small", "area.rom_efficiency_large"),
    "arithmetic area": (
        "area.fp16_multiply", "area.fp16_add", "area.fp32_add", "formats.int8_multiply_area",
        "formats.int32_add_area", "formats.fp32_multiply_area",
    ),
}  # fmt: skip
"""Constants that come from one source by one rule: if one is too low, all are."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Constants that move together, and the ends that they move to."""

    name: str
    """Of the family, or of the one constant."""
    low: Mapping[str, float]
    """Constant -> value in the model's unit."""
    high: Mapping[str, float]


def doubts(constants: ConstantSet) -> tuple[Doubt, ...]:
    """What is uncertain about a node: families first, then single constants in file order."""
    entries = constants.constants
    uncertain = [key for key, constant in entries.items() if constant.uncertain]
    families = {key: name for name, keys in _FAMILIES.items() for key in keys}
    members: dict[str, list[str]] = {name: [] for name in _FAMILIES}
    for key in uncertain:
        members.setdefault(families.get(key, key), []).append(key)
    return tuple(
        Doubt(
            name,
            {key: entries[key].low for key in keys},
            {key: entries[key].high for key in keys},
        )
        for name, keys in members.items()
        if keys
    )
