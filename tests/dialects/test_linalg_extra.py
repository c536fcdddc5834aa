"""The linalg operations we add: text forms, and the maps and bodies of their names."""

from __future__ import annotations

from io import StringIO

import pytest
from xdsl.context import Context
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func
from xdsl.dialects.linalg import Linalg
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects.linalg_extra import EXTRA_OPERATIONS, LINALG, BatchMatmulOp

WINDOWED = "{strides = dense<1> : tensor<%dxi64>, dilations = dense<1> : tensor<%dxi64>}"
CASES = {
    "matmul": ("tensor<3x4xf16>, tensor<4x5xf16>", "tensor<3x5xf32>", 0),
    "batch_matmul": ("tensor<2x3x4xf16>, tensor<2x4x5xf16>", "tensor<2x3x5xf32>", 0),
    "matvec": ("tensor<3x4xf32>, tensor<4xf32>", "tensor<3xf32>", 0),
    "vecmat": ("tensor<4xf32>, tensor<4x3xf32>", "tensor<3xf32>", 0),
    "batch_matvec": ("tensor<2x3x4xi8>, tensor<2x4xi8>", "tensor<2x3xi32>", 0),
    "dot": ("tensor<4xf32>, tensor<4xf32>", "tensor<f32>", 0),
    "conv_1d_ncw_fcw": ("tensor<1x3x8xf32>, tensor<5x3x2xf32>", "tensor<1x5x7xf32>", 1),
    "conv_2d_nchw_fchw": ("tensor<1x3x4x4xf16>, tensor<5x3x2x2xf16>", "tensor<1x5x3x3xf32>", 2),
    "conv_3d_ncdhw_fcdhw": (
        "tensor<1x3x4x4x4xf32>, tensor<5x3x2x2x2xf32>",
        "tensor<1x5x3x3x3xf32>",
        3,
    ),
    "depthwise_conv_2d_nchw_chw": (
        "tensor<1x3x4x4xf16>, tensor<3x2x2xf16>",
        "tensor<1x3x3x3xf32>",
        2,
    ),
    "pooling_nchw_max": ("tensor<1x3x4x4xf32>, tensor<2x2xf32>", "tensor<1x3x3x3xf32>", 2),
    "pooling_nchw_sum": ("tensor<1x3x4x4xf32>, tensor<2x2xf32>", "tensor<1x3x3x3xf32>", 2),
}


def context() -> Context:
    ctx = Context()
    for dialect in (Builtin, Func, Arith, LINALG):
        ctx.load_dialect(dialect)
    return ctx


def source(name: str) -> str:
    ins, out, spatial = CASES[name]
    first, second = (f"tensor<{part}" for part in ins.removeprefix("tensor<").split(", tensor<"))
    window = f" {WINDOWED % (spatial, spatial)}" if spatial else ""
    return (
        f"func.func @f(%a: {first}, %b: {second}, %c: {out}) -> {out} {{\n"
        f"  %r = linalg.{name}{window} ins(%a, %b : {ins}) outs(%c : {out}) -> {out}\n"
        f"  func.return %r : {out}\n}}"
    )


def printed(module: ModuleOp, *, generic: bool) -> str:
    stream = StringIO()
    Printer(stream, print_generic_format=generic).print_op(module)
    return stream.getvalue()


def test_every_operation_has_a_case() -> None:
    assert {f"linalg.{name}" for name in CASES} == {op.name for op in EXTRA_OPERATIONS}


@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_round_trip(name: str, generic: bool) -> None:
    module = Parser(context(), source(name)).parse_module()
    module.verify()
    text = printed(module, generic=generic)
    again = Parser(context(), text).parse_module()
    again.verify()
    assert again.is_structurally_equivalent(module)


def test_sizes_must_agree() -> None:
    text = source("batch_matmul").replace("2x4x5", "2x7x5")
    module = Parser(context(), text).parse_module()
    with pytest.raises(VerifyException):
        module.verify()


def test_written_maps_win_over_those_of_the_name() -> None:
    maps = (
        "indexing_maps = [affine_map<(b, m, n, k) -> (b, m, k)>, "
        "affine_map<(b, m, n, k) -> (b, n, k)>, affine_map<(b, m, n, k) -> (b, m, n)>]"
    )
    text = source("batch_matmul").replace("batch_matmul ins", f"batch_matmul {{{maps}}} ins")
    module = Parser(context(), text.replace("2x4x5", "2x5x4")).parse_module()
    module.verify()
    (op,) = (op for op in module.walk() if isinstance(op, BatchMatmulOp))
    assert op.indexing_maps is not None


def test_everything_of_xdsl_is_still_there() -> None:
    ours = [op.name for op in LINALG.operations]
    assert {op.name for op in Linalg.operations} < set(ours)
    assert len(ours) == len(set(ours))
