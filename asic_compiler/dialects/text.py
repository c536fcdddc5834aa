"""MLIR text that every reader takes for the same bits: xDSL's parser, upstream's and ours.

xDSL 0.74 prints an infinity inside ``dense<...>`` as a hexadecimal number, and reads that back as
an integer; and it takes ``[0.0, -0.0]`` for one repeated number. Here every finite number is
decimal with enough digits, and a dense constant that holds anything else is a string of its bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from io import StringIO
from math import isfinite
from typing import Any, cast

from xdsl.dialects.builtin import (
    AnyFloat,
    ComplexType,
    DenseIntOrFPElementsAttr,
    Float32Type,
    Float64Type,
)
from xdsl.ir import Attribute, Operation
from xdsl.printer import Printer
from xdsl.syntax_printer import SyntaxPrinter

from asic_compiler.dialects.linalg_extra import needs_generic_form

_LISTED_AT_MOST = 100
"""Elements; more are printed as bytes, as xDSL does."""
_KEPT_AT_MOST = 1 << 12
"""Characters; longer texts of attributes are made again."""
_DIGITS: dict[type[Attribute], int] = {Float32Type: 9, Float64Type: 17}
"""Significant digits that tell any two numbers of a type apart."""


def is_repeated(dense: DenseIntOrFPElementsAttr[Any]) -> bool:
    """Whether all elements have the same bits; there is at least one."""
    data = dense.data.data
    size = dense.get_element_type().compile_time_size
    return len(data) > 0 and data == data[:size] * (len(data) // size)


@dataclass(eq=False, repr=False)
class ExactPrinter(Printer):
    """xDSL's printer, for numbers and operations whose usual text would be read as others.

    The text of an attribute is made once and kept: all layers of a model share their types, maps
    and cuts.
    """

    _texts: dict[int, tuple[Attribute, str]] = field(
        default_factory=dict[int, tuple[Attribute, str]], init=False
    )
    """By identity, which is quicker than equality; each attribute is kept, so its id is its own."""

    def print_string(self, text: str, *, indent: int | None = None) -> None:
        """Prints a text; one within a line as it is."""
        if "\n" in text:
            super().print_string(text, indent=indent)
            return
        self._current_column += len(text)
        print(text, end="", file=self.stream)

    def print_float(self, value: float, type: AnyFloat) -> None:
        """Prints a number; finite ones are decimal."""
        digits = _DIGITS.get(type.__class__)
        if digits is None or not isfinite(value):
            super().print_float(value, type)
            return
        mantissa, _, exponent = f"{value:.5e}".partition("e")
        text = f"{mantissa}0e{exponent}"
        if type.unpack(type.pack((float(text),)), 1)[0] != value:
            text = f"{value:.{digits}g}"
            # Without a point it would be an integer.
            text = text if "." in text else f"{value:.{digits - 1}e}"
        self.print_string(text)

    def print_attribute(self, attribute: Attribute) -> None:
        """Prints an attribute."""
        known = self._texts.get(id(attribute))
        if known is not None:
            self.print_string(known[1])
            return
        text = self._text_of(attribute)
        if "\n" in text:  # Its later lines begin where the operation does.
            self._print_anew(attribute)
            return
        if len(text) <= _KEPT_AT_MOST:
            self._texts[id(attribute)] = attribute, text
        self.print_string(text)

    def _text_of(self, attribute: Attribute) -> str:
        stream, column = self.stream, self._current_column
        self.stream = StringIO()
        try:
            self._print_anew(attribute)
            return self.stream.getvalue()
        finally:
            self.stream, self._current_column = stream, column

    def _print_anew(self, attribute: Attribute) -> None:
        if isinstance(attribute, DenseIntOrFPElementsAttr):
            dense = cast("DenseIntOrFPElementsAttr[Any]", attribute)
            if _holds_floats(dense) and len(dense):
                self._print_dense(dense)
                return
            if is_repeated(dense):  # of a large one, xDSL would make a list of all elements
                first = type(dense.data)(dense.data.data[: len(dense.data.data) // len(dense)])
                attribute = DenseIntOrFPElementsAttr(dense.type, first)
        super().print_attribute(cast("Attribute", attribute))

    def _print_dense(self, dense: DenseIntOrFPElementsAttr[Any]) -> None:
        data = dense.data.data
        count = len(dense)
        if is_repeated(dense):
            data, count = data[: len(data) // count], 1
        shown = DenseIntOrFPElementsAttr(dense.type, type(dense.data)(data))
        values = shown.get_values() if count <= _LISTED_AT_MOST else ()
        # xDSL's list of nothing but zeros of both signs would be one zero.
        if not values or not all(map(_is_finite, values)) or (count > 1 and shown.is_splat()):
            self.print_string(f'dense<"0x{data.hex().upper()}"> : ')
            self.print_attribute(dense.type)
            return
        shown.print_builtin(self)

    def print_op(self, op: Operation) -> None:
        """Prints an operation, in generic form where the pretty one would leave something out."""
        before = self.print_generic_format
        self.print_generic_format = before or needs_generic_form(op)
        super().print_op(op)
        self.print_generic_format = before


class ExactSyntaxPrinter(ExactPrinter, SyntaxPrinter):
    """The same in colour."""


def _holds_floats(dense: DenseIntOrFPElementsAttr[Any]) -> bool:
    element = dense.get_element_type()
    if isinstance(element, ComplexType):
        element = cast("ComplexType[Any]", element).element_type
    return isinstance(element, AnyFloat)


def _is_finite(value: float | tuple[float, float]) -> bool:
    return all(map(isfinite, value)) if isinstance(value, tuple) else isfinite(value)


def attribute_text(attribute: Attribute) -> str:
    """An attribute as text; different attributes have different texts."""
    stream = StringIO()
    ExactPrinter(stream).print_attribute(attribute)
    return stream.getvalue()
