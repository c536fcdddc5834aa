"""What every tile must hold: weights, KV cache, activations and code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.columns import columns, sum_rows
from asic_compiler.hardware.derive import Bands
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.space import FloatArray
from asic_compiler.machine.memory import (
    ALIGNMENT_BYTES,
    DESCRIPTOR_BYTES,
    ROUTINE_BYTES,
    SCALE_BYTES,
)
from asic_compiler.machine.regions import CONV, GENERAL, MATMUL
from asic_compiler.mapping.constants import Loads
from asic_compiler.mapping.contractions import Split
from asic_compiler.mapping.mapping import Mapping
from asic_compiler.mapping.profile import Profile
from asic_compiler.mapping.stages import dot_rows
from asic_compiler.mapping.values import buffer_bytes

WIDEST_CONSTANT_BYTES = 4.0
"""Bytes of the widest element of a constant that a vector operator reads."""
FRAGMENTATION = 1.25
"""Address range of buffers over the sum of those alive, at most (seen: 1.22, in 409 programs)."""
FIXED_BUFFER_BYTES = 1024.0
"""Bytes a tile for the alignment of small buffers."""


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that a tile of each stage kind and band must hold. Arrays are [M, 4]."""

    dmem: FloatArray
    wmem: FloatArray
    imem: FloatArray
    kv: FloatArray
    """The part of ``dmem`` that the KV cache takes."""
    streamed: FloatArray
    """``wmem`` with a copy for every operator, also where they share one: what reaches a tile at
    each step if its WMEM is a buffer that keeps nothing over."""


def memory_need(mapping: Mapping) -> Need:
    """What each band of each stage must hold, byte.

    An operator that does not fill its region begins where the operator before it, of the same
    class and stage, left off, in whole rows (``rows_of``), or where one lies whose copy it shares.
    A class that keeps c copies that each take u of the region's H rows then puts at most
    ceil(c u / H) slices on any tile: that is exact for the fullest tile of each class, and their
    sum is provided for.
    """
    bands, stages = mapping.bands, mapping.stages
    spread = stages.segments.spread
    tiles = spread(bands.region_tiles)
    member = spread(bands.member)
    slices = _slices(mapping, tiles, stages.held)
    wmem = streamed = _largest(_weights(mapping, slices, stages.held), member)
    if stages.held is not stages.counts:
        each = _slices(mapping, tiles, stages.counts)
        streamed = _largest(_weights(mapping, each, stages.counts), member)
    cache = _cache(mapping, slices, tiles)
    kv = np.where(member[:, :, GENERAL], cache, 0.0)

    used: NDArray[np.bool_] = np.any(bands.member, axis=2)
    dmem = (kv + spread(_buffers(mapping))) * spread(used)
    operators = stages.distinct.sum(axis=1)
    kinds = (stages.distinct > 0).sum(axis=1)
    code = stages.of_rows(operators * DESCRIPTOR_BYTES + kinds * ROUTINE_BYTES)
    imem = code[:, None] * spread(used)
    return Need(dmem=dmem, wmem=wmem, imem=imem, kv=kv, streamed=streamed)


def alive_bytes(mapping: Mapping) -> FloatArray:
    """[N, U] bytes of buffers that are alive on a tile while operators of each class run.

    Every value takes the bytes of its largest part, every copy of a value those of the largest
    need; a contraction adds its partial sums. The classes are those of ``flow.running``.
    """
    flow = mapping.profile.flow
    need, results, partial = buffer_bytes(
        mapping.profile, mapping.values, mapping.split, mapping.vectors, mapping.streams
    )
    rows = np.ascontiguousarray(results)  # the order of summation follows from the layout
    alive = np.asfortranarray(np.einsum("nc,uc->nu", rows, flow.alive_results))
    alive += np.einsum("np,up->nu", need, flow.alive_arrivals)
    alive += partial[:, flow.running]
    return alive


def _buffers(mapping: Mapping) -> FloatArray:
    """[N, 1] bytes of buffers that are alive together on a tile, at most."""
    # What comes from other stages may come at any time.
    held = dot_rows(mapping.values.need, mapping.stages.slots)
    largest = alive_bytes(mapping).max(axis=1) + held
    return (largest * FRAGMENTATION + FIXED_BUFFER_BYTES)[:, None]


def rows_of(profile: Profile, split: Split, bands: Bands) -> FloatArray:
    """[N, C] rows of its region that the copy of each contraction takes.

    Where operators of several classes share it, which differ in their rows of m alone, those of
    the one that is cut into most parts.
    """
    rows = np.ceil(split.used_tiles / bands.width[:, None])
    partners = profile.contractions.partners
    if not partners:
        return rows
    shared = rows.copy()
    for own, others in partners:
        shared[:, own] = np.maximum(rows[:, own], rows[:, others].max(axis=1))
    return shared


