"""Closed forms and laws of the timing engine, independent of any reference."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timing_builder import Packet, Step, build, compute, i32, mesh, post, send, wait, wait_sent

from asic_compiler.simulate.timing.engine import _grow_chunks, _grow_sends, simulate
from asic_compiler.simulate.timing.prepare import prepare
from asic_compiler.simulate.timing.program import Kind, Unit
from asic_compiler.simulate.timing.result import Recording, instruction_spans, operator_spans


def distance(width: int, a: int, b: int, sc: tuple[int, int] = (1, 1)) -> int:
    dx = abs(a % width // sc[0] - b % width // sc[0])
    return dx + abs(a // width // sc[1] - b // width // sc[1])


sizes = st.integers(1, 9)
small = st.integers(1, 20)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[int, int, int, int]:
    width, height = draw(st.integers(1, 9)), draw(st.integers(2, 9))
    tile = st.integers(0, width * height - 1)
    source, target = draw(st.lists(tile, min_size=2, max_size=2, unique=True))
    return width, height, source, target


class TestOnePacket:
    @settings(max_examples=40)
    @given(pairs(), small, small, sizes, st.integers(0, 5), st.sampled_from([(1, 1), (2, 3)]))
    def test_zero_load_latency(
        self, pair: tuple[int, ...], hop: int, flits: int, slower: int, port: int,
        sc: tuple[int, int],
    ):  # fmt: skip
        width, height, source, target = pair
        eject = flits + slower
        grid = mesh(width, height, sc, hop=hop, port=port)
        streams = {source: [send(0)], target: [wait(0, 1)]}
        result = simulate(build(grid, [Packet(target, flits, eject)], streams))
        hops = distance(width, source, target, sc)
        assert result.stall_data[target] == port + hops * hop + eject + port
        assert result.traversals == hops
        assert result.flit_hops == hops * flits

    @settings(max_examples=40)
    @given(pairs(), small, small)
    def test_more_cycles_a_hop_are_never_faster(self, pair: tuple[int, ...], hop: int, more: int):
        width, height, source, target = pair
        streams = {source: [send(0)], target: [wait(0, 1)]}
        near, far = (
            simulate(build(mesh(width, height, hop=h), [Packet(target)], streams)).cycles
            for h in (hop, hop + more)
        )
        assert far - near == more * distance(width, source, target)

    def test_a_die_border_costs_its_cycles_in_both_directions(self):
        grid = mesh(4, 3, hop=2, column_extra=[0, 7, 0], row_extra=[5, 0])
        for source, target in ((0, 11), (11, 0)):
            streams = {source: [send(0)], target: [wait(0, 1)]}
            result = simulate(build(grid, [Packet(target)], streams))
            assert result.stall_data[target] == 5 * 2 + 7 + 5 + 1

    def test_tiles_of_one_router_exchange_without_a_link(self):
        result = simulate(
            build(mesh(2, 2, (2, 2)), [Packet(3, 4, 6)], {0: [send(0)], 3: [wait(0, 1)]})
        )
        assert (result.traversals, result.stall_data[3]) == (0, 6)

    def test_a_class_has_its_own_ejection_time(self):
        grid = mesh(3, 1, tile_class=[0, 0, 1], bits=[(64, 64), (128, 128)], hop=1)
        packets = [Packet((1, 2), 2, (9, 4))]
        streams = {0: [send(0)], 1: [wait(0, 1)], 2: [wait(0, 1)]}
        assert simulate(build(grid, packets, streams)).stall_data.tolist() == [0, 1 + 9, 2 + 4]


class TestMulticast:
    def test_it_crosses_each_link_of_its_tree_once(self):
        # From (1, 1) to the corners of a 4 x 3 mesh: row 1 from x = 0 to 3, columns 0 and 3.
        result = simulate(build(mesh(4, 3), [Packet((0, 3, 8, 11), 5, 5)], {5: [send(0)]}))
        busy = {
            (int(router), int(direction)): int(result.link_busy[router, direction])
            for router, direction in np.argwhere(result.link_busy)
        }
        east, west, south, north = range(4)
        tree = [(5, east), (6, east), (5, west), (4, south), (4, north), (7, south), (7, north)]
        assert busy == dict.fromkeys(sorted(tree), 5)

    def test_its_source_gets_no_copy_and_costs_no_detour(self):
        result = simulate(build(mesh(3, 1), [Packet((0, 1))], {0: [send(0)], 1: [wait(0, 1)]}))
        assert (result.deliveries, result.traversals) == (1, 1)

    @settings(max_examples=25)
    @given(sizes, sizes, st.integers(1, 4), st.data())
    def test_what_is_injected_arrives_at_every_target(
        self, width: int, height: int, count: int, data: st.DataObject
    ):
        tiles = width * height
        tile = st.integers(0, tiles - 1)
        packets = [
            Packet(
                tuple(sorted(data.draw(st.sets(tile, min_size=1)))),
                flits := data.draw(small),
                flits + data.draw(small),
                payload=data.draw(small),
            )
            for _ in range(count)
        ]
        senders = {data.draw(tile): [send(0, count)] for _ in range(3)}
        result = simulate(build(mesh(width, height), packets, senders))
        copies = [
            (packet, target)
            for source in senders
            for packet in packets
            for target in packet.to  # pyright: ignore
            if target != source
        ]
        assert result.packets == count * len(senders)
        assert result.deliveries == len(copies)
        assert result.ejected_bytes == sum(packet.payload for packet, _ in copies)
        assert result.injected_bytes == len(senders) * sum(p.payload for p in packets)
        assert result.eject_busy.sum() == sum(packet.eject for packet, _ in copies)
        assert result.unread == len({target for _, target in copies})


class TestTraffic:
    @pytest.mark.parametrize("side", [2, 5, 8])
    @pytest.mark.parametrize(("flits", "eject"), [(1, 1), (4, 4), (3, 8)])
    def test_all_to_one_is_bound_by_the_ejection_port(self, side: int, flits: int, eject: int):
        """The port is busy from the first arrival on: distance plus the sum of the packets.

        The links into the target carry no more than the port, as eject >= flits.
        """
        tiles, hop = side * side, 2
        streams = {t: [send(0)] for t in range(1, tiles)} | {0: [wait(0, tiles - 1)]}
        result = simulate(build(mesh(side, side, hop=hop), [Packet(0, flits, eject)], streams))
        assert result.stall_data[0] == hop + (tiles - 1) * eject
        assert result.eject_busy[0] == (tiles - 1) * eject

    @pytest.mark.parametrize("width", [4, 6, 10])
    def test_half_to_half_is_bound_by_the_bisection(self, width: int):
        """All of the left half send to the right one: every row's middle link carries them all."""
        height, flits, hop = 3, 20, 1
        half = width // 2
        rows, columns = range(height), range(half)
        packets = [Packet(y * width + x + half, flits, flits) for y in rows for x in columns]
        streams = {y * width + x: [send(y * half + x)] for y in rows for x in columns} | {
            y * width + x + half: [wait(0, 1)] for y in rows for x in columns
        }
        result = simulate(build(mesh(width, height, hop=hop), packets, streams))
        middle = [y * width + half - 1 for y in rows]
        assert (result.link_busy[middle, 0] == half * flits).all()
        # The nearest head takes the link at once, the farthest one when all others have passed;
        # its target is the first column behind the link.
        assert result.cycles == half * flits + hop

    @settings(max_examples=15)
    @given(st.integers(2, 8), st.integers(2, 8), st.integers(1, 5))
    def test_a_shift_by_one_row_has_no_contention(self, width: int, height: int, flits: int):
        """A permutation whose paths are disjoint takes its zero-load time."""
        tiles = width * (height - 1)
        packets = [Packet(t + width, flits, flits) for t in range(tiles)]
        streams: dict[int, list[Step]] = {t: [send(t)] for t in range(tiles)}
        for t in range(tiles):
            streams.setdefault(t + width, []).append(wait(0, 1))
        result = simulate(build(mesh(width, height, hop=3), packets, streams))
        assert result.link_delay.max() == 0
        assert (result.stall_data[width:] == 3 + flits).all()

    @pytest.mark.parametrize("side", [3, 6])
    def test_a_transpose_moves_what_manhattan_says(self, side: int):
        pairs = [(y * side + x, x * side + y) for y in range(side) for x in range(side) if x != y]
        packets = [Packet(target, 2, 2) for _, target in pairs]
        streams = {source: [send(i), wait(0, 1)] for i, (source, _) in enumerate(pairs)}
        result = simulate(build(mesh(side, side), packets, streams))
        assert result.flit_hops == sum(2 * distance(side, a, b) for a, b in pairs)
        assert result.failure is None


