"""What the extraction knows of one operator while it counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from xdsl.ir import SSAValue

from asic_compiler.dialects.asic import AsicOp
from asic_compiler.workload.table import OperatorClass

How: TypeAlias = tuple[object, ...]


class Use(Enum):
    """What an operator needs an operand for."""

    BUFFER = "buffer"
    MATRIX = "matrix"
    """The tensor unit takes its columns, or filters, from WMEM if it is a constant."""
    TABLE = "table"
    """Its rows are looked up."""


@dataclass(frozen=True, slots=True)
class Read:
    """An operator's reading of one value, views looked through."""

    root: SSAValue
    size_bytes: int
    how: How = ()
    """Equal for readings that cut alike take the same elements in the same order."""
    use: Use = Use.BUFFER


@dataclass(slots=True)
class Entry:
    """An operator and what is known of it so far."""

    op: AsicOp
    cost: OperatorClass
    reads: list[Read]
    """Each value once."""
    constants: list[Read] = field(default_factory=list[Read])
    """Readings of constants, each way of reading one by itself."""
