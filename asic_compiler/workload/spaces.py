"""How the points of each vector operator are laid out before they are cut over tiles.

Rows first, then columns: the points of a vector operator are M rows of N columns, N being its
last dimension or what it folds. Two cases follow their producer instead, because then nothing has
to move: the softmax of attention scores is cut like the product that made them (*anchored*), and
what comes after a reduction works where the reduction leaves its results (*collapsed*).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from xdsl.ir import SSAValue

from asic_compiler.dialects.asic import ElementwiseOp, KvAppendOp, ReduceOp
from asic_compiler.workload.combining import can_be_cut
from asic_compiler.workload.entry import Entry
from asic_compiler.workload.table import OperatorKind
from asic_compiler.workload.values import Role, ValueRoles, count, root_of, shape

Space = tuple[int, int, int]


def assign_spaces(entries: Sequence[Entry], roles: ValueRoles) -> None:
    """Gives every vector operator its space, in program order."""
    producers: dict[SSAValue, Entry] = {}
    for entry in entries:
        if entry.cost.kind not in (OperatorKind.MATMUL, OperatorKind.ATTENTION, OperatorKind.CONV):
            space, anchored, collapsed, by_rows = _place(entry, producers, roles)
            whole = isinstance(entry.op, ReduceOp) and not can_be_cut(entry.op)
            entry.cost = replace(
                entry.cost,
                space=space,
                anchored=anchored,
                by_rows=by_rows,
                collapsed=collapsed,
                whole_rows=whole,
            )
        producers.update(dict.fromkeys(entry.op.results, entry))


def _place(
    entry: Entry, producers: dict[SSAValue, Entry], roles: ValueRoles
) -> tuple[Space, bool, bool, bool]:
    op = entry.op
    if isinstance(op, ReduceOp):
        sizes = op.iteration_sizes
        kept = len(sizes) - op.reduced.value.data
        own: Space = (1, prod(sizes[:kept]), prod(sizes[kept:]))
        inputs = list(op.inputs)
    else:
        sizes = shape(op.values if isinstance(op, KvAppendOp) else op.results[0])
        own = (1, prod(sizes[:-1]), sizes[-1] if sizes else 1)
        inputs = list(op.inputs) if isinstance(op, ElementwiseOp) else []
    for value in inputs:
        producer = producers.get(root_of(value))
        if producer is None or roles.of(root_of(value)) is not Role.ACTIVATION:
            continue
        cost = producer.cost
        whole = count(root_of(value)) == prod(own)
        if whole and (cost.anchored or _is_score(cost.kind, cost.n, cost.k)):
            space = cost.space if cost.anchored else (cost.batch, cost.m, cost.n)
            fits = space[2] == own[2] if isinstance(op, ReduceOp) else prod(space) == prod(own)
            if fits and not cost.collapsed and (not isinstance(producer.op, ReduceOp)):
                by_rows = cost.by_rows if cost.anchored else cost.kv_read_bytes == 0
                return space, True, False, by_rows
        if whole and not isinstance(op, ReduceOp):
            if isinstance(producer.op, ReduceOp):
                return cost.space, cost.anchored, True, cost.by_rows
            if cost.collapsed:
                return cost.space, cost.anchored, True, cost.by_rows
    return own, False, False, False


def _is_score(kind: OperatorKind, n: int, k: int) -> bool:
    """Whether an attention product makes scores: its result lies where it is used."""
    return kind is OperatorKind.ATTENTION and n >= k
