"""Which files a compiled function is made from: its own, and what it imports, transitively.

The imports are read from the text, so that no list can leave a file out. A constant that is
compiled in comes from some module that is imported, and so does what that constant follows from.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path


def digest(entry: Path, root: Path) -> str:
    """SHA-256 (hexadecimal) of the names and bytes of `sources`."""
    told = hashlib.sha256()
    for path in sources(entry, root):
        text = path.read_bytes()
        told.update(f"{path.relative_to(root).as_posix()} {len(text)}\n".encode() + text)
    return told.hexdigest()


def sources(entry: Path, root: Path) -> tuple[Path, ...]:
    """The files under a package's folder that a module's names may come from, sorted.

    Numba compiles no import, so those inside functions do not count, nor do those for a type
    checker alone. A package on the way to a module gives it no names.

    Args:
        entry: The module's file.
        root: The folder of the package ``root.name``.

    Raises:
        OSError: A file cannot be read.
        SyntaxError: One is no Python.
    """
    found: dict[Path, None] = {}
    waiting = [entry]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found[path] = None
        for module in _imports(ast.parse(path.read_bytes()), _package(path, root)):
            imported = _file(module, root)
            if imported is not None:
                waiting.append(imported)
    return tuple(sorted(found))


def _package(path: Path, root: Path) -> list[str]:
    """The names of the package that a file's relative imports begin in."""
    return [root.name, *path.relative_to(root).parts[:-1]]


def _imports(node: ast.AST, package: list[str]) -> Iterator[str]:
    """Absolute names of all that is imported: of modules, or of what is in them."""
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            base = package[: len(package) - level + 1] if level else []
            origin = ".".join([*base, module] if module else base)
            yield from (f"{origin}.{alias.name}" for alias in names)
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=otherwise):
            for child in otherwise:
                yield from _imports(child, package)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            return
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _imports(child, package)


def _file(module: str, root: Path) -> Path | None:
    """The file that an imported name is, or is in; None outside the package."""
    first, *names = module.split(".")
    if first != root.name:
        return None
    for count in (len(names), len(names) - 1):
        place = root.joinpath(*names[: max(count, 0)])
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                return path
    return None
