"""Small models in ``asic`` IR, and plans of them for random designs."""

from __future__ import annotations

from functools import cache

import numpy as np
from xdsl.context import Context
from xdsl.dialect_interfaces.op_asm import OpAsmDialectInterface
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func
from xdsl.dialects.math import Math
from xdsl.ir import Dialect
from xdsl.parser import Parser

from asic_compiler.dialects.asic import ASIC
from asic_compiler.dialects.tcc import Tcc
from asic_compiler.explore.problem import ChipProblem, Conditions
from asic_compiler.hardware.design import Freedom
from asic_compiler.mapping.profile import Profile
from asic_compiler.plan.make import make_plan
from asic_compiler.plan.plan import Plan
from asic_compiler.technology.library import load_node
from asic_compiler.workload.extract import extract

DECODER_LAYER = """
    %wq{i} = asic.weight dense_resource<l{i}.q> : tensor<64x64xf16>
    %wk{i} = asic.weight dense_resource<l{i}.k> : tensor<32x64xf16>
    %wv{i} = asic.weight dense_resource<l{i}.v> : tensor<32x64xf16>
    %wo{i} = asic.weight dense_resource<l{i}.o> : tensor<64x64xf16>
    %wn{i} = asic.weight dense_resource<l{i}.norm> : tensor<64xf16>
    %sum{i} = asic.reduce(%x{i}) starting() {{indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>],
      iteration = array<i64: 3, 64>, reduced = 1 : i64, init = [0.0 : f32]}}
      : (tensor<3x64xf16>), () -> (tensor<3xf32>) {{
    ^bb0(%a: f16, %acc: f32):
      %e = arith.extf %a : f16 to f32
      %s = arith.mulf %e, %e : f32
      %t = arith.addf %acc, %s : f32
      asic.yield %t : f32
    }}
    %n{i} = asic.elementwise(%x{i}, %sum{i}, %wn{i}) {{indexing_maps = [
      affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>,
      affine_map<(d0, d1) -> (d1)>]}}
      : (tensor<3x64xf16>, tensor<3xf32>, tensor<64xf16>) -> tensor<3x64xf16> {{
    ^bb0(%a: f16, %b: f32, %w: f16):
      %r = math.rsqrt %b : f32
      %h = arith.truncf %r : f32 to f16
      %p = arith.mulf %a, %h : f16
      %q = arith.mulf %p, %w : f16
      asic.yield %q : f16
    }}
    %q{i} = asic.matmul %n{i}, %wq{i} transpose_rhs
      : tensor<3x64xf16>, tensor<64x64xf16> -> tensor<3x64xf16>
    %k{i} = asic.matmul %n{i}, %wk{i} transpose_rhs
      : tensor<3x64xf16>, tensor<32x64xf16> -> tensor<3x32xf16>
    %v{i} = asic.matmul %n{i}, %wv{i} transpose_rhs
      : tensor<3x64xf16>, tensor<32x64xf16> -> tensor<3x32xf16>
    %kr{i} = asic.layout %k{i} view affine_map<(d0, d1, d2, d3) -> (d0, d1 * 16 + d3)>
      : tensor<3x32xf16> -> tensor<3x2x1x16xf16>
    %vr{i} = asic.layout %v{i} view affine_map<(d0, d1, d2, d3) -> (d0, d1 * 16 + d3)>
      : tensor<3x32xf16> -> tensor<3x2x1x16xf16>
    %kc{i} = asic.kv_append %kr{i} into %key{i} {{axis = 2 : i64, position = 7 : i64}}
      : tensor<3x2x1x16xf16> into tensor<3x2x8x16xf16> -> tensor<3x2x8x16xf16>
    %vc{i} = asic.kv_append %vr{i} into %val{i} {{axis = 2 : i64, position = 7 : i64}}
      : tensor<3x2x1x16xf16> into tensor<3x2x8x16xf16> -> tensor<3x2x8x16xf16>
    %qr{i} = asic.layout %q{i} view affine_map<(d0, d1, d2, d3) -> (d0, d1 * 32 + d2 * 16 + d3)>
      : tensor<3x64xf16> -> tensor<3x2x2x16xf16>
    %s{i} = asic.matmul %qr{i}, %kc{i} transpose_rhs
      : tensor<3x2x2x16xf16>, tensor<3x2x8x16xf16> -> tensor<3x2x2x8xf16>
    %c{i} = asic.matmul %s{i}, %vc{i}
      : tensor<3x2x2x8xf16>, tensor<3x2x8x16xf16> -> tensor<3x2x2x16xf16>
    %cf{i} = asic.layout %c{i} view affine_map<(d0, d1)
      -> (d0, d1 floordiv 32, (d1 mod 32) floordiv 16, d1 mod 16)>
      : tensor<3x2x2x16xf16> -> tensor<3x64xf16>
    %o{i} = asic.matmul %cf{i}, %wo{i} transpose_rhs
      : tensor<3x64xf16>, tensor<64x64xf16> -> tensor<3x64xf16>
    %x{j} = asic.elementwise(%x{i}, %o{i}) {{indexing_maps = [
      affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>]}}
      : (tensor<3x64xf16>, tensor<3x64xf16>) -> tensor<3x64xf16> {{
    ^bb0(%a: f16, %b: f16):
      %s = arith.addf %a, %b : f16
      asic.yield %s : f16
    }}
"""
"""One layer of a decode step: 2 KV heads shared by 2 query heads each, 8 slots of cache."""

LAYERS = 3
OPERATORS_A_LAYER = 11


