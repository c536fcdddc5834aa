"""Rules that carry a constant from nodes where it is known to one where it is not.

**Energy across nodes** has two anchors, both of silicon: Horowitz (ISSCC 2014, "Computing's energy
problem", 45 nm at 0.9 V) and Jouppi et al. (ISCA 2021, "Ten lessons from three generations shaped
Google's TPUv4i", table 2, 7 nm). Between them an energy moves geometrically,

    E(node) = E(45 nm) (E(7 nm) / E(45 nm)) ^ w(node),

with w the share of the way that the node has come, measured in the logarithm of what foundries
claim a step saves at equal speed (``POWER_STEPS``). The claims multiply to a factor of 1/8.5 from
28 to 7 nm; by the anchors an FP16 multiply gains 2.5: w spreads the anchors' gain over the nodes,
it does not believe the claims.

**Beyond 7 nm** no operation energies are published. A step then saves the claimed factor to the
power 0.92 (assumed; the claims are best cases).
SRAM cells hardly shrink there, and their reads save less (``SRAM_FACTORS``).

**Voltage and delay inside one node** follow the polynomials of Stillmaker and Baas (Integration
58, 2017, 74-81, "Scaling equations for the accurate prediction of CMOS device performance from 180
nm to 7 nm"), fits to predictive transistor models. The model itself uses V^2 and the alpha-power
law; the polynomials stand beside them as a check. Across nodes they promise 4 to 5 times less
energy an operation at 7 nm than the anchors, and are not used.

**Density** moves by the logic densities that foundries state, SRAM by published cells: neither is
interpolated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """What a foundry claims of one node over another."""

    older: str
    newer: str
    power: float
    """At equal speed, newer over older."""
    source: str


POWER_STEPS: tuple[Step, ...] = (
    Step("45nm", "28nm", 0.53, "assumed: places 28 nm so that w = 0.229"),
    Step("28nm", "22nm", 0.72, "22ULP over 28HPC+: 25 to 35 % less (AnandTech 11337, 2017)"),
    Step("28nm", "14nm", 0.30, "16FF+ over 28HPM: 70 % less (foundry claim, from memory)"),
    Step("14nm", "12nm", 0.75, "12FFC over 16FFC: 25 % less (AnandTech 11337, 2017)"),
    Step("14nm", "10nm", 0.65, "10FF over 16FF+: 35 % less (foundry claim, from memory)"),
    Step("10nm", "7nm", 0.60, "7FF over 10FF: about 40 % less (tsmc.com, 7nm Technology)"),
    Step("7nm", "6nm", 1.00, "N6: density alone is claimed (tsmc.com, 7nm Technology)"),
    Step("7nm", "5nm", 0.70, "N5 over N7: 30 % less (WikiChip Fuse 6439, 2021)"),
    Step("5nm", "4nm", 0.88, "N4P over N5: 22 % less (WikiChip Fuse 6439); N4 says nothing; "
         "half of the logarithm (assumed)"),
    Step("5nm", "3nm", 0.67, "N3E over N5: 32 to 34 % less (foundry claim; Tom's Hardware, 2023)"),
)  # fmt: skip

BEYOND_ANCHOR_EXPONENT = 0.92
"""Share, in the logarithm, of a claimed saving that an operation's energy follows below 7 nm."""

SRAM_FACTORS: dict[str, float] = {"6nm": 1.0, "5nm": 0.8, "4nm": 0.76, "3nm": 0.68}
"""Energy of an SRAM read over that at 7 nm (assumed: about half of the logic's gain)."""

HOROWITZ_45NM_PJ: dict[str, float] = {
    "int8_add": 0.03, "int32_add": 0.1, "int8_multiply": 0.2, "int32_multiply": 3.1,
    "fp16_add": 0.4, "fp32_add": 0.9, "fp16_multiply": 1.1, "fp32_multiply": 3.7,
    "sram_8kb": 10.0 / 64.0, "sram_32kb": 20.0 / 64.0, "sram_1mb": 100.0 / 64.0,
}  # fmt: skip
"""Picojoule an operation, or a bit of a 64-bit SRAM read (Horowitz, ISSCC 2014)."""

