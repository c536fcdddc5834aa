"""Where stages stand."""

from itertools import pairwise

import numpy as np
import pytest

from asic_compiler.hardware.chip import Chip, Rectangle, TileClass
from asic_compiler.hardware.floorplan import ORDERS, stage_distance, stage_positions
from asic_compiler.hardware.legality import REASONS, Constraints, Reason
from asic_compiler.hardware.space import STAGE_GRIDS

every = [(g, o) for g in range(len(STAGE_GRIDS)) for o in range(len(ORDERS))]


@pytest.mark.parametrize(("grid", "order"), every)
def test_stages_cover_the_grid_once(grid, order):
    columns, rows = STAGE_GRIDS[grid]
    at = stage_positions(grid, order)
    assert sorted(at) == [(x, y) for x in range(columns) for y in range(rows)]


@pytest.mark.parametrize(("grid", "order"), every)
def test_distance_is_that_of_the_longest_step(grid, order):
    steps = [abs(a - c) + abs(b - d) for (a, b), (c, d) in pairwise(stage_positions(grid, order))]
    locality = np.array([order / (len(ORDERS) - 1)])
    assert stage_distance(np.array([grid]), locality).sum() == max(steps, default=0)


def test_snake_and_spiral_only_step_to_neighbours():
    for grid in range(1, len(STAGE_GRIDS)):
        for order in (ORDERS.index("snake"), ORDERS.index("spiral")):
            at = stage_positions(grid, order)
            assert all(abs(a - c) + abs(b - d) == 1 for (a, b), (c, d) in pairwise(at))


def tile_class(*places):
    return TileClass(
        "t", fetch=1, stations=1, vlen=128, rows=1, dmem_bytes=1, wmem_bytes=1, wmem_bank_bytes=1,
        imem_bytes=1, xr_wp=1, vr_wp=1, xdpnum=1, vdpnum=1, stage=0, regions=(), places=places,
    )  # fmt: skip


def chip(*classes):
    return Chip(
        "3nm", 4, 2, 1, 1, clock_hz=1e9, supply_v=0.7, temperature_c=85.0, flit_bits=64, dies=1,
        weight_bits=16, kv_bits=16, classes=classes, precision="fp16", weight_store="rom",
        dram_devices=0,
    )  # fmt: skip


def test_tile_map_names_the_class_of_every_tile():
    left, right = tile_class(Rectangle(0, 0, 1, 2)), tile_class(Rectangle(1, 0, 3, 2))
    assert chip(left, right).tile_map() == [[0, 1, 1, 1]] * 2
    assert right.tiles == 6


def test_tile_map_refuses_overlap_and_gaps():
    whole = tile_class(Rectangle(0, 0, 4, 2))
    with pytest.raises(ValueError, match="two classes"):
        chip(whole, tile_class(Rectangle(3, 1, 1, 1))).tile_map()
    with pytest.raises(ValueError, match="no class"):
        chip(tile_class(Rectangle(0, 0, 3, 2))).tile_map()


def test_rectangles_contain():
    outer = Rectangle(1, 1, 4, 4)
    assert outer.contains(Rectangle(1, 1, 4, 4))
    assert outer.contains(Rectangle(2, 3, 3, 2))
    assert not outer.contains(Rectangle(0, 1, 2, 2))
    assert not outer.contains(Rectangle(4, 4, 2, 1))


def test_every_reason_names_its_limit():
    constraints = Constraints(power_w=2.5, area_mm2=100.0, dies=1, tokens_per_s=7.0)
    texts = {reason: constraints.limit(reason) for reason in REASONS}
    assert set(texts) == set(Reason)
    assert texts[Reason.POWER] == "2.5 W"
    assert texts[Reason.DMEM] == "512 KiB a tile"
    assert texts[Reason.WMEM] == "64 MiB a tile"
