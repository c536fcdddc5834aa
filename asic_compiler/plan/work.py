"""Where an operator runs, how it is cut, and how many bytes each tile holds and moves."""

from __future__ import annotations

from dataclasses import dataclass

from asic_compiler.dialects import tcc
from asic_compiler.dialects.tcc.attrs import part_size
from asic_compiler.plan.chip_attribute import region_attribute
from asic_compiler.plan.plan import Assignment
from asic_compiler.workload.table import OperatorClass, OperatorKind

PARTIAL_BYTES = 4
"""A partial sum travels in 32 bit."""
CONTRACTIONS = (OperatorKind.MATMUL, OperatorKind.CONV, OperatorKind.ATTENTION)


@dataclass(frozen=True, slots=True)
class Work:
    """One operator as its tiles see it."""

    position: int
    cost: OperatorClass
    assignment: Assignment
    cut: tcc.CutAttr

    @property
    def result_elements(self) -> int:
        """Elements of a contraction's result on one tile, at most."""
        c = self.cost
        b, m, n, _ = self.cut.factors
        columns = (
            part_size(c.batch * c.n, n) if b == 1 else part_size(c.batch, b) * part_size(c.n, n)
        )
        return part_size(c.m, m) * columns

    @property
    def over(self) -> tuple[int, int, int]:
        """The space of a vector operator, as its cut divides it."""
        b, m, n = self.cost.space
        return (b, m, 1) if self.cost.collapsed else (b, m, n)


def make_work(position: int, cost: OperatorClass, assignment: Assignment) -> Work:
    """The operator with the cut that its assignment stands for."""
    region = region_attribute(assignment.region)
    free = cost.kind not in (*CONTRACTIONS, OperatorKind.KV_APPEND) and not cost.anchored
    cut = tcc.CutAttr.of(
        assignment.split_b,
        assignment.split_m,
        assignment.split_n,
        assignment.split_k,
        region,
        assignment.first,
        assignment.stride,
        rows_first=free,
    )
    return Work(position, cost, assignment, cut)
