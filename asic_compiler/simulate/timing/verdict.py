"""Why a run stopped before its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from asic_compiler.simulate.timing.program import Kind
from asic_compiler.simulate.timing.result import Blocked, Deadlock, Overrun

if TYPE_CHECKING:
    from asic_compiler.simulate.timing.kernel.state import State


def find_deadlock(s: State) -> Deadlock | None:
    """What every tile that did not finish waits for, after the last event; None if all did."""
    from asic_compiler.simulate.timing.kernel import state as at

    blocked: list[Blocked] = []
    stuck = (s.core["phase"] != at.FINISHED) | (s.core["send_head"] >= 0)
    for tile in (int(t) for t in np.flatnonzero(stuck)):
        if s.core["phase"][tile] != at.FINISHED:
            blocked.append(_blocked_tile(s, tile))
        node = int(s.core["send_head"][tile])
        while node >= 0:
            blocked.append(_blocked_packet(s, tile, node))
            node = int(s.sends["next"][node])
    return Deadlock(tuple(blocked)) if blocked else None


def _blocked_tile(s: State, tile: int) -> Blocked:
    core = s.core[tile]
    code = s.code[core["pc"]]
    kind = Kind(int(code["kind"]))
    channel, need, have = -1, 0, 0
    if kind == Kind.WAIT:
        channel = int(core["a"])
        counter = s.counters[s.channel_base[channel] + tile]
        need = int(counter["expected"])
        have = need - int(counter["missing"])
    return Blocked(
        tile=tile,
        period=int(core["period"]),
        instruction=int(core["pc"] - s.site[tile]["first"]),
        operator=int(code["operator"]),
        kind=kind,
        channel=channel,
        gate=-1,
        packet=-1,
        have=have,
        need=need,
    )


def _blocked_packet(s: State, tile: int, node: int) -> Blocked:
    packet, period = int(s.sends[node]["packet"]), int(s.sends[node]["period"])
    gate = int(s.packets[packet]["gate"])
    number = period - int(s.gates[gate]["initial"])
    periods = int(s.queue.control["periods"][0])
    return Blocked(
        tile=tile,
        period=period,
        instruction=-1,
        operator=-1,
        kind=Kind.SEND,
        channel=-1,
        gate=gate,
        packet=packet,
        have=int(s.instances[gate * periods + number]["posts"]),
        need=int(s.gates[gate]["need"]),
    )


def find_overrun(s: State) -> Overrun:
    """Which channel ran ahead."""
    control = s.queue.control[0]
    return Overrun(int(control["fault_tile"]), int(control["fault_channel"]), int(control["now"]))
