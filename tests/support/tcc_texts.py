"""Texts of the tcc dialect that its tests share, and how they are read."""

from __future__ import annotations

from io import StringIO

from xdsl.context import Context
from xdsl.dialect_interfaces.op_asm import OpAsmDialectInterface
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.ir import Dialect
from xdsl.parser import Parser
from xdsl.printer import Printer

from asic_compiler.dialects.asic import ASIC
from asic_compiler.dialects.tcc import Tcc

CHIP = (
    '#asic.chip<node = "7nm", mesh = [2, 2], super_cluster = [1, 1], clock_hz = 1.0e9, '
    'supply_v = 0.7, temperature_c = 25.0, flit_bits = 128, tiles = [#asic.tile<name = "all", '
    "fetch = 1, stations = 2, vlen = 128, rows = 2, dmem_bytes = 4096, wmem_bytes = 4096, "
    "imem_bytes = 1024, xr_wp = 1, vr_wp = 1, xdpnum = 1, vdpnum = 1>], map = [[0, 0, 0, 2, 2]]>"
)
CUT = "<b = 1, m = 1, n = 4, k = 1, at = [0, 0, 2, 2], first = 0>"
CUT3 = CUT.replace("n = 4", "n = 3")
K_CUT = "<b = 1, m = 1, n = 1, k = 4, at = [0, 0, 2, 2], first = 0>"
REGION = "<offset = [0, 0], size = [2, 2]>"
ID2 = "affine_map<(d0, d1) -> (d0, d1)>"
X, Y, P = "!tcc.buffer<3x8xf16>", "!tcc.buffer<3x16xf16>", "!tcc.buffer<3x16xf32>"
SPARSE = "<b = 1, m = 2, n = 1, k = 1, at = [0, 0, 2, 2], first = 1, stride = 2, rows_first = 1>"

SYMBOLS = f"""
  tcc.kernel @square over [3, 8] reduced = 0 maps [{ID2}] {{
  ^bb0(%a: f16):
    %b = arith.mulf %a, %a : f16
    tcc.yield %b : f16
  }}
  tcc.kernel @sum over [3, 8] reduced = 1 maps [{ID2}] init [0.0 : f16] {{
  ^bb0(%a: f16, %acc: f16):
    %b = arith.addf %acc, %a : f16
    tcc.yield %b : f16
  }}
  tcc.weight @"a.w" bits = 16 value = dense_resource<a.w> : tensor<16x8xf16>
  tcc.weight @filters bits = 8 value = dense_resource<filters> : tensor<4x3x3x3xf16>
  tcc.weight @table bits = 16 value = dense_resource<table> : tensor<32x8xf16>
  tcc.weight @constant bits = 16 value = dense<1.0> : tensor<8xf16>
  tcc.cache @keys bits = 16 copies = 2 argument = 1 result = 1 host "key" : tensor<3x4x8xf16>
  tcc.channel @c from {REGION} to {REGION} : tensor<3x8xf16>
  tcc.channel @far from {REGION} to {REGION} slots = 3 : tensor<3x8xf16>
  tcc.channel @in to {REGION} host "x" : tensor<3x8xf16>
  tcc.channel @out from {REGION} host "y" : tensor<3x8xf16>
"""

