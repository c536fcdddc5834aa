"""Programs of the ``tcc`` dialect in time: what one step takes, and why."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from asic_compiler.diagnostics import SourceLocation, UserError, one_line
from asic_compiler.dialects import asic, tcc
from asic_compiler.dialects.location import location_of
from asic_compiler.simulate.timing.engine import simulate
from asic_compiler.simulate.timing.link.linker import Linked, link
from asic_compiler.simulate.timing.program import Int32s, Int64s, Kind
from asic_compiler.simulate.timing.result import (
    Blocked,
    Overrun,
    Recording,
    TimingResult,
)
from asic_compiler.simulate.timing.validation import validate

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp

    from asic_compiler.program.elaborate import Elaboration

TRACE_BINS = 256
_MOVES = (tcc.ReceiveOp, tcc.SendOp, tcc.MulticastOp, tcc.WaitOp, tcc.ReduceOp)
UNITS = ("tensor unit", "vector unit", "front end")


@dataclass(frozen=True)
class Stop:
    """Why a tile, or a packet, did not go on, in terms of the program."""

    location: SourceLocation | None
    text: str

    def __str__(self) -> str:
        return self.text if self.location is None else f"{self.location}: {self.text}"


@dataclass(frozen=True, eq=False)
class TimingReport:
    """Outcome of a run over some periods."""

    linked: Linked
    result: TimingResult
    clock_hz: float
    periods: int
    stages: tuple[int, ...]
    """Stage of each program."""

    @property
    def completions(self) -> Int64s:
        """[periods] End of the last operator of each period, in cycles."""
        return self.result.operator_end.max(axis=1)

    @property
    def latency_cycles(self) -> int:
        """From the start to the end of the first period."""
        return int(self.completions[0])

    @property
    def latency_s(self) -> float:
        """Seconds of one step through all stages."""
        return self.latency_cycles / self.clock_hz

    @property
    def period_cycles(self) -> float:
        """Distance of completions, over the second half of the periods.

        With one period it is the latency; with stages, take several periods more than there are.
        """
        done = self.completions
        if self.periods == 1:
            return float(done[0])
        half = (self.periods - 1) // 2
        return float(done[-1] - done[half]) / (self.periods - 1 - half)

    @property
    def stage_cycles(self) -> Int64s:
        """[stages] Of the first period: from the first start to the last end on a stage's tiles."""
        spans = np.zeros(max(self.stages, default=0) + 1, dtype=np.int64)
        first, last = self.result.operator_start[0], self.result.operator_end[0]
        for stage in range(len(spans)):
            own = [
                op.position
                for number, origin in zip(self.stages, self.linked.origin, strict=True)
                if number == stage
                for op in origin
            ]
            if own:
                chosen = np.unique(own)
                chosen = chosen[last[chosen] >= 0]
                spans[stage] = last[chosen].max() - first[chosen].min() if len(chosen) else 0
        return spans

    @property
    def utilisation(self) -> np.ndarray:
        """[tiles, 3] Share of all cycles that the units of ``Unit`` are busy."""
        return self.result.busy / max(self.result.cycles, 1)

    @property
    def link_utilisation(self) -> np.ndarray:
        """[routers, 4] Share of all cycles that each link is busy."""
        return self.result.link_busy / max(self.result.cycles, 1)

    def stalls(self) -> dict[str, float]:
        """Average share of the cycles of a tile that has a program, by reason."""
        r = self.result
        own = self.linked.program.text_of_tile >= 0
        total = max(r.cycles, 1) * max(int(own.sum()), 1)
        named = {
            "waiting for data": r.stall_data,
            "waiting to send": r.stall_send,
            "waiting for the DMEM port": r.stall_dmem,
            "blocked": r.stall_blocked,
            "finished": r.idle,
        }
        busy = {name: r.busy[:, i] for i, name in enumerate(UNITS)}
        return {name: float(v[own].sum()) / total for name, v in (busy | named).items()}

    def stops(self) -> tuple[Stop, ...]:
        """Of a run that did not come to its end, what stands where; otherwise nothing."""
        failure = self.result.failure
        if failure is None:
            return ()
        if isinstance(failure, Overrun):
            name = _named(self.linked.channels, failure.channel)
            text = (
                f"tile {self._place(failure.tile)}: {name} overwrites buffers in cycle"
                f" {failure.cycle}"
            )
            return (Stop(None, text),)
        return tuple(self._stop(blocked) for blocked in failure.blocked)

    def _stop(self, blocked: Blocked) -> Stop:
        where = f"tile {self._place(blocked.tile)}, period {blocked.period}"
        if blocked.kind == Kind.SEND:
            name = _named(self.linked.gates, blocked.gate)
            text = f"a packet of {name}: {blocked.have} of {blocked.need} receivers are ready"
            return Stop(None, f"{where}: {text}")
        text_number = int(self.linked.program.text_of_tile[blocked.tile])
        op = self.linked.origin[text_number][blocked.instruction]
        what = "packets that have not left"
        if blocked.kind == Kind.WAIT:
            name = _named(self.linked.channels, blocked.channel)
            what = f"{blocked.have} of {blocked.need} packets of {name}"
        return Stop(location_of(op), f"{where}: {op.name} of operator {op.position}: {what}")

    def _place(self, tile: int) -> str:
        width = self.linked.machine.mesh.width
        return f"({tile % width}, {tile // width})"

    def table(self) -> str:
        """What people read."""
        r = self.result
        lines = [
            f"latency    {self.latency_cycles:>12,} cycles  {self.latency_s * 1e6:,.1f} us",
            f"period     {self.period_cycles:>12,.0f} cycles  of {self.periods} periods",
            f"packets    {r.packets:>12,} sent     {r.deliveries:,} arrived",
            f"links      {self.link_utilisation.max(initial=0.0):>12.1%} of the busiest",
        ]
        lines += [f"{share:>7.1%} {name}" for name, share in self.stalls().items() if share > 0]
        return "\n".join([*lines, *(one_line(str(stop)) for stop in self.stops())]) + "\n"


