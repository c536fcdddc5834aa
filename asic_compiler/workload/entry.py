"""What the extraction knows of one operator while it counts."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import SSAValue

from asic_compiler.dialects.asic import AsicOp
from asic_compiler.workload.table import OperatorClass


@dataclass(frozen=True, slots=True)
class Read:
    """An operator's reading of one value, views looked through."""

    root: SSAValue
    size_bytes: int


@dataclass(slots=True)
class Entry:
    """An operator and what is known of it so far."""

    op: AsicOp
    cost: OperatorClass
    reads: list[Read]
