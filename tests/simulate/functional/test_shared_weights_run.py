"""Programs of models whose operators share weights, against the reference that knows no tiles."""

from __future__ import annotations

import asic_reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from program_models import parse
from shared_models import WORDS, problem_of, random_design, shared_text
from test_generated import EXACT
from xdsl.dialects.func import FuncOp

from asic_compiler.dialects import asic
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.space import STAGE_GRIDS
from asic_compiler.plan.make import make_plan
from asic_compiler.program.generate import generate
from asic_compiler.simulate import run_program

SEEDS = st.integers(0, 2**32 - 1)
ALONE = STAGE_GRIDS.index((1, 1))


def run_and_compare(text: str, design: DesignBatch) -> int:
    """Runs a design's program and compares; returns how many stages it has."""
    module = parse(text)
    function = next(op for op in module.ops if isinstance(op, FuncOp))
    rng = np.random.default_rng(0)
    inputs = [rng.integers(0, WORDS, a.type.get_shape()) for a in function.args]
    weights = {
        op.parameter: rng.normal(0, 0.2, op.result.type.get_shape()).astype(np.float16)
        for op in function.body.block.ops
        if isinstance(op, asic.WeightOp)
    }
    expected = asic_reference.run(module, inputs, weights)
    plan = make_plan(problem_of(text).model, design, 85.0)
    named = {f"arg{i}": value for i, value in enumerate(inputs)}
    found = run_program(generate(parse(text), plan), named, weights)
    for index, reference in enumerate(expected):
        limit = EXACT * max(float(np.abs(reference).max()), 1.0)
        np.testing.assert_allclose(found[f"result{index}"], reference, rtol=0, atol=limit)
    return plan.chip.stages


@given(model=SEEDS, seed=SEEDS)
@settings(max_examples=6, deadline=None)
def test_a_random_design_computes_the_model(model: int, seed: int):
    text = shared_text(model)
    run_and_compare(text, random_design(text, seed, weight_bits=16.0))


@pytest.mark.parametrize(
    ("width", "height", "grid"), [(1, 1, ALONE), (3, 2, ALONE), (4, 4, 2), (4, 4, 5)]
)
def test_one_tile_few_tiles_and_stages(width: int, height: int, grid: int):
    """The program of several stages read weights that its tiles had no room for."""
    text = shared_text(7, steps=6)
    columns, rows = STAGE_GRIDS[grid]
    design = random_design(
        text, 1, mesh_width=float(width * columns), mesh_height=float(height * rows),
        sc_x=1.0, sc_y=1.0, stage_grid=grid, weight_bits=16.0,
    )  # fmt: skip
    assert run_and_compare(text, design) == columns * rows
