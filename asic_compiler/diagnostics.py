"""Errors that a user can cause, and how they are shown: ``file:line:col: error: ...``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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
        return "\n".join(lines)