class TestTiles:
    def test_computation_waits_for_what_arrivals_take_of_the_memory_port(self):
        # 100 cycles that need the port for 90 of them, while 30 of 40 cycles of ejection arrive.
        grid = mesh(2, 1, hop=1, bits=[(3, 4)])
        streams = {0: [send(0)], 1: [compute(100, 90), wait(0, 1)]}
        result = simulate(build(grid, [Packet(1, 4, 40)], streams))
        assert result.stall_dmem.tolist() == [0, 20]
        assert result.dmem_arrivals.tolist() == [0, 30]
        assert result.dmem_compute.tolist() == [0, 90]

    def test_arrivals_during_the_extension_count_as_well(self):
        grid = mesh(2, 1, hop=1)
        streams = {0: [compute(8), send(0)], 1: [compute(10, 9), wait(0, 1)]}
        result = simulate(build(grid, [Packet(1, 1, 6)], streams))
        # Looked at in 10: 9 + 1 arrived; the rest arrives later and is no business of it.
        assert result.stall_dmem[1] == 0
        streams[1] = [compute(10, 10), wait(0, 1)]
        # In 10: one too many; in 11, 12, ... another one each, until all six have arrived.
        assert simulate(build(grid, [Packet(1, 1, 6)], streams)).stall_dmem[1] == 6

    def test_units_and_stalls_add_up(self):
        program = build(
            mesh(3, 1),
            [Packet(1, 9, 9)],
            {
                0: [compute(7, unit=Unit.VECTOR), send(0, cycles=2), wait_sent(0), compute(4)],
                1: [wait(0, 1, cycles=1), compute(30, 40)],
            },
        )
        result = simulate(program)
        assert result.busy.tolist() == [[4, 7, 2], [30, 0, 1], [0, 0, 0]]
        assert result.stall_send.tolist() == [9, 0, 0]
        assert result.stall_dmem.tolist() == [0, 10, 0]
        stalls = result.stall_data + result.stall_send + result.stall_dmem + result.stall_blocked
        assert (result.busy.sum(axis=1) + stalls + result.idle == result.cycles).all()

    def test_a_send_behind_a_closed_gate_is_overtaken(self):
        packets = [Packet(1, 2, 2, channel=0, gate=0), Packet(1, 2, 2, channel=1)]
        streams = {
            0: [send(0), send(1), wait_sent(1), compute(5, operator=1), wait_sent(0, 1)],
            1: [wait(1, 1), compute(40), post(0), wait(0, 1, operator=2)],
        }
        result = simulate(build(mesh(2, 1, hop=1), packets, streams, gates=[(1, 10, 0)]))
        assert result.operator_end[0].tolist()[1] == 7
        opened = 1 + 2 + 40 + 10
        assert result.operator_end[0, 2] == opened + 1 + 2

    def test_a_gate_that_opens_does_not_interrupt_the_port(self):
        """The port is busy with a long packet when the gate of another SEND opens."""
        packets = [Packet(1, 2, 2, channel=0, gate=0), Packet(1, 50, 50, channel=1)]
        streams = {0: [send(0), send(1)], 1: [post(0, cycles=5), wait(0, 1), wait(1, 1)]}
        result = simulate(build(mesh(2, 1, hop=1), packets, streams, gates=[(1, 0, 0)]))
        assert result.inject_busy[0] == 52
        assert result.stall_data[1] == 50 + 1 + 2 - 5

    def test_two_sends_behind_one_gate_leave_one_after_the_other(self):
        packets = [Packet(1, 10, 10, channel=0, gate=0)]
        streams = {0: [send(0), send(0)], 1: [post(0), wait(0, 2)]}
        result = simulate(build(mesh(2, 1, hop=1), packets, streams, gates=[(1, 0, 0)]))
        assert result.stall_data[1] == 1 + 20

    def test_waiting_for_a_part_of_what_was_handed_over(self):
        packets = [Packet(1, 10, 10) for _ in range(4)]
        streams = {0: [send(0, 4), wait_sent(2, 1), compute(1, operator=1)]}
        result = simulate(build(mesh(2, 1), packets, streams))
        assert result.operator_end[0].tolist() == [30, 31]
        streams = {0: [send(0, 4), compute(12), wait_sent(0, 1), compute(1, operator=1)]}
        assert simulate(build(mesh(2, 1), packets, streams)).operator_end[0, 1] == 13

    def test_a_send_after_an_overtaking_one_is_not_lost(self):
        packets = [Packet(1, 2, 2, channel=0, gate=0), *(Packet(1, 2, 2, channel=1),) * 2]
        streams = {
            0: [send(0), send(1), wait_sent(1), send(2), wait_sent(2)],
            1: [wait(1, 2), post(0), wait(0, 1)],
        }
        result = simulate(build(mesh(2, 1), packets, streams, gates=[(1, 0, 0)]))
        assert (result.failure, result.deliveries) == (None, 3)

    def test_a_packet_for_nobody_keeps_the_port_busy(self):
        result = simulate(build(mesh(2, 1), [Packet(0, 50, 50)], {0: [send(0)]}))
        assert (result.cycles, result.deliveries) == (50, 0)

    def test_a_wait_that_begins_while_its_packet_arrives(self):
        """The head came in 1, the last flit is there in 21; the tile asks in 5."""
        streams = {0: [send(0)], 1: [compute(5), wait(0, 1), compute(2)]}
        result = simulate(build(mesh(2, 1, hop=1), [Packet(1, 20, 20)], streams))
        assert (result.stall_data[1], result.cycles) == (16, 23)

    def test_two_counts_that_are_on_their_way_are_told_apart(self):
        """Both heads have come when the tile asks first; the last flits are there in 21 and 41."""
        streams = {0: [send(0)], 1: [compute(25), wait(0, 1), compute(1, operator=1)]}
        result = simulate(build(mesh(2, 1, hop=1), [Packet(1, 1, 20)], streams), 2)
        assert result.operator_end[:, 1].tolist() == [26, 52]
        streams[1] = [compute(5), wait(0, 1), compute(1, operator=1)]
        result = simulate(build(mesh(2, 1, hop=1), [Packet(1, 1, 20)], streams), 2)
        assert result.operator_end[:, 1].tolist() == [22, 42]

    def test_programs_of_texts_and_tables_and_of_constants_are_the_same(self):
        """A tile's operand from a table is the operand of that tile."""
        streams = {t: [compute(3 + t, t), send(t), wait(0, 1)] for t in range(6)}
        packets = [Packet((t + 1) % 6, 2, 2) for t in range(6)]
        shared = build(mesh(3, 2), packets, streams)
        assert len(shared.texts) == 1
        assert len(shared.texts.table) == 18
        # An instruction that does nothing makes each text one of its own.
        alone = {t: [*steps, *([compute(0)] * t)] for t, steps in streams.items()}
        apart = build(mesh(3, 2), packets, alone)
        assert len(apart.texts) == 6
        a, b = simulate(shared), simulate(apart)
        assert a.cycles == b.cycles
        assert (a.stall_data == b.stall_data).all()


