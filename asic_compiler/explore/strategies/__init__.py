"""Ways to search, resolved by name; a strategy's dependencies load only when it is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.strategy import Strategy


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where a strategy lives, and which modules of the extra ``strategies`` it needs."""

    module: str
    attribute: str
    needs: tuple[str, ...] = ()


_ENTRIES = {
    "annealing": _Entry("annealing", "Annealing"),
    "bayesian": _Entry("optuna_search", "Bayesian", ("optuna", "scipy", "greenlet")),
    "cma-es": _Entry("cma_es", "CmaEs", ("cma",)),
    "gradient": _Entry("gradient", "GradientAscent"),
    "grid": _Entry("grid", "GridSearch"),
    "nsga2": _Entry("nsga", "Nsga2", ("pymoo",)),
    "nsga3": _Entry("nsga", "Nsga3", ("pymoo",)),
    "random": _Entry("random_search", "RandomSearch"),
    "sac-moe": _Entry("sac_moe.strategy", "SacMoe"),
    "sb3-ppo": _Entry("sb3", "Sb3Ppo", ("stable_baselines3", "gymnasium")),
    "sb3-sac": _Entry("sb3", "Sb3Sac", ("stable_baselines3", "gymnasium")),
    "starts": _Entry("start_sampling", "StartSampling"),
    "tpe": _Entry("optuna_search", "Tpe", ("optuna",)),
}

_PACKAGES = {"stable_baselines3": "stable-baselines3"}
"""Modules whose package has another name."""


def strategy_names() -> tuple[str, ...]:
    """The names that :func:`resolve` knows, in alphabetical order."""
    return tuple(sorted(_ENTRIES))


def resolve(name: str, options: Mapping[str, Any] | None = None) -> Strategy:
    """The strategy of that name.

    Args:
        name: One of :func:`strategy_names`.
        options: Those that it has alone, which its ``configured`` takes; without any it is the
            strategy with its default configuration.

    Raises:
        UserError: If there is none (the note lists those there are), or a library that it needs is
            not installed (the note says how to install it); or an option has no meaning.
    """
    if name not in _ENTRIES:
        raise UserError(
            f"unknown strategy '{name}'", notes=[f"strategies are: {', '.join(strategy_names())}"]
        )
    entry = _ENTRIES[name]
    missing = [module for module in entry.needs if find_spec(module) is None]
    if missing:
        packages = " ".join(_PACKAGES.get(module, module) for module in missing)
        raise UserError(
            f"strategy '{name}' needs a package that is not installed: {packages}",
            notes=[
                f"pip install {packages}",
                'or all strategies at once: pip install "asic-compiler[strategies]"',
            ],
        )
    kind = getattr(import_module(f"{__name__}.{entry.module}"), entry.attribute)
    return kind.configured(**options) if options else kind()
