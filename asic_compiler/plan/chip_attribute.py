"""A chip of the cost model as an attribute of the IR."""

from __future__ import annotations

from asic_compiler.dialects.asic import ChipAttr, RegionAttr, TileAttr
from asic_compiler.dialects.asic.attrs import TILE_FIELDS
from asic_compiler.hardware.chip import Chip, Rectangle


def chip_attribute(chip: Chip) -> ChipAttr:
    """The ``#asic.chip`` that says what ``chip`` is."""
    return ChipAttr.of(
        node=chip.node,
        mesh=(chip.mesh_width, chip.mesh_height),
        super_cluster=(chip.sc_x, chip.sc_y),
        clock_hz=chip.clock_hz,
        supply_v=chip.supply_v,
        temperature_c=chip.temperature_c,
        flit_bits=chip.flit_bits,
        tiles=[
            TileAttr.of(tile.name, **{field: getattr(tile, field) for field in TILE_FIELDS})
            for tile in chip.classes
        ],
        tile_map=[
            (index, place.x, place.y, place.width, place.height)
            for index, tile in enumerate(chip.classes)
            for place in tile.places
        ],
        precision=chip.precision,
        weight_store=chip.weight_store,
        dram_devices=chip.dram_devices,
    )


def region_attribute(place: Rectangle) -> RegionAttr:
    """A rectangle of tiles as an attribute."""
    return RegionAttr.of(place.x, place.y, place.width, place.height)
