"""Tokens of MLIR text in linear time, whatever the text.

xDSL 0.74 looks for the end of a string with a pattern whose repetitions nest: a string that is
not closed takes time exponential in its length. The patterns here give nothing back.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import cast

from xdsl.utils.lexer import Position, Span, Token
from xdsl.utils.mlir_lexer import (
    KIND_BY_PUNCTUATION_SPELLING,
    MLIRLexer,
    MLIRToken,
    MLIRTokenKind,
    StringLiteral,
)

BLANKS = re.compile(r"(?:[ \t\n\r\f\v]++|//[^\n]*+)*+")
_STRING = re.compile(r'"(?:[^"\\\n\v\f]++|\\(?:["nt\\]|[0-9A-Fa-f]{2}))*+"')
_TOKEN = re.compile(
    r"""[ \t\r\n]*+(?:
        ([:,()}\[\]<>=] | -> | \{(?!-\#))
      | (%(?:[0-9]++|[a-zA-Z$._-][a-zA-Z0-9$._-]*+))
      | ([a-zA-Z_][a-zA-Z0-9_$.]*+)
      | ("[^"\\\n\v\f]*+")
    )""",
    re.VERBOSE,
)
"""The tokens that a module is nearly all of, in the order of the kinds below."""
_KINDS = (MLIRTokenKind.PERCENT_IDENT, MLIRTokenKind.BARE_IDENT, MLIRTokenKind.STRING_LIT)


class LinearLexer(MLIRLexer):
    """xDSL's lexer with patterns that look at every character once, one for the common tokens."""

    _whitespace_regex = BLANKS
    _unescaped_characters_regex = _STRING

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

    def _lex_string_literal(self, start_pos: Position) -> MLIRToken:
        """A string; one that is UTF-8 is text, also where its bytes are escaped, as printed."""
        token = super()._lex_string_literal(start_pos)
        if token.kind == MLIRTokenKind.BYTES_LIT:
            with suppress(UnicodeDecodeError):
                cast("StringLiteral", token.span).bytes_contents.decode()
                return Token(MLIRTokenKind.STRING_LIT, token.span)
        return token


def is_blank(text: str) -> bool:
    """Whether a text holds blanks and comments alone."""
    found = BLANKS.match(text)
    return found is not None and found.end() == len(text)
