"""The operator table as arrays, and the program cut into pipeline stages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.space import CONTINUOUS, INDEX, STAGE_GRIDS
from asic_compiler.machine.pipeline import DIVIDE_CYCLES, TRANSCENDENTAL_CYCLES
from asic_compiler.machine.regions import CONV, GENERAL, MATMUL
from asic_compiler.mapping.constants import (
    Loads,
    make_loads,
    make_partners,
    matrix_columns,
    own_bytes,
)
from asic_compiler.mapping.flow import make_dataflow
from asic_compiler.workload.table import OperatorClass, OperatorKind, OperatorTable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BALANCE_LEVELS: tuple[float, ...] = (0.0, 0.5, 1.0)
_CONTRACTIONS = (OperatorKind.MATMUL, OperatorKind.CONV, OperatorKind.ATTENTION)


@dataclass(frozen=True)
class Contractions:
    """Classes that the tensor unit runs. Every array is [C]."""

    index: IntArray
    """Position of each in the table's classes."""
    batch: FloatArray
    m: FloatArray
    n: FloatArray
    k: FloatArray
    bits: FloatArray
    """Bits of an operand's element at the multipliers."""
    held_bits: FloatArray
    """Bits of an operand's element in DMEM and under way, whatever the multipliers take."""
    widening: FloatArray
    """Bits of a result over those of an operand as it is held."""
    attention: NDArray[np.bool_]
    cached: NDArray[np.bool_]
    """One operand is the KV cache, already in place."""
    region: IntArray
    weight_bytes: FloatArray
    matrix_bytes: FloatArray
    """Bytes of the constant whose columns or filters the tensor unit reads; 0 without one."""
    matrix_columns: FloatArray
    """Columns of it: those of all batch items, or of one where all share it."""
    loads: tuple[Loads, ...]
    """Constants that are read as buffers."""
    partners: tuple[tuple[int, IntArray], ...]
    """Columns of classes that share a copy of a constant with another, with those of the others."""

    @cached_property
    def macs(self) -> FloatArray:
        """[C] multiply-accumulates of one execution."""
        return self.batch * self.m * self.n * self.k


@dataclass(frozen=True)
class Vectors:
    """Classes that the vector unit and the memory ports run. Every array is [V]."""

    index: IntArray
    elements: FloatArray
    bits: FloatArray
    cycles: FloatArray
    """Vector-pipe cycles a vector register of elements takes, divides and the like weighted."""
    operations: FloatArray
    """Instructions in the body; at least one, a move."""
    adds: FloatArray
    """Simple operations an element."""
    multiplies: FloatArray
    """Multiplies an element, divides and transcendentals as their multiplies."""
    weight_read_bytes: FloatArray
    weight_bytes: FloatArray
    table_bytes: FloatArray
    """Bytes of the table that is looked up; 0 without one."""
    narrow_rows: FloatArray
    """Rows of a table that is stored in the weights' format; 0 elsewhere."""
    loads: tuple[Loads, ...]
    """Constants that are read as buffers."""
    kv_write_bytes: FloatArray
    input_bytes: FloatArray
    output_bytes: FloatArray
    reduction: NDArray[np.bool_]
    moves: NDArray[np.bool_]
    """Layout, gather and KV append: data crosses tiles whatever the regions are."""
    batch: FloatArray
    """Space of the operator: batch x rows x columns (``workload.spaces``)."""
    rows: FloatArray
    columns: FloatArray
    anchored: NDArray[np.bool_]
    by_rows: NDArray[np.bool_]
    collapsed: NDArray[np.bool_]
    table: NDArray[np.bool_]
    """Look-up in a constant: cut along columns alone, so that no row of the table is copied."""
    whole: NDArray[np.bool_]
    """A reduction whose partial results cannot be combined: rows are not cut."""


