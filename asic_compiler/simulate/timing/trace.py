"""A recorded run in the Chrome trace format, which Perfetto and chrome://tracing read.

A row of tiles is a process; a tile has a thread a unit and one for its waits. Flits of all links
are counters. The size is bounded: what does not fit is counted in ``otherData``, never dropped
silently.

The format: "Trace Event Format", Google, 2016 (JSON object format, events X, C and M).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from asic_compiler.simulate.timing.program import CONSTANT, Kind, TimingProgram, Unit
from asic_compiler.simulate.timing.result import (
    DIRECTIONS,
    Recorded,
    TimingResult,
    instruction_spans,
)

Event: TypeAlias = dict[str, Any]

WAITS = len(Unit)
"""Number of a tile's thread for waits; its units come before."""
REASONS = {
    Kind.COMPUTE: "memory port",
    Kind.WAIT: "wait for data",
    Kind.WAIT_SENT: "wait for sending",
}
MESH_PROCESS = 0


@dataclass(frozen=True)
class TraceOptions:
    """What a trace shows."""

    clock_hz: float
    operators: Sequence[str] = ()
    """Names, or none: then operators are numbered."""
    first_cycle: int = 0
    last_cycle: int | None = None
    """Instructions that lie outside are left out. None: to the end."""
    max_instructions: int = 200_000
    """Recorded tiles are shown in their order for as long as all their instructions fit."""


def chrome_trace(program: TimingProgram, result: TimingResult, options: TraceOptions) -> str:
    """The text of a trace file.

    Raises:
        ValueError: The run was not recorded, or the clock does not run.
    """
    recorded = result.recorded
    if recorded is None:
        raise ValueError("the run was not recorded")
    if options.clock_hz <= 0.0:
        raise ValueError(f"a clock of {options.clock_hz} Hz")
    events: list[Event] = []
    named: set[int] = set()
    shown = outside = beyond = shown_tiles = 0
    for row, tile in enumerate(int(tile) for tile in recorded.tiles):
        own = _instructions(program, result, recorded, row)
        inside = _in_window(own, options)
        outside += len(own) - int(inside.sum())
        own = own[inside]
        if shown_tiles < row or shown + len(own) > options.max_instructions:
            beyond += len(own)
            continue
        shown += len(own)
        shown_tiles += 1
        events += _names(program, tile, new_process=_process(program, tile) not in named)
        named.add(_process(program, tile))
        events += _spans(program, tile, own, options)
    events += _counters(recorded, options)
    left_out = {
        "tiles": program.mesh.tiles,
        "tiles_not_recorded": program.mesh.tiles - len(recorded.tiles),
        "tiles_left_out": len(recorded.tiles) - shown_tiles,
        "instructions": shown,
        "instructions_of_tiles_left_out": beyond,
        "instructions_outside_window": outside,
        "cycles": result.cycles,
        "clock_hz": options.clock_hz,
    }
    trace = {"traceEvents": events, "displayTimeUnit": "ns", "otherData": left_out}
    return json.dumps(trace, separators=(",", ":"))


def _instructions(
    program: TimingProgram, result: TimingResult, recorded: Recorded, row: int
) -> NDArray[np.int64]:
    """[executed, 4] Place in the texts, period, start and end of what a tile has executed."""
    text = int(program.text_of_tile[recorded.tiles[row]])
    if text < 0:
        return np.zeros((0, 4), np.int64)
    first, last = int(program.texts.start[text]), int(program.texts.start[text + 1])
    periods = len(result.completions)
    own = np.empty((periods, last - first, 4), np.int64)
    own[..., 0] = np.arange(first, last)
    own[..., 1] = np.arange(periods)[:, None]
    for period in range(periods):
        own[period, :, 2:] = instruction_spans(program, recorded, row, period)
    return own[own[..., 2] >= 0]


def _in_window(own: NDArray[np.int64], options: TraceOptions) -> NDArray[np.bool_]:
    inside = own[:, 3] >= options.first_cycle
    if options.last_cycle is not None:
        inside &= own[:, 2] <= options.last_cycle
    return inside