def _slices(mapping: Mapping, tiles: FloatArray, copies: FloatArray) -> FloatArray:
    """[M, C] slices of each contraction class on the fullest tile of its region.

    Args:
        mapping: N designs.
        tiles: [M, 3] of each region.
        copies: [M, classes of the workload] that a stage keeps of what each class reads.
    """
    profile, split, bands = mapping.profile, mapping.split, mapping.bands
    work, spread = profile.contractions, mapping.stages.segments.spread
    rows = tiles[:, work.region] / spread(bands.width)[:, None]
    counts = np.take(copies.T, work.index, axis=0).T
    slices = np.ceil(counts * spread(rows_of(profile, split, bands)) / rows - 1e-9)
    for own, others in work.partners:
        # Parts are numbered over m before k: where both are cut, differently, none are equal.
        apart = (split.m[:, others] != split.m[:, own, None]).any(axis=1) & (split.k[:, own] > 1.0)
        slices[:, own] *= spread(np.where(apart, 1.0 + len(others), 1.0))
    return slices


def _weights(mapping: Mapping, slices: FloatArray, copies: FloatArray) -> FloatArray:
    """[M, 3] bytes of weights on the fullest tile of each region, of ``_slices`` and ``copies``."""
    work, vectors = mapping.profile.contractions, mapping.profile.vectors
    design, split, parts = mapping.design, mapping.split, mapping.vectors
    spread = mapping.stages.segments.spread
    narrow = columns(design.weight_bits / 16.0, len(work.index))
    stored = np.where(work.bits == 16.0, narrow, 1.0)
    one = work.matrix_bytes / np.maximum(work.matrix_columns * work.k, 1.0) * stored
    rows = np.minimum(split.n_tile, work.matrix_columns)
    # Those of groups of 4-bit weights are in the width; a part of k may begin inside one.
    more = np.where((stored < 0.5) & (split.k > 1.0), 2.0, 1.0)
    scales = np.where(stored < 1.0, SCALE_BYTES * more * rows, 0.0)
    slice_bytes = one * rows * split.k_tile + scales + ALIGNMENT_BYTES
    kept = np.where(work.matrix_bytes > 0.0, slice_bytes, 0.0)
    if work.loads:
        # Of a first operand its rows and depth, for every batch item that the columns touch.
        items = np.minimum(np.floor((split.n_tile - 1.0) / work.n) + 2.0, work.batch)
        reach = np.where(work.region == CONV, np.inf, items * split.m_tile * split.k_tile)
        kept += _loaded(work.loads, reach, design)
    held = slices * spread(kept)
    out = np.zeros((len(held), 3), order="F")
    for region in (MATMUL, CONV, GENERAL):
        out[:, region] = held[:, work.region == region].sum(axis=1)
    # Constants of vector operators lie with each part that reads them; a table by columns.
    widest = np.ceil(vectors.columns / parts.n) / vectors.columns
    table = vectors.table_bytes * widest
    if vectors.narrow_rows.any():
        saved = (1.0 - design.weight_bits / 16.0)[:, None]
        scales = _row_scales(design) * vectors.narrow_rows
        table = np.where(
            (vectors.narrow_rows > 0) & (saved > 0), table * (1.0 - saved) + scales, table
        )
    kept = np.where(vectors.table_bytes > 0.0, table + ALIGNMENT_BYTES, 0.0)
    kept += _loaded(vectors.loads, parts.points, design)
    out[:, GENERAL] += dot_rows(spread(kept), copies[:, vectors.index])
    return out


def _loaded(rounds: tuple[Loads, ...], elements: FloatArray, design: DesignBatch) -> FloatArray:
    """[N, C] bytes that a tile keeps of constants of which it reads so many elements, at most.

    They are provided for as one constant of the widest elements, or each by itself if that is more.
    """
    out, sizes = np.zeros_like(elements), np.zeros(elements.shape[1])
    aligned = np.zeros(elements.shape[1])
    for loads in rounds:
        reach = elements[:, loads.of]
        bytes_ = np.minimum(loads.size_bytes, loads.element_bytes * reach)
        rows = loads.narrow_rows
        if rows.any():
            read = np.minimum(loads.size_bytes / loads.element_bytes, reach)
            codes = read * design.weight_bits[:, None] / 8.0
            narrow = codes + _row_scales(design) * np.minimum(rows, read)
            bytes_ = np.where((rows > 0.0) & (design.weight_bits < 16.0)[:, None], narrow, bytes_)
        out[:, loads.of] += bytes_
        sizes[loads.of] += loads.size_bytes
        aligned[loads.of] += ALIGNMENT_BYTES
    return np.maximum(out, np.minimum(sizes, WIDEST_CONSTANT_BYTES * elements)) + aligned


def _row_scales(design: DesignBatch) -> FloatArray:
    """[N, 1] bytes of the scales of a part of a row, beyond those that are in the stored width.

    At 4 bits a part may begin and end inside a group.
    """
    return np.where(design.weight_bits < 8.0, 2.0 * SCALE_BYTES, SCALE_BYTES)[:, None]


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
