"""What the timing engine runs: a mesh, packets and instruction streams, as arrays alone.

This text defines the machine; ``kernel.py`` and the reference engine of the tests implement it.
Time is in whole cycles. **Events of one cycle are handled in the order in which they were
scheduled**: same arrays, same result.

Mesh. ``width x height`` tiles, tile ``t = y * width + x``. ``sc_x x sc_y`` tiles share a router;
there are ``ceil(width / sc_x) x ceil(height / sc_y)`` routers with a link each way between
neighbours. Each tile has an injection and an ejection port of its own at its router.

Packets. A row of ``Packets`` is a message that any tile may send: its source is the tile that
executes the SEND, so a thousand tiles share one row. It goes to one tile or to a set of tiles,
never to its source (a set may hold the source, which is skipped). Routes are dimension-ordered:
along the source's row of routers to the extreme columns of the targets, and in each column that
has targets up and down to the extreme rows. A router copies to several outputs.

Injection port. A SEND hands its packets to the tile's port, which sends one at a time and is busy
for ``flits`` cycles with each. The packets of one SEND leave in order. A free port takes the next
packet of the oldest SEND whose next packet has an open gate: a SEND behind a closed gate is
overtaken by later ones. The head is at the router ``port_cycles`` after the start. Buffers of
routers are not bounded: what bounds the data under way is the gates (end-to-end credits).

Router. A head that arrives is first handed to the local tiles, then copied to the outputs east,
west, south, north (x grows to the east, y to the south). On a link: start = max(arrival, free);
free = start + flits, or start + ceil(flits * ``row_rate`` / 16) over a border between dies; the
head is at the next router ``hop_cycles`` and the border's extra cycles after the start (virtual
cut-through). So a link serves heads in the order of their arrival, and
those of one cycle in the order in which their last hops were granted.

Ejection port. start = max(arrival at the router, free); the port is free again at start +
``eject_cycles``, and the packet has arrived ``port_cycles`` after that.

Gates. Instance q of a gate opens ``credit_cycles`` after the ``need``-th POST that tiles executed
in their period q. A packet sent in period p passes when instance p - ``initial`` is open, at once
when p < ``initial`` or ``need`` is 0: ``initial`` is the number of buffers that are free at first.

Channels. WAIT(channel, count) of period p ends when count * (p + 1) packets of the channel have
arrived at the tile. A tile waits for a channel at most once a period: a channel is what one WAIT
waits for, and chunks that are waited for one by one have a channel each. A tile remembers the
arrival of ``remembered(periods)`` complete counts that it has not yet waited for. A sender that
runs further ahead would overwrite buffers; the run then stops with an overrun.

Tile. Executes its text in order, ``periods`` times back to back. An instruction takes its
``cycles`` (of the unit ``unit``), then

- COMPUTE (a: cycles of the DMEM port) lasts until it had its port cycles as well, see below;
- POST (a: gate) gives a credit;
- SEND (a: first packet, b: number of packets) hands packets to the injection port;
- WAIT (a: channel, b: count) waits for arrivals;
- WAIT_SENT (a: first packet, b: number) waits until no packet of this range that the tile handed
  over before has a flit left to inject.

DMEM port. Arrivals go before computation: after B busy cycles of its ejection port a tile's
arrivals have taken floor(B * eject_bits / dmem_bits) cycles of its DMEM port. A COMPUTE that began
in cycle s is looked at in e = s + ``cycles``: as long as a + (what arrivals took in [s, e)) exceeds
e - s, e moves on by the excess.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Int8s: TypeAlias = NDArray[np.int8]
Int32s: TypeAlias = NDArray[np.int32]
Int64s: TypeAlias = NDArray[np.int64]

FULL_RATE = 16
"""In ``Mesh.row_rate``: a flit a cycle."""
NO_GATE = -1
NO_TEXT = -1
CONSTANT = -1
"""In ``Texts.row``: the operand is in the text itself."""


class Kind(IntEnum):
    """What an instruction does once it has taken its cycles."""

    COMPUTE = 0
    POST = 1
    SEND = 2
    WAIT = 3
    WAIT_SENT = 4


class Unit(IntEnum):
    """Which unit of a tile an instruction's cycles keep busy."""

    TENSOR = 0
    VECTOR = 1
    ISSUE = 2
    """The scalar front end."""