class TestPeriods:
    def pipeline(self, buffers: int, second: int = 30):
        """Two stages; the second one's buffers are free when it has read them."""
        packets = [Packet(1, 4, 4, gate=0)]
        streams = {
            0: [compute(20), send(0), wait_sent(0)],
            1: [wait(0, 1, operator=1), compute(second, operator=1), post(0, operator=1)],
        }
        return build(mesh(2, 1, hop=1), packets, streams, gates=[(1, 0, buffers)])

    @pytest.mark.parametrize("second", [10, 30, 50])
    def test_two_buffers_reach_the_period_of_the_slower_stage(self, second: int):
        result = simulate(self.pipeline(2, second), periods=12)
        assert result.period_cycles == max(20 + 4, second)
        assert result.latency_cycles == 20 + 1 + 4 + second

    def test_one_buffer_makes_stages_wait_for_each_other(self):
        # Computed beside the second stage, but sent only when it has finished: 1 hop, 4 to arrive.
        assert simulate(self.pipeline(1), periods=12).period_cycles == 30 + 1 + 4

    def test_without_a_first_buffer_nothing_moves(self):
        result = simulate(self.pipeline(0), periods=2)
        assert result.failure is not None
        assert "gate 0 before packet 0: 0 of 1 posts" in str(result.failure.blocked[1])  # pyright: ignore

    def test_the_first_periods_do_not_count(self):
        """The first stage is the faster one until its buffers are full."""
        result = simulate(self.pipeline(1), periods=7)
        ends = result.completions
        assert ends[1] - ends[0] == ends[6] - ends[5] == 35
        rising = replace(result, completions=np.array([0, 1, 2, 10, 20, 30, 41]))
        assert rising.period_cycles == (41 - 10) / 3
        assert replace(result, completions=np.array([5, 12])).period_cycles == 7

    def test_one_period_is_its_own_latency(self):
        result = simulate(self.pipeline(1))
        assert result.period_cycles == result.latency_cycles == 20 + 1 + 4 + 30


