"""Yield of a die and good dies a wafer."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi, sqrt

import numpy as np

from asic_compiler.technology.node import Technology


@dataclass(frozen=True, slots=True)
class Manufacture:
    """What making one chip takes."""

    die_area_mm2: float
    defects_per_mm2: float
    yield_of_die: float
    dies_per_wafer: int
    good_dies_per_wafer: float
    chips_per_wafer: float
    """Good dies over the dies of a chip; assembly loses none."""


def defect_density(technology: Technology) -> float:
    """Defects a square millimetre, between the nodes that have a value by log feature size."""
    m = technology.system.manufacturing
    sizes = [log(nm) for nm in (3.0, 5.0, 7.0, 14.0, 28.0)]
    values = [m.defects_3nm, m.defects_5nm, m.defects_7nm, m.defects_14nm, m.defects_28nm]
    return float(np.interp(log(technology.feature_nm), sizes, values))


def die_yield(area_mm2: float, technology: Technology) -> float:
    """Share of good dies: (1 + A D / alpha)^-alpha, negative binomial (Stapper, IBM JRD 1983).

    Every defect kills: spare rows of memories, tiles or links are not counted on.
    """
    alpha = technology.system.manufacturing.clustering
    return (1.0 + area_mm2 * defect_density(technology) / alpha) ** -alpha


def dies_per_wafer(area_mm2: float, technology: Technology) -> int:
    """Whole square dies on a wafer: pi r^2 / A - 2 pi r / sqrt(2 A) (de Vries, IEEE TSM 2005)."""
    m = technology.system.manufacturing
    radius = m.wafer_diameter / 2.0 - m.edge_exclusion
    site = (sqrt(area_mm2) + m.scribe_line) ** 2
    return max(int(pi * radius**2 / site - 2.0 * pi * radius / sqrt(2.0 * site)), 0)


def manufacture(area_mm2: float, dies: int, technology: Technology) -> Manufacture:
    """What a chip of ``dies`` equal dies and ``area_mm2`` in all takes."""
    each = area_mm2 / dies
    good, sites = die_yield(each, technology), dies_per_wafer(each, technology)
    return Manufacture(
        die_area_mm2=each,
        defects_per_mm2=defect_density(technology),
        yield_of_die=good,
        dies_per_wafer=sites,
        good_dies_per_wafer=sites * good,
        chips_per_wafer=sites * good / dies,
    )
