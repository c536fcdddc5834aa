"""Tokens of MLIR text in linear time, whatever the text.

xDSL 0.74 looks for the end of a string with a pattern whose repetitions nest: a string that is
not closed takes time exponential in its length. The patterns here give nothing back.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import cast

from xdsl.utils.lexer import Position, Token
from xdsl.utils.mlir_lexer import MLIRLexer, MLIRToken, MLIRTokenKind, StringLiteral

_BLANKS = re.compile(r"(?:[ \t\n\r\f\v]++|//[^\n]*+)*+")
_STRING = re.compile(r'"(?:[^"\\\n\v\f]++|\\(?:["nt\\]|[0-9A-Fa-f]{2}))*+"')


class LinearLexer(MLIRLexer):
    """xDSL's lexer with patterns that look at every character once."""

    _whitespace_regex = _BLANKS
    _unescaped_characters_regex = _STRING

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
    found = _BLANKS.match(text)
    return found is not None and found.end() == len(text)
