"""Scalar bodies on arrays, against the passes' literal reference, PyTorch and Python's integers."""

from __future__ import annotations

import math
from typing import Any

import asic_reference
import numpy as np
import pytest
import torch
from body_texts import body
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from xdsl.dialects.builtin import FloatAttr, IntegerAttr, bf16, f16, f32, i8, i32, i64

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import asic
from asic_compiler.simulate.bodies import compile_body, fold, run_body, start_accumulators

Array = NDArray[Any]
torch.set_num_threads(1)

SIGNED_BITS = 32
FLOATS = {"f16": np.float16, "f32": np.float32, "f64": np.float64}


def no_index(dim: int) -> Array:
    raise AssertionError(f"nobody asked for index {dim}")


def run(arguments: str, lines: str, yields: str, *operands: Array) -> list[Array]:
    return run_body(body(arguments, lines, yields), operands, no_index)


def unary(op: str, x: Array, type_: str = "f32") -> Array:
    return run(f"%x: {type_}", f"%r = {op} %x : {type_}", f"%r : {type_}", x)[0]


def binary(op: str, a: Array, b: Array, type_: str = "f32") -> Array:
    return run(f"%a: {type_}, %b: {type_}", f"%r = {op} %a, %b : {type_}", f"%r : {type_}", a, b)[0]


# Everything that bodies of exported models hold, of each kind at least one.
MIXED = body(
    "%a: f16, %b: f32, %n: i64",
    """
    %0 = arith.extf %a : f16 to f32
    %1 = arith.mulf %0, %b : f32
    %c = arith.constant 7.979000e-01 : f32
    %2 = arith.addf %1, %c : f32
    %3 = math.tanh %2 : f32
    %4 = math.exp %3 : f32
    %5 = arith.divf %4, %c : f32
    %6 = arith.subf %5, %0 : f32
    %7 = arith.maximumf %6, %b : f32
    %8 = arith.minimumf %7, %4 : f32
    %9 = math.sqrt %4 : f32
    %10 = math.rsqrt %4 : f32
    %11 = arith.negf %8 : f32
    %12 = arith.cmpf ugt, %11, %9 : f32
    %13 = arith.select %12, %10, %11 : f32
    %14 = arith.truncf %13 : f32 to f16
    %15 = arith.mulf %14, %a : f16
    %16 = math.erf %15 : f16
    %17 = tcc.index 1 : index
    %18 = arith.index_cast %17 : index to i64
    %19 = arith.addi %18, %n : i64
    %20 = arith.muli %19, %n : i64
    %21 = arith.cmpi slt, %20, %18 : i64
    %22 = arith.select %21, %18, %20 : i64
    %23 = arith.sitofp %22 : i64 to f16
    %24 = arith.addf %23, %16 : f16
    %25 = arith.fptosi %24 : f16 to i64
    """,
    "%24 : f16, %25 : i64, %13 : f32",
)


def test_a_mixed_body_is_that_of_the_reference():
    rng = np.random.default_rng(0)
    shape = (5, 40)
    operands = [
        rng.normal(0, 2, shape).astype(np.float16),
        rng.normal(0, 2, shape).astype(np.float32),
        rng.integers(-50, 50, shape),
    ]
    points = list(np.indices(shape, dtype=np.int64))
    wanted = asic_reference.run_body(_as_asic(MIXED), operands, points)
    got = run_body(MIXED, operands, lambda dim: points[dim])
    for mine, reference in zip(got, wanted, strict=True):
        assert mine.dtype == reference.dtype
        # rsqrt is rounded once here, twice there: half a unit in the last place of f32.
        np.testing.assert_allclose(mine, reference, rtol=1e-6, atol=0)
    assert got[0].dtype == np.float16
    np.testing.assert_array_equal(got[0], wanted[0])
    np.testing.assert_array_equal(got[1], wanted[1])


def _as_asic(block: Any) -> Any:
    """The same body as the reference reads it."""
    from xdsl.rewriter import Rewriter

    clone = block.parent.clone().block
    for op in list(clone.ops):
        if op.name == "tcc.index":
            Rewriter.replace_op(op, asic.IndexOp(op.dim.value.data))
        elif op.name == "tcc.yield":
            Rewriter.replace_op(op, asic.YieldOp(*op.operands))
    return clone


