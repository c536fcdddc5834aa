"""Energy of one step, counted event by event, at the nominal supply. Arrays are [N, C]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.hardware.derive import Bands, TileSizes
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.space import FloatArray
from asic_compiler.hardware.weight_store import STORE_INDEX, WeightStore
from asic_compiler.machine.regions import CONV, GENERAL, MATMUL
from asic_compiler.mapping.mapping import Mapping
from asic_compiler.mapping.profile import Vectors
from asic_compiler.ppa.area import Logic, router_flip_flops
from asic_compiler.ppa.precision import Operands
from asic_compiler.ppa.reduction import Combination
from asic_compiler.ppa.timing import ContractionTime, Incoming, VectorTime
from asic_compiler.technology.node import Technology

SRAM_POINTS_BYTES = (8.0 * 1024, 32.0 * 1024, 1024.0 * 1024)
_REFERENCE_WORD_BITS = 64.0
_REFERENCE_PORTS = 5.0
"""Ports of the router whose hop the node file gives; crossbar wires grow with the ports."""
_REFERENCE_HOP_MM = 0.3
"""Wire that a hop's energy already includes (assumed)."""


@dataclass(frozen=True, slots=True)
class MemoryEnergy:
    """Joule a bit at the nominal supply."""

    wmem: FloatArray
    """[N] bank of the weight memory plus the wire from the bank to the tensor unit."""
    dmem: FloatArray
    """[N] data memory plus its wire."""
    hop: FloatArray
    """[N] router and link of one hop."""
    local: FloatArray
    """[N] between a tile and its super-cluster's router; 0 where each tile has its own."""


@dataclass(frozen=True, slots=True)
class EnergyParts:
    """Joule of one execution of each class, over all its tiles, by component."""

    compute: FloatArray
    wmem: FloatArray
    dmem: FloatArray
    issue: FloatArray
    noc: FloatArray

    @property
    def total(self) -> FloatArray:
        """[N, C] all components."""
        return self.compute + self.wmem + self.dmem + self.issue + self.noc


def sram_read(size_bytes: FloatArray, word_bits: FloatArray, technology: Technology) -> FloatArray:
    """Joule a bit of an SRAM read.

    The 64-bit reads of the node file are interpolated over log size. In a wider word the part
    above the wide-word floor falls with the square root of the width: decoding and half-selected
    columns are shared, sensing and the way out are not (assumed).
    """
    floor = technology.energy.sram_wide_floor
    narrow = _narrow_read(size_bytes, technology)
    shared = np.sqrt(_REFERENCE_WORD_BITS / np.maximum(word_bits, _REFERENCE_WORD_BITS))
    return floor + np.maximum(narrow - floor, 0.0) * shared


def rom_read(bank_bytes: FloatArray, technology: Technology) -> FloatArray:
    """Joule a bit of a mask ROM bank: between the wide-word floor and half an SRAM's read.

    The centre is the geometric mean of the two bounds.
    """
    floor = technology.energy.sram_wide_floor
    upper = _narrow_read(bank_bytes, technology) * technology.energy_constants.rom_word_share
    return np.sqrt(floor * np.maximum(upper, floor))


def _narrow_read(size_bytes: FloatArray, technology: Technology) -> FloatArray:
    """Joule a bit of a 64-bit SRAM read, interpolated log-log between the node's points."""
    e = technology.energy
    points = np.log([e.sram_8kb, e.sram_32kb, e.sram_1mb])
    return np.exp(np.interp(np.log(size_bytes), np.log(SRAM_POINTS_BYTES), points))