@dataclass(frozen=True)
class StageCut:
    """The program in S stages; equal stages are kept once, with a multiplicity."""

    counts: FloatArray
    """[U, C] operators of each class in each distinct stage."""
    held: FloatArray
    """[U, C] copies of what they keep in WMEM: less than ``counts`` where operators share one."""
    multiplicity: FloatArray
    """[U] stages of each kind; sums to S."""
    transfer_bytes: FloatArray
    """[U] activation bytes a stage receives from those before it (largest of its kind)."""
    of_stage: IntArray
    """[S] kind of each stage in program order."""
    boundaries: IntArray
    """[S + 1] positions in program order where stages start; the last is the program's end."""
    slots: FloatArray
    """[P] buffers, of each pair of ``flow``, that a stage holds all the time for values from other
    stages: for each as many as it lies behind; of the stage that has most of the pair."""
    aside: FloatArray
    """[C] operators of each class that are not on the longest way through the program: those of
    another stage run at the same time."""


class Profile:
    """What the model needs of a workload; built once, used for every design.

    Args:
        table: The workload.
        kv_held: Room that the cache takes over its content, see ``kv_cache.page_overhead``.
    """

    def __init__(self, table: OperatorTable, kv_held: float = 1.0) -> None:
        self.table = table
        self.kv_held = kv_held
        classes = table.classes
        self.counts: FloatArray = table.counts.astype(np.float64)
        self.kv_bytes: FloatArray = _column(classes, "kv_bytes")
        self.held: FloatArray = table.held(0, len(table.sequence)).astype(np.float64)
        """[C] as ``StageCut.held``, in one stage."""
        self.contractions = _contractions(table)
        self.vectors = _vectors(classes)
        self.autoregressive = table.phase == "decode"
        self.has_conv = any(c.kind is OperatorKind.CONV for c in classes)
        self.activation_bytes = float(table.peak_activation_bytes)
        self.flow = make_dataflow(table)
        self._cuts: dict[tuple[int, int], StageCut] = {}
        self.lane_cycles: FloatArray = self._lane_cycles()
        """[R, 3] lane-cycles of each region over the whole program, for 1, 2, ... tensor rows."""

    def _lane_cycles(self) -> FloatArray:
        most = int(CONTINUOUS[INDEX["rows"]].high)
        work, vectors = self.contractions, self.vectors
        counts = self.counts[work.index]
        region = np.zeros((most, 3))
        for rows in range(1, most + 1):
            lanes = np.ceil(work.m / rows) * work.batch * work.n * work.k * counts
            region[rows - 1] = np.bincount(work.region, lanes, minlength=3)
        region[:, GENERAL] += (vectors.elements * vectors.cycles * self.counts[vectors.index]).sum()
        return region

    def by_class(self, contractions: FloatArray, vectors: FloatArray) -> FloatArray:
        """[N, contractions] and [N, vectors] as [N, C] of the workload's classes."""
        out = np.zeros((len(contractions), len(self.table.classes)), order="F")
        out[:, self.contractions.index] = contractions
        out[:, self.vectors.index] = vectors
        return out

    @cached_property
    def unread_kv_bytes(self) -> FloatArray:
        """[C] KV cache of appends, where no contraction reads it; else it lies at its reader."""
        reads = any(c.kv_read_bytes > 0 for c in self.table.classes)
        return np.zeros_like(self.kv_bytes) if reads else self.kv_bytes

    @cached_property
    def _uncuttable(self) -> NDArray[np.bool_]:
        """[P] positions that no stage may begin at: the cache stays with who appends to it."""
        forbidden = np.zeros(len(self.table.sequence), dtype=np.bool_)
        for producer, consumer, _ in self.table.edges:
            kind = self.table.classes[self.table.sequence[producer]].kind
            if kind is OperatorKind.KV_APPEND:
                forbidden[producer + 1 : consumer + 1] = True
        return forbidden

    @cached_property
    def max_stages(self) -> int:
        """Most stages that the program can be cut into with every stage doing work."""
        start = np.flatnonzero(~self._uncuttable)
        return max(1, int(np.count_nonzero(np.add.reduceat(self._time_cost, start))))

    @cached_property
    def weight_bytes(self) -> float:
        """All constants as one stage holds them, byte."""
        return float(self.table.held_weight_bytes())

    def kv_scale(self, kv_bits: FloatArray) -> FloatArray:
        """[N] room of the cache over the program's own: only 16 bits are stored in fewer."""
        cached = self.contractions.bits[self.contractions.cached]
        stored = kv_bits / 16.0 if (cached == 16.0).all() else np.ones_like(kv_bits)
        return stored * self.kv_held

    @cached_property
    def head_dim(self) -> float:
        """Elements of a key or value of one head; 1 without a cache."""
        work = self.contractions
        short = np.minimum(work.n, work.k)[work.cached]
        if self.table.context > 0:  # the other side of a product is as long as the context
            by_context = np.where(work.n == self.table.context, work.k, work.n)
            short = by_context[work.cached]
        return float(short.min()) if len(short) else 1.0

    @cached_property
    def total_kv_bytes(self) -> float:
        """KV cache of one micro-batch, byte."""
        return float(self.table.total("kv_bytes"))

    @cached_property
    def _time_cost(self) -> FloatArray:
        """[P] a rough time of each operator: MACs plus vector work, for balancing stages."""
        cost = np.zeros(len(self.table.classes))
        c, v = self.contractions, self.vectors
        cost[c.index] = c.macs
        cost[v.index] = v.elements * v.cycles
        return cost[self.table.sequence]

    @cached_property
    def _byte_cost(self) -> FloatArray:
        held = _column(self.table.classes, "weight_bytes") + self.kv_bytes
        return held[self.table.sequence]

    def cut(self, grid: int, balance: float) -> StageCut:
        """The program in the stages of ``STAGE_GRIDS[grid]``, balanced by time (0) to bytes (1)."""
        level = min(range(len(BALANCE_LEVELS)), key=lambda i: abs(BALANCE_LEVELS[i] - balance))
        key = (grid, level)
        if key not in self._cuts:
            columns, rows = STAGE_GRIDS[grid]
            self._cuts[key] = self._make_cut(columns * rows, BALANCE_LEVELS[level])
        return self._cuts[key]

    def _make_cut(self, stages: int, balance: float) -> StageCut:
        sequence = self.table.sequence
        time, held = self._time_cost, self._byte_cost
        cost = (1.0 - balance) * time / max(time.sum(), 1.0) + balance * held / max(held.sum(), 1.0)
        start = np.flatnonzero(~self._uncuttable)
        blocks = linear_partition(np.add.reduceat(cost, start), stages)
        boundaries = np.append(start, len(sequence))[blocks]
        classes = len(self.table.classes)
        counts = np.stack(
            [np.bincount(sequence[a:b], minlength=classes) for a, b in pairwise(boundaries)]
        ).astype(np.float64)
        ends = pairwise(boundaries.tolist())
        held = np.stack([self.table.held(a, b) for a, b in ends]).astype(np.float64)
        received = _received_bytes(self.table.edges, boundaries)
        distinct, of_stage = np.unique(
            np.concatenate([counts, held], axis=1), axis=0, return_inverse=True
        )
        of_stage = of_stage.reshape(-1).astype(np.int64)
        transfer = np.zeros(len(distinct))
        np.maximum.at(transfer, of_stage, received)
        return StageCut(
            counts=np.ascontiguousarray(distinct[:, :classes]),
            held=np.ascontiguousarray(distinct[:, classes:]),
            multiplicity=np.bincount(of_stage).astype(np.float64),
            transfer_bytes=transfer,
            of_stage=of_stage,
            boundaries=boundaries,
            slots=self._slots(boundaries),
            aside=counts.sum(axis=0) - self._longest_way(boundaries),
        )

    def _slots(self, boundaries: IntArray) -> FloatArray:
        pairs = {
            (int(p), int(c)): i
            for i, (p, c) in enumerate(zip(self.flow.producer, self.flow.consumer, strict=True))
        }
        stage = np.searchsorted(boundaries, np.arange(len(self.table.sequence)), side="right") - 1
        most: dict[tuple[int, int], dict[int, float]] = {}
        seen: set[tuple[int, int, int]] = set()
        for producer, consumer in self.table.edges[:, :2].tolist():
            own = int(self.table.sequence[consumer])
            apart = int(stage[consumer] - stage[producer])
            key = (producer, int(stage[consumer]), own)
            pair = (int(self.table.sequence[producer]), own)
            if apart < 1 or key in seen or pair not in pairs:
                continue
            seen.add(key)
            held = most.setdefault(pair, {})
            held[key[1]] = held.get(key[1], 0.0) + apart
        slots = np.zeros(len(pairs) and len(self.flow.producer))
        for pair, by_stage in most.items():
            slots[pairs[pair]] = max(by_stage.values())
        return slots

    def _longest_way(self, boundaries: IntArray) -> FloatArray:
        """[C] operators on the way of most work: each after those it reads and its stage's last.

        Work stands for time here, so that the way is found once and not for every design.
        """
        sequence, time = self.table.sequence, self._time_cost
        before: list[list[int]] = [[] for _ in sequence]
        ends: list[list[int]] = self.table.edges[:, :2].tolist()
        for producer, consumer in ends:
            before[consumer].append(producer)
        firsts = set(boundaries.tolist())
        done = np.zeros(len(sequence))
        last = np.full(len(sequence), -1, dtype=np.int64)
        for position in range(len(sequence)):
            if position not in firsts:
                before[position].append(position - 1)
            if before[position]:
                last[position] = max(before[position], key=lambda p: float(done[p]))
                done[position] = done[last[position]]
            done[position] += time[position]
        way = np.zeros(len(self.table.classes))
        position = int(np.argmax(done)) if len(done) else -1
        while position >= 0:
            way[sequence[position]] += 1.0
            position = int(last[position])
        return way