@dataclass(frozen=True)
class Mesh:
    """Tiles, routers and links."""

    width: int
    height: int
    sc_x: int
    sc_y: int
    hop_cycles: int
    """Router and wire, at least 1."""
    port_cycles: int
    """Between a tile and its router, each way."""
    column_extra: Int32s
    """[router columns - 1] Extra cycles between column i and i + 1, either way: die borders."""
    row_extra: Int32s
    """[router rows - 1] The same between rows."""
    row_rate: Int32s
    """[router rows - 1] Sixteenths of a cycle that a flit takes between row i and i + 1, at least
    16: the links over a border share the lanes between two dies."""
    tile_class: Int32s
    """[tiles] Class of each tile."""
    eject_bits: Int32s
    """[classes] Bits a cycle through the ejection port: min(flit, VLEN)."""
    dmem_bits: Int32s
    """[classes] Bits a cycle of the DMEM port: VLEN."""

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return self.width * self.height

    @property
    def router_columns(self) -> int:
        """Routers along x."""
        return -(-self.width // self.sc_x)

    @property
    def router_rows(self) -> int:
        """Routers along y."""
        return -(-self.height // self.sc_y)

    @property
    def routers(self) -> int:
        """Number of routers."""
        return self.router_columns * self.router_rows

    def router_of_tile(self) -> Int32s:
        """[tiles] Router of each tile."""
        tile = np.arange(self.tiles)
        x, y = tile % self.width, tile // self.width
        return (y // self.sc_y * self.router_columns + x // self.sc_x).astype(np.int32)


@dataclass(frozen=True)
class Packets:
    """Messages, each sent by every tile that executes a SEND of its row. Columns of one length."""

    flits: Int32s
    """At least 1."""
    payload_bytes: Int32s
    """For the counts of bytes alone."""
    channel: Int32s
    gate: Int32s
    """Or ``NO_GATE``."""
    target: Int32s
    """A target set, or -1 - tile for one tile."""
    eject_cycles: Int32s
    """[packets, tile classes] Cycles of a target's ejection port: ceil(bits / eject_bits), not less
    than ``flits``."""

    def __len__(self) -> int:
        return len(self.flits)


@dataclass(frozen=True)
class TargetSets:
    """Sets of tiles; set i is ``tiles[start[i]:start[i + 1]]``, ascending, not empty."""

    start: Int64s
    tiles: Int32s

    def __len__(self) -> int:
        return len(self.start) - 1


@dataclass(frozen=True)
class Gates:
    """End-to-end credits. Columns of one length."""

    need: Int32s
    credit_cycles: Int32s
    initial: Int32s

    def __len__(self) -> int:
        return len(self.need)


@dataclass(frozen=True)
class Texts:
    """Instruction streams; text i is rows ``start[i]`` to ``start[i + 1]`` of the columns.

    Tiles that run the same program share a text. An operand is a constant of the text, or differs
    from tile to tile: then ``row`` names the place in ``table`` where the values of all tiles of
    the text lie, one a tile, in the order of ``TimingProgram.rank_of_tile``. Several operands may
    name the same place. Llama 3.1 8B on 1,722 tiles is thus 10,000 rows and at most three times
    10,000 x 1,722 values of 4 bytes, where streams of their own for 1,722 tiles would be 17 million
    rows of all columns.
    """

    start: Int64s
    kind: Int8s
    unit: Int8s
    operator: Int32s
    """The operator that an instruction belongs to, for reports."""
    cycles: Int32s
    a: Int32s
    b: Int32s
    row: Int64s
    """[instructions, 3] Place of ``cycles``, ``a`` and ``b`` in ``table``, or ``CONSTANT``."""
    table: Int32s

    def __len__(self) -> int:
        return len(self.start) - 1


@dataclass(frozen=True)
class TimingProgram:
    """All that a run depends on, but for the number of periods."""

    mesh: Mesh
    texts: Texts
    text_of_tile: Int32s
    """[tiles] Or ``NO_TEXT``: the tile does nothing."""
    rank_of_tile: Int32s
    """[tiles] Place of the tile among those of its text, from 0."""
    packets: Packets
    targets: TargetSets
    gates: Gates
    channels: int
    operators: int
    final_operator: int
    """Its end in a period completes the period: the last one of the last stage."""

    def remembered(self, periods: int) -> int:
        """Complete counts of a channel that a tile remembers before it waits for them."""
        initial = int(self.gates.initial.max()) if len(self.gates) else 0
        return min(periods, max(2, initial + 1))
