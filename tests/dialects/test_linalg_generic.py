"""``linalg.generic`` as upstream writes it: what is printed reads back, what is wrong is told."""

import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.program.emit import program_text

TWO = """func.func @f(%x: tensor<4x6xf32>, %a: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {{
  %m, %n = linalg.generic {{indexing_maps = [affine_map<(a, b) -> (a, b)>,
    affine_map<(a, b) -> (a)>, affine_map<(a, b) -> (a)>],
    iterator_types = ["parallel", "reduction"]}}
    ins(%x : tensor<4x6xf32>) outs(%a, %a : tensor<4xf32>, tensor<4xf32>) {{
  ^bb0(%v: f32, %o: f32, %p: f32):
    linalg.yield %v, %v : f32, f32
  }} -> {results}
  func.return %m, %n : tensor<4xf32>, tensor<4xf32>
}}"""


@pytest.mark.parametrize(
    "results", ["(tensor<4xf32>, tensor<4xf32>)", "tensor<4xf32>, tensor<4xf32>"]
)
def test_several_results_read_back(results):
    """Upstream's brackets, which xDSL prints and does not read, and xDSL's form without them."""
    text = program_text(parse_module(TWO.format(results=results), "m"))
    assert "-> (tensor<4xf32>, tensor<4xf32>)" in text
    assert program_text(parse_module(text, "m")) == text


def test_further_attributes_are_kept():
    """xDSL drops those in the first braces without a word."""
    text = TWO.format(results="(tensor<4xf32>, tensor<4xf32>)")
    text = text.replace('"reduction"]', '"reduction"], doc = "both", mine = 7 : i64')
    printed = program_text(parse_module(text, "m"))
    assert 'doc = "both"' in printed
    assert "mine = 7 : i64" in printed


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("indexing_maps =", "maps =", "needs indexing_maps"),
        ("[affine_map<(a, b) -> (a, b)>", "[7", "needs indexing_maps"),
        ('"reduction"', '"backwards"', "needs iterator_types"),
        ("iterator_types = [", "iterator_types = 3, x = [", "needs iterator_types"),
        ('"reduction"]', '"reduction"], doc = 3', "are texts"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(old, new, message):
    text = TWO.format(results="(tensor<4xf32>, tensor<4xf32>)").replace(old, new)
    with pytest.raises(UserError, match=message) as caught:
        parse_module(text, "m")
    assert caught.value.location is not None
    assert caught.value.location.line == 2


def test_a_named_one_whose_types_have_no_usual_body_prints_its_own():
    """Asking for the usual body, to compare, ended in a trace."""
    text = """func.func @f(%a: tensor<3x4xf16>, %f: tensor<3x4xbf16>) -> tensor<3x4xbf16> {
      %m = "linalg.matmul"(%a, %a, %f) <{operandSegmentSizes = array<i32: 2, 1>}> ({
      ^bb0(%p: f16, %q: f16, %s: bf16):
        linalg.yield %s : bf16
      }) : (tensor<3x4xf16>, tensor<3x4xf16>, tensor<3x4xbf16>) -> tensor<3x4xbf16>
      func.return %m : tensor<3x4xbf16>
    }"""
    printed = program_text(parse_module(text.replace("3x4", "4x4"), "m"))
    assert '"linalg.matmul"' in printed
    assert program_text(parse_module(printed, "m")) == printed
