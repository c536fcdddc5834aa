"""Whole bodies on arrays, against the passes' literal reference; conversions; what is refused."""

from __future__ import annotations

import math
from typing import Any

import asic_reference
import numpy as np
import pytest
import torch
from body_texts import body, no_index, run

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import asic
from asic_compiler.simulate.bodies import compile_body, run_body

torch.set_num_threads(1)


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
