"""Programs of random designs: who executes what, when, and what is moved."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from program_models import LAYERS, OPERATORS_A_LAYER, model, parse, plan

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import tcc
from asic_compiler.dialects.tcc.base import buffer_type
from asic_compiler.machine.regions import REGION_NAMES
from asic_compiler.plan.plan import Plan
from asic_compiler.program.check import check
from asic_compiler.program.elaborate import elaborate
from asic_compiler.program.emit import program_text
from asic_compiler.program.generate import generate
from asic_compiler.workload.body_cost import element_bits
from asic_compiler.workload.table import OperatorKind

designs = given(name=st.sampled_from(["decoder", "vision"]), seed=st.integers(0, 10_000))
few = settings(max_examples=15, deadline=None)


def programs(name: str, seed: int) -> tuple[Plan, list[tcc.ProgramOp]]:
    chosen = plan(name, seed)
    module = generate(model(name), chosen)
    module.verify()
    return chosen, [op for op in module.ops if isinstance(op, tcc.ProgramOp)]


def work(program: tcc.ProgramOp) -> list[tcc.Instruction]:
    """The instructions that are scheduled and not transfers: one an operator."""
    return [op for op in program.instructions if op.interval and not isinstance(op, tcc.ReceiveOp)]


@designs
@few
def test_an_operator_runs_on_exactly_the_tiles_of_its_region(name: str, seed: int):
    chosen, found = programs(name, seed)
    grid = chosen.chip.tile_map()
    executed = defaultdict[int, list[int]](list)
    for program in found:
        for op in work(program):
            executed[op.position].append(program.tile_class.value.data)
    for assignment in chosen.assignments:
        place = assignment.region
        tiles = {
            grid[y][x]
            for y in range(place.y, place.y + place.height)
            for x in range(place.x, place.x + place.width)
        }
        assert executed.pop(assignment.position) == sorted(tiles)
        kinds = [chosen.chip.classes[index] for index in sorted(tiles)]
        assert all(REGION_NAMES[assignment.region_kind] in kind.regions for kind in kinds)
        assert all(kind.stage == assignment.stage for kind in kinds)
        # No tile of the class lies outside the region.
        assert sum(kind.tiles for kind in kinds) == place.tiles
    assert not executed


@designs
@few
def test_times_are_the_plans_and_nothing_overlaps(name: str, seed: int):
    chosen, found = programs(name, seed)
    for program in found:
        end = 0
        for op in work(program):
            assert op.interval is not None
            start, after = op.interval
            assignment = chosen.assignments[op.position]
            assert start == round(assignment.start_cycle)
            assert abs(after - start - assignment.cycles) <= 1.0
            assert start >= end
            end = after
        assert end <= program.period.value.data == ceil(chosen.period_cycles)


@designs
@few
def test_what_is_received_has_an_owner_and_fits_the_bytes_said(name: str, seed: int):
    _, found = programs(name, seed)
    elaboration = elaborate(found[0].parent_op())
    for exchange in elaboration.exchanges:
        routes = exchange.routes
        width = -(-element_bits(exchange.channel.tensor.element_type) // 8)
        for index, receive in exchange.receives.items():
            tiles = set(elaboration.programs[index].tiles)
            sizes = [
                len(wanted) * width
                for place, wanted in zip(routes.receivers, routes.wanted, strict=True)
                if place in tiles
            ]
            assert max(sizes, default=0) in (0, receive.bytes.value.data)
        if exchange.sends:
            for need in routes.needs:
                assert (routes.owner[need.elements] >= 0).all()
                assert need.counts.sum() == len(need.elements)


@designs
@few
def test_every_element_of_every_result_is_computed_on_one_tile(name: str, seed: int):
    _, found = programs(name, seed)
    elaboration = elaborate(found[0].parent_op())
    owned = defaultdict[tuple[int, int], list[NDArray[np.int64]]](list)
    whole = dict[tuple[int, int], int]()
    for program in elaboration.programs:
        last = dict[int, tcc.Instruction]()
        for op in program.instructions:
            if op.buffers and not isinstance(op, tcc.ReceiveOp):
                last[op.position] = op
        for position, op in last.items():
            for number, buffer in enumerate(op.buffers):
                whole[position, number] = buffer_type(buffer).elements
                owned[position, number] += [program.part(buffer, tile) for tile in program.tiles]
    for key, parts in owned.items():
        together = np.concatenate(parts)
        assert len(together) == whole[key]
        assert len(np.unique(together)) == whole[key]


@designs
@few
def test_the_checks_find_nothing(name: str, seed: int):
    assert check(generate(model(name), plan(name, seed))) == ()


@pytest.mark.parametrize("name", ["decoder", "vision"])
@pytest.mark.parametrize("seed", [2, 3])
def test_receives_begin_one_operator_ahead_and_no_earlier(name: str, seed: int):
    """Nor where the operator before runs elsewhere: buffers of those long before have gone."""
    for program in generate(model(name), plan(name, seed)).ops:
        if isinstance(program, tcc.ProgramOp):
            started = -1
            for op in program.instructions:
                if isinstance(op, tcc.ReceiveOp):
                    started = max(started, op.position)
                elif isinstance(op, tcc.MmaOp | tcc.VectorOp):
                    assert started - op.position <= 1


@pytest.mark.parametrize("name", ["decoder", "vision"])
def test_two_runs_give_the_same_text_and_it_reads_back(name: str):
    first = program_text(generate(model(name), plan(name, 3)))
    assert first == program_text(generate(model(name), plan(name, 3)))
    assert program_text(parse(first)) == first


def test_the_instructions_of_the_operators():
    chosen, found = programs("decoder", 3)
    names = defaultdict[int, set[str]](set)
    for program in found:
        for op in work(program):
            names[op.position].add(op.name)
    kinds = [chosen.table.classes[c].kind for c in chosen.table.sequence]
    expected = {
        OperatorKind.MATMUL: {"tcc.mma"},
        OperatorKind.ATTENTION: {"tcc.mma_dmem"},
        OperatorKind.ELEMENTWISE: {"tcc.vector"},
        OperatorKind.REDUCTION: {"tcc.vector"},
        OperatorKind.GATHER: {"tcc.gather"},
        OperatorKind.KV_APPEND: {"tcc.kv_append"},
    }
    assert len(kinds) == LAYERS * OPERATORS_A_LAYER + 2
    assert [names[position] for position in range(len(kinds))] == [expected[k] for k in kinds]


def test_equal_layers_share_their_kernels():
    module = generate(model("decoder"), plan("decoder", 3))
    kernels = [op for op in module.ops if isinstance(op, tcc.KernelOp)]
    assert len(kernels) == 3  # sum of squares, normalisation, residual


def test_partial_sums_are_reduced_exactly_where_k_is_cut():
    split = whole = 0
    for seed in range(12):
        chosen, found = programs("decoder", seed)
        for program in found:
            reduced = {op.position for op in program.instructions if isinstance(op, tcc.ReduceOp)}
            for op in work(program):
                if isinstance(op, tcc.MmaOp | tcc.MmaDmemOp):
                    cut = chosen.assignments[op.position].split_k > 1
                    assert (op.position in reduced) == cut
                    split, whole = split + cut, whole + (not cut)
    assert split > 0
    assert whole > 0


def test_the_host_sends_inputs_and_gets_results_but_caches_stay():
    module = generate(model("decoder"), plan("decoder", 3))
    hosts = {op.host.data for op in module.ops if isinstance(op, tcc.ChannelOp) and op.host}
    assert hosts == {"input_ids", "logits"}
    caches = [op for op in module.ops if isinstance(op, tcc.CacheOp)]
    assert [op.sym_name.data for op in caches] == [
        f"{role}.{layer}" for layer in range(LAYERS) for role in ("kv_key", "kv_value")
    ]
    assert [(op.argument.value.data, op.result.value.data) for op in caches] == [
        (i, i) for i in range(1, 2 * LAYERS + 1)
    ]


def test_a_cache_is_appended_to_and_read_in_one_stage():
    stages = set()
    for seed in range(60):
        chosen = plan("decoder", seed)
        stages.add(chosen.chip.stages)
        for a, b, _ in chosen.table.edges:
            kind = chosen.table.classes[chosen.table.sequence[a]].kind
            if kind is OperatorKind.KV_APPEND:
                assert chosen.assignments[a].stage == chosen.assignments[b].stage
    assert max(stages) > 1


def test_a_plan_of_another_model_is_refused():
    with pytest.raises(ValueError, match="operators"):
        generate(model("vision"), plan("decoder", 0))


def test_appending_to_something_else_than_an_argument_is_refused():
    text = program_text(model("decoder")).replace("%kr0 into %key0", "%kr0 into %zero")
    zero = "%zero = arith.constant dense<0.0> : tensor<3x2x8x16xf16>\n    %embed ="
    chosen = plan("decoder", 0)
    with pytest.raises(UserError, match="the cache is not an argument"):
        generate(parse(text.replace("%embed =", zero, 1)), chosen)


def test_an_append_to_other_tiles_than_the_caches_is_refused():
    """The products of those tiles would read a cache that nothing is appended to."""
    seed = next(s for s in range(20) if plan("decoder", s).chip.stages > 1)
    chosen = plan("decoder", seed)
    last = chosen.chip.stages - 1
    kinds = [chosen.table.classes[own].kind for own in chosen.table.sequence]
    apart = tuple(
        replace(
            a,
            stage=last - a.stage if kinds[a.position] is OperatorKind.KV_APPEND else a.stage,
            start_cycle=1e6 * a.position,
        )
        for a in chosen.assignments
    )
    late = replace(chosen, assignments=apart, period_cycles=1e9)
    with pytest.raises(UserError, match="where nothing is appended to it"):
        generate(model("decoder"), late)


@pytest.mark.parametrize("by_rows", [False, True])
def test_pieces_that_are_dropped_are_not_held_beside_those_of_the_operator_before(by_rows: bool):
    """q, k and v read one value, each piece by piece: at no time more than two pieces of it."""
    chosen = plan("decoder", 3)
    streamed = tuple(
        replace(a, pieces=3, buffers=2, by_rows=by_rows, split_k=1)
        if chosen.table.classes[chosen.table.sequence[a.position]].kind is OperatorKind.MATMUL
        else a
        for a in chosen.assignments
    )
    module = generate(model("decoder"), replace(chosen, assignments=streamed))
    seen = 0
    for program in (op for op in module.ops if isinstance(op, tcc.ProgramOp)):
        done = -1  # the operator whose instruction ran last
        for op in program.instructions:
            if isinstance(op, tcc.MmaOp):
                done = op.position
            elif isinstance(op, tcc.ReceiveOp) and op.piece is not None:
                ahead = [
                    other
                    for other in program.instructions
                    if isinstance(other, tcc.MmaOp) and done < other.position < op.position
                ]
                assert not ahead
                seen += 1
    assert seen > 0
