"""Area of a tile's parts: logic in gate equivalents, memories as macros."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.hardware.derive import TileSizes
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.space import FloatArray
from asic_compiler.ppa.precision import Needs, tensor_lane
from asic_compiler.technology.node import Technology

LANE_BITS = 16.0
VECTOR_REGISTERS = 32.0
SCALAR_REGISTER_BITS = 32.0 * 64.0
ROUTER_BUFFER_FLITS = 2.0
_SMALL_MACRO_BITS, _LARGE_MACRO_BITS = 16.0 * 8192, 1024.0 * 8192
ROM_BANK_RANGE_BYTES = (8.0 * 1024, 256.0 * 1024)
FLIPS_PER_LANE, FLIPS_PER_ISSUE = 100.0, 2000.0
"""Flip-flops clocked each active cycle: of a vector lane; of one instruction slot of the front end
(assumed; those of a multiply-accumulate stand in ``precision``)."""


@dataclass(frozen=True, slots=True)
class Logic:
    """Logic of each band's tile. Arrays are [N, 4]."""

    front_end_ge: FloatArray
    registers_ge: FloatArray
    vector_ge: FloatArray
    tensor_ge: FloatArray
    front_end_flips: FloatArray
    """Flip-flops clocked in any active cycle."""
    vector_flips: FloatArray
    """Clocked in a cycle of a vector operator."""
    tensor_flips: FloatArray
    """Clocked in a cycle of a contraction."""

    @property
    def gates(self) -> FloatArray:
        """[N, 4] gate equivalents of the core."""
        return self.front_end_ge + self.registers_ge + self.vector_ge + self.tensor_ge


def core_logic(
    design: DesignBatch, sizes: TileSizes, technology: Technology, needs: Needs | None = None
) -> Logic:
    """Gate equivalents of each band's core, for what a program needs (16-bit operands if None).

    A vector lane is 16 bits wide; where elements of 32 bits occur, two share an FP32 unit.
    """
    a = technology.area_constants
    needs = needs or Needs()
    column = _column
    lanes = sizes.vlen / LANE_BITS
    stations, xdp, vdp = column(design.stanum), column(design.xdpnum), column(design.vdpnum)
    front = front_end_gates(sizes.fetch, stations, xdp, vdp, technology)
    scalar_ports = 2.0 * xdp + column(design.xr_wp)
    vector_ports = 3.0 * vdp + column(design.vr_wp)
    registers = a.latch_register_bit * (
        SCALAR_REGISTER_BITS * (1.0 + a.port_growth * np.maximum(scalar_ports - 3.0, 0.0))
        + VECTOR_REGISTERS
        * sizes.vlen
        * (1.0 + a.port_growth * np.maximum(vector_ports - 4.0, 0.0))
    )
    multiply, add = a.fp16_multiply, a.fp16_add
    if needs.wide_vectors:
        multiply = max(multiply, 0.5 * technology.system.formats.fp32_multiply_area)
        add = max(add, 0.5 * a.fp32_add)
    vector = vdp * lanes * (multiply + add + a.vector_lane_control)
    rows = column(design.rows)
    lane = tensor_lane(design, needs, technology)
    tensor = rows * (lanes * column(lane.gates) + a.tensor_control)
    return Logic(
        front,
        registers,
        vector,
        tensor,
        front_end_flips=sizes.fetch * FLIPS_PER_ISSUE,
        vector_flips=vdp * lanes * FLIPS_PER_LANE,
        tensor_flips=rows * lanes * column(lane.flip_flops),
    )


def front_end_gates(
    fetch: FloatArray,
    stations: FloatArray,
    scalar_pipes: FloatArray,
    vector_pipes: FloatArray,
    technology: Technology,
) -> FloatArray:
    """Gate equivalents of a core without registers and datapaths; arguments broadcast."""
    a = technology.area_constants
    return (
        a.scalar_core
        + a.issue_slot * fetch * (1.0 + fetch / 16.0)  # dependency checks grow as n^2
        + a.reservation_station * stations * (1.0 + 0.1 * (scalar_pipes + vector_pipes))  # wake-up
        + a.scalar_core * 0.3 * (scalar_pipes - 1.0)  # each further scalar pipe
    )


def router_gates(design: DesignBatch, technology: Technology) -> FloatArray:
    """[N] gate equivalents of one router, of 4 + tiles ports."""
    return switch_gates(4.0 + design.sc_x * design.sc_y, design.dflit, technology)


def switch_gates(ports: FloatArray, flit_bits: FloatArray, technology: Technology) -> FloatArray:
    """Gate equivalents of a router: buffers, crossbar and control; arguments broadcast."""
    a = technology.area_constants
    buffers = ports * ROUTER_BUFFER_FLITS * flit_bits * a.flip_flop
    crossbar = flit_bits * ports * ports * 1.5  # one multiplexer leg is about 1.5 GE
    return buffers + crossbar + ports * a.router_port_control


def router_flip_flops(design: DesignBatch) -> FloatArray:
    """[N] flip-flops of one router."""
    return (4.0 + design.sc_x * design.sc_y) * ROUTER_BUFFER_FLITS * design.dflit


def logic_area_mm2(gates: FloatArray, technology: Technology) -> FloatArray:
    """Placed area of ``gates`` gate equivalents."""
    return gates / (technology.density.gates * technology.area_constants.logic_utilisation)


def sram_area_mm2(
    size_bytes: FloatArray,
    technology: Technology,
    word_bits: FloatArray | None = None,
    ports: float = 1.0,
) -> FloatArray:
    """Area of an SRAM; small macros pay more periphery (efficiency goes with log size).

    Args:
        size_bytes: Capacity; above the largest macro it is made of several.
        technology: The node.
        word_bits: Width of a word, same shape. Wide words leave few rows to share the columns'
            sense amplifiers and drivers; not asked for where None.
        ports: Ports of a cell.
    """
    d, r = technology.density, technology.system.rails
    bits = size_bytes * 8.0
    t = np.log2(np.maximum(bits, 1.0) / _SMALL_MACRO_BITS) / np.log2(
        _LARGE_MACRO_BITS / _SMALL_MACRO_BITS
    )
    efficiency = d.sram_efficiency_small + np.clip(t, 0.0, 1.0) * (
        d.sram_efficiency_large - d.sram_efficiency_small
    )
    cell = d.sram_cell * (1.0 + r.port_cells * (ports - 1.0))
    area = bits * cell / efficiency
    if word_bits is None:
        return area
    macro_bits = np.maximum(np.minimum(size_bytes, r.largest_macro), 1.0) * 8.0
    usual = 1.0 + r.column_rows / r.usual_rows
    return area * np.maximum((1.0 + r.column_rows * word_bits / macro_bits) / usual, 1.0)


def rom_area_mm2(
    size_bytes: FloatArray, bank_bytes: FloatArray, technology: Technology
) -> FloatArray:
    """Area of mask ROM; efficiency goes with the log of the bank's size."""
    a = technology.area_constants
    cell = technology.density.sram_cell * a.rom_cell_over_sram_cell
    small, large = np.log2(ROM_BANK_RANGE_BYTES)
    t = np.clip((np.log2(bank_bytes) - small) / (large - small), 0.0, 1.0)
    spread = a.rom_efficiency_large - a.rom_efficiency_small
    return size_bytes * 8.0 * cell / (a.rom_efficiency_small + t * spread)


def _column(values: FloatArray) -> FloatArray:
    return values[:, None]
