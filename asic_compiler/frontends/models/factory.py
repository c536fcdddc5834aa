"""``package.module:factory[:inputs]``: any ``torch.nn.Module`` with its example inputs."""

from __future__ import annotations

import difflib
import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from asic_compiler.diagnostics import UserError

USAGE = (
    "a factory takes no arguments and returns (module, example_inputs)",
    "or it returns the module (or is one), which has an attribute or method example_inputs",
    "or the inputs are named too: package.module:factory:inputs",
)


class FactoryError(Exception):
    """The user's own code raised while building; the cause is ``__cause__``."""


def split(reference: str) -> tuple[str, str, str | None]:
    """Splits ``package.module:factory[:inputs]``.

    Raises:
        UserError: A part is empty or there are too many.
    """
    parts = reference.split(":")
    if len(parts) not in (2, 3) or not all(parts):
        raise UserError(f"'{reference}' is not package.module:factory[:inputs]", notes=USAGE)
    return parts[0], parts[1], parts[2] if len(parts) == 3 else None


def load(reference: str) -> tuple[ModuleType, str, str | None]:
    """Imports the Python module of a reference; the current directory is importable.

    Raises:
        UserError: The import fails; the notes show where.
    """
    package, factory, inputs = split(reference)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        importlib.invalidate_caches()
        python_module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or not (package + ".").startswith(error.name + "."):
            raise _failed(f"importing '{package}' failed", error) from None
        notes = [f"searched the current directory ({here}) and the Python path"]
        raise UserError(f"no Python module named '{error.name}'", notes=notes) from None
    except Exception as error:
        raise _failed(f"importing '{package}' failed", error) from None
    for name in (factory, inputs):
        if name is not None and not hasattr(python_module, name):
            close = difflib.get_close_matches(name, vars(python_module), n=1)
            notes = [f"did you mean {close[0]}?"] if close else []
            raise UserError(f"'{package}' has no '{name}'", notes=notes)
    return python_module, factory, inputs


def call(python_module: ModuleType, factory: str, inputs: str | None) -> tuple[Any, Any]:
    """Builds the model: ``(nn.Module, example inputs)``, neither checked yet.

    Raises:
        FactoryError: The user's code raised.
        UserError: What it returned cannot be used.
    """
    built: Any = _value(getattr(python_module, factory))
    if inputs is None and _is_pair(built):
        return built
    if inputs is not None:
        return built, _value(getattr(python_module, inputs))
    if not hasattr(built, "example_inputs"):
        shown = type(built).__name__
        raise UserError(f"'{factory}' gave a {shown} without example inputs", notes=USAGE)
    return built, _value(built.example_inputs)


def describe_failure(reference: str, failure: FactoryError) -> UserError:
    """The user's exception with the line it came from."""
    cause = failure.__cause__
    assert isinstance(cause, Exception)
    return _failed(f"'{reference}' failed", cause)


def _is_pair(built: Any) -> bool:
    return isinstance(built, tuple) and len(cast("tuple[Any, ...]", built)) == 2


def _value(thing: Any) -> Any:
    """Calls what is callable, but an ``nn.Module`` instance is a value already."""
    if not callable(thing) or (hasattr(thing, "named_parameters") and not isinstance(thing, type)):
        return thing
    try:
        return thing()
    except Exception as error:
        raise FactoryError from error


def _failed(what: str, error: Exception) -> UserError:
    frames = traceback.extract_tb(error.__traceback__)
    notes = [f"at {frames[-1].filename}:{frames[-1].lineno}"] if frames else []
    summary = " ".join(str(error).split()) or "no message"
    return UserError(f"{what}: {type(error).__name__}: {summary}", notes=notes)
