"""What moves between operators, and what is alive beside each of them: worked out once a workload.

A value stays where it was computed. An operator that reads it as it lies there, or as it was
brought for an operator before, moves nothing; any other read is a transfer. Which reads those are
follows from how operators are cut (``contractions``, ``vectors``): two reads are
alike when their classes cut the operand alike, whatever the design.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from asic_compiler.workload.table import OperatorClass, OperatorKind, OperatorTable

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
Key: TypeAlias = tuple[object, ...]

HOST = -1
_CONTRACTIONS = (OperatorKind.MATMUL, OperatorKind.CONV, OperatorKind.ATTENTION)


@dataclass(frozen=True, slots=True)
class Dataflow:
    """Transfers by pairs of classes, and the sets of buffers that are alive together."""

    producer: IntArray
    """[P] class that a transfer comes from, or ``HOST``."""
    consumer: IntArray
    """[P] class that it goes to."""
    rhs: NDArray[np.bool_]
    """[P] whether it is the second operand of an attention product."""
    per_consumer: FloatArray
    """[P] transfers of the pair over operators of the consumer's class, where copies are kept for
    later operators that read them alike."""
    per_reader: FloatArray
    """[P] the same where every operator brings what it reads."""
    size_bytes: FloatArray
    """[P] of the whole value (the largest of the pair)."""
    alive_results: FloatArray
    """[U, C] values of each class that are alive, in each situation that may be the fullest."""
    alive_arrivals: FloatArray
    """[U, P] copies of each pair that are alive, likewise."""
    running: IntArray
    """[U] class of the operator that runs."""
    of_consumers: tuple[tuple[IntArray, IntArray], ...]
    """[K] classes that equally many pairs, n, bring something to, with their pairs, [n, K]."""
    inside: IntArray
    """Pairs whose producer is an operator, not the host."""


def read_key(cost: OperatorClass, is_rhs: bool) -> Key:
    """How a class cuts an operand that it reads."""
    match cost.kind:
        case OperatorKind.ATTENTION if not is_rhs and cost.k > cost.n:
            return ("vector", (cost.batch, cost.m, cost.k), True, cost.kv_read_bytes == 0, False)
        case OperatorKind.ATTENTION:
            return ("attention", is_rhs, cost.batch, cost.m, cost.n, cost.k)
        case OperatorKind.MATMUL:
            return ("matmul", cost.batch, cost.m, cost.k)
        case OperatorKind.CONV:
            return ("conv", cost.batch, cost.m, cost.n, cost.k)
        case OperatorKind.KV_APPEND | OperatorKind.LAYOUT | OperatorKind.GATHER:
            return (cost.kind, cost.space, cost.elements)
        case _:
            return _vector_key(cost)


def result_key(cost: OperatorClass) -> Key:
    """How the result of a class lies on tiles."""
    if cost.kind is OperatorKind.REDUCTION:
        return ("vector", cost.space, cost.anchored, cost.by_rows, True)
    if cost.kind is OperatorKind.ATTENTION and cost.n >= cost.k:
        return ("vector", (cost.batch, cost.m, cost.n), True, cost.kv_read_bytes == 0, False)
    if cost.kind is OperatorKind.GATHER and cost.weight_read_bytes > 0:
        return ("table", cost.space)
    if cost.kind in _CONTRACTIONS:
        return ("contraction", cost.kind, cost.batch, cost.m, cost.n, cost.k)
    return _vector_key(cost)


def _vector_key(cost: OperatorClass) -> Key:
    return ("vector", cost.space, cost.anchored, cost.by_rows, cost.collapsed)


@dataclass(slots=True)
class _Copy:
    """A value as it was brought for one way of reading it."""

    pair: int
    first: int
    last: int


def make_dataflow(table: OperatorTable) -> Dataflow:
    """The transfers of a program, and what is alive when."""
    classes, sequence = table.classes, table.sequence
    reads = _reads(table)
    pairs: dict[tuple[int, int, bool], int] = {}
    counts: list[float] = []
    reads_of: list[float] = []
    sizes: list[float] = []
    last_use = np.arange(len(sequence))
    copies: dict[tuple[object, ...], _Copy] = {}
    made: list[_Copy] = []
    for consumer, sources in enumerate(reads):
        own = int(sequence[consumer])
        for order, (producer, size) in enumerate(sources):
            is_rhs = classes[own].kind is OperatorKind.ATTENTION and order > 0
            key = read_key(classes[own], is_rhs)
            if producer == HOST:
                source, name = HOST, (HOST, own, size)
            else:
                source, name = int(sequence[producer]), (producer, size)
                last_use[producer] = max(last_use[producer], consumer)
                if result_key(classes[source]) == key:
                    continue
            copy = copies.get((name, key))
            pair = pairs.setdefault((source, own, is_rhs), len(pairs))
            if pair == len(counts):
                counts.append(0.0)
                reads_of.append(0.0)
                sizes.append(0.0)
            reads_of[pair] += 1.0
            sizes[pair] = max(sizes[pair], float(size))
            if copy is None:
                counts[pair] += 1.0
                copy = copies[name, key] = _Copy(pair, max(consumer - 1, 0), consumer)
                made.append(copy)
            copy.last = consumer
    total = table.counts
    ends = list(pairs)
    results, arrivals = _alive(sequence, last_use, made, len(classes), len(ends))
    running = sequence[:, None].astype(np.float64)
    distinct = _fullest(np.unique(np.concatenate([results, arrivals, running], axis=1), axis=0))
    consumer = np.array([c for _, c, _ in ends], dtype=np.int64)
    producer = np.array([p for p, _, _ in ends], dtype=np.int64)
    return Dataflow(
        producer=producer,
        consumer=consumer,
        rhs=np.array([rhs for _, _, rhs in ends], dtype=np.bool_),
        per_consumer=np.array(counts) / np.array([float(total[c]) for _, c, _ in ends]),
        per_reader=np.array(reads_of) / np.array([float(total[c]) for _, c, _ in ends]),
        size_bytes=np.array(sizes),
        alive_results=distinct[:, : len(classes)],
        alive_arrivals=distinct[:, len(classes) : -1],
        running=distinct[:, -1].astype(np.int64),
        of_consumers=_of_consumers(consumer),
        inside=np.flatnonzero(producer != HOST),
    )


def _of_consumers(consumer: IntArray) -> tuple[tuple[IntArray, IntArray], ...]:
    classes, counts = np.unique(consumer, return_counts=True)
    return tuple(
        (own, np.stack([np.flatnonzero(consumer == c) for c in own], axis=1))
        for own in (classes[counts == number] for number in np.unique(counts))
    )


def _fullest(situations: FloatArray) -> FloatArray:
    """The rows of which no other with the same running class, the last column, has as much of all.

    Args:
        situations: [U, columns] distinct rows.
    """
    kept: list[int] = []
    for own, row in enumerate(situations):
        alike = situations[situations[:, -1] == row[-1]]
        if np.count_nonzero((alike >= row).all(axis=1)) == 1:  # only the row itself covers it
            kept.append(own)
    return situations[kept]


def _reads(table: OperatorTable) -> list[list[tuple[int, int]]]:
    """For each operator, the values it reads: producer's position or ``HOST``, and bytes."""
    found: list[list[tuple[int, int]]] = [[] for _ in table.sequence]
    for producer, consumer, size in (tuple(int(i) for i in edge) for edge in table.edges):
        kind = table.classes[int(table.sequence[producer])].kind
        if kind is not OperatorKind.KV_APPEND:  # a cache is read where it lies
            found[consumer].append((producer, size))
    for position, own in enumerate(int(i) for i in table.sequence):
        cost = table.classes[own]
        rest = cost.input_bytes - sum(size for _, size in found[position])
        if rest > 0:
            found[position].append((HOST, rest))
    return found


def _alive(
    sequence: IntArray, last_use: IntArray, copies: list[_Copy], classes: int, pairs: int
) -> tuple[FloatArray, FloatArray]:
    """[positions, C] results and [positions, P] copies alive while each operator runs."""
    results: FloatArray = np.zeros((len(sequence) + 1, classes))
    for position, own in enumerate(int(i) for i in sequence):
        results[position, own] += 1.0
        results[int(last_use[position]) + 1, own] -= 1.0
    arrivals: FloatArray = np.zeros((len(sequence) + 1, pairs))
    for copy in copies:
        arrivals[copy.first, copy.pair] += 1.0
        arrivals[copy.last + 1, copy.pair] -= 1.0
    return results.cumsum(axis=0)[:-1], arrivals.cumsum(axis=0)[:-1]
