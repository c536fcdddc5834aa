"""How vector operators are cut over the tiles of a stage's general region. Arrays are [N, V].

Rows first: each tile gets whole rows of the operator's space while there are enough, and only then
columns, in pieces not narrower than a vector register. What follows an attention product is cut
like it, and what follows a reduction stays where that left its results (``workload.spaces``). The
program, the simulators and the capacity check obey these rules as the cost model does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.hardware.columns import columns
from asic_compiler.hardware.derive import Bands, TileSizes
from asic_compiler.hardware.space import FloatArray
from asic_compiler.machine.regions import GENERAL
from asic_compiler.mapping.profile import Vectors

NARROWEST_BITS = 16.0
"""Element that the width of a piece is counted in."""


@dataclass(frozen=True, slots=True)
class VectorSplit:
    """Parts along each dimension of the operator's space."""

    b: FloatArray
    m: FloatArray
    n: FloatArray
    stride: FloatArray
    """Tiles from one part to the next."""
    points: FloatArray
    """Points of the largest part; a collapsed operator has one a row."""
    group: FloatArray
    """Parts that a reduction's partial results are combined from."""

    @property
    def parts(self) -> FloatArray:
        """[N, V] tiles that get a part."""
        return self.b * self.m * self.n


def split_vectors(work: Vectors, bands: Bands, sizes: TileSizes) -> VectorSplit:
    """Cuts every vector operator."""
    tiles = columns(bands.region_tiles[:, GENERAL], len(work.index))
    lanes = columns(sizes.region_vlen[:, GENERAL] / NARROWEST_BITS, len(work.index))
    anchored = work.anchored
    b = np.where(anchored, np.minimum(tiles, work.batch), 1.0)
    room = np.maximum(np.floor(tiles / b), 1.0)
    m = np.where((anchored & ~work.by_rows) | work.table, 1.0, np.minimum(room, work.rows))
    room = np.maximum(np.floor(tiles / (b * m)), 1.0)
    widest = np.where(anchored | work.table, work.columns, np.floor(work.columns / lanes))
    n = np.where(
        work.whole | work.by_rows, 1.0, np.clip(widest, 1.0, np.minimum(room, work.columns))
    )
    stride = np.where(anchored, 1.0, np.maximum(np.floor(tiles / (b * m * n)), 1.0))
    points = np.ceil(work.batch / b) * np.ceil(work.rows / m) * np.ceil(work.columns / n)
    group = np.where(work.reduction, n, 1.0)
    rows = np.ceil(work.batch / b) * np.ceil(work.rows / m)
    stride = np.where(work.collapsed & anchored, stride * n, stride)
    return VectorSplit(
        b=b,
        m=m,
        n=np.where(work.collapsed, 1.0, n),
        stride=stride,
        points=np.where(work.collapsed, rows, points),
        group=group,
    )
