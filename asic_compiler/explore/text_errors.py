"""What a user is told of a goal or a constraint that is no sentence of its language."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from lark import Token, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from asic_compiler.diagnostics import SourceLocation, UserError


def syntax_error(
    text: str, file: str, error: UnexpectedInput, names: Mapping[str, tuple[str, ...]]
) -> UserError:
    """What was expected where; at the end of the text, one column past its last word.

    Args:
        text: What was parsed.
        file: What stands for a file name in the place of the error.
        error: Lark's.
        names: What to call each terminal, in the order they are told.
    """
    terminals: set[str] = set()
    if isinstance(error, UnexpectedToken):
        terminals = error.accepts or error.expected
    elif isinstance(error, UnexpectedCharacters):
        terminals = error.allowed or set()
    expected = [name for key, called in names.items() if key in terminals for name in called]
    choices = " or ".join([", ".join(expected[:-1]), expected[-1]] if expected[1:] else expected)
    end = len(text.rstrip())
    offset = min(_offset(text, error), end)
    line = text.count("\n", 0, offset) + 1
    where = SourceLocation(file, line, offset - text.rfind("\n", 0, offset))
    if offset == end:
        return UserError(f"expected {choices}", where)
    word = text[offset:].split()[0]
    near = get_close_matches(word.lower(), [name.strip("'") for name in expected], n=1)
    notes = [f"did you mean '{near[0]}'?"] if near else []
    return UserError(f"expected {choices}, not '{word}'", where, notes)


def _offset(text: str, error: UnexpectedInput) -> int:
    """Where ``text`` stops being a sentence; Lark puts the end at the token before it."""
    token: Token | None = getattr(error, "token", None)
    if token is not None and token.type == "$END":
        return len(text)
    position: int | None = getattr(error, "pos_in_stream", None)
    return len(text) if position is None else position
