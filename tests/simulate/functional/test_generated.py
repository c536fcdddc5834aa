"""Generated programs of random designs against the reference that knows no tiles."""

from __future__ import annotations

from functools import cache

import asic_reference
import numpy as np
import pytest
from hand_written import Array
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import mutants
from program_models import model, plan
from xdsl.dialects.func import FuncOp
from xdsl.utils.exceptions import VerifyException

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import asic
from asic_compiler.plan.plan import Plan
from asic_compiler.program.generate import generate
from asic_compiler.program.place import generate_placed
from asic_compiler.simulate import run_program

NAMES = ("decoder", "vision")
EXACT, QUANTISED = 2e-3, 5e-2
"""Of the largest magnitude: sums in another order, and weights and caches of 8 bits."""


@cache
def data(name: str) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
    """Inputs and weights by name, and what the model makes of them, by the names of results."""
    function = next(op for op in model(name).ops if isinstance(op, FuncOp))
    rng = np.random.default_rng(0)
    inputs: dict[str, Array] = {}
    for index, argument in enumerate(function.args):
        dtype = asic_reference.dtype_of(argument.type.element_type)
        shape = argument.type.get_shape()
        value = rng.integers(0, 96, shape) if dtype is np.int64 else rng.normal(0, 1, shape)
        inputs[_name(function.arg_attrs, index, "arg")] = value.astype(dtype)
    weights = {
        op.parameter: rng.normal(0, 0.125, op.result.type.get_shape()).astype(np.float16)
        for op in function.body.block.ops
        if isinstance(op, asic.WeightOp)
    }
    results = asic_reference.run(model(name), list(inputs.values()), weights)
    names = [_name(function.res_attrs, i, "result") for i in range(len(results))]
    return inputs, weights, dict(zip(names, results, strict=True))


def _name(attributes: object, index: int, prefix: str) -> str:
    given_ = list(attributes)[index].data if attributes else {}  # type: ignore[call-overload]
    return given_["asic.name"].data if "asic.name" in given_ else f"{prefix}{index}"


def tolerance(chosen: Plan) -> float:
    return EXACT if min(chosen.chip.weight_bits, chosen.chip.kv_bits) >= 16 else QUANTISED


@given(name=st.sampled_from(NAMES), seed=st.integers(0, 10_000))
@settings(max_examples=6, deadline=None)
def test_a_random_design_computes_the_model(name: str, seed: int):
    inputs, weights, expected = data(name)
    chosen = plan(name, seed)
    found = run_program(generate(model(name), chosen), inputs, weights)
    assert found.keys() == expected.keys()
    for key, reference in expected.items():
        assert found[key].dtype == reference.dtype
        limit = tolerance(chosen) * np.abs(reference).max()
        np.testing.assert_allclose(found[key], reference, rtol=0, atol=limit)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_run_gives_the_same_bits(name: str):
    inputs, weights, _ = data(name)
    module = generate(model(name), plan(name, 11))
    first, second = (run_program(module, inputs, weights) for _ in range(2))
    for key, array in first.items():
        np.testing.assert_array_equal(array, second[key])


def test_caches_of_tiles_make_up_the_models():
    inputs, weights, expected = data("decoder")
    chosen = plan("decoder", 2)
    assert chosen.chip.kv_bits == 16
    found = run_program(generate(model("decoder"), chosen), inputs, weights)
    for key in ("kv_key.0", "kv_value.2"):
        untouched = np.s_[:, :, :7]
        np.testing.assert_array_equal(found[key][untouched], inputs[key][untouched])
        assert not np.array_equal(found[key][:, :, 7], inputs[key][:, :, 7])
        np.testing.assert_allclose(found[key], expected[key], rtol=0, atol=EXACT * 4)


@pytest.mark.parametrize(("name", "seed"), [("decoder", 11), ("vision", 2)])
def test_a_broken_program_gives_an_error_or_a_result(name: str, seed: int):
    """Whatever is wrong with it: nothing else escapes. How much is noticed is measured apart."""
    inputs, weights, _ = data(name)
    module = generate(model(name), plan(name, seed))
    refused = 0
    for _, _, mutant in mutants(module, 15, seed):
        try:
            mutant.verify()
            run_program(mutant, inputs, weights)
        except VerifyException:
            continue
        except UserError:
            refused += 1
    assert refused >= 4


@pytest.mark.parametrize(("name", "seed"), [("decoder", 4), ("decoder", 2), ("vision", 2)])
@pytest.mark.parametrize("strategy", ["snake", "annealing"])
def test_a_placed_program_computes_the_model(name: str, seed: int, strategy: str):
    inputs, weights, expected = data(name)
    chosen = plan(name, seed)
    placed = generate_placed(model(name), chosen, strategy)
    assert placed.refused == ()
    found = run_program(placed.program, inputs, weights)
    for key, reference in expected.items():
        limit = tolerance(chosen) * np.abs(reference).max()
        np.testing.assert_allclose(found[key], reference, rtol=0, atol=limit)
