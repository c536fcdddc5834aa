"""Weights in memory beside the dies: devices, bandwidth, power, PHYs and their edge.

At every step the weights stream over the NoC into buffers of the tiles, once; rows that a gather
picks are read alone. Each device or stack brings its bandwidth, its static power, and a PHY that
takes area and edge of a die.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.derive import Bands
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.space import FloatArray
from asic_compiler.hardware.weight_store import OFF_CHIP, STORE_INDEX, device
from asic_compiler.mapping.profile import Profile
from asic_compiler.technology.node import DramDevice, Technology

MOST_DEVICES = 64
"""Devices that one chip may have."""
_BUFFERED_BANKS = 2.0
"""Banks of a streaming WMEM: one fills while the other is read."""
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Devices:
    """The off-chip memory of N designs, whatever its kind. Arrays are [N]; 0 where on the die."""

    used: NDArray[np.bool_]
    bandwidth: FloatArray
    """Bandwidth of one device, byte/s."""
    capacity: FloatArray
    """Capacity of one device, byte."""
    energy: FloatArray
    """J/bit."""
    static_power: FloatArray
    phy_area: FloatArray
    phy_edge: FloatArray


def devices(design: DesignBatch, technology: Technology) -> Devices | None:
    """The devices that each design uses; None where no design is off-chip."""
    kinds = [(STORE_INDEX[s], device(s, technology.system)) for s in OFF_CHIP]
    used = np.isin(design.weight_store, [index for index, _ in kinds])
    if not used.any():
        return None

    def of(name: str) -> FloatArray:
        out = np.zeros(len(design))
        for index, kind in kinds:
            out[design.weight_store == index] = getattr(kind, name)
        return out

    columns = {name: of(name) for name in DramDevice.__dataclass_fields__}
    return Devices(used=used, **columns)


@dataclass(frozen=True, slots=True)
class WeightTraffic:
    """Weights off the chip. Arrays are [N]."""

    stored_bytes: FloatArray
    """What the devices must hold."""
    bits: FloatArray
    """Read at each step."""


def weight_traffic(profile: Profile, design: DesignBatch) -> WeightTraffic:
    """Bytes held and bits read a step; ``design`` has the widths as stored, scales included."""
    work, vectors, counts = profile.contractions, profile.vectors, profile.counts
    narrowed = work.bits == 16.0

    def matrices(copies: FloatArray) -> FloatArray:
        of_work = work.weight_bytes * copies[work.index]
        return of_work[~narrowed].sum() + of_work[narrowed].sum() * design.weight_bits / 16.0

    tables = float((vectors.weight_bytes * profile.held[vectors.index]).sum())
    picked = float((vectors.weight_read_bytes * counts[vectors.index]).sum())
    # Two banks keep nothing over: what several operators share is read again for each.
    return WeightTraffic(matrices(profile.held) + tables, (matrices(counts) + picked) * 8.0)


def buffer_bytes(need: FloatArray, bank: FloatArray) -> FloatArray:
    """WMEM of a tile that streams, for any shape: two banks, or all it needs if that is less."""
    return np.minimum(need, _BUFFERED_BANKS * bank)


def stream_cycles(
    need_bytes: FloatArray, design: DesignBatch, vlen: FloatArray, bits: FloatArray, bands: Bands
) -> FloatArray:
    """[N] least cycles of a period that the NoC takes to bring the weights in.

    Args:
        need_bytes: [N] weights of the fullest tile.
        design: N designs.
        vlen: [N] shortest row of a WMEM, bit.
        bits: [N] read at each step.
        bands: Their bands.
    """
    port = np.minimum(design.dflit, vlen)
    entries = 2.0 * np.ceil(design.mesh_height / design.sc_y)  # routers on two edges
    return np.maximum(np.ceil(need_bytes * 8.0 / port), np.ceil(bits / (entries * design.dflit)))


def stream_hops(design: DesignBatch) -> FloatArray:
    """[N] mean hops from a PHY on one of two edges to a tile."""
    return 0.25 * (design.mesh_width / design.sc_x + design.mesh_height / design.sc_y)


def most_devices(
    dies: FloatArray, area_mm2: FloatArray, kind: Devices, technology: Technology
) -> FloatArray:
    """[N] devices whose PHYs fit the edge of the dies, square and equal."""
    edge = 4.0 * np.sqrt(area_mm2 / dies) * dies * technology.system.package.memory_edge
    return np.where(kind.used, np.floor(edge / np.where(kind.used, kind.phy_edge, 1.0)), 0.0)


def area_for_edge(
    count: FloatArray, dies: FloatArray, kind: Devices, technology: Technology
) -> FloatArray:
    """[N] least area of the dies with enough edge for ``count`` PHYs."""
    side = count * kind.phy_edge / (4.0 * technology.system.package.memory_edge * dies)
    return dies * side**2


def least_devices(kind: Devices, traffic: WeightTraffic) -> FloatArray:
    """[N] devices that hold the weights; at least one."""
    held = np.ceil(traffic.stored_bytes / np.where(kind.used, kind.capacity, np.inf))
    return np.maximum(held, 1.0)


@dataclass(frozen=True, slots=True)
class Demand:
    """What N designs ask of their devices. Arrays are [N]."""

    least: FloatArray
    """Devices that hold the weights."""
    most: FloatArray
    """Devices that the edge has room for; ``least`` are placed whatever it says."""
    bits: FloatArray
    """Read at each step."""
    steps_per_s: FloatArray
    """Steps a second at the clock asked for."""
    step_energy: FloatArray
    """Joule a step."""
    fixed_w: FloatArray
    """Power that does not depend on the rate, without devices."""


def choose_devices(
    kind: Devices, demand: Demand, budget_w: float | None
) -> tuple[FloatArray, FloatArray]:
    """How many devices, and the steps a second that they allow.

    The fewest with which a design is fastest within its clock and the power budget. Lowering the
    clock to what came out changes neither, so a projected design projects to itself.

    Args:
        kind: The device of each design.
        demand: What is asked of it.
        budget_w: Power budget.

    Returns:
        [N] devices and [N] steps/s; 0 and the steps asked for where the weights are on the die.
    """
    least, by_clock = demand.least, demand.steps_per_s
    count = np.arange(1.0, MOST_DEVICES + 1.0)
    read = np.where(kind.used, demand.bits, 1.0)[:, None]
    rate = np.minimum(by_clock[:, None], count * (kind.bandwidth * 8.0)[:, None] / read)
    if budget_w is not None:
        left = budget_w - demand.fixed_w[:, None] - count * kind.static_power[:, None]
        rate = np.minimum(rate, np.maximum(left, 0.0) / demand.step_energy[:, None])
    top = np.maximum(np.minimum(demand.most, MOST_DEVICES), least)
    rate = np.where((count >= least[:, None]) & (count <= top[:, None]), rate, -1.0)
    chosen = np.argmax(rate >= rate.max(axis=1, keepdims=True) * (1.0 - _SAME), axis=1)
    number = np.where(kind.used, count[chosen], 0.0)
    supplied = number * kind.bandwidth * 8.0 / read[:, 0]
    return number, np.where(kind.used, np.minimum(by_clock, supplied), by_clock)
