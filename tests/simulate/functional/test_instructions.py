"""Every kind of instruction, alone on four tiles, against NumPy."""

from __future__ import annotations

import format_reference as ref
import numpy as np
import pytest
from hand_written import (
    Array,
    cut,
    given,
    module_text,
    parse,
    random,
    receive,
    run_text,
    send,
    taken,
)

from asic_compiler.diagnostics import UserError
from asic_compiler.simulate import run_program

F16 = {"rtol": 2e-3, "atol": 2e-3}


def weight(name: str, kind: str, bits: int = 16) -> str:
    return f"tcc.weight @{name} bits = {bits} value = dense_resource<{name}> : tensor<{kind}>"


def reduce_k(scatter: bool, kind: str = "3x10") -> str:
    return f"""%t.r, %v = tcc.reduce %p with ["arith.addf"] along "k" {"scatter" * scatter}
      bytes = 1 cut {{cut}} op = 0 : !tcc.buffer<{kind}xf32> -> !tcc.buffer<{kind}xf16>
    tcc.wait %t.r op = 0"""


MMA_CUTS = [
    (cut(n=4), False),
    (cut(n=3), False),
    (cut(m=2, n=2), False),
    (cut(m=2, n=2, more=", rows_first = 1"), False),
    (cut(n=2, more=", stride = 2"), False),
    (cut(k=4), False),
    (cut(k=3), False),
    (cut(k=4), True),
    (cut(n=2, k=2), True),
    (cut(m=2, k=2), False),
]


@pytest.mark.parametrize(("split", "scatter"), MMA_CUTS)
@pytest.mark.parametrize("transposed", [False, True])
def test_mma(split: str, scatter: bool, transposed: bool):
    x, w = random(1, 3, 12), random(2, 10, 12)
    partial = "k = 1" not in split
    result, element = ("p", "f32") if partial else ("v", "f16")
    body = f"""{receive("x", "3x12xf16")}
    %{result} = tcc.mma %x, @w sizes [1, 3, 10, 12] {"transposed" * transposed} cut {split} op = 0
      : !tcc.buffer<3x12xf16> -> !tcc.buffer<3x10x{element}>
    {reduce_k(scatter).format(cut=split) if partial else ""}
    {send("v", "3x10xf16")}"""
    shape = "12x10" if transposed else "10x12"
    symbols = "\n".join((weight("w", f"{shape}xf16"), given("x", "3x12xf16"), taken("3x10xf16")))
    found = run_text(symbols, body, {"x": x}, {"w": w.T.copy() if transposed else w})
    expected = x.astype(np.float32) @ w.astype(np.float32).T
    assert found["y"].dtype == np.float16
    np.testing.assert_allclose(found["y"], expected, **F16)


@pytest.mark.parametrize("split", [cut(n=4), cut(n=2, k=2)])
def test_mma_in_pieces_adds_up_what_the_pieces_left(split: str):
    x, w = random(1, 3, 22), random(2, 8, 22)
    partial = "k = 1" not in split
    last, element = ("p", "f32") if partial else ("v", "f16")
    pieces: list[str] = []
    for c in range(3):
        into = last if c == 2 else f"a{c}"
        kind = element if c == 2 else "f32"
        acc = f" acc %a{c - 1} : !tcc.buffer<3x8xf32>" if c else ""
        pieces.append(f"""
    %t{c}, %x{c} = tcc.receive @x piece [{c}, 3] bytes = 1 op = 0 : !tcc.buffer<3x22xf16>
    tcc.wait %t{c} op = 0
    %{into} = tcc.mma %x{c}, @w{acc} sizes [1, 3, 8, 22] piece [{c}, 3] cut {split} op = 0
      : !tcc.buffer<3x22xf16> -> !tcc.buffer<3x8x{kind}>""")
    body = f"""{"".join(pieces)}
    {reduce_k(False, "3x8").format(cut=split) if partial else ""}
    {send("v", "3x8xf16")}"""
    symbols = "\n".join((weight("w", "8x22xf16"), given("x", "3x22xf16"), taken("3x8xf16")))
    found = run_text(symbols, body, {"x": x}, {"w": w})["y"]
    np.testing.assert_allclose(found, x.astype(np.float32) @ w.astype(np.float32).T, **F16)


