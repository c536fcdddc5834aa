"""From the average tile to each tile: regions of a stage, and every tile's own sizes.

A stage is a rectangle of w x h tiles. Matmuls run on its first rows, convolutions likewise,
everything else (attention, vector and memory operators) on its last rows; where the shares leave
no gap they overlap. The rows therefore fall into at most four bands of equal tiles, and the
classes of tiles of a chip are its (stage, band) pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.segments import Segments
from asic_compiler.hardware.space import CONTINUOUS, INDEX, FloatArray

BANDS = 4


@dataclass(frozen=True, slots=True)
class Bands:
    """Rows of a stage, grouped by what runs on them. N designs, 4 bands, 3 regions."""

    width: FloatArray
    """[N] tiles in a row of a stage."""
    height: FloatArray
    """[N] rows of a stage."""
    start: FloatArray
    """[N, 4] first row of each band."""
    rows: FloatArray
    """[N, 4] rows of each band; may be 0."""
    member: NDArray[np.bool_]
    """[N, 4, 3] whether the band belongs to the region; False for an empty band."""
    region_rows: FloatArray
    """[N, 3] rows of each region."""

    @property
    def tiles(self) -> FloatArray:
        """[N, 4] tiles of each band in one stage."""
        return self.rows * self.width[:, None]

    @property
    def region_tiles(self) -> FloatArray:
        """[N, 3] tiles of each region in one stage."""
        return self.region_rows * self.width[:, None]


def make_bands(design: DesignBatch, has_conv: bool) -> Bands:
    """Regions of ceil(rho h) rows and the bands between their edges."""
    width = design.mesh_width / design.stage_columns
    height = design.mesh_height / design.stage_rows
    rho_conv = design.rho_conv if has_conv else design.rho_matmul
    rho = np.stack([design.rho_matmul, rho_conv, design.rho_general]).T
    region_rows = np.clip(np.ceil(rho * height[:, None] - 1e-9), 1.0, height[:, None])
    general_start = height - region_rows[:, 2]
    low, high = np.minimum(*region_rows.T[:2]), np.maximum(*region_rows.T[:2])
    edges = (
        np.minimum(low, general_start),
        np.maximum(low, np.minimum(high, general_start)),
        np.maximum(high, general_start),
    )
    start = np.stack([np.zeros(len(height)), *edges]).T
    end = np.stack([*edges, height]).T
    rows = end - start
    filled = rows > 0
    member = np.stack(
        [
            (filled & (end <= region_rows[:, 0:1])).T,
            (filled & (end <= region_rows[:, 1:2])).T,
            (filled & (start >= general_start[:, None])).T,
        ]
    ).T
    return Bands(width, height, start, rows, member, region_rows)


@dataclass(frozen=True, slots=True)
class TileSizes:
    """Each band's own front end and vectors, and what a region can count on."""

    vlen: FloatArray
    """[N, 4] bit."""
    fetch: FloatArray
    """[N, 4] instructions a cycle."""
    region_vlen: FloatArray
    """[N, 3] of the smallest tile of each region: work is split evenly, so it sets the pace."""
    region_fetch: FloatArray
    """[N, 3] likewise."""

    def slowest(self, bands: Bands, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """[N, C] VLEN and FETCH of the smallest tile that work on the last region reaches.

        Args:
            bands: The bands.
            rows: [N, C] rows that the work takes, from the first of the region.
        """
        first = (bands.height - bands.region_rows[:, 2])[:, None]
        vlen, fetch = np.full_like(rows, np.inf), np.full_like(rows, np.inf)
        for band in range(BANDS):
            own = bands.member[:, band, 2][:, None] & (bands.start[:, band, None] - first < rows)
            vlen = np.where(own, np.minimum(vlen, self.vlen[:, band, None]), vlen)
            fetch = np.where(own, np.minimum(fetch, self.fetch[:, band, None]), fetch)
        return vlen, fetch


def size_tiles(design: DesignBatch, bands: Bands, region_work: FloatArray) -> TileSizes:
    """VLEN and FETCH of each band from its share of the work.

    A tile's load is the work of the regions it belongs to over their tiles; its VLEN is the
    average's times (load / mean load) ** heterogeneity, its FETCH goes with the square root.

    Args:
        design: N designs.
        bands: Their bands.
        region_work: [N, 3] lane-cycles that each region has to do.
    """
    per_tile = region_work / bands.region_tiles
    matmul, conv, general = (bands.member[:, :, r] * per_tile[:, r, None] for r in range(3))
    load = (matmul + general) + conv
    tiles = bands.tiles
    mean = (load * tiles).sum(axis=1) / tiles.sum(axis=1)
    ratio = np.where(mean[:, None] > 0, load / np.maximum(mean, 1e-300)[:, None], 1.0)
    scale = np.maximum(ratio, 1e-3) ** design.heterogeneity[:, None]
    vlen = CONTINUOUS[INDEX["vlen"]].quantise(design.vlen[:, None] * scale)
    fetch = CONTINUOUS[INDEX["fetch"]].quantise(design.fetch[:, None] * np.sqrt(scale))
    if design.limits is not None:
        vlen = design.limits.apply("vlen", vlen, bands.member)
        fetch = design.limits.apply("fetch", fetch, bands.member)
    outside = ~bands.member
    return TileSizes(
        vlen=vlen,
        fetch=fetch,
        region_vlen=np.where(outside, np.inf, vlen[:, :, None]).min(axis=1),
        region_fetch=np.where(outside, np.inf, fetch[:, :, None]).min(axis=1),
    )


@dataclass(frozen=True, slots=True)
class Demand:
    """What tiles of N designs must hold in one of their memories."""

    need: FloatArray
    """[M, 4] byte; a row for each kind of stage, a column a band."""
    tiles: FloatArray
    """[M, 4] tiles of each."""
    heterogeneity: FloatArray
    """[N] h."""
    segments: Segments
    """Which rows belong to which design."""


@dataclass(frozen=True, slots=True)
class MemoryRange:
    """Sizes that a memory may have, byte."""

    step: float
    """Capacities are multiples of this."""
    low: float
    high: float
    """Largest capacity; only a need above it, which is illegal, exceeds it."""


def provision_memory(
    average: FloatArray, demand: Demand, sizes: MemoryRange
) -> tuple[FloatArray, FloatArray]:
    """Memory of each tile class from the average tile's, raised until every need is met.

    capacity = average ((1 - h) + h need / mean need): with h = 0 all tiles are alike, with
    h = 1 each follows its need. The average is raised to the least that holds everything.

    Args:
        average: [N] the size asked for, byte.
        demand: What must be held.
        sizes: That the memory may have.

    Returns:
        [M, 4] capacities and [N] the average after raising, byte.
    """
    need, tiles, segments = demand.need, demand.tiles, demand.segments
    step = sizes.step
    total = segments.total(tiles.sum(axis=1))
    mean = segments.total((need * tiles).sum(axis=1)) / total
    h = segments.spread(demand.heterogeneity)[:, None]
    relative = need / np.maximum(segments.spread(mean), 1e-300)[:, None]
    weight = (1.0 - h) + h * relative
    required = np.where((need > 0) & (tiles > 0), need / np.maximum(weight, 1e-12), 0.0)
    largest = segments.largest(required.max(axis=1))
    raised = np.maximum(average, np.ceil(largest / step - 1e-9) * step)
    wanted = np.clip(
        segments.spread(raised)[:, None] * weight, sizes.low, np.maximum(sizes.high, need)
    )
    capacity = np.ceil(wanted / step - 1e-9) * step
    return capacity, raised
