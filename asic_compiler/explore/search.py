"""One search of one problem: a strategy, a budget and a seed in, the designs found out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.archive import ParetoArchive
from asic_compiler.explore.checkpoint.keeper import Keeper
from asic_compiler.explore.observer import NullObserver, Observer
from asic_compiler.explore.protocol import Evaluation, Problem
from asic_compiler.explore.recorder import Columns, Recorder
from asic_compiler.explore.reward import score

DEFAULT_EVALUATIONS = 4613
"""The budget of the seed paper, a node."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found. It holds no wall time: the same seed gives the same bytes."""

    strategy: str
    seed: int
    evaluations: int
    """Designs evaluated: the budget, exactly."""
    archive: ParetoArchive
    """Every feasible non-dominated design."""
    best: Evaluation | None
    """The feasible design of highest score, one row; None if nothing feasible was found."""
    best_score: float | None
    nearest: Evaluation | None
    """The infeasible design of least violation, one row; None if every design was feasible."""
    history: Columns
    """One column a name, one row an evaluation (see :meth:`Recorder.columns`)."""
    signals: Columns = field(default_factory=dict[str, Any])
    """What the strategy noted of itself over time (see :meth:`Recorder.signal`); often empty."""
    notes: tuple[str, ...] = ()
    """What a user should know of how the search went, a sentence each; mostly empty."""


class Strategy(Protocol):
    """A way to search. Holds configuration only: a run depends on its arguments alone."""

    @property
    def name(self) -> str:
        """The name a user selects it by."""
        ...

    def run(
        self, problem: Problem, budget: int, seed: int, observer: Observer | None = None
    ) -> SearchResult:
        """Evaluates exactly ``budget`` designs."""
        ...


@runtime_checkable
class Resumable(Protocol):
    """A strategy that can write its state down and go on from it."""

    def run_kept(
        self, problem: Problem, budget: int, seed: int, observer: Observer | None, keeper: Keeper
    ) -> SearchResult:
        """As :meth:`Strategy.run`, with ``keeper`` to go on from and to write checkpoints.

        Wherever it was interrupted, the result is what it would have been: the same bytes.
        """
        ...


def conclude(
    strategy: str, seed: int, recorder: Recorder, notes: tuple[str, ...] = ()
) -> SearchResult:
    """The result of a strategy whose evaluations all went through ``recorder``."""
    best = recorder.archive.best(recorder.problem)
    return SearchResult(
        strategy=strategy,
        seed=seed,
        evaluations=recorder.evaluations,
        archive=recorder.archive,
        best=best,
        best_score=None if best is None else float(score(best, recorder.problem)[0]),
        nearest=recorder.archive.nearest,
        history=recorder.columns(),
        signals=recorder.signals(),
        notes=notes,
    )


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
    from asic_compiler.explore.strategies import resolve

    if evaluations < 1:
        raise UserError(f"evaluations must be at least 1, not {evaluations}")
    if seed < 0:
        raise UserError(f"seed must not be negative, not {seed}")
    chosen = resolve(strategy) if isinstance(strategy, str) else strategy
    watching = observer or NullObserver()
    keeper = Keeper(checkpoint or resume, resume)
    try:
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