@pytest.mark.parametrize("split", [cut(n=4), cut(m=2, n=2), cut(n=2, k=2)])
@pytest.mark.parametrize("count", [2, 4, 5])
def test_pieces_of_rows_fill_one_buffer(split: str, count: int):
    """Seven rows, or three and four, in pieces: some are empty."""
    x, w = random(1, 7, 12), random(2, 8, 12)
    partial = "k = 1" not in split
    last, element = ("p", "f32") if partial else ("v", "f16")
    pieces: list[str] = []
    for c in range(count):
        into = last if c == count - 1 else f"a{c}"
        acc = f" acc %a{c - 1} : !tcc.buffer<7x8x{element}>" if c else ""
        pieces.append(f"""
    %t{c}, %x{c} = tcc.receive @x piece [{c}, {count}] bytes = 1 op = 0 : !tcc.buffer<7x12xf16>
    tcc.wait %t{c} op = 0
    %{into} = tcc.mma %x{c}, @w{acc} sizes [1, 7, 8, 12] piece [{c}, {count}] rows cut {split}
      op = 0 : !tcc.buffer<7x12xf16> -> !tcc.buffer<7x8x{element}>""")
    body = f"""{"".join(pieces)}
    {reduce_k(False, "7x8").format(cut=split) if partial else ""}
    {send("v", "7x8xf16")}"""
    symbols = "\n".join((weight("w", "8x12xf16"), given("x", "7x12xf16"), taken("7x8xf16")))
    found = run_text(symbols, body, {"x": x}, {"w": w})["y"]
    np.testing.assert_allclose(found, x.astype(np.float32) @ w.astype(np.float32).T, **F16)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("shared", [False, True])
def test_columns_of_all_batch_items_are_cut_as_one(n: int, shared: bool):
    x, w = random(1, 3, 2, 4), random(2, 5, 4) if shared else random(2, 3, 5, 4)
    body = f"""{receive("x", "3x2x4xf16")}
    %v = tcc.mma %x, @w sizes [3, 2, 5, 4] {"shared" * shared} cut {cut(n=n)} op = 0
      : !tcc.buffer<3x2x4xf16> -> !tcc.buffer<3x2x5xf16>
    {send("v", "3x2x5xf16")}"""
    shape = "5x4xf16" if shared else "3x5x4xf16"
    symbols = "\n".join((weight("w", shape), given("x", "3x2x4xf16"), taken("3x2x5xf16")))
    found = run_text(symbols, body, {"x": x}, {"w": w})["y"]
    expected = x.astype(np.float32) @ np.swapaxes(w.astype(np.float32), -1, -2)
    np.testing.assert_allclose(found, expected, **F16)


@pytest.mark.parametrize("bits", [16, 8])
def test_a_tile_without_a_part_of_k_adds_nothing(bits: int):
    """9 values of k in 4 parts: 3, 3, 3 and none."""
    x, w = random(1, 3, 9), random(2, 10, 9)
    body = f"""{receive("x", "3x9xf16")}
    %p = tcc.mma %x, @w sizes [1, 3, 10, 9] cut {cut(k=4)} op = 0
      : !tcc.buffer<3x9xf16> -> !tcc.buffer<3x10xf32>
    {reduce_k(False).format(cut=cut(k=4))}
    {send("v", "3x10xf16")}"""
    symbols = "\n".join((weight("w", "10x9xf16", bits), given("x", "3x9xf16"), taken("3x10xf16")))
    found = run_text(symbols, body, {"x": x}, {"w": w})["y"]
    near = {"rtol": 0.05, "atol": 0.05} if bits == 8 else F16
    np.testing.assert_allclose(found, x.astype(np.float32) @ w.T.astype(np.float32), **near)


