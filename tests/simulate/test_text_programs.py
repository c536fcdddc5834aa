"""Models written as text against NumPy, bit for bit: zeros' signs, infinities, odd bodies.

Each is converted, placed on one tile and on six, printed, read back and run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from text_programs import Array, function, run_text

UNSIGNED = "{cast = #linalg.type_fn<cast_unsigned>} "
MESHES = ((1, 1), (3, 2))
F = np.float32


def same(found: Array, wanted: Array) -> bool:
    """Equal, with the signs of zeros; a NaN is a NaN."""
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    if found.dtype.kind != "f":
        return bool(np.array_equal(found, wanted))
    both = np.isnan(found) & np.isnan(wanted)
    return bool(np.all(both | (found == wanted) & (np.signbit(found) == np.signbit(wanted))))


def random(shape: Sequence[int], dtype: type = np.int8) -> Array:
    rng = np.random.default_rng(0)
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, tuple(shape), dtype, endpoint=True)
    # Sums of small whole numbers are exact in any order.
    return rng.integers(-4, 5, tuple(shape)).astype(dtype)


def signed(values: Array) -> Array:
    return values.astype(np.int32)


def unsigned(values: Array) -> Array:
    return values.view(np.uint8).astype(np.int32)


def filled(shape: str, value: str) -> str:
    element = shape.rpartition("x")[2]
    return (
        f"  %z = arith.constant {value} : {element}\n"
        f"  %e = tensor.empty() : tensor<{shape}>\n"
        f"  %f = linalg.fill ins(%z : {element}) outs(%e : tensor<{shape}>) -> tensor<{shape}>\n"
    )


# A list of infinities was read as large numbers, and one of zeros of both signs as one zero.
@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("[0xFF800000, -0.0, 0xFFC00000, 1.5]", [-np.inf, -0.0, np.nan, 1.5]),
        ("0xFF800000", [-np.inf] * 4),
        ("[0.0, -0.0, 0.0, -0.0]", [0.0, -0.0, 0.0, -0.0]),
        ("-0.0", [-0.0] * 4),
        ("[123456792.0, 0x4B800001, 1.0e39, -1.0e-60]", [123456792.0, 16777218.0, np.inf, -0.0]),
        ('"0x000080FF0000008000000000000000C0"', [-np.inf, -0.0, 0.0, -2.0]),
    ],
)
def test_a_constant_keeps_its_bits(text: str, values: list[float]) -> None:
    kind = "tensor<4xf32>"
    maps = ", ".join(["affine_map<(i) -> (i)>"] * 3)
    body = (
        f"  %c = arith.constant dense<{text}> : {kind}\n  %e = tensor.empty() : {kind}\n"
        f'  %r = linalg.generic {{indexing_maps = [{maps}], iterator_types = ["parallel"]}} '
        f"ins(%a0, %c : tensor<4xi1>, {kind}) outs(%e : {kind}) {{\n"
        "  ^bb0(%b: i1, %y: f32, %o: f32):\n    %k = arith.constant 7.0 : f32\n"
        "    %t = arith.select %b, %y, %k : f32\n    linalg.yield %t : f32\n"
        f"  }} -> {kind}"
    )
    (found,) = run_text(function(["tensor<4xi1>"], kind, body), [np.ones(4, np.bool_)])
    assert same(found, np.array(values, F))


# Each constant was converted once for all numbers that compare equal, and 0.0 is -0.0.
def test_kernels_that_differ_in_a_zeros_sign_are_two() -> None:
    kind = "tensor<4xf32>"
    text = "".join(
        f"  %k{i} = arith.constant {value} : f64\n  %e{i} = tensor.empty() : {kind}\n"
        f"  %r{i} = linalg.generic {{indexing_maps = [affine_map<(i) -> (i)>, "
        f'affine_map<(i) -> (i)>], iterator_types = ["parallel"]}} '
        f"ins(%a0 : {kind}) outs(%e{i} : {kind}) {{\n  ^bb0(%x: f32, %y: f32):\n"
        f"    %n = arith.truncf %k{i} : f64 to f32\n    %t = math.copysign %x, %n : f32\n"
        f"    linalg.yield %t : f32\n  }} -> {kind}\n"
        for i, value in enumerate(("0.0", "-0.0"))
    )
    text += f"  %r = tensor.concat dim(0) %r0, %r1 : ({kind}, {kind}) -> tensor<8xf32>"
    (found,) = run_text(function([kind], "tensor<8xf32>", text), [np.ones(4, F)])
    assert same(found, np.array([1] * 4 + [-1] * 4, F))


@pytest.mark.parametrize(
    ("inside", "border", "values"),
    [
        ("-0.0", "0.0", [0.0, -0.0, -0.0, 0.0]),
        ("0.0", "-0.0", [-0.0, 0.0, 0.0, -0.0]),
        ("1.0", "0xFF800000", [-np.inf, 1.0, 1.0, -np.inf]),
    ],
)
def test_a_border_keeps_its_bits(inside: str, border: str, values: list[float]) -> None:
    body = (
        f"  %z = arith.constant {border} : f32\n"
        f"  %c = arith.constant dense<{inside}> : tensor<2xf32>\n"
        "  %r = tensor.pad %c low[1] high[1] {\n  ^bb0(%i: index):\n"
        "    tensor.yield %z : f32\n  } : tensor<2xf32> to tensor<4xf32>"
    )
    (found,) = run_text(function(["tensor<1xf32>"], "tensor<4xf32>", body), [np.ones(1, F)])
    assert same(found, np.array(values, F))


# 0.0 + -0.0 is 0.0: only -0.0 leaves every number as it is, and a product's sums start at 0.0.
@pytest.mark.parametrize(("start", "result"), [("0.0", 0.0), ("-0.0", -0.0)])
@pytest.mark.parametrize("mesh", MESHES)
def test_a_sum_of_nothing_but_minus_zeros(start: str, result: float, mesh: tuple[int, int]) -> None:
    a, b, c = "tensor<4x8xf32>", "tensor<8x5xf32>", "tensor<4x5xf32>"
    body = filled("4x5xf32", start)
    body += f"  %r = linalg.matmul ins(%a0, %a1 : {a}, {b}) outs(%f : {c}) -> {c}"
    inputs = [np.full((4, 8), -0.0, F), np.ones((8, 5), F)]
    (found,) = run_text(function([a, b], c, body), inputs, mesh)
    assert same(found, np.full((4, 5), result, F))


def maps(lhs: str, rhs: str, out: str) -> str:
    shown = ", ".join(f"affine_map<(m, n, k) -> ({letters})>" for letters in (lhs, rhs, out))
    return f"indexing_maps = [{shown}] "


# They were multiplied with signs whatever the cast said, and written maps were not read.
@pytest.mark.parametrize(
    ("name", "types", "wanted"),
    [
        (UNSIGNED, "4x8xi8 8x5xi8 4x5xi32", lambda a, b: unsigned(a) @ unsigned(b)),
        ("", "4x8xi8 8x5xi8 4x5xi32", lambda a, b: signed(a) @ signed(b)),
        ("", "4x8xi8 8x5xi8 4x5xi8", lambda a, b: (signed(a) @ signed(b)).astype(np.int8)),
        ("", "4x8xi1 8x5xi8 4x5xi32", lambda a, b: -signed(a) @ signed(b)),
        (UNSIGNED, "4x8xi1 8x5xi1 4x5xi32", lambda a, b: signed(a) @ signed(b)),
        ("", "4x8xi8 8x5xi16 4x5xi32", lambda a, b: signed(a) @ signed(b)),
        ("", "4x8xf16 8x5xf32 4x5xf32", lambda a, b: a.astype(F) @ b),
        ("", "4x8xi8 8x5xf32 4x5xf32", lambda a, b: a.astype(F) @ b),
        ("", "4x8xf32 8x5xf32 4x5xf64", lambda a, b: a.astype(np.float64) @ b),
        (maps("k, m", "n, k", "n, m"), "8x4xf32 5x8xf32 5x4xf32", lambda a, b: b @ a),
        (maps("k", "k, n", "m, n"), "8xf32 8x5xf32 4x5xf32", lambda a, b: np.stack([a @ b] * 4)),
        (
            maps("k, m", "k, n", "m, n") + UNSIGNED,
            "8x4xi8 8x5xi8 4x5xi32",
            lambda a, b: unsigned(a).T @ unsigned(b),
        ),
    ],
)
def test_a_product_is_what_its_body_and_maps_say(
    name: str, types: str, wanted: Callable[[Array, Array], Array]
) -> None:
    a, b, c = (f"tensor<{part}>" for part in types.split())
    zero = "0.0" if "f" in c.rpartition("x")[2] else "0"
    body = filled(types.split()[2], zero)
    body += f"  %r = linalg.matmul {name}ins(%a0, %a1 : {a}, {b}) outs(%f : {c}) -> {c}"
    inputs = [random(*parts(part)) for part in types.split()[:2]]
    dtype = parts(types.split()[2])[1]
    (found,) = run_text(function([a, b], c, body), inputs)
    assert same(found, wanted(*inputs).astype(dtype))


def parts(text: str) -> tuple[tuple[int, ...], type]:
    *shape, element = text.split("x")
    kinds = {"i1": np.bool_, "f16": np.float16, "f32": F, "f64": np.float64}
    kinds |= {"i8": np.int8, "i16": np.int16, "i32": np.int32}
    return tuple(int(size) for size in shape), kinds[element]


# A name is short for its body: one that differs was ignored.
@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("%p = arith.addi %x, %y : i32", lambda a, b: (a[:, :, None] + b).sum(1)),
        (
            "%c = arith.constant -3 : i32\n    %q = arith.addi %x, %c : i32\n"
            "    %p = arith.muli %q, %y : i32",
            lambda a, b: (a - 3) @ b,
        ),
        ("%p = arith.maxsi %x, %y : i32", lambda a, b: np.maximum(a[:, :, None], b).sum(1)),
        ("%p = arith.muli %x, %x : i32", lambda a, b: np.stack([(a * a).sum(1)] * 5, 1)),
    ],
)
def test_a_named_product_with_a_body_of_its_own(
    lines: str, wanted: Callable[[Array, Array], Array]
) -> None:
    a, b, c = "tensor<4x8xi32>", "tensor<8x5xi32>", "tensor<4x5xi32>"
    body = (
        filled("4x5xi32", "0")
        + '  %r = "linalg.matmul"(%a0, %a1, %f) <{operandSegmentSizes = array<i32: 2, 1>}> ({\n'
        f"  ^bb0(%x: i32, %y: i32, %s: i32):\n    {lines}\n"
        "    %t = arith.addi %s, %p : i32\n    linalg.yield %t : i32\n"
        f"  }}) : ({a}, {b}, {c}) -> {c}"
    )
    inputs = [random((4, 8), F).astype(np.int32), random((8, 5), F).astype(np.int32)]
    (found,) = run_text(function([a, b], c, body), inputs)
    assert same(found, wanted(*inputs).astype(np.int32))


def test_zero_points_are_subtracted() -> None:
    a, b, c = "tensor<4x8xi8>", "tensor<8x5xi8>", "tensor<4x5xi32>"
    body = (
        "  %p = arith.constant -128 : i32\n  %q = arith.constant 5 : i32\n"
        + filled("4x5xi32", "0")
        + f"  %r = linalg.quantized_matmul ins(%a0, %a1, %p, %q : {a}, {b}, i32, i32) "
        f"outs(%f : {c}) -> {c}"
    )
    inputs = [random((4, 8)), random((8, 5))]
    (found,) = run_text(function([a, b], c, body), inputs)
    assert same(found, (signed(inputs[0]) + 128) @ (signed(inputs[1]) - 5))


def windows(x: Array) -> Array:
    return np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(2, 3))


@pytest.mark.parametrize(
    ("name", "types", "start", "wanted"),
    [
        ("nchw_max", "i8 i32", "-2147483648", lambda x: windows(signed(x)).max((4, 5))),
        ("nchw_sum", "i8 i32", "3", lambda x: windows(signed(x)).sum((4, 5)) + 3),
        ("nchw_sum", "f16 f32", "-0.0", lambda x: windows(x.astype(F)).sum((4, 5)) + F(0)),
        ("nchw_max", "f32 f32", "0xFF800000", lambda x: windows(x).max((4, 5))),
    ],
)
def test_a_pooling(name: str, types: str, start: str, wanted: Callable[[Array], Array]) -> None:
    element, result = types.split()
    a, c, k = f"tensor<1x3x5x5x{element}>", f"tensor<1x3x4x4x{result}>", f"tensor<2x2x{element}>"
    body = filled(f"1x3x4x4x{result}", start) + (
        f"  %k = tensor.empty() : {k}\n"
        f"  %r = linalg.pooling_{name} ins(%a0, %k : {a}, {k}) outs(%f : {c}) -> {c}"
    )
    kind = parts(f"1x{element}")[1]
    values = random((1, 3, 5, 5), kind)
    (found,) = run_text(function([a], c, body), [values])
    assert same(found, wanted(values).astype(parts(f"1x{result}")[1]))


@pytest.mark.parametrize(
    ("name", "wanted"), [("add", np.logical_or), ("mul", np.logical_and), ("max", np.logical_and)]
)
def test_single_bits(name: str, wanted: Callable[[Array, Array], Array]) -> None:
    """A sum is or, a product and; 1 is -1 to a signed maximum."""
    kind = "tensor<4xi1>"
    body = (
        f"  %e = tensor.empty() : {kind}\n"
        f"  %r = linalg.{name} ins(%a0, %a1 : {kind}, {kind}) outs(%e : {kind}) -> {kind}"
    )
    inputs = [np.array([1, 1, 0, 0], np.bool_), np.array([1, 0, 1, 0], np.bool_)]
    (found,) = run_text(function([kind, kind], kind, body), inputs)
    assert same(found, wanted(*inputs))


@pytest.mark.parametrize(
    ("name", "value"), [("addf", "0.0"), ("addf", "-0.0"), ("minimumf", "0.0")]
)
@pytest.mark.parametrize("mesh", MESHES)
def test_a_long_reduction_of_minus_zeros(name: str, value: str, mesh: tuple[int, int]) -> None:
    body = filled("1xf32", value) + (
        "  %r = linalg.generic {indexing_maps = [affine_map<(i, k) -> (i, k)>, "
        'affine_map<(i, k) -> (i)>], iterator_types = ["parallel", "reduction"]} '
        "ins(%a0 : tensor<1x4096xf32>) outs(%f : tensor<1xf32>) {\n"
        f"  ^bb0(%x: f32, %a: f32):\n    %t = arith.{name} %a, %x : f32\n"
        "    linalg.yield %t : f32\n  } -> tensor<1xf32>"
    )
    text = function(["tensor<1x4096xf32>"], "tensor<1xf32>", body)
    (found,) = run_text(text, [np.full((1, 4096), -0.0, F)], mesh)
    assert same(found, np.array([0.0 if (name, value) == ("addf", "0.0") else -0.0], F))