def memory_energy(
    design: DesignBatch,
    dmem_bytes: FloatArray,
    tile_mm: FloatArray,
    hop_mm: FloatArray,
    technology: Technology,
) -> MemoryEnergy:
    """Reads and hops of each design, wires included.

    Args:
        design: N designs.
        dmem_bytes: [N] data memory of the average tile.
        tile_mm: [N] edge of the average tile; a bit travels half of it.
        hop_mm: [N] distance between routers.
        technology: The node.
    """
    e = technology.energy
    wire = e.wire * 0.5 * tile_mm
    beyond = np.maximum(hop_mm - _REFERENCE_HOP_MM, 0.0)
    cluster = design.sc_x * design.sc_y
    bank = rom_read(design.wmem_bank, technology)
    writable = design.weight_store != STORE_INDEX[WeightStore.ROM]
    if writable.any():
        sram = sram_read(design.wmem_bank, design.vlen, technology)
        bank = np.where(writable, sram, bank)
    return MemoryEnergy(
        wmem=bank + wire,
        dmem=sram_read(dmem_bytes, design.vlen, technology) + 0.5 * wire,
        hop=e.router_hop * (4.0 + cluster) / _REFERENCE_PORTS + e.wire * beyond,
        local=e.wire * 0.25 * (design.sc_x + design.sc_y - 2.0) * tile_mm,
    )


def instruction_energy(sizes: TileSizes, technology: Technology) -> FloatArray:
    """[N, 3] joule of one instruction on each region; wide front ends cost more a slot."""
    base = technology.energy_constants.instruction * technology.scale_from_28nm
    return base * (1.0 + 0.1 * (sizes.region_fetch - 1.0))


def contraction_energy(
    operands: Operands,
    time: ContractionTime,
    sizes: TileSizes,
    memory: MemoryEnergy,
    technology: Technology,
) -> EnergyParts:
    """Energy of contractions.

    Args:
        operands: The classes, and what their formats cost.
        time: How they were split.
        sizes: Their tiles.
        memory: Joule a bit.
        technology: The node.
    """
    e, work = technology.energy, operands.work
    compute = np.broadcast_to(work.macs * operands.multiply_accumulate, time.cycles.shape)
    if operands.requantise is not None:
        sums = work.batch * work.m * work.n * _sums(operands, time, technology)
        compute = compute + sums * operands.requantise

    reads = work.batch * time.split.m * time.row_blocks * work.n * work.k
    wmem = np.where(work.attention, 0.0, reads * operands.weight_bits) * memory.wmem[:, None]
    if operands.unpack is not None:
        compute = compute + reads * operands.unpack
    used = time.split.used_tiles
    groups = used / time.split.k
    partial = time.combination.partial_bits * groups
    dmem_bits = _moved(time.dmem_bits, time.arriving, time.combination, used, groups)
    dmem = dmem_bits * memory.dmem[:, None]
    compute = compute + partial / 32.0 * e.fp32_add

    cost = instruction_energy(sizes, technology)[:, work.region]
    imem = 32.0 * e.sram_32kb
    issue = time.instructions * time.split.used_tiles * (cost + imem)

    noc = _carried(time.arriving, time.combination, used, groups, memory)
    return EnergyParts(compute, wmem, dmem, issue, noc)


def _sums(operands: Operands, time: ContractionTime, technology: Technology) -> FloatArray:
    """[N, C] sums of integers that an output is made of, each rescaled before they are added.

    Every part and piece of k has scales of its own, and so has every group of 4-bit weights.
    """
    pieces = np.where(time.streams.by_rows, 1.0, time.streams.pieces)
    depth = time.split.k_tile / pieces
    narrow = (operands.weight_bits < 8.0) & ~operands.work.attention
    groups = np.where(narrow, np.ceil(depth / technology.system.formats.weight_group), 1.0)
    return time.split.k * pieces * groups


def _moved(
    of_one: FloatArray,
    arriving: Incoming,
    combination: Combination,
    tiles: FloatArray,
    groups: FloatArray,
) -> FloatArray:
    """[N, C] bits through the DMEM ports: what is sent is read, what arrives is written."""
    transferred = 8.0 * (arriving.size_bytes * tiles + arriving.sent_bytes)
    return of_one * tiles + transferred + combination.dmem_bits * groups


def _carried(
    arriving: Incoming,
    combination: Combination,
    tiles: FloatArray,
    groups: FloatArray,
    memory: MemoryEnergy,
) -> FloatArray:
    """[N, C] joule of the NoC."""
    partial = combination.partial_bits * groups
    on_links = 8.0 * arriving.hop_bytes + partial * combination.hops
    at_tiles = 8.0 * (arriving.size_bytes * tiles + arriving.sent_bytes) + 2.0 * partial
    return on_links * memory.hop[:, None] + at_tiles * memory.local[:, None]


