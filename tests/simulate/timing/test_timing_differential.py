"""The compiled engine against the plain one, on random programs: every cycle is the same."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from timing_builder import Packet, Step, build, compute, mesh, send, wait
from timing_reference import Reference

from asic_compiler.simulate.timing.engine import simulate
from asic_compiler.simulate.timing.program import NO_GATE, Kind, TimingProgram, Unit
from asic_compiler.simulate.timing.result import (
    NEVER,
    Deadlock,
    Overrun,
    Recording,
    TimingResult,
)

DIRECTIONS = ("east", "west", "south", "north")


def packet(
    to: int | tuple[int, ...], flits: int, slower: tuple[int, ...], channel: int, gate: int
) -> Packet:
    return Packet(to, flits, tuple(flits + more for more in slower), channel, gate)


@st.composite
def programs(draw: st.DrawFn) -> TimingProgram:
    """Small meshes; some programs deadlock and some overrun."""
    width, height = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    sc = draw(st.sampled_from([(1, 1), (2, 1), (1, 2), (2, 2), (3, 2)]))
    tiles = width * height
    classes = draw(st.integers(1, 2))
    extra = st.integers(0, 3)
    grid = mesh(
        width, height, sc, hop=draw(st.integers(1, 4)), port=draw(st.integers(0, 2)),
        column_extra=[draw(extra) for _ in range(-(-width // sc[0]) - 1)],
        row_extra=[draw(extra) for _ in range(-(-height // sc[1]) - 1)],
        row_rate=[draw(st.integers(16, 70)) for _ in range(-(-height // sc[1]) - 1)],
        tile_class=[draw(st.integers(0, classes - 1)) for _ in range(tiles)],
        bits=[draw(st.sampled_from([(1, 1), (1, 2), (2, 3)])) for _ in range(classes)],
    )  # fmt: skip
    channels, gates = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    tile = st.integers(0, tiles - 1)
    target = st.one_of(tile, st.sets(tile, min_size=1).map(lambda s: tuple(sorted(s))))
    packets = draw(
        st.lists(
            st.builds(
                packet,
                to=target,
                flits=st.integers(1, 5),
                slower=st.tuples(*[st.integers(0, 3)] * classes),
                channel=st.integers(0, channels - 1),
                gate=st.integers(NO_GATE, gates - 1),
            ),
            min_size=1,
            max_size=6,
        )
    )
    last = len(packets) - 1
    streams = {t: draw(stream(last, gates)) for t in range(tiles) if draw(st.integers(0, 9))}
    return build(
        grid,
        packets,
        with_waits(draw, streams, packets, channels),
        [(draw(st.integers(0, 3)), draw(st.integers(0, 9)), draw(st.integers(0, 2)))
         for _ in range(gates)],
    )  # fmt: skip


@st.composite
def stream(draw: st.DrawFn, last: int, gates: int) -> list[Step]:
    cycles = st.integers(0, 12)
    far = st.sampled_from([4095, 5000, 17_000_000, 20_000_000])  # other windows of the queue
    operator = st.integers(0, 2)
    first = st.integers(0, last)
    kinds = [
        st.builds(Step, st.just(Kind.COMPUTE), st.one_of(cycles, far), st.integers(0, 20),
                  unit=st.sampled_from(Unit), operator=operator),
        st.builds(lambda c, o, a, b: Step(Kind.SEND, c, a, min(b, last + 1 - a), operator=o),
                  cycles, operator, first, st.integers(0, 3)),
        st.builds(lambda a, b: Step(Kind.WAIT_SENT, 0, a, min(b, last + 1 - a)),
                  first, st.integers(0, 3)),
    ]  # fmt: skip
    if gates:
        kinds.append(st.builds(Step, st.just(Kind.POST), cycles, st.integers(0, gates - 1)))
    return draw(st.lists(st.one_of(kinds), max_size=6))


def with_waits(
    draw: st.DrawFn, streams: dict[int, list[Step]], packets: list[Packet], channels: int
) -> dict[int, list[Step]]:
    """Adds waits, mostly for as many packets as come."""
    coming: dict[tuple[int, int], int] = {}
    for source, steps in streams.items():
        for step in steps:
            if step.kind == Kind.SEND:
                for sent in packets[step.a : step.a + step.b]:
                    for to in (sent.to,) if isinstance(sent.to, int) else sent.to:
                        if to != source:
                            place = (to, sent.channel)
                            coming[place] = coming.get(place, 0) + 1
    for tile, steps in streams.items():
        for channel in range(channels):
            count = coming.get((tile, channel), 0)
            if draw(st.booleans()):
                wrong = draw(st.integers(0, 15)) == 0
                wait = Step(Kind.WAIT, draw(st.integers(0, 2)), channel, max(0, count - wrong))
                steps.insert(draw(st.integers(0, len(steps))), wait)
    return streams


def check(program: TimingProgram, periods: int) -> TimingResult:
    tiles = program.mesh.tiles
    everything = Recording(np.arange(tiles, dtype=np.int32), bins=4)
    result, plain = simulate(program, periods, everything), Reference(program, periods)
    if plain.overrun is not None:
        assert result.failure == Overrun(*plain.overrun)
        return result
    for tile, me in enumerate(plain.tiles):
        assert [plain.busy[tile, unit] for unit in Unit] == result.busy[tile].tolist()
        assert plain.stall[tile, "data"] == result.stall_data[tile]
        assert plain.stall[tile, "send"] == result.stall_send[tile]
        assert plain.stall[tile, "dmem"] == result.stall_dmem[tile]
        assert me.eject_busy == result.eject_busy[tile]
        assert plain.eject_delay[tile] == result.eject_delay[tile]
        assert plain.inject_busy[tile] == result.inject_busy[tile]
        assert result.recorded is not None
        first, spans = int(result.recorded.first[tile]), result.recorded.spans
        for position in range(len(me.steps) * periods):
            expected = plain.spans.get((tile, position), [-1, -1])
            assert spans[first + position].tolist() == expected
    columns = program.mesh.router_columns
    for router in range(program.mesh.routers):
        for i, direction in enumerate(DIRECTIONS):
            link = (router % columns, router // columns, direction)
            assert plain.link_busy[link] == result.link_busy[router, i]
            assert plain.link_delay[link] == result.link_delay[router, i]
    for period in range(periods):
        for operator in range(program.operators):
            at = (period, operator)
            assert plain.starts.get(at, NEVER) == result.operator_start[at]
            assert plain.ends.get(at, -1) == result.operator_end[at]
    assert plain.end() == result.cycles
    assert plain.stuck() == stuck(result)
    total = result.busy.sum(axis=1) + result.stall_data + result.stall_send + result.stall_dmem
    assert (total + result.stall_blocked + result.idle == result.cycles).all()
    flits = [*result.link_busy.sum(axis=0), result.inject_busy.sum(), result.eject_busy.sum()]
    assert result.recorded is not None
    assert result.recorded.bins.sum(axis=0).tolist() == flits
    return result


def stuck(result: TimingResult) -> list[tuple[int, str, int]]:
    """Tile, what kind of thing waits, and for which channel or gate."""
    if result.failure is None:
        return []
    assert isinstance(result.failure, Deadlock)
    return [(b.tile, b.kind.name, max(b.channel, b.gate)) for b in result.failure.blocked]


@settings(max_examples=60, deadline=None)
@given(programs(), st.integers(1, 3))
def test_the_compiled_engine_agrees_with_the_plain_one(program: TimingProgram, periods: int):
    check(program, periods)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(3, 6), st.sampled_from([(1, 1), (2, 2)]), st.integers(1, 4), st.integers(1, 4),
    st.integers(0, 2), st.integers(1, 2),
)  # fmt: skip
def test_they_agree_when_much_happens_in_a_cycle(
    side: int, sc: tuple[int, int], count: int, flits: int, slower: int, periods: int
):
    """Buckets of many chunks. The ends of an empty bucket once looked like those of a full one."""
    tiles = side * side
    everyone = tuple(range(tiles))
    eject = flits + slower
    packets = [Packet(everyone, flits, eject) for _ in range(count)]
    packets += [Packet(tiles - 1 - t, flits, eject, channel=1) for t in range(tiles)]
    streams = {
        t: [
            send(0, count),
            send(count + t, 1 if tiles - 1 - t != t else 0),
            wait(0, count * (tiles - 1)),
            compute(20, 10),
            wait(1, 1 if tiles - 1 - t != t else 0),
        ]
        for t in everyone
    }
    result = check(build(mesh(side, side, sc, hop=2), packets, streams), periods)
    assert result.failure is None
    assert result.deliveries == periods * (count * tiles * (tiles - 1) + tiles - tiles % 2)


@settings(max_examples=10, deadline=None)
@given(programs(), st.integers(1, 3))
def test_the_same_arrays_give_the_same_bytes(program: TimingProgram, periods: int):
    everything = Recording(np.arange(program.mesh.tiles, dtype=np.int32), bins=2)
    assert repr(simulate(program, periods, everything)) == repr(
        simulate(program, periods, everything)
    )
