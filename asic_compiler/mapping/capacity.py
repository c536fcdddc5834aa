"""What every tile must hold: weights, KV cache, activations and code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.derive import Bands
from asic_compiler.hardware.layout import columns, sum_rows
from asic_compiler.hardware.space import FloatArray
from asic_compiler.machine.memory import (
    ALIGNMENT_BYTES,
    DESCRIPTOR_BYTES,
    ROUTINE_BYTES,
    SCALE_BYTES,
)
from asic_compiler.machine.regions import CONV, GENERAL, MATMUL
from asic_compiler.mapping.contractions import Split
from asic_compiler.mapping.mapping import Mapping
from asic_compiler.mapping.stages import dot_rows
from asic_compiler.mapping.values import buffer_bytes

WIDEST_CONSTANT_BYTES = 4.0
"""Of an element of a constant that a vector operator reads."""
FRAGMENTATION = 1.25
"""Address range of buffers over the sum of those alive, at most (seen: 1.22, in 409 programs)."""
FIXED_BUFFER_BYTES = 1024.0
"""For the alignment of small buffers."""


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that a tile of each stage kind and band must hold. Arrays are [M, 4]."""

    dmem: FloatArray
    wmem: FloatArray
    imem: FloatArray
    kv: FloatArray
    """The part of ``dmem`` that the KV cache takes."""


def memory_need(mapping: Mapping) -> Need:
    """What each band of each stage must hold, byte.

    An operator that does not fill its region begins where the operator before it, of the same
    class and stage, left off, in whole rows (``rows_of``). A class of c operators that each take u
    of the region's H rows then puts at most ceil(c u / H) slices on any tile: that is exact for
    the fullest tile of each class, and their sum is provided for.
    """
    bands, stages = mapping.bands, mapping.stages
    spread = stages.segments.spread
    tiles = spread(bands.region_tiles)
    member = spread(bands.member)
    slices = _slices(mapping, tiles)
    wmem = _largest(_weights(mapping, slices, tiles), member)
    cache = _cache(mapping, slices, tiles)
    kv = np.where(member[:, :, GENERAL], cache, 0.0)

    used: NDArray[np.bool_] = np.any(bands.member, axis=2)
    dmem = (kv + spread(_buffers(mapping))) * spread(used)
    operators = stages.distinct.sum(axis=1)
    kinds = (stages.distinct > 0).sum(axis=1)
    code = stages.of_rows(operators * DESCRIPTOR_BYTES + kinds * ROUTINE_BYTES)
    return Need(dmem=dmem, wmem=wmem, imem=code[:, None] * spread(used), kv=kv)


def _buffers(mapping: Mapping) -> FloatArray:
    """[N, 1] bytes of buffers that are alive together on a tile, at most.

    Every value takes the bytes of its largest part, every copy of a value those of the largest
    need, while an operator of any class runs; a contraction adds its partial sums.
    """
    flow, values = mapping.profile.flow, mapping.values
    need, results, partial = buffer_bytes(
        mapping.profile, values, mapping.split, mapping.vectors, mapping.streams
    )
    rows = np.ascontiguousarray(results)  # the order of summation follows from the layout
    alive = np.asfortranarray(np.einsum("nc,uc->nu", rows, flow.alive_results))
    alive += np.einsum("np,up->nu", need, flow.alive_arrivals)
    alive += partial[:, flow.running]
    # What comes from other stages may come at any time.
    largest = alive.max(axis=1) + dot_rows(values.need, mapping.stages.slots)
    return (largest * FRAGMENTATION + FIXED_BUFFER_BYTES)[:, None]


def rows_of(split: Split, bands: Bands) -> FloatArray:
    """[N, C] rows of its region that each contraction uses."""
    return np.ceil(split.used_tiles / bands.width[:, None])


def _slices(mapping: Mapping, tiles: FloatArray) -> FloatArray:
    """[M, C] slices of each contraction class on the fullest tile of its region."""
    work, bands, stages = mapping.profile.contractions, mapping.bands, mapping.stages
    spread = stages.segments.spread
    rows = tiles[:, work.region] / spread(bands.width)[:, None]
    counts = np.take(stages.distinct[:, work.index].T, stages.row, axis=1).T
    return np.ceil(counts * spread(rows_of(mapping.split, bands)) / rows - 1e-9)


def _weights(mapping: Mapping, slices: FloatArray, tiles: FloatArray) -> FloatArray:
    """[M, 3] bytes of weights on the fullest tile of each region."""
    work, vectors = mapping.profile.contractions, mapping.profile.vectors
    design, split, parts, stages = mapping.design, mapping.split, mapping.vectors, mapping.stages
    narrow = columns(design.weight_bits / 16.0, len(work.index))
    stored = np.where(work.bits == 16.0, narrow, 1.0)
    one = work.weight_bytes / np.maximum(work.batch * work.n * work.k, 1.0) * stored
    scales = np.where(stored < 1.0, SCALE_BYTES * split.n_tile, 0.0)
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


def _cache(mapping: Mapping, slices: FloatArray, tiles: FloatArray) -> FloatArray:
    """[M, 1] bytes of KV cache on the fullest tile: of every sequence in flight."""
    profile, design = mapping.profile, mapping.design
    split, stages = mapping.split, mapping.stages
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
