"""The clock that node, voltage and structure allow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.derive import TileSizes
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.space import FloatArray
from asic_compiler.technology.node import Technology

_ISSUE_SLOWDOWN, _STATION_SLOWDOWN, _LENGTH_SLOWDOWN, _PORT_SLOWDOWN = 0.06, 0.03, 0.02, 0.02
"""Longer critical path for each doubling of: issue width, reservation stations, vector length,
register ports (assumed; wake-up and bypass wires grow with each)."""
_ROUTER_PATH, _ROUTER_SLOWDOWN = 0.93, 0.1
"""Critical path of a five-port router over the period of the fastest clock, and what each doubling
of the ports adds (assumed; FlooNoC runs 1.23 GHz in 12 nm, arXiv 2305.08562)."""
_SMALLEST_MACRO = 8192.0


def voltage_factor(
    volts: FloatArray, technology: Technology, threshold_shift: float = 0.0
) -> FloatArray:
    """Clock at ``volts`` over that of standard cells at the nominal supply, by the alpha-power law.

    f ~ (V - Vt)^alpha / V (Sakurai and Newton, IEEE JSSC 1990); ``threshold_shift`` raises Vt, V.
    """
    t = technology.timing
    nominal = technology.voltage.nominal
    speed = np.maximum(volts - t.threshold - threshold_shift, 0.0) ** t.alpha / volts
    return speed / ((nominal - t.threshold) ** t.alpha / nominal)


def structure_factor(design: DesignBatch, sizes: TileSizes) -> FloatArray:
    """Fraction of the node's fastest clock that the widest tile of the design can keep."""
    ports = np.maximum(2.0 * design.xdpnum + design.xr_wp, 3.0 * design.vdpnum + design.vr_wp)
    path = (
        1.0
        + _ISSUE_SLOWDOWN * np.log2(sizes.fetch.max(axis=1))
        + _STATION_SLOWDOWN * np.log2(design.stanum)
        + _LENGTH_SLOWDOWN * np.log2(sizes.vlen.max(axis=1) / 128.0)
        + _PORT_SLOWDOWN * np.log2(np.maximum(ports / 4.0, 1.0))
    )
    return 1.0 / path


def fastest_clock_hz(design: DesignBatch, sizes: TileSizes, technology: Technology) -> FloatArray:
    """[N] the fastest clock of each design's cores and routers at its supply."""
    fastest = technology.timing.fastest
    factor = np.minimum(structure_factor(design, sizes), router_factor(design))
    return fastest * factor * voltage_factor(design.vdd, technology)


def router_factor(design: DesignBatch) -> FloatArray:
    """[N] fraction of the node's fastest clock that a router of so many ports can keep."""
    ports = 4.0 + design.sc_x * design.sc_y
    return 1.0 / (_ROUTER_PATH + _ROUTER_SLOWDOWN * np.log2(ports / 5.0))


def memory_supply(volts: FloatArray, technology: Technology) -> FloatArray:
    """Supply of SRAM: that of the logic, but never below what 6T arrays work at."""
    least = technology.voltage.minimum + technology.system.rails.sram_margin
    return np.maximum(volts, least)


def memory_clock_hz(
    macro_bytes: FloatArray, volts: FloatArray, technology: Technology
) -> FloatArray:
    """Fastest clock at which an SRAM of ``macro_bytes`` answers every cycle, ``volts`` its supply.

    Larger memories are banks of the largest macro. Weight memories are read in order from
    interleaved banks, so their access time bounds no clock.
    """
    r = technology.system.rails
    size = np.clip(macro_bytes, _SMALLEST_MACRO, r.largest_macro)
    cycle = r.macro_cycle_8kb + r.macro_cycle_doubling * np.log2(size / _SMALLEST_MACRO)
    speed = voltage_factor(volts, technology, r.sram_threshold_shift)
    return technology.timing.fastest * speed / cycle


def fits_high_threshold(
    clock_hz: float, volts: FloatArray, fastest: FloatArray, technology: Technology
) -> NDArray[np.bool_]:
    """[N] whether cells of high threshold keep ``clock_hz``: they leak less.

    Only a clock that the user fixes is known when cells are chosen; others use standard cells.
    """
    shift = technology.timing_constants.high_threshold_shift
    slower = voltage_factor(volts, technology, shift) / voltage_factor(volts, technology)
    return np.less_equal(clock_hz, fastest * slower)
