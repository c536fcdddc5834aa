"""TOML with places: what a file says, and on which line and column it says it.

``tomllib`` forgets where a value stood. The places here come from a scan of the lines for headers
and keys, which finds every key that begins a line; what stands inside an inline table has the place
of its own key if that is on the same line, else of the key that holds the table.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asic_compiler.diagnostics import SourceLocation, UserError

# Each gives nothing back: a line of a text in quotes may be anything, and of any length.
_HEADER = re.compile(r"\s*+\[([^\[\]]++)\]\s*+(?:#.*)?$")
_KEY = re.compile(r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=")
_INNER = re.compile(r"[{,]\s*([A-Za-z0-9_-]+)\s*=")
_PIECES = re.compile(r"[^\n,={}\[\]]*+[\n,={}\[\]]?+")
"""A text cut so that each key is within one piece."""
_MOST_PARTS = 256
"""Dots in a piece: time and memory of a key grow with the square of its parts."""
_STRING = re.compile(r'"(?:\\.|[^"\\])*+(?:"|\\?$)|\'[^\']*+(?:\'|$)')
_ERROR_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")

Path = tuple[str, ...]


@dataclass(frozen=True)
class Document:
    """A parsed TOML file and where its keys stand."""

    name: str
    """Of the file, as errors show it."""
    data: Mapping[str, Any]
    places: Mapping[Path, tuple[int, int]]
    """Line and column, from 1, of each key that was found."""

    def where(self, *path: str) -> SourceLocation:
        """The place of a key, or of the nearest key around it; 1:1 if there is none."""
        for length in range(len(path), 0, -1):
            place = self.places.get(path[:length])
            if place is not None:
                return SourceLocation(self.name, *place)
        return SourceLocation(self.name, 1, 1)


def parse_document(text: str, name: str) -> Document:
    """The document that ``text`` is; ``name`` is the file's in messages.

    Raises:
        UserError: It is no TOML; the location is where it stops being.
    """
    line = 1
    for piece in _PIECES.finditer(text):
        if piece[0].count(".") > _MOST_PARTS:
            where = SourceLocation(name, line, 1)
            raise UserError(f"a key has more than {_MOST_PARTS} parts", where)
        line += piece[0].endswith("\n")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(text, name, str(error)) from None
    except RecursionError as error:
        raise UserError("arrays or tables nest too deeply", SourceLocation(name, 1, 1)) from error
    except ValueError as error:  # a number of more digits than Python reads
        raise UserError(f"not TOML: {error}", SourceLocation(name, 1, 1)) from error
    return Document(name, data, _places(text))


def _syntax_error(text: str, name: str, message: str) -> UserError:
    match = _ERROR_PLACE.search(message)
    line, column = text.count("\n") + 1, 1
    if match is not None and match[1] is not None:
        line, column = int(match[1]), int(match[2])
    what = _ERROR_PLACE.sub("", message)
    return UserError(f"not TOML: {what[:1].lower()}{what[1:]}", SourceLocation(name, line, column))


def _places(text: str) -> dict[Path, tuple[int, int]]:
    places: dict[Path, tuple[int, int]] = {}
    section: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header is not None:
            section = _split(header[1])
            places.setdefault(section, (number, line.index("[") + 1))
            continue
        key = _KEY.match(line)
        if key is None:
            continue
        path = section + _split(key[1])
        places.setdefault(path, (number, key.start(1) + 1))
        # Strings are blanked so that a brace or comma in a source text is no inner key.
        rest = _STRING.sub(lambda m: '"' + " " * (len(m[0]) - 2) + '"', line)
        for inner in _INNER.finditer(rest, key.end()):
            places.setdefault((*path, inner[1]), (number, inner.start(1) + 1))
    return places


def _split(dotted: str) -> Path:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
