"""What transfers cost: cycles of a tile's ports for every pair of classes. Arrays are [N, P].

A transfer brings each tile of the consumer the elements that its part needs. They come from the
tiles that computed them, in one packet from each of these, so many small parts make many flits
that are not full. The busier of the two ports counts: of the sender, with a packet for each set of
receivers, or of the receiver, with a packet for each sender. What the host sends takes no time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.hardware.derive import TileSizes
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.space import FloatArray
from asic_compiler.ppa.flow import HOST, Flow
from asic_compiler.ppa.mapping import VectorSplit
from asic_compiler.ppa.profile import GENERAL, Profile
from asic_compiler.ppa.timing import Incoming, Split


@dataclass(frozen=True, slots=True)
class Grid:
    """How the result of each class lies on tiles. Arrays are [N, C] of the workload's classes."""

    rows: FloatArray
    """Of the whole result, seen as a matrix."""
    columns: FloatArray
    part_rows: FloatArray
    part_columns: FloatArray
    parts: FloatArray
    elements: FloatArray
    """Of the largest part."""


@dataclass(frozen=True, slots=True)
class Transfers:
    """Of each pair, one transfer."""

    need_bytes: FloatArray
    """Of the value on one tile of the consumer."""
    cycles: FloatArray
    """Of the busiest port."""
    flits: FloatArray
    """Into one tile."""


def result_grids(profile: Profile, design: DesignBatch, split: Split, vectors: VectorSplit) -> Grid:
    """How every class leaves its result."""
    shape = (len(design), len(profile.table.classes))
    fields = {name: np.ones(shape) for name in Grid.__dataclass_fields__}
    work, index = profile.contractions, profile.contractions.index
    scatter = (design.allreduce >= 0.5)[:, None] & (split.k > 1.0)
    share = np.where(scatter, split.k, 1.0)
    columns = np.ceil(split.n_tile / share)
    head = work.attention
    fields["rows"][:, index] = np.where(head, work.batch * work.m, work.m)
    fields["columns"][:, index] = np.where(head, work.n, work.batch * work.n)
    fields["part_rows"][:, index] = np.where(head, split.groups * work.m, split.m_tile)
    fields["part_columns"][:, index] = columns
    used = np.where(head, np.minimum(work.batch, split.used_tiles), split.n * split.m)
    used = np.where(head, used * split.n, used) * share
    fields["parts"][:, index] = used
    fields["elements"][:, index] = split.groups * split.m_tile * columns
    work_v, index = profile.vectors, profile.vectors.index
    collapsed = work_v.collapsed | work_v.reduction
    whole_rows = work_v.batch * work_v.rows
    wide = np.where(collapsed, 1.0, work_v.columns)
    part_rows = np.ceil(work_v.batch / vectors.b) * np.ceil(work_v.rows / vectors.m)
    cut = np.where(collapsed, 1.0, np.ceil(work_v.columns / vectors.n))
    fields["rows"][:, index] = np.where(collapsed, 1.0, whole_rows)
    fields["columns"][:, index] = np.where(collapsed, whole_rows, wide)
    fields["part_rows"][:, index] = np.where(collapsed, 1.0, part_rows)
    fields["part_columns"][:, index] = np.where(collapsed, part_rows, cut)
    fields["parts"][:, index] = vectors.b * vectors.m * np.where(collapsed, 1.0, vectors.n)
    fields["elements"][:, index] = part_rows * cut
    return Grid(**fields)


def time_transfers(
    profile: Profile,
    flow: Flow,
    design: DesignBatch,
    sizes: TileSizes,
    split: Split,
    vectors: VectorSplit,
    grid: Grid,
) -> Transfers:
    """Cycles of the ports for every pair of classes."""
    classes = len(profile.table.classes)
    need = _needs(profile, flow, split, vectors, classes)
    element = np.array([max(c.element_bits, 8) / 8.0 for c in profile.table.classes])
    producer = np.maximum(flow.producer, 0)
    width = np.minimum(element[flow.consumer], 2.0)
    wanted = need / width
    # The part that a tile needs, seen in the matrix that the producer left: whole rows first.
    rows, columns = grid.rows[:, producer], grid.columns[:, producer]
    part_rows, part_columns = grid.part_rows[:, producer], grid.part_columns[:, producer]
    tall = _rows_needed(profile, split, classes)[:, flow.consumer]
    need_rows = np.clip(tall, 1.0, rows)
    need_columns = np.minimum(np.maximum(wanted / need_rows, 1.0), columns)
    need_rows = np.clip(wanted / need_columns, 1.0, rows)
    across = _overlaps(need_columns, part_columns, columns)
    down = _overlaps(need_rows, part_rows, rows)
    packet = np.minimum(need_columns, part_columns) * np.minimum(need_rows, part_rows) * width
    port = np.minimum(design.dflit, sizes.region_vlen[:, GENERAL])[:, None]
    flits = np.ceil(np.ceil(packet) * 8.0 / port)
    packets = np.minimum(across * down, grid.parts[:, producer])
    arriving = np.maximum(packets * flits, np.ceil(need * 8.0 / port))
    # A part goes to as many sets of receivers as cut it.
    fan = _overlaps(part_columns, need_columns, columns) * _overlaps(part_rows, need_rows, rows)
    leaving = fan * np.ceil(np.ceil(packet) * 8.0 / design.dflit[:, None])
    timed = (flow.producer != HOST)[None, :]
    return Transfers(
        need_bytes=need,
        cycles=np.where(timed, np.maximum(arriving, leaving), 0.0),
        flits=np.where(timed, arriving, 0.0),
    )


