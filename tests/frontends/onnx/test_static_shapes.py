"""Shapes become numbers, and what does not depend on inputs becomes a constant."""

import numpy as np
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator
from onnx_models import BOOL, I64, branch, cnn, model, value, weights

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.onnx.file import parse_sizes, set_sizes, set_values
from asic_compiler.frontends.onnx.fold import make_static


def static(made, *sizes, values=()):
    set_sizes(made, parse_sizes(sizes, None))
    set_values(made, values)
    return make_static(made)


def kinds(made):
    return [node.op_type for node in made.graph.node]


def test_the_arithmetic_of_shapes_is_gone_and_the_model_computes_the_same():
    found = static(cnn(), "batch=2")
    assert kinds(found) == ["Conv", "BatchNormalization", "Relu", "MaxPool", "Reshape", "Gemm"]
    x = np.random.default_rng(1).standard_normal((2, 3, 8, 8)).astype(np.float32)
    (after,), (before,) = (ReferenceEvaluator(m).run(None, {"x": x}) for m in (found, cnn()))
    np.testing.assert_allclose(after, before, rtol=1e-6)


@pytest.mark.parametrize(("rate", "factor"), [("16", 2), ("8", 3)])
def test_a_branch_that_is_decided_takes_the_place_of_the_if(rate, factor):
    found = static(branch(), values=[f"rate={rate}"])
    assert kinds(found) == ["Mul"]
    x = np.ones((2, 4), np.float32)
    (result,) = ReferenceEvaluator(found).run(None, {"x": x})
    assert (result == factor).all()


def test_a_branch_on_an_input_stays():
    assert "If" in kinds(static(branch()))


def test_ranges_of_constants_are_computed():
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "one"], ["n"]),
        helper.make_node("Range", ["zero", "n", "one"], ["r"]),
        helper.make_node("Cast", ["r"], ["f"], to=1),
        helper.make_node("Add", ["x", "f"], ["y"]),
    ]
    made = model(
        nodes, [value("x", [2, "n"])], [value("y", [2, "n"])],
        weights(one=np.array(1), zero=np.array(0)),
    )  # fmt: skip
    found = static(made, "n=5")
    assert kinds(found) == ["Add"]
    assert [tuple(t.dims) for t in found.graph.initializer] == [(5,)]


def test_random_numbers_and_foreign_domains_are_refused():
    noise = model(
        [helper.make_node("RandomNormalLike", ["x"], ["y"], "noise")],
        [value("x", [4])], [value("y", [4])],
    )  # fmt: skip
    with pytest.raises(UserError, match="RandomNormalLike 'noise' draws random numbers"):
        static(noise)
    foreign = model(
        [helper.make_node("Gelu", ["x"], ["y"], "g", domain="com.microsoft")],
        [value("x", [4])], [value("y", [4])],
    )  # fmt: skip
    foreign.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(UserError, match=r"is of the domain com\.microsoft"):
        static(foreign)


def test_shapes_that_depend_on_values_are_refused_by_name():
    made = model(
        [helper.make_node("NonZero", ["x"], ["y"], "found")],
        [value("x", [4], BOOL)], [value("y", [1, "found"], I64)],
    )  # fmt: skip
    with pytest.raises(UserError, match="the shape that NonZero 'found' gives is not known"):
        static(made)
