"""What transfers cost: cycles of ports and links for every pair of classes. Arrays are [N, P].

A transfer brings each tile of the consumer the elements that its part needs. They come from the
tiles that computed them, in one packet from each of these, so many small parts make many flits
that are not full; what a tile computed itself it copies. The busiest counts: the port of a sender,
with a packet for each set of receivers, that of a receiver, with a packet for each sender, or the
links in between. What the host sends takes no time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.derive import Bands, TileSizes
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.layout import add_up
from asic_compiler.hardware.space import FloatArray, IntArray
from asic_compiler.machine.regions import CONV, GENERAL
from asic_compiler.ppa.mapping import VectorSplit
from asic_compiler.ppa.partition import Split, Streams
from asic_compiler.ppa.profile import Profile
from asic_compiler.ppa.timing import Fabric, Incoming


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
    """Of the largest part."""


@dataclass(frozen=True, slots=True)
class Transfers:
    """Of each pair, one transfer. Arrays are [N, P]."""

    moves: NDArray[np.bool_]
    """Whether there is one: not from the host, and not where one tile has everything."""
    need_bytes: FloatArray
    """Of the value on one tile of the consumer."""
    brought_bytes: FloatArray
    """Of these, what other tiles computed."""
    copied_bytes: FloatArray
    """Of these, what the tile itself computed: copied within its DMEM."""
    cycles: FloatArray
    """Of the busiest port or link."""
    sent_bytes: FloatArray
    """By all tiles together, a multicast once."""
    hops: FloatArray
    """Links that carry a byte that is sent, a multicast's tree."""
    border_bytes: FloatArray
    """Over a border between dies in the middle of the stage, both ways and in every column."""


@dataclass(frozen=True, slots=True)
class Values:
    """Where values lie, and what is read of them."""

    grid: Grid
    need: FloatArray
    """[N, P] bytes of the value that one tile of the consumer reads."""


def lay_out(profile: Profile, design: DesignBatch, split: Split, vectors: VectorSplit) -> Values:
    """How the results of all classes lie on tiles, and what each pair needs."""
    return Values(result_grids(profile, design, split, vectors), _needs(profile, split, vectors))


def result_grids(profile: Profile, design: DesignBatch, split: Split, vectors: VectorSplit) -> Grid:
    """How every class leaves its result."""
    shape = (len(design), len(profile.table.classes))
    names = ("part_rows", "part_columns", "parts", "elements")
    fields = {name: np.ones(shape, order="F") for name in names}
    rows, all_columns = np.ones(shape[1]), np.ones(shape[1])
    work, index = profile.contractions, profile.contractions.index
    scatter = (design.allreduce >= 0.5)[:, None] & (split.k > 1.0)
    share = np.where(scatter, split.k, 1.0)
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


