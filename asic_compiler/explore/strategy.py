"""What a way to search is, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from asic_compiler.explore.archive import ParetoArchive
from asic_compiler.explore.checkpoint.keeper import Keeper
from asic_compiler.explore.observer import Observer
from asic_compiler.explore.protocol import Evaluation, Problem
from asic_compiler.explore.recorder import Columns, Recorder
from asic_compiler.explore.reward import score


@dataclass(frozen=True, slots=True)
class Learning:
    """What became of the policy of a search that has one."""

    trained: bool
    """Whether it was trained in the search; otherwise it acted as it was."""
    unseen: bool
    """Whether the search began with a policy that was not trained on such a workload and goal."""


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
    learning: Learning | None = None
    """None where the strategy has no policy."""


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
    strategy: str,
    seed: int,
    recorder: Recorder,
    notes: tuple[str, ...] = (),
    learning: Learning | None = None,
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
        learning=learning,
    )
