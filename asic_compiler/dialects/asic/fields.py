"""``key = value`` lists inside attribute brackets: reading, printing, checking."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import cast

from xdsl.dialects.builtin import ArrayAttr, FloatData, IntAttr, StringAttr
from xdsl.ir import Attribute
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from asic_compiler.machine.limits import LARGEST

_HEXADECIMAL = re.compile(r"-?\s*0[xX]")


def parse_fields(
    parser: AttrParser,
    name: str,
    kinds: Mapping[str, str],
    defaults: Mapping[str, Attribute] | None = None,
) -> dict[str, Attribute]:
    """Reads ``<key = value, ...>`` in any order.

    Args:
        parser: Stands before ``<``.
        name: Attribute name, for messages.
        kinds: For each key ``int``, ``float``, ``string``, ``ints``, ``int_rows`` or
            ``attributes``.
        defaults: Values of the keys that may be left out.

    Raises:
        ParseError: An unknown, repeated or missing key, or a value of the wrong kind.
    """
    values: dict[str, Attribute] = {}

    def field() -> None:
        key = parser.parse_identifier()
        if key not in kinds:
            parser.raise_error(f"{name} has no field '{key}': expected {', '.join(kinds)}")
        if key in values:
            parser.raise_error(f"{name} gives field '{key}' twice")
        parser.parse_punctuation("=")
        values[key] = _parse_value(parser, kinds[key])

    parser.parse_comma_separated_list(parser.Delimiter.ANGLE, field)
    values = {**(defaults or {}), **values}
    missing = [key for key in kinds if key not in values]
    if missing:
        parser.raise_error(f"{name} lacks {', '.join(missing)}")
    return values


def _parse_value(parser: AttrParser, kind: str) -> Attribute:
    match kind:
        case "int":
            return IntAttr(parser.parse_integer(allow_boolean=False))
        case "float":
            return FloatData(_parse_double(parser))
        case "string":
            return StringAttr(parser.parse_str_literal())
        case "ints":
            return _parse_list(parser, "int")
        case "int_rows":
            return _parse_list(parser, "ints")
        case _:
            square = parser.Delimiter.SQUARE
            return ArrayAttr(parser.parse_comma_separated_list(square, parser.parse_attribute))


def _parse_double(parser: AttrParser) -> float:
    start = parser.pos
    value = parser.parse_number()
    if _HEXADECIMAL.match(parser.lexer.input.content, start):
        parser.raise_error("expected a decimal number, got a hexadecimal one", start, parser.pos)
    if abs(value) > sys.float_info.max:
        parser.raise_error("expected a finite number", start, parser.pos)
    return float(value)


def _parse_list(parser: AttrParser, kind: str) -> Attribute:
    square = parser.Delimiter.SQUARE
    return ArrayAttr(parser.parse_comma_separated_list(square, lambda: _parse_value(parser, kind)))


def print_fields(
    printer: Printer,
    values: Mapping[str, Attribute],
    defaults: Mapping[str, Attribute] | None = None,
) -> None:
    """Prints ``<key = value, ...>``, without the keys that have their default."""
    shown = {k: v for k, v in values.items() if defaults is None or defaults.get(k) != v}

    def field(item: tuple[str, Attribute]) -> None:
        printer.print_string(f"{item[0]} = ")
        _print_value(printer, item[1])

    with printer.in_angle_brackets():
        printer.print_list(shown.items(), field)


def _print_value(printer: Printer, value: Attribute) -> None:
    if isinstance(value, IntAttr):
        printer.print_int(cast(IntAttr, value).data)
    elif isinstance(value, FloatData):
        printer.print_string(float_text(value.data))
    elif isinstance(value, ArrayAttr):
        items = cast(ArrayAttr[Attribute], value)
        with printer.in_square_brackets():
            printer.print_list(items, lambda item: _print_value(printer, item))
    else:
        printer.print_attribute(value)


def float_text(value: float) -> str:
    """The shortest text MLIR reads back as the same double: always with a point."""
    text = repr(value)
    mantissa, exponent_mark, exponent = text.partition("e")
    return mantissa + ("" if "." in mantissa else ".0") + exponent_mark + exponent


def require_positive(name: str, key: str, value: int, high: int = LARGEST) -> None:
    """Raises VerifyException unless 0 < value <= high."""
    require_within(name, key, value, 1, high)


def require_within(name: str, key: str, value: int, low: int, high: int = LARGEST) -> None:
    """Raises VerifyException unless low <= value <= high."""
    if value < low:
        raise VerifyException(f"{name}: {key} must be at least {low}, got {value}")
    if value > high:
        raise VerifyException(f"{name}: {key} must be at most {high}, got {value}")


def require_power_of_two(name: str, key: str, value: int) -> None:
    """Raises VerifyException unless value is a power of two."""
    if value < 1 or value & (value - 1):
        raise VerifyException(f"{name}: {key} must be a power of two, got {value}")
