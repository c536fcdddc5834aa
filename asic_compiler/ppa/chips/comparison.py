"""Published chips beside what the model says of their description, and the two global overheads.

The overheads are the only constants that published areas inform. They are the least-error pair
over many chips, so no chip has one of its own; ``split`` and ``leave_one_out`` tell what error a
chip has that did not take part.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from asic_compiler.diagnostics import UserError
from asic_compiler.ppa.chips.description import ChipDescription, read_descriptions
from asic_compiler.ppa.chips.power import PowerParts, chip_power
from asic_compiler.ppa.chips.structure import (
    PAD_RING_MM,
    Area,
    Overheads,
    chip_area,
    described_area,
    peak_instructions,
    peak_ops,
    scalar,
)
from asic_compiler.technology.library import load_node

FloatArray = NDArray[np.float64]
_CORE_GRID = np.geomspace(1.0, 5.0, 162)
_INTERFACE_GRID = np.geomspace(1.0, 12.0, 250)
"""One hundredth apart: finer than the fit is certain."""


@dataclass(frozen=True, slots=True)
class Published:
    """What is published of one chip; None where it is not."""

    chip: str
    area_mm2: float | None
    power_w: float | None
    power_kind: str
    peaks: dict[str, float]
    """Tera-operations a second in each format; ``GIPS``: giga-instructions a second."""
    confidence: str
    source: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """One chip, predicted and published."""

    published: Published
    description: ChipDescription
    area: Area
    power: PowerParts
    peaks: dict[str, float]

    @property
    def area_error(self) -> float | None:
        """Predicted over published, minus one."""
        return _error(self.area.total, self.published.area_mm2)

    @property
    def power_error(self) -> float | None:
        """Predicted over published, minus one."""
        return _error(self.power.total, self.published.power_w)

    @property
    def peak_errors(self) -> dict[str, float]:
        """Predicted over published, minus one, of each format."""
        return {k: self.peaks[k] / v - 1.0 for k, v in self.published.peaks.items()}


def published_chips() -> tuple[Published, ...]:
    """The package's table of published chips, each with its source."""
    text = (files("asic_compiler.ppa.chips") / "published.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return tuple(
        Published(
            chip=row["chip"],
            area_mm2=_number(row["die_mm2"]),
            power_w=_number(row["power_W"]),
            power_kind=row["power_kind"],
            peaks={
                name: float(value)
                for name, value in (each.split("=") for each in row["peak"].split(";") if each)
            },
            confidence=row["confidence"],
            source=row["source"],
        )
        for row in csv.DictReader(lines)
    )


def descriptions(group: str) -> tuple[ChipDescription, ...]:
    """The package's descriptions of one group of chips.

    Args:
        group: ``known``: those that the overheads know; ``held out``: those that they do not,
            but whose errors were seen while the estimate was built; ``fresh``: those described
            after nothing was changed any more.
    """
    name = _FILES[group]
    text = (files("asic_compiler.ppa.chips") / name).read_text(encoding="utf-8")
    return read_descriptions(text, name)


_FILES = {"known": "described.toml", "held out": "held_out.toml", "fresh": "fresh.toml"}
GROUPS: tuple[str, ...] = tuple(_FILES)


def global_overheads() -> Overheads:
    """The overheads that the model ships with, the same at every node."""
    known = load_node("7nm").system.silicon
    return Overheads(core=known.core, interface=known.interface)


def compare(
    chips: Sequence[ChipDescription],
    published: Sequence[Published],
    overheads: Overheads,
) -> tuple[Comparison, ...]:
    """Each chip beside what is published of it.

    Raises:
        UserError: Nothing is published under a chip's name.
    """
    known = {each.chip: each for each in published}
    out: list[Comparison] = []
    for chip in chips:
        if chip.name not in known:
            raise UserError(f"no published figures of a chip '{chip.name}'")
        facts = known[chip.name]
        peaks = {
            name: peak_instructions(chip) / 1e9 if name == "GIPS" else peak_ops(chip, name) / 1e12
            for name in facts.peaks
        }
        area, power = chip_area(chip, overheads), chip_power(chip, overheads)
        out.append(Comparison(facts, chip, area, power, peaks))
    return tuple(out)


@dataclass(frozen=True, slots=True)
class AreaSample:
    """Areas of N chips: described parts and published totals, mm2. Arrays are [N]."""

    names: tuple[str, ...]
    core: FloatArray
    interface: FloatArray
    links: FloatArray
    dies: FloatArray
    """Dies with a pad ring; 0 of a block without one."""
    published: FloatArray

    def take(self, rows: NDArray[np.bool_]) -> AreaSample:
        """The chips where ``rows`` is true."""
        names = tuple(n for n, keep in zip(self.names, rows, strict=True) if keep)
        return AreaSample(names, *(getattr(self, name)[rows] for name in _SAMPLE_ARRAYS))

    def ratios(self, core: FloatArray, interface: FloatArray) -> FloatArray:
        """[..., N] predicted over published, for overheads of any equal shape."""
        inside = core[..., None] * self.core + interface[..., None] * self.interface + self.links
        w = PAD_RING_MM
        ring = 4.0 * w * np.sqrt(inside * self.dies) + 4.0 * w * w * self.dies
        return (inside + ring) / self.published

    def errors(self, overheads: Overheads) -> FloatArray:
        """[N] predicted over published, minus one."""
        return self.ratios(scalar(overheads.core), scalar(overheads.interface)) - 1.0


_SAMPLE_ARRAYS = ("core", "interface", "links", "dies", "published")


def area_sample(chips: Sequence[ChipDescription], published: Sequence[Published]) -> AreaSample:
    """The chips whose area is published. A second chip of the same die counts once."""
    known = {each.chip: each.area_mm2 for each in published}
    names: list[str] = []
    rows: list[tuple[float, ...]] = []
    for chip in chips:
        area = known.get(chip.name)
        if area is None:
            continue
        bare = described_area(chip)
        dies = 0.0 if chip.macro else chip.dies
        row = (bare.logic + bare.sram, bare.interfaces, bare.links, dies, area)
        if row not in rows:
            names.append(chip.name)
            rows.append(row)
    return AreaSample(tuple(names), *np.array(rows, dtype=np.float64).T)


def fit_overheads(sample: AreaSample) -> Overheads:
    """The pair with the least mean |log(predicted / published)|: twice and half count alike."""
    core, interface = np.meshgrid(_CORE_GRID, _INTERFACE_GRID, indexing="ij")
    loss = np.abs(np.log(sample.ratios(core, interface))).mean(axis=2)
    best = np.unravel_index(int(np.argmin(loss)), loss.shape)
    return Overheads(core=float(core[best]), interface=float(interface[best]))


def leave_one_out(sample: AreaSample) -> FloatArray:
    """[N] error of each chip with overheads fitted to all the others."""
    rows = np.arange(len(sample.names))
    out = np.zeros(len(rows))
    for i in rows:
        overheads = fit_overheads(sample.take(rows != i))
        out[i] = sample.errors(overheads)[i]
    return out


def split_errors(sample: AreaSample) -> tuple[FloatArray, FloatArray]:
    """Errors of the odd chips with overheads of the even ones, and the other way round."""
    even = np.arange(len(sample.names)) % 2 == 0
    first = sample.take(~even).errors(fit_overheads(sample.take(even)))
    return first, sample.take(even).errors(fit_overheads(sample.take(~even)))


def _error(predicted: float, published: float | None) -> float | None:
    return None if published is None else predicted / published - 1.0


def _number(text: str) -> float | None:
    return float(text) if text else None
