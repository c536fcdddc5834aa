"""Operations in upstream's own spelling: read, raised, and computing what they did."""

from __future__ import annotations

import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.interpret.evaluate import evaluate
from asic_compiler.interpret.guard import guard
from asic_compiler.interpret.numbers import Numbers
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic


def raised(operation: str, result: str, **arguments: str) -> set[str]:
    """Raises a function of one operation, compared by evaluation; names of what comes out."""
    taken = ", ".join(f"%{name}: {type_}" for name, type_ in arguments.items())
    number = "0" if "xi" in result else "0.0"
    module = parse_module(
        f"func.func @main({taken}) -> {result} {{\n"
        f"  %o = arith.constant dense<{number}> : {result}\n"
        f"  %r = {operation.replace('RESULT', result)}\n"
        f"  func.return %r : {result}\n}}",
        "text",
    )
    before = guard(module)
    ConvertLinalgToAsic().apply(make_context(), module)
    module.verify()
    before.compare(module, "convert-linalg-to-asic")
    return {op.name for op in module.walk() if op.name.startswith("asic.")}


_X, _W = "tensor<2x7x6x3xf32>", "tensor<3x2x3xf32>"


@pytest.mark.parametrize(
    ("name", "weight", "attributes", "result"),
    [
        ("2d_nhwc_hwc", _W, "", "tensor<2x5x5x3xf32>"),
        ("2d_nhwc_hwc", _W, "strides = dense<2> : tensor<2xi64>", "tensor<2x3x3x3xf32>"),
        ("2d_nhwc_hwc", _W, "dilations = dense<2> : vector<2xi64>", "tensor<2x3x4x3xf32>"),
        ("2d_nhwc_hwcm", "tensor<3x2x3x2xf32>", "", "tensor<2x5x5x3x2xf32>"),
        ("1d_nwc_wc", "tensor<3x3xf32>", "", "tensor<2x5x3xf32>"),
        ("1d_nwc_wcm", "tensor<3x3x2xf32>", "", "tensor<2x5x3x2xf32>"),
    ],
)
def test_depthwise_convolutions_with_channels_last(name, weight, attributes, result):
    image = _X if name.startswith("2d") else "tensor<2x7x3xf32>"
    carried = f"{{{attributes}}} " if attributes else ""
    operation = (
        f"linalg.depthwise_conv_{name} {carried}ins(%x, %w : {image}, {weight}) "
        "outs(%o : RESULT) -> RESULT"
    )
    assert "asic.conv" in raised(operation, result, x=image, w=weight)


_T = "tensor<4x8xf32>"


@pytest.mark.parametrize(
    "operation",
    [
        "linalg.map { arith.subf } ins(%a, %b : {t}, {t}) outs(%o : RESULT)",
        "linalg.map { arith.maximumf {fastmath = #arith.fastmath<none>} } "
        "ins(%a, %b : {t}, {t}) outs(%o : RESULT)",
        "linalg.map ins(%a, %b : {t}, {t}) outs(%o : RESULT) (%x: f32, %y: f32) {\n"
        "  %s = arith.subf %y, %x : f32\n  linalg.yield %s : f32\n}",
        # The body of newer versions also takes what the output holds.
        "linalg.map ins(%a, %b : {t}, {t}) outs(%o : RESULT) (%x: f32, %y: f32, %z: f32) {\n"
        "  %s = arith.subf %y, %x : f32\n  linalg.yield %s : f32\n}",
        "linalg.elementwise kind=#linalg.elementwise_kind<sub> "
        "ins(%a, %b : {t}, {t}) outs(%o : RESULT) -> RESULT",
        "linalg.elementwise kind=#linalg.elementwise_kind<exp> "
        "ins(%a : {t}) outs(%o : RESULT) -> RESULT",
        "linalg.elementwise kind=#linalg.elementwise_kind<div> indexing_maps = "
        "[affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>] "
        "ins(%a, %c : {t}, tensor<8xf32>) outs(%o : RESULT) -> RESULT",
    ],
)
def test_pointwise_spellings(operation):
    operation = operation.replace("{t}", _T)
    assert "asic.elementwise" in raised(operation, _T, a=_T, b=_T, c="tensor<8xf32>")


