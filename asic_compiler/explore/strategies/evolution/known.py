"""Designs that training has found: where a search that begins with a policy starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asic_compiler.explore.checkpoint.state import State, StateReader
from asic_compiler.explore.protocol import (
    Evaluation,
    Float32Array,
    FloatArray,
    IntArray,
    Problem,
    context_of,
)


@dataclass(frozen=True)
class KnownDesigns:
    """Good designs of the problems trained on, each problem told apart by its context.

    A policy moves a design that it is given; it does not remember one. What was found before is
    worth more than any start that is drawn: on a problem of the training it is an answer, and on
    one that is like it, at the next node say, a few changes lead from one to the other.
    """

    context: Float32Array
    """[K, C] of the problem that each design is good for."""
    discrete: IntArray
    """[K, 4]; of each problem the best comes first."""
    continuous: Float32Array
    """[K, 30] in [-1, 1]."""

    def __len__(self) -> int:
        """K designs."""
        return len(self.context)

    @classmethod
    def of(cls, problems: Sequence[Problem], designs: Sequence[Evaluation]) -> KnownDesigns:
        """What to know of ``problems``: of each the designs given, best first."""
        lengths = [len(found) for found in designs]
        contexts = np.stack([context_of(problem) for problem in problems])
        return cls(
            np.repeat(contexts, lengths, axis=0).astype(np.float32),
            np.concatenate([found.discrete for found in designs]),
            np.concatenate([found.continuous for found in designs]).astype(np.float32),
        )

    def nearest(self, problem: Problem, count: int) -> tuple[IntArray, FloatArray]:
        """At most ``count`` designs for ``problem``: the best of the problems most like it.

        A design comes the earlier, the closer its problem is (by rank of the distance between the
        contexts) and the better it is there (by rank): both ranks are added.
        """
        here = context_of(problem).astype(np.float32)
        squared = ((self.context - here) ** 2).sum(axis=1)
        _, distance = np.unique(squared, return_inverse=True)
        # Designs of one problem stand together, the best first.
        new = np.any(np.diff(self.context, axis=0, prepend=np.nan) != 0.0, axis=1)
        first = np.maximum.accumulate(np.where(new, np.arange(len(self)), 0))
        place = np.arange(len(self)) - first
        rows = np.lexsort((distance, distance + place))[:count]
        low, high = problem.discrete_low, problem.discrete_high
        return np.clip(self.discrete[rows], low, high), self.continuous[rows].astype(np.float64)

    def state(self) -> State:
        """All of it."""
        return {"context": self.context, "discrete": self.discrete, "continuous": self.continuous}

    @classmethod
    def restored(cls, reader: StateReader, problem: Problem) -> KnownDesigns:
        """What :meth:`state` told, for problems with the variables of ``problem``.

        Raises:
            StateError: It is no such state.
        """
        context = reader.array("context", np.float32, (None, len(context_of(problem))))
        return cls(
            context,
            reader.array("discrete", np.int64, (len(context), len(problem.discrete_low))),
            reader.array(
                "continuous", np.float32, (len(context), len(problem.continuous_names)), -1.0, 1.0
            ),
        )
