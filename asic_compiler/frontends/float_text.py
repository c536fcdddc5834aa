"""Floats in MLIR text, read as upstream MLIR reads them.

xDSL 0.74 takes a hexadecimal number inside ``dense<...>`` for an integer (``0xFF800000`` is
4286578688.0 instead of minus infinity), drops the first two characters of a string of bytes
whatever they are, stops with a Python error at a number beyond its type, and holds a number that a
constant repeats once an element.
"""

from __future__ import annotations

import re
from math import copysign, inf, prod
from typing import Any, NoReturn

from xdsl.dialects.builtin import (
    AnyFloat,
    BytesAttr,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    Float80Type,
    Float128Type,
    FloatAttr,
    IntegerAttr,
    TensorType,
    f64,
)
from xdsl.parser import AttrParser, Parser
from xdsl.utils.lexer import Span
from xdsl.utils.mlir_lexer import MLIRTokenKind

_NUMBER = re.compile(r"\s*+(-?)\s*+(0x[0-9a-fA-F]+|[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?)")
"""What a float may be written as: the bits in hexadecimal, or a decimal with a point."""
LARGEST_SPREAD = 1024
"""Elements that one repeated number is spread over, as xDSL does: its readers of short lists
(strides, a permutation) want each. A larger constant holds the number once, whatever its size."""
_BYTES = re.compile(r'"0x(?:[0-9a-fA-F]{2})*"')


class FloatParser(Parser):
    """xDSL's parser with upstream's rules for floats.

    - A hexadecimal number is the bits, in any number of digits that the type has room for, and
      has no sign.
    - A decimal needs a point. It is rounded to f64 and then to its type; what is beyond the type
      becomes an infinity.
    """

    def _parse_tensor_literal_element(self) -> AttrParser._TensorLiteralElement:
        element = super()._parse_tensor_literal_element()
        return _Element(element.is_negative, element.value, element.span)

    def parse_dense_int_or_fp_elements_attr(self, type: Any) -> DenseIntOrFPElementsAttr[Any]:
        """Reads what follows ``dense``; a string must be ``0x`` and whole bytes."""
        start = self.pos
        self.parse_punctuation("<", " in dense attribute")
        kind = self._current_token.kind
        if kind in (MLIRTokenKind.L_SQUARE, MLIRTokenKind.GREATER):
            self._resume_from(start)
            listed = super().parse_dense_int_or_fp_elements_attr(type)
            return _held(listed.type, listed.data.data)
        if kind == MLIRTokenKind.STRING_LIT:
            if not _BYTES.fullmatch(self._current_token.text):
                self.raise_error("expected a string of hexadecimal bytes that starts with 0x")
            data, element = bytes.fromhex(self.parse_str_literal()[2:]), None
        else:
            data, ((element,), _) = b"", self._parse_tensor_literal()
        self.parse_punctuation(">", " in dense attribute")
        if type is None:
            self.parse_punctuation(":", " in dense attribute")
            type = self._parse_dense_literal_type()
        if element is not None:
            one: Any = TensorType(type.get_element_type(), [1])
            value: Any = element.to_type(self, one.element_type)
            data = DenseIntOrFPElementsAttr[Any].from_list(one, [value]).data.data
        size, count = type.get_element_type().compile_time_size, prod(type.get_shape())
        if len(data) not in (size, size * count):
            self.raise_error(
                f"Shape mismatch in dense literal. Expected {count} elements from the type, but "
                f"got {len(data) // size} elements."
            )
        return _held(type, data)

    def _parse_builtin_densearray_attr(self) -> DenseArrayBase | None:
        start = self.pos
        self.parse_characters("<", " in dense array")
        element = self.parse_attribute()
        if not isinstance(element, AnyFloat) or self.parse_optional_punctuation(">"):
            self._resume_from(start)
            return super()._parse_builtin_densearray_attr()
        self.parse_characters(":", " in dense array")
        none = self.Delimiter.NONE
        values = self.parse_comma_separated_list(none, lambda: self._parse_float_of(element))
        self.parse_characters(">", " in dense array")
        return DenseArrayBase.from_list(element, values)

    def _parse_float_of(self, type: AnyFloat) -> float:
        start = self.pos
        self.parse_number()
        return self.to_float(type, self._span_from(start))

    def parse_optional_builtin_int_or_float_attr(
        self,
    ) -> IntegerAttr[Any] | FloatAttr[Any] | None:
        """Reads a scalar with its type, if there is one."""
        start = self.pos
        if (boolean := self.try_parse_builtin_boolean_attr()) is not None:
            return boolean
        value = self.parse_optional_number()
        if value is None:
            return None
        span = self._span_from(start)
        if self._current_token.kind != MLIRTokenKind.COLON:
            if isinstance(value, int):
                self._resume_from(start)
                return super().parse_optional_builtin_int_or_float_attr()
            return FloatAttr(self.to_float(f64, span), f64)
        type_ = self._parse_attribute_type()
        if isinstance(type_, AnyFloat):
            return FloatAttr(self.to_float(type_, span), type_)
        self._resume_from(start)
        return super().parse_optional_builtin_int_or_float_attr()

    def _span_from(self, start: int) -> Span:
        return Span(start, self.pos, self.lexer.input)

    def to_float(self, type: AnyFloat, span: Span) -> float:
        """The number of a type that a literal stands for.

        Raises:
            ParseError: It stands for none.
        """

        def wrong(message: str) -> NoReturn:
            self.raise_error(message, at_position=span)

        # Between the literal and the end of the span there may be a comment.
        literal = _NUMBER.match(span.text)
        if literal is None:
            wrong(f"a number of type {type} needs a point, or is its bits in hexadecimal")
        sign, digits = literal.groups()
        if isinstance(type, Float80Type | Float128Type):
            wrong(f"numbers of type {type} are not supported")
        if not digits.startswith("0x"):
            return _rounded(float(sign + digits), type)
        if sign:
            wrong("a hexadecimal number of a floating-point type has no sign")
        bits = int(digits, 16)
        if bits.bit_length() > type.bitwidth:
            wrong(f"a hexadecimal number of {bits.bit_length()} bits is too wide for {type}")
        raw = bits.to_bytes(type.compile_time_size, "little")
        return next(iter(type.iter_unpack(raw)))


