"""What the compiled event loop is told apart by: the text of all that it is made from."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path
from types import FunctionType

import pytest

import asic_compiler
from asic_compiler.simulate.timing.kernel import loop, state
from asic_compiler.simulate.timing.kernel.sources import digest, sources

ROOT = Path(asic_compiler.__file__).parent
LOOP = Path(loop.__file__)


def compiled_from(dispatcher: object, found: dict[object, str]) -> None:
    """The modules of a compiled function and of all that it calls, by what Numba holds."""
    function = getattr(dispatcher, "py_func", None)
    if isinstance(function, FunctionType) and function not in found:
        found[function] = function.__module__
        for name in function.__code__.co_names:
            compiled_from(function.__globals__.get(name), found)


def test_every_module_with_a_compiled_function_is_read():
    found: dict[object, str] = {}
    for entry in (loop.start, loop.advance):
        compiled_from(entry, found)
    names = {
        ".".join(p.relative_to(ROOT.parent).with_suffix("").parts) for p in sources(LOOP, ROOT)
    }
    assert len(set(found.values())) == 5
    assert set(found.values()) <= names
    assert state.__name__ in names


def test_every_constant_that_is_compiled_in_comes_from_a_file_that_is_read():
    # FULL_RATE of timing/program.py was compiled in and no part of the digest: a kernel from before
    # a change of it was used after.
    read = sources(LOOP, ROOT)
    assert ROOT / "simulate" / "timing" / "program.py" in read
    assert len(read) < 12, "the whole package would compile the loop anew at every change"
    origins: dict[str, set[str]] = {}
    for path in read:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("asic_compiler"):
                origins.setdefault(node.module or "", set()).update(a.name for a in node.names)
    for module, names in origins.items():
        place = ROOT.parent.joinpath(*module.split("."))
        assert place.with_suffix(".py") in read or all(
            place / f"{name}.py" in read for name in names
        )


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("program.py", "FULL_RATE = 16", "FULL_RATE = 32"),
        ("kernel/state.py", "CHUNK = 16", "CHUNK = 32"),
        ("kernel/tiles.py", "+ 1", "+ 2"),
    ],
)
def test_a_changed_constant_changes_the_digest(tmp_path, file, old, new):
    copy = tmp_path / ROOT.name
    shutil.copytree(ROOT / "simulate" / "timing", copy / "simulate" / "timing")
    copied = copy / LOOP.relative_to(ROOT)
    before = digest(copied, copy)
    assert before == digest(LOOP, ROOT)
    path = copy / "simulate" / "timing" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert digest(copied, copy) != before


def test_imports_are_followed_as_python_follows_them(tmp_path):
    package = tmp_path / "p"
    texts = {
        "__init__.py": "import p.unused",
        "unused.py": "",
        "a.py": "from typing import TYPE_CHECKING\nfrom p.b import X\nfrom . import c\n"
        "if TYPE_CHECKING:\n    from p.types import T\n"
        "try:\n    from .sub import Y\nexcept ImportError:\n    Y = 1\n"
        "def f():\n    from p.later import Z\n",
        "b.py": "from p import a\nimport numpy\nX = 1",
        "c.py": "",
        "types.py": "",
        "later.py": "",
        "sub/__init__.py": "from p.sub.deep import Y",
        "sub/deep.py": "from ..c import nothing\nY = 2",
    }
    for name, text in texts.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    found = {p.relative_to(package).as_posix() for p in sources(package / "a.py", package)}
    assert found == {"a.py", "b.py", "c.py", "sub/__init__.py", "sub/deep.py"}


def test_functions_that_are_cached_without_a_digest_import_nothing_of_ours():
    """Numba itself looks at the file of a function alone."""
    for path in ROOT.rglob("*.py"):
        text = path.read_text()
        if "njit(cache=True" in text and path != Path(state.__file__):
            assert sources(path, ROOT) == (path,)


def test_the_loop_is_told_apart_by_the_digest():
    (name,) = state.digest().dtype.names or ()
    assert name == f"d{digest(LOOP, ROOT)[:16]}"
    assert "digest" in state.State._fields