def _thread(tile: int, number: int) -> int:
    return tile * (WAITS + 1) + number


def _process(program: TimingProgram, tile: int) -> int:
    return MESH_PROCESS + 1 + tile // program.mesh.width


def _names(program: TimingProgram, tile: int, new_process: bool) -> list[Event]:
    """What the processes and threads of a tile are called."""
    x, y = tile % program.mesh.width, tile // program.mesh.width
    process = _process(program, tile)
    names = [("process_name", 0, f"tiles of row {y}")] if new_process else []
    for number, what in enumerate([*(unit.name.lower() for unit in Unit), "waits"]):
        names.append(("thread_name", _thread(tile, number), f"tile ({x}, {y}) {what}"))
    return [
        {"ph": "M", "name": key, "pid": process, "tid": thread, "args": {"name": name}}
        for key, thread, name in names
    ]


def _spans(
    program: TimingProgram, tile: int, own: NDArray[np.int64], options: TraceOptions
) -> list[Event]:
    """What a tile's units did, and what it waited for."""
    texts, process = program.texts, _process(program, tile)
    rank = int(program.rank_of_tile[tile])
    events: list[Event] = []
    for at, period, start, end in own.tolist():
        kind, unit = Kind(int(texts.kind[at])), int(texts.unit[at])
        cycles, a, b = (_operand(program, at, column, rank) for column in range(3))
        operator = int(texts.operator[at])
        name = options.operators[operator] if options.operators else f"operator {operator}"
        args = {"kind": kind.name, "period": period, **_operand_names(kind, a, b)}
        busy = (name, _thread(tile, unit), start, cycles)
        wait = (REASONS.get(kind, ""), _thread(tile, WAITS), start + cycles, end - start - cycles)
        for label, thread, began, lasted in (busy, wait):
            if lasted > 0:
                events.append(
                    {
                        "ph": "X",
                        "name": label,
                        "pid": process,
                        "tid": thread,
                        "ts": _microseconds(began, options),
                        "dur": _microseconds(lasted, options),
                        "args": {"operator": operator, **args},
                    }
                )
    return events


def _operand(program: TimingProgram, at: int, column: int, rank: int) -> int:
    texts = program.texts
    row = int(texts.row[at, column])
    constants = (texts.cycles, texts.a, texts.b)[column]
    return int(constants[at] if row == CONSTANT else texts.table[row + rank])


def _operand_names(kind: Kind, a: int, b: int) -> dict[str, int]:
    match kind:
        case Kind.COMPUTE:
            return {"port_cycles": a}
        case Kind.POST:
            return {"gate": a}
        case Kind.SEND | Kind.WAIT_SENT:
            return {"first_packet": a, "packets": b}
        case Kind.WAIT:
            return {"channel": a, "count": b}


def _counters(recorded: Recorded, options: TraceOptions) -> list[Event]:
    """Flits a cycle over all links of a direction, and at all ports."""
    events: list[Event] = []
    if len(recorded.bins):
        events.append(
            {"ph": "M", "name": "process_name", "pid": MESH_PROCESS, "args": {"name": "mesh"}}
        )
    series = (("links, flits a cycle", DIRECTIONS, 0), ("ports", ("injection", "ejection"), 4))
    for number, values in enumerate(recorded.bins):
        began = number * recorded.bin_cycles
        after = options.last_cycle is not None and began > options.last_cycle
        if after or began + recorded.bin_cycles <= options.first_cycle:
            continue
        for name, labels, first in series:
            rates = values[first : first + len(labels)] / recorded.bin_cycles
            events.append(
                {
                    "ph": "C",
                    "name": name,
                    "pid": MESH_PROCESS,
                    "ts": _microseconds(began, options),
                    "args": dict(zip(labels, rates.tolist(), strict=True)),
                }
            )
    return events


def _microseconds(cycles: int, options: TraceOptions) -> float:
    return cycles / options.clock_hz * 1e6
