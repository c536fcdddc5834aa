"""Where values lie on tiles, and what is read of them. Arrays are [N, C] or [N, P] of pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.hardware.space import FloatArray, IntArray
from asic_compiler.machine.regions import CONV
from asic_compiler.mapping.contractions import Split, Streams
from asic_compiler.mapping.profile import Profile
from asic_compiler.mapping.vectors import VectorSplit


@dataclass(frozen=True, slots=True)
class Grid:
    """How the result of each class lies on tiles. Arrays are [N, C] of the workload's classes."""

    rows: FloatArray
    """[C] of the whole result, seen as a matrix; the same for all designs."""
    columns: FloatArray
    """[C]."""
    part_rows: FloatArray
    part_columns: FloatArray
    parts: FloatArray
    elements: FloatArray
    """Elements of the largest part."""


@dataclass(frozen=True, slots=True)
class Values:
    """Where values lie, and what is read of them."""

    grid: Grid
    need: FloatArray
    """[N, P] bytes of the value that one tile of the consumer reads."""


def lay_out(profile: Profile, split: Split, vectors: VectorSplit) -> Values:
    """How the results of all classes lie on tiles, and what each pair needs."""
    return Values(result_grids(profile, split, vectors), _needs(profile, split, vectors))


def result_grids(profile: Profile, split: Split, vectors: VectorSplit) -> Grid:
    """How every class leaves its result."""
    shape = (len(split.m), len(profile.table.classes))
    names = ("part_rows", "part_columns", "parts", "elements")
    fields = {name: np.ones(shape, order="F") for name in names}
    rows, all_columns = np.ones(shape[1]), np.ones(shape[1])
    work, index = profile.contractions, profile.contractions.index
    share = np.where(split.scatter, split.k, 1.0)
    columns = np.ceil(split.n_tile / share)
    head = work.attention
    rows[index] = np.where(head, work.batch * work.m, work.m)
    all_columns[index] = np.where(head, work.n, work.batch * work.n)
    fields["part_rows"][:, index] = np.where(head, split.groups, 1.0) * split.m_tile
    fields["part_columns"][:, index] = columns
    batch_parts = np.where(head, np.minimum(work.batch, split.used_tiles), 1.0)
    used = batch_parts * split.n * split.m * share
    fields["parts"][:, index] = used
    fields["elements"][:, index] = split.groups * split.m_tile * columns
    work_v, index = profile.vectors, profile.vectors.index
    collapsed = work_v.collapsed | work_v.reduction
    whole_rows = work_v.batch * work_v.rows
    wide = np.where(collapsed, 1.0, work_v.columns)
    part_rows = np.ceil(work_v.batch / vectors.b) * np.ceil(work_v.rows / vectors.m)
    cut = np.where(collapsed, 1.0, np.ceil(work_v.columns / vectors.n))
    rows[index] = np.where(collapsed, 1.0, whole_rows)
    all_columns[index] = np.where(collapsed, whole_rows, wide)
    fields["part_rows"][:, index] = np.where(collapsed, 1.0, part_rows)
    fields["part_columns"][:, index] = np.where(collapsed, part_rows, cut)
    fields["parts"][:, index] = vectors.b * vectors.m * np.where(collapsed, 1.0, vectors.n)
    fields["elements"][:, index] = part_rows * cut
    return Grid(rows, all_columns, **fields)


def _needs(profile: Profile, split: Split, vectors: VectorSplit) -> FloatArray:
    """[N, P] bytes of the value that one tile of the consumer reads."""
    flow, classes, count = profile.flow, len(profile.table.classes), len(split.m)
    work, index = profile.contractions, profile.contractions.index
    work_v, index_v = profile.vectors, profile.vectors.index
    consumer, size_bytes = flow.consumer, flow.size_bytes
    place = np.zeros(classes, dtype=np.int64)
    place[index], place[index_v] = np.arange(len(index)), np.arange(len(index_v))

    def read_by(consumers: IntArray) -> tuple[IntArray, IntArray]:
        """Their pairs, and the column of each pair's consumer among contractions or vectors."""
        chosen = np.zeros(classes, dtype=np.bool_)
        chosen[consumers] = True
        pairs = np.flatnonzero(chosen[consumer])
        return pairs, place[consumer[pairs]]

    held = np.zeros((count, classes), order="F")
    items = np.where(
        work.attention, split.groups, np.minimum(np.ceil(split.n_tile / work.n), work.batch)
    )
    held[:, index] = items * split.m_tile * split.k_tile * work.bits / 8.0
    held[:, index_v] = vectors.points * work_v.bits / 8.0
    need = np.minimum(held[:, consumer], size_bytes)

    # Windows of a convolution overlap: no more than all of k.
    pairs, own = read_by(index[work.region == CONV])
    share = split.k_tile[:, own] / work.k[own] * items[:, own] / work.batch[own]
    need[:, pairs] = np.minimum(held[:, consumer[pairs]], size_bytes[pairs] * share)

    # The second operand of an attention product is n by k.
    pairs = np.flatnonzero(flow.rhs)
    own = place[consumer[pairs]]
    second = split.groups[:, own] * split.n_tile[:, own] * split.k_tile[:, own]
    need[:, pairs] = np.minimum(second * work.bits[own] / 8.0, size_bytes[pairs])

    # A vector operator reads so many bytes for each point of its part.
    pairs, own = read_by(index_v)
    each = size_bytes[pairs] / np.maximum(work_v.elements[own], 1.0)  # bytes a point
    pairs, own, each = pairs[each >= 1.0], own[each >= 1.0], each[each >= 1.0]
    need[:, pairs] = np.minimum(vectors.points[:, own] * each, size_bytes[pairs])

    # The parts of an append share what is appended.
    pairs, own = read_by(index_v[work_v.kv_write_bytes > 0.0])
    rows = np.maximum(work_v.elements[own] / work_v.columns[own], 1.0)
    need[:, pairs] = size_bytes[pairs] / np.minimum(vectors.parts[:, own], rows)
    return need


def buffer_bytes(
    profile: Profile, values: Values, split: Split, vectors: VectorSplit, streams: Streams
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What buffers take on the fullest tile.

    Returns:
        [N, P] bytes of a copy for the consumer of each pair, [N, C] of a result of each class, and
        [N, C] of the partial sums while an operator of a class runs.
    """
    classes = len(profile.table.classes)
    element = np.array([min(max(c.element_bits, 8) / 8.0, 4.0) for c in profile.table.classes])
    outside = np.array([c.output_bytes for c in profile.table.classes], dtype=np.float64)
    results = np.minimum(values.grid.elements * element, outside)
    partial = np.zeros_like(results)
    index = profile.contractions.index
    sums = split.groups * split.m_tile * split.n_tile * 4.0
    several = (split.k > 1.0) | ((streams.pieces > 1.0) & ~streams.by_rows)
    partial[:, index] = 2.0 * sums * several
    work_v, index_v = profile.vectors, profile.vectors.index
    rows = np.ceil(work_v.batch / vectors.b) * np.ceil(work_v.rows / vectors.m)
    partial[:, index_v] = np.where(work_v.reduction, 2.0 * rows * 4.0, 0.0)
    held = np.ones((len(split.m), classes), order="F")
    held[:, index] = streams.kept / streams.pieces
    return values.need * held[:, profile.flow.consumer], results, partial