class TestRecording:
    def test_spans_are_those_of_the_chosen_tiles(self):
        streams = {t: [compute(5 + t), compute(1, operator=1)] for t in range(4)}
        program = build(mesh(2, 2), [], streams)
        result = simulate(program, 2, Recording(i32([1, 3])))
        assert result.recorded is not None
        spans = instruction_spans(program, result.recorded, 1, 1)
        assert spans.tolist() == [[9, 17], [17, 18]]
        operators = operator_spans(program, result)
        assert operators.shape == (2, 2, 2, 2)
        assert operators[0, 1].tolist() == [[7, 13], [13, 14]]

    def test_nothing_else_changes(self):
        streams = {t: [send(0), wait(0, 5), compute(3)] for t in range(6)}
        program = build(mesh(3, 2), [Packet(tuple(range(6)), 3, 3)], streams)
        plain = simulate(program, 3)
        full = simulate(program, 3, Recording(np.arange(6, dtype=np.int32), bins=4))
        assert repr(replace(full, recorded=None)) == repr(plain)

    @pytest.mark.parametrize(
        ("recording", "message"),
        [
            (Recording(i32([6])), "not all in"),
            (Recording(i32([1, 1])), "ascend"),
            (Recording(i32([0]), bins=3), "even"),
        ],
    )
    def test_a_wrong_recording_is_refused(self, recording: Recording, message: str):
        with pytest.raises(ValueError, match=message):
            simulate(build(mesh(3, 2), [], {0: [compute(1)]}), 1, recording)