@pytest.mark.parametrize("type_", ["f16", "f32", "f64"])
@pytest.mark.parametrize(
    ("op", "function"),
    [
        ("math.exp", torch.exp),
        ("math.log", torch.log),
        ("math.tanh", torch.tanh),
        ("math.erf", torch.erf),
        ("math.sqrt", torch.sqrt),
        ("math.rsqrt", torch.rsqrt),
        ("math.sin", torch.sin),
        ("math.cos", torch.cos),
        ("math.expm1", torch.expm1),
        ("math.log1p", torch.log1p),
        ("math.absf", torch.abs),
        ("math.floor", torch.floor),
        ("math.ceil", torch.ceil),
        ("math.trunc", torch.trunc),
        ("math.roundeven", torch.round),
        ("arith.negf", torch.neg),
    ],
)
def test_functions_of_one_number_are_those_of_pytorch(op: str, function: Any, type_: str):
    rng = np.random.default_rng(1)
    x = rng.uniform(0.01, 8, 500).astype(FLOATS[type_])
    # PyTorch in f64 on the operand as it is: what a perfect unit would round.
    perfect = function(torch.from_numpy(x.astype(np.float64))).numpy()
    unit = np.spacing(np.abs(perfect).astype(FLOATS[type_])).astype(np.float64)
    error = np.abs(unary(op, x, type_).astype(np.float64) - perfect)
    # f16 is rounded once from f32: a hair more than half a unit.
    assert np.max(error / unit) <= (0.502 if type_ == "f16" else 4)


def test_each_operation_rounds_to_its_own_type():
    one, small = np.array([1], np.float16), np.array([2**-11], np.float16)
    lines = "%0 = arith.addf %a, %b : f16\n%1 = arith.subf %0, %a : f16"
    # In f32 the difference would be 2^-11; in f16 the sum rounds to 1.
    assert run("%a: f16, %b: f16", lines, "%1 : f16", one, small)[0] == 0


@pytest.mark.parametrize(
    ("a", "b", "op", "result"),
    [
        (math.nan, 1.0, "arith.maximumf", math.nan),
        (1.0, math.nan, "arith.minimumf", math.nan),
        (math.nan, 1.0, "arith.maxnumf", 1.0),
        (1.0, math.nan, "arith.minnumf", 1.0),
        (0.0, -0.0, "arith.maximumf", 0.0),
        (-0.0, 0.0, "arith.maximumf", 0.0),
        (-0.0, 0.0, "arith.minimumf", -0.0),
        (0.0, -0.0, "arith.minimumf", -0.0),
        (-0.0, -0.0, "arith.maximumf", -0.0),
        (-3.0, 2.0, "arith.maximumf", 2.0),
        (-3.0, 2.0, "arith.minimumf", -3.0),
        (1.0, 0.0, "arith.divf", math.inf),
    ],
)
def test_nan_and_signed_zero(a: float, b: float, op: str, result: float):
    for type_ in ("f16", "f32"):
        got = binary(op, *(np.array([v], FLOATS[type_]) for v in (a, b)), type_)[0]
        assert (math.isnan(got) and math.isnan(result)) or got == result
        assert math.isnan(result) or math.copysign(1, got) == math.copysign(1, result)


@pytest.mark.parametrize(
    ("predicate", "of_pairs"),
    [
        # less, equal, greater, unordered
        ("false", (0, 0, 0, 0)),
        ("oeq", (0, 1, 0, 0)),
        ("ogt", (0, 0, 1, 0)),
        ("oge", (0, 1, 1, 0)),
        ("olt", (1, 0, 0, 0)),
        ("ole", (1, 1, 0, 0)),
        ("one", (1, 0, 1, 0)),
        ("ord", (1, 1, 1, 0)),
        ("ueq", (0, 1, 0, 1)),
        ("ugt", (0, 0, 1, 1)),
        ("uge", (0, 1, 1, 1)),
        ("ult", (1, 0, 0, 1)),
        ("ule", (1, 1, 0, 1)),
        ("une", (1, 0, 1, 1)),
        ("uno", (0, 0, 0, 1)),
        ("true", (1, 1, 1, 1)),
    ],
)
def test_float_comparisons(predicate: str, of_pairs: tuple[int, ...]):
    a = np.array([1, 2, 3, np.nan], np.float32)
    b = np.array([2, 2, 2, 2], np.float32)
    line = f"%r = arith.cmpf {predicate}, %a, %b : f32"
    (got,) = run("%a: f32, %b: f32", line, "%r : i1", a, b)
    assert got.dtype == np.bool_
    assert tuple(got.astype(int)) == of_pairs


