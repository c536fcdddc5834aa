# ruff: noqa: E501
"""The operator table against counts made by hand, from dimensions and from torch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from xdsl.dialects.builtin import ModuleOp

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.importer import import_model
from asic_compiler.frontends.spec import ImportedModel, ImportSpec
from asic_compiler.workload.extract import extract
from asic_compiler.workload.names import OperatorNames, common_prefix
from asic_compiler.workload.table import BodyCost, OperatorKind, OperatorTable
from asic_compiler.workload.table_text import table_text

Convert = Callable[[str], ModuleOp]

# One decoder step, small: 2 sequences, 2 key-value heads of 4, 3 query heads each, 8 slots.
STEP = """
builtin.module attributes {asic.workload = {name = "tiny", phase = "decode", batch = 2 : i64,
                                            context = 8 : i64, tokens = 2 : i64}} {
  func.func @main(%ids: tensor<2xi64>, %kc: tensor<2x2x8x4xf16> {asic.role = "kv_key", asic.layer = 0 : i64})
      -> (tensor<2x30xf16>, tensor<2x2x8x4xf16>) {
    %table = asic.weight dense_resource<m.embed.weight> : tensor<30x24xf16>
    %q = asic.weight dense_resource<m.layers.0.attn.q.weight> : tensor<24x24xf16>
    %k = asic.weight dense_resource<m.layers.0.attn.k.weight> : tensor<8x24xf16>
    %g = asic.weight dense_resource<m.layers.0.norm.weight> : tensor<24xf16>
    %x = asic.gather %table[%ids] : tensor<30x24xf16>, tensor<2xi64> -> tensor<2x24xf16>
    %n = asic.elementwise(%x, %g) {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>]}
      : (tensor<2x24xf16>, tensor<24xf16>) -> tensor<2x24xf16> {
    ^bb0(%a: f16, %b: f16):
      %c = arith.mulf %a, %b : f16
      asic.yield %c : f16
    }
    %qx = asic.matmul %n, %q transpose_rhs : tensor<2x24xf16>, tensor<24x24xf16> -> tensor<2x24xf16>
    %kx = asic.matmul %n, %k transpose_rhs : tensor<2x24xf16>, tensor<8x24xf16> -> tensor<2x8xf16>
    %kv = asic.layout %kx view affine_map<(b, h, t, d) -> (b, h * 4 + d)> : tensor<2x8xf16> -> tensor<2x2x1x4xf16>
    %cache = asic.kv_append %kv into %kc {axis = 2 : i64, position = 7 : i64, role = "key", layer = 0 : i64}
      : tensor<2x2x1x4xf16> into tensor<2x2x8x4xf16> -> tensor<2x2x8x4xf16>
    %qv = asic.layout %qx view affine_map<(b, h, t, d) -> (b, h * 12 + t * 4 + d)> : tensor<2x24xf16> -> tensor<2x2x3x4xf16>
    %s = asic.matmul %qv, %cache transpose_rhs : tensor<2x2x3x4xf16>, tensor<2x2x8x4xf16> -> tensor<2x2x3x8xf32>
    %m = asic.reduce(%s) starting() {indexing_maps = [affine_map<(a, b, c, d) -> (a, b, c, d)>],
      iteration = array<i64: 2, 2, 3, 8>, reduced = 1 : i64, init = [0xff800000 : f32]}
      : (tensor<2x2x3x8xf32>), () -> (tensor<2x2x3xf32>) {
    ^bb1(%p: f32, %acc: f32):
      %e = math.exp %p : f32
      %w = arith.maximumf %e, %acc : f32
      asic.yield %w : f32
    }
    %y = asic.elementwise(%x, %m) {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j floordiv 12, 0)>]}
      : (tensor<2x24xf16>, tensor<2x2x3xf32>) -> tensor<2x24xf16> {
    ^bb2(%a: f16, %b: f32):
      %c = arith.extf %a : f16 to f32
      %d = arith.divf %c, %b : f32
      %e = arith.truncf %d : f32 to f16
      asic.yield %e : f16
    }
    %o = asic.matmul %y, %table transpose_rhs : tensor<2x24xf16>, tensor<30x24xf16> -> tensor<2x30xf16>
    func.return %o, %cache : tensor<2x30xf16>, tensor<2x2x8x4xf16>
  }
}
"""


@pytest.fixture
def step(convert: Convert) -> OperatorTable:
    return extract(convert(STEP))


def operator(table: OperatorTable, name: str):
    return table.classes[table.sequence[table.names.index(name)]]


def test_header(step: OperatorTable) -> None:
    assert (step.name, step.phase, step.batch, step.context) == ("tiny", "decode", 2, 8)
    assert step.tokens_per_step == 2


def test_names_follow_weights_and_program_order(step: OperatorTable) -> None:
    assert step.names == (
        "embed",
        "layers.0.norm",
        "layers.0.attn.q",
        "layers.0.attn.k",
        "layers.0.attn.key_append",
        "layers.0.attn.scores",
        "layers.0.attn.reduction",
        "layers.0.attn.elementwise",
        "embed.matmul",
    )


def test_products(step: OperatorTable) -> None:
    q = operator(step, "layers.0.attn.q")
    assert (q.kind, q.batch, q.m, q.n, q.k) == (OperatorKind.MATMUL, 1, 2, 24, 24)
    assert (q.weight_bytes, q.weight_read_bytes) == (24 * 24 * 2, 24 * 24 * 2)
    assert (q.input_bytes, q.output_bytes) == (2 * 24 * 2, 2 * 24 * 2)
    scores = operator(step, "layers.0.attn.scores")
    assert (scores.kind, scores.batch, scores.m, scores.n, scores.k) == (
        OperatorKind.ATTENTION, 4, 3, 8, 4,
    )  # fmt: skip
    assert scores.kv_read_bytes == 2 * 2 * 8 * 4 * 2
    assert scores.input_bytes == 2 * 24 * 2
    assert scores.output_bytes == 2 * 2 * 3 * 8 * 4
    assert step.macs(OperatorKind.MATMUL) == 2 * 24 * (24 + 8 + 30)
    assert step.macs(OperatorKind.ATTENTION) == 4 * 3 * 8 * 4


def test_a_table_that_is_looked_up_and_multiplied_is_kept_twice(step: OperatorTable) -> None:
    """It lies by columns for the look-up, and by rows for the product."""
    embed, head = operator(step, "embed"), operator(step, "embed.matmul")
    assert (embed.weight_bytes, embed.weight_read_bytes) == (30 * 24 * 2, 2 * 24 * 2)
    assert head.weight_bytes == head.weight_read_bytes == 30 * 24 * 2
    weights = 2 * 30 * 24 + 24 * 24 + 8 * 24 + 24
    assert step.total("weight_bytes") == weights * 2


def test_the_cache_is_kept_by_its_append(step: OperatorTable) -> None:
    append = operator(step, "layers.0.attn.key_append")
    assert append.kv_bytes == 2 * 2 * 8 * 4 * 2
    assert append.kv_write_bytes == append.input_bytes == 2 * 2 * 4 * 2
    assert append.output_bytes == 0
    assert step.total("kv_bytes") == append.kv_bytes


def test_vector_operators(step: OperatorTable) -> None:
    reduction = operator(step, "layers.0.attn.reduction")
    assert reduction.elements == 2 * 2 * 3 * 8
    assert reduction.body == BodyCost(simple=1, transcendental=1)
    assert reduction.element_bits == 32
    spread = operator(step, "layers.0.attn.elementwise")
    # 24 columns are reached of x; of the maxima only column 0 of each of 2 x 2.
    assert spread.input_bytes == 2 * 24 * 2 + 2 * 2 * 3 * 4
    assert spread.body == BodyCost(divide=1)


def test_edges_carry_what_is_read(step: OperatorTable) -> None:
    at = {name: position for position, name in enumerate(step.names)}
    edges = {(int(a), int(b)): int(c) for a, b, c in step.edges}
    assert edges[at["embed"], at["layers.0.norm"]] == 2 * 24 * 2
    # The new key only: the cache does not travel.
    assert edges[at["layers.0.attn.key_append"], at["layers.0.attn.scores"]] == 2 * 2 * 4 * 2
    assert edges[at["layers.0.attn.k"], at["layers.0.attn.key_append"]] == 2 * 8 * 2
    assert (at["layers.0.attn.q"], at["layers.0.attn.key_append"]) not in edges
    assert all(a < b for a, b, _ in step.edges)


def test_peak_is_the_largest_sum_of_live_activations(step: OperatorTable) -> None:
    # While the scores are computed: x (needed at the end), the queries, the scores.
    assert step.peak_activation_bytes == 2 * 24 * 2 + 2 * 24 * 2 + 2 * 2 * 3 * 8 * 4


def test_counts_and_classes(step: OperatorTable) -> None:
    assert step.counts.sum() == len(step.sequence) == len(step.names) == len(set(step.names))
    assert len(set(step.classes)) == len(step.classes)
    assert sorted(set(step.sequence.tolist())) == list(range(len(step.classes)))


def test_text_shows_every_class_and_the_totals(step: OperatorTable) -> None:
    text = table_text(step)
    lines = text.splitlines()
    assert lines[0] == "tiny: decode, batch 2, context 8, 2 tokens an execution"
    assert sum(line.startswith(("matmul  ", "attention  ")) for line in lines) == 4 + 2
    assert f"{step.macs(OperatorKind.MATMUL):,} MACs" in text
    assert text == table_text(step)


def test_without_the_workload_attribute_it_is_an_inference(convert: Convert) -> None:
    text = STEP[STEP.index("func.func") : STEP.rindex("}")]
    table = extract(convert(text))
    assert (table.name, table.phase, table.batch, table.tokens_per_step) == (
        "main", "inference", 2, 2,
    )  # fmt: skip
    assert table.context == 8


def test_prefill_keeps_the_cache_at_its_reader(convert: Convert) -> None:
    table = extract(
        convert("""
    func.func @main(%q: tensor<2x5x4xf16>, %x: tensor<2x5x4xf16>)
        -> (tensor<2x5x5xf32>, tensor<2x5x4xf16> {asic.role = "kv_key", asic.layer = 0 : i64}) {
      %k = asic.elementwise(%x) {indexing_maps = [affine_map<(a, b, c) -> (a, b, c)>]}
        : (tensor<2x5x4xf16>) -> tensor<2x5x4xf16> {
      ^bb0(%a: f16):
        %b = arith.negf %a : f16
        asic.yield %b : f16
      }
      %s = asic.matmul %q, %k transpose_rhs : tensor<2x5x4xf16>, tensor<2x5x4xf16> -> tensor<2x5x5xf32>
      func.return %s, %k : tensor<2x5x5xf32>, tensor<2x5x4xf16>
    }""")
    )
    maker, reader = (table.classes[i] for i in table.sequence)
    assert (maker.kv_write_bytes, maker.output_bytes, maker.kv_bytes) == (80, 0, 0)
    assert (reader.kv_bytes, reader.kv_read_bytes, reader.input_bytes) == (80, 80, 80)


def test_a_model_without_products_has_a_table(convert: Convert) -> None:
    table = extract(convert("func.func @main(%x: tensor<4xf32>) {\nfunc.return\n}"))
    assert table.macs() == 0
    assert table.classes == ()
    assert table.edges.shape == (0, 3)
    assert table.peak_activation_bytes == 0
    assert "0 in 0 classes" in table_text(table)


def test_linalg_must_be_raised_first() -> None:
    from xdsl.context import Context
    from xdsl.dialects.builtin import Builtin
    from xdsl.dialects.func import Func
    from xdsl.dialects.linalg import Linalg
    from xdsl.dialects.tensor import Tensor
    from xdsl.parser import Parser

    ctx = Context()
    for dialect in (Builtin, Func, Linalg, Tensor):
        ctx.load_dialect(dialect)
    text = """func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %e = tensor.empty() : tensor<4xf32>
      %r = linalg.exp ins(%x : tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
      func.return %r : tensor<4xf32>
    }"""
    with pytest.raises(UserError, match=r"tensor\.empty is not an asic operator") as caught:
        extract(Parser(ctx, text).parse_module())
    assert caught.value.notes == ("run --convert-linalg-to-asic first",)


def test_names() -> None:
    assert common_prefix(["m.a.x.weight", "m.b.weight", "ids"]) == 1
    assert common_prefix(["fc.weight", "fc.bias"]) == 0
    namer = OperatorNames(["fc.weight", "fc.bias"])
    assert namer.name("fc.weight", "matmul", opens_scope=True) == "fc"
    assert namer.name("fc.bias", "elementwise", opens_scope=False) == "fc.elementwise"
    assert namer.name(None, "reduction", opens_scope=False) == "reduction"
    assert namer.name(None, "reduction", opens_scope=False) == "reduction.1"


def imported(spec: ImportSpec) -> ImportedModel:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return import_model(spec)


def test_llama_decode_is_what_its_dimensions_say(convert: Convert) -> None:
    """One layer of Llama 3.1 8B: all others are equal."""
    model = imported(ImportSpec("llama-3.1-8b", phase="decode", batch=3, context=2048, layers=1))
    table = extract(convert(model.text))
    assert (table.phase, table.batch, table.context, table.tokens_per_step) == (
        "decode", 3, 2048, 3,
    )  # fmt: skip
    layer = 4096 * 4096 * 2 + 4096 * 1024 * 2 + 3 * 4096 * 14336
    head = 4096 * 128256
    assert 32 * layer + head == 7_504_658_432
    assert table.macs(OperatorKind.MATMUL) == 3 * (layer + head)
    assert table.macs(OperatorKind.ATTENTION) == 3 * 262_144 * 2048 // 32
    assert table.total("kv_bytes") == 3 * 2048 * 131_072 // 32
    assert table.total("kv_read_bytes") == table.total("kv_bytes")
    assert table.total("kv_write_bytes") == 3 * 131_072 // 32
    buffers = sum(buffer.size_bytes for buffer in model.buffers.values())
    assert table.total("weight_bytes") == model.parameter_bytes + buffers
    gather = operator(table, "embed_tokens")
    assert gather.weight_bytes == 128256 * 4096 * 2
    assert gather.weight_read_bytes == 3 * 4096 * 2
    # Only the halves that the rotation swaps are copied: of q, of k, and of the angles.
    copies = [n for n, c in zip(table.names, table.sequence, strict=True)
              if table.classes[c].kind is OperatorKind.LAYOUT]  # fmt: skip
    assert len(copies) == 3


def test_a_vision_tower_keeps_exactly_its_parameters(convert: Convert) -> None:
    model = imported(ImportSpec("smolvlm-256m", part="vision", layers=1))
    table = extract(convert(model.text))
    buffers = sum(buffer.size_bytes for buffer in model.buffers.values())
    assert table.total("weight_bytes") == model.parameter_bytes + buffers
    assert (table.phase, table.total("kv_bytes")) == ("inference", 0)
    width, tokens, hidden = 768, 1024, 3072
    layer = tokens * (4 * width * width + 2 * width * hidden)
    connector = (tokens // 16) * (16 * width) * 576
    assert table.macs(OperatorKind.MATMUL) == layer + connector
    assert table.macs(OperatorKind.ATTENTION) == 2 * tokens * tokens * width
    assert table.macs(OperatorKind.CONV) == tokens * width * (3 * 16 * 16)
    # Every product reads half-precision operands: widening them is part of the product.
    bits = {c.element_bits for c in table.classes if c.macs}
    assert bits == {16}
