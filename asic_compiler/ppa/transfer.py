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

from asic_compiler.hardware.columns import add_up
from asic_compiler.hardware.derive import Bands
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.space import FloatArray, IntArray
from asic_compiler.machine.regions import GENERAL
from asic_compiler.mapping.contractions import Split
from asic_compiler.mapping.mapping import Mapping
from asic_compiler.mapping.profile import Profile
from asic_compiler.mapping.vectors import VectorSplit
from asic_compiler.ppa.timing import Fabric, Incoming


@dataclass(frozen=True, slots=True)
class Transfers:
    """One transfer of each pair of classes. Arrays are [N, P]."""

    moves: NDArray[np.bool_]
    """Whether there is one: not from the host, and not where one tile has everything."""
    need_bytes: FloatArray
    """Bytes of the value that one tile of the consumer needs."""
    brought_bytes: FloatArray
    """Bytes needed that other tiles computed."""
    copied_bytes: FloatArray
    """Bytes needed that the tile itself computed: copied within its DMEM."""
    cycles: FloatArray
    """Cycles of the busiest port or link."""
    sent_bytes: FloatArray
    """Bytes that all tiles together send, a multicast once."""
    hops: FloatArray
    """Links that carry a byte that is sent, a multicast's tree."""
    border_bytes: FloatArray
    """Bytes over a border between dies in the middle of the stage: both ways, every column."""


def time_transfers(mapping: Mapping, fabric: Fabric) -> Transfers:
    """Cycles of ports and links, and what goes over them, for every pair of classes."""
    profile, design, bands, sizes = mapping.profile, mapping.design, mapping.bands, mapping.sizes
    split, vectors, values = mapping.split, mapping.vectors, mapping.values
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
    """Packets over the worst line, of those between ``size`` rows to windows of a share of them."""
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


def incoming(mapping: Mapping, transfers: Transfers) -> Incoming:
    """The transfers of each class together."""
    profile, streams = mapping.profile, mapping.streams
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
