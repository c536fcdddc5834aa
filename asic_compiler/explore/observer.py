"""Who watches a search while it runs, and what a terminal shows. It never changes the result."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as ProgressBar
    from rich.progress import TaskID


@dataclass(frozen=True, slots=True)
class Incumbent:
    """The best feasible design so far, in figures."""

    score: float
    performance: float
    """Tokens (or inferences) a second."""
    power_w: float
    area_mm2: float


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a search stands after a batch."""

    evaluations: int
    """Designs evaluated so far."""
    budget: int
    """Designs that will be evaluated in all."""
    feasible: int
    """Feasible designs so far."""
    incumbent: Incumbent | None
    """None while nothing feasible was found."""
    elapsed_s: float
    """Wall time since the search began."""

    @property
    def remaining_s(self) -> float:
        """Time left if the rest goes at the average speed so far; 0 before the first design."""
        if self.evaluations == 0:
            return 0.0
        return self.elapsed_s / self.evaluations * (self.budget - self.evaluations)


class Observer(Protocol):
    """Told once a batch, and once at the end (also when the search fails)."""

    def on_batch(self, progress: Progress) -> None:
        """A batch was evaluated."""
        ...

    def on_end(self) -> None:
        """The search is over."""
        ...


class NullObserver:
    """Watches nothing."""

    def on_batch(self, progress: Progress) -> None:
        """Does nothing."""

    def on_end(self) -> None:
        """Does nothing."""


def describe(progress: Progress, unit: str = "tokens/s") -> str:
    """The best design so far in one line."""
    best = progress.incumbent
    if best is None:
        return "nothing feasible yet"
    speed = f"{best.performance:,.0f}" if best.performance >= 1000 else f"{best.performance:.3g}"
    return f"{speed} {unit}, {best.power_w:.3g} W, {best.area_mm2:.3g} mm2"


class RichObserver:
    """A progress line on stderr: evaluations, best design so far, time left.

    Silent when the stream is not a terminal, so that logs and pipes stay clean.

    Args:
        unit: What performance counts.
        stream: Where to write; stderr by default.
    """

    def __init__(self, unit: str = "tokens/s", stream: TextIO | None = None) -> None:
        self._unit = unit
        self._stream: TextIO | None = sys.stderr if stream is None else stream
        self._bar: ProgressBar | None = None
        self._task: TaskID | None = None

    def on_batch(self, progress: Progress) -> None:
        """Redraws the line."""
        if not _is_terminal(self._stream):
            return
        if self._bar is None:
            self._bar = self._start()
            self._task = self._bar.add_task("", total=progress.budget, best="")
        assert self._task is not None
        self._bar.update(
            self._task, completed=progress.evaluations, best=describe(progress, self._unit)
        )

    def on_end(self) -> None:
        """Leaves the last state of the line on the terminal."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _start(self) -> ProgressBar:
        # Imported here: rich costs 50 ms, and most runs of the compiler show no bar.
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        bar = Progress(
            TextColumn("exploring"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("best {task.fields[best]}"),
            TimeRemainingColumn(),
            console=Console(file=self._stream),
        )
        bar.start()
        return bar


@contextmanager
def busy(doing: str, stream: TextIO | None = None) -> Generator[None]:
    """Shows what is being done on a terminal, and nothing elsewhere.

    For work whose length is not known beforehand.

    Args:
        doing: As in "writing the program".
        stream: Where to write; stderr by default.
    """
    terminal: TextIO | None = sys.stderr if stream is None else stream
    if not _is_terminal(terminal):
        yield
        return
    from rich.console import Console  # here, as in RichObserver

    with Console(file=terminal).status(doing):
        yield


def _is_terminal(stream: TextIO | None) -> bool:
    """``sys.stderr`` is None in a process that was started without one."""
    return stream is not None and stream.isatty()
