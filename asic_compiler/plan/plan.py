"""A chip and the placement of a program on it."""

from __future__ import annotations

from dataclasses import dataclass

from asic_compiler.hardware.chip import Chip, Rectangle
from asic_compiler.workload.table import OperatorTable


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where one operator runs and how it is divided."""

    position: int
    """Place of the operator in the program, from 0."""
    stage: int
    region_kind: int
    """``MATMUL``, ``CONV`` or ``GENERAL``."""
    region: Rectangle
    split_m: int
    split_n: int
    split_k: int
    first: int
    """Tile of the region, counted row by row, that its first part lies on: where the class's
    operator before left off, so that weights and cache spread evenly over the tiles."""
    split_b: int
    """Parts along the batch: of an attention product, and of what follows it."""
    stride: int
    """Tiles from one part to the next."""
    pieces: int
    """Ranges of a tile's part of k that a matmul's input arrives in, one after another."""
    by_rows: bool
    """Whether pieces are ranges of the tile's rows instead of k."""
    buffers: int
    """Pieces that are under way or in use at once; all of them when the whole input fits its share
    of the DMEM."""
    scatter: bool
    """Whether partial sums are reduce-scattered, and not brought to one tile."""
    cycles: float
    """Predicted cycles of one execution on one micro-batch."""
    start_cycle: float
    """Cycle of its start, counted from the start of its stage's period."""


@dataclass(frozen=True)
class Plan:
    """A chip and the placement of a program on it."""

    chip: Chip
    assignments: tuple[Assignment, ...]
    """One an operator of the table, in program order."""
    table: OperatorTable
    period_cycles: float
    """Cycles between two micro-batches: those of the slowest stage."""
    hop_cycles: int
    """Cycles of a router and the wire to the next."""
    crossing_cycles: int
    """Cycles that a link between dies takes beyond a hop."""
    crossing_rate: int
    """Sixteenths of a cycle that a flit takes over it, at least 16."""
