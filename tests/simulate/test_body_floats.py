"""Operations on floating-point numbers, against PyTorch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from body_texts import binary, body, no_index, run, unary

from asic_compiler.simulate.bodies import run_body

torch.set_num_threads(1)


FLOATS = {"f16": np.float16, "f32": np.float32, "f64": np.float64}


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