def time_transfers(
    profile: Profile,
    design: DesignBatch,
    bands: Bands,
    sizes: TileSizes,
    split: Split,
    vectors: VectorSplit,
    values: Values,
    fabric: Fabric,
) -> Transfers:
    """Cycles of ports and links, and what goes over them, for every pair of classes."""
    flow, classes = profile.flow, len(profile.table.classes)
    # What the host sends is no transfer: only the other pairs are worked out.
    inside = flow.inside
    grid, need, size_bytes = values.grid, values.need[:, inside], flow.size_bytes[inside]
    producer, consumer = flow.producer[inside], flow.consumer[inside]
    rows, columns = grid.rows[producer], grid.columns[producer]
    width = size_bytes / (rows * columns)
    wanted = need / np.maximum(width, 1e-9)
    # The part that a tile needs, seen in the matrix that the producer left: whole rows first.
    part_rows, part_columns = grid.part_rows[:, producer], grid.part_columns[:, producer]
    tall = _rows_needed(profile, split, classes)[:, consumer]
    need_rows = np.clip(tall, 1.0, rows)
    need_columns = np.minimum(np.maximum(wanted / need_rows, 1.0), columns)
    need_rows = np.clip(wanted / need_columns, 1.0, rows)
    across = _overlaps(need_columns, part_columns, columns)
    down = _overlaps(need_rows, part_rows, rows)
    packet = np.minimum(need_columns, part_columns) * np.minimum(need_rows, part_rows) * width

    parts, takers = grid.parts[:, producer], _tiles_used(split, vectors, profile, classes)
    takers = takers[:, consumer]
    total = np.maximum(size_bytes, 1.0)
    own = np.where(parts >= takers, 1.0, parts / takers)
    own = own * np.minimum(part_rows * part_columns * width / total, 1.0)
    foreign = 1.0 - own
    moves = (own < 1.0).astype(np.float64)
    brought = need * foreign * moves
    # A part goes to as many sets of receivers as cut it, but for the tile that has it.
    receivers = np.maximum(takers * need / total, 1.0)
    most_across, mean_across = _receivers(part_columns, need_columns, columns)
    most_down, mean_down = _receivers(part_rows, need_rows, rows)
    fan, mean_fan = most_across * most_down, mean_across * mean_down
    to_others = np.where(receivers <= 1.0, foreign, 1.0)

    region = _regions(profile, classes)[consumer]
    port = np.minimum(design.dflit[:, None], sizes.region_vlen[:, region])
    packet_bits = np.ceil(packet) * 8.0
    packets = np.minimum(across * down, parts) * foreign
    arriving = np.maximum(packets * np.ceil(packet_bits / port), np.ceil(brought * 8.0 / port))
    flits = to_others * np.ceil(packet_bits / design.dflit[:, None])
    leaving = fan * flits
    links, hops, over = _links(
        receivers, parts * mean_fan * flits, parts, bands, design, region, fabric.slowest_flit
    )
    sent = takers * need / receivers * to_others * moves

    def of_pairs(found: FloatArray) -> FloatArray:
        out = np.zeros((len(need), len(flow.producer)), order="F")
        out[:, inside] = found
        return out

    return Transfers(
        moves=of_pairs(moves) > 0.0,
        need_bytes=values.need,
        brought_bytes=of_pairs(brought),
        copied_bytes=of_pairs(need * own * moves),
        cycles=of_pairs(np.maximum(np.maximum(arriving, leaving), links) * moves),
        sent_bytes=of_pairs(sent),
        hops=of_pairs(hops),
        border_bytes=of_pairs(sent * over),
    )