def linear_partition(cost: FloatArray, parts: int) -> IntArray:
    """Cuts a sequence into contiguous parts whose largest sum is least.

    Bisection on the bound; a part takes items while it stays under it. Parts may be empty only
    when there are fewer items than parts.

    Returns:
        [parts + 1] boundaries, from 0 to ``len(cost)``.
    """
    items = len(cost)
    sums = np.concatenate([[0.0], np.cumsum(cost)])
    low, high = float(cost.max(initial=0.0)), float(sums[-1])
    for _ in range(60):
        middle = 0.5 * (low + high)
        if _parts_under(sums, middle) <= parts:
            high = middle
        else:
            low = middle
    bounds = [0]
    for part in range(parts):
        left = parts - part - 1
        reach = float(sums[bounds[-1]]) + high * (1 + 1e-12)
        end = int(np.searchsorted(sums, reach, side="right")) - 1
        end = max(end, min(bounds[-1] + 1, items))  # at least one item while there are any
        bounds.append(items if left == 0 else min(end, max(bounds[-1], items - left)))
    return np.array(bounds, dtype=np.int64)


def _parts_under(sums: FloatArray, bound: float) -> int:
    position, parts, items = 0, 0, len(sums) - 1
    while position < items:
        step = int(np.searchsorted(sums, float(sums[position]) + bound, side="right")) - 1
        position = max(step, position + 1)
        parts += 1
    return parts


