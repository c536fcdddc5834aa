"""MLIR text that repeats itself, read once: all layers of a model name the same types."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from xdsl.context import Context
from xdsl.dialects.builtin import FunctionType
from xdsl.ir import Attribute, TypeAttribute
from xdsl.parser import Parser
from xdsl.utils.lexer import Input, Span, Token
from xdsl.utils.mlir_lexer import (
    KIND_BY_PUNCTUATION_SPELLING,
    MLIRLexer,
    MLIRToken,
    MLIRTokenKind,
    StringLiteral,
)

_Value = TypeVar("_Value")

# Each stops at the first bracket that closes: matching takes time that grows with what is matched.
# Without comments and strings inside, every bracket is one of the syntax.
_TYPE = re.compile(r"[a-zA-Z_!][\w.$]*+<[^<>/\"]*+>", re.ASCII)
_FUNCTION_TYPE = re.compile(
    r"\([^()/\"]*+\) -> (?:\([^()/\"]*+\)|\w++<[^<>/\"]*+>|\w++(?=\n))", re.ASCII
)
_PROPERTIES = re.compile(r"<\{[^{}/\"]*+\}>")
_BLANK = re.compile(r"(?:\s++|//[^\n]*+)*+", re.ASCII)

_TOKEN = re.compile(
    r"""[ \t\r\n]*+(?:
        ([:,()}\[\]<>=] | -> | \{(?!-\#))
      | (%(?:[0-9]+|[a-zA-Z$._-][a-zA-Z0-9$._-]*))
      | ([a-zA-Z_][a-zA-Z0-9_$.]*)
      | ("[^"\\\n\v\f]*")
    )""",
    re.VERBOSE,
)
"""The tokens that a module is nearly all of, in the order of the kinds below."""
_KINDS = (MLIRTokenKind.PERCENT_IDENT, MLIRTokenKind.BARE_IDENT, MLIRTokenKind.STRING_LIT)


class QuickLexer(MLIRLexer):
    """xDSL's lexer with one expression for the common tokens; it reads the others itself."""

    # xDSL's own needs time exponential in the length of a string that is not closed.
    _unescaped_characters_regex = re.compile(r'"(?:[^"\\\n\v\f]++|\\(?:["nt\\]|[0-9A-Fa-f]{2}))*+"')

    def lex(self) -> MLIRToken:
        """The next token."""
        match = _TOKEN.match(self.input.content, self.pos)
        if match is None:
            return super().lex()
        group = match.lastindex or 0
        start, self.pos = match.span(group)
        kind = KIND_BY_PUNCTUATION_SPELLING[match[1]] if group == 1 else _KINDS[group - 2]
        span = StringLiteral if kind is MLIRTokenKind.STRING_LIT else Span
        return Token(kind, span(start, self.pos, self.input))


class KnowingParser(Parser):
    """A parser that reads equal types and equal properties once.

    Both are immutable and depend on their text alone: an alias has one meaning from where it is
    defined, and is an error before. What is kept is no longer than the text.
    """

    def __init__(self, ctx: Context, input: str, name: str = "<unknown>") -> None:
        super().__init__(ctx, input, name)
        self._parser_state.lexer = QuickLexer(Input(input, name))
        self._resume_from(0)
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
        following = _BLANK.match(self._text, match.end())
        if following is not None and following.end() == self.pos:  # it was read to its end
            known[text] = found
        return found
