"""States that are overwritten, and results that nobody computes: programs give NumPy's numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
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


def decode_step() -> Function:
    """A row of the state overwritten, products with all of it, and the state returned."""
    made = Function()
    made.insert("x", "c", (3, 0), (1, 1))
    made.product("q", made.transposed("v0"))
    made.product("v2", "v0")
    made.returned = ["v3", "v0"]
    return made


def old_state_read_after() -> Function:
    made = decode_step()
    made.product("q", made.transposed("c"))
    made.returned += ["v5"]
    return made


def old_state_returned() -> Function:
    made = decode_step()
    made.returned += ["c"]
    return made


def written_twice() -> Function:
    made = decode_step()
    made.returned += [made.insert("x", "c", (0, 0), (1, 1))]
    return made


def chained() -> Function:
    made = decode_step()
    made.returned += [made.insert("x", "v0", (0, 0), (1, 1))]
    return made


def shifted_from_itself() -> Function:
    made = Function()
    made.insert(made.rows("c", 0, 3), "c", (1, 0), (1, 1))
    made.returned = [made.product("q", made.transposed("v1")), "v1"]
    return made


def returned_twice() -> Function:
    made = decode_step()
    made.returned += ["v0"]
    return made


def steps() -> Function:
    made = Function()
    made.returned = [made.insert("b", "c", (1, 0), (2, 3))]
    return made


def nobody_computes() -> Function:
    made = Function()
    numbers = made.constant(np.arange(8.0).reshape(2, 4))
    made.returned = ["x", "c", numbers, "x", made.transposed("d")]
    return made


@pytest.mark.parametrize("mesh", MESHES)
@pytest.mark.parametrize(
    ("write", "in_place"),
    [
        (decode_step, 1),
        (old_state_read_after, 0),
        (old_state_returned, 0),
        (written_twice, 0),
        (chained, 0),
        (shifted_from_itself, 0),
        (returned_twice, 0),
        (steps, 0),
        (nobody_computes, 0),
    ],
)
def test_a_state_is_never_lost_to_who_needs_it(
    write: Callable[[], Function], in_place: int, mesh: tuple[int, int]
):
    """Old states that were read after an append, or returned, held the new values."""
    made = write()
    assert appends(converted(made.text())) == in_place
    check_numbers(made, mesh, 3)