def _received_bytes(edges: IntArray, boundaries: IntArray) -> FloatArray:
    """[S] bytes each stage receives from earlier ones; a value sent to a stage counts once."""
    received = np.zeros(len(boundaries) - 1)
    if len(edges) == 0:
        return received
    source = np.searchsorted(boundaries, edges[:, 0], side="right") - 1
    target = np.searchsorted(boundaries, edges[:, 1], side="right") - 1
    crossing = source != target
    pairs = np.unique(
        np.stack([edges[crossing, 0], target[crossing], edges[crossing, 2]], axis=1), axis=0
    )
    np.add.at(received, pairs[:, 1], pairs[:, 2].astype(np.float64))
    return received


def _column(classes: tuple[OperatorClass, ...], name: str) -> FloatArray:
    return np.array([getattr(c, name) for c in classes], dtype=np.float64)


def _widening(cost: OperatorClass) -> float:
    results = cost.batch * cost.m * cost.n
    if not cost.output_bytes or not results:
        return 1.0
    return cost.output_bytes * 8.0 / (results * cost.element_bits)


def _contractions(table: OperatorTable) -> Contractions:
    classes = table.classes
    index = [i for i, c in enumerate(classes) if c.kind in _CONTRACTIONS]
    chosen = tuple(classes[i] for i in index)
    regions = {OperatorKind.MATMUL: MATMUL, OperatorKind.CONV: CONV}
    return Contractions(
        index=np.array(index, dtype=np.int64),
        batch=_column(chosen, "batch"),
        m=_column(chosen, "m"),
        n=_column(chosen, "n"),
        k=_column(chosen, "k"),
        bits=_column(chosen, "element_bits"),
        held_bits=_column(chosen, "element_bits"),
        widening=np.array([_widening(c) for c in chosen], dtype=np.float64),
        attention=np.array([c.kind is OperatorKind.ATTENTION for c in chosen], dtype=np.bool_),
        cached=np.array([c.kv_read_bytes > 0 for c in chosen], dtype=np.bool_),
        region=np.array([regions.get(c.kind, GENERAL) for c in chosen], dtype=np.int64),
        weight_bytes=_column(chosen, "weight_bytes"),
        matrix_bytes=own_bytes(chosen),
        matrix_columns=matrix_columns(chosen),
        loads=make_loads(chosen),
        partners=make_partners(table, index),
    )


