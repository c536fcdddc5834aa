"""``linalg.generic`` in the pretty form that upstream MLIR writes.

xDSL 0.74 prints several results in brackets and does not read them, and stops with a Python error
at maps or iterator types that are none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, cast

from xdsl.dialects.builtin import AffineMapAttr, ArrayAttr, StringAttr
from xdsl.dialects.linalg.attrs import IteratorType, IteratorTypeAttr
from xdsl.dialects.linalg.ops import GenericOp as XdslGenericOp
from xdsl.ir import Attribute, SSAValue
from xdsl.parser import Parser


class GenericOp(XdslGenericOp):
    """xDSL's operation and definition, read as upstream reads it."""

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        """Reads maps and iterator types, operands, body, and result types."""
        start = parser.pos
        facts = dict(parser.parse_optional_attr_dict())
        maps, iterators = facts.pop("indexing_maps", None), facts.pop("iterator_types", None)
        doc, call = facts.pop("doc", None), facts.pop("library_call", None)
        kinds = _iterator_types(iterators)
        if not _is_list_of(maps, AffineMapAttr):
            parser.raise_error("linalg.generic needs indexing_maps, a list of maps", start)
        if kinds is None:
            parser.raise_error("linalg.generic needs iterator_types, a list of names", start)
        if not isinstance(doc, StringAttr | None) or not isinstance(call, StringAttr | None):
            parser.raise_error("doc and library_call of linalg.generic are texts", start)
        inputs, outputs = _operands(parser, "ins"), _operands(parser, "outs")
        if parser.parse_optional_keyword("attrs"):
            parser.parse_punctuation("=")
            facts |= parser.expect(parser.parse_optional_attr_dict, "expect extra attributes")
        body = parser.parse_region()
        op = cls(inputs, outputs, body, cast(Any, maps), kinds, _results(parser), doc, call)
        op.attributes |= facts
        return op


def _is_list_of(value: Attribute | None, kind: type[Attribute]) -> bool:
    return isinstance(value, ArrayAttr) and all(
        isinstance(item, kind) for item in cast("ArrayAttr[Attribute]", value)
    )


def _iterator_types(value: Attribute | None) -> list[Attribute] | None:
    if not isinstance(value, ArrayAttr):
        return None
    found: list[Attribute] = []
    for item in cast("ArrayAttr[Attribute]", value):
        if isinstance(item, StringAttr) and item.data in [str(kind) for kind in IteratorType]:
            found.append(IteratorTypeAttr(IteratorType(item.data)))
        elif isinstance(item, IteratorTypeAttr):
            found.append(item)
        else:
            return None
    return found


def _operands(parser: Parser, keyword: str) -> Sequence[SSAValue]:
    start = parser.pos
    if not parser.parse_optional_keyword(keyword):
        return ()
    parser.parse_punctuation("(")
    named = parser.parse_comma_separated_list(
        parser.Delimiter.NONE, parser.parse_unresolved_operand
    )
    parser.parse_punctuation(":")
    types = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_type)
    parser.parse_punctuation(")")
    return parser.resolve_operands(named, types, start)


def _results(parser: Parser) -> Sequence[Attribute]:
    if not parser.parse_optional_punctuation("->"):
        return ()
    listed = parser.parse_optional_comma_separated_list(parser.Delimiter.PAREN, parser.parse_type)
    if listed is not None:
        return listed
    return parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_type)
