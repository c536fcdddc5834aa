"""The machine of ``simulate/timing/program.py`` once more, as plainly as Python allows.

One heap, dictionaries, no cleverness: it is the yardstick of the compiled engine and shares no
code with it. It reads the same arrays.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from asic_compiler.simulate.timing.program import Kind, TimingProgram

STEPS = {"east": (1, 0), "west": (-1, 0), "south": (0, 1), "north": (0, -1)}


class OverrunError(Exception):
    """A channel ran too far ahead of its reader."""


@dataclass(eq=False)
class Send:
    tile: int
    period: int
    packets: list[int]
    gated: bool = False


@dataclass(eq=False)
class Tile:
    steps: list[tuple[int, ...]]  # kind, unit, operator, cycles, a, b
    position: int = 0  # over all periods
    began: int = 0
    since: int = 0
    arrived_before: int = 0
    waits_for: str = ""
    finish: int | None = None
    sends: list[Send] = field(default_factory=list)
    sending: Send | None = None
    port_free: int = 0
    eject_free: int = 0
    eject_busy: int = 0


class Reference:
    """Runs a program; the outcome is in the attributes."""

    def __init__(self, program: TimingProgram, periods: int) -> None:
        self.program, self.mesh, self.periods = program, program.mesh, periods
        self.heap: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self.number = count()
        self.now = 0
        self.tiles = [Tile(self.steps_of(t)) for t in range(self.mesh.tiles)]
        self.link_free: defaultdict[tuple[int, int, str], int] = defaultdict(int)
        self.link_busy: defaultdict[tuple[int, int, str], int] = defaultdict(int)
        self.link_delay: defaultdict[tuple[int, int, str], int] = defaultdict(int)
        self.eject_delay: defaultdict[int, int] = defaultdict(int)
        self.inject_busy: defaultdict[int, int] = defaultdict(int)
        self.arrivals: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        self.read: defaultdict[tuple[int, int], int] = defaultdict(int)
        self.posts: defaultdict[tuple[int, int], int] = defaultdict(int)
        self.open: dict[tuple[int, int], bool] = {}
        self.behind: defaultdict[tuple[int, int], list[Send]] = defaultdict(list)
        self.busy: defaultdict[tuple[int, int], int] = defaultdict(int)
        self.stall: defaultdict[tuple[int, str], int] = defaultdict(int)
        self.spans: dict[tuple[int, int], list[int]] = {}
        self.starts: dict[tuple[int, int], int] = {}
        self.ends: dict[tuple[int, int], int] = {}
        self.expected = {
            (tile, a): b
            for tile in range(self.mesh.tiles)
            for kind, _, _, _, a, b in self.tiles[tile].steps
            if kind == Kind.WAIT
        }
        self.overrun: tuple[int, int, int] | None = None
        with suppress(OverrunError):
            self.run()

    def steps_of(self, tile: int) -> list[tuple[int, ...]]:
        texts, text = self.program.texts, int(self.program.text_of_tile[tile])
        if text < 0:
            return []
        rank = int(self.program.rank_of_tile[tile])
        steps: list[tuple[int, ...]] = []
        for i in range(int(texts.start[text]), int(texts.start[text + 1])):
            operands = [
                int(constant[i])
                if texts.row[i, c] < 0
                else int(texts.table[texts.row[i, c] + rank])
                for c, constant in enumerate((texts.cycles, texts.a, texts.b))
            ]
            steps.append(
                (int(texts.kind[i]), int(texts.unit[i]), int(texts.operator[i]), *operands)
            )
        return steps

    def at(self, time: int, call: Callable[..., None], *what: object) -> None:
        heapq.heappush(self.heap, (time, next(self.number), call, what))

    def run(self) -> None:
        for tile in range(self.mesh.tiles):
            if self.program.text_of_tile[tile] >= 0:
                self.at(0, self.begin, tile)
            else:
                self.tiles[tile].finish = 0
        while self.heap:
            self.now, _, call, what = heapq.heappop(self.heap)
            call(*what)

    # Tiles

    def step(self, tile: int) -> tuple[int, ...]:
        steps = self.tiles[tile].steps
        return steps[self.tiles[tile].position % len(steps)]

    def period(self, tile: int) -> int:
        return self.tiles[tile].position // len(self.tiles[tile].steps)

    def begin(self, tile: int) -> None:
        me = self.tiles[tile]
        if me.position == len(me.steps) * self.periods:
            me.finish = self.now
            return
        _, unit, operator, cycles, _, _ = self.step(tile)
        self.busy[tile, unit] += cycles
        me.began = self.now
        me.arrived_before = self.port_taken(tile)
        key = (self.period(tile), operator)
        self.starts[key] = min(self.starts.get(key, self.now), self.now)
        self.then(self.now + cycles, self.act, tile)

    def then(self, time: int, call: Callable[[int], None], tile: int) -> None:
        """What takes no time happens at once, not as another event."""
        if time > self.now:
            self.at(time, call, tile)
        else:
            call(tile)

    def act(self, tile: int) -> None:
        me, (kind, _, _, _, a, b) = self.tiles[tile], self.step(tile)
        period = self.period(tile)
        if kind == Kind.COMPUTE:
            excess = a + self.port_taken(tile) - me.arrived_before - (self.now - me.began)
            if excess > 0:
                self.stall[tile, "dmem"] += excess
                self.at(self.now + excess, self.act, tile)
                return
        elif kind == Kind.POST:
            self.posts[a, period] += 1
            if self.posts[a, period] == self.program.gates.need[a]:
                self.at(
                    self.now + int(self.program.gates.credit_cycles[a]), self.open_gate, a, period
                )
        elif kind == Kind.SEND:
            if b > 0:
                me.sends.append(Send(tile, period, list(range(a, a + b))))
                if me.sending is None:
                    self.inject(tile)
        elif kind == Kind.WAIT:
            came = self.arrivals[tile, a]
            if len(came) < b * (period + 1):
                me.waits_for, me.since = "data", self.now
                return
            self.read[tile, a] += b
            end = max([self.now, *came[: b * (period + 1)]])
            self.stall[tile, "data"] += end - self.now
            self.then(end, self.retire, tile)
            return
        elif self.unsent(tile):
            me.waits_for, me.since = "send", self.now
            return
        self.retire(tile)

    def retire(self, tile: int) -> None:
        me = self.tiles[tile]
        key = (self.period(tile), self.step(tile)[2])
        self.ends[key] = max(self.ends.get(key, 0), self.now)
        self.spans[tile, me.position] = [me.began, self.now]
        me.position += 1
        self.begin(tile)

    def resume(self, tile: int, time: int) -> None:
        me = self.tiles[tile]
        self.stall[tile, me.waits_for] += time - me.since
        me.waits_for = ""
        self.at(time, self.retire, tile)

    def port_taken(self, tile: int) -> int:
        me, mesh = self.tiles[tile], self.mesh
        busy = me.eject_busy - max(0, me.eject_free - self.now)
        kind = mesh.tile_class[tile]
        return busy * int(mesh.eject_bits[kind]) // int(mesh.dmem_bits[kind])

    def unsent(self, tile: int) -> bool:
        _, _, _, _, a, b = self.step(tile)
        return any(
            a <= packet < a + b for send in self.tiles[tile].sends for packet in send.packets
        )

    # Ports and gates

    def passes(self, send: Send) -> bool:
        gates, gate = self.program.gates, int(self.program.packets.gate[send.packets[0]])
        if gate < 0 or gates.need[gate] == 0 or send.period < gates.initial[gate]:
            return True
        key = (gate, send.period - int(gates.initial[gate]))
        if self.open.get(key):
            return True
        send.gated = True
        self.behind[key].append(send)
        return False

    def open_gate(self, gate: int, period: int) -> None:
        self.open[gate, period] = True
        for send in self.behind.pop((gate, period), []):
            send.gated = False
            if self.tiles[send.tile].sending is None:
                self.inject(send.tile)

    def inject(self, tile: int) -> None:
        me = self.tiles[tile]
        for send in me.sends:
            if not send.gated and self.passes(send):
                packet = send.packets[0]
                flits = int(self.program.packets.flits[packet])
                me.sending = send
                me.port_free = self.now + flits
                self.inject_busy[tile] += flits
                x, y = tile % self.mesh.width, tile // self.mesh.width
                place = (x // self.mesh.sc_x, y // self.mesh.sc_y)
                self.at(self.now + self.mesh.port_cycles, self.head, packet, tile, place, None)
                self.at(self.now + flits, self.port_is_free, tile)
                return

    def port_is_free(self, tile: int) -> None:
        me = self.tiles[tile]
        assert me.sending is not None
        me.sending.packets.pop(0)
        if not me.sending.packets:
            me.sends.remove(me.sending)
        me.sending = None
        if me.waits_for == "send" and not self.unsent(tile):
            self.resume(tile, self.now)
        self.inject(tile)

    # Routers

    def targets(self, packet: int, source: int) -> list[int]:
        target, sets = int(self.program.packets.target[packet]), self.program.targets
        if target < 0:
            return [-1 - target]
        return [int(t) for t in sets.tiles[sets.start[target] : sets.start[target + 1]]]

    def head(self, packet: int, source: int, place: tuple[int, int], came: str | None) -> None:
        x, y = place
        mesh = self.mesh
        goals: list[tuple[int, int]] = []
        for tile in self.targets(packet, source):
            goal = (tile % mesh.width // mesh.sc_x, tile // mesh.width // mesh.sc_y)
            goals.append(goal)
            if goal == place and tile != source:
                self.eject(packet, tile)
        here = [goal_y for goal_x, goal_y in goals if goal_x == x]
        wanted = {
            "east": came in (None, "east") and any(goal_x > x for goal_x, _ in goals),
            "west": came in (None, "west") and any(goal_x < x for goal_x, _ in goals),
            "south": came != "north" and any(goal_y > y for goal_y in here),
            "north": came != "south" and any(goal_y < y for goal_y in here),
        }
        for direction, (dx, dy) in STEPS.items():
            if wanted[direction]:
                link = (x, y, direction)
                flits = int(self.program.packets.flits[packet])
                start = max(self.now, self.link_free[link])
                rate = 16 if dx else int(mesh.row_rate[min(y, y + dy)])
                self.link_free[link] = start + -(-flits * rate // 16)
                self.link_busy[link] += flits
                self.link_delay[link] = max(self.link_delay[link], start - self.now)
                extra = mesh.column_extra[min(x, x + dx)] if dx else mesh.row_extra[min(y, y + dy)]
                after = (x + dx, y + dy)
                hop = mesh.hop_cycles + int(extra)
                self.at(start + hop, self.head, packet, source, after, direction)

    def eject(self, packet: int, tile: int) -> None:
        me = self.tiles[tile]
        cycles = int(self.program.packets.eject_cycles[packet, self.mesh.tile_class[tile]])
        start = max(self.now, me.eject_free)
        me.eject_free = start + cycles
        me.eject_busy += cycles
        self.eject_delay[tile] = max(self.eject_delay[tile], start - self.now)
        channel = int(self.program.packets.channel[packet])
        came = self.arrivals[tile, channel]
        came.append(start + cycles + self.mesh.port_cycles)
        expected = self.expected.get((tile, channel), 0)
        if expected and len(came) % expected == 0:
            if me.waits_for == "data" and self.step(tile)[4] == channel:
                self.read[tile, channel] += expected
                self.resume(tile, came[-1])
            ahead = (len(came) - self.read[tile, channel]) // expected
            if ahead > self.program.remembered(self.periods):
                self.overrun = (tile, channel, self.now)
                raise OverrunError

    # The outcome

    def end(self) -> int:
        """Last cycle in which anything happens to a tile or a flit."""
        ends: list[int] = []
        for me in self.tiles:
            arrived = me.eject_free + self.mesh.port_cycles if me.eject_busy else 0
            ends += [me.finish or 0, me.since, me.port_free, arrived]
        return max(ends)

    def stuck(self) -> list[tuple[int, str, int]]:
        """Tile, what kind of thing waits, and for which channel or gate."""
        found: list[tuple[int, str, int]] = []
        for tile, me in enumerate(self.tiles):
            if me.finish is None:
                kind = Kind(self.step(tile)[0])
                found.append((tile, kind.name, self.step(tile)[4] if kind == Kind.WAIT else -1))
            for send in me.sends:
                gate = int(self.program.packets.gate[send.packets[0]])
                found.append((tile, "SEND", gate))
        return found
