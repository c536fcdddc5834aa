"""Process nodes from their TOML files, and a user's file on top: docs/technology.md.

Every name, unit, kind and range is checked, and an error names file, line and column.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from asic_compiler.diagnostics import UserError
from asic_compiler.files import read_regular
from asic_compiler.technology.constant import (
    COMMON_SECTIONS,
    NODE_SECTIONS,
    Constant,
    ConstantSet,
    names_of,
    system_sections,
    units,
)
from asic_compiler.technology.document import Document, parse_document
from asic_compiler.technology.entries import check_node, read_entries
from asic_compiler.technology.node import Technology

NODE_NAMES: tuple[str, ...] = (
    "3nm", "4nm", "5nm", "6nm", "7nm", "10nm", "12nm", "14nm", "22nm", "28nm",
)  # fmt: skip
"""The process nodes that come with the package, finest first."""
PAPER_NODE_NAMES: tuple[str, ...] = ("3nm", "5nm", "7nm", "10nm", "14nm", "22nm", "28nm")
"""The seven of them that the published experiments use."""

_ALIASES = {"16nm": "14nm"}
"""TSMC 16FF+ and GF/Samsung 14 nm have the same pitches within a few percent; the constants are
those of 16FF+, the name is that of the published experiments."""
_HEADS = {"name": str, "base": str, "feature_nm": int, "reference_process": str}
"""What may stand above the first section."""


def load_node(name: str, tech: str | None = None) -> Technology:
    """The process node called ``name``, at its central constants.

    Args:
        name: A shipped node (``5nm``, or ``5`` for short) or the name of the file ``tech``.
        tech: Path of a file that overrides constants of the node, or is a node of its own.

    Raises:
        UserError: There is no such node, or the file is wrong; then with its line and column.
    """
    return (
        _shipped_node(_canonical(name)) if tech is None else load_constants(name, tech).technology()
    )


def load_constants(name: str, tech: str | None = None) -> ConstantSet:
    """All constants of a node with their ranges and sources; as ``load_node`` otherwise."""
    if tech is None:
        return _shipped(_canonical(name))
    try:
        text = read_regular(Path(tech)).decode("utf-8")
    except OSError as error:
        raise UserError(f"cannot read '{tech}': {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"'{tech}' is not UTF-8 text") from error
    return layered(name, parse_document(text, tech))


def layered(name: str, document: Document) -> ConstantSet:
    """The constants of ``name`` where ``document`` is put on top.

    With ``base``, or where ``name`` is a shipped node, the document overrides single constants;
    otherwise it is a node of its own, and must hold every constant of a node's file.

    Raises:
        UserError: The document or its relation to ``name`` is wrong.
    """
    heads = _heads(document)
    own = heads.get("name")
    base = heads.get("base")
    if base is not None:
        if _key(base) not in NODE_NAMES:
            raise _unknown_node(base, document, "base")
        if name != own and _key(name) != _key(base):
            names = " or ".join(f"'{n}'" for n in (base, own) if n is not None)
            raise UserError(
                f"the file is based on '{base}', but the node asked for is '{name}'",
                document.where("base"),
                [f"ask for node={names}, or leave 'base' out to layer it over any node"],
            )
    elif _key(name) in NODE_NAMES and name != own:
        base = name
    elif name != own:
        raise UserError(
            f"'{name}' is neither a shipped node nor the name of the file",
            document.where("name"),
            [f"shipped: {', '.join(NODE_NAMES)}", "the file's name is set by: name = ..."],
        )
    overrides = read_entries(document, list(units()), whole=False)
    below = _shipped(_key(base)) if base is not None else _without_node(name, document, overrides)
    constants = dict(below.constants) | overrides
    ordered = {key: constants[key] for key in units()}
    result = ConstantSet(
        name=own or below.name,
        feature_nm=int(heads.get("feature_nm", below.feature_nm)),
        reference_process=heads.get("reference_process", below.reference_process),
        constants=ordered,
        reference_int32_add=below.reference_int32_add,
        base=below.base,
        tech_file=document.name,
        overridden=tuple(key for key in units() if key in overrides),
    )
    check_node(result)
    return result


def _without_node(name: str, document: Document, overrides: Mapping[str, Constant]) -> ConstantSet:
    """What is left below a file that is a node of its own: the constants common to all nodes."""
    needed = [key for key in names_of(NODE_SECTIONS) if key not in overrides]
    if needed:
        raise UserError(
            f"the node '{name}' lacks {len(needed)} constants: {', '.join(needed[:6])}"
            + (", ..." if len(needed) > 6 else ""),
            document.where("name"),
            ['base = "5nm" would take what is missing from 5 nm'],
        )
    heads = _heads(document)
    for head in ("feature_nm", "reference_process"):
        if head not in heads:
            raise UserError(f"the node '{name}' lacks '{head}'", document.where("name"))
    return ConstantSet(
        name, int(heads["feature_nm"]), heads["reference_process"], _common(), _reference(), ""
    )


@cache
def _shipped_node(key: str) -> Technology:
    return _shipped(key).technology()


@cache
def _shipped(key: str) -> ConstantSet:
    document = _read(f"nodes/{key}.toml")
    heads = _heads(document)
    constants = read_entries(document, names_of(NODE_SECTIONS), whole=True) | _common()
    result = ConstantSet(
        name=heads["name"],
        feature_nm=int(heads["feature_nm"]),
        reference_process=heads["reference_process"],
        constants={name: constants[name] for name in units()},
        reference_int32_add=_reference(),
        base=key,
    )
    check_node(result)
    return result


@cache
def _common() -> dict[str, Constant]:
    common = read_entries(_read("constants.toml"), names_of(COMMON_SECTIONS), whole=True)
    system = read_entries(_read("system.toml"), names_of(system_sections()), whole=True)
    return common | system


@cache
def _reference() -> float:
    """Joule of a 28 nm int32 add."""
    return read_entries(_read("nodes/28nm.toml"), names_of(NODE_SECTIONS), whole=True)[
        "energy.int32_add"
    ].value


def _read(path: str) -> Document:
    text = (files("asic_compiler.technology") / path).read_text(encoding="utf-8")
    return parse_document(text, path)


def _key(name: str) -> str:
    text = name if name.endswith("nm") else f"{name}nm"
    return _ALIASES.get(text, text)


def _canonical(name: str) -> str:
    key = _key(name)
    if key not in NODE_NAMES:
        raise _unknown_node(name)
    return key


def _unknown_node(name: str, document: Document | None = None, *path: str) -> UserError:
    return UserError(
        f"unknown process node '{name}'",
        None if document is None else document.where(*path),
        [f"known: {', '.join(NODE_NAMES)} (16nm is 14nm)"],
    )


def _heads(document: Document) -> dict[str, Any]:
    """What stands above the sections, each of its type."""
    heads: dict[str, Any] = {}
    for key, value in document.data.items():
        if isinstance(value, dict):
            continue
        if key not in _HEADS:
            near = get_close_matches(key, _HEADS, n=1)
            raise UserError(
                f"'{key}' stands outside a section and is none of {', '.join(_HEADS)}",
                document.where(key),
                [f"did you mean '{near[0]}'?"] if near else [],
            )
        if not isinstance(value, _HEADS[key]) or isinstance(value, bool) or value in ("", 0):
            kind = "a positive whole number" if _HEADS[key] is int else "a text"
            raise UserError(f"'{key}' must be {kind}", document.where(key))
        heads[key] = value
    return heads
