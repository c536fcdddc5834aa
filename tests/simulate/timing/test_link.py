"""Programs linked for the timing engine: what is sent, counted and waited for."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from program_models import model, plan, problem
from xdsl.dialects.builtin import IntAttr

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import tcc
from asic_compiler.dialects.asic import ChipAttr, RegionAttr
from asic_compiler.ppa.timing import issue_limits
from asic_compiler.program.elaborate import elaborate
from asic_compiler.program.elements import CUTTING
from asic_compiler.program.generate import generate
from asic_compiler.simulate.timing.link.costs import Contraction, Vector, contraction_cost, parts_of
from asic_compiler.simulate.timing.link.events import Event
from asic_compiler.simulate.timing.link.linker import Linked, link
from asic_compiler.simulate.timing.link.machine import issue, machine_of
from asic_compiler.simulate.timing.link.packets import pack
from asic_compiler.simulate.timing.link.reduction import (
    Amounts,
    combine_scattered,
    combine_tree,
)
from asic_compiler.simulate.timing.program import Kind, Unit
from asic_compiler.simulate.timing.report import module_trace, require_end, simulate_timing
from asic_compiler.workload.body_cost import body_cost
from asic_compiler.workload.extract import extract

CASES = [("decoder", 3), ("decoder", 10), ("vision", 2), ("vision", 4)]


@cache
def linked(name: str, seed: int) -> Linked:
    return link(generate(model(name), plan(name, seed)))


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_all_that_is_sent_arrives_and_is_read(name: str, seed: int) -> None:
    report = simulate_timing(generate(model(name), plan(name, seed)), periods=3)
    assert report.stops() == ()
    assert report.result.unread == 0
    assert (np.diff(report.completions) > 0).all()
    # The engine walks every packet over every link: trees have as many as were counted.
    assert report.result.flit_hops == 3 * report.linked.flit_hops


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_every_element_that_is_needed_arrives_or_is_copied(name: str, seed: int) -> None:
    module = generate(model(name), plan(name, seed))
    elaboration, machine = elaborate(module), machine_of(module)
    moved = 0
    for exchange in elaboration.exchanges:
        if exchange.channel.host is not None:
            continue
        routes = exchange.routes
        packing = pack(machine, routes)
        wanted = np.zeros(machine.tiles, dtype=np.int64)
        for place, elements in zip(routes.receivers, routes.wanted, strict=True):
            wanted[machine.tile(place)] = len(elements)
        np.testing.assert_array_equal(packing.arrived + packing.copied, wanted)
        # What arrives is what is sent, a copy for each other tile of the set.
        for tile in np.flatnonzero(packing.count).tolist():
            rows = slice(packing.first[tile], packing.first[tile] + packing.count[tile])
            assert (packing.source[rows] == tile).all()
            # A packet for its sender alone would come to nobody.
            assert all(set(packing.sets[i].tolist()) != {tile} for i in packing.target[rows])
        moved += int(packing.arrived.sum())
    assert moved > 0


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_multiply_accumulates_are_those_of_the_model(name: str, seed: int) -> None:
    table = extract(model(name))
    expected = sum(c.batch * c.m * c.n * c.k for c in (table.classes[i] for i in table.sequence))
    assert linked(name, seed).events[:, :, Event.MACS_NARROW].sum() == expected


@pytest.mark.parametrize("name", ["decoder", "vision"])
def test_kernels_cost_what_the_model_counts(name: str) -> None:
    """A kernel in tcc has the body of its operator, and nothing more."""
    table = extract(model(name))
    module = generate(model(name), plan(name, 3))
    elaboration = elaborate(module)
    seen = 0
    for program in elaboration.programs:
        for op in program.instructions:
            if isinstance(op, tcc.VectorOp):
                kernel = elaboration.kernel(op)
                assert kernel is not None
                cost = table.classes[table.sequence[op.position]]
                assert body_cost(kernel.body.block) == cost.body
                seen += 1
    assert seen


@pytest.mark.parametrize("rows", [5, 16])
def test_pieces_of_rows_cost_what_the_whole_does(rows: int) -> None:
    """Each reads its own rows and writes its own results; only latencies are paid again."""
    made = linked("vision", 2)
    op = next(
        op
        for program in made.elaboration.programs
        for op in program.instructions
        if isinstance(op, tcc.MmaOp)
    )
    work = Contraction((1, 64, 32, 48), 16, 16.0, True, 16)
    cut = tcc.CutAttr.of(1, 1, 1, 1, op.cut.region, 0)
    whole = contraction_cost(made.machine, cut, work)
    count = 64 // rows
    pieces = [
        contraction_cost(made.machine, cut, replace(work, piece=(c, count), by_rows=True))
        for c in range(count)
    ]
    for event in (Event.MACS_NARROW, Event.DMEM_BITS):
        assert sum(p.amounts[event].sum() for p in pieces) == whole.amounts[event].sum()
    assert sum(p.port.sum() for p in pieces) == whole.port.sum()
    assert sum(p.cycles.max() for p in pieces) >= whole.cycles.max()


@pytest.mark.parametrize("name", ["decoder", "vision"])
def test_stages_of_a_pipeline_work_at_the_same_time(name: str) -> None:
    """A value may skip stages; whoever made it goes on with the next micro-batch meanwhile."""
    found = 0
    for seed in range(25):
        chosen = plan(name, seed)
        if chosen.chip.stages < 3:
            continue
        module = generate(model(name), chosen)
        report = simulate_timing(module, periods=2 * chosen.chip.stages + 2)
        assert report.stops() == ()
        assert report.period_cycles < 1.35 * chosen.period_cycles
        channels = [op for op in module.ops if isinstance(op, tcc.ChannelOp)]
        found += any(channel.depth > 1 for channel in channels)
        if found == 2:
            return
    assert name == "vision"  # in which no value skips a stage


def test_hop_bits_are_those_that_the_engine_moves() -> None:
    # With flits of a byte nothing is padded: every flit that crosses a link is payload.
    module = generate(model("decoder"), plan("decoder", 10)).clone()
    chip = module.attributes["asic.chip"]
    fields = [
        IntAttr(8) if name == "flit_bits" else getattr(chip, name)
        for name, _ in ChipAttr.get_irdl_definition().parameters
    ]
    module.attributes["asic.chip"] = ChipAttr.new(fields)
    report = simulate_timing(module, periods=1)
    hops = report.linked.events[:, :, Event.HOP_BITS].sum()
    assert hops == 8 * report.result.flit_hops > 0


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_every_operator_is_set_up_once_on_each_of_its_tiles(name: str, seed: int) -> None:
    made = linked(name, seed)
    texts, elaboration = made.program.texts, made.elaboration
    issued = texts.kind == Kind.COMPUTE
    issued &= texts.unit == Unit.ISSUE
    for number, program in enumerate(elaboration.programs):
        working = {
            op.position
            for op in program.instructions
            if isinstance(op, (*CUTTING, tcc.KvAppendOp))
            and any(
                len(program.part(value, place)) for value in op.results for place in program.tiles
            )
        }
        rows = slice(int(texts.start[number]), int(texts.start[number + 1]))
        operators = texts.operator[rows][issued[rows]].tolist()
        assert len(operators) == len(set(operators))
        appends = {op.position for op in program.instructions if isinstance(op, tcc.KvAppendOp)}
        assert working - appends <= set(operators) <= working


def test_receives_and_sends_cost_messages() -> None:
    program = linked("decoder", 10).program
    texts = program.texts
    posts = np.flatnonzero(texts.kind == Kind.POST)
    assert len(posts) > 0
    assert all(
        texts.cycles[i] > 0 or texts.row[i, 0] >= 0 or texts.a[i] == 0 for i in posts.tolist()
    )


def test_front_ends_are_those_of_the_cost_model() -> None:
    chips = problem("decoder")
    rng = np.random.default_rng(5)
    for seed in range(20):
        made = plan("decoder", seed)
        tile = made.chip.classes[int(rng.integers(len(made.chip.classes)))]
        names = ("fetch", "stations", "xdpnum", "xr_wp")
        column = {n: np.array([float(getattr(tile, n))]) for n in names}

        class Design:
            stanum = column["stations"]
            xdpnum, xr_wp = column["xdpnum"], column["xr_wp"]
            vdpnum = vr_wp = np.ones(1)

            def __len__(self) -> int:
                return 1

        class Sizes:
            region_fetch = np.repeat(column["fetch"], 3)[None, :]

        node = chips.model.technology
        limits = issue_limits(Design(), Sizes(), node.timing_constants)
        scalar, tensor, vector = issue(column, node)
        assert scalar == limits.scalar_ipc
        assert tensor == limits.tensor_interval[:, 0]
        assert vector == limits.vector_interval[:, 0]


def test_bodies_cost_what_the_cost_model_says() -> None:
    for name in ("decoder", "vision"):
        profile = problem(name).model.profile
        classes = [profile.table.classes[i] for i in profile.vectors.index]
        work = [Vector(c.body, c.element_bits) for c in classes]
        np.testing.assert_array_equal([w.cycles for w in work], profile.vectors.cycles)
        np.testing.assert_array_equal([w.operations for w in work], profile.vectors.operations)


cuts = st.tuples(
    *[st.integers(1, 4)] * 4, st.integers(0, 50), st.sampled_from([1, 2]), st.booleans()
)


@given(cuts)
def test_parts_are_numbered_as_the_cut_says(values: tuple) -> None:
    b, m, n, k, first, stride, rows_first = values
    region = RegionAttr.of(3, 2, 29, 18)
    cut = tcc.CutAttr.of(b, m, n, k, region, first, stride, rows_first)
    parts = parts_of(cut, 40)
    for part in range(cut.active_tiles):
        x, y = cut.tile_of(part)
        assert parts.tile[part] == y * 40 + x
        index = (parts.b[part], parts.m[part], parts.n[part], parts.k[part])
        assert index == cut.index_of(part)


def test_contraction_by_hand() -> None:
    machine = linked("decoder", 3).machine
    region = RegionAttr.of(0, 0, machine.mesh.width, machine.mesh.height)
    cut = tcc.CutAttr.of(1, 1, 1, 1, region)
    cost = contraction_cost(machine, cut, Contraction((1, 3, 40, 64), 16, 8.0, True, 16))
    vlen, rows = machine.vlen[0], machine.rows[0]
    blocks = np.ceil(3 / rows)
    tensor = blocks * np.ceil(40 * 64 * 16 / vlen)
    issued = np.ceil(tensor / 8) * machine.tensor_interval[0]
    latency = machine.technology.timing_constants.tensor_latency
    assert cost.cycles[0] == np.ceil(max(tensor, issued) + latency)
    passes = np.ceil(40 / (vlen / (2 * min(rows, 3))))
    assert cost.port[0] == 3 * 64 * 16 * passes + 3 * 40 * 16
    events = cost.events(np.ones(machine.tiles, dtype=bool))
    assert events[Event.MACS_NARROW] == 3 * 40 * 64
    assert events[Event.WMEM_BITS] == blocks * 40 * 64 * 8


def test_a_contraction_of_integers_by_hand() -> None:
    """Twice the lanes; rows in f16 are read once more, for their scales."""
    machine = linked("decoder", 3).machine
    region = RegionAttr.of(0, 0, machine.mesh.width, machine.mesh.height)
    cut = tcc.CutAttr.of(1, 1, 1, 1, region)
    work = Contraction((1, 3, 40, 64), 16, 4.125, True, 16, numbers="int8")
    cost = contraction_cost(machine, cut, work)
    vlen, rows = machine.vlen[0], machine.rows[0]
    blocks = np.ceil(3 / rows)
    tensor = blocks * np.ceil(40 * 64 * 8 / vlen)
    issued = np.ceil(tensor / 8) * machine.tensor_interval[0]
    latency = machine.technology.timing_constants.tensor_latency
    assert cost.cycles[0] == np.ceil(max(tensor, issued) + latency)
    passes = np.ceil(40 / (vlen / (2 * min(rows, 3)))) + 1
    assert cost.port[0] == 3 * 64 * 16 * passes + 3 * 40 * 16
    events = cost.events(np.ones(machine.tiles, dtype=bool))
    assert events[Event.MACS_INT8] == 3 * 40 * 64
    assert events[Event.RESCALES] == 3 * 40
    assert events[Event.WMEM_BITS] == blocks * 40 * 64 * 4.125
    assert events[Event.MACS_NARROW] == events[Event.UNPACKS] == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 13), st.integers(1, 3), st.integers(1, 30))
def test_reductions_add_every_partial_result_once(size: int, count: int, elements: int) -> None:
    machine = linked("decoder", 10).machine
    chosen = np.random.default_rng(size).permutation(machine.tiles)[: size * count]
    groups = list(chosen.reshape(count, size))
    own = np.zeros(machine.tiles, dtype=np.int64)
    own[chosen] = elements
    share = np.zeros(machine.tiles, dtype=np.int64)
    step = -(-elements // size)
    for group in groups:
        share[group] = np.clip(elements - np.arange(size) * step, 0, step)
    root = np.where(np.isin(np.arange(machine.tiles), [g[0] for g in groups]), own, 0)
    everywhere = np.ones(machine.tiles, dtype=bool)
    for make, after in ((combine_tree, root), (combine_scattered, share)):
        made = make(machine, groups, Amounts(own, after, 32, 16))
        adds = sum(step.cost.events(everywhere)[Event.PARTIAL_ADDS] for step in made.steps)
        assert adds == count * (size - 1) * elements
        assert made.sent_bits.sum() == made.received_bits.sum() == adds * 32
        assert (made.bits * made.senders).sum() == adds * 32
        assert made.receives.sum() == made.senders.sum() == made.all_sent.count.sum()
        for tile in chosen.tolist():
            first, sent = made.all_sent.first[tile], made.all_sent.count[tile]
            targets = made.target[first : first + sent]
            assert tile not in targets
            assert len(np.unique(targets)) == sent


def test_a_lost_send_is_a_deadlock_with_its_place() -> None:
    module = generate(model("decoder"), plan("decoder", 3))
    elaboration, machine = elaborate(module), machine_of(module)
    lost = next(
        op
        for exchange in elaboration.exchanges
        if exchange.channel.host is None and pack(machine, exchange.routes).count.any()
        for op in exchange.sends.values()
    )
    waits = [use.operation for use in lost.token.uses]
    for wait in waits:
        left = [token for token in wait.operands if token is not lost.token]
        if left:
            wait.parent_block().insert_op_before(tcc.WaitOp(left, wait.position), wait)
        wait.detach()
        wait.erase()
    channel = lost.channel.root_reference.data
    lost.detach()
    lost.erase()
    report = simulate_timing(module, periods=1)
    stops = [str(stop) for stop in report.stops()]
    assert any(f"@{channel}" in stop for stop in stops)
    with pytest.raises(UserError, match="do not come to their end"):
        require_end(report)


def test_a_trace_of_a_module_has_its_tiles_and_operators() -> None:
    module = generate(model("vision"), plan("vision", 4))
    made = json.loads(module_trace(module))
    shown = made["otherData"]["instructions"]
    assert shown == simulate_timing(module, periods=1).result.instructions
    assert any("tcc.conv" in event["name"] for event in made["traceEvents"])


def test_a_module_without_a_chip_is_refused() -> None:
    module = generate(model("vision"), plan("vision", 4)).clone()
    del module.attributes["asic.chip"]
    with pytest.raises(UserError, match=r"no asic\.chip"):
        simulate_timing(module)
