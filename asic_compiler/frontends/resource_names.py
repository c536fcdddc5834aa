"""Names of resources as identifiers: xDSL 0.74 prints none in quotes."""

from __future__ import annotations

import re

_IDENTIFIER = re.compile(r"[A-Za-z_][\w$.]*", re.ASCII)
_NO_IDENTIFIER_CHARACTER = re.compile(r"[^\w$.]", re.ASCII)


def is_identifier(name: str) -> bool:
    """Whether a resource may be called so without quotes."""
    return _IDENTIFIER.fullmatch(name) is not None


def spelled(name: str) -> str:
    """An identifier for any name: ``_0.weight`` for ``0.weight``; itself if it is one."""
    if is_identifier(name):
        return name
    found = _NO_IDENTIFIER_CHARACTER.sub("_", name)
    return found if is_identifier(found) else f"_{found}"