def _named(blocks: tuple[tuple[int, str], ...], number: int) -> str:
    at = bisect_right([first for first, _ in blocks], number) - 1
    return blocks[at][1] if at >= 0 else f"number {number}"


def simulate_timing(
    module: ModuleOp,
    periods: int = 2,
    record: Recording | None = None,
    elaboration: Elaboration | None = None,
) -> TimingReport:
    """Runs a module of programs cycle by cycle.

    A run that deadlocks comes back as well: see ``TimingReport.stops``.

    Args:
        module: Verified ``tcc`` programs with a chip.
        periods: Micro-batches, one after another.
        record: Tiles whose instructions are kept, and bins of the time series of links.
        elaboration: Of the module, if it is there already.

    Raises:
        UserError: The module has no chip, or its programs cannot be elaborated.
        ValueError: ``periods`` is not positive, or ``record`` is wrong.
    """
    linked = link(module, elaboration)
    _require_valid(linked)
    result = simulate(linked.program, periods, record)
    return report_of(linked, result, periods)


def _require_valid(linked: Linked) -> None:
    """Raises UserError where chip and programs make no machine that can be timed."""
    try:
        validate(linked.program)
    except ValueError as error:
        where = location_of(linked.elaboration.module)
        raise UserError(f"the programs cannot be timed: {error}", where) from error


def report_of(linked: Linked, result: TimingResult, periods: int) -> TimingReport:
    """The report of a run."""
    stages = tuple(p.op.stage.value.data for p in linked.elaboration.programs)
    return TimingReport(linked, result, clock_of(linked), periods, stages)


def module_trace(module: ModuleOp, periods: int = 1) -> str:
    """Simulates a module, and writes what its tiles did for Perfetto.

    Raises:
        UserError: The programs do not come to their end, or the module has no chip.
    """
    from asic_compiler.simulate.timing.trace import TraceOptions, chrome_trace

    linked = link(module)
    _require_valid(linked)
    options = TraceOptions(clock_of(linked), operator_names(linked))
    tiles = tiles_to_show(linked, periods, options.max_instructions)
    result = simulate(linked.program, periods, Recording(tiles, TRACE_BINS))
    require_end(report_of(linked, result, periods))
    return chrome_trace(linked.program, result, options)


def operator_names(linked: Linked) -> list[str]:
    """Of each operator its number and what does its work."""
    names = [""] * linked.program.operators
    for origin in linked.origin:
        for op in origin:
            if not isinstance(op, _MOVES):
                names[op.position] = names[op.position] or f"{op.position} {op.name}"
    return [name or str(number) for number, name in enumerate(names)]


def tiles_to_show(linked: Linked, periods: int, most: int) -> Int32s:
    """All tiles that have a program, or so many of them, evenly apart, as a trace may show."""
    program = linked.program
    tiles = np.flatnonzero(program.text_of_tile >= 0)
    lengths = np.diff(program.texts.start)[program.text_of_tile[tiles]]
    longest = max(int(lengths.max(initial=1)) * periods, 1)
    count = max(min(len(tiles), most // longest), 1)
    chosen = np.linspace(0, max(len(tiles) - 1, 0), count).round().astype(np.int64)
    return tiles[np.unique(chosen)].astype(np.int32) if len(tiles) else tiles.astype(np.int32)


def clock_of(linked: Linked) -> float:
    """Hertz, as the chip says."""
    chip = linked.elaboration.module.attributes[asic.CHIP]
    assert isinstance(chip, asic.ChipAttr)
    return chip.clock_hz.data


def require_end(report: TimingReport) -> None:
    """Raises UserError where a run did not come to its end."""
    stops = report.stops()
    if stops:
        placed = next((stop.location for stop in stops if stop.location is not None), None)
        raise UserError(
            "the programs do not come to their end", placed, [str(stop) for stop in stops[:4]]
        )
