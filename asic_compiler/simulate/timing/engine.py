"""Runs a timing program. The rules of the machine are in ``program.py``.

One run is one thread. Full Llama 3.1 8B has 300 million traversals of links, and each is one event
of about 16 bytes in a queue that takes and gives events in constant time (``kernel/calendar.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asic_compiler.simulate.timing.prepare import prepare
from asic_compiler.simulate.timing.program import TimingProgram
from asic_compiler.simulate.timing.result import Failure, Recorded, Recording, TimingResult
from asic_compiler.simulate.timing.verdict import find_deadlock, find_overrun

if TYPE_CHECKING:
    from asic_compiler.simulate.timing.kernel.state import State

SLICE = 1 << 22
"""Events between two looks at the keyboard."""


def simulate(
    program: TimingProgram, periods: int = 1, recording: Recording | None = None
) -> TimingResult:
    """Runs a program for a number of periods.

    The first call in a new installation compiles the event loop, which takes some seconds.

    Args:
        program: A validated program; see ``TimingProgram.validate``.
        periods: How often every tile executes its text.
        recording: What to keep beside the sums.

    Raises:
        ValueError: ``periods`` is not positive, a recording names a tile twice or none that there
            is, or an event is more than 2^36 cycles away.
    """
    # Numba takes most of a second to import.
    from asic_compiler.simulate.timing.kernel import loop
    from asic_compiler.simulate.timing.kernel import state as at

    if periods < 1:
        raise ValueError(f"{periods} periods")
    state, spare = prepare(program, periods, recording)
    loop.start(state)
    while True:
        status = loop.advance(state, SLICE, spare.chunks, spare.sends)
        if status == at.GROW_CHUNKS:
            state = _grow_chunks(state)
        elif status == at.GROW_SENDS:
            state = _grow_sends(state)
        elif status != at.MORE:
            break
    if status == at.TOO_LONG:
        raise ValueError("an event is more than 2^36 cycles away")
    failure = find_overrun(state) if status == at.OVERRUN else find_deadlock(state)
    return _result(program, state, failure, recording)


def _grow_chunks(state: State) -> State:
    """Doubles the pool of events."""
    q = state.queue
    chunks = np.concatenate([q.chunks, q.chunks])
    _link(chunks, q.control, "free_chunk")
    events = np.concatenate([q.events, np.zeros_like(q.events)])
    times = np.concatenate([q.times, np.zeros_like(q.times)])
    return state._replace(queue=q._replace(chunks=chunks, events=events, times=times))


def _grow_sends(state: State) -> State:
    """Doubles the pool of SENDs that are under way."""
    sends = np.concatenate([state.sends, state.sends])
    _link(sends["next"], state.queue.control, "free_send")
    return state._replace(sends=sends)


def _link(following: NDArray[Any], control: NDArray[Any], free: str) -> None:
    """Puts the second half of a pool before the list of what is free."""
    old = len(following) // 2
    following[old:] = np.arange(old + 1, 2 * old + 1)
    following[-1] = control[free][0]
    control[free], control[f"{free}s"] = old, control[f"{free}s"] + old


def _result(
    program: TimingProgram, s: State, failure: Failure | None, recording: Recording | None
) -> TimingResult:
    from asic_compiler.simulate.timing.kernel import state as at

    control, core, eject = s.queue.control[0], s.core, s.eject
    finished = core["phase"] == at.FINISHED
    blocked = (core["phase"] == at.AWAIT_DATA) | (core["phase"] == at.AWAIT_SENT)
    arrived = eject["free"] + np.where(eject["busy"] > 0, program.mesh.port_cycles, 0)
    ends = (core["finish"], core["since"], core["port_free"], arrived)
    cycles = max(int(end.max()) for end in ends)
    unread = s.counters["unused"] > 0
    unread |= s.counters["missing"] != s.counters["expected"]
    return TimingResult(
        cycles=cycles,
        failure=failure,
        busy=s.busy,
        stall_data=core["stall_data"].copy(),
        stall_send=core["stall_send"].copy(),
        stall_dmem=core["stall_dmem"].copy(),
        stall_blocked=np.where(blocked, cycles - core["since"], 0),
        idle=np.where(finished, cycles - core["finish"], 0),
        dmem_compute=core["dmem"].copy(),
        dmem_arrivals=eject["busy"] * s.site["eject_bits"] // s.site["dmem_bits"],
        link_busy=s.links["busy"].reshape(-1, 4).copy(),
        link_delay=s.links["peak"].reshape(-1, 4).copy(),
        inject_busy=core["injected"].copy(),
        eject_busy=eject["busy"].copy(),
        eject_delay=eject["peak"].copy(),
        operator_start=s.spans[..., 0].copy(),
        operator_end=s.spans[..., 1].copy(),
        completions=s.spans[:, program.final_operator, 1].copy(),
        packets=int(control["sent"]),
        injected_bytes=int(control["sent_bytes"]),
        deliveries=int(control["ejected"]),
        ejected_bytes=int(control["ejected_bytes"]),
        # Every injection and every traversal brings one head to a router.
        traversals=int(control["heads"] - control["sent"]),
        flit_hops=int(s.links["busy"].sum()),
        instructions=int(control["instructions"]),
        unread=int(unread.sum()),
        recorded=None if recording is None else _recorded(s, recording),
    )


def _recorded(s: State, recording: Recording) -> Recorded:
    return Recorded(
        tiles=recording.tiles,
        first=s.site["log"][recording.tiles],
        spans=s.log,
        bin_cycles=int(s.queue.control["bin_cycles"][0]),
        bins=s.bins,
    )
