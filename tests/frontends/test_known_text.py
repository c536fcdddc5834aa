"""Text that is read once: the same modules, and the same errors in the same places, as without."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdsl.utils.exceptions import ParseError
from xdsl.utils.lexer import Input
from xdsl.utils.mlir_lexer import MLIRLexer, MLIRTokenKind

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects.text import attribute_text
from asic_compiler.frontends import mlir_text
from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.lexing import LinearLexer
from asic_compiler.frontends.mlir_text import LocatingParser, parse_mlir


class PlainLexer(MLIRLexer):
    """xDSL's lexer; but its expression for strings takes hours where one is not closed."""

    _unescaped_characters_regex = LinearLexer._unescaped_characters_regex


class PlainParser(LocatingParser):
    """Reads every text itself, with xDSL's lexer."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._parser_state.lexer = PlainLexer(self.lexer.input)
        self._resume_from(0)

    def _once(self, pattern: Any, known: Any, read: Callable[[], Any]) -> Any:
        return read()


LINE = """\
    %{r} = "linalg.generic"(%{a}, %{a}) <{{
      indexing_maps = [#map, #map], iterator_types = [#linalg.iterator_type<parallel>],
      operandSegmentSizes = array<i32: 1, 1>}}> ({{
    ^bb0(%x: f16, %y: f16):
      %z = "arith.addf"(%x, %y) <{{fastmath = #arith.fastmath<none>}}> : (f16, f16) -> f16
      "linalg.yield"(%z) : (f16) -> ()
    }}) : (tensor<4xf16>, tensor<4xf16>) -> tensor<4xf16>
    %c{r} = "arith.constant"() <{{value = dense<[0xFC00, 1.0]> : tensor<2xf16>}}>
      : () -> tensor<2xf16>
    %d{r}:2 = "test.op"(%c{r}) <{{a = "x}}>", b = {{c = 1 : i64}}}}> {{e = !alias, f = -2.5 : f32}}
      : (tensor<2xf16>) -> (!alias, tensor<2xf16, #encoding>)  // tensor<2xf16>
    %e{r}:2 = "test.op"() <{{e = #map, f = () -> ()}}>
      : () -> (tensor<?x2xi1>, !tcc.buffer<2xf16>)
"""
TEXT = (
    "#map = affine_map<(d0) -> (d0)>\n#encoding = 3 : i64\n!alias = tensor<4xf16>\n"
    '"builtin.module"() ({\n  "func.func"() <{sym_name = "main", '
    "function_type = (tensor<4xf16>) -> ()}> ({\n  ^bb0(%v0: tensor<4xf16>):\n"
    + "".join(LINE.format(r=f"v{i + 1}", a=f"v{i}") for i in range(3))
    + '    "func.return"() : () -> ()\n  }) : () -> ()\n}) : () -> ()\n'
)


def outcome(text: str, parser: type[LocatingParser], monkeypatch: pytest.MonkeyPatch) -> object:
    """Every operation with its place and attributes; or the error, with its place and notes."""
    monkeypatch.setattr(mlir_text, "LocatingParser", parser)
    try:
        module = parse_mlir(make_context(allow_unregistered=True), text, "m.mlir")
    except UserError as error:
        return str(error), error.render("asic-opt")
    return [
        (
            op.name,
            attribute_text(op.location),
            [attribute_text(value.type) for value in (*op.operands, *op.results)],
            [(k, attribute_text(v)) for k, v in (*op.properties.items(), *op.attributes.items())],
        )
        for op in module.walk()
    ]


def test_a_module_is_the_same_as_read_token_by_token(monkeypatch: pytest.MonkeyPatch):
    found = outcome(TEXT, LocatingParser, monkeypatch)
    assert isinstance(found, list)
    assert found == outcome(TEXT, PlainParser, monkeypatch)


def broken(draw: random.Random) -> str:
    """The text with a few characters lost, doubled, exchanged, or put in."""
    start = draw.randrange(len(TEXT))
    end = min(start + draw.choice((1, 1, 2, 9)), len(TEXT))
    put = draw.choice(("", "", TEXT[start:end] * 2, *'<>(){}[]"/#!%^:,=- \n0x@?é~', "->", "// >\n"))
    return TEXT[:start] + put + (TEXT[end:] if draw.random() < 0.9 else "")


@pytest.mark.parametrize("seed", range(4))
def test_errors_are_the_same_in_the_same_places(seed: int, monkeypatch: pytest.MonkeyPatch):
    draw = random.Random(seed)
    errors = 0
    for _ in range(60):
        text = broken(draw)
        found = outcome(text, LocatingParser, monkeypatch)
        assert found == outcome(text, PlainParser, monkeypatch), text
        errors += isinstance(found, tuple)
    assert errors > 30


# What a careless memory of texts gets wrong.
@pytest.mark.parametrize(
    "text",
    [
        '"test.op"() <{a = "}>", b = 1 : i64}> : () -> ()\n' * 2,  # closed within a string
        '"test.op"() : () -> (tensor<2x // >\nf16>)\n' * 2,  # and within a comment
        '"test.op"() {a = f32<4> $} : () -> ()',  # no type, and no token behind it
        '"test.op"() <{a = 1 : i64, a = 1 : i64}> : () -> ()\n' * 2,
        '"test.op"() {a = !late<f16>} : () -> ()\n!late = f16',
        '"test.op"() : () -> f16\n"test.op"() : () -> f16x',
        '"test.op"() : () -> !b\n!b = f16\n"test.op"() : () -> !b',
        '"test.op"() {a = tensor<4xf16>} : () -> ()\n"test.op"() {a = tensor<4xf16>"} : () -> ()',
        '"test.op"() {a = tensor<4xf16> : () -> ()\n',
        '"test.op"() {a = () -> (), b = (i32) -> (i32)} : () -> ()\n' * 2,
    ],
)
def test_texts_that_only_look_alike(text: str, monkeypatch: pytest.MonkeyPatch):
    found = outcome(text, LocatingParser, monkeypatch)
    assert found == outcome(text, PlainParser, monkeypatch)


def test_equal_types_are_one_object_and_properties_are_each_operations_own():
    line = '"test.op"() <{a = tensor<4xf16>}> : () -> tensor<4xf16>\n'
    module = parse_mlir(make_context(allow_unregistered=True), 2 * line, "m")
    one, two = module.ops
    assert one.results[0].type is two.results[0].type
    assert one.properties is not two.properties


def tokens(lexer: MLIRLexer) -> list[object]:
    found: list[object] = []
    try:
        while not found or found[-1][0] is not MLIRTokenKind.EOF:
            token = lexer.lex()
            found.append((token.kind, token.span.start, token.span.end, type(token.span)))
    except ParseError as error:
        found.append((error.msg, error.span.start, error.span.end))
    return found


@given(st.text(st.sampled_from('%#!^@aé_$.-0x9"\\:,(){}[]<>=+/ \n\t\f\v\u00a0'), max_size=12))
def test_the_quick_lexer_finds_the_tokens_that_xdsls_finds(text: str):
    given_text = Input(text, "m.mlir")
    assert tokens(LinearLexer(given_text)) == tokens(PlainLexer(given_text))


def test_a_string_that_is_not_closed_is_told_at_once():
    """xDSL 0.74 tries every way to divide its characters: 30 take minutes."""
    text = '"test.op"() {a = "' + 10_000 * "x"
    with pytest.raises(UserError, match="before closing string literal"):
        parse_mlir(make_context(allow_unregistered=True), text, "m.mlir")
