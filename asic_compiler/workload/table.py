"""The operator table: what a model asks of the machine, independent of any chip."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


class OperatorKind(StrEnum):
    """What an operator exercises in a tile."""

    MATMUL = "matmul"
    """Contraction with a weight: rows stream from WMEM."""
    ATTENTION = "attention"
    """Contraction of two run-time tensors (activations or KV cache): rows stream from DMEM."""
    CONV = "conv"
    """Convolution with a weight, as the matmul it lowers to."""
    ELEMENTWISE = "elementwise"
    REDUCTION = "reduction"
    GATHER = "gather"
    """Rows of a table selected by index (embedding)."""
    LAYOUT = "layout"
    """A copy that really moves data; views and folded layouts do not appear."""
    KV_APPEND = "kv_append"


@dataclass(frozen=True, slots=True)
class BodyCost:
    """Scalar operations in one element of a vector operator's body.

    Conversions between float widths and constants are free; ``select`` and compares are simple.
    """

    simple: int = 0
    """add, sub, neg, min, max, compare, select, bit operations."""
    multiply: int = 0
    divide: int = 0
    """div and sqrt / rsqrt."""
    transcendental: int = 0
    """exp, log, tanh, erf, sin, cos, pow."""


@dataclass(frozen=True, slots=True, order=True)
class Load:
    """A constant that an operator reads as a buffer: neither column by column nor as a table."""

    size_bytes: int
    """Of the elements that it reads, each once."""
    element_bytes: int
    narrow_rows: int = 0
    """Rows that have a scale each, where the tensor unit reads the constant too and it is stored
    in the format of the weights; 0 elsewhere."""


@dataclass(frozen=True, slots=True)
class OperatorClass:
    """One operator, or many equal ones. All sizes are for a single execution.

    A contraction is ``batch`` independent products (m x k) . (k x n). For a grouped-query
    attention product, ``batch`` counts key-value heads (times sequences) and the query heads that
    share one are rows of ``m``, so the cache is counted once. For a convolution, m is output
    positions times images, n output channels per group, k the receptive field per group, and
    batch the groups. Other kinds have batch = m = n = k = 0.
    """

    kind: OperatorKind
    batch: int = 0
    m: int = 0
    n: int = 0
    k: int = 0
    elements: int = 0
    """Points of the iteration space of a vector operator (0 for contractions)."""
    body: BodyCost = BodyCost()
    element_bits: int = 16
    """Width of the body's arithmetic, or of a contraction's operands."""
    weight_bytes: int = 0
    """Constants that must lie in WMEM where it runs: what it reads of them, of a table all of it.
    Every reader of a constant has it; which of them share a copy is said by ``holders``."""
    weight_read_bytes: int = 0
    """Constants read in one execution (a gather reads its rows, not its table)."""
    loads: tuple[Load, ...] = ()
    """The constants among them that it reads as buffers; the others are its matrix or table."""
    narrow_rows: int = 0
    """Of a table that is looked up: as ``Load.narrow_rows``."""
    kv_bytes: int = 0
    """KV cache it keeps in DMEM (counted at the append, or at the reader if there is none)."""
    kv_read_bytes: int = 0
    kv_write_bytes: int = 0
    input_bytes: int = 0
    """Activations read (neither weights nor KV cache)."""
    output_bytes: int = 0
    """Activations written."""
    space: tuple[int, int, int] = (1, 1, 1)
    """B x M x N: the points of a vector operator in row-major order, as it is cut over tiles. N is
    the last dimension, or the folded ones of a reduction; M the rest."""
    anchored: bool = False
    """Its points are those of an attention product's result and are cut like it, over B first."""
    by_rows: bool = False
    """Of an anchored class: the product cuts its rows, for its keys are in no cache."""
    collapsed: bool = False
    """It works on the results of a reduction over ``space``, where that leaves them: one point for
    each of B x M."""
    whole_rows: bool = False
    """A reduction whose partial results no known operation combines: a row stays on one tile."""

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one execution."""
        return self.batch * self.m * self.n * self.k


@dataclass(frozen=True)
class OperatorTable:
    """A workload: classes of equal operators, and the program order they stand in."""

    name: str
    phase: str
    """``decode``, ``prefill`` or ``inference``."""
    batch: int
    context: int
    tokens_per_step: int
    """Tokens (or inferences) that one execution of the function produces."""
    classes: tuple[OperatorClass, ...]
    sequence: NDArray[np.int64]
    """[P] class of each operator in program order."""
    names: tuple[str, ...]
    """[P] a readable name of each operator, unique (``layers.0.self_attn.q_proj``, ...)."""
    edges: NDArray[np.int64]
    """[E, 3] producer position, consumer position, bytes: activations that flow."""
    peak_activation_bytes: int
    """Largest sum of live activations at any point of the program."""
    holders: NDArray[np.int64] | None = None
    """[P] the first operator that keeps the same parts of the same constants, if both lie on the
    same tiles; an operator that keeps none, or its own, is its own. None where nothing is shared.
    Operators of one holder share a copy in each pipeline stage that has any of them."""
    distinct_weight_bytes: int | None = None
    """All constants, each once and whole; None where no two operators read the same."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """[C] how many operators each class has."""
        return np.bincount(self.sequence, minlength=len(self.classes)).astype(np.int64)

    @property
    def weight_bytes(self) -> int:
        """All constants, each once and whole."""
        found = self.distinct_weight_bytes
        return self.total("weight_bytes") if found is None else found

    def held_weight_bytes(self, boundaries: NDArray[np.int64] | None = None) -> int:
        """Constants as they lie in WMEM: one copy for all operators of a stage that share it.

        Args:
            boundaries: [S + 1] where pipeline stages start, and the program's end; one stage if
                it is not given. A part that several tiles of a stage hold counts once.
        """
        ends = [0, len(self.sequence)] if boundaries is None else boundaries.tolist()
        return sum(
            int(count) * kind.weight_bytes
            for start, end in pairwise(ends)
            for count, kind in zip(self.held(start, end), self.classes, strict=True)
        )

    def held(self, start: int, end: int) -> NDArray[np.int64]:
        """[C] copies that operators ``start`` to ``end``, a stage, keep of what a class reads.

        A copy that operators of several classes share is counted at the first of them.
        """
        own = self.sequence[start:end]
        if self.holders is not None:
            own = own[np.unique(self.holders[start:end], return_index=True)[1]]
        return np.bincount(own, minlength=len(self.classes)).astype(np.int64)

    def total(self, field: str) -> int:
        """Sum of one ``OperatorClass`` field or property over the program."""
        counts = self.counts
        return sum(
            int(c) * int(getattr(k, field)) for c, k in zip(counts, self.classes, strict=True)
        )

    def macs(self, *kinds: OperatorKind) -> int:
        """Multiply-accumulates of one execution, of the given kinds (all when none is given)."""
        counts = self.counts
        return sum(
            int(c) * k.macs
            for c, k in zip(counts, self.classes, strict=True)
            if not kinds or k.kind in kinds
        )
