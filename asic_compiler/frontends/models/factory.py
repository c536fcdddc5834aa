"""``package.module:factory[:inputs]``: any ``torch.nn.Module`` with its example inputs."""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.spec import DEFAULT_BATCH, DEFAULT_CONTEXT

_USUAL = {"phase": "decode", "batch": DEFAULT_BATCH, "context": DEFAULT_CONTEXT}
"""For parameters of these names without a default of their own."""

USAGE = (
    "a factory returns (module, example_inputs), or (module, example_inputs, description)",
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


def call(
    python_module: ModuleType, factory: str, inputs: str | None, options: Mapping[str, Any]
) -> tuple[Any, Any, Any]:
    """Builds the model: ``(nn.Module, example inputs, description)``, none checked yet.

    Args:
        python_module: Where it is.
        factory: Its name.
        inputs: The name of its inputs, or of a function that gives them.
        options: What the command line says, by the name of the parameter that takes it.

    Returns:
        The description is None where there is none.

    Raises:
        FactoryError: The user's code raised.
        UserError: What it returned cannot be used, or an option has no taker.
    """
    takers = [getattr(python_module, name) for name in (factory, inputs) if name is not None]
    for option in options:
        if not any(option in _parameters(taker) for taker in takers):
            raise UserError(
                f"--{option} has no meaning for a factory without a parameter '{option}'",
                notes=[f"'{factory}' decides its own sizes"],
            )
    built: Any = _value(takers[0], options)
    description: Any = None
    if inputs is None and _is_tuple(built):
        built, given, *rest = built
        description = rest[0] if rest else None
    elif inputs is not None:
        given = _value(takers[1], options)
    elif hasattr(built, "example_inputs"):
        given = _value(built.example_inputs, {})
    else:
        shown = type(built).__name__
        raise UserError(f"'{factory}' gave a {shown} without example inputs", notes=USAGE)
    if description is None:
        description = getattr(built, "asic_program", None)
    return built, given, description


def describe_failure(reference: str, failure: FactoryError) -> UserError:
    """The user's exception with the line it came from."""
    cause = failure.__cause__
    assert isinstance(cause, Exception)
    return _failed(f"'{reference}' failed", cause)


def _is_tuple(built: Any) -> bool:
    return isinstance(built, tuple) and len(cast("tuple[Any, ...]", built)) in (2, 3)


def _is_value(thing: Any) -> bool:
    """An ``nn.Module`` instance can be called, and is a value already."""
    is_module = hasattr(thing, "named_parameters") and not isinstance(thing, type)
    return is_module or not callable(thing)


def _parameters(thing: Any) -> Mapping[str, inspect.Parameter]:
    """Of a function, or of what makes an object of a class."""
    try:
        return {} if _is_value(thing) else inspect.signature(thing).parameters
    except (TypeError, ValueError):
        return {}


def _value(thing: Any, options: Mapping[str, Any]) -> Any:
    """Calls what is to be called, with the options that it has parameters for."""
    if _is_value(thing):
        return thing
    given: dict[str, Any] = {}
    for name, parameter in _parameters(thing).items():
        if name in options:
            given[name] = options[name]
        elif parameter.default is parameter.empty and name in _USUAL:
            given[name] = _USUAL[name]
    try:
        return thing(**given)
    except Exception as error:
        raise FactoryError from error


def _failed(what: str, error: Exception) -> UserError:
    frames = traceback.extract_tb(error.__traceback__)
    notes = [f"at {frames[-1].filename}:{frames[-1].lineno}"] if frames else []
    summary = " ".join(str(error).split()) or "no message"
    return UserError(f"{what}: {type(error).__name__}: {summary}", notes=notes)