def incoming(flow: Flow, transfers: Transfers, classes: int) -> Incoming:
    """The transfers of each class together."""
    timed = np.where(flow.producer != HOST, flow.per_consumer, 0.0)
    to = np.zeros((len(timed), classes))
    to[np.arange(len(timed)), flow.consumer] = timed
    messages = np.broadcast_to(to.sum(axis=0), (len(transfers.cycles), classes))
    share = np.minimum(messages, 1.0)
    total = np.einsum("np,pc->nc", transfers.cycles, to)
    return Incoming(
        share=share,
        cycles=total / np.maximum(share, 1e-9),
        messages=messages,
        size_bytes=np.einsum("np,pc->nc", transfers.need_bytes, to),
    )


def _overlaps(window: FloatArray, step: FloatArray, size: FloatArray) -> FloatArray:
    """Parts of width ``step`` that a window meets, at most, where it is not aligned with them."""
    inner = np.minimum(window, size)
    aligned = (inner % step == 0) | (inner >= size)
    met = np.where(aligned, np.ceil(inner / step), np.ceil((inner - 1.0) / step) + 1.0)
    return np.minimum(np.maximum(met, 1.0), np.ceil(size / step))


def _rows_needed(profile: Profile, split: Split, classes: int) -> FloatArray:
    """[N, C] rows of an operand that one tile reads."""
    tall = np.ones((len(split.m), classes))
    work, index = profile.contractions, profile.contractions.index
    tall[:, index] = np.where(work.attention, split.groups * work.m, split.m_tile)
    return tall


def _needs(
    profile: Profile, flow: Flow, split: Split, vectors: VectorSplit, classes: int
) -> FloatArray:
    """[N, P] bytes of the value that one tile of the consumer reads."""
    count = len(split.m)
    held = np.zeros((count, classes))
    work, index = profile.contractions, profile.contractions.index
    held[:, index] = split.groups * split.m_tile * split.k_tile * work.bits / 8.0
    work_v, index_v = profile.vectors, profile.vectors.index
    held[:, index_v] = vectors.points * work_v.bits / 8.0
    total = np.zeros(classes)
    total[index_v] = np.maximum(work_v.elements, 1.0)
    share = np.zeros((count, classes))
    share[:, index_v] = vectors.points
    need = np.minimum(held[:, flow.consumer], flow.size_bytes)
    is_vector = np.isin(flow.consumer, index_v)
    each = flow.size_bytes / np.maximum(total[flow.consumer], 1.0)  # bytes a point
    spread = share[:, flow.consumer] * np.maximum(each, 0.0)
    need = np.where(is_vector & (each >= 1.0), np.minimum(spread, flow.size_bytes), need)
    append = np.zeros(classes, dtype=np.bool_)
    append[index_v] = work_v.kv_write_bytes > 0.0
    owners = np.ones((count, classes))
    rows = np.maximum(work_v.elements / work_v.columns, 1.0)
    owners[:, index_v] = np.minimum(vectors.parts, rows)
    return np.where(append[flow.consumer], flow.size_bytes / owners[:, flow.consumer], need)


def buffer_bytes(
    profile: Profile, design: DesignBatch, split: Split, vectors: VectorSplit
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What buffers take on the fullest tile.

    Returns:
        [N, P] bytes of a copy for the consumer of each pair, [N, C] of a result of each class, and
        [N, C] of the partial sums while an operator of a class runs.
    """
    classes = len(profile.table.classes)
    grid = result_grids(profile, design, split, vectors)
    element = np.array([min(max(c.element_bits, 8) / 8.0, 4.0) for c in profile.table.classes])
    outside = np.array([c.output_bytes for c in profile.table.classes], dtype=np.float64)
    results = np.minimum(grid.elements * element, outside)
    partial = np.zeros_like(results)
    index = profile.contractions.index
    sums = split.groups * split.m_tile * split.n_tile * 4.0
    partial[:, index] = 2.0 * sums
    work_v, index_v = profile.vectors, profile.vectors.index
    rows = np.ceil(work_v.batch / vectors.b) * np.ceil(work_v.rows / vectors.m)
    partial[:, index_v] = np.where(work_v.reduction, 2.0 * rows * 4.0, 0.0)
    return _needs(profile, profile.flow, split, vectors, classes), results, partial
