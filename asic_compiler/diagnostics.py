"""Errors that a user can cause, and how they are shown: ``file:line:col: error: ...``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What moves a terminal's cursor, colours it, turns the direction of text, or ends a line."""
_SHOWN_AT_MOST = 2000


def one_line(text: str) -> str:
    """A text from input, as a terminal may show it: control characters escaped, not endless."""
    shown = text if len(text) <= _SHOWN_AT_MOST else text[:_SHOWN_AT_MOST] + " ..."
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], shown)


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """A place in a text file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class UserError(Exception):
    """Something is wrong with the input or the options, not with the compiler.

    Args:
        message: What is wrong, one line, no trailing full stop.
        location: Where, if it is known.
        notes: What would fix it, one line each.
    """

    def __init__(
        self,
        message: str,
        location: SourceLocation | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.location = location
        self.notes = tuple(notes)

    def render(self, program: str = "asic-opt") -> str:
        """The text shown on stderr; ``program`` stands in when there is no location."""
        where = str(self.location) if self.location is not None else program
        lines = [f"{where}: error: {self.message}"]
        lines += [f"{where}: note: {note}" for note in self.notes]
        return "\n".join(map(one_line, lines))
