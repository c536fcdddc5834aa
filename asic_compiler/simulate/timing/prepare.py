"""From a timing program to the state that the event loop starts from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asic_compiler.simulate.timing.program import (
    CONSTANT,
    FULL_RATE,
    NO_TEXT,
    Int32s,
    Int64s,
    Kind,
    Mesh,
    TargetSets,
    TimingProgram,
    Unit,
)
from asic_compiler.simulate.timing.result import NEVER, Recording

if TYPE_CHECKING:
    from asic_compiler.simulate.timing.kernel.state import State

MIN_EVENTS = 16
"""Events that any event may schedule beside those that grow with the mesh."""


class Trees(NamedTuple):
    """Target sets as a router wants them."""

    boxes: NDArray[Any]
    """[sets] Bounding box in routers, and its first cell and column in what follows."""
    local_first: Int32s
    """[cells + 1] Of each router in a box, row by row: place of its tiles in ``local_tiles``."""
    local_tiles: Int32s
    extents: NDArray[Any]
    """[columns] Least and greatest router row with targets, of each column of a box; 2^31 - 1
    and -1 where there are none."""


def trees_of(targets: TargetSets, place: NDArray[Any], router_of_tile: Int32s) -> Trees:
    """Bounding boxes, local tiles and extents of columns of all sets."""
    from asic_compiler.simulate.timing.kernel import state as at

    boxes = np.zeros(len(targets), at.BOX)
    if len(targets) == 0:
        none = np.zeros(0, np.int32)
        return Trees(boxes, np.zeros(1, np.int32), none, np.zeros(0, at.EXTENT))
    owner = np.repeat(np.arange(len(targets)), np.diff(targets.start))
    where = place[router_of_tile[targets.tiles]]
    x, y = where["x"].astype(np.int64), where["y"].astype(np.int64)
    first = targets.start[:-1]
    x0, y0 = np.minimum.reduceat(x, first), np.minimum.reduceat(y, first)
    width = np.maximum.reduceat(x, first) - x0 + 1
    height = np.maximum.reduceat(y, first) - y0 + 1
    cells, columns = np.cumsum(width * height), np.cumsum(width)
    boxes["x"], boxes["y"], boxes["width"], boxes["height"] = x0, y0, width, height
    boxes["cell"], boxes["column"] = cells - width * height, columns - width
    cell = boxes["cell"][owner] + (y - y0[owner]) * width[owner] + x - x0[owner]
    local_first = np.zeros(int(cells[-1]) + 1, np.int32)
    np.cumsum(np.bincount(cell, minlength=int(cells[-1])), out=local_first[1:])
    local_tiles = targets.tiles[np.argsort(cell, kind="stable")]
    low = np.full(int(columns[-1]), np.iinfo(np.int32).max, np.int32)
    high = np.full(int(columns[-1]), -1, np.int32)
    column = boxes["column"][owner] + x - x0[owner]
    np.minimum.at(low, column, where["y"])
    np.maximum.at(high, column, where["y"])
    return Trees(boxes, local_first, local_tiles, _records(at.EXTENT, low=low, high=high))


class Counters(NamedTuple):
    """Where arrivals are counted."""

    base: Int64s
    """[channels] The counter of a channel on a tile is ``base[channel] + tile``."""
    expected: Int32s
    """[counters] Packets a period, 0 where nobody waits."""


def counters_of(program: TimingProgram) -> Counters:
    """Counters for the range of tiles that each channel concerns."""
    packets, targets = program.packets, program.targets
    low = np.full(program.channels, program.mesh.tiles, np.int64)
    high = np.full(program.channels, -1, np.int64)
    if len(targets):
        many = packets.target >= 0
        chosen = packets.target[many]
        np.minimum.at(low, packets.channel[many], targets.tiles[targets.start[chosen]])
        np.maximum.at(high, packets.channel[many], targets.tiles[targets.start[chosen + 1] - 1])
    one = packets.target < 0
    np.minimum.at(low, packets.channel[one], -1 - packets.target[one])
    np.maximum.at(high, packets.channel[one], -1 - packets.target[one])
    waits = list(_waits(program))
    for channel, _, tiles in waits:
        np.minimum.at(low, channel, tiles)
        np.maximum.at(high, channel, tiles)
    size = np.maximum(high - low + 1, 0)
    base = np.cumsum(size) - size - np.where(size > 0, low, 0)
    expected = np.zeros(int(size.sum()), np.int32)
    for channel, count, tiles in waits:
        expected[base[channel] + tiles] = count
    return Counters(base, expected)


def _waits(program: TimingProgram) -> Iterator[tuple[Int32s, Int32s, NDArray[np.intp]]]:
    """Channels, counts and tiles of each WAIT."""
    texts = program.texts
    for text in range(len(texts)):
        tiles = np.flatnonzero(program.text_of_tile == text)
        tiles = tiles[np.argsort(program.rank_of_tile[tiles])]
        first, last = int(texts.start[text]), int(texts.start[text + 1])
        for at in first + np.flatnonzero(texts.kind[first:last] == Kind.WAIT):
            values: list[NDArray[np.int32]] = []
            for column, constants in ((1, texts.a), (2, texts.b)):
                row = int(texts.row[at, column])
                values.append(
                    np.full(len(tiles), constants[at])
                    if row == CONSTANT
                    else texts.table[row : row + len(tiles)]
                )
            yield values[0], values[1], tiles


class Spare(NamedTuple):
    """What one event may need of the pools."""

    chunks: int
    """Of the calendar queue, were each event that it schedules to begin one."""
    sends: int


def prepare(
    program: TimingProgram, periods: int, recording: Recording | None
) -> tuple[State, Spare]:
    """The state before the first cycle, and what must be free before each event.

    Raises:
        ValueError: The recording is wrong.
    """
    from asic_compiler.simulate.timing.kernel import state as at

    mesh, texts, packets, gates = program.mesh, program.texts, program.packets, program.gates
    tiles, router = mesh.tiles, np.arange(mesh.routers)
    columns = mesh.router_columns
    place = _records(at.PLACE, x=router % columns, y=router // columns)
    trees = trees_of(program.targets, place, mesh.router_of_tile())
    counters = counters_of(program)
    site = _sites(program, recording, periods)
    # An event schedules at most three heads, the tiles of a router, or for a gate that opens a
    # packet and a port of every tile. Each instance of a gate is opened once. Before it time may
    # move on, and the buckets of two wheels be filled from one each.
    spare = Spare(
        chunks=2 * tiles + len(gates) * periods + MIN_EVENTS + (2 << at.BITS),
        sends=periods * _most_sends(program) + 1,
    )
    ends = np.full(3 << at.BITS, at.END)
    chunks = np.arange(1, 2 * spare.chunks + 1, dtype=np.uint32)
    sends = np.zeros(2 * spare.sends + tiles, at.HANDED)
    sends["next"] = np.arange(1, len(sends) + 1)
    spans = np.empty((periods, program.operators, 2), np.int64)
    spans[..., 0], spans[..., 1] = NEVER, -1
    logged = int(((site["last"] - site["first"]) * (site["log"] >= 0)).sum()) * periods
    depth = program.remembered(periods)
    control = np.zeros(1, at.CONTROL)
    for name, value in (
        ("periods", periods),
        ("remembered", depth),
        ("port_cycles", mesh.port_cycles),
        ("free_chunk", 1),  # chunk 0 is none
        ("free_chunks", len(chunks) - 1),
        ("free_sends", len(sends)),
        ("bin_cycles", 1),
    ):
        control[name] = value
    state = at.State(
        queue=at.Queue(
            control=control,
            wheel=_records(at.BUCKET, head=ends, tail=ends),
            chunks=chunks,
            events=np.zeros(len(chunks) * at.CHUNK, at.EVENT),
            times=np.zeros(len(chunks) * at.CHUNK, np.int64),
        ),
        digest=at.digest(),
        site=site,
        router_place=place,
        packets=_records(
            at.PACKET,
            flits=packets.flits,
            payload=packets.payload_bytes,
            channel=packets.channel,
            gate=packets.gate,
            target=packets.target,
            counter=counters.base[packets.channel],
        ),
        eject_cycles=packets.eject_cycles,
        boxes=trees.boxes,
        local_first=trees.local_first,
        local_tiles=trees.local_tiles,
        extents=trees.extents,
        channel_base=counters.base,
        gates=_records(
            at.CREDIT, need=gates.need, cycles=gates.credit_cycles, initial=gates.initial
        ),
        code=_records(at.CODE, kind=texts.kind, unit=texts.unit, operator=texts.operator),
        operands=np.stack([texts.cycles, texts.a, texts.b], axis=1),
        row=texts.row,
        table=texts.table,
        links=_links(mesh),
        eject=_records(at.EJECT, waiting=np.full(tiles, -1)),
        core=_records(
            at.CORE,
            pc=site["first"],
            phase=np.where(program.text_of_tile == NO_TEXT, at.FINISHED, at.FETCH),
            send_head=np.full(tiles, -1),
            send_tail=np.full(tiles, -1),
            sending=np.full(tiles, -1),
        ),
        busy=np.zeros((tiles, len(Unit)), np.int64),
        sends=sends,
        counters=_records(at.COUNTER, expected=counters.expected, missing=counters.expected),
        ready=np.zeros((len(counters.expected), depth), np.int64),
        instances=_records(at.INSTANCE, head=np.full(len(gates) * periods, -1)),
        spans=spans,
        log=np.full((logged, 2), -1, np.int64),
        bins=np.zeros((recording.bins if recording else 0, 6), np.int64),
    )
    return state, spare


def _records(record: np.dtype[Any], /, **columns: NDArray[Any]) -> NDArray[Any]:
    """An array of records, zero where no column is given."""
    records = np.zeros(len(next(iter(columns.values()))), record)
    for name, column in columns.items():
        records[name] = column
    return records


def _sites(program: TimingProgram, recording: Recording | None, periods: int) -> NDArray[Any]:
    """[tiles] What the loop asks of a tile again and again."""
    from asic_compiler.simulate.timing.kernel import state as at

    mesh, start = program.mesh, program.texts.start
    has_text = program.text_of_tile != NO_TEXT
    first, last = np.zeros((2, mesh.tiles), np.int64)
    first[has_text] = start[program.text_of_tile[has_text]]
    last[has_text] = start[program.text_of_tile[has_text] + 1]
    log = np.full(mesh.tiles, -1, np.int64)
    if recording is not None:
        _check_recording(recording, mesh.tiles)
        sizes = (last - first)[recording.tiles] * periods
        log[recording.tiles] = np.cumsum(sizes) - sizes
    return _records(
        at.SITE,
        router=mesh.router_of_tile(),
        kind=mesh.tile_class,
        eject_bits=mesh.eject_bits[mesh.tile_class],
        dmem_bits=mesh.dmem_bits[mesh.tile_class],
        first=first,
        last=last,
        rank=program.rank_of_tile,
        log=log,
    )


def _links(mesh: Mesh) -> NDArray[Any]:
    """[4 x routers] Links to the east, west, south and north: cycles, rate, to which router."""
    from asic_compiler.simulate.timing.kernel import state as at

    hop = np.zeros((mesh.router_rows, mesh.router_columns, 4), np.int32)
    hop[:, :-1, at.EAST - 1] = hop[:, 1:, at.WEST - 1] = mesh.hop_cycles + mesh.column_extra
    down = mesh.hop_cycles + mesh.row_extra[:, None]
    hop[:-1, :, at.SOUTH - 1] = hop[1:, :, at.NORTH - 1] = down
    rate = np.full_like(hop, FULL_RATE)
    rate[:-1, :, at.SOUTH - 1] = rate[1:, :, at.NORTH - 1] = mesh.row_rate[:, None]
    steps = np.array([1, -1, mesh.router_columns, -mesh.router_columns])
    to = np.arange(mesh.routers)[:, None] + steps
    return _records(at.LINK, hop=hop.reshape(-1), to=to.reshape(-1), rate=rate.reshape(-1))


def _most_sends(program: TimingProgram) -> int:
    """SENDs of the text that has most."""
    is_send = np.concatenate([[0], np.cumsum(program.texts.kind == Kind.SEND)])
    return int(np.diff(is_send[program.texts.start]).max(initial=0))


def _check_recording(recording: Recording, tiles: int) -> None:
    chosen = recording.tiles
    if recording.bins < 0 or recording.bins % 2:
        raise ValueError(f"{recording.bins} bins: not an even number")
    if len(chosen) and not 0 <= chosen.min() <= chosen.max() < tiles:
        raise ValueError(f"recorded tiles are not all in [0, {tiles})")
    if (np.diff(chosen) <= 0).any():
        raise ValueError("recorded tiles do not ascend")
