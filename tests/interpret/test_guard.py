"""The comparison: what it lets pass, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest

from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.interpret.draw import draw_arguments, draw_weights
from asic_compiler.interpret.errors import CannotEvaluateError
from asic_compiler.interpret.guard import NumericsError, guard

PRODUCT = """func.func @main(%x: tensor<4x16x{kind}>) -> tensor<4x8x{kind}> {{
  %w = asic.weight dense_resource<w> : tensor<8x16x{kind}>
  %v = asic.weight dense_resource<v> : tensor<16x8x{kind}>
  %r = asic.matmul %x, {rhs} : tensor<4x16x{kind}>, tensor<{shape}x{kind}> -> tensor<4x8x{kind}>
  func.return %r : tensor<4x8x{kind}>
}}"""


def product(kind: str, rhs: str = "%w transpose_rhs", shape: str = "8x16") -> str:
    return PRODUCT.format(kind=kind, rhs=rhs, shape=shape)


def elementwise(body: str, kind: str = "f32") -> str:
    return f"""func.func @main(%x: tensor<6x{kind}>) -> tensor<6x{kind}> {{
  %r = asic.elementwise(%x) {{indexing_maps = [affine_map<(d0) -> (d0)>]}}
    : (tensor<6x{kind}>) -> tensor<6x{kind}> {{
  ^bb0(%a: {kind}):
    {body}
    asic.yield %t : {kind}
  }}
  func.return %r : tensor<6x{kind}>
}}"""


def compare(before: str, after: str) -> None:
    guard(parse_module(before, "before"), 0).compare(parse_module(after, "after"), "the pass")


@pytest.mark.parametrize("kind", ["f16", "bf16", "f32", "f64"])
def test_the_same_passes_and_another_weight_does_not(kind: str) -> None:
    compare(product(kind), product(kind))
    with pytest.raises(NumericsError, match="the pass changed what the module computes: result"):
        compare(product(kind), product(kind, "%v", "16x8"))


def test_a_sum_in_another_order_passes() -> None:
    sum_of = """%b = arith.constant 0.1 : f32
    %c = arith.constant 0.7 : f32
    """
    compare(
        elementwise(sum_of + "%s = arith.addf %a, %b : f32\n    %t = arith.addf %s, %c : f32"),
        elementwise(sum_of + "%s = arith.addf %b, %c : f32\n    %t = arith.addf %a, %s : f32"),
    )


def test_an_error_of_one_part_in_a_million_does_not_pass() -> None:
    """Rounding of f16 would hide it: in float64 it is seen."""
    factor = "%b = arith.constant {} : f32\n    %t = arith.mulf %a, %b : f32"
    with pytest.raises(NumericsError):
        compare(elementwise(factor.format("1.5")), elementwise(factor.format("1.500002")))


def test_the_sign_of_a_zero_and_infinities_are_compared() -> None:
    constant = "%t = arith.constant {} : f32"
    compare(elementwise(constant.format("-0.0")), elementwise(constant.format("-0.0")))
    for other in ("0.0", "0xFF800000", "0x7FC00000"):
        with pytest.raises(NumericsError):
            compare(elementwise(constant.format("-0.0")), elementwise(constant.format(other)))


def test_where_both_overflow_the_infinity_is_not_compared() -> None:
    # Weights of 1e308: PyTorch's sum and the module's end at infinities of either sign.
    body = "%b = arith.constant {} : f32\n    %t = arith.mulf %a, %b : f32"
    held = guard(
        parse_module(elementwise(body.format("1.0e38")), "before"),
        0,
        None,
        [np.array([1e3, -1e3, 1e3, 1.0, 2.0, 3.0])],
    )
    factor = float(np.float32(1e38))
    right = np.array([np.inf, np.inf, np.nan, factor, 2 * factor, 3 * factor])
    held.compare_precise({"result0": right}, "the import", 1e-6)
    for wrong in (np.inf, 4 * factor):
        with pytest.raises(NumericsError):
            held.compare_precise({"result0": np.r_[right[:5], wrong]}, "the import", 1e-6)


def test_integers_are_equal_or_wrong() -> None:
    body = "%b = arith.constant {} : i32\n    %t = arith.addi %a, %b : i32"
    compare(elementwise(body.format(3), "i32"), elementwise(body.format(3), "i32"))
    with pytest.raises(NumericsError):
        compare(elementwise(body.format(3), "i32"), elementwise(body.format(4), "i32"))


def test_what_depends_on_rounding_is_not_compared_and_said() -> None:
    """Whether a third times three is one again is a matter of rounding."""
    text = """func.func @main(%x: tensor<6xf16>) -> tensor<6xi1> {
  %r = asic.elementwise(%x) {indexing_maps = [affine_map<(d0) -> (d0)>]}
    : (tensor<6xf16>) -> tensor<6xi1> {
  ^bb0(%a: f16):
    %b = arith.constant 3.0 : f16
    %d = arith.divf %a, %b : f16
    %m = arith.mulf %d, %b : f16
    %t = arith.cmpf oeq, %m, %a : f16
    asic.yield %t : i1
  }
  func.return %r : tensor<6xi1>
}"""
    held = guard(parse_module(text, "before"), 0)
    (note,) = held.notes
    assert "depends on how floats round" in note
    held.compare(parse_module(text.replace("oeq", "une"), "after"), "the pass")


def test_a_result_of_nothing_but_nan_is_said() -> None:
    text = elementwise("%t = arith.constant 0x7FC00000 : f32")
    (note,) = guard(parse_module(text, "before"), 0).notes
    assert "result 'result0' is not compared" in note


def test_a_lost_result_and_another_signature() -> None:
    held = guard(parse_module(product("f32"), "before"), 0)
    with pytest.raises(NumericsError, match="lost the result 'result0'"):
        held.compare_outputs({}, "the program")
    with pytest.raises(NumericsError, match="signature"):
        held.compare(parse_module(product("f16"), "after"), "the pass")


ROLES = """builtin.module attributes {asic.workload = {name = "m", phase = "decode",
    batch = 1 : i64, context = 5 : i64, tokens = 1 : i64}} {
  func.func @main(%i: tensor<40xi64> {asic.role = "token_ids"},
      %m: tensor<1x40xf16> {asic.role = "mask"}, %p: tensor<40xi64> {asic.role = "position"},
      %b: tensor<40xi1>) -> tensor<40x2xf32> {
    %w = asic.weight dense_resource<w> : tensor<7x2xf32>
    %r = asic.gather %w[%i] : tensor<7x2xf32>, tensor<40xi64> -> tensor<40x2xf32>
    func.return %r : tensor<40x2xf32>
  }
}"""


def test_arguments_are_drawn_by_role_and_type() -> None:
    ids, mask, position, bits = draw_arguments(parse_module(ROLES, "roles"), 3)
    assert (ids.min(), ids.max()) == (0, 6)
    assert set(np.unique(mask)) == {0.0, -65504.0}
    assert mask[0, -1] == 0.0
    assert (position.min(), position.max()) == (0, 4)
    assert set(np.unique(bits)) == {-1, 0}


def test_weights_are_drawn_by_name() -> None:
    module = parse_module(product("f32"), "m")
    weights = draw_weights(module, {}, 0)
    assert set(weights) == {"w", "v"}
    assert np.array_equal(weights["w"], draw_weights(module, {}, 0)["w"])
    assert not np.array_equal(weights["w"], draw_weights(module, {}, 1)["w"])
    given = np.zeros((8, 16))
    assert draw_weights(module, {"w": given}, 0)["w"] is given


def test_what_is_too_large_is_not_evaluated() -> None:
    shape = "8192x8192xf32"
    text = f"""func.func @main(%x: tensor<{shape}>) -> tensor<{shape}> {{
  %r = asic.matmul %x, %x : tensor<{shape}>, tensor<{shape}> -> tensor<{shape}>
  func.return %r : tensor<{shape}>
}}"""
    with pytest.raises(CannotEvaluateError, match=r"points are more than|too large to draw"):
        guard(parse_module(text, "large"), 0)
