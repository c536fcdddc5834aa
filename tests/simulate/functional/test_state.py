"""States that are overwritten, and results that nobody computes: programs give NumPy's numbers."""

from __future__ import annotations

import numpy as np
from contexts import converted
from hand_written import Array
from hypothesis import given, settings
from hypothesis import strategies as st
from program_models import plan_of
from state_programs import Function, functions
from xdsl.dialects.builtin import ModuleOp

from asic_compiler.dialects import asic
from asic_compiler.program.check import check
from asic_compiler.program.generate import generate
from asic_compiler.simulate import run_program
from asic_compiler.workload.function import main_function

MESHES = ((1, 1), (3, 2), (5, 4))


def appends(module: ModuleOp) -> int:
    return sum(isinstance(op, asic.KvAppendOp) for op in main_function(module).body.block.ops)


def check_numbers(made: Function, mesh: tuple[int, int], seed: int) -> None:
    module = converted(made.text())
    inputs: dict[str, Array] = {
        f"arg{i}": value for i, value in enumerate(list(made.values.values())[:5])
    }
    program = generate(module, plan_of(module, mesh, seed))
    assert check(program) == ()
    found = run_program(program, inputs, {})
    assert sorted(found) == [f"result{i}" for i in range(len(made.returned))]
    for index, name in enumerate(made.returned):
        np.testing.assert_allclose(
            found[f"result{index}"], made.values[name], rtol=1e-4, atol=1e-4, err_msg=made.text()
        )


@given(functions(), st.sampled_from(MESHES), st.integers(0, 999))
@settings(max_examples=20, deadline=None)
def test_a_random_function_of_a_state_gives_numpys_numbers(
    made: Function, mesh: tuple[int, int], seed: int
):
    check_numbers(made, mesh, seed)