def _links(
    receivers: FloatArray,
    flits: FloatArray,
    parts: FloatArray,
    bands: Bands,
    design: DesignBatch,
    region: IntArray,
    slowest: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """[N, P] cycles of the busiest link, links of a packet's tree, and how many cross the middle.

    Packets go along their source's row to the columns of the receivers, and in each of these up
    and down. Sources lie anywhere in the stage and receivers side by side: where they take the
    share f of its width or height, at most (1 + f)^2 / 4 of the packets cross a line between.

    Args:
        receivers: Tiles that a packet goes to.
        flits: All that are sent.
        parts: Tiles that send.
        bands: The stage.
        design: N designs.
        region: [P] where the receivers are.
        slowest: [N] cycles of a flit on the slowest link of a column.
    """
    wide = bands.width[:, None]
    columns = np.ceil(wide / design.sc_x[:, None])
    rows = np.ceil(bands.region_rows / design.sc_y[:, None])[:, region]
    reached_columns = np.clip(
        np.ceil(np.minimum(receivers, wide) / design.sc_x[:, None]), 1.0, columns
    )
    reached_rows = np.clip(np.ceil(receivers / wide / design.sc_y[:, None]), 1.0, rows)
    share = reached_rows / rows
    in_column = flits * reached_columns / columns * _crossing(share, rows) * slowest[:, None]
    in_row = flits * _crossing(reached_columns / columns, columns) / np.minimum(rows, parts)
    along = reached_columns - 1.0 + _distance(reached_columns, columns)
    each = reached_rows - 1.0 + _distance(reached_rows, rows)
    over = reached_columns * (1.0 + share) / 2.0
    return np.maximum(in_column, in_row), along + reached_columns * each, over


def _crossing(share: FloatArray, size: FloatArray) -> FloatArray:
    """Of packets between ``size`` rows to windows of a share of them, those over the worst line."""
    return np.maximum((1.0 + share) ** 2 / 4.0 - share / size, 0.0)


def _distance(window: FloatArray, size: FloatArray) -> FloatArray:
    """Mean distance from anywhere in ``size`` rows to the nearest of a window's."""
    return (size * size - window * window) / (3.0 * size)


def _tiles_used(split: Split, vectors: VectorSplit, profile: Profile, classes: int) -> FloatArray:
    """[N, C] tiles that run a class."""
    used = np.ones((len(split.m), classes), order="F")
    used[:, profile.contractions.index] = split.used_tiles
    used[:, profile.vectors.index] = vectors.parts
    return used


def _regions(profile: Profile, classes: int) -> IntArray:
    """[C] region of each class."""
    region = np.full(classes, GENERAL, dtype=np.int64)
    region[profile.contractions.index] = profile.contractions.region
    return region


def incoming(profile: Profile, transfers: Transfers, streams: Streams) -> Incoming:
    """The transfers of each class together."""
    flow, classes = profile.flow, len(profile.table.classes)
    dropped = np.zeros((len(streams.kept), classes), dtype=np.bool_, order="F")
    dropped[:, profile.contractions.index] = streams.dropped
    per = np.where(dropped[:, flow.consumer], flow.per_reader, flow.per_consumer)

    def total(of_pairs: FloatArray) -> FloatArray:
        out = np.zeros((len(per), classes), order="F")
        weighted = of_pairs * per
        for own, pairs in flow.of_consumers:
            first, *others = (weighted[:, each] for each in pairs)
            out[:, own] = first + add_up(others) if others else first
        return out

    messages = total(transfers.moves.astype(np.float64))
    share = np.minimum(messages, 1.0)

    return Incoming(
        share=share,
        cycles=total(transfers.cycles) / np.maximum(share, 1e-9),
        messages=messages,
        size_bytes=total(transfers.brought_bytes),
        copied_bytes=total(transfers.copied_bytes),
        sent_bytes=total(transfers.sent_bytes),
        hop_bytes=total(transfers.sent_bytes * transfers.hops),
        border_bytes=total(transfers.border_bytes),
    )


def _overlaps(window: FloatArray, step: FloatArray, size: FloatArray) -> FloatArray:
    """Parts of width ``step``, a whole number, that a window meets, at most, aligned or not."""
    inner = np.minimum(window, size)
    parts = inner / step
    aligned = (np.floor(parts) * step == inner) | (inner >= size)
    met = np.where(aligned, np.ceil(parts), np.ceil((inner - 1.0) / step) + 1.0)
    return np.minimum(np.maximum(met, 1.0), np.ceil(size / step))


def _receivers(
    window: FloatArray, step: FloatArray, size: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Parts of any width ``step`` that a window, a whole number, meets: at most, and on average."""
    inner = np.minimum(window, size)
    parts, beyond = np.ceil(inner / step), (inner - 1.0) / step
    # The remainder is exact where a width such as 4096/3 is rounded; a product is not.
    aligned = (np.fmod(inner, step) == 0.0) | (inner >= size)
    whole = aligned | (np.floor(step / inner) * inner == step)
    most = np.where(aligned, parts, np.ceil(beyond) + 1.0)
    mean = np.where(whole, parts, beyond + 1.0)
    there = np.ceil(size / step)
    return (
        np.minimum(np.maximum(most, 1.0), there),
        np.minimum(np.maximum(mean, 1.0), there),
    )


def _rows_needed(profile: Profile, split: Split, classes: int) -> FloatArray:
    """[N, C] rows of an operand that one tile reads."""
    tall = np.ones((len(split.m), classes), order="F")
    work, index = profile.contractions, profile.contractions.index
    tall[:, index] = np.where(work.attention, split.groups, 1.0) * split.m_tile
    return tall


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
