"""The best designs so far: where walks go back to before they go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from asic_compiler.explore.archive import concatenate, take
from asic_compiler.explore.checkpoint.rows import evaluation_state, read_evaluation
from asic_compiler.explore.checkpoint.state import State, StateError, StateReader
from asic_compiler.explore.protocol import Evaluation, FloatArray, IntArray, Problem

Kind = Callable[[Evaluation], IntArray]
"""[n, any] what kind of design each is: rows are equal where the kind is the same."""


def mesh_of(designs: Evaluation) -> IntArray:
    """[n, 2] width and height."""
    return designs.discrete[:, :2]


class Elite:
    """The designs of highest merit so far, with all that is known of them.

    Merit is the score where feasible, see :func:`~asic_compiler.explore.strategies.flat.merit`:
    what a search is judged by, which the reward, with its margins and hazards, is not quite.

    In 30 dimensions a uniform action is almost never good, so that replay would hold no good
    design to learn from: "first return, then explore" (Ecoffet et al. 2021). What is known of a
    design is kept, so that going back to it costs no evaluation; the learner is off-policy and
    learns from the actions taken there as from any other.

    Args:
        capacity: Designs kept.
        per_kind: Of these, designs of one kind at most; None is no limit.
        kind: What is told apart. By default the mesh: a step moves it by little, and between two
            good ones of as many tiles there may be none that is feasible; where all kept are of one
            mesh, the others are never tuned.
    """

    def __init__(self, capacity: int, per_kind: int | None = None, kind: Kind = mesh_of) -> None:
        self.capacity = capacity
        self._per_kind = per_kind or capacity
        self._kind = kind
        self._designs: Evaluation | None = None
        self.merit: FloatArray = np.zeros(0)

    def __len__(self) -> int:
        """Designs kept now."""
        return len(self.merit)

    @property
    def designs(self) -> Evaluation:
        """The designs kept, best first.

        Raises:
            RuntimeError: Nothing has been offered.
        """
        if self._designs is None:
            raise RuntimeError("no design has been offered")
        return self._designs

    def offer(self, designs: Evaluation, merit: FloatArray) -> None:
        """Keeps the best of what it has and of these [n] designs; of equals, the older."""
        if self._designs is not None:
            designs = concatenate([self._designs, designs])
            merit = np.concatenate([self.merit, merit])
        kept: list[int] = []
        kinds = self._kind(designs)
        held: Counter[tuple[int, ...]] = Counter()
        for index in np.argsort(-merit, kind="stable").tolist():
            if len(kept) == self.capacity:
                break
            kind = tuple(kinds[index].tolist())
            if held[kind] < self._per_kind:
                held[kind] += 1
                kept.append(index)
        rows = np.array(kept, dtype=np.int64)
        self._designs, self.merit = take(designs, rows), merit[rows]

    def best(self, count: int) -> Evaluation:
        """The best designs, at most ``count``, best first: where new episodes may begin."""
        return take(self.designs, slice(0, count))

    def drawn(self, count: int, rng: np.random.Generator) -> Evaluation:
        """``count`` of the designs, each as likely as any other."""
        return take(self.designs, rng.integers(0, len(self), count))

    def state(self) -> State:
        """The designs kept."""
        return {"designs": evaluation_state(self.designs), "merit": self.merit}

    def restore(self, reader: StateReader, problem: Problem) -> None:
        """Takes what :meth:`state` told of a search of ``problem``; raises StateError."""
        merit = reader.array("merit", np.float64, (None,))
        if not 0 < len(merit) <= self.capacity:
            raise StateError(f"{len(merit)} elite designs, not 1 to {self.capacity}")
        self._designs = read_evaluation(reader.part("designs"), problem, len(merit))
        self.merit = merit