def decoder_text(layers: int = LAYERS) -> str:
    cache = "tensor<3x2x8x16xf16>"
    arguments = ['%ids: tensor<3xi64> {asic.name = "input_ids", asic.role = "token_ids"}']
    results = ['tensor<3x96xf16> {asic.name = "logits", asic.role = "logits"}']
    returned, types = ["%logits"], ["tensor<3x96xf16>"]
    for i in range(layers):
        for short, role in (("key", "kv_key"), ("val", "kv_value")):
            marks = f'{{asic.name = "{role}.{i}", asic.role = "{role}", asic.layer = {i} : i64}}'
            arguments.append(f"%{short}{i}: {cache} {marks}")
            results.append(f"{cache} {marks}")
            returned.append(f"%{short[0]}c{i}")
            types.append(cache)
    body = "".join(DECODER_LAYER.format(i=i, j=i + 1) for i in range(layers))
    return f"""
builtin.module attributes {{asic.workload = {{name = "tiny", phase = "decode", batch = 3 : i64,
    context = 8 : i64, tokens = 3 : i64}}}} {{
  func.func @main({", ".join(arguments)}) -> ({", ".join(results)}) {{
    %embed = asic.weight dense_resource<embed> : tensor<96x64xf16>
    %x0 = asic.gather %embed[%ids] : tensor<96x64xf16>, tensor<3xi64> -> tensor<3x64xf16>
    {body}
    %head = asic.weight dense_resource<head> : tensor<96x64xf16>
    %logits = asic.matmul %x{layers}, %head transpose_rhs
      : tensor<3x64xf16>, tensor<96x64xf16> -> tensor<3x96xf16>
    func.return {", ".join(returned)} : {", ".join(types)}
  }}
}}
"""


VISION = """
builtin.module attributes {asic.workload = {name = "cnn", phase = "inference", batch = 2 : i64,
    context = 0 : i64, tokens = 2 : i64}} {
  func.func @main(%pixels: tensor<2x3x10x10xf16>) -> tensor<2x10xf16> {
    %f = asic.weight dense_resource<conv> : tensor<8x3x3x3xf16>
    %w = asic.weight dense_resource<fc> : tensor<200x10xf16>
    %p = asic.pad %pixels {low = array<i64: 0, 0, 1, 1>, high = array<i64: 0, 0, 1, 1>,
      value = 0.0 : f16} : tensor<2x3x10x10xf16> -> tensor<2x3x12x12xf16>
    %c = asic.conv %p, %f {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>,
      low_padding = array<i64: 0, 0>, high_padding = array<i64: 0, 0>, groups = 1 : i64}
      : tensor<2x3x12x12xf16>, tensor<8x3x3x3xf16> -> tensor<2x8x5x5xf16>
    %r = asic.elementwise(%c) {indexing_maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>]}
      : (tensor<2x8x5x5xf16>) -> tensor<2x8x5x5xf16> {
    ^bb0(%a: f16):
      %zero = arith.constant 0.0 : f16
      %m = arith.maximumf %a, %zero : f16
      asic.yield %m : f16
    }
    %t = asic.layout %r affine_map<(d0, d1, d2, d3) -> (d0, d3, d1, d2)>
      : tensor<2x8x5x5xf16> -> tensor<2x5x5x8xf16>
    %v = asic.layout %t view affine_map<(d0, d1) -> (d0, d1 floordiv 40, (d1 mod 40) floordiv 8,
      d1 mod 8)> : tensor<2x5x5x8xf16> -> tensor<2x200xf16>
    %y = asic.matmul %v, %w : tensor<2x200xf16>, tensor<200x10xf16> -> tensor<2x10xf16>
    func.return %y : tensor<2x10xf16>
  }
}
"""


def context() -> Context:
    # xDSL's own builtin dialect keeps resource names for the whole process and renames repeats.
    builtin = Dialect(
        "builtin", list(Builtin.operations), list(Builtin.attributes), [OpAsmDialectInterface()]
    )
    ctx = Context()
    for dialect in (builtin, Func, Arith, Math, ASIC, Tcc):
        ctx.load_dialect(dialect)
    return ctx


def parse(text: str) -> ModuleOp:
    module = Parser(context(), text).parse_module()
    module.verify()
    return module


@cache
def model(name: str) -> ModuleOp:
    return parse(decoder_text() if name == "decoder" else VISION)


@cache
def problem(name: str) -> ChipProblem:
    return ChipProblem(
        Profile(extract(model(name))),
        load_node("7nm"),
        Conditions(),
        Freedom(weight_bits=(8, 16), kv_bits=(8, 16)),
        (0.4, 0.4, 0.2),
    )


def plan(name: str, seed: int) -> Plan:
    """The plan of a random design on a mesh of up to 16 x 16 tiles, legal or not."""
    chips, rng = problem(name), np.random.default_rng(seed)
    discrete = np.concatenate([rng.integers(1, 17, (1, 2)), rng.integers(1, 3, (1, 2))], axis=1)
    continuous = rng.uniform(-1.0, 1.0, (1, len(chips.continuous_names)))
    return make_plan(chips.model, chips.decode(discrete, continuous), 85.0)


def plan_of(module: ModuleOp, mesh: tuple[int, int], seed: int) -> Plan:
    """The plan of a random design of a module on a mesh of so many tiles, legal or not."""
    chips = ChipProblem(
        Profile(extract(module)), load_node("7nm"), Conditions(), Freedom(), (0.4, 0.4, 0.2)
    )
    rng = np.random.default_rng(seed)
    discrete = np.array([[*mesh, 1, 1]])
    continuous = rng.uniform(-1.0, 1.0, (1, len(chips.continuous_names)))
    return make_plan(chips.model, chips.decode(discrete, continuous), 85.0)
