"""What the evaluator gives, against numbers worked out by hand or with NumPy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.interpret.elements import give_out, take_in
from asic_compiler.interpret.errors import CannotEvaluateError
from asic_compiler.interpret.evaluate import evaluate
from asic_compiler.interpret.guard import signatures
from asic_compiler.interpret.numbers import Numbers

Array = NDArray[Any]


def run(text: str, *arguments: Array, wide: bool = False, **weights: Array) -> list[Array]:
    """Results as a program holds them."""
    module = parse_module(text, "test.mlir")
    takes, gives = signatures(module)
    held = [take_in(a, element) for a, element in zip(arguments, takes.elements, strict=True)]
    given = {name: np.asarray(array, np.float64) for name, array in weights.items()}
    results = evaluate(module, held, given, Numbers(wide))
    return [give_out(a, element) for a, element in zip(results, gives.elements, strict=True)]


def function(arguments: str, result: str, body: str) -> str:
    return f"func.func @main({arguments}) -> {result} {{\n{body}\n}}"


def scalars(kind: str, body: str, *inputs: str, out: str | None = None) -> str:
    """An elementwise function over vectors of 4."""
    out, inputs = out or kind, inputs or (kind,)
    names = ", ".join(f"%arg{i}" for i in range(len(inputs)))
    types = ", ".join(f"tensor<4x{own}>" for own in inputs)
    given = ", ".join(f"%arg{i}: tensor<4x{own}>" for i, own in enumerate(inputs))
    maps = ", ".join(["affine_map<(d0) -> (d0)>"] * (len(inputs) + 1))
    block = ", ".join(f"%x{i}: {own}" for i, own in enumerate(inputs))
    return function(
        given,
        f"tensor<4x{out}>",
        f"""  %e = tensor.empty() : tensor<4x{out}>
  %r = linalg.generic {{indexing_maps = [{maps}], iterator_types = ["parallel"]}}
    ins({names} : {types}) outs(%e : tensor<4x{out}>) {{
  ^bb0({block}, %o: {out}):
{body}
    linalg.yield %t : {out}
  }} -> tensor<4x{out}>
  return %r : tensor<4x{out}>""",
    )


F32 = np.float32
X = np.array([1.5, -0.0, np.inf, np.nan], F32)


@pytest.mark.parametrize(
    ("body", "arguments", "expected"),
    [
        ("    %t = arith.negf %x0 : f32", [X], -X),
        (
            "    %t = arith.maximumf %x0, %x1 : f32",
            [X, np.zeros(4, F32)],
            [1.5, 0.0, np.inf, np.nan],
        ),
        ("    %t = arith.maxnumf %x0, %x1 : f32", [X, np.ones(4, F32)], [1.5, 1.0, np.inf, 1.0]),
        ("    %t = math.copysign %x1, %x0 : f32", [X, np.ones(4, F32)], [1, -1, 1, 1]),
        ("    %t = math.roundeven %x0 : f32", [[0.5, 1.5, -0.5, 2.5]], [0, 2, -0.0, 2]),
        ("    %t = math.round %x0 : f32", [[0.5, 1.5, -0.5, 2.4]], [1, 2, -1, 2]),
        (
            "    %t = arith.divf %x0, %x1 : f32",
            [[1, -1, 0, 6], [0, 0, 0, 4]],
            [np.inf, -np.inf, np.nan, 1.5],
        ),
        ("    %t = math.rsqrt %x0 : f32", [[4, 0, -1, np.inf]], [0.5, np.inf, np.nan, 0]),
    ],
)
def test_float_operations(body: str, arguments: list[Any], expected: Any) -> None:
    arrays = [np.asarray(a, F32) for a in arguments]
    (found,) = run(scalars("f32", body, *["f32"] * len(arrays)), *arrays)
    np.testing.assert_array_equal(found, np.asarray(expected, F32))
    signs = ~np.isnan(found)
    np.testing.assert_array_equal(
        np.signbit(found)[signs], np.signbit(np.asarray(expected, F32))[signs]
    )


INT = np.array([7, -7, -128, 5], np.int8)
BY = np.array([2, 2, -1, 0], np.int8)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("addi", [9, -5, 127, 5]),
        ("muli", [14, -14, -128, 0]),
        ("divsi", [3, -3, -128, -1]),
        ("remsi", [1, -1, 0, 5]),
        ("floordivsi", [3, -4, -128, -1]),
        ("ceildivsi", [4, -3, -128, -1]),
        # -7 is 249, -128 is 128, -1 is 255.
        ("divui", [3, 124, 0, -1]),
        ("remui", [1, 1, -128, 5]),
        ("maxui", [7, -7, -1, 5]),
        ("minui", [2, 2, -128, 0]),
        ("maxsi", [7, 2, -1, 5]),
        ("xori", [5, -5, 127, 5]),
        ("shli", [28, -28, 0, 5]),
        ("shrsi", [1, -2, -1, 5]),
        ("shrui", [1, 62, 1, 5]),
    ],
)
def test_integer_operations_wrap_and_read_signs(name: str, expected: list[int]) -> None:
    (found,) = run(scalars("i8", f"    %t = arith.{name} %x0, %x1 : i8", "i8", "i8"), INT, BY)
    np.testing.assert_array_equal(found, np.array(expected, np.int8))


@pytest.mark.parametrize(
    ("name", "source", "target", "argument", "expected"),
    [
        ("extui", "i8", "i32", [1, -1, -128, 0], [1, 255, 128, 0]),
        ("extsi", "i1", "i32", [1, 0, 1, 0], [-1, 0, -1, 0]),
        ("uitofp", "i1", "f32", [1, 0, 1, 0], [1, 0, 1, 0]),
        ("trunci", "i32", "i8", [300, -1, 128, 0], [44, -1, -128, 0]),
        ("fptosi", "f32", "i8", [1.9, -1.9, 300, np.nan], [1, -1, 127, 127]),
        ("fptoui", "f32", "i8", [1.9, 255, 300, -3], [1, -1, -1, 0]),
        # Ties to even: 1 + 1/256 lies between 1 and 1 + 1/128.
        (
            "truncf",
            "f32",
            "bf16",
            [1 + 1 / 256, 1 + 3 / 256, -0.0, 3.4e38],
            [1, 1 + 1 / 64, -0.0, np.inf],
        ),
        (
            "truncf",
            "f32",
            "f16",
            [1 + 1 / 2048, 65520, 2.0**-25, 2.0**-24],
            [1, np.inf, 0, 2.0**-24],
        ),
        (
            "bitcast",
            "f32",
            "i32",
            [1.0, -0.0, np.inf, 0.5],
            [127 << 23, -(1 << 31), 255 << 23, 126 << 23],
        ),
    ],
)
def test_conversions(
    name: str, source: str, target: str, argument: list[float], expected: list[float]
) -> None:
    dtypes = {"i1": np.bool_, "i8": np.int8, "i32": np.int32, "bf16": F32, "f16": np.float16}
    body = f"    %t = arith.{name} %x0 : {source} to {target}"
    given = np.asarray(argument, dtypes.get(source, F32))
    (found,) = run(scalars(source, body, source, out=target), given)
    np.testing.assert_array_equal(found, np.asarray(expected).astype(dtypes.get(target, F32)))


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [("oeq", [1, 0, 0, 0]), ("une", [0, 1, 1, 1]), ("ult", [0, 1, 0, 1]), ("oge", [1, 0, 1, 0]),
     ("uno", [0, 0, 0, 1]), ("ord", [1, 1, 1, 0]), ("one", [0, 1, 1, 0]), ("ueq", [1, 0, 0, 1]),
     ("ugt", [0, 0, 1, 1])],
)  # fmt: skip
def test_comparisons_of_floats(predicate: str, expected: list[int]) -> None:
    a, b = np.array([1, 1, 2, np.nan], F32), np.array([1, 2, 1, 1], F32)
    text = scalars(
        "f32", f"    %t = arith.cmpf {predicate}, %x0, %x1 : f32", "f32", "f32", out="i1"
    )
    (found,) = run(text, a, b)
    np.testing.assert_array_equal(found, np.array(expected, np.bool_))


FOLD = """  %z = arith.constant {start} : f32
  %e = tensor.empty() : tensor<2xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<2xf32>) -> tensor<2xf32>
  %r = linalg.generic {{indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>,
      affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]}}
    ins(%arg0 : tensor<2x3xf32>) outs(%f : tensor<2xf32>) {{
  ^bb0(%x: f32, %a: f32):
{body}
    linalg.yield %t : f32
  }} -> tensor<2xf32>
  return %r : tensor<2xf32>"""


@pytest.mark.parametrize(
    ("body", "start", "expected"),
    [
        ("    %t = arith.subf %x, %a : f32", "5.0", [3 - (2 - (1 - 5)), 6 - (5 - (4 - 5))]),
        ("    %t = arith.subf %a, %x : f32", "1.0", [-5, -14]),
        ("    %c = arith.constant 0.5 : f32\n    %t = arith.addf %x, %c : f32", "0.0", [3.5, 6.5]),
    ],
)
def test_a_fold_is_taken_in_row_major_order(body: str, start: str, expected: list[float]) -> None:
    text = function("%arg0: tensor<2x3xf32>", "tensor<2xf32>", FOLD.format(body=body, start=start))
    (found,) = run(text, np.arange(1, 7, dtype=F32).reshape(2, 3))
    np.testing.assert_array_equal(found, np.array(expected, F32))


def test_a_product_in_f16_rounds_every_sum_and_the_wide_way_none() -> None:
    text = function(
        "%arg0: tensor<1x2xf16>, %arg1: tensor<2x1xf16>",
        "tensor<1x1xf16>",
        """  %z = arith.constant 1.0 : f16
  %e = tensor.empty() : tensor<1x1xf16>
  %f = linalg.fill ins(%z : f16) outs(%e : tensor<1x1xf16>) -> tensor<1x1xf16>
  %r = linalg.matmul ins(%arg0, %arg1 : tensor<1x2xf16>, tensor<2x1xf16>)
    outs(%f : tensor<1x1xf16>) -> tensor<1x1xf16>
  return %r : tensor<1x1xf16>""",
    )
    # 1 + 2^-11 + 2^-11: each half step falls back to 1, both together are a step.
    lhs, rhs = np.full((1, 2), 2.0**-6, np.float16), np.full((2, 1), 2.0**-5, np.float16)
    assert run(text, lhs, rhs)[0][0, 0] == 1.0
    assert run(text, lhs, rhs, wide=True)[0][0, 0] == np.float16(1 + 2.0**-10)


def test_slices_pads_and_concats() -> None:
    text = function(
        "%arg0: tensor<3x4xf32>",
        "tensor<4x5xf32>",
        """  %z = arith.constant -0.0 : f32
  %s = tensor.extract_slice %arg0[1, 0] [2, 2] [1, 2] : tensor<3x4xf32> to tensor<2x2xf32>
  %i = tensor.insert_slice %s into %arg0[0, 1] [2, 2] [1, 1] : tensor<2x2xf32> into tensor<3x4xf32>
  %p = tensor.pad %i low[1, 0] high[0, 1] {
  ^bb0(%a: index, %b: index):
    tensor.yield %z : f32
  } : tensor<3x4xf32> to tensor<4x5xf32>
  return %p : tensor<4x5xf32>""",
    )
    x = np.arange(12, dtype=F32).reshape(3, 4)
    expected = x.copy()
    expected[0:2, 1:3] = x[1:3, 0:4:2]
    expected = np.pad(expected, ((1, 0), (0, 1)), constant_values=-0.0)
    (found,) = run(text, x)
    np.testing.assert_array_equal(found, expected)
    assert np.signbit(found[0, 0])


GATHER = function(
    "%arg0: tensor<3x2xf32>, %arg1: tensor<4xi64>",
    "tensor<4x2xf32>",
    """  %e = tensor.empty() : tensor<4x2xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0)>,
      affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]}
    ins(%arg1 : tensor<4xi64>) outs(%e : tensor<4x2xf32>) {
  ^bb0(%k: i64, %o: f32):
    %i = arith.index_cast %k : i64 to index
    %j = linalg.index 1 : index
    %t = tensor.extract %arg0[%i, %j] : tensor<3x2xf32>
    linalg.yield %t : f32
  } -> tensor<4x2xf32>
  return %r : tensor<4x2xf32>""",
)


def test_rows_of_a_table() -> None:
    table, rows = np.arange(6, dtype=F32).reshape(3, 2), np.array([2, 0, 2, 1])
    np.testing.assert_array_equal(run(GATHER, table, rows)[0], table[rows])


def test_an_index_outside_is_not_given_a_value() -> None:
    with pytest.raises(CannotEvaluateError, match="leaves dimension 0"):
        run(GATHER, np.zeros((3, 2), F32), np.array([0, 1, 2, 3]))


def test_a_convolution_of_asic() -> None:
    text = """func.func @main(%x: tensor<1x4x5xf32>) -> tensor<1x4x2xf32> {
  %w = asic.weight dense_resource<w> : tensor<4x2x2xf32>
  %r = asic.conv %x, %w {strides = array<i64: 2>, dilations = array<i64: 2>,
    low_padding = array<i64: 0>, high_padding = array<i64: 1>, groups = 2 : i64}
    : tensor<1x4x5xf32>, tensor<4x2x2xf32> -> tensor<1x4x2xf32>
  func.return %r : tensor<1x4x2xf32>
}"""
    rng = np.random.default_rng(0)
    x, w = rng.integers(-4, 5, (1, 4, 5)).astype(F32), rng.integers(-4, 5, (4, 2, 2)).astype(F32)
    padded = np.pad(x, ((0, 0), (0, 0), (0, 1)))
    expected = np.zeros((1, 4, 2), F32)
    for f, p, c, k in np.ndindex(4, 2, 2, 2):
        expected[0, f, p] += padded[0, f // 2 * 2 + c, p * 2 + k * 2] * w[f, c, k]
    np.testing.assert_array_equal(run(text, x, w=w)[0], expected)


def test_what_is_not_known_is_said() -> None:
    text = """func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}"""
    with pytest.raises(CannotEvaluateError, match="no static shape"):
        run(text, np.zeros(3, F32))