JOUPPI_7NM_PJ: dict[str, float] = {
    "int8_add": 0.007, "int32_add": 0.03, "int8_multiply": 0.07, "int32_multiply": 1.48,
    "fp16_add": 0.16, "fp32_add": 0.38, "fp16_multiply": 0.34, "fp32_multiply": 1.31,
    "sram_8kb": 7.5 / 64.0, "sram_32kb": 8.5 / 64.0, "sram_1mb": 14.0 / 64.0,
}  # fmt: skip
"""Same, 7 nm (Jouppi et al., ISCA 2021, table 2; as recalled, the table was not looked up)."""


def power_factor(older: str, newer: str) -> float:
    """Claimed power at equal speed, ``newer`` over ``older``, along the chain of steps.

    Raises:
        ValueError: No chain of steps leads from one to the other.
    """
    factor, node = 1.0, newer
    while node != older:
        step = next((step for step in POWER_STEPS if step.newer == node), None)
        if step is None:
            raise ValueError(f"no step leads from {older} to {newer}")
        factor, node = factor * step.power, step.older
    return factor


def progress(node: str) -> float:
    """w: share of the way from 45 nm (0) to 7 nm (1) that ``node`` has come."""
    return math.log(power_factor("45nm", node)) / math.log(power_factor("45nm", "7nm"))


def between_anchors(at_45nm: float, at_7nm: float, node: str) -> float:
    """A quantity known at both anchors, at a node between them: geometric in ``progress``."""
    return at_45nm * (at_7nm / at_45nm) ** progress(node)


def between(older: float, newer: float, nodes: tuple[str, str, str]) -> float:
    """A quantity known at two nodes, at one between them.

    Args:
        older: At ``nodes[0]``.
        newer: At ``nodes[2]``.
        nodes: Older, wanted, newer.
    """
    first, wanted, last = (progress(node) for node in nodes)
    return older * (newer / older) ** ((wanted - first) / (last - first))


def operation_energy_pj(name: str, node: str) -> float:
    """Picojoule of an operation (a key of ``HOROWITZ_45NM_PJ``) at the node's nominal supply."""
    if node in SRAM_FACTORS:
        logic = power_factor("7nm", node) ** BEYOND_ANCHOR_EXPONENT
        return JOUPPI_7NM_PJ[name] * (SRAM_FACTORS[node] if name.startswith("sram") else logic)
    return between_anchors(HOROWITZ_45NM_PJ[name], JOUPPI_7NM_PJ[name], node)


DELAY: dict[str, tuple[float, float, float, float]] = {
    "45nm": (-501.6, 1567.0, -1619.0, 566.1),
    "32nm": (-1047.0, 2982.0, -2797.0, 873.5),
    "20nm": (0.0, 34.63, -66.37, 41.15),
    "16nm": (0.0, 24.8, -47.52, 28.87),
    "14nm": (-40.66, 109.2, -100.6, 35.92),
    "10nm": (-34.95, 93.65, -85.99, 30.4),
    "7nm": (-28.58, 76.6, -70.26, 24.69),
}
"""a3, a2, a1, a0 of the delay factor (Stillmaker and Baas 2017, high-performance models)."""

ENERGY: dict[str, tuple[float, float, float]] = {
    "45nm": (1.018, -0.3107, 0.1539),
    "32nm": (0.8367, -0.4341, 0.1701),
    "20nm": (0.373, -0.1582, 0.04104),
    "16nm": (0.2958, -0.1241, 0.03024),
    "14nm": (0.2363, -0.09675, 0.02239),
    "10nm": (0.2068, -0.09311, 0.02375),
    "7nm": (0.1776, -0.09097, 0.02447),
}
"""b2, b1, b0 of the energy factor (same)."""


def delay_ratio(node: str, volts: float, reference_volts: float) -> float:
    """Delay at ``volts`` over delay at ``reference_volts``, same node (Stillmaker and Baas)."""
    return _polynomial(DELAY[node], volts) / _polynomial(DELAY[node], reference_volts)


def energy_ratio(node: str, volts: float, reference_volts: float) -> float:
    """Energy an operation at ``volts`` over that at ``reference_volts``, same node."""
    return _polynomial(ENERGY[node], volts) / _polynomial(ENERGY[node], reference_volts)


def _polynomial(coefficients: tuple[float, ...], x: float) -> float:
    value = 0.0
    for coefficient in coefficients:
        value = value * x + coefficient
    return value
