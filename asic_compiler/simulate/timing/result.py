"""What a run of the timing engine tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from asic_compiler.simulate.timing.program import Int32s, Int64s, Kind, TimingProgram

NEVER = 1 << 62
"""Start of an operator that did not start."""
DIRECTIONS = ("east", "west", "south", "north")


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a tile, or a packet of it, did not go on although nothing was under way."""

    tile: int
    period: int
    """Of the instruction, or in which the packet was handed over."""
    instruction: int
    """In its text, from 0; -1 for a packet that was handed over before."""
    operator: int
    """Of the instruction; -1 for a packet."""
    kind: Kind
    """WAIT, WAIT_SENT, or SEND for a packet behind a gate."""
    channel: int
    """That a WAIT waits for, or -1."""
    gate: int
    """That a packet waits for, or -1."""
    packet: int
    """That waits, or -1."""
    have: int
    """Packets of the channel that have come, or credits of the gate, for this period."""
    need: int

    def __str__(self) -> str:
        if self.kind == Kind.WAIT:
            what = f"channel {self.channel}: {self.have} of {self.need} packets"
        elif self.kind == Kind.SEND:
            what = f"gate {self.gate} before packet {self.packet}: {self.have} of {self.need} posts"
        else:
            what = "packets that have not left"
        return f"tile {self.tile}, period {self.period}, {self.kind.name} waits for {what}"


@dataclass(frozen=True)
class Deadlock:
    """Nothing was left to happen, and some tiles had not finished."""

    blocked: tuple[Blocked, ...]
    """First the tiles in ascending order, each followed by its packets behind gates."""


@dataclass(frozen=True)
class Overrun:
    """A channel ran so far ahead of its reader that it would have overwritten buffers."""

    tile: int
    channel: int
    cycle: int


Failure: TypeAlias = Deadlock | Overrun


@dataclass(frozen=True)
class Recording:
    """What to keep beside the sums."""

    tiles: Int32s
    """Tiles whose instructions are kept, ascending."""
    bins: int = 0
    """Time series of the links: number of bins, even, or 0 for none."""


@dataclass(frozen=True)
class Recorded:
    """What was kept."""

    tiles: Int32s
    first: Int64s
    """[tiles] Place of the tile's first instruction of period 0 in ``spans``; then one place an
    instruction, period after period."""
    spans: Int64s
    """[instructions, 2] First cycle and first cycle after it, -1 where it did not happen."""
    bin_cycles: int
    bins: Int64s
    """[bins, 6] Flits that started: east, west, south, north, injection; cycles of ejection."""


@dataclass(frozen=True)
class TimingResult:
    """Cycles, and what everything did in them.

    Busy cycles, stalls and idle cycles of a tile add up to ``cycles``, unless an overrun cut the
    run short.
    """

    cycles: int
    """Until the last tile finished, or was blocked, and the last flit arrived."""
    failure: Failure | None
    busy: Int64s
    """[tiles, 3] Cycles of instructions by ``Unit``."""
    stall_data: Int64s
    """[tiles] Waiting for arrivals."""
    stall_send: Int64s
    """[tiles] Waiting until packets have left: for credits, or for the injection port."""
    stall_dmem: Int64s
    """[tiles] Computation that waits for the DMEM port."""
    stall_blocked: Int64s
    """[tiles] From the beginning of a wait that never ended; 0 without a failure."""
    idle: Int64s
    """[tiles] After the last instruction, or without a text."""
    dmem_compute: Int64s
    """[tiles] Cycles of the DMEM port that computation took."""
    dmem_arrivals: Int64s
    """[tiles] The same of arrivals."""
    link_busy: Int64s
    """[routers, 4] Flits over the links to the east, west, south, north."""
    link_delay: Int64s
    """[routers, 4] Longest wait of a head for the link."""
    inject_busy: Int64s
    """[tiles] Flits that left."""
    eject_busy: Int64s
    """[tiles] Cycles of the ejection port."""
    eject_delay: Int64s
    """[tiles] Longest wait of a head for the ejection port."""
    operator_start: Int64s
    """[periods, operators] Least start over tiles, or ``NEVER``."""
    operator_end: Int64s
    """[periods, operators] Greatest end over tiles, or -1."""
    completions: Int64s
    """[periods] End of the final operator."""
    packets: int
    """Injected."""
    injected_bytes: int
    deliveries: int
    """Packets that arrived, a multicast once a target."""
    ejected_bytes: int
    traversals: int
    """Packets over links."""
    flit_hops: int
    instructions: int
    """Executed, or begun."""
    unread: int
    """Pairs of channel and tile at which more arrived than was waited for."""
    recorded: Recorded | None

    @property
    def latency_cycles(self) -> int:
        """Of the first period."""
        return int(self.completions[0])

    @property
    def period_cycles(self) -> float:
        """Steady period: mean distance of completions in the second half of the periods.

        With one period it is the latency. The first periods fill the pipeline and may run faster
        than the slowest stage lets them; towards the end stages before the last have finished and
        contend no more, so take several periods more than there are stages.
        """
        periods = len(self.completions)
        if periods == 1:
            return float(self.completions[0])
        half = (periods - 1) // 2
        span = int(self.completions[-1] - self.completions[half])
        return span / (periods - 1 - half)


def operator_spans(program: TimingProgram, result: TimingResult) -> Int64s:
    """[recorded tiles, periods, operators, 2] Start and end of each operator on each tile.

    ``NEVER`` and -1 where a tile takes no part.

    Raises:
        ValueError: The result was not recorded.
    """
    recorded = result.recorded
    if recorded is None:
        raise ValueError("the run was not recorded")
    periods, texts = len(result.completions), program.texts
    spans = np.empty((len(recorded.tiles), periods, program.operators, 2), np.int64)
    spans[..., 0], spans[..., 1] = NEVER, -1
    for row, tile in enumerate(recorded.tiles):
        text = int(program.text_of_tile[tile])
        if text < 0:
            continue
        operators = texts.operator[texts.start[text] : texts.start[text + 1]]
        for period in range(periods):
            own = instruction_spans(program, recorded, row, period)
            done = own[:, 0] >= 0
            np.minimum.at(spans[row, period, :, 0], operators[done], own[done, 0])
            np.maximum.at(spans[row, period, :, 1], operators[done], own[done, 1])
    return spans


def instruction_spans(
    program: TimingProgram, recorded: Recorded, row: int, period: int
) -> NDArray[np.int64]:
    """[instructions, 2] Start and end of the instructions of one recorded tile in one period."""
    text = int(program.text_of_tile[recorded.tiles[row]])
    length = int(program.texts.start[text + 1] - program.texts.start[text])
    first = int(recorded.first[row]) + period * length
    return recorded.spans[first : first + length]