def _vectors(classes: tuple[OperatorClass, ...]) -> Vectors:
    index = [i for i, c in enumerate(classes) if c.kind not in _CONTRACTIONS]
    chosen = tuple(classes[i] for i in index)
    simple = np.array([c.body.simple for c in chosen], dtype=np.float64)
    multiply = np.array([c.body.multiply for c in chosen], dtype=np.float64)
    divide = np.array([c.body.divide for c in chosen], dtype=np.float64)
    special = np.array([c.body.transcendental for c in chosen], dtype=np.float64)
    moving = (OperatorKind.LAYOUT, OperatorKind.GATHER, OperatorKind.KV_APPEND)
    gather = np.array([c.kind is OperatorKind.GATHER for c in chosen], dtype=np.bool_)
    elements = np.maximum(
        _column(chosen, "elements"), _column(chosen, "output_bytes") / 2.0
    )  # a pure move has no iteration space of its own
    return Vectors(
        index=np.array(index, dtype=np.int64),
        elements=elements,
        bits=_column(chosen, "element_bits"),
        cycles=np.maximum(
            simple + multiply + DIVIDE_CYCLES * divide + TRANSCENDENTAL_CYCLES * special, 1.0
        ),
        operations=np.maximum(simple + multiply + divide + special, 1.0),
        adds=simple,
        multiplies=multiply + DIVIDE_CYCLES * divide + TRANSCENDENTAL_CYCLES * special,
        weight_read_bytes=_column(chosen, "weight_read_bytes"),
        weight_bytes=_column(chosen, "weight_bytes"),
        table_bytes=np.where(gather, own_bytes(chosen), 0.0),
        narrow_rows=_column(chosen, "narrow_rows"),
        loads=make_loads(chosen),
        kv_write_bytes=_column(chosen, "kv_write_bytes"),
        input_bytes=_column(chosen, "input_bytes"),
        output_bytes=_column(chosen, "output_bytes"),
        reduction=np.array([c.kind is OperatorKind.REDUCTION for c in chosen], dtype=np.bool_),
        moves=np.array([c.kind in moving for c in chosen], dtype=np.bool_),
        batch=np.array([c.space[0] for c in chosen], dtype=np.float64),
        rows=np.array([c.space[1] for c in chosen], dtype=np.float64),
        columns=np.array([c.space[2] for c in chosen], dtype=np.float64),
        anchored=np.array([c.anchored for c in chosen], dtype=np.bool_),
        by_rows=np.array([c.by_rows for c in chosen], dtype=np.bool_),
        collapsed=np.array([c.collapsed for c in chosen], dtype=np.bool_),
        table=np.array(
            [c.kind is OperatorKind.GATHER and c.weight_read_bytes > 0 for c in chosen],
            dtype=np.bool_,
        ),
        whole=np.array([c.whole_rows for c in chosen], dtype=np.bool_),
    )