def _held(type: Any, data: bytes) -> DenseIntOrFPElementsAttr[Any]:
    """A constant of these bytes, all or those of one element that stands for all."""
    size, count = type.get_element_type().compile_time_size, prod(type.get_shape())
    if count <= LARGEST_SPREAD:
        data = data * count if len(data) == size else data
    elif len(data) != size and data == data[:size] * count:
        data = data[:size]
    return DenseIntOrFPElementsAttr(type, BytesAttr(data))


def _rounded(value: float, type: AnyFloat) -> float:
    try:
        return type.unpack(type.pack((value,)), 1)[0]
    except OverflowError:
        return copysign(inf, value)


class _Element(AttrParser._TensorLiteralElement):  # pyright: ignore[reportPrivateUsage]
    """An element of a dense constant, which keeps how it was written."""

    def to_type(self, parser: AttrParser, type: Any) -> Any:
        """The element as a number of the constant's type."""
        assert isinstance(parser, FloatParser)
        if isinstance(type, AnyFloat):
            return parser.to_float(type, self.span)
        part = getattr(type, "element_type", None)
        # A number that is not complex is xDSL's to refuse.
        if not isinstance(part, AnyFloat) or not isinstance(self.value, tuple):
            return super().to_type(parser, type)
        # Written as "(real, imaginary)".
        start, end = self.span.start, self.span.end
        comma = start + self.span.text.index(",")
        spans = Span(start + 1, comma, self.span.input), Span(comma + 1, end - 1, self.span.input)
        return tuple(parser.to_float(part, span) for span in spans)