@pytest.mark.parametrize("scalar", ["arith.addf", "arith.subf", "arith.maximumf"])
def test_a_reduction_named_by_its_operation(scalar):
    operation = f"linalg.reduce {{ {scalar} }} ins(%a : {_T}) outs(%o : RESULT) dimensions = [1]"
    assert "asic.reduce" in raised(operation, "tensor<4xf32>", a=_T)


def test_a_named_reduction_takes_the_accumulator_first():
    """((0 - a) - b) - c, as upstream writes the body; the other order would alternate signs."""
    text = f"""func.func @main(%a: {_T}, %o: tensor<4xf32>) -> tensor<4xf32> {{
      %r = linalg.reduce {{ arith.subf }} ins(%a : {_T}) outs(%o : tensor<4xf32>) dimensions = [1]
      func.return %r : tensor<4xf32>
    }}"""
    (function,) = parse_module(text, "text").body.block.ops
    body = function.body.block.first_op.regions[0].block
    assert list(body.first_op.operands) == [body.args[1], body.args[0]]


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ("linalg.map { arith.addi } ins(%a : {t}) outs(%o : RESULT)", "'arith.addi'"),
        ("linalg.map { arith.other } ins(%a : {t}) outs(%o : RESULT)", "is no operation"),
        (
            "linalg.elementwise kind=#linalg.elementwise_kind<other> "
            "ins(%a : {t}) outs(%o : RESULT) -> RESULT",
            "no elementwise kind 'other' of f32",
        ),
        (
            "linalg.elementwise kind=#linalg.elementwise_kind<max_unsigned> "
            "ins(%a, %a : {t}, {t}) outs(%o : RESULT) -> RESULT",
            "no elementwise kind 'max_unsigned' of f32",
        ),
        ("linalg.elementwise kind=1 ins(%a : {t}) outs(%o : RESULT) -> RESULT", "expected #"),
        (
            "linalg.elementwise kind=#linalg.elementwise_kind<exp> "
            "ins(%a : {t}) outs(%o : RESULT) -> tensor<8xf32>",
            "the result has the type of its output",
        ),
    ],
)
def test_what_no_spelling_is(operation, message):
    with pytest.raises(UserError, match=message):
        raised(operation.replace("{t}", _T), _T, a=_T)


@pytest.mark.parametrize(
    ("test", "answers"),
    [
        ("isnan", [True, False, False, False, False]),
        ("isinf", [False, True, True, False, False]),
        ("isfinite", [False, False, False, True, True]),
    ],
)
def test_tests_of_floats(test, answers):
    """xDSL has them not; a chip compares with itself, or the magnitude with infinity."""
    text = f"""#map = affine_map<(i) -> (i)>
    func.func @main() -> tensor<5xi1> {{
      %a = arith.constant dense<[0x7FC00000, 0x7F800000, 0xFF800000, -3.4e38, 0.0]> : tensor<5xf32>
      %e = tensor.empty() : tensor<5xi1>
      %r = linalg.generic {{indexing_maps = [#map, #map], iterator_types = ["parallel"]}}
        ins(%a : tensor<5xf32>) outs(%e : tensor<5xi1>) {{
      ^bb0(%x: f32, %o: i1):
        %t = math.{test} %x : f32
        linalg.yield %t : i1
      }} -> tensor<5xi1>
      func.return %r : tensor<5xi1>
    }}"""
    module = parse_module(text, "text")
    (before,) = evaluate(module, [], {}, Numbers())
    ConvertLinalgToAsic().apply(make_context(), module)
    (after,) = evaluate(module, [], {}, Numbers())
    assert [bool(x) for x in before] == [bool(x) for x in after] == answers
    assert not any(op.name == f"math.{test}" for op in module.walk())
