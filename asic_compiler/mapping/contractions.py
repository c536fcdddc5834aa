"""How contractions are divided over the tiles of a region, and their inputs into pieces.

Arrays are [N, C]. The program, the simulators and the capacity check obey these rules as the cost
model does; vector operators have theirs in ``vectors``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.columns import columns
from asic_compiler.hardware.derive import Bands
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.legality import MAX_DMEM_BYTES
from asic_compiler.hardware.space import FloatArray
from asic_compiler.machine.regions import MATMUL
from asic_compiler.mapping.profile import Contractions


@dataclass(frozen=True, slots=True)
class Split:
    """How each contraction is divided over its region. Arrays are [N, C]."""

    m: FloatArray
    n: FloatArray
    k: FloatArray
    used_tiles: FloatArray
    groups: FloatArray
    """Batch items one tile works through (attention; 1 otherwise)."""
    m_tile: FloatArray
    """Largest slice of one tile, in m, n and k."""
    n_tile: FloatArray
    k_tile: FloatArray
    scatter: NDArray[np.bool_]
    """Whether partial sums are reduce-scattered: each tile of a group gets a share of the columns;
    otherwise one tile gets all."""


@dataclass(frozen=True, slots=True)
class Streams:
    """The pieces that the inputs of each contraction come in. Arrays are [N, C]."""

    pieces: FloatArray
    """Pieces that an input comes in: ranges of a tile's part of k."""
    kept: FloatArray
    """Pieces that are held at once; all of them where they fit."""
    by_rows: NDArray[np.bool_]
    """Whether pieces are ranges of a tile's rows instead of k. Then nothing is added up; weights
    are read again for every R rows anyway, and not more often."""

    @property
    def dropped(self) -> NDArray[np.bool_]:
        """Whether a piece is gone when the operator is done with it."""
        return self.kept < self.pieces


def split_contractions(work: Contractions, design: DesignBatch, bands: Bands) -> Split:
    """Divides every contraction over its region.

    A matmul or convolution is split over k (2^round(x floor(log2 rows)), each k slice on its own
    rows), then over n; tiles left when n is exhausted take row blocks of m and copies of the
    weights. An attention product is split over its batch, then along the longer of n and k, where
    the cache lies; without a cache, along its rows.
    """
    region = work.region
    tiles = bands.region_tiles[:, region]
    rows = bands.region_rows[:, region]
    tensor_rows = columns(design.rows, len(region))
    width = bands.width[:, None]
    m, n, k = work.m, work.n, work.k

    wanted = np.exp2(np.rint(design.k_split[:, None] * np.floor(np.log2(rows))))
    k_split = np.minimum(wanted, k)
    places = width * np.floor(rows / k_split)
    outputs = work.batch * n
    n_split = np.minimum(places, outputs)
    blocks = np.ceil(m / tensor_rows)
    m_split = np.clip(np.floor(tiles / (k_split * n_split)), 1.0, blocks)

    attention = work.attention
    group_tiles = np.maximum(np.floor(tiles / work.batch), 1.0)
    along_k, along_m = k > n, ~work.cached
    groups = np.where(attention, np.ceil(work.batch / tiles), 1.0)
    along = np.minimum(group_tiles, np.where(along_m, m, np.where(along_k, k, n)))
    k_split = np.where(attention, np.where(along_k & ~along_m, along, 1.0), k_split)
    n_split = np.where(attention, np.where(along_k | along_m, 1.0, along), n_split)
    m_split = np.where(attention, np.where(along_m, along, 1.0), m_split)
    used = np.where(
        attention,
        np.minimum(tiles, work.batch) * k_split * n_split * m_split,
        k_split * n_split * m_split,
    )
    return Split(
        m=m_split,
        n=n_split,
        k=k_split,
        used_tiles=used,
        groups=groups,
        m_tile=np.ceil(m / m_split),
        n_tile=np.ceil(np.where(attention, n, outputs) / n_split),
        k_tile=np.ceil(k / k_split),
        scatter=(design.allreduce >= 0.5)[:, None] & (k_split > 1.0),
    )


def split_streams(work: Contractions, split: Split, design: DesignBatch) -> Streams:
    """Cuts the inputs of matmuls into as many pieces as are asked for, or as DMEM can hold."""
    buffers = columns(design.stream_buffers, len(work.region))
    streamed = (buffers >= 2.0) & ~work.attention & (work.region == MATMUL)
    size = split.m_tile * split.k_tile * work.held_bits / 8.0
    room = (MAX_DMEM_BYTES * design.dmem_input)[:, None]
    asked = np.maximum(design.stream_chunks[:, None], np.ceil(size * buffers / room))
    blocks = np.ceil(split.m_tile / design.rows[:, None])
    by_rows = streamed & (blocks >= design.stream_chunks[:, None])
    # Pieces of whole blocks of R rows, of as many as make no fewer pieces than are asked for.
    of_rows = np.ceil(blocks / np.maximum(np.floor(blocks / asked), 1.0))
    pieces = np.where(by_rows, of_rows, np.minimum(asked, split.k_tile))
    pieces = np.where(streamed, pieces, 1.0)
    kept = np.where(size > room, np.minimum(buffers, pieces), pieces)
    return Streams(pieces, kept, by_rows)
