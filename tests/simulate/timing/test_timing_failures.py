"""Deadlocks and overruns with the right culprits, and programs that are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from timing_builder import Packet, build, compute, i32, mesh, post, send, wait, wait_sent

from asic_compiler.simulate.timing.engine import simulate
from asic_compiler.simulate.timing.program import Kind, TimingProgram
from asic_compiler.simulate.timing.result import Blocked, Deadlock, Overrun
from asic_compiler.simulate.timing.validation import validate


def deadlock(program: TimingProgram, periods: int = 1) -> tuple[Blocked, ...]:
    failure = simulate(program, periods).failure
    assert isinstance(failure, Deadlock)
    return failure.blocked


class TestDeadlock:
    def test_a_packet_that_nobody_sends(self):
        streams = {0: [send(0)], 1: [compute(3), wait(0, 3, operator=1)]}
        (blocked,) = deadlock(build(mesh(2, 1), [Packet(1)], streams))
        assert (blocked.tile, blocked.kind, blocked.instruction) == (1, Kind.WAIT, 1)
        assert (blocked.channel, blocked.have, blocked.need, blocked.operator) == (0, 1, 3, 1)
        assert str(blocked) == "tile 1, period 0, WAIT waits for channel 0: 1 of 3 packets"

    def test_two_tiles_that_wait_for_each_other(self):
        packets = [Packet(1, channel=0), Packet(0, channel=1)]
        streams = {
            0: [wait(1, 1), send(0)],
            1: [wait(0, 1), send(1)],
            2: [compute(100)],
        }
        blocked = deadlock(build(mesh(3, 1), packets, streams))
        assert [(b.tile, b.channel) for b in blocked] == [(0, 1), (1, 0)]

    def test_a_gate_that_lacks_a_credit(self):
        streams = {0: [send(0), wait_sent(0)], 1: [post(0), wait(0, 1)]}
        blocked = deadlock(build(mesh(2, 1), [Packet(1, gate=0)], streams, gates=[(2, 0, 0)]))
        assert [str(b) for b in blocked] == [
            "tile 0, period 0, WAIT_SENT waits for packets that have not left",
            "tile 0, period 0, SEND waits for gate 0 before packet 0: 1 of 2 posts",
            "tile 1, period 0, WAIT waits for channel 0: 0 of 1 packets",
        ]

    def test_a_packet_that_is_left_behind_by_a_finished_tile(self):
        streams = {0: [send(0)]}
        (blocked,) = deadlock(build(mesh(2, 1), [Packet(1, gate=0)], streams, gates=[(1, 0, 0)]))
        assert (blocked.kind, blocked.gate, blocked.packet) == (Kind.SEND, 0, 0)

    def test_the_period_in_which_it_happens(self):
        # The gate has two buffers and gets no credit back: the third period blocks.
        streams = {0: [send(0), wait_sent(0)]}
        program = build(mesh(2, 1), [Packet(1, gate=0)], streams, gates=[(1, 0, 2)])
        assert simulate(program, 2).failure is None
        assert [b.period for b in deadlock(program, 4)] == [2, 2]

    def test_the_credits_that_have_come_are_those_of_the_instance(self):
        # In period 1 the packet needs instance 0 of the gate, which has one post of two; instance 1
        # has none, as tile 1 waits in period 0.
        streams = {0: [send(0), wait_sent(0)], 1: [post(0), wait(1, 1)]}
        program = build(mesh(2, 1), [Packet(1, gate=0)], streams, gates=[(2, 0, 1)])
        packet = next(b for b in deadlock(program, 2) if b.kind == Kind.SEND)
        assert (packet.period, packet.have, packet.need) == (1, 1, 2)

    def test_time_in_a_wait_that_never_ends_is_told_apart(self):
        streams = {0: [compute(50)], 1: [compute(20), wait(0, 1)]}
        result = simulate(build(mesh(2, 1), [], streams))
        assert (result.cycles, result.stall_blocked.tolist()) == (50, [0, 30])
        assert result.idle.tolist() == [0, 0]


class TestOverrun:
    def test_a_sender_without_credits(self):
        """Three whole counts arrive while the reader is busy; two are remembered."""
        streams = {0: [send(0)], 1: [compute(100), wait(0, 1)]}
        program = build(mesh(2, 1, hop=1), [Packet(1, 2, 2)], streams)
        assert simulate(program, 2).failure is None
        assert simulate(program, 3).failure == Overrun(tile=1, channel=0, cycle=4 + 1)

    def test_the_first_tile_of_a_router_is_named(self):
        streams = {4: [send(0)], 0: [compute(100), wait(0, 1)], 1: [compute(100), wait(0, 1)]}
        program = build(mesh(3, 2, (2, 1)), [Packet((0, 1))], streams)
        failure = simulate(program, 3).failure
        assert isinstance(failure, Overrun)
        assert failure.tile == 0

    def test_a_gate_with_more_buffers_lets_more_be_remembered(self):
        streams = {0: [send(0)], 1: [compute(100), wait(0, 1), post(0)]}
        program = build(mesh(2, 1), [Packet(1, gate=0)], streams, gates=[(1, 0, 3)])
        assert simulate(program, 8).failure is None


def valid() -> TimingProgram:
    streams = {
        t: [post(0), compute(2 + t), send(0), wait(0, 5), wait_sent(0), send(1 + t)]
        for t in range(6)
    }
    packets = [Packet(tuple(range(6)), gate=0), *(Packet((t + 1) % 6, channel=1) for t in range(6))]
    return build(mesh(3, 2), packets, streams, gates=[(6, 5, 0)])


def changed(part: str, column: str, at: int | tuple[int, ...], value: int) -> TimingProgram:
    """The valid program with one number changed."""
    program = valid()
    owner = getattr(program, part) if part else program
    values = getattr(owner, column).copy()
    values[at] = value
    owner = replace(owner, **{column: values})
    return replace(program, **{part: owner}) if part else owner


WRONG: list[tuple[str, Callable[[], TimingProgram]]] = [
    (r"packets.flits\[0\] is 0", lambda: changed("packets", "flits", 0, 0)),
    (r"packets.channel\[2\] is 2, not in \[0, 2\)", lambda: changed("packets", "channel", 2, 2)),
    (r"packets.gate\[1\] is 1", lambda: changed("packets", "gate", 1, 1)),
    (r"packets.target\[0\] is 1", lambda: changed("packets", "target", 0, 1)),
    (r"packets.target\[0\] is -7", lambda: changed("packets", "target", 0, -7)),
    (r"eject_cycles\[3\]: less than its", lambda: changed("packets", "eject_cycles", (3, 0), 0)),
    (r"targets.tiles\[5\] is 6", lambda: changed("targets", "tiles", 5, 6)),
    (r"targets.tiles\[5\] does not asc", lambda: changed("targets", "tiles", 5, 4)),
    (r"targets.start does not rise", lambda: changed("targets", "start", 1, 5)),
    (r"gates.credit_cycles\[0\] is -1", lambda: changed("gates", "credit_cycles", 0, -1)),
    (r"texts.kind\[2\] is 5", lambda: changed("texts", "kind", 2, 5)),
    (r"texts.unit\[2\] is 3", lambda: changed("texts", "unit", 2, 3)),
    (r"texts.operator\[0\] is 1", lambda: changed("texts", "operator", 0, 1)),
    (r"instruction 0: gate\[0\] is 1", lambda: changed("texts", "a", 0, 1)),
    (r"instruction 1: cycles\[4\] is -3", lambda: changed("texts", "table", 4, -3)),
    (r"instruction 2: end of packets\[0\] is 8", lambda: changed("texts", "b", 2, 8)),
    (r"instruction 3: channel\[0\] is 2", lambda: changed("texts", "a", 3, 2)),
    (r"instruction 3: count\[0\] is -1", lambda: changed("texts", "b", 3, -1)),
    (r"instruction 5: end of packets\[5\] is 8", lambda: changed("texts", "table", 11, 7)),
    (r"texts.row reads behind the end", lambda: changed("texts", "row", (1, 0), 7)),
    (r"texts.start does not rise", lambda: changed("texts", "start", 1, 5)),
    (r"text_of_tile\[0\] is 1", lambda: changed("", "text_of_tile", 0, 1)),
    (r"rank_of_tile does not number", lambda: changed("", "rank_of_tile", 0, 1)),
    (r"mesh.tile_class\[0\] is 1", lambda: changed("mesh", "tile_class", 0, 1)),
    (r"mesh.row_rate\[0\] is 15", lambda: changed("mesh", "row_rate", 0, 15)),
    (r"mesh.column_extra\[1\] is -1", lambda: changed("mesh", "column_extra", 1, -1)),
    (r"delivers more than the memory", lambda: changed("mesh", "dmem_bits", 0, 64)),
    (r"final_operator 1 of 1", lambda: replace(valid(), final_operator=1)),
    (r"mesh.hop_cycles is 0", lambda: replace(valid(), mesh=replace(valid().mesh, hop_cycles=0))),
    (
        r"packets.flits is int64, not int32",
        lambda: replace(valid(), packets=replace(valid().packets, flits=np.ones(7, np.int64))),
    ),
    (
        r"gates.initial has shape \(2,\), not \(1,\)",
        lambda: replace(valid(), gates=replace(valid().gates, initial=i32([0, 0]))),
    ),
]


class TestValidation:
    def test_the_program_that_the_others_change_is_valid(self):
        assert simulate(valid()).failure is None

    @pytest.mark.parametrize(("message", "program"), WRONG, ids=[w for w, _ in WRONG])
    def test_a_wrong_program_is_refused(self, message: str, program: Callable[[], TimingProgram]):
        with pytest.raises(ValueError, match=message):
            validate(program())

    def test_a_tile_waits_for_a_channel_once(self):
        with pytest.raises(ValueError, match="text 0 waits twice for channel 0"):
            build(mesh(2, 1), [Packet(1)], {1: [wait(0, 1), compute(1), wait(0, 1)]})

    def test_also_where_the_channel_differs_from_tile_to_tile(self):
        streams = {t: [wait(t, 1), wait(1, 1)] for t in range(2)}
        with pytest.raises(ValueError, match="text 0 waits twice for channel 1"):
            build(mesh(2, 1), [Packet(1)], streams)
