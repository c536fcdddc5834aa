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

    An operator's slices go to the tiles of its region that hold least so far. Each step then
    keeps the difference between the fullest and the emptiest tile within one slice, so no tile
    holds more than the mean and one slice: that is what is provided for.
    """
    spread = stages.segments.spread
    tiles = spread(bands.region_tiles)
    member = spread(bands.member)
    wmem = _largest(_weights(profile, design, split, stages, tiles), member)
    kv = np.where(member[:, :, GENERAL], _cache(profile, design, split, stages, tiles), 0.0)

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


def _weights(
    profile: Profile, design: DesignBatch, split: Split, stages: StageRows, tiles: FloatArray
) -> FloatArray:
    """[M, 3] bytes of weights on the fullest tile of each region."""
    work, vectors = profile.contractions, profile.vectors
    stored = np.where(work.bits == 16.0, design.weight_bits[:, None] / 16.0, 1.0)
    held = work.weight_bytes * split.m * stored  # row blocks on other tiles need their own copy
    one = work.weight_bytes / np.maximum(work.batch * work.n * work.k, 1.0) * stored
    piece = one * split.n_tile * split.k_tile
    spread = stages.segments.spread
    counts = stages.counts[:, work.index]
    total = spread(held) * counts
    largest = spread(piece) * (counts > 0.0)
    out = np.zeros((len(tiles), 3))
    for region in (MATMUL, CONV, GENERAL):
        chosen = np.flatnonzero(work.region == region)
        if len(chosen):
            out[:, region] = total[:, chosen].sum(axis=1) / tiles[:, region]
            out[:, region] += largest[:, chosen].max(axis=1)
    tables = (stages.counts[:, vectors.index] * vectors.weight_bytes).sum(axis=1)
    out[:, GENERAL] += tables / tiles[:, GENERAL]
    return out


def _cache(
    profile: Profile, design: DesignBatch, split: Split, stages: StageRows, tiles: FloatArray
) -> FloatArray:
    """[M, 1] bytes of KV cache on the fullest tile: of every sequence in flight."""
    work = profile.contractions
    flights = design.stages if profile.autoregressive else np.ones(len(design))
    copies = flights * profile.kv_scale(design.kv_bits)
    spread = stages.segments.spread
    cache = (stages.counts * profile.kv_bytes).sum(axis=1) * spread(copies)
    mean = cache / tiles[:, GENERAL]
    chosen = np.flatnonzero(work.cached)
    if len(chosen) == 0:
        return mean[:, None]
    # Keys and values of the same tokens stay together: what one layer puts on a tile.
    elements = (split.groups * split.n_tile * split.k_tile)[:, chosen]
    piece = 2.0 * (elements * work.bits[chosen] / 8.0) * copies[:, None]
    present = stages.counts[:, work.index[chosen]] > 0.0
    return (mean + (spread(piece) * present).max(axis=1))[:, None]


def _largest(per_region: FloatArray, member: NDArray[np.bool_]) -> FloatArray:
    """[M, 3] of regions to [M, 4] of bands: a band holds what all its regions put there."""
    return (per_region[:, None, :] * member).sum(axis=2)
