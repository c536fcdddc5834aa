"""Where in a JSON text each key stands, for errors that point."""

from __future__ import annotations

import json
import re

from asic_compiler.diagnostics import SourceLocation

KeyPath = tuple[str, ...]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\]:,]', re.DOTALL)


def key_places(text: str, file: str) -> dict[KeyPath, SourceLocation]:
    """The place of each key of the objects in a text, those inside of arrays left out.

    Args:
        text: Valid JSON.
        file: What the places name.
    """
    places: dict[KeyPath, SourceLocation] = {}
    path: list[str] = []  # the keys that lead to where we are; "[" for an array
    before: re.Match[str] | None = None
    line, line_start, seen = 1, 0, 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "{":
                path.append("")
            case "[":
                path.append("[")
            case "}" | "]":
                path.pop()
            case ":" if before is not None:
                start = before.start()
                line += text.count("\n", seen, start)
                line_start = text.rfind("\n", line_start, start) + 1 or line_start
                seen = start
                path[-1] = str(json.loads(before[0]))
                if "[" not in path:
                    places[tuple(path)] = SourceLocation(file, line, start - line_start + 1)
            case _:
                pass
        before = token
    return places
