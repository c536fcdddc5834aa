"""What MLIR's text says of places and resources that xDSL 0.74 does not read.

Location aliases that are defined behind their uses (upstream prints them at the end), ranges
(``"a.py":3:1 to :9``), fused locations with metadata, and names of resources in quotes.
"""

from __future__ import annotations

import re

from xdsl.context import Context
from xdsl.dialects.builtin import (
    CallSiteLoc,
    FileLineColLoc,
    FusedLoc,
    IntAttr,
    LocationAttr,
    NoneAttr,
    StringAttr,
)
from xdsl.parser import Parser
from xdsl.utils.mlir_lexer import MLIRTokenKind

from asic_compiler.frontends.resource_names import spelled

_ALIAS = re.compile(r"^(#[\w$.-]+)[ \t]*=[ \t]*(?=loc\()", re.MULTILINE)
_HANDLE = re.compile(r"dense_resource<([A-Za-z_][\w$.]*+)>|([A-Za-z_][\w$.]*+)[ \t]*:[ \t]*\"0x")


class LocationParser(Parser):
    """A parser that reads locations as upstream prints them."""

    def __init__(self, ctx: Context, input: str, name: str = "<unknown>") -> None:
        super().__init__(ctx, input, name)
        self._aliases: dict[str, int] | None = None
        self._places: dict[str, LocationAttr] = {}
        self._bare: set[str] | None = None
        self._handles: dict[str, str] = {}

    def _parse_location(self) -> LocationAttr:
        if self._current_token.kind is MLIRTokenKind.HASH_IDENT:
            name = self._current_token.text
            if name not in self.attribute_aliases and name in self._defined():
                self._consume_token(MLIRTokenKind.HASH_IDENT)
                return self._place(name)
        if self._current_token.kind is MLIRTokenKind.STRING_LIT:
            return self._file_or_name()
        if self.parse_optional_keyword("callsite"):
            with self.in_parens():
                callee = self._parse_location()
                self.parse_keyword("at")
                return CallSiteLoc(callee, self._parse_location())
        if self.parse_optional_keyword("fused"):
            metadata = NoneAttr()
            if self.parse_optional_punctuation("<") is not None:
                metadata = self.parse_attribute()
                self.parse_punctuation(">")
            parts = self.parse_comma_separated_list(self.Delimiter.SQUARE, self._parse_location)
            return FusedLoc(tuple(parts), metadata)
        return super()._parse_location()

    def _file_or_name(self) -> LocationAttr:
        position = self.pos
        file = self.parse_str_literal()
        if self.parse_optional_punctuation(":") is None:
            self._resume_from(position)
            return super()._parse_location()
        line = self.parse_integer(False, False)
        self.parse_punctuation(":")
        column = self.parse_integer(False, False)
        if self.parse_optional_keyword("to"):
            # A place is where it begins: to :column, or to line:column.
            if self.parse_optional_punctuation(":") is None:
                self.parse_integer(False, False)
                self.parse_punctuation(":")
            self.parse_integer(False, False)
        return FileLineColLoc(StringAttr(file), IntAttr(line), IntAttr(column))

    def _defined(self) -> dict[str, int]:
        """Where each alias of a location is defined in the text."""
        if self._aliases is None:
            text = self._current_token.span.input.content
            self._aliases = {match[1]: match.end() for match in _ALIAS.finditer(text)}
        return self._aliases

    def _place(self, name: str) -> LocationAttr:
        found = self._places.get(name)
        if found is None:
            position = self.pos
            self._resume_from(self._defined()[name])
            found = self.parse_optional_location()
            assert found is not None, "an alias of a location begins with loc("
            self._places[name] = found
            self._resume_from(position)
        return found

    def parse_resource_name(self) -> str:
        """The name of a resource; one in quotes becomes an identifier of its own."""
        if self._current_token.kind is not MLIRTokenKind.STRING_LIT:
            return self.parse_identifier(" for resource handle")
        name = self.parse_str_literal()
        if name not in self._handles:
            handle = spelled(name)
            while handle != name and handle in self._taken():
                handle += "_"
            self._taken().add(handle)
            self._handles[name] = handle
        return self._handles[name]

    def _taken(self) -> set[str]:
        """Names that the text gives to resources without quotes."""
        if self._bare is None:
            text = self._current_token.span.input.content
            self._bare = {match[1] or match[2] for match in _HANDLE.finditer(text)}
        return self._bare
