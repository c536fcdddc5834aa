"""Traces are valid, bounded, and say what the run says."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from timing_builder import Packet, build, compute, i32, mesh, send, wait, wait_sent

from asic_compiler.simulate.timing.engine import simulate
from asic_compiler.simulate.timing.program import TimingProgram, Unit
from asic_compiler.simulate.timing.result import Recording, TimingResult
from asic_compiler.simulate.timing.trace import TraceOptions, chrome_trace

CLOCK_HZ = 2.0e9


def run(periods: int = 2) -> tuple[TimingProgram, TimingResult]:
    streams = {
        t: [
            compute(10 + t, unit=Unit.VECTOR),
            send(0, cycles=2),
            wait(0, 5, operator=1),
            compute(10, 25, operator=1),
            wait_sent(0, operator=1),
        ]
        for t in range(5)
    }
    program = build(mesh(3, 2), [Packet(tuple(range(6)), 4, 4)], streams | {5: [send(0)]})
    everything = Recording(np.arange(6, dtype=np.int32), bins=8)
    return program, simulate(program, periods, everything)


def loaded(options: TraceOptions, periods: int = 2) -> dict[str, Any]:
    return json.loads(chrome_trace(*run(periods), options))


def spans(trace: dict[str, Any]) -> list[dict[str, Any]]:
    return [event for event in trace["traceEvents"] if event["ph"] == "X"]


class TestTrace:
    def test_every_busy_and_stalled_cycle_is_shown_once(self):
        _, result = run()
        trace = loaded(TraceOptions(CLOCK_HZ))
        cycles = np.zeros((6, 4), np.int64)
        for event in spans(trace):
            cycles[divmod(event["tid"], 4)] += round(event["dur"] * CLOCK_HZ / 1e6)
        assert (cycles[:, :3] == result.busy).all()
        stalls = result.stall_data + result.stall_send + result.stall_dmem
        assert (cycles[:, 3] == stalls).all()
        assert stalls.min() >= 0 < stalls.max()

    def test_time_is_in_microseconds(self):
        _, result = run()
        last = max(event["ts"] + event["dur"] for event in spans(loaded(TraceOptions(CLOCK_HZ))))
        finish = result.cycles - int(result.idle.min())
        assert last == pytest.approx(finish / CLOCK_HZ * 1e6)

    def test_rows_are_processes_and_units_threads(self):
        trace = loaded(TraceOptions(CLOCK_HZ))
        names = {
            (event["pid"], event.get("tid")): event["args"]["name"]
            for event in trace["traceEvents"]
            if event["ph"] == "M"
        }
        assert names[2, 0] == "tiles of row 1"
        assert names[2, 4 * 4] == "tile (1, 1) tensor"
        assert names[1, 2 * 4 + 3] == "tile (2, 0) waits"
        assert {(event["pid"], event["tid"]) for event in spans(trace)} <= set(names)

    def test_operators_have_their_names_and_waits_their_reasons(self):
        found = {event["name"] for event in spans(loaded(TraceOptions(CLOCK_HZ, ["norm", "mm"])))}
        assert found == {"norm", "mm", "wait for data", "memory port"}

    def test_threads_never_do_two_things_at_once(self):
        busy: dict[tuple[int, int], float] = {}
        for event in sorted(spans(loaded(TraceOptions(CLOCK_HZ))), key=lambda e: e["ts"]):
            thread = (event["pid"], event["tid"])
            assert event["ts"] >= busy.get(thread, 0.0) - 1e-12
            busy[thread] = event["ts"] + event["dur"]

    def test_counters_add_up_to_the_flits_of_the_run(self):
        _, result = run()
        assert result.recorded is not None
        counters = [
            event for event in loaded(TraceOptions(CLOCK_HZ))["traceEvents"] if event["ph"] == "C"
        ]
        total: dict[str, float] = {}
        for event in counters:
            for name, rate in event["args"].items():
                total[name] = total.get(name, 0.0) + rate * result.recorded.bin_cycles
        flits = dict(
            zip(("east", "west", "south", "north"), result.link_busy.sum(axis=0), strict=True)
        )
        flits |= {"injection": result.inject_busy.sum(), "ejection": result.eject_busy.sum()}
        assert total == pytest.approx(flits)


class TestBounds:
    def test_tiles_that_do_not_fit_are_counted(self):
        trace = loaded(TraceOptions(CLOCK_HZ, max_instructions=25))
        other = trace["otherData"]
        assert {event["tid"] // 4 for event in spans(trace)} == {0, 1}
        assert (other["instructions"], other["instructions_of_tiles_left_out"]) == (20, 32)
        assert (other["tiles_left_out"], other["tiles_not_recorded"]) == (4, 0)

    def test_a_window_leaves_out_the_rest_and_says_so(self):
        _, result = run()
        whole = loaded(TraceOptions(CLOCK_HZ))["otherData"]["instructions"]
        middle = result.cycles // 2
        trace = loaded(TraceOptions(CLOCK_HZ, first_cycle=middle, last_cycle=middle + 5))
        other = trace["otherData"]
        assert 0 < other["instructions"] < whole
        assert other["instructions"] + other["instructions_outside_window"] == whole
        ends = [event["ts"] + event["dur"] for event in spans(trace)]
        assert all(event["ts"] <= (middle + 5) / CLOCK_HZ * 1e6 for event in spans(trace))
        assert max(ends) >= middle / CLOCK_HZ * 1e6

    def test_a_run_that_was_not_recorded_has_no_trace(self):
        program, _ = run()
        with pytest.raises(ValueError, match="not recorded"):
            chrome_trace(program, simulate(program), TraceOptions(CLOCK_HZ))
        with pytest.raises(ValueError, match="clock of 0"):
            chrome_trace(*run(), TraceOptions(0.0))

    def test_a_deadlock_shows_what_happened_before(self):
        program = build(mesh(2, 1), [], {0: [compute(5), wait(0, 1), compute(7)]})
        result = simulate(program, 1, Recording(i32([0])))
        (event,) = spans(json.loads(chrome_trace(program, result, TraceOptions(1e6))))
        assert (event["name"], event["ts"], event["dur"]) == ("operator 0", 0.0, 5.0)

    def test_the_same_run_gives_the_same_bytes(self):
        options = TraceOptions(CLOCK_HZ)
        assert chrome_trace(*run(), options) == chrome_trace(*run(), options)
