"""The pipeline stages of a batch of designs: one row for each distinct stage of each design."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.segments import Segments
from asic_compiler.hardware.space import FloatArray, IntArray
from asic_compiler.mapping.profile import BALANCE_LEVELS, Profile, StageCut


@dataclass(frozen=True, slots=True)
class StageRows:
    """M rows of N designs; equal stages of a design share a row."""

    segments: Segments
    distinct: FloatArray
    """[D, C] operators of each class in each stage that occurs in any design."""
    row: IntArray
    """[M] which of them each row is."""
    counts: FloatArray
    """[M, C] the same of each row."""
    held: FloatArray
    """[M, C] copies of what they keep in WMEM; less where operators share one."""
    multiplicity: FloatArray
    """[M] stages that the row stands for."""
    transfer_bytes: FloatArray
    """[M] activation bytes that one of them receives."""
    slots: FloatArray
    """[N, P] buffers that are held all the time for values from other stages."""
    aside: FloatArray
    """[N, C] operators that run beside those of another stage."""

    def of_rows(self, per_distinct: FloatArray) -> FloatArray:
        """[D, ...] of the distinct stages to [M, ...]."""
        return np.take(per_distinct, self.row, axis=0)

    def total(self, per_class: FloatArray, classes: IntArray | None = None) -> FloatArray:
        """[N, C] of one operator to [M] of all of a stage's; of some classes if given."""
        counts = self.counts
        if classes is not None:
            counts = self.of_rows(np.ascontiguousarray(self.distinct[:, classes]))
        return dot_rows(self.segments.spread(np.ascontiguousarray(per_class)), counts)


def cut_of(profile: Profile, design: DesignBatch, index: int) -> StageCut:
    """The cut of one design of a batch."""
    return profile.cut(int(design.stage_grid[index]), float(design.load_balance[index]))


def stage_rows(profile: Profile, design: DesignBatch) -> StageRows:
    """The rows of every design, each with the cut that it asks for."""
    levels = len(BALANCE_LEVELS)
    keys = design.stage_grid * levels + np.rint(design.load_balance * (levels - 1)).astype(np.int64)
    distinct, first_of, which = np.unique(keys, return_index=True, return_inverse=True)
    cuts = [cut_of(profile, design, int(i)) for i in first_of]
    counts = np.concatenate([cut.counts for cut in cuts])
    held = np.concatenate([cut.held for cut in cuts])
    multiplicity = np.concatenate([cut.multiplicity for cut in cuts])
    transfer = np.concatenate([cut.transfer_bytes for cut in cuts])
    lengths = np.array([len(cut.counts) for cut in cuts], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    which = which.reshape(-1)
    segments = Segments.of_lengths(lengths[which])
    within = np.arange(len(segments.owner)) - segments.first[segments.owner]
    row = starts[which][segments.owner] + within
    assert len(distinct) == len(cuts)
    slots, aside = (
        np.stack([getattr(c, name) for c in cuts])[which] for name in ("slots", "aside")
    )
    of_rows = np.take(counts, row, axis=0)
    return StageRows(
        segments=segments,
        distinct=counts,
        row=row,
        counts=of_rows,
        held=of_rows if profile.table.holders is None else np.take(held, row, axis=0),
        multiplicity=multiplicity[row],
        transfer_bytes=transfer[row],
        slots=slots,
        aside=aside,
    )


def dot_rows(left: FloatArray, right: FloatArray) -> FloatArray:
    """[M] sum of products of each row of [M, C] with ``right``, [M, C] or [C].

    Not BLAS: its order of summation depends on the size of the batch, and a design must get the
    same bits alone as among thousands.
    """
    subscripts = "mc,mc->m" if right.ndim == 2 else "mc,c->m"
    return np.einsum(subscripts, np.ascontiguousarray(left), right)
