"""Locations and names of resources as upstream prints them."""

from __future__ import annotations

import pytest
from xdsl.dialects.builtin import DenseResourceAttr, ModuleOp

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects.location import location_of
from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.mlir_text import parse_mlir, parse_module
from asic_compiler.frontends.resource_names import spelled
from asic_compiler.tools.numerics import data_of


def place_of(location: str, *aliases: str) -> str:
    """Where an operation comes from that carries this location."""
    text = f'func.func @main() {{\n  func.return loc({location})\n}} loc("f.py":9:9)\n'
    module = parse_module(text + "\n".join(aliases), "text")
    (function,) = module.body.block.ops
    return str(location_of(function.body.block.last_op))


@pytest.mark.parametrize(
    ("location", "aliases", "place"),
    [
        ('"a.py":3:4', (), "a.py:3:4"),
        # A range is where it begins.
        ('"a.py":3:4 to :9', (), "a.py:3:4"),
        ('"a.py":3:4 to 5:6', (), "a.py:3:4"),
        # Upstream prints aliases behind their uses: xDSL said "undefined symbol alias".
        ("#loc1", ('#loc1 = loc("b.py":1:2)',), "b.py:1:2"),
        ("#loc2", ('#loc1 = loc("b.py":1:2)', '#loc2 = loc("name"(#loc1))'), "b.py:1:2"),
        ("callsite(#loc1 at #loc2)", ('#loc1 = loc("b.py":1:2 to :3)', "#loc2 = loc(unknown)"),
         "b.py:1:2"),
        ('fused<"pass">[unknown, #loc1]', ('#loc1 = loc("b.py":1:2)',), "b.py:1:2"),
        ('fused["a.py":1:1, "b.py":2:2]', (), "a.py:1:1"),
    ],
)  # fmt: skip
def test_a_location_names_its_place(location, aliases, place):
    assert place_of(location, *aliases) == place


@pytest.mark.parametrize(
    "location", ["#loc9", '"a.py":3', '"a.py":1:2 to 3', "callsite(unknown)", "fused<1>", "later"]
)
def test_what_is_no_location(location):
    with pytest.raises(UserError):
        place_of(location)


def test_an_alias_of_itself_ends():
    with pytest.raises(UserError):
        place_of("#loc1", "#loc1 = loc(#loc1)")


QUOTED = """
func.func @main() -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) {
  %0 = arith.constant dense_resource<"0.weight"> : tensor<2xf32>
  %1 = arith.constant dense_resource<"0/weight"> : tensor<2xf32>
  %2 = arith.constant dense_resource<_0.weight> : tensor<2xf32>
  func.return %0, %1, %2 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
}
{-# dialect_resources: { builtin: {
  "0.weight": "0x040000000000803F00000040",
  "0/weight": "0x040000000000404000008040",
  _0.weight: "0x040000000000A0400000C040"
} } #-}
"""


def names(module: ModuleOp) -> list[str]:
    found = [op.properties.get("value") for op in module.walk()]
    return [v.resource_handle.data for v in found if isinstance(v, DenseResourceAttr)]


def test_names_in_quotes_become_identifiers_of_their_own():
    # Each keeps its data; none takes a name that stands in the text without quotes.
    context = make_context()
    module = parse_mlir(context, QUOTED, "text")
    assert names(module) == ["_0.weight_", "_0_weight", "_0.weight"]
    data = {name: array.tolist() for name, array in data_of(context, module).items()}
    assert data == {"_0.weight_": [1, 2], "_0_weight": [3, 4], "_0.weight": [5, 6]}


def test_a_name_that_needs_no_quotes_is_the_same_with_them():
    text = QUOTED.replace('"0.weight"', '"w"').replace('"0/weight"', "w").replace("_0.weight", "w")
    text = text[: text.index("{-#")]
    assert names(parse_module(text, "text")) == ["w", "w", "w"]


@pytest.mark.parametrize(
    ("name", "identifier"), [("w", "w"), ("0.w", "_0.w"), ("a/b c", "a_b_c"), ("", "_"), ("ä", "_")]
)
def test_identifiers(name, identifier):
    assert spelled(name) == identifier
