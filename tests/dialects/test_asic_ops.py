# ruff: noqa: E501
"""Operations of the asic dialect: both text forms, and one negative test a verifier rule."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from xdsl.context import Context
from xdsl.dialect_interfaces.op_asm import OpAsmDialectInterface
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func
from xdsl.ir import Dialect
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.utils.exceptions import ParseError, VerifyException

from asic_compiler.dialects.asic import ASIC

CHIP = (
    '#asic.chip<node = "3nm", mesh = [2, 2], super_cluster = [1, 1], clock_hz = 1000000000.0, '
    "supply_v = 0.55, temperature_c = 85.0, flit_bits = 2048, tiles = "
    '[#asic.tile<name = "t", fetch = 2, stations = 8, vlen = 2048, rows = 4, dmem_bytes = 1, '
    "wmem_bytes = 1, imem_bytes = 1, xr_wp = 2, vr_wp = 2, xdpnum = 2, vdpnum = 2>], "
    "map = [[0, 0, 0, 2, 2]]>"
)

MODULE = f"""
builtin.module attributes {{asic.chip = {CHIP}}} {{
  func.func @main(%x: tensor<2x3xf16>, %ids: tensor<5xi64>, %img: tensor<1x4x8x8xf32>,
                  %cache: tensor<2x8x4xf16>, %new: tensor<2x1x4xf16>, %y: tensor<2x4xf16>,
                  %start: tensor<2xf32>, %w3: tensor<2x4x3xf16>) {{
    %w = asic.weight {{stage = 1 : i64}} dense_resource<a.b> : tensor<4x3xf16>
    %k = asic.weight dense_resource<a.k> : tensor<6x2x3x3xf32>
    %mm = asic.matmul %x, %w transpose_rhs {{region = #asic.region<offset = [0, 0], size = [2, 1]>, split = #asic.split<m = 1, n = 2, k = 1>}} : tensor<2x3xf16>, tensor<4x3xf16> -> tensor<2x4xf16>
    %conv = asic.conv %img, %k {{strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, low_padding = array<i64: 1, 1>, high_padding = array<i64: 0, 0>, groups = 2 : i64}} : tensor<1x4x8x8xf32>, tensor<6x2x3x3xf32> -> tensor<1x6x4x4xf32>
    %e = asic.elementwise(%y) {{indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>]}} : (tensor<2x4xf16>) -> tensor<2x4xf16> {{
    ^bb0(%a: f16):
      %i = asic.index 0 : index
      %b = arith.addf %a, %a : f16
      asic.yield %b : f16
    }}
    %fill = asic.elementwise() {{indexing_maps = []}} : () -> tensor<7xi64> {{
      %c = arith.constant 3 : i64
      asic.yield %c : i64
    }}
    %r = asic.reduce(%e) starting() {{indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>], iteration = array<i64: 2, 4>, reduced = 1 : i64, init = [0.000000e+00 : f32]}} : (tensor<2x4xf16>), () -> (tensor<2xf32>) {{
    ^bb1(%a1: f16, %acc: f32):
      %b1 = arith.extf %a1 : f16 to f32
      %c1 = arith.addf %b1, %acc : f32
      asic.yield %c1 : f32
    }}
    %r2 = asic.reduce(%e) starting(%start) {{indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>], iteration = array<i64: 2, 4>, reduced = 1 : i64}} : (tensor<2x4xf16>), (tensor<2xf32>) -> (tensor<2xf32>) {{
    ^bb2(%a2: f16, %acc2: f32):
      asic.yield %acc2 : f32
    }}
    %g = asic.gather %w[%ids] : tensor<4x3xf16>, tensor<5xi64> -> tensor<5x3xf16>
    %l = asic.layout %w affine_map<(d0, d1) -> (d1, d0)> : tensor<4x3xf16> -> tensor<3x4xf16>
    %v = asic.layout %w view affine_map<(d0) -> ((d0 floordiv 3), (d0 mod 3))> : tensor<4x3xf16> -> tensor<12xf16>
    %cat = asic.concat(%x, %x) {{dim = 1 : i64, sizes = array<i64: 1, 3>, indexing_maps = [affine_map<(d0, d1) -> (d0, (d1 + 2))>, affine_map<(d0, d1) -> (d0, d1)>]}} : (tensor<2x3xf16>, tensor<2x3xf16>) -> tensor<2x4xf16>
    %p = asic.pad %x {{low = array<i64: 0, 1>, high = array<i64: 2, 0>, value = 0.000000e+00 : f16}} : tensor<2x3xf16> -> tensor<4x4xf16>
    %kv = asic.kv_append %new into %cache {{axis = 1 : i64, position = 7 : i64, role = "key", layer = 3 : i64}} : tensor<2x1x4xf16> into tensor<2x8x4xf16> -> tensor<2x8x4xf16>
    func.return
  }}
}}
"""


def context() -> Context:
    builtin = Dialect(
        "builtin", list(Builtin.operations), list(Builtin.attributes), [OpAsmDialectInterface()]
    )
    ctx = Context()
    for dialect in (builtin, Func, Arith, ASIC):
        ctx.load_dialect(dialect)
    return ctx


def parse(text: str) -> ModuleOp:
    module = Parser(context(), text).parse_module()
    module.verify()
    return module


def text_of(module: ModuleOp, *, generic: bool = False) -> str:
    stream = StringIO()
    Printer(stream, print_generic_format=generic).print_op(module)
    return stream.getvalue()


@pytest.mark.parametrize("generic", [False, True])
def test_every_operation_round_trips(generic: bool) -> None:
    module = parse(MODULE)
    text = text_of(module, generic=generic)
    again = parse(text)
    assert module.is_structurally_equivalent(again)
    assert text_of(again, generic=generic) == text
    names = {op.name for op in module.walk()}
    assert {op.name for op in ASIC.operations} <= names


def test_upstream_mlir_reads_the_generic_form(tmp_path: Path) -> None:
    tool = Path(sys.executable).parent / "torch-mlir-opt"
    if not tool.exists() and shutil.which("torch-mlir-opt") is None:
        pytest.skip("torch-mlir-opt is not installed")
    source = tmp_path / "in.mlir"
    source.write_text(text_of(parse(MODULE), generic=True))
    done = subprocess.run(
        [str(tool), "--allow-unregistered-dialect", str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("asic.matmul") == 1
    assert "#asic.chip<" in done.stdout


# (what to replace, by what, what the message says). The comment is the rule's number.
BROKEN = [
    # All operations.
    ("asic.gather %w[%ids] : tensor<4x3xf16>, tensor<5xi64> -> tensor<5x3xf16>",
     "asic.gather %w[%ids] : tensor<4x3xf16>, tensor<5xi64> -> tensor<?x3xf16>",
     "static shape"),  # 1
    ("{stage = 1 : i64}", "{stage = -1 : i64}", "stage must not be negative"),  # 2
    ("size = [2, 1]", "size = [3, 1]", "not inside the chip's mesh"),  # 3
    # weight: rule 4 is checked in generic form below.
    # matmul
    ("%x, %w transpose_rhs {region = #asic.region<offset = [0, 0], size = [2, 1]>, split = #asic.split<m = 1, n = 2, k = 1>} : tensor<2x3xf16>, tensor<4x3xf16>", "%x, %w3 transpose_rhs : tensor<2x3xf16>, tensor<2x4x3xf16>", "batch dimensions of rhs"),  # 4
    ("%mm = asic.matmul %x, %w transpose_rhs", "%mm = asic.matmul %x, %w", "contracted sizes"),  # 5
    ("tensor<4x3xf16> -> tensor<2x4xf16>\n    %conv", "tensor<4x3xf16> -> tensor<2x5xf16>\n    %conv", "result shape"),  # 6
    ("tensor<4x3xf16> -> tensor<2x4xf16>\n    %conv", "tensor<4x3xf16> -> tensor<2x4xi32>\n    %conv", "all floats or all integers"),  # 7
    # conv
    ("tensor<1x4x8x8xf32>, tensor<6x2x3x3xf32> -> tensor<1x6x4x4xf32>", "tensor<1x4x8x8xf32>, tensor<6x2x3x3xf32> -> tensor<1x6x4xf32>", "one rank"),  # 4
    ("strides = array<i64: 2, 2>", "strides = array<i64: 2>", "one entry a dimension"),  # 5
    ("strides = array<i64: 2, 2>", "strides = array<i64: 2, 0>", "must be positive"),  # 5
    ("groups = 2 : i64", "groups = 4 : i64", "do not agree"),  # 6
    ("-> tensor<1x6x4x4xf32>", "-> tensor<1x6x4x3xf32>", "should be 4"),  # 7
    ("-> tensor<1x6x4x4xf32>", "-> tensor<1x6x4x4xi32>", "all floats or all integers"),  # 8
    # elementwise
    ("%e = asic.elementwise(%y) {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>]}", "%e = asic.elementwise(%y) {indexing_maps = []}", "as many maps"),  # 4
    ("%e = asic.elementwise(%y) {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>]}", "%e = asic.elementwise(%y) {indexing_maps = [affine_map<(d0, d1) -> (d0, (d1 + 1))>]}", "reaches 1..4"),  # 4
    ("^bb0(%a: f16):\n      %i = asic.index 0 : index\n      %b = arith.addf %a, %a : f16", "^bb0(%a: f32):\n      %i = asic.index 0 : index\n      %b = arith.constant 0.0 : f16", "body arguments"),  # 5
    ("asic.yield %c : i64", "asic.yield %c, %c : i64, i64", "the body yields"),  # 6
    ("asic.index 0", "asic.index 2", "rank 2"),  # 7
    # reduce
    ("reduced = 1 : i64, init", "reduced = 3 : i64, init", "cannot fold"),  # 4
    ("() -> (tensor<2xf32>)", "() -> (tensor<3xf32>)", "kept dimensions"),  # 5
    ("iteration = array<i64: 2, 4>, reduced = 1 : i64, init", "iteration = array<i64: 2, 5>, reduced = 1 : i64, init", "reaches 0..4"),  # 6
    ("init = [0.000000e+00 : f32]", "init = [0.000000e+00 : f16]", "init must hold"),  # 7
    ("reduced = 1 : i64} : (tensor<2x4xf16>), (tensor<2xf32>)", "reduced = 1 : i64, init = [0.0 : f32]} : (tensor<2x4xf16>), (tensor<2xf32>)", "no init beside"),  # 7
    ("^bb2(%a2: f16, %acc2: f32):", "^bb2(%acc2: f32):", "body arguments"),  # 8
    ("%b1 = arith.extf %a1 : f16 to f32", "%i1 = asic.index 5 : index\n      %b1 = arith.extf %a1 : f16 to f32", "asic.index 5"),  # 9
    # gather
    ("tensor<5xi64>", "tensor<5xf64>", "integer indices"),  # 4
    ("-> tensor<5x3xf16>", "-> tensor<3x5xf16>", "must be of shape"),  # 5
    # layout
    ("affine_map<(d0, d1) -> (d1, d0)>", "affine_map<(d0, d1) -> (d0, d1)>", "reaches"),  # 4
    ("-> tensor<3x4xf16>", "-> tensor<3x4xf32>", "element type"),  # 5
    ("layout %w affine_map", "layout %w view affine_map", "row-major order"),  # 6
    # concat
    ("dim = 1 : i64", "dim = 2 : i64", "not a dimension"),  # 4
    ("sizes = array<i64: 1, 3>", "sizes = array<i64: 2, 3>", "sum to 4"),  # 5
    ("(d0, (d1 + 2))", "(d0, (d1 + 3))", "reaches 3..3"),  # 6
    ("(tensor<2x3xf16>, tensor<2x3xf16>) -> tensor<2x4xf16>", "(tensor<2x3xf16>, tensor<2x3xf16>) -> tensor<2x4xf32>", "element type"),  # 7
    # pad
    ("low = array<i64: 0, 1>", "low = array<i64: 0>", "one entry a dimension"),  # 4
    ("-> tensor<4x4xf16>", "-> tensor<4x5xf16>", "must be of shape"),  # 5
    ("value = 0.000000e+00 : f16", "value = 0.000000e+00 : f32", "value must be"),  # 6
    # kv_append
    ("axis = 1 : i64", "axis = 3 : i64", "not a dimension"),  # 4
    ("into tensor<2x8x4xf16> -> tensor<2x8x4xf16>", "into tensor<2x8x4xf16> -> tensor<2x9x4xf16>", "differ in type"),  # 5
    ("position = 7 : i64", "position = 8 : i64", "do not fit"),  # 6
    ('role = "key"', 'role = "query"', "key or value"),  # 7
    ("layer = 3 : i64", "layer = -3 : i64", "layer must not be negative"),  # 7
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), BROKEN, ids=[b[2] for b in BROKEN])
def test_rules(old: str, new: str, message: str) -> None:
    assert MODULE.count(old) >= 1, old
    with pytest.raises((VerifyException, ParseError), match=re.escape(message)):
        parse(MODULE.replace(old, new))


def test_a_weight_has_the_type_of_its_value() -> None:
    text = '"asic.weight"() <{value = dense_resource<a> : tensor<4xf16>}> : () -> tensor<5xf16>'
    with pytest.raises(VerifyException, match="the result tensor<5xf16>"):
        parse(text)


def test_a_body_uses_nothing_from_outside() -> None:
    text = """
    func.func @main(%x: tensor<2xf16>, %s: f16) {
      %e = asic.elementwise(%x) {indexing_maps = [affine_map<(d0) -> (d0)>]} : (tensor<2xf16>) -> tensor<2xf16> {
      ^bb0(%a: f16):
        asic.yield %s : f16
      }
      func.return
    }
    """
    with pytest.raises((VerifyException, ParseError)):
        parse(text)


def test_without_a_chip_a_region_may_be_anywhere() -> None:
    unplaced = MODULE.replace(f"attributes {{asic.chip = {CHIP}}} ", "")
    parse(unplaced.replace("size = [2, 1]", "size = [200, 1]"))