def test_a_weight_is_read_through_a_map():
    x, w = random(1, 3, 30), random(2, 4, 5, 6)
    # [n, k] of the product is [d0, (d1, d2)] of the constant with d1 and d2 exchanged.
    map_ = "affine_map<(d0, d1) -> (d0, d1 mod 5, d1 floordiv 5)>"
    body = f"""{receive("x", "3x30xf16")}
    %v = tcc.mma %x, @w sizes [1, 3, 4, 30] through {map_} cut {cut(n=2)} op = 0
      : !tcc.buffer<3x30xf16> -> !tcc.buffer<3x4xf16>
    {send("v", "3x4xf16")}"""
    symbols = "\n".join((weight("w", "4x5x6xf16"), given("x", "3x30xf16"), taken("3x4xf16")))
    found = run_text(symbols, body, {"x": x}, {"w": w})["y"]
    matrix = w.transpose(0, 2, 1).reshape(4, 30).astype(np.float32)
    np.testing.assert_allclose(found, x.astype(np.float32) @ matrix.T, **F16)


def test_integers_multiply_in_the_type_of_the_result():
    x, w = random(1, 3, 40, dtype=np.int8), random(2, 6, 40, dtype=np.int8)
    body = f"""{receive("x", "3x40xi8")}
    %v = tcc.mma %x, @w sizes [1, 3, 6, 40] cut {cut(n=4)} op = 0
      : !tcc.buffer<3x40xi8> -> !tcc.buffer<3x6xi32>
    {send("v", "3x6xi32")}"""
    symbols = "\n".join((weight("w", "6x40xi8", 8), given("x", "3x40xi8"), taken("3x6xi32")))
    found = run_text(symbols, body, {"x": x}, {"w": w})["y"]
    np.testing.assert_array_equal(found, x.astype(np.int32) @ w.astype(np.int32).T)


@pytest.mark.parametrize("bits", [8, 4])
def test_a_quantised_weight_has_the_scale_of_its_whole_row_wherever_it_is_cut(bits: int):
    x, w = random(1, 3, 16), random(2, 8, 16)
    body = f"""{receive("x", "3x16xf16")}
    %p = tcc.mma %x, @w sizes [1, 3, 8, 16] cut {cut(n=2, k=2)} op = 0
      : !tcc.buffer<3x16xf16> -> !tcc.buffer<3x8xf32>
    {reduce_k(False, "3x8").format(cut=cut(n=2, k=2))}
    {send("v", "3x8xf16")}"""
    symbols = "\n".join((weight("w", "8x16xf16", bits), given("x", "3x16xf16"), taken("3x8xf16")))
    found = run_text(symbols, body, {"x": x}, {"w": w})["y"]
    near = ref.read_back(*ref.stored_rows(w, bits)).astype(np.float64)
    np.testing.assert_allclose(found, x.astype(np.float64) @ near.T, rtol=2e-3, atol=2e-3)
    assert np.abs(found - x.astype(np.float64) @ w.astype(np.float64).T).max() > 1e-3


MMA_DMEM_CUTS = [
    cut(b=4),
    cut(b=2, n=2),
    cut(b=2, m=2),
    cut(n=4),
    cut(n=3),
    cut(m=2, n=2),
    cut(b=2, k=2),
]


@pytest.mark.parametrize("split", MMA_DMEM_CUTS)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_mma_dmem(split: str, transposed: bool, shared: bool):
    a, b = random(1, 4, 3, 6), random(2, 6, 5) if shared else random(2, 4, 6, 5)
    b_given = b if transposed else np.swapaxes(b, -1, -2).copy()
    partial = "k = 1" not in split
    result, element = ("p", "f32") if partial else ("v", "f16")
    kind = "x".join(map(str, b_given.shape)) + "xf16"
    body = f"""{receive("a", "4x3x6xf16")}
    {receive("b", kind)}
    %{result} = tcc.mma_dmem %a, %b sizes [4, 3, 5, 6] {"transposed" * transposed}
      {"shared" * shared} cut {split} op = 0
      : !tcc.buffer<4x3x6xf16>, !tcc.buffer<{kind}> -> !tcc.buffer<4x3x5x{element}>
    {reduce_k(False, "4x3x5").format(cut=split) if partial else ""}
    {send("v", "4x3x5xf16")}"""
    symbols = "\n".join((given("a", "4x3x6xf16"), given("b", kind), taken("4x3x5xf16")))
    found = run_text(symbols, body, {"a": a, "b": b_given})["y"]
    np.testing.assert_allclose(found, a.astype(np.float32) @ b.astype(np.float32), **F16)


