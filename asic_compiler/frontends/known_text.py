"""MLIR text that repeats itself, read once: all layers of a model name the same types."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from xdsl.context import Context
from xdsl.dialects.builtin import FunctionType
from xdsl.ir import Attribute, TypeAttribute
from xdsl.parser import Parser
from xdsl.utils.lexer import Input

from asic_compiler.frontends.lexing import BLANKS, LinearLexer

_Value = TypeVar("_Value")

# Each stops at the first bracket that closes: matching takes time that grows with what is matched.
# Without comments and strings inside, every bracket is one of the syntax.
_TYPE = re.compile(r"[a-zA-Z_!][\w.$]*+<[^<>/\"]*+>", re.ASCII)
_FUNCTION_TYPE = re.compile(
    r"\([^()/\"]*+\) -> (?:\([^()/\"]*+\)|\w++<[^<>/\"]*+>|\w++(?=\n))", re.ASCII
)
_PROPERTIES = re.compile(r"<\{[^{}/\"]*+\}>")


class KnowingParser(Parser):
    """A parser that reads equal types and equal properties once.

    Both are immutable and depend on their text alone: an alias has one meaning from where it is
    defined, and is an error before. What is kept is no longer than the text.
    """

    def __init__(self, ctx: Context, input: str, name: str = "<unknown>") -> None:
        # Empty: xDSL's own lexer, which it begins with, never sees the text.
        super().__init__(ctx, "", name)
        self._parser_state = type(self._parser_state)(LinearLexer(Input(input, name)))
        self._text = input
        self._types: dict[str, TypeAttribute | None] = {}
        self._function_types: dict[str, FunctionType] = {}
        self._properties: dict[str, dict[str, Attribute]] = {}

    def parse_optional_type(self) -> TypeAttribute | None:
        """Reads a type, if there is one."""
        return self._once(_TYPE, self._types, super().parse_optional_type)

    def parse_function_type(self) -> FunctionType:
        """Reads what a generic operation takes and gives."""
        return self._once(_FUNCTION_TYPE, self._function_types, super().parse_function_type)

    def parse_optional_properties_dict(self) -> dict[str, Attribute]:
        """Reads the properties of a generic operation, if there are any."""
        read = super().parse_optional_properties_dict
        return dict(self._once(_PROPERTIES, self._properties, read))

    def _once(
        self, pattern: re.Pattern[str], known: dict[str, _Value], read: Callable[[], _Value]
    ) -> _Value:
        match = pattern.match(self._text, self.pos)
        if match is None:
            return read()
        text = match[0]
        if text in known:
            self._resume_from(match.end())
            return known[text]
        found = read()
        following = BLANKS.match(self._text, match.end())
        if following is not None and following.end() == self.pos:  # it was read to its end
            known[text] = found
        return found
