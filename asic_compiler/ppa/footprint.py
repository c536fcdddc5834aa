"""Where everything goes: area of a chip by part, and the dies that it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from asic_compiler.hardware.space import FloatArray
from asic_compiler.hardware.weight_store import STORE_INDEX, WeightStore
from asic_compiler.mapping.mapping import Mapping
from asic_compiler.ppa import area, dram
from asic_compiler.technology.node import Technology


@dataclass(frozen=True, slots=True)
class Space:
    """What N designs take. Arrays are [N] unless said."""

    total: FloatArray
    """All dies, mm2."""
    dies: FloatArray
    parts: FloatArray
    """[N, 5] mm2: cores, DMEM and IMEM, WMEM, NoC, interface; the floorplan's share included."""
    tile_mm: FloatArray
    """Edge of the average tile."""
    hop_mm: FloatArray
    """Length of a hop between routers."""
    cores: FloatArray
    """[N, 4] mm2 of the cores of each band, floorplan included, without sleep transistors."""
    sram_bits: FloatArray
    """DMEM and IMEM of tiles that work."""
    idle_sram_bits: FloatArray
    weight_bits: FloatArray
    """WMEM."""


def interface_mm2(host_interface: bool, technology: Technology) -> float:
    """Area of the PCIe-class interface, or of a microcontroller-class one, mm2."""
    a = technology.area_constants
    return a.host_interface if host_interface else a.microcontroller_interface


@dataclass(frozen=True, slots=True)
class Memories:
    """Memories of every tile. Arrays are [M, 4]: kinds of stage, and bands."""

    dmem: FloatArray
    """Byte of one tile."""
    wmem: FloatArray
    imem: FloatArray
    tiles: FloatArray
    """Tiles of each."""


def footprint(
    mapping: Mapping,
    logic: area.Logic,
    memories: Memories,
    interface: float,
    gating: bool,
    technology: Technology,
) -> Space:
    """Area of N designs without the PHYs of off-chip memory.

    Args:
        mapping: N designs, with their bands, tiles and stages.
        logic: Gates of a tile of each band.
        memories: Of their tiles.
        interface: mm2.
        gating: Whether cores have sleep transistors.
        technology: The node.
    """
    design, bands, segments = mapping.design, mapping.bands, mapping.stages.segments
    dmem, imem, tiles = memories.dmem, memories.imem, memories.tiles
    switched = 1.0 + technology.system.gating.switch_area * gating
    cores = area.logic_area_mm2(logic.gates * bands.tiles, technology) * switched
    core = cores.sum(axis=1) * design.stages
    word = segments.spread(mapping.sizes.vlen)
    sram = area.sram_area_mm2(dmem, technology, word) + area.sram_area_mm2(imem, technology)
    data = segments.total((sram * tiles).sum(axis=1))
    stored = segments.total((memories.wmem * tiles).sum(axis=1))
    weights = area.rom_area_mm2(stored, design.wmem_bank, technology)
    writable = design.weight_store != STORE_INDEX[WeightStore.ROM]
    if writable.any():
        bank = area.sram_area_mm2(design.wmem_bank, technology, design.vlen)
        weights = np.where(writable, stored / design.wmem_bank * bank, weights)
    routers = np.ceil(design.mesh_width / design.sc_x) * np.ceil(design.mesh_height / design.sc_y)
    noc = area.logic_area_mm2(area.router_gates(design, technology) * routers, technology)
    scale = 1.0 / technology.area_constants.floorplan_utilisation
    silicon = (core + data + weights + noc) * scale
    dies, edge = split_dies(silicon, np.full(len(design), interface), technology)
    used = np.any(bands.member, axis=2)
    held = (dmem + imem) * tiles * 8.0
    working = segments.total((held * segments.spread(used)).sum(axis=1))
    tile_mm = np.sqrt(silicon / design.tiles)
    return Space(
        total=silicon + edge,
        dies=dies,
        parts=np.stack([core * scale, data * scale, weights * scale, noc * scale, edge], axis=1),
        tile_mm=tile_mm,
        hop_mm=tile_mm * np.sqrt(design.sc_x * design.sc_y),
        cores=cores / switched * (design.stages * scale)[:, None],
        sram_bits=working,
        idle_sram_bits=segments.total(held.sum(axis=1)) - working,
        weight_bits=stored * 8.0,
    )


def split_dies(
    silicon: FloatArray, interface: FloatArray, technology: Technology
) -> tuple[FloatArray, FloatArray]:
    """[N] dies that hold everything, and mm2 of interface and die-to-die links on them."""
    a = technology.area_constants
    dies = np.ceil((silicon + interface) / a.reticle)
    several = dies > 1.0
    dies = np.where(several, np.ceil((silicon + interface) / (a.reticle - a.die_to_die)), dies)
    return dies, interface + np.where(several, dies * a.die_to_die, 0.0)


def with_phys(
    space: Space,
    devices: FloatArray,
    kind: dram.Devices,
    interface: float,
    technology: Technology,
) -> Space:
    """``space`` with the PHYs of off-chip devices, and the die edge that they need.

    A die that is added for them alone puts no further boundary inside a stage.
    """
    silicon = space.parts[:, :4].sum(axis=1)
    shared = interface + devices * kind.phy_area
    least = dram.area_for_edge(devices, space.dies, kind, technology)
    dies, edge = split_dies(silicon, np.maximum(shared, least - silicon), technology)
    parts = space.parts.copy()
    parts[:, 4] = np.where(kind.used, edge, parts[:, 4])
    return replace(
        space,
        total=np.where(kind.used, silicon + edge, space.total),
        dies=np.where(kind.used, dies, space.dies),
        parts=parts,
    )
