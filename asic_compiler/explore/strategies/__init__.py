"""Ways to search, resolved by name; a strategy's dependencies load only when it is chosen."""

from __future__ import annotations

from importlib import import_module

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.search import Strategy

_CLASSES = {
    "random": ("asic_compiler.explore.strategies.random_search", "RandomSearch"),
    "sac-moe": ("asic_compiler.explore.strategies.sac_moe.strategy", "SacMoe"),
}


def strategy_names() -> tuple[str, ...]:
    """The names that :func:`resolve` knows, in alphabetical order."""
    return tuple(sorted(_CLASSES))


def resolve(name: str) -> Strategy:
    """The strategy of that name with its default configuration.

    Raises:
        UserError: If there is none; the note lists those there are.
    """
    if name not in _CLASSES:
        raise UserError(
            f"unknown strategy '{name}'", notes=[f"strategies are: {', '.join(strategy_names())}"]
        )
    module, attribute = _CLASSES[name]
    return getattr(import_module(module), attribute)()
