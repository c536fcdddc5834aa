"""One search of one problem: a strategy, a budget and a seed in, the designs found out."""

from __future__ import annotations

from pathlib import Path

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.checkpoint.keeper import Keeper
from asic_compiler.explore.observer import NullObserver, Observer
from asic_compiler.explore.options import DEFAULT_EVALUATIONS
from asic_compiler.explore.protocol import Problem
from asic_compiler.explore.strategies import resolve
from asic_compiler.explore.strategy import Resumable, SearchResult, Strategy
from asic_compiler.garbage import collected


def search(
    problem: Problem,
    strategy: str | Strategy = "sac-moe",
    evaluations: int = DEFAULT_EVALUATIONS,
    seed: int = 0,
    observer: Observer | None = None,
    checkpoint: Path | None = None,
    resume: Path | None = None,
) -> SearchResult:
    """Searches ``problem`` with exactly ``evaluations`` designs.

    Args:
        problem: What is searched.
        strategy: A strategy, or the name of one with its default configuration.
        evaluations: The budget, at least 1.
        seed: Of every random number drawn; not negative.
        observer: Told once a batch and at the end.
        checkpoint: File that the state of the search is written to, again and again. Without it a
            search that resumes goes on writing to the file that it resumed from.
        resume: File of the same search, to go on from there to the same result.

    Raises:
        UserError: If the name is unknown, the budget below 1 or the seed negative; or if there is a
            file to write or to resume from, and the strategy cannot, or the file is not one of
            this search.
    """
    if evaluations < 1:
        raise UserError(f"evaluations must be at least 1, not {evaluations}")
    if seed < 0:
        raise UserError(f"seed must not be negative, not {seed}")
    chosen = resolve(strategy) if isinstance(strategy, str) else strategy
    watching = observer or NullObserver()
    keeper = Keeper(checkpoint or resume, resume)
    try:
        with collected():
            if not keeper.active:
                return chosen.run(problem, evaluations, seed, watching)
            if not isinstance(chosen, Resumable):
                raise UserError(
                    f"the strategy '{chosen.name}' writes no checkpoints",
                    notes=["leave out checkpoint and resume"],
                )
            return chosen.run_kept(problem, evaluations, seed, watching, keeper)
    finally:
        watching.on_end()
