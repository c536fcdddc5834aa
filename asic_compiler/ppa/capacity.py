"""What every tile must hold: weights, KV cache, activations and code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.derive import Bands, TileSizes
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.space import FloatArray
from asic_compiler.ppa.profile import CONV, GENERAL, MATMUL, Profile
from asic_compiler.ppa.stages import StageRows
from asic_compiler.ppa.timing import Split

DESCRIPTOR_BYTES = 16.0
"""Program bytes of one operator: addresses, sizes and route of its entry in the loop's table."""
ROUTINE_BYTES = 192.0
"""Program bytes of one operator class: its loop, 48 instructions."""


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that a tile of each stage kind and band must hold. Arrays are [M, 4]."""

    dmem: FloatArray
    wmem: FloatArray
    imem: FloatArray
    kv: FloatArray
    """The part of ``dmem`` that the KV cache takes."""


def memory_need(
    profile: Profile,
    design: DesignBatch,
    bands: Bands,
    sizes: TileSizes,
    split: Split,
    stages: StageRows,
) -> Need:
    """What each band of each stage must hold, byte.

    An operator that does not fill its region begins where the operator before it, of the same
    class and stage, left off, in whole rows (``rows_of``). A class of c operators that each take u
    of the region's H rows then puts at most ceil(c u / H) slices on any tile: that is exact for
    the fullest tile of each class, and their sum is provided for.
    """
    spread = stages.segments.spread
    tiles = spread(bands.region_tiles)
    member = spread(bands.member)
    slices = _slices(profile, split, bands, stages, tiles)
    wmem = _largest(_weights(profile, design, split, slices, stages, tiles), member)
    cache = _cache(profile, design, split, slices, stages, tiles)
    kv = np.where(member[:, :, GENERAL], cache, 0.0)

    used: NDArray[np.bool_] = np.any(bands.member, axis=2)
    working = (bands.tiles * used).sum(axis=1)[:, None]
    row = sizes.vlen / 8.0
    inputs = (design.stream_buffers * design.rows)[:, None] * row
    scratch = 4.0 * design.rows[:, None] * row
    rest = np.maximum(
        np.maximum(inputs / design.dmem_input[:, None], scratch / design.dmem_scratch[:, None]),
        profile.activation_bytes / working / design.dmem_output[:, None],
    )
    dmem = (kv + spread(rest)) * spread(used)
    operators = stages.counts.sum(axis=1)
    kinds = (stages.counts > 0).sum(axis=1)
    code = operators * DESCRIPTOR_BYTES + kinds * ROUTINE_BYTES
    return Need(dmem=dmem, wmem=wmem, imem=code[:, None] * spread(used), kv=kv)


def rows_of(split: Split, bands: Bands) -> FloatArray:
    """[N, C] rows of its region that each contraction uses."""
    return np.ceil(split.used_tiles / bands.width[:, None])


def _slices(
    profile: Profile, split: Split, bands: Bands, stages: StageRows, tiles: FloatArray
) -> FloatArray:
    """[M, C] slices of each contraction class on the fullest tile of its region."""
    work = profile.contractions
    spread = stages.segments.spread
    rows = tiles[:, work.region] / spread(bands.width)[:, None]
    counts = stages.counts[:, work.index]
    return np.ceil(counts * spread(rows_of(split, bands)) / rows - 1e-9)


def _weights(
    profile: Profile,
    design: DesignBatch,
    split: Split,
    slices: FloatArray,
    stages: StageRows,
    tiles: FloatArray,
) -> FloatArray:
    """[M, 3] bytes of weights on the fullest tile of each region."""
    work, vectors = profile.contractions, profile.vectors
    stored = np.where(work.bits == 16.0, design.weight_bits[:, None] / 16.0, 1.0)
    one = work.weight_bytes / np.maximum(work.batch * work.n * work.k, 1.0) * stored
    held = slices * stages.segments.spread(one * split.n_tile * split.k_tile)
    out = np.zeros((len(tiles), 3))
    for region in (MATMUL, CONV, GENERAL):
        out[:, region] = held[:, work.region == region].sum(axis=1)
    tables = (stages.counts[:, vectors.index] * vectors.weight_bytes).sum(axis=1)
    out[:, GENERAL] += tables / tiles[:, GENERAL]
    return out


def _cache(
    profile: Profile,
    design: DesignBatch,
    split: Split,
    slices: FloatArray,
    stages: StageRows,
    tiles: FloatArray,
) -> FloatArray:
    """[M, 1] bytes of KV cache on the fullest tile: of every sequence in flight."""
    work = profile.contractions
    flights = design.stages if profile.autoregressive else np.ones(len(design))
    copies = flights * profile.kv_scale(design.kv_bits)
    spread = stages.segments.spread
    unread = (stages.counts * profile.unread_kv_bytes).sum(axis=1) / tiles[:, GENERAL]
    piece = split.groups * split.n_tile * split.k_tile * work.bits / 8.0
    read = (slices * spread(piece) * work.cached).sum(axis=1)
    return ((read + unread) * spread(copies))[:, None]


def _largest(per_region: FloatArray, member: NDArray[np.bool_]) -> FloatArray:
    """[M, 3] of regions to [M, 4] of bands: a band holds what all its regions put there."""
    return (per_region[:, None, :] * member).sum(axis=2)
