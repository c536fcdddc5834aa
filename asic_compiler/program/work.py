"""Where an operator runs, how it is cut, and how many bytes each tile holds and moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from asic_compiler.dialects import tcc
from asic_compiler.dialects.tcc.attrs import part_size
from asic_compiler.placement.plan import Assignment
from asic_compiler.program.chip_attribute import region_attribute
from asic_compiler.workload.table import OperatorClass, OperatorKind

CONTRACTIONS = (OperatorKind.MATMUL, OperatorKind.CONV, OperatorKind.ATTENTION)
PARTIAL_BYTES = 4
"""A partial sum travels in 32 bit."""


@dataclass(frozen=True, slots=True)
class Work:
    """One operator as its tiles see it."""

    position: int
    cost: OperatorClass
    assignment: Assignment
    cut: tcc.CutAttr

    @property
    def is_contraction(self) -> bool:
        """Whether the tensor unit runs it."""
        return self.cost.kind in CONTRACTIONS

    @property
    def tile_sizes(self) -> tuple[int, int, int, int]:
        """Batch items, rows, columns and depth of the largest part of a contraction."""
        c = self.cost
        b, m, n, k = self.cut.factors
        flat = b == 1 and c.kind is not OperatorKind.ATTENTION
        items = 1 if flat else part_size(c.batch, b)
        columns = c.batch * c.n if flat else c.n
        return items, part_size(c.m, m), part_size(columns, n), part_size(c.k, k)

    def result_part_elements(self, elements: int) -> int:
        """Elements of a result that one tile holds, at most; ``elements`` are of the whole."""
        if self.is_contraction:
            items, m, n, _ = self.tile_sizes
            return min(items * m * n, elements)
        return part_size(elements, self.cut.n.data)


def make_work(position: int, cost: OperatorClass, assignment: Assignment) -> Work:
    """The operator with the cut that its assignment stands for.

    An attention product is cut over its batch first, as far as there are tiles; the assignment
    gives what is left along n or k.
    """
    tiles = assignment.region.tiles
    batch = min(cost.batch, tiles) if cost.kind is OperatorKind.ATTENTION else 1
    region = region_attribute(assignment.region)
    first = assignment.first_row * assignment.region.width
    split = (assignment.split_m, assignment.split_n, assignment.split_k)
    return Work(position, cost, assignment, tcc.CutAttr.of(batch, *split, region, first))


def reduction_bytes(work: Work, partial_elements: int) -> int:
    """What one tile contributes to the sum of a contraction over its k group, byte."""
    return work.result_part_elements(partial_elements) * PARTIAL_BYTES


def touched_rows(work: Work, points: int, row: int) -> int:
    """Kept positions that one tile's run of points of a reduction touches, at most.

    Args:
        work: The reduction.
        points: Of its whole iteration space.
        row: Points folded into one position.
    """
    run = part_size(points, work.cut.n.data)
    return min((run - 1 + row - 1) // row + 1, points // row)


def rows_are_whole(work: Work, points: int, row: int) -> bool:
    """Whether every tile's points fold whole positions, so that nothing is left to combine."""
    return part_size(points, work.cut.n.data) % row == 0


def apportion(total: float, weights: Sequence[int], units: Sequence[int]) -> list[int]:
    """Bytes that add up to ``total``, in proportion to weights, each rounded up to whole elements.

    Args:
        total: Bytes to share out.
        weights: One a part, positive.
        units: Bytes of an element of each part.
    """
    whole = sum(weights)
    return [
        max(ceil(total * weight / whole / unit - 1e-9), 1) * unit
        for weight, unit in zip(weights, units, strict=True)
    ]


def operand_weights(work: Work, sizes: Sequence[int], is_rhs: Sequence[bool]) -> list[int]:
    """Relative bytes that one tile needs of each operand.

    Args:
        work: The operator.
        sizes: Bytes of each whole operand.
        is_rhs: Whether it is the right-hand side of a contraction.
    """
    if not work.is_contraction:
        return [max(size, 1) for size in sizes]
    items, m, n, k = work.tile_sizes
    return [items * k * (n if right else m) for right in is_rhs]
