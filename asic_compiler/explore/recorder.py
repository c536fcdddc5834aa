"""The one door to a problem's evaluation: counts the budget, keeps the archive and the history."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from asic_compiler.explore.archive import ParetoArchive, concatenate
from asic_compiler.explore.checkpoint.rows import evaluation_state, read_evaluation
from asic_compiler.explore.checkpoint.state import State, StateError, StateReader
from asic_compiler.explore.observer import Incumbent, NullObserver, Observer, Progress
from asic_compiler.explore.protocol import (
    BoolArray,
    Evaluation,
    FloatArray,
    IntArray,
    Problem,
)
from asic_compiler.explore.reward import score

_ABSENT = -1.7976931348623157e308
"""Stands in a checkpoint for a signal that a row lacks: every value there is finite."""

Columns = dict[str, IntArray | FloatArray | BoolArray]


class Recorder:
    """Evaluates designs for a strategy until the budget is spent, and remembers them all.

    Args:
        problem: What is searched.
        budget: Number of designs that may be evaluated, exactly.
        observer: Told once a batch.
    """

    def __init__(self, problem: Problem, budget: int, observer: Observer | None = None) -> None:
        self.problem = problem
        self.budget = budget
        self.archive = ParetoArchive()
        self._observer = observer or NullObserver()
        self._batches: list[Evaluation] = []
        self._evaluations = 0
        self._feasible = 0
        self._signals: list[tuple[int, dict[str, float]]] = []
        self._incumbent: Incumbent | None = None
        self._began_s = time.perf_counter()

    @property
    def evaluations(self) -> int:
        """Designs evaluated so far."""
        return self._evaluations

    @property
    def remaining(self) -> int:
        """Designs that may still be evaluated."""
        return self.budget - self._evaluations

    @property
    def feasible(self) -> int:
        """Feasible designs so far."""
        return self._feasible

    def evaluate(self, discrete: IntArray, continuous: FloatArray) -> Evaluation:
        """Evaluates the designs, or as many of the first of them as the budget still allows.

        Args:
            discrete: [N, 4] values, not steps.
            continuous: [N, 30] in [-1, 1].

        Returns:
            min(N, remaining) rows.

        Raises:
            RuntimeError: If the budget is spent: the caller's loop is wrong.
        """
        count = min(len(discrete), self.remaining)
        if count <= 0:
            raise RuntimeError("the evaluation budget is spent")
        evaluation = self.problem.evaluate(discrete[:count], continuous[:count])
        self._evaluations += count
        self._feasible += int(evaluation.feasible.sum())
        self.archive.insert(evaluation)
        # Features follow from the design, and would be most of what a checkpoint holds.
        self._batches.append(replace(evaluation, features=evaluation.features[:, :0]))
        self._update_incumbent(evaluation)
        self._observer.on_batch(self._progress())
        return evaluation

    def columns(self) -> Columns:
        """Every evaluation in order, one named column each, ready for a columnar file.

        Of the 73 features nothing is kept: they follow from the design. ``best_score`` is NaN
        until something feasible is found; ``feasible_share`` is that of all designs so far.
        Variables have the problem's own names.
        """
        if not self._batches:
            return {}
        everything = concatenate(self._batches)
        scores = score(everything, self.problem)
        feasible = everything.feasible
        evaluation = np.arange(1, len(everything) + 1, dtype=np.int64)
        columns: Columns = {
            "evaluation": evaluation,
            "score": scores,
            "best_score": np.fmax.accumulate(np.where(feasible, scores, np.nan)),
            "feasible": feasible,
            "feasible_share": np.cumsum(feasible) / evaluation,
            "violation": everything.violation,
            "performance": everything.performance,
            "power_w": everything.power_w,
            "area_mm2": everything.area_mm2,
            "memory_overuse": everything.memory_overuse,
            "hazards": everything.hazards,
        }
        for index, name in enumerate(self.problem.discrete_names):
            columns[name] = everything.discrete[:, index].copy()
        for index, name in enumerate(self.problem.continuous_names):
            columns[name] = everything.continuous[:, index].copy()
        return columns

    def signal(self, values: Mapping[str, float]) -> None:
        """Notes what a strategy knows of itself now: one row of its ``signals`` table.

        Names are the strategy's own; names that share what stands before a dot (``gate.0``,
        ``gate.1``) belong together and are drawn in one plot. A name that a row lacks is NaN there.
        """
        self._signals.append((self._evaluations, {k: float(v) for k, v in values.items()}))

    def signals(self) -> Columns:
        """What was noted, in order: ``evaluation`` (so many were done) and a column a name."""
        if not self._signals:
            return {}
        names = list(dict.fromkeys(name for _, row in self._signals for name in row))
        columns: Columns = {"evaluation": np.array([at for at, _ in self._signals], dtype=np.int64)}
        for name in names:
            columns[name] = np.array([row.get(name, np.nan) for _, row in self._signals])
        return columns

    def state(self) -> State:
        """Every evaluation, the archive and the signals."""
        names = list(dict.fromkeys(name for _, row in self._signals for name in row))
        rows = [[row.get(name, _ABSENT) for name in names] for _, row in self._signals]
        return {
            "designs": evaluation_state(concatenate(self._batches)) if self._batches else {},
            "archive": self.archive.state(),
            "signals": {
                "names": json.dumps(names),
                "evaluation": np.array([at for at, _ in self._signals], dtype=np.int64),
                "values": np.array(rows, dtype=np.float64).reshape(len(rows), len(names)),
            },
        }

    def restore(self, reader: StateReader) -> None:
        """Takes what :meth:`state` told; raises StateError."""
        designs = reader.part("designs")
        if designs.names():
            seen = read_evaluation(designs, self.problem, features=False)
            if len(seen) > self.budget:
                raise StateError(f"{len(seen)} designs were evaluated of {self.budget}")
            self._batches = [seen]
            self._evaluations = len(seen)
            self._feasible = int(seen.feasible.sum())
        self.archive.restore(reader.part("archive"), self.problem)
        if self._feasible and self.archive.best(self.problem) is None:
            raise StateError("feasible designs were evaluated, and the archive has none")
        if self._batches:
            self._update_incumbent(self._batches[0])
        self._restore_signals(reader.part("signals"))

    def _restore_signals(self, reader: StateReader) -> None:
        try:
            parsed: Any = json.loads(reader.text("names"))
        except (ValueError, RecursionError) as error:
            raise StateError("names of signals cannot be read") from error
        if not isinstance(parsed, list):
            raise StateError("names of signals are not a list")
        names = [str(name) for name in cast("list[Any]", parsed)]
        at = reader.array("evaluation", np.int64, (None,), 0, self.budget)
        values = reader.array("values", np.float64, (len(at), len(names)))
        self._signals = [
            (int(when), {n: float(v) for n, v in zip(names, row, strict=True) if v != _ABSENT})
            for when, row in zip(at, values, strict=True)
        ]

    def _progress(self) -> Progress:
        return Progress(
            evaluations=self._evaluations,
            budget=self.budget,
            feasible=self._feasible,
            incumbent=self._incumbent,
            elapsed_s=time.perf_counter() - self._began_s,
        )

    def _update_incumbent(self, evaluation: Evaluation) -> None:
        """Asks the archive only where a new design may be the best: it sorts the whole front."""
        scores = score(evaluation, self.problem)[evaluation.feasible]
        known = -np.inf if self._incumbent is None else self._incumbent.score
        if not len(scores) or scores.max() < known:
            return
        best = self.archive.best(self.problem)
        assert best is not None
        self._incumbent = Incumbent(
            score=float(score(best, self.problem)[0]),
            performance=float(best.performance[0]),
            power_w=float(best.power_w[0]),
            area_mm2=float(best.area_mm2[0]),
        )