def vector_energy(
    work: Vectors,
    time: VectorTime,
    sizes: TileSizes,
    memory: MemoryEnergy,
    technology: Technology,
) -> EnergyParts:
    """Energy of vector, gather, layout and append classes."""
    e = technology.energy
    wide = work.bits > 16.0
    add = np.where(wide, e.fp32_add, e.fp16_add)
    multiply = np.where(wide, e.fp32_multiply, e.fp16_multiply)
    registers = 3.0 * work.bits * e.register_file * work.operations
    each = work.adds * add + work.multiplies * multiply + registers
    compute = np.broadcast_to(work.elements * each, time.cycles.shape)

    tiles = time.split.parts
    groups = tiles / time.split.group
    wmem = work.weight_read_bytes * 8.0 * memory.wmem[:, None]
    dmem_bits = _moved(time.dmem_bits, time.arriving, time.combination, tiles, groups)
    dmem = dmem_bits * memory.dmem[:, None]
    partial = time.combination.partial_bits * groups
    compute = compute + partial / 32.0 * e.fp32_add
    cost = instruction_energy(sizes, technology)[:, GENERAL][:, None]
    issue = time.instructions * tiles * (cost + 32.0 * e.sram_32kb)
    noc = _carried(time.arriving, time.combination, tiles, groups, memory)
    return EnergyParts(compute, wmem, dmem, issue, noc)


@dataclass(frozen=True, slots=True)
class Activity:
    """What is clocked and what sleeps, of one step."""

    period: FloatArray
    """[N] cycles of the slowest stage."""
    tensor: FloatArray
    """[N, 4] cycles in which a tile's tensor unit is busy, by bands, summed over the stages."""
    vector: FloatArray
    """[N, 4] likewise of the vector unit."""
    asleep: FloatArray
    """[N, 4] share of the time that a tile of each band sleeps."""


def clock_energy(
    mapping: Mapping,
    logic: Logic,
    activity: Activity,
    trunk_mm: FloatArray,
    technology: Technology,
) -> FloatArray:
    """[N] joule a step of clock pins, trees and trunk.

    A unit's flip-flops are clocked while it computes; gating leaves a share of them otherwise, and
    nothing while the tile sleeps. Tiles that belong to no region have no clock. Routers are
    clocked like a tile that works whenever any does.

    Args:
        mapping: N designs, with their bands.
        logic: Flip-flops of one tile of each band.
        activity: Of their tiles.
        trunk_mm: [N] wire from the clock's source to the tiles' own trees.
        technology: The node.
    """
    design, bands, k = mapping.design, mapping.bands, technology.energy_constants
    period, tensor_active, vector_active = activity.period, activity.tensor, activity.vector
    each = k.flip_flop_clock * technology.scale_from_28nm
    routers = np.ceil(bands.width / design.sc_x) * np.ceil(bands.height / design.sc_y)
    time = period * design.stages
    used = np.any(bands.member, axis=2)
    waiting = (1.0 - k.clock_gating) * time[:, None] * (1.0 - activity.asleep) * used
    active = tensor_active + vector_active
    flips = logic.front_end_flips + logic.vector_flips + logic.tensor_flips
    tile = flips * waiting + k.clock_gating * (
        logic.front_end_flips * active
        + logic.vector_flips * vector_active
        + logic.tensor_flips * tensor_active
    )
    busiest = active.max(axis=1)
    router = (1.0 - k.clock_gating) * time + k.clock_gating * busiest
    pins = (tile * bands.tiles).sum(axis=1) + router_flip_flops(design) * routers * router
    # A node file's wire is for random data: a quarter of C V^2. A clock spends all of it.
    trunk = 4.0 * technology.energy.wire * trunk_mm * period
    return pins * each + trunk


def active_cycles(
    bands: Bands, matmul: FloatArray, conv: FloatArray, attention: FloatArray, vector: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """[N, 4] cycles that each band's tensor and vector unit are busy, from [N] of each region."""
    member = bands.member
    tensor = member[:, :, MATMUL] * matmul[:, None] + member[:, :, GENERAL] * attention[:, None]
    if conv.any():
        tensor = tensor + member[:, :, CONV] * conv[:, None]
    return tensor, member[:, :, GENERAL] * vector[:, None]