class TestPools:
    def test_they_grow_and_nothing_is_lost(self):
        """More events under way than the pools hold at first."""
        count = 3000
        packets = [Packet(tuple(range(16)), 1, 5) for _ in range(count)]
        streams = {t: [send(0, count), wait(0, 15 * count)] for t in range(16)}
        result = simulate(build(mesh(4, 4, hop=1), packets, streams))
        assert result.failure is None
        assert result.deliveries == 16 * 15 * count

    def test_a_queue_before_a_link_of_many_windows_of_cycles_loses_nothing(self):
        # Two tiles send through one link as fast as they can: heads are due at cycles ever further
        # away, and when time moves on thousands of them go to a bucket of their own at once.
        count, flits = 8000, 3
        packets = [Packet(2, flits, flits, channel=c) for c in range(2) for _ in range(count)]
        streams = {
            0: [send(0, count)],
            1: [send(count, count)],
            2: [wait(0, count), wait(1, count)],
        }
        result = simulate(build(mesh(3, 1), packets, streams))
        assert result.failure is None
        assert result.packets == result.deliveries == 2 * count
        busiest = 2 * count * flits  # of the link into tile 2, and of its port
        assert busiest <= result.cycles <= busiest + 20

    def test_what_is_free_stays_free_when_a_pool_grows(self):
        program = build(mesh(2, 2), [Packet(1)], {0: [send(0), send(0)]})
        state, _ = prepare(program, 1, None)
        grown = _grow_sends(_grow_sends(_grow_chunks(_grow_chunks(state))))
        control = grown.queue.control[0]
        for following, free in ((grown.queue.chunks, "chunk"), (grown.sends["next"], "send")):
            seen: list[int] = []
            node = int(control[f"free_{free}"])
            while len(seen) < control[f"free_{free}s"]:
                seen.append(node)
                node = int(following[node])
            first = 1 if free == "chunk" else 0  # chunk 0 is none
            assert sorted(seen) == list(range(first, len(following)))

    def test_a_text_may_hand_over_any_number_of_sends(self):
        count = 500
        streams = {0: [send(0) for _ in range(count)], 1: [wait(0, count)]}
        result = simulate(build(mesh(2, 1), [Packet(1, 3, 3)], streams), periods=2)
        assert result.packets == 2 * count
        assert result.cycles == 3 * 2 * count + 3 + 3 - 3 + 0

    def test_what_is_too_far_away_is_refused(self):
        steps = [compute(2**31 - 1)]
        assert simulate(build(mesh(1, 1), [], {0: steps}), periods=64).cycles == 64 * (2**31 - 1)
        with pytest.raises(ValueError, match="periods"):
            simulate(build(mesh(1, 1), [], {0: steps}), periods=0)


def test_the_engine_is_imported_without_numba():
    code = (
        "import sys, asic_compiler.simulate.timing.engine\n"
        "assert 'numba' not in sys.modules, 'numba'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def test_kinds_and_units_are_those_of_the_kernel():
    from asic_compiler.simulate.timing.kernel import state

    assert [getattr(state, kind.name) for kind in Kind] == [kind.value for kind in Kind]


def test_where_nothing_can_be_kept_it_is_compiled_each_time(monkeypatch: pytest.MonkeyPatch):
    from asic_compiler.simulate.timing.kernel import state

    def refuse(*, cache: bool = False, **options: object):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(state, "njit", refuse)
    assert state.entry(abs) is abs
