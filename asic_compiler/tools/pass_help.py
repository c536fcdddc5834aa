"""One-line documentation and options of our passes, read from their source without running it.

Importing a pass means importing xDSL and numpy: half a second that ``--help`` should not cost.
A pass is a dataclass, so its file says it all: the first line of the docstring, the annotated
fields with their defaults, and what each option means, from ``field(metadata={"help": ...})``,
``option(default, help, ...)`` of ``explore/options.py`` or a class variable ``option_help``. Base
classes are followed into the files of this package that they are imported from. A test compares
this reading with the classes themselves.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from asic_compiler.registry import Entry


@dataclass(frozen=True, slots=True)
class OptionInfo:
    """One option of a pass."""

    name: str
    type: str
    default: str | None
    """As one would write it on the command line; None where the option must be given."""
    help: str


@dataclass(frozen=True, slots=True)
class PassInfo:
    """What ``--help`` says of a pass."""

    name: str
    summary: str
    options: tuple[OptionInfo, ...]


def describe(name: str, entry: Entry) -> PassInfo:
    """Reads the class of a pass from its source file.

    Raises:
        LookupError: There is no such module or class: a defect of the registry.
    """
    tree, node = _find_class(entry.module, entry.attribute)
    return PassInfo(name, _summary(node), _inherited_options(tree, node))


def _find_class(module: str, name: str) -> tuple[ast.Module, ast.ClassDef]:
    tree = _parse_module(module)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return tree, node
    raise LookupError(f"{module} has no class {name}")


def _inherited_options(tree: ast.Module, node: ast.ClassDef) -> tuple[OptionInfo, ...]:
    """Those of the classes that it extends, in their order, then its own; its own replace those."""
    options: dict[str, OptionInfo] = {}
    for base in (base.id for base in node.bases if isinstance(base, ast.Name)):
        for statement in tree.body:
            match statement:
                case ast.ImportFrom(module=str() as module, names=names) if module.startswith(
                    "asic_compiler."
                ) and any(alias.name == base for alias in names):
                    found = _inherited_options(*_find_class(module, base))
                    options |= {option.name: option for option in found}
                case _:
                    continue
    options |= {option.name: option for option in _options(tree, node)}
    return tuple(options.values())


def _parse_module(module: str) -> ast.Module:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise LookupError(f"there is no module {module}")
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def _summary(node: ast.ClassDef) -> str:
    documentation = ast.get_docstring(node) or ""
    return documentation.split("\n\n")[0].replace("\n", " ").replace("`", "").strip()


def _options(tree: ast.Module, node: ast.ClassDef) -> tuple[OptionInfo, ...]:
    help_texts = _option_help(tree, node)
    options: list[OptionInfo] = []
    for statement in node.body:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        kind = ast.unparse(statement.annotation)
        if kind.startswith(("ClassVar", "typing.ClassVar")):
            continue
        name = statement.target.id
        default, text = _default(tree, kind, statement.value)
        options.append(OptionInfo(name, kind, default, help_texts.get(name, text)))
    return tuple(options)


def _option_help(tree: ast.Module, node: ast.ClassDef) -> dict[str, str]:
    for statement in node.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id="option_help"), value=ast.expr() as value):
                return _texts(_evaluate(tree, value))
            case _:
                continue
    return {}


def _default(tree: ast.Module, kind: str, value: ast.expr | None) -> tuple[str | None, str]:
    """The default as text, and the help of a ``field(...)`` or an ``option(...)``."""
    if value is None:
        return ("" if "None" in kind else None), ""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "option":
        default, text = value.args
        return _spell(_evaluate(tree, default)), str(_evaluate(tree, text))
    if isinstance(value, ast.Call) and ast.unparse(value.func).endswith("field"):
        keywords = {keyword.arg: keyword.value for keyword in value.keywords}
        metadata: Any = _evaluate(tree, keywords["metadata"]) if "metadata" in keywords else {}
        text = _texts(metadata).get("help", "")
        if "default" in keywords:
            return _spell(_evaluate(tree, keywords["default"])), text
        return ("" if "default_factory" in keywords else None), text
    return _spell(_evaluate(tree, value)), ""


def _evaluate(tree: ast.Module, value: ast.expr) -> Any:
    """A literal, or a constant of the same file or of one that it imports by name."""
    try:
        return ast.literal_eval(value)
    except ValueError:
        pass
    if isinstance(value, ast.Name):
        for statement in tree.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=found) if name == value.id:
                    return _evaluate(tree, found)
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as found) if (
                    name == value.id
                ):
                    return _evaluate(tree, found)
                case ast.ImportFrom(module=str() as module, names=names) if any(
                    (alias.asname or alias.name) == value.id for alias in names
                ):
                    original = next(a.name for a in names if (a.asname or a.name) == value.id)
                    return _evaluate(_parse_module(module), ast.Name(original))
                case _:
                    continue
    return ast.unparse(value)


def _texts(value: Any) -> dict[str, str]:
    """A dictionary as one of texts; empty where the source does not say it literally."""
    if not isinstance(value, dict):
        return {}
    items = cast(dict[Any, Any], value).items()
    return {str(key): str(text) for key, text in items}


def _spell(value: Any) -> str:
    """A value as the command line takes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ",".join(_spell(part) for part in cast(Sequence[Any], value))
    text = str(value)
    return f'"{text}"' if " " in text else text
