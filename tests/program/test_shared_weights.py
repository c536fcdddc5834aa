"""A weight that several operators read: model, placement and program book the same bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from program_models import parse
from shared_models import (
    BY_COLUMNS,
    STEPS,
    D,
    again,
    batched,
    beside,
    first,
    plain,
    problem_of,
    random_design,
    shared_text,
)
from xdsl.dialects.builtin import ModuleOp

from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.space import STAGE_GRIDS
from asic_compiler.mapping.capacity import ALIGNMENT_BYTES
from asic_compiler.plan.make import make_plan
from asic_compiler.plan.plan import Plan
from asic_compiler.program.check import MemoryExceeded, check
from asic_compiler.program.elaborate import elaborate
from asic_compiler.program.generate import generate
from asic_compiler.program.traffic import traffic_of
from asic_compiler.program.wmem_need import held_slices, wmem_bytes
from asic_compiler.simulate.images import image_bytes
from asic_compiler.simulate.wmem import Slices
from asic_compiler.workload.extract import extract

SEEDS = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class Designed:
    """A model on a chip, and what the cost model says that a tile of each program keeps."""

    program: ModuleOp
    plan: Plan
    needs: list[float]


def designed(text: str, design: DesignBatch) -> Designed:
    model = problem_of(text).model
    plan = make_plan(model, design, 85.0)
    _, inner = model.evaluate_equal_stages(design)
    needs = [
        float(inner.wmem_need[0, inner.cut.of_stage[stage], band])
        for stage in range(len(inner.cut.of_stage))
        for band in range(4)
        if inner.bands.rows[0, band] > 0
    ]
    return Designed(generate(parse(text), plan), plan, needs)


def one_tile_a_stage(text: str, seed: int, grid: int) -> Designed:
    """On as many tiles as stages, in 16 bits: every operator of a stage is whole on its tile."""
    columns, rows = STAGE_GRIDS[grid]
    design = random_design(
        text, seed, mesh_width=float(columns), mesh_height=float(rows), sc_x=1.0, sc_y=1.0,
        stage_grid=grid, weight_bits=16.0,
    )  # fmt: skip
    return designed(text, design)


@given(model=SEEDS, seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_no_tile_keeps_more_than_the_model_provides(model: int, seed: int):
    """Readers in other stages booked nothing, and their tiles had no weight memory at all."""
    text = shared_text(model)
    found = designed(text, random_design(text, seed))
    elaboration = elaborate(found.program)
    slices = Slices(elaboration)
    for need, program in zip(found.needs, elaboration.programs, strict=True):
        kept = wmem_bytes(elaboration, program)
        assert max(kept.values(), default=0) <= need + 1e-6
        images = {place: image_bytes(slices.offsets(program, place)) for place in program.tiles}
        assert images == kept
    assert not [f for f in check(found.program) if isinstance(f, MemoryExceeded)]


@given(model=SEEDS, seed=SEEDS, grid=st.integers(0, 3), equal=st.booleans())
@settings(max_examples=12, deadline=None)
def test_a_tile_that_has_a_stage_keeps_exactly_what_the_model_says(
    model: int, seed: int, grid: int, equal: bool
):
    """But for the most that aligning a part takes: here every part is a multiple of that.

    Operators whose parts depend on their rows are known to share a copy where these are equal. Rows
    beside a vector operator are left out: they are provided for as one constant of the widest type.
    """
    kinds = tuple(kind for kind in STEPS if kind is not beside) if equal else BY_COLUMNS
    text = shared_text(model, kinds=kinds, equal=equal)
    found = one_tile_a_stage(text, seed, grid)
    elaboration = elaborate(found.program)
    for need, program in zip(found.needs, elaboration.programs, strict=True):
        parts = sum(len(held.sizes) for held in held_slices(elaboration, program))
        kept = wmem_bytes(elaboration, program)
        assert max(kept.values(), default=0) == pytest.approx(need - ALIGNMENT_BYTES * parts)


def test_a_recurrence_keeps_one_copy_a_stage():
    """A hundred steps of one weight: one copy on one tile, and one in each of four stages."""
    text = shared_text(0, steps=33, kinds=(again,))
    table = extract(parse(text))
    single = table.held_weight_bytes()
    assert single <= 2 * D * (D + 3 * 48)  # the weight, two look-ups' table, and two heads'
    for grid in (0, 3):
        stages = int(np.prod(STAGE_GRIDS[grid]))
        found = one_tile_a_stage(text, 1, grid)
        elaboration = elaborate(found.program)
        weight = 2 * D * D
        copies = [
            sum(size for held in held_slices(elaboration, p) for _, size in held.sizes
                if held.slice.weight.sym_name.data == "u")
            for p in elaboration.programs
        ]  # fmt: skip
        assert copies == [weight] * stages


def test_operators_of_one_copy_lie_on_the_same_tiles():
    """Narrow products take turns on the rows of a region, but not those that share a weight."""
    text = shared_text(3, steps=6, kinds=(plain, again))
    design = random_design(
        text, 5, mesh_width=2.0, mesh_height=64.0, stage_grid=0, k_split=0.0, rho_matmul=1.0
    )
    found = designed(text, design)
    places: dict[int, set[int]] = {}
    holders = found.plan.table.holders
    assert holders is not None
    for own in found.plan.assignments:
        places.setdefault(int(holders[own.position]), set()).add(own.first)
    assert all(len(firsts) == 1 for firsts in places.values())
    assert max(np.bincount(holders)) > 2


@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_a_search_of_placements_moves_readers_of_a_copy_together(seed: int):
    text = shared_text(seed, kinds=(plain, again, first))
    found = designed(text, random_design(text, seed, stage_grid=0))
    traffic = traffic_of(found.plan, elaborate(found.program))
    group = {p: i for i, g in enumerate(traffic.groups) for p in g.positions}
    elaboration = elaborate(found.program)
    for program in elaboration.programs:
        for held in held_slices(elaboration, program):
            together = {group[s.position] for s in (held.slice, *held.shared_with)}
            assert len(together) == 1


def test_the_table_says_each_weight_once_and_what_is_held():
    table = extract(parse(shared_text(0, steps=4, kinds=(batched,))))
    assert table.weight_bytes == 2 * D * (D + 48)
    assert table.held_weight_bytes() >= table.weight_bytes
    assert table.held_weight_bytes(np.array([0, 4, len(table.sequence)])) > (
        table.held_weight_bytes()
    )


def test_every_step_occurs():
    """The models that are drawn do have each way of reading a weight."""
    assert len(STEPS) == 7
    assert all(len(extract(parse(shared_text(0, 2, (step,)))).sequence) >= 6 for step in STEPS)