EVERYTHING = f"""
    %t, %x = tcc.receive @in bytes = 12 op = 0 at = -5 cycles = 3 addr [64] : {X}
    tcc.wait %t op = 0
    %y = tcc.mma %x, @"a.w" sizes [1, 3, 16, 8] cut {CUT} op = 0 at = 0 cycles = 4 : {X} -> {Y}
    %ta, %x0 = tcc.receive @in piece [0, 2] bytes = 6 op = 0 : {X}
    tcc.wait %ta op = 0
    %y0 = tcc.mma %x0, @"a.w" sizes [1, 3, 16, 8] piece [0, 2] cut {CUT} op = 0 addr [128]
      : {X} -> {P}
    %y1 = tcc.mma %x0, @"a.w" acc %y0 : {P} sizes [1, 3, 16, 8] piece [1, 2] cut {CUT} op = 0
      at = 4 cycles = 4 addr [128] : {X} -> {Y}
    %r0 = tcc.mma %x, @"a.w" sizes [1, 3, 16, 8] piece [0, 2] rows cut {CUT} op = 0 addr [128]
      : {X} -> {Y}
    %r1 = tcc.mma %x, @"a.w" acc %r0 : {Y} sizes [1, 3, 16, 8] piece [1, 2] rows cut {CUT} op = 0
      : {X} -> {Y}
    %p = tcc.mma %x, @"a.w" sizes [1, 3, 16, 8] transposed shared through {ID2} cut {K_CUT} op = 1
      : {X} -> {P}
    %t1, %r = tcc.reduce %p with ["arith.addf"] along "k" bytes = 192 cut {K_CUT} op = 1
      : {P} -> {Y}
    %t5, %q = tcc.reduce %p with ["arith.addf"] along "k" scatter bytes = 192 cut {K_CUT} op = 1
      addr [0] : {P} -> {Y}
    tcc.wait %t1, %t5 op = 1
    %s = tcc.mma_dmem %x, %x sizes [1, 3, 3, 8] transposed shared cut {CUT3} op = 2
      : {X}, {X} -> !tcc.buffer<3x3xf16>
    %v = tcc.vector @square(%x) over [1, 3, 8] cut {SPARSE} op = 3 at = 9 cycles = 2 addr [32]
      : ({X}) -> ({X})
    %w = tcc.vector @sum(%v) over [1, 3, 8] cut {CUT} op = 4 : ({X}) -> (!tcc.buffer<3xf16>)
    %t6, %u, %o = tcc.reduce %w, %w with ["arith.addf", "arith.maximumf"] along "n" bytes = 12
      cut {CUT} op = 4 addr [8, 16] : !tcc.buffer<3xf16>, !tcc.buffer<3xf16>
      -> !tcc.buffer<3xf16>, !tcc.buffer<3xf16>
    tcc.wait %t6 op = 4
    %l = tcc.load @constant op = 5 : !tcc.buffer<8xf16>
    %i = tcc.load @keys op = 5 : !tcc.buffer<3x4x8xf16>
    %n = tcc.view %x affine_map<(d0, d1, d2) -> (d0, d2)> op = 5 : {X} -> !tcc.buffer<3x1x8xf16>
    %k = tcc.kv_append %n into @keys axis = 1 slot = 3 cut {CUT} op = 5
      : !tcc.buffer<3x1x8xf16> -> !tcc.buffer<3x4x8xf16>
    %z = tcc.copy %x affine_map<(d0, d1) -> (d1, d0)> over [1, 3, 8] cut {CUT} op = 6 addr [0]
      : {X} -> !tcc.buffer<8x3xf16>
    %cc = tcc.concat(%x, %v) dim = 1 sizes [8, 8] maps [{ID2}, {ID2}] over [1, 3, 16] cut {CUT}
      op = 7 : ({X}, {X}) -> {Y}
    %pd = tcc.pad %x low [0, 1] high [0, 7] value = 0.0 : f16 over [1, 3, 16] cut {CUT} op = 8
      : {X} -> {Y}
    %t2, %ids = tcc.receive @c bytes = 8 op = 9 : {X}
    %t3 = tcc.send @out, %v piece [1, 2] bytes = 12 op = 9 : {X}
    %t4 = tcc.multicast @c, %v piece [0, 3] bytes = 12 op = 9 : {X}
    tcc.wait %t2, %t3, %t4 op = 9
"""


def module_text(body: str = "", symbols: str = SYMBOLS, chip: str = "", head: str = "") -> str:
    attributes = f"attributes {{asic.chip = {chip}}} " if chip else ""
    head = head or f"@p class = 0 stage = 0 period = 100 on [#asic.region{REGION}]"
    return f"builtin.module {attributes}{{\n{symbols}\n  tcc.program {head} {{{body}\n  }}\n}}\n"


def parse(text: str) -> ModuleOp:
    builtin = Dialect(
        "builtin", list(Builtin.operations), list(Builtin.attributes), [OpAsmDialectInterface()]
    )
    context = Context()
    for dialect in (builtin, Arith, ASIC, Tcc):
        context.load_dialect(dialect)
    return Parser(context, text).parse_module()


def show(module: ModuleOp, *, generic: bool = False) -> str:
    stream = StringIO()
    Printer(stream, print_generic_format=generic).print_op(module)
    return stream.getvalue()


CONV = (
    "%w = tcc.conv %img, @filters sizes [1, 16, 4, 27] window [3, 3] strides [1, 1] dilations "
    f"[1, 1] padding [0, 0] [0, 0] cut {CUT} op = 0 "
    ": !tcc.buffer<1x3x6x6xf16> -> !tcc.buffer<1x4x4x4xf16>"
)
GATHER = (
    f"%g = tcc.gather %ids of @table over [1, 3, 8] cut {CUT} op = 1 : !tcc.buffer<3xi64> -> {X}"
)
IMAGE = (
    f'tcc.channel @image to {REGION} host "i" : tensor<1x3x6x6xf16>\n'
    f'tcc.channel @ids to {REGION} host "n" : tensor<3xi64>\n'
    """tcc.kernel @iota over [3] reduced = 0 maps [] {
    %a = tcc.index 0 : index
    %b = arith.index_cast %a : index to i64
    tcc.yield %b : i64
  }"""
)
IMAGES = (
    "%ti, %img = tcc.receive @image bytes = 4 op = 0 : !tcc.buffer<1x3x6x6xf16>\n"
    "%tn, %ids = tcc.receive @ids bytes = 8 op = 1 : !tcc.buffer<3xi64>\n"
)