def convolve(x: Array, w: Array, stride: int, dilation: int, low: int, groups: int) -> Array:
    """[2, channels, 7, 7] with a border of ``low`` before and 1 after, in f64."""
    data = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (low, 1), (low, 1)))
    filters, per_group, kernel, _ = w.shape
    side = (data.shape[2] - (kernel - 1) * dilation - 1) // stride + 1
    out = np.zeros((len(x), filters, side, side))
    for f in range(filters):
        g = f // (filters // groups)
        for i in range(side):
            for j in range(side):
                window = data[
                    :,
                    g * per_group : (g + 1) * per_group,
                    i * stride : i * stride + (kernel - 1) * dilation + 1 : dilation,
                    j * stride : j * stride + (kernel - 1) * dilation + 1 : dilation,
                ]
                out[:, f, i, j] = (window * w[f].astype(np.float64)).sum(axis=(1, 2, 3))
    return out


@pytest.mark.parametrize("split", [cut(m=4), cut(n=4), cut(m=2, n=2), cut(n=3), cut(n=2, k=2)])
@pytest.mark.parametrize(("groups", "stride", "dilation"), [(1, 1, 1), (2, 2, 1), (4, 1, 2)])
def test_conv(split: str, groups: int, stride: int, dilation: int):
    x, w = random(1, 2, 4, 7, 7), random(2, 8, 4 // groups, 3, 3)
    expected = convolve(x, w, stride, dilation, 2, groups)
    side = expected.shape[2]
    kind = f"2x8x{side}x{side}"
    partial = "k = 1" not in split
    result, element = ("p", "f32") if partial else ("v", "f16")
    k = 4 // groups * 9
    body = f"""{receive("x", "2x4x7x7xf16")}
    %{result} = tcc.conv %x, @w sizes [{groups}, {2 * side * side}, {8 // groups}, {k}]
      window [3, 3] strides [{stride}, {stride}] dilations [{dilation}, {dilation}]
      padding [2, 2] [1, 1] cut {split} op = 0
      : !tcc.buffer<2x4x7x7xf16> -> !tcc.buffer<{kind}x{element}>
    {reduce_k(False, kind).format(cut=split) if partial else ""}
    {send("v", f"{kind}xf16")}"""
    weight_kind = f"8x{4 // groups}x3x3xf16"
    symbols = "\n".join((weight("w", weight_kind), given("x", "2x4x7x7xf16"), taken(f"{kind}xf16")))
    found = run_text(symbols, body, {"x": x}, {"w": w})["y"]
    np.testing.assert_allclose(found, expected, rtol=4e-3, atol=4e-3)


ID2, ROW = "affine_map<(d0, d1) -> (d0, d1)>", "affine_map<(d0, d1) -> (d1)>"
SCALE = f"""tcc.kernel @scale over [3, 8] reduced = 0 maps [{ID2}, {ROW}] {{
  ^bb0(%a: f16, %w: f16):
    %i = tcc.index 0 : index
    %j = arith.index_cast %i : index to i64
    %f = arith.sitofp %j : i64 to f16
    %b = arith.mulf %a, %w : f16
    %c = arith.addf %b, %f : f16
    tcc.yield %c : f16
  }}"""


@pytest.mark.parametrize(
    ("over", "split"),
    [("[1, 3, 8]", cut(n=4)), ("[1, 3, 8]", cut(m=3)), ("[1, 1, 24]", cut(n=4))],
)
def test_a_kernel_over_points_and_a_loaded_constant(over: str, split: str):
    x, w = random(1, 3, 8), random(2, 8)
    body = f"""{receive("x", "3x8xf16")}
    %l = tcc.load @w op = 0 : !tcc.buffer<8xf16>
    %v = tcc.vector @scale(%x, %l) over {over} cut {split} op = 0
      : (!tcc.buffer<3x8xf16>, !tcc.buffer<8xf16>) -> (!tcc.buffer<3x8xf16>)
    {send("v", "3x8xf16")}"""
    symbols = "\n".join((SCALE, weight("w", "8xf16"), given("x", "3x8xf16"), taken("3x8xf16")))
    found = run_text(symbols, body, {"x": x}, {"w": w})["y"]
    np.testing.assert_array_equal(found, x * w + np.arange(3, dtype=np.float16)[:, None])


FOLD = f"""tcc.kernel @fold over [3, 10] reduced = 1 maps [{ID2}] init [0.0 : f32, 0xFC00 : f16] {{
  ^bb0(%a: f16, %acc: f32, %top: f16):
    %e = arith.extf %a : f16 to f32
    %b = arith.addf %acc, %e : f32
    %m = arith.maximumf %top, %a : f16
    tcc.yield %b, %m : f32, f16
  }}"""


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_a_fold_is_combined_along_n(n: int):
    """With n = 4 the parts of 10 points have 3, 3, 3 and 1."""
    x = random(1, 3, 10)
    split = cut(n=n)
    results = "(!tcc.buffer<3xf32>, !tcc.buffer<3xf16>)"
    body = f"""{receive("x", "3x10xf16")}
    %s, %m = tcc.vector @fold(%x) over [1, 3, 10] cut {split} op = 0
      : (!tcc.buffer<3x10xf16>) -> {results}
    %t.r, %sum, %max = tcc.reduce %s, %m with ["arith.addf", "arith.maximumf"] along "n" bytes = 1
      cut {split} op = 0 : !tcc.buffer<3xf32>, !tcc.buffer<3xf16>
      -> !tcc.buffer<3xf32>, !tcc.buffer<3xf16>
    tcc.wait %t.r op = 0
    {send("sum", "3xf32")}
    {send("max", "3xf16", name="z")}"""
    symbols = "\n".join((FOLD, given("x", "3x10xf16"), taken("3xf32"), taken("3xf16", "z")))
    found = run_text(symbols, body, {"x": x})
    np.testing.assert_allclose(found["y"], x.astype(np.float64).sum(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(found["z"], x.max(axis=1))


def test_a_part_without_points_gives_nothing_to_a_reduction():
    """9 points in 4 parts: 3, 3, 3 and none."""
    x = random(1, 3, 9)
    symbols = "\n".join((FOLD.replace("10", "9"), given("x", "3x9xf16"), taken("3xf32")))
    body = f"""{receive("x", "3x9xf16")}
    %s, %m = tcc.vector @fold(%x) over [1, 3, 9] cut {cut(n=4)} op = 0
      : (!tcc.buffer<3x9xf16>) -> (!tcc.buffer<3xf32>, !tcc.buffer<3xf16>)
    %t.r, %sum = tcc.reduce %s with ["arith.addf"] along "n" bytes = 1
      cut {cut(n=4)} op = 0 : !tcc.buffer<3xf32> -> !tcc.buffer<3xf32>
    tcc.wait %t.r op = 0
    {send("sum", "3xf32")}"""
    found = run_text(symbols, body, {"x": x})["y"]
    np.testing.assert_allclose(found, x.astype(np.float64).sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize("split", [cut(n=4), cut(m=3), cut(m=2, n=2)])
def test_gather_of_a_weight(split: str):
    table, ids = random(1, 20, 8), np.array([3, 19, 0])
    body = f"""{receive("ids", "3xi64")}
    %v = tcc.gather %ids of @w over [1, 3, 8] cut {split} op = 0
      : !tcc.buffer<3xi64> -> !tcc.buffer<3x8xf16>
    {send("v", "3x8xf16")}"""
    symbols = "\n".join((weight("w", "20x8xf16"), given("ids", "3xi64"), taken("3x8xf16")))
    assert np.array_equal(run_text(symbols, body, {"ids": ids}, {"w": table})["y"], table[ids])
    with pytest.raises(UserError, match=r"tcc\.gather @w of operator 0: an index outside 0\.\.19"):
        run_text(symbols, body, {"ids": np.array([3, 20, 0])}, {"w": table})


def test_gather_of_a_buffer():
    table, ids = random(1, 20, 8), np.array([3, 19, 0])
    body = f"""{receive("ids", "3xi64")}
    {receive("w", "20x8xf16")}
    %v = tcc.gather %ids in %w : !tcc.buffer<20x8xf16> over [1, 3, 8] cut {cut(m=2, n=2)} op = 0
      : !tcc.buffer<3xi64> -> !tcc.buffer<3x8xf16>
    {send("v", "3x8xf16")}"""
    symbols = "\n".join((given("w", "20x8xf16"), given("ids", "3xi64"), taken("3x8xf16")))
    found = run_text(symbols, body, {"ids": ids, "w": table})["y"]
    np.testing.assert_array_equal(found, table[ids])


def test_view_copy_concat_and_pad():
    x, z = random(1, 2, 6), random(2, 2, 3)
    swap = "affine_map<(d0, d1, d2) -> (d0, d2 * 3 + d1)>"
    split = cut(n=4)
    body = f"""{receive("x", "2x6xf16")}
    %c = tcc.copy %x {swap} over [1, 1, 12] cut {split} op = 0
      : !tcc.buffer<2x6xf16> -> !tcc.buffer<2x3x2xf16>
    %t.c, %cr = tcc.receive @c bytes = 1 op = 1 : !tcc.buffer<2x3x2xf16>
    %t.s = tcc.send @c, %c bytes = 1 op = 1 : !tcc.buffer<2x3x2xf16>
    tcc.wait %t.c op = 1
    tcc.wait %t.s op = 1
    {receive("z", "2x3xf16", 1)}
    %r = tcc.view %cr affine_map<(d0, d1) -> (d0, d1 floordiv 2, d1 mod 2)> op = 1
      : !tcc.buffer<2x3x2xf16> -> !tcc.buffer<2x6xf16>
    %k = tcc.concat(%r, %z) dim = 1 sizes [6, 3] maps [{ID2}, {ID2}] over [1, 2, 9] cut
      {cut(m=2, n=2)} op = 1 : (!tcc.buffer<2x6xf16>, !tcc.buffer<2x3xf16>) -> !tcc.buffer<2x9xf16>
    %t.k, %kr = tcc.receive @k bytes = 1 op = 2 : !tcc.buffer<2x9xf16>
    %t.m = tcc.multicast @k, %k bytes = 1 op = 2 : !tcc.buffer<2x9xf16>
    tcc.wait %t.k, %t.m op = 2
    %v = tcc.pad %kr low [1, 0] high [0, 2] value = 7.0 : f16 over [1, 3, 11] cut {cut(n=3)} op = 2
      : !tcc.buffer<2x9xf16> -> !tcc.buffer<3x11xf16>
    {send("v", "3x11xf16", 2)}"""
    inner = "from <offset = [0, 0], size = [2, 2]> to <offset = [0, 0], size = [2, 2]>"
    symbols = "\n".join(
        (
            given("x", "2x6xf16"),
            given("z", "2x3xf16"),
            f"tcc.channel @c {inner} : tensor<2x3x2xf16>",
            f"tcc.channel @k {inner} : tensor<2x9xf16>",
            taken("3x11xf16"),
        )
    )
    found = run_text(symbols, body, {"x": x, "z": z})["y"]
    turned = x.reshape(2, 2, 3).transpose(0, 2, 1).reshape(2, 6)
    joined = np.concatenate((turned, z), axis=1)
    expected = np.pad(joined, ((1, 0), (0, 2)), constant_values=7.0)
    np.testing.assert_array_equal(found, expected)


CACHE_BODY = f"""{receive("new", "2x1x8xf16")}
    %k = tcc.kv_append %new into @past axis = 1 slot = 2 cut {{split}} op = 0
      : !tcc.buffer<2x1x8xf16> -> !tcc.buffer<2x4x8xf16>
    {receive("q", "2x1x8xf16", 1)}
    %l = tcc.load @past op = 1 : !tcc.buffer<2x4x8xf16>
    %v = tcc.mma_dmem %q, %l sizes [2, 1, 4, 8] cut {{split}} op = 1
      : !tcc.buffer<2x1x8xf16>, !tcc.buffer<2x4x8xf16> -> !tcc.buffer<2x1x4xf16>
    {send("v", "2x1x4xf16", 1)}"""


def cache(bits: int) -> str:
    return "\n".join(
        (
            f"tcc.cache @past bits = {bits} copies = 2 argument = 2 result = 1 : tensor<2x4x8xf16>",
            given("new", "2x1x8xf16"),
            given("q", "2x1x8xf16"),
            taken("2x1x4xf16"),
        )
    )


@pytest.mark.parametrize("split", [cut(b=2), cut(b=2, n=2), cut(n=4)])
def test_a_cache_holds_what_its_reader_reads_and_takes_new_slots(split: str):
    past, new, q = random(1, 2, 4, 8), random(2, 2, 1, 8), random(3, 2, 1, 8)
    found = run_text(cache(16), CACHE_BODY.format(split=split), {"past": past, "new": new, "q": q})
    after = past.copy()
    after[:, 2:3] = new
    np.testing.assert_array_equal(found["past"], after)
    expected = q.astype(np.float32) @ np.swapaxes(after.astype(np.float32), 1, 2)
    np.testing.assert_allclose(found["y"], expected, **F16)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_append_leaves_the_codes_of_other_rows(bits: int, seed: int):
    """Rounding once more what was rounded already would change them."""
    past, new, q = random(seed, 2, 4, 8), random(9, 2, 1, 8), random(3, 2, 1, 8)
    body = CACHE_BODY.format(split=cut(b=2))
    text = module_text(cache(bits), body)
    found = run_program(parse(text), {"past": past, "new": new, "q": q}, {})
    swapped = past.copy()
    swapped[:, 2:3] = new
    alone = run_program(parse(text), {"past": swapped, "new": new, "q": q}, {})
    np.testing.assert_array_equal(found["past"], alone["past"])
    error = np.abs(found["past"].astype(np.float64) - swapped.astype(np.float64))
    step = np.abs(swapped).max(axis=-1, keepdims=True) / (2 ** (bits - 1) - 1)
    assert (error <= 0.51 * step).all()
    assert error.max() > 0


@pytest.mark.parametrize("kind", ["bf16", "i1", "f64", "i32"])
def test_elements_of_every_size_survive_a_copy(kind: str):
    dtypes = {"bf16": np.float32, "i1": np.bool_, "f64": np.float64, "i32": np.int32}
    x = (random(1, 5, 7, dtype=np.float64) * 9).astype(dtypes[kind])
    if kind == "bf16":
        x = (x.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    body = f"""{receive("x", f"5x7x{kind}")}
    %v = tcc.copy %x affine_map<(d0, d1) -> (d1, d0)> over [1, 7, 5] cut {cut(m=2, n=2)} op = 0
      : !tcc.buffer<5x7x{kind}> -> !tcc.buffer<7x5x{kind}>
    {send("v", f"7x5x{kind}")}"""
    symbols = "\n".join((given("x", f"5x7x{kind}"), taken(f"7x5x{kind}")))
    np.testing.assert_array_equal(run_text(symbols, body, {"x": x})["y"], x.T)
