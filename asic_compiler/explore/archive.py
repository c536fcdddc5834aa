"""Which of the designs seen so far are worth keeping: the Pareto front and the nearest miss."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from asic_compiler.explore.checkpoint.rows import evaluation_state, read_evaluation
from asic_compiler.explore.checkpoint.state import State, StateError, StateReader
from asic_compiler.explore.protocol import BoolArray, Evaluation, FloatArray, IntArray, Problem
from asic_compiler.explore.reward import score

_CHUNK = 512
"""Candidates compared at once: bounds the comparison table at 512 x front entries."""

_TABLE = 2**22
"""Entries of a comparison table of an archive with its candidates, at most (or one candidate's)."""


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


def _covered_by(candidates: FloatArray, front: FloatArray) -> tuple[BoolArray, IntArray]:
    """Which ``candidates`` [N, 3] some column of ``front`` [3, F > 0] is nowhere worse than.

    Returns:
        [N] whether there is one, and [N] the first that is (0 where there is none).
    """
    covered, by = np.empty(len(candidates), dtype=np.bool_), np.empty(len(candidates), np.int64)
    for rows in _spans(candidates, front):
        speed, power, area = (candidates[rows, axis, None] for axis in range(3))
        table = (front[0] <= speed) & (front[1] <= power) & (front[2] <= area)
        by[rows] = table.argmax(axis=1)
        covered[rows] = table[np.arange(len(table)), by[rows]]
    return covered, by


def _covers(candidates: FloatArray, front: FloatArray) -> BoolArray:
    """[F] which columns of ``front`` [3, F] some of ``candidates`` [N, 3] is nowhere worse than."""
    covered = np.zeros(front.shape[1], dtype=np.bool_)
    for rows in _spans(candidates, front):
        speed, power, area = (candidates[rows, axis, None] for axis in range(3))
        covered |= ((speed <= front[0]) & (power <= front[1]) & (area <= front[2])).any(axis=0)
    return covered


def _spans(candidates: FloatArray, front: FloatArray) -> Iterator[slice]:
    """Candidates that may be compared with the whole front at once."""
    step = max(1, _TABLE // front.shape[1])
    return (slice(begin, begin + step) for begin in range(0, len(candidates), step))


class _Rows:
    """Evaluated designs in no order, of which some can be replaced without copying the others."""

    def __init__(self, first: Evaluation) -> None:
        self._columns = {field: np.array(getattr(first, field)) for field in _FIELDS}
        self._minimised = np.ascontiguousarray(objectives(first).T)
        self.count = len(first)

    @property
    def minimised(self) -> FloatArray:
        """[3, N] objectives, each contiguous."""
        return self._minimised[:, : self.count]

    def taken(self, rows: IntArray) -> Evaluation:
        """Copies of the chosen rows."""
        return Evaluation(**{field: column[rows] for field, column in self._columns.items()})

    def replace(self, gone: IntArray, new: Evaluation) -> None:
        """Puts ``new`` in the places of ``gone``; closes the gaps that are left from the end."""
        total = self.count - len(gone) + len(new)
        self._grow(total)
        appended = np.arange(self.count, self.count + len(new) - len(gone))
        places = np.concatenate([gone[: len(new)], appended])
        for field, column in self._columns.items():
            column[places] = getattr(new, field)
        self._minimised[:, places] = objectives(new).T
        if len(gone) > len(new):
            left = gone[len(new) :]
            last = np.setdiff1d(np.arange(total, self.count), left)
            holes = left[left < total]
            for column in self._columns.values():
                column[holes] = column[last]
            self._minimised[:, holes] = self._minimised[:, last]
        self.count = total

    def _grow(self, count: int) -> None:
        room = self._minimised.shape[1]
        if count <= room:
            return
        more = max(count - room, room)
        for field, column in self._columns.items():
            space = np.empty((more, *column.shape[1:]), column.dtype)
            self._columns[field] = np.concatenate([column, space])
        self._minimised = np.concatenate([self._minimised, np.empty((3, more))], axis=1)


class ParetoArchive:
    """Every feasible non-dominated design over (performance max, power min, area min).

    Unbounded: nothing non-dominated is ever thrown away, hence the archive of a set of designs
    does not depend on the order in which they came. Of designs with equal objectives the one with
    the smallest variables is kept. While nothing feasible was found, and after, the infeasible
    design of least violation is kept apart as :attr:`nearest`.
    """

    def __init__(self) -> None:
        self._rows: _Rows | None = None
        self._sorted: Evaluation | None = None
        self._nearest: Evaluation | None = None

    def __len__(self) -> int:
        return 0 if self._rows is None else self._rows.count

    @property
    def members(self) -> Evaluation | None:
        """The front, best performance first; None while nothing feasible was found."""
        if self._sorted is None and self._rows is not None:
            # No two members have equal objectives: these alone give the canonical order.
            self._sorted = self._rows.taken(np.lexsort(self._rows.minimised[::-1]))
        return self._sorted

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
        members = self.members
        if members is None:
            return None
        winner = int(np.argmax(score(members, problem)))
        return take(members, slice(winner, winner + 1))

    def _offer_members(self, candidates: Evaluation) -> int:
        order = _canonical_order(candidates)
        candidates = take(candidates, order[_non_dominated(objectives(candidates)[order])])
        if self._rows is None:
            self._rows = _Rows(candidates)
            return len(candidates)
        offered, held = objectives(candidates), self._rows.minimised
        covered, by = _covered_by(offered, held)
        # A member that equals a candidate is the only one that is nowhere worse than it.
        equal = np.flatnonzero(covered & (held[:, by] == offered.T).all(axis=0))
        smaller = [row for row in equal if self._precedes(candidates, int(row), int(by[row]))]
        new = np.concatenate([np.flatnonzero(~covered), np.array(smaller, dtype=np.int64)])
        if not len(new):
            return 0
        self._rows.replace(np.flatnonzero(_covers(offered[new], held)), take(candidates, new))
        self._sorted = None
        return len(new)

    def _precedes(self, candidates: Evaluation, row: int, member: int) -> bool:
        """Whether a candidate has smaller variables than the member whose objectives it equals."""
        assert self._rows is not None
        both = concatenate(
            [self._rows.taken(np.array([member])), take(candidates, slice(row, row + 1))]
        )
        return bool(_canonical_order(both)[0] == 1)

    def _offer_nearest(self, infeasible: Evaluation) -> None:
        if self._nearest is not None:
            infeasible = concatenate([self._nearest, infeasible])
        closest = np.flatnonzero(infeasible.violation == infeasible.violation.min())
        ties = take(infeasible, closest)
        self._nearest = take(ties, _canonical_order(ties)[:1])

    def state(self) -> State:
        """The members, and the nearest miss."""
        kept = {"members": self.members, "nearest": self._nearest}
        return {k: evaluation_state(v) for k, v in kept.items() if v is not None}

    def restore(self, reader: StateReader, problem: Problem) -> None:
        """Takes what :meth:`state` told of a search of ``problem``; raises StateError."""
        names = reader.names()
        if "members" in names:
            members = read_evaluation(reader.part("members"), problem)
            if not len(members) or not members.feasible.all():
                raise StateError("a member of the Pareto front is not feasible")
            self._rows, self._sorted = _Rows(members), None
        if "nearest" in names:
            self._nearest = read_evaluation(reader.part("nearest"), problem, count=1)
            if self._nearest.feasible.any():
                raise StateError("the nearest miss is feasible")
