"""Which of the designs seen so far are worth keeping: the Pareto front and the nearest miss."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from asic_compiler.explore.checkpoint.rows import evaluation_state, read_evaluation
from asic_compiler.explore.checkpoint.state import State, StateError, StateReader
from asic_compiler.explore.protocol import BoolArray, Evaluation, FloatArray, IntArray, Problem
from asic_compiler.explore.reward import score

_CHUNK = 512
"""Candidates compared at once: bounds the comparison table at 512 x front entries."""


def take(evaluation: Evaluation, rows: IntArray | BoolArray | slice) -> Evaluation:
    """The chosen rows of an evaluation, as copies when ``rows`` is an index or a mask."""
    return Evaluation(
        **{field: getattr(evaluation, field)[rows] for field in _FIELDS}  # every field has N rows
    )


def concatenate(parts: Sequence[Evaluation]) -> Evaluation:
    """One evaluation with the rows of all ``parts``, in order.

    Raises:
        ValueError: If ``parts`` is empty.
    """
    return Evaluation(
        **{field: np.concatenate([getattr(part, field) for part in parts]) for field in _FIELDS}
    )


_FIELDS = tuple(field.name for field in dataclasses.fields(Evaluation))


def objectives(evaluation: Evaluation) -> FloatArray:
    """[N, 3] what is minimised: negated performance, power in W, area in mm2."""
    return np.stack(
        [-evaluation.performance, evaluation.power_w, evaluation.area_mm2], axis=1
    ).astype(np.float64)


def dominates(left: FloatArray, right: FloatArray) -> BoolArray:
    """[L, R] whether objectives ``left`` [L, 3] dominate ``right`` [R, 3] (minimisation)."""
    # One objective at a time: three [L, R] tables are cheaper than one [L, R, 3].
    no_worse = np.ones((len(left), len(right)), dtype=np.bool_)
    better = np.zeros_like(no_worse)
    for axis in range(left.shape[1]):
        no_worse &= left[:, axis, None] <= right[None, :, axis]
        better |= left[:, axis, None] < right[None, :, axis]
    return no_worse & better


def _canonical_order(evaluation: Evaluation) -> IntArray:
    """Row order by objectives, then by design: the same for any order of arrival."""
    design = np.concatenate([evaluation.discrete, evaluation.continuous], axis=1)
    keys = np.concatenate([objectives(evaluation), design], axis=1)
    return np.lexsort(keys.T[::-1])


def _non_dominated(minimised: FloatArray) -> BoolArray:
    """Mask of the non-dominated rows of ``minimised`` [N, 3], sorted lexicographically.

    In lexicographic order no row is dominated by a later one, so that one sweep suffices and the
    front only ever grows. Of rows with equal objectives the first is kept.
    """
    keep = np.ones(len(minimised), dtype=np.bool_)
    keep[1:] = np.any(minimised[1:] != minimised[:-1], axis=1)
    front = np.empty((0, minimised.shape[1]))
    for begin in range(0, len(minimised), _CHUNK):
        chunk = minimised[begin : begin + _CHUNK]
        alive = keep[begin : begin + _CHUNK].copy()
        alive[alive] = ~dominates(front, chunk[alive]).any(axis=0)
        alive[alive] = ~dominates(chunk[alive], chunk[alive]).any(axis=0)
        keep[begin : begin + _CHUNK] = alive
        front = np.concatenate([front, chunk[alive]])
    return keep


class ParetoArchive:
    """Every feasible non-dominated design over (performance max, power min, area min).

    Unbounded: nothing non-dominated is ever thrown away, hence the archive of a set of designs
    does not depend on the order in which they came. Of designs with equal objectives the one with
    the smallest variables is kept. While nothing feasible was found, and after, the infeasible
    design of least violation is kept apart as :attr:`nearest`.
    """

    def __init__(self) -> None:
        self._members: Evaluation | None = None
        self._nearest: Evaluation | None = None

    def __len__(self) -> int:
        return 0 if self._members is None else len(self._members)

    @property
    def members(self) -> Evaluation | None:
        """The front, best performance first; None while nothing feasible was found."""
        return self._members

    @property
    def nearest(self) -> Evaluation | None:
        """The one infeasible design of least violation; None if every design was feasible."""
        return self._nearest

    def insert(self, evaluation: Evaluation) -> int:
        """Offers N designs at once; returns how many of them are now on the front.

        Raises:
            ValueError: If a feasible design has an objective that is not finite: the problem's
                model is broken, and a NaN would be non-dominated for ever.
        """
        feasible = np.asarray(evaluation.feasible, dtype=np.bool_)
        if not feasible.all():
            self._offer_nearest(take(evaluation, ~feasible))
        if not feasible.any():
            return 0
        candidates = take(evaluation, feasible)
        if not np.isfinite(objectives(candidates)).all():
            raise ValueError("a feasible design has an objective that is not finite")
        return self._offer_members(candidates)

    def best(self, problem: Problem) -> Evaluation | None:
        """The member of highest score (one row), the first in canonical order if several.

        The weights are non-negative and the normalisation is monotone, so that the best of all
        feasible designs by weighted sum is always on the front: nothing is lost by asking here.
        """
        if self._members is None:
            return None
        winner = int(np.argmax(score(self._members, problem)))
        return take(self._members, slice(winner, winner + 1))

    def _offer_members(self, candidates: Evaluation) -> int:
        if self._members is None:
            merged, is_new = candidates, np.ones(len(candidates), dtype=np.bool_)
        else:
            # Most late batches add nothing: sort them out before the members are touched.
            beaten = dominates(objectives(self._members), objectives(candidates)).any(axis=0)
            if beaten.all():
                return 0
            candidates = take(candidates, np.flatnonzero(~beaten))
            merged = concatenate([self._members, candidates])
            is_new = np.arange(len(merged)) >= len(self._members)
        order = _canonical_order(merged)
        kept = order[_non_dominated(objectives(merged)[order])]
        self._members = take(merged, kept)
        return int(is_new[kept].sum())

    def _offer_nearest(self, infeasible: Evaluation) -> None:
        if self._nearest is not None:
            infeasible = concatenate([self._nearest, infeasible])
        closest = np.flatnonzero(infeasible.violation == infeasible.violation.min())
        ties = take(infeasible, closest)
        self._nearest = take(ties, _canonical_order(ties)[:1])

    def state(self) -> State:
        """The members, and the nearest miss."""
        kept = {"members": self._members, "nearest": self._nearest}
        return {k: evaluation_state(v) for k, v in kept.items() if v is not None}

    def restore(self, reader: StateReader, problem: Problem) -> None:
        """Takes what :meth:`state` told of a search of ``problem``; raises StateError."""
        names = reader.names()
        if "members" in names:
            self._members = read_evaluation(reader.part("members"), problem)
            if not len(self._members) or not self._members.feasible.all():
                raise StateError("a member of the Pareto front is not feasible")
        if "nearest" in names:
            self._nearest = read_evaluation(reader.part("nearest"), problem, count=1)
            if self._nearest.feasible.any():
                raise StateError("the nearest miss is feasible")