def signed(value: int) -> int:
    return (value + 2 ** (SIGNED_BITS - 1)) % 2**SIGNED_BITS - 2 ** (SIGNED_BITS - 1)


def truncating(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def plain(value: int) -> int:
    return value % 2**SIGNED_BITS


INTEGERS = {
    "arith.addi": lambda a, b: a + b,
    "arith.subi": lambda a, b: a - b,
    "arith.muli": lambda a, b: a * b,
    "arith.andi": lambda a, b: a & b,
    "arith.ori": lambda a, b: a | b,
    "arith.xori": lambda a, b: a ^ b,
    "arith.divsi": lambda a, b: truncating(a, b) if b else -1,
    "arith.remsi": lambda a, b: a - truncating(a, b) * b if b else a,
    "arith.floordivsi": lambda a, b: a // b if b else -1,
    "arith.ceildivsi": lambda a, b: -(-a // b) if b else -1,
    "arith.divui": lambda a, b: plain(a) // plain(b) if b else -1,
    "arith.remui": lambda a, b: plain(a) % plain(b) if b else a,
    "arith.ceildivui": lambda a, b: -(-plain(a) // plain(b)) if b else -1,
    "arith.maxsi": max,
    "arith.minsi": min,
    "arith.maxui": lambda a, b: max(plain(a), plain(b)),
    "arith.minui": lambda a, b: min(plain(a), plain(b)),
    "arith.shli": lambda a, b: a << (b % SIGNED_BITS),
    "arith.shrsi": lambda a, b: a >> (b % SIGNED_BITS),
    "arith.shrui": lambda a, b: plain(a) >> (b % SIGNED_BITS),
}
EDGES = (0, 1, -1, 2, -2, 7, -7, 31, 32, 33, 2**31 - 1, -(2**31), 2**30, -12345)
BLOCKS = {
    name: body("%a: i32, %b: i32", f"%r = {name} %a, %b : i32", "%r : i32") for name in INTEGERS
}


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_are_those_of_python_wrapped(name: str):
    pairs = [(a, b) for a in EDGES for b in EDGES]
    a, b = (np.array(side, np.int32) for side in zip(*pairs, strict=True))
    (got,) = run_body(BLOCKS[name], (a, b), no_index)
    assert got.dtype == np.int32
    assert list(got) == [signed(INTEGERS[name](*pair)) for pair in pairs]


@given(st.sampled_from(sorted(INTEGERS)), st.data())
def test_any_integers(name: str, data: st.DataObject):
    number = st.integers(-(2**31), 2**31 - 1)
    a, b = data.draw(number), data.draw(number)
    (got,) = run_body(BLOCKS[name], (np.array([a], np.int32), np.array([b], np.int32)), no_index)
    assert got[0] == signed(INTEGERS[name](a, b))


@pytest.mark.parametrize(
    ("predicate", "function"),
    [
        ("eq", lambda a, b: a == b),
        ("ne", lambda a, b: a != b),
        ("slt", lambda a, b: a < b),
        ("sle", lambda a, b: a <= b),
        ("sgt", lambda a, b: a > b),
        ("sge", lambda a, b: a >= b),
        ("ult", lambda a, b: plain(a) < plain(b)),
        ("ule", lambda a, b: plain(a) <= plain(b)),
        ("ugt", lambda a, b: plain(a) > plain(b)),
        ("uge", lambda a, b: plain(a) >= plain(b)),
    ],
)
def test_integer_comparisons(predicate: str, function: Any):
    pairs = [(a, b) for a in EDGES for b in EDGES]
    a, b = (np.array(side, np.int32) for side in zip(*pairs, strict=True))
    line = f"%r = arith.cmpi {predicate}, %a, %b : i32"
    (got,) = run("%a: i32, %b: i32", line, "%r : i1", a, b)
    assert list(got) == [function(*pair) for pair in pairs]


def test_booleans_are_integers_of_one_bit():
    a, b = np.array([0, 0, 1, 1], np.bool_), np.array([0, 1, 0, 1], np.bool_)
    wanted = {
        "arith.addi": [0, 1, 1, 0],
        "arith.muli": [0, 0, 0, 1],
        "arith.andi": [0, 0, 0, 1],
        "arith.ori": [0, 1, 1, 1],
        "arith.xori": [0, 1, 1, 0],
        # True is -1 where signs are read.
        "arith.maxsi": [0, 0, 0, 1],
        "arith.maxui": [0, 1, 1, 1],
    }
    for name, result in wanted.items():
        got = binary(name, a, b, "i1")
        assert got.dtype == np.bool_
        assert list(got.astype(int)) == result, name
    (less,) = run("%a: i1, %b: i1", "%r = arith.cmpi slt, %a, %b : i1", "%r : i1", a, b)
    assert list(less) == [False, False, True, False]


@pytest.mark.parametrize(
    ("line", "source", "value", "result"),
    [
        ("arith.extsi %x : i8 to i32", np.int8, -3, -3),
        ("arith.extui %x : i8 to i32", np.int8, -3, 253),
        ("arith.extsi %x : i1 to i32", np.bool_, True, -1),
        ("arith.extui %x : i1 to i32", np.bool_, True, 1),
        ("arith.trunci %x : i64 to i8", np.int64, 0x1_0000_0181, -127),
        ("arith.trunci %x : i64 to i1", np.int64, 6, False),
        ("arith.index_cast %x : i32 to index", np.int32, -5, -5),
        ("arith.sitofp %x : i8 to f32", np.int8, -3, -3.0),
        ("arith.uitofp %x : i8 to f32", np.int8, -3, 253.0),
        ("arith.uitofp %x : i1 to f16", np.bool_, True, 1.0),
        ("arith.sitofp %x : i64 to f16", np.int64, 2049, 2048.0),
        ("arith.fptosi %x : f32 to i32", np.float32, -2.9, -2),
        ("arith.fptosi %x : f32 to i32", np.float32, 3e9, 2**31 - 1),
        ("arith.fptosi %x : f32 to i64", np.float32, -1e30, -(2**63)),
        ("arith.fptosi %x : f32 to i64", np.float32, 1e30, 2**63 - 1),
        ("arith.fptosi %x : f32 to i8", np.float32, math.nan, 127),
        ("arith.fptoui %x : f32 to i8", np.float32, 200.7, -56),
        ("arith.fptoui %x : f32 to i8", np.float32, -4, 0),
        ("arith.truncf %x : f32 to f16", np.float32, 65519.0, 65504.0),
        ("arith.truncf %x : f32 to f16", np.float32, 65520.0, math.inf),
        ("arith.truncf %x : f64 to f16", np.float64, 1 + 2**-11 + 2**-40, 1 + 2**-10),
        ("arith.bitcast %x : f32 to i32", np.float32, 1.0, 0x3F800000),
        ("arith.bitcast %x : i16 to f16", np.int16, 0x3C00, 1.0),
        ("arith.bitcast %x : i16 to bf16", np.int16, 0x3F80, 1.0),
        ("arith.bitcast %x : bf16 to i16", np.float32, 1.0, 0x3F80),
    ],
)
def test_conversions(line: str, source: type, value: Any, result: Any):
    types = line.partition(" : ")[2].split(" to ")
    (got,) = run(f"%x: {types[0]}", f"%r = {line}", f"%r : {types[1]}", np.array([value], source))
    assert got[0] == result


@pytest.mark.parametrize(
    ("op", "value", "result"),
    [
        ("math.ctlz", 1, 31),
        ("math.ctlz", 0, 32),
        ("math.ctlz", -1, 0),
        ("math.cttz", 8, 3),
        ("math.cttz", 0, 32),
        ("math.ctpop", -1, 32),
        ("math.absi", -7, 7),
    ],
)
def test_bit_counts(op: str, value: int, result: int):
    assert unary(op, np.array([value], np.int32), "i32")[0] == result


def test_integer_powers():
    base = np.array([2, -1, -1, 3, 0, 1, 5], np.int32)
    exponent = np.array([10, -3, -2, -1, 0, -9, 20], np.int32)
    got = binary("math.ipowi", base, exponent, "i32")
    assert list(got) == [1024, -1, 1, 0, 1, 1, signed(5**20)]


@pytest.mark.parametrize("value", [-2.5, -0.5, 0.49999997, 0.5, 1.5, 2.5, 8388609.0, math.inf])
def test_round_goes_away_from_zero(value: float):
    got = unary("math.round", np.array([value], np.float32))[0]
    whole = math.copysign(math.floor(abs(value) + 0.5), value) if math.isfinite(value) else value
    assert got == (0 if abs(value) < 0.5 else whole)


def test_powers():
    x = np.array([-3, 0.5, 2, 0], np.float32)
    (got,) = run(
        "%x: f32, %n: i32",
        "%r = math.fpowi %x, %n : f32, i32",
        "%r : f32",
        x,
        np.array([3, -2, 10, 0], np.int32),
    )
    np.testing.assert_array_equal(got, np.array([-27, 4, 1024, 1], np.float32))
    got = binary("math.powf", np.array([2, 9], np.float16), np.array([0.5, 1.5], np.float16), "f16")
    np.testing.assert_array_equal(got, np.array([2**0.5, 27], np.float16))


def test_a_fused_product_is_rounded_once():
    def fma(*values: float) -> float:
        operands = [np.array([v], np.float32) for v in values]
        line = "%r = math.fma %a, %b, %c : f32"
        return run("%a: f32, %b: f32, %c: f32", line, "%r : f32", *operands)[0][0]

    e = 2.0**-23
    # (1 + e)(1 - e) - 1 is -e^2 exactly; rounded twice it is 0.
    assert fma(1 + e, 1 - e, -1.0) == -(e**2)
    # The exact sum lies just above the middle of 1 and 1 + e; in f64 it falls on the middle.
    assert fma(1 + 2048 * e, (1 - 4095 * e / 2) * e / 2, 1.0) == 1 + e
    # f64 rounds it to an odd neighbour of the middle, where it has to stay.
    assert fma(1 + 1984 * e, (1 - 3967 * e / 2) * e / 2, 1.0) == 1 + e
    assert fma(2.0**-80, 2.0**-80, 1 + e) == np.float32(1 + e)


def gelu_body(type_: str) -> Any:
    return body(
        f"%x: {type_}",
        f"""%h = arith.constant 5.000000e-01 : {type_}
        %o = arith.constant 1.000000e+00 : {type_}
        %s = arith.constant 0.70710678 : {type_}
        %0 = arith.mulf %x, %s : {type_}
        %1 = math.erf %0 : {type_}
        %2 = arith.addf %1, %o : {type_}
        %3 = arith.mulf %x, %h : {type_}
        %4 = arith.mulf %3, %2 : {type_}""",
        f"%4 : {type_}",
    )


def test_gelu_is_that_of_pytorch():
    x = np.random.default_rng(2).normal(0, 2, 1000).astype(np.float32)
    wanted = torch.nn.functional.gelu(torch.from_numpy(x)).numpy()
    (got,) = run_body(gelu_body("f32"), (x,), no_index)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-6)
    (half,) = run_body(gelu_body("f16"), (x.astype(np.float16),), no_index)
    np.testing.assert_allclose(half, wanted, rtol=0, atol=5e-3)
    assert np.any(half.astype(np.float32) != got)


def test_silu_in_half_precision_is_that_of_pytorch():
    silu = body(
        "%x: f16",
        """%o = arith.constant 1.000000e+00 : f16
        %0 = arith.negf %x : f16
        %1 = math.exp %0 : f16
        %2 = arith.addf %1, %o : f16
        %3 = arith.divf %x, %2 : f16""",
        "%3 : f16",
    )
    x = np.random.default_rng(3).normal(0, 3, 1000).astype(np.float16)
    wanted = torch.nn.functional.silu(torch.from_numpy(x).float()).numpy()
    (got,) = run_body(silu, (x,), no_index)
    np.testing.assert_allclose(got.astype(np.float32), wanted, rtol=3e-3, atol=1e-6)


class TestBfloat16:
    """Travels as f32; PyTorch has the type itself."""

    def test_operations_round_as_pytorch_does(self):
        rng = np.random.default_rng(4)
        a, b = (
            torch.from_numpy(rng.normal(0, 3, 2000).astype(np.float32)).bfloat16() for _ in range(2)
        )
        operands = [tensor.float().numpy() for tensor in (a, b)]
        for op, function in (
            ("arith.addf", torch.add),
            ("arith.mulf", torch.mul),
            ("arith.divf", torch.div),
        ):
            got = binary(op, operands[0], operands[1], "bf16")
            assert got.dtype == np.float32
            np.testing.assert_array_equal(got, function(a, b).float().numpy())

    def test_conversion_rounds_as_pytorch_does(self):
        bits = np.random.default_rng(5).integers(0, 2**32, 20000, dtype=np.uint64)
        x = bits.astype(np.uint32).view(np.float32)
        (got,) = run("%x: f32", "%r = arith.truncf %x : f32 to bf16", "%r : bf16", x)
        wanted = torch.from_numpy(x).bfloat16().float().numpy()
        np.testing.assert_array_equal(got, wanted)

    def test_f64_is_rounded_once(self):
        # Just beside the middle of two bf16; f32 would round it onto the middle, then to even.
        above, below = 1 + 2.0**-8 + 2.0**-40, 1 + 3 * 2.0**-8 - 2.0**-40
        x = np.array([above, -above, 1 + 2.0**-8, below, -below])
        (got,) = run("%x: f64", "%r = arith.truncf %x : f64 to bf16", "%r : bf16", x)
        nearest = 1 + 2.0**-7
        assert list(got) == [nearest, -nearest, 1, nearest, -nearest]


class TestErrors:
    def test_an_unknown_operation_is_named_with_its_place(self):
        block = body("%a: f32", '%r = "my.op"(%a) : (f32) -> f32', "%r : f32")
        with pytest.raises(UserError, match=r"'my\.op' on f32 cannot be simulated") as caught:
            run_body(block, (np.zeros(1, np.float32),), no_index)
        assert str(caught.value.location) == "body.mlir:2:1"

    def test_an_unknown_type_is_named_with_its_place(self):
        block = body("%a: f32", "%r = arith.fptosi %a : f32 to i5", "%r : i5")
        with pytest.raises(UserError, match="elements of type i5 cannot be simulated") as caught:
            compile_body(block)
        assert str(caught.value.location) == "body.mlir:2:1"

    def test_shifts_of_booleans_are_refused(self):
        block = body("%a: i1", "%r = arith.shli %a, %a : i1", "%r : i1")
        with pytest.raises(UserError, match=r"'arith\.shli' on i1, i1"):
            compile_body(block)

    def test_operands_of_another_type_are_a_defect(self):
        block = body("%a: f32", "", "%a : f32")
        with pytest.raises(ValueError, match="the body takes"):
            run_body(block, (np.zeros(1),), no_index)

    def test_a_body_without_an_end(self):
        block = body("%a: f32", "", "%a : f32")
        block.last_op.detach()  # type: ignore[union-attr]
        with pytest.raises(UserError, match=r"must end in tcc\.yield"):
            compile_body(block)


def test_constants_have_the_points_shape():
    block = body("%a: f32", "%c = arith.constant 3 : i8", "%c : i8, %a : f32")
    got = run_body(block, (np.zeros((2, 3), np.float32),), no_index)
    assert [array.shape for array in got] == [(2, 3), (2, 3)]
    assert got[0].dtype == np.int8
    assert np.all(got[0] == 3)


def test_an_index_alone_gives_the_shape():
    block = body(
        "", "%i = tcc.index 1 : index\n%n = arith.index_cast %i : index to i64", "%n : i64"
    )
    points = np.indices((2, 3))
    (got,) = run_body(block, (), lambda dim: points[dim])
    np.testing.assert_array_equal(got, points[1])


class TestFold:
    SUM = body("%a: f32, %s: f32", "%r = arith.addf %s, %a : f32", "%r : f32")
    ARGMAX = body(
        "%a: f32, %v: f32, %p: i64",
        """%i = tcc.index 1 : index
        %n = arith.index_cast %i : index to i64
        %q = arith.mulf %a, %a : f32
        %m = arith.maximumf %q, %v : f32
        %c = arith.cmpf ogt, %q, %v : f32
        %k = arith.select %c, %n, %p : i64""",
        "%m : f32, %k : i64",
    )

    @given(st.lists(st.integers(0, 6), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
    def test_sums_are_those_of_a_loop(self, lengths: list[int], seed: int):
        rng = np.random.default_rng(seed)
        kept = np.repeat(np.arange(len(lengths)), lengths)
        points = rng.normal(0, 1, len(kept)).astype(np.float32)
        start = rng.normal(0, 1, len(lengths)).astype(np.float32)
        wanted = start.copy()
        for position, value in zip(kept, points, strict=True):
            wanted[position] += value
        (got,) = fold(self.SUM, (points,), kept, (start,), no_index)
        np.testing.assert_array_equal(got, wanted)
        assert got.dtype == np.float32

    def test_a_narrow_accumulator_rounds_at_every_point(self):
        block = body("%a: f16, %s: f16", "%r = arith.addf %s, %a : f16", "%r : f16")
        points = np.full(3000, 1, np.float16)
        start = start_accumulators([FloatAttr(0.0, f16)], 1)
        (got,) = fold(block, (points,), np.zeros(3000, np.int64), start, no_index)
        # 2048 + 1 rounds to 2048.
        assert got[0] == 2048

    def test_several_accumulators_and_an_index(self):
        rng = np.random.default_rng(6)
        values = rng.normal(0, 1, (7, 33)).astype(np.float32)
        start = start_accumulators([FloatAttr(-math.inf, f32), IntegerAttr(-1, i64)], 7)
        rows, columns = np.indices(values.shape)
        got = fold(
            self.ARGMAX,
            (values.reshape(-1),),
            rows.reshape(-1),
            start,
            lambda dim: (rows, columns)[dim].reshape(-1),
        )
        np.testing.assert_array_equal(got[0], np.max(values**2, axis=1))
        np.testing.assert_array_equal(got[1], np.argmax(values**2, axis=1))

    def test_parts_in_order_are_the_whole(self):
        rng = np.random.default_rng(7)
        points = rng.normal(0, 1, 60).astype(np.float32)
        kept = np.repeat(np.arange(4), 15)
        start = start_accumulators([FloatAttr(0.5, f32)], 4)
        (whole,) = fold(self.SUM, (points,), kept, start, no_index)
        for cut in (0, 7, 15, 20, 59, 60):
            first = fold(self.SUM, (points[:cut],), kept[:cut], start, no_index)
            (got,) = fold(self.SUM, (points[cut:],), kept[cut:], first, no_index)
            np.testing.assert_array_equal(got, whole)
        assert start[0][0] == 0.5

    def test_a_prologue_that_is_the_whole_body(self):
        block = body("%a: f32, %s: f32", "%r = arith.negf %a : f32", "%r : f32")
        points = np.arange(6, dtype=np.float32)
        start = start_accumulators([FloatAttr(0.0, f32)], 2)
        (got,) = fold(block, (points,), np.repeat(np.arange(2), 3), start, no_index)
        assert list(got) == [-2, -5]

    def test_a_body_that_counts(self):
        block = body(
            "%s: i32", "%o = arith.constant 1 : i32\n%r = arith.addi %s, %o : i32", "%r : i32"
        )
        start = start_accumulators([IntegerAttr(5, i32)], 2)
        kept = np.repeat(np.arange(2), [3, 4])
        (got,) = fold(block, (), kept, start, no_index)
        assert list(got) == [8, 9]

    def test_unsorted_points_are_a_defect(self):
        start = start_accumulators([FloatAttr(0.0, f32)], 2)
        with pytest.raises(ValueError, match="sorted"):
            fold(self.SUM, (np.zeros(2, np.float32),), np.array([1, 0]), start, no_index)

    def test_starts_have_their_own_type(self):
        got = start_accumulators(
            [FloatAttr(0.1, f16), FloatAttr(0.1, bf16), IntegerAttr(-1, i8)], 2
        )
        assert [array.dtype for array in got] == [np.float16, np.float32, np.int8]
        assert got[0][0] == np.float16(0.1)
        assert got[1][0] == torch.tensor(0.1).bfloat16().float().item()
