"""Constants as arrays: how each class keeps them in WMEM, and which classes share a copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asic_compiler.workload.table import Load, OperatorClass, OperatorKind, OperatorTable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_BY_COLUMNS = (OperatorKind.MATMUL, OperatorKind.CONV, OperatorKind.ATTENTION, OperatorKind.GATHER)
"""Kinds that keep a matrix or a table besides constants that they read as buffers."""


@dataclass(frozen=True)
class Loads:
    """At most one constant of a class that is read as a buffer. Arrays are [L]."""

    of: IntArray
    """Column of the class, ascending."""
    size_bytes: FloatArray
    element_bytes: FloatArray
    narrow_rows: FloatArray
    """Rows with a scale where the constant is stored in the weights' format; 0 elsewhere."""


def own_bytes(chosen: Sequence[OperatorClass]) -> FloatArray:
    """[C] bytes of each class's matrix, filters or table: what it does not read as a buffer."""
    own = [c.weight_bytes - sum(load.size_bytes for load in c.loads) for c in chosen]
    return np.array(own, dtype=np.float64)


def matrix_columns(chosen: Sequence[OperatorClass]) -> FloatArray:
    """[C] columns of each contraction's matrix: of all batch items, or of one that all share."""
    size = own_bytes(chosen)
    shared = [
        c.batch > 1 and 8 * own <= c.n * c.k * c.element_bits
        for c, own in zip(chosen, size, strict=True)
    ]
    return np.array(
        [c.n * (1 if one else c.batch) for c, one in zip(chosen, shared, strict=True)],
        dtype=np.float64,
    )


def make_loads(chosen: Sequence[OperatorClass]) -> tuple[Loads, ...]:
    """The first constant of each class that is read as a buffer, then the second, ..."""
    each = [c.loads or _unlisted(c) for c in chosen]
    rounds: list[Loads] = []
    for number in range(max(map(len, each), default=0)):
        found = [(i, loads[number]) for i, loads in enumerate(each) if len(loads) > number]
        names = ("size_bytes", "element_bytes", "narrow_rows")
        columns = (np.array([getattr(load, n) for _, load in found], np.float64) for n in names)
        rounds.append(Loads(np.array([i for i, _ in found], dtype=np.int64), *columns))
    return tuple(rounds)


def _unlisted(cost: OperatorClass) -> tuple[Load, ...]:
    """The constant that a vector operator of a class written down by hand reads: one."""
    if cost.kind in _BY_COLUMNS or not cost.weight_read_bytes:
        return ()
    return (Load(cost.weight_read_bytes, 2),)


def make_partners(table: OperatorTable, index: Sequence[int]) -> tuple[tuple[int, IntArray], ...]:
    """Contractions that share a copy with those of other classes, by column, and these.

    Args:
        table: The workload.
        index: [C] class of each column.
    """
    if table.holders is None:
        return ()
    column = {own: i for i, own in enumerate(index)}
    sharing: dict[int, set[int]] = {}
    for holder, own in zip(table.holders.tolist(), table.sequence.tolist(), strict=True):
        if own in column:
            sharing.setdefault(holder, set()).add(column[own])
    found: dict[int, set[int]] = {}
    for together in sharing.values():
        for own in together:
            found.setdefault(own, set()).update(together - {own})
    return tuple((own, np.array(sorted(found[own]))) for own in sorted(found) if found[own])
