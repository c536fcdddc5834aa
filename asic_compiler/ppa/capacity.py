"""What every tile must hold: weights, KV cache, activations and code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.derive import Bands, TileSizes
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.layout import columns, sum_rows
from asic_compiler.hardware.space import FloatArray
from asic_compiler.ppa.mapping import VectorSplit
from asic_compiler.ppa.partition import Split, Streams
from asic_compiler.ppa.profile import CONV, GENERAL, MATMUL, Profile
from asic_compiler.ppa.stages import StageRows, dot_rows
from asic_compiler.ppa.transfer import Values, buffer_bytes

DESCRIPTOR_BYTES = 16.0
"""Program bytes of one operator: addresses, sizes and route of its entry in the loop's table."""
ALIGNMENT_BYTES = 32.0
"""What aligning a part of a weight or a cache takes at most."""
SCALE_BYTES = 2.0
"""Of the f16 scale of a row of a narrow cache, or of a column of a narrow weight."""
WIDEST_CONSTANT_BYTES = 4.0
"""Of an element of a constant that a vector operator reads."""
FRAGMENTATION = 1.25
"""Address range of buffers over the sum of those alive, at most (seen: 1.22, in 409 programs)."""
FIXED_BUFFER_BYTES = 1024.0
"""For the alignment of small buffers."""
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
    vectors: VectorSplit,
    streams: Streams,
    values: Values,
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
    wmem = _largest(_weights(profile, design, split, vectors, slices, stages, tiles), member)
    cache = _cache(profile, design, split, slices, stages, tiles)
    kv = np.where(member[:, :, GENERAL], cache, 0.0)

    used: NDArray[np.bool_] = np.any(bands.member, axis=2)
    dmem = (kv + spread(_buffers(profile, values, split, vectors, streams, stages))) * spread(used)
    operators = stages.distinct.sum(axis=1)
    kinds = (stages.distinct > 0).sum(axis=1)
    code = stages.of_rows(operators * DESCRIPTOR_BYTES + kinds * ROUTINE_BYTES)
    return Need(dmem=dmem, wmem=wmem, imem=code[:, None] * spread(used), kv=kv)


def _buffers(
    profile: Profile,
    values: Values,
    split: Split,
    vectors: VectorSplit,
    streams: Streams,
    stages: StageRows,
) -> FloatArray:
    """[N, 1] bytes of buffers that are alive together on a tile, at most.

    Every value takes the bytes of its largest part, every copy of a value those of the largest
    need, while an operator of any class runs; a contraction adds its partial sums.
    """
    flow = profile.flow
    need, results, partial = buffer_bytes(profile, values, split, vectors, streams)
    rows = np.ascontiguousarray(results)  # the order of summation follows from the layout
    alive = np.asfortranarray(np.einsum("nc,uc->nu", rows, flow.alive_results))
    alive += np.einsum("np,up->nu", need, flow.alive_arrivals)
    alive += partial[:, flow.running]
    # What comes from other stages may come at any time.
    largest = alive.max(axis=1) + dot_rows(values.need, stages.slots)
    return (largest * FRAGMENTATION + FIXED_BUFFER_BYTES)[:, None]


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
    counts = np.take(stages.distinct[:, work.index].T, stages.row, axis=1).T
    return np.ceil(counts * spread(rows_of(split, bands)) / rows - 1e-9)


def _weights(
    profile: Profile,
    design: DesignBatch,
    split: Split,
    parts: VectorSplit,
    slices: FloatArray,
    stages: StageRows,
    tiles: FloatArray,
) -> FloatArray:
    """[M, 3] bytes of weights on the fullest tile of each region."""
    work, vectors = profile.contractions, profile.vectors
    narrow = columns(design.weight_bits / 16.0, len(work.index))
    stored = np.where(work.bits == 16.0, narrow, 1.0)
    one = work.weight_bytes / np.maximum(work.batch * work.n * work.k, 1.0) * stored
    # Those of groups of 4-bit weights are in the width; a part of k may begin inside one.
    more = np.where((stored < 0.5) & (split.k > 1.0), 2.0, 1.0)
    scales = np.where(stored < 1.0, SCALE_BYTES * more * split.n_tile, 0.0)
    slice_bytes = one * split.n_tile * split.k_tile + scales + ALIGNMENT_BYTES
    held = slices * stages.segments.spread(np.where(work.weight_bytes > 0.0, slice_bytes, 0.0))
    out = np.zeros((len(tiles), 3), order="F")
    for region in (MATMUL, CONV, GENERAL):
        out[:, region] = held[:, work.region == region].sum(axis=1)
    # Constants of vector operators lie with each part that reads them; a table by columns.
    read = np.minimum(vectors.weight_read_bytes, WIDEST_CONSTANT_BYTES * parts.points)
    widest = np.ceil(vectors.columns / parts.n) / vectors.columns
    constants = np.where(vectors.table, vectors.weight_bytes * widest, read)
    aligned = np.where(constants > 0.0, constants + ALIGNMENT_BYTES, 0.0)
    out[:, GENERAL] += dot_rows(stages.segments.spread(aligned), stages.counts[:, vectors.index])
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
    spread = stages.segments.spread
    held = stages.of_rows(sum_rows(stages.distinct * profile.unread_kv_bytes))
    unread = held / tiles[:, GENERAL]
    rows = split.groups * np.where(work.k > work.n, split.k_tile, split.n_tile)
    scales = np.where(design.kv_bits < 16.0, SCALE_BYTES, 0.0)[:, None] * rows
    piece = split.groups * split.n_tile * split.k_tile * work.bits / 8.0
    piece = piece * profile.kv_scale(design.kv_bits)[:, None] + scales + ALIGNMENT_BYTES
    read = sum_rows(slices * spread(piece) * work.cached)
    unread = unread * spread(profile.kv_scale(design.kv_bits))
    return ((read + unread) * spread(flights))[:, None]


def _largest(per_region: FloatArray, member: NDArray[np.bool_]) -> FloatArray:
    """[M, 3] of regions to [M, 4] of bands: a band holds what all its regions put there."""
    return (per_region[:, None, :] * member).sum(axis=2)
