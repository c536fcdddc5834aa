"""Constants in weight memory: what each operator keeps there, and which operators share a copy.

Every operator that reads a constant needs its own part on its own tiles, so each has the constant's
bytes. On the same tiles an equal part is stored once: operators that read the same constants alike,
and are cut alike, share one copy in each pipeline stage. Everything that counts weight memory (the
cost model, placement, programs) follows from these two sentences.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from asic_compiler.dialects.asic import ConvOp, MatmulOp
from asic_compiler.workload.entry import Entry, Read, Use
from asic_compiler.workload.table import Load, OperatorKind
from asic_compiler.workload.values import bits, count, shape, size_bytes


def assign_constants(entries: Sequence[Entry]) -> None:
    """Gives every operator the bytes of the constants that it keeps, and how it reads them."""
    narrow = _in_tensor_unit(entries)
    for entry in entries:
        tables = [read for read in entry.constants if read.use is Use.TABLE]
        loads = [read for read in entry.constants if read.use is Use.BUFFER]
        held = sum(_kept_bytes(read) for read in entry.constants)
        entry.cost = replace(
            entry.cost,
            weight_bytes=held,
            loads=tuple(sorted(_load(read, narrow) for read in loads)),
            narrow_rows=sum(shape(r.root)[0] for r in tables if r.root in narrow),
        )


def distinct_bytes(entries: Iterable[Entry]) -> int:
    """Bytes of all constants that are read, each once and whole."""
    roots = {read.root: None for entry in entries for read in entry.constants}
    return sum(size_bytes(root) for root in roots)


def find_holders(entries: Sequence[Entry]) -> NDArray[np.int64] | None:
    """[P] for each operator the first that shares its copies; None where nobody shares any."""
    first: dict[Hashable, int] = {}
    holders = np.array(
        [first.setdefault(_held_alike(e) or p, p) for p, e in enumerate(entries)], dtype=np.int64
    )
    return None if len(first) == len(entries) else holders


def _held_alike(entry: Entry) -> tuple[Hashable, ...]:
    """Equal for operators that keep the same parts if they begin on the same tile; else empty.

    What follows an attention product lies where that does, which differs from layer to layer, and
    so does a product with a cache: they keep their own.
    """
    cost = entry.cost
    if not entry.constants or cost.anchored or cost.kv_read_bytes:
        return ()
    readings = tuple((read.root, read.use, read.how) for read in entry.constants)
    if cost.loads:
        return (cost, readings)
    if cost.kind is OperatorKind.GATHER:
        return (cost.kind, cost.space[2], readings)
    # Columns and depth are cut alike whatever the rows are.
    return (cost.kind, cost.batch, cost.n, cost.k, cost.element_bits, readings)


def _in_tensor_unit(entries: Iterable[Entry]) -> frozenset[SSAValue]:
    """Constants of 16 bit that the tensor unit reads: they are stored in the weights' format."""
    return frozenset(
        read.root
        for entry in entries
        if isinstance(entry.op, MatmulOp | ConvOp)
        for read in entry.constants
        if bits(read.root) == 16
    )


def _kept_bytes(read: Read) -> int:
    return size_bytes(read.root) if read.use is Use.TABLE else read.size_bytes


def _load(read: Read, narrow: frozenset[SSAValue]) -> Load:
    columns = max((shape(read.root) or (1,))[-1], 1)
    rows = -(-count(read.root) // columns) if read.root in narrow else 0
    return Load(read.size_bytes, -(-bits(read.root) // 8), rows)
