"""Strategies of the KV cache beside its width: a sliding window, and pages.

A window changes what the model computes, so only the user can ask for it. Both are facts of a
run, not choices of a design.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from asic_compiler.diagnostics import UserError
from asic_compiler.technology.node import Technology
from asic_compiler.workload.table import OperatorClass, OperatorKind, OperatorTable

WINDOW_NOTE = "tokens outside the window are forgotten: long prompts lose what they began with"


@dataclass(frozen=True, slots=True)
class _Roles:
    """Positions in program order."""

    scores: NDArray[np.bool_]
    """Products of queries and cached keys: as many columns as the context."""
    values: NDArray[np.bool_]
    """Products of scores and cached values: as deep as the context."""
    between: NDArray[np.bool_]
    """What works on scores: scale, mask, softmax."""
    appends: NDArray[np.bool_]
    others: NDArray[np.bool_]
    """Products with caches that are no longer than a window of the model's own."""


def windowed(table: OperatorTable, tokens: int) -> OperatorTable:
    """The program with a cache of the last ``tokens`` tokens, in a ring.

    Products with the cache, what lies between them, and the cache itself shrink from the context
    to the window; everything else is left.

    Raises:
        UserError: The program has no cache to shorten, is not a decode step, or has layers with
            windows of their own.
    """
    if tokens >= table.context > 0:
        return table
    roles = _roles(table)
    if table.phase == "decode" and table.context > 0 and roles.others.any():
        raise UserError(
            "kv_window is for models whose layers all attend over the whole context",
            notes=[f"layers of '{table.name}' have windows of their own, shorter caches already"],
        )
    if table.phase != "decode" or not roles.scores.any():
        raise UserError(
            "kv_window needs a decode step that reads a KV cache",
            notes=[f"the program is '{table.name}', {table.phase}, context {table.context}"],
        )
    context = table.context
    program: list[OperatorClass] = []
    for position, index in enumerate(int(i) for i in table.sequence):
        own = table.classes[index]
        if roles.scores[position]:
            own = replace(own, n=tokens, **_shrunk(own, (*_CACHE, "output_bytes"), context, tokens))
        elif roles.values[position]:
            own = replace(own, k=tokens, **_shrunk(own, (*_CACHE, "input_bytes"), context, tokens))
        elif roles.appends[position]:
            own = replace(own, **_shrunk(own, _CACHE, context, tokens))
        elif roles.between[position]:
            out = () if own.kind is OperatorKind.REDUCTION else ("output_bytes",)
            sizes = ("elements", "input_bytes", *out)
            batch, rows, columns = own.space
            space = (batch, rows, tokens if columns == context else columns)
            own = replace(own, space=space, **_shrunk(own, sizes, context, tokens))
        program.append(own)
    numbers: dict[OperatorClass, int] = {}
    sequence = [numbers.setdefault(own, len(numbers)) for own in program]
    edges = table.edges.copy()
    reduces = np.array([own.kind is OperatorKind.REDUCTION for own in program])
    rows = (roles.scores | roles.between) & ~reduces
    if len(edges):
        inside = rows[edges[:, 0]]
        size = edges[inside, 2]
        edges[inside, 2] = size // context * tokens + size % context
    return replace(
        table,
        context=tokens,
        classes=tuple(numbers),
        sequence=np.array(sequence, dtype=np.int64),
        edges=edges,
    )


def page_overhead(table: OperatorTable, page_tokens: int | None, technology: Technology) -> float:
    """Room of a paged cache over its content: the last page's empty end, and the page table.

    Pages save what a contiguous cache reserves for tokens that never come; here every sequence is
    as long as the context, so that they only cost.

    Raises:
        UserError: A page of no tokens.
    """
    if page_tokens is None or table.context == 0:
        return 1.0
    if page_tokens < 1:
        raise UserError(f"kv_page must be at least one token, not {page_tokens}")
    pages = -(-table.context // page_tokens)
    fragments = pages * page_tokens / table.context
    heads = sum(
        int(count) * own.batch
        for own, count in zip(table.classes, table.counts, strict=True)
        if own.kv_read_bytes > 0
    )
    entries = heads * pages * technology.system.formats.page_entry
    return fragments + entries / max(table.total("kv_bytes"), 1)


_CACHE = ("kv_bytes", "kv_read_bytes")


def _shrunk(
    own: OperatorClass, sizes: tuple[str, ...], context: int, tokens: int
) -> dict[str, int]:
    """``sizes`` with so much for each token of the window as there was for each of the context.

    What is left over, less than a token's byte each, does not depend on the context.
    """
    values = {name: int(getattr(own, name)) for name in sizes}
    return {name: v // context * tokens + v % context for name, v in values.items()}


def _roles(table: OperatorTable) -> _Roles:
    classes = [table.classes[int(i)] for i in table.sequence]
    cached = np.array([c.kind is OperatorKind.ATTENTION and c.kv_read_bytes > 0 for c in classes])
    scores = cached & np.array([c.n == table.context for c in classes])
    values = cached & ~scores & np.array([c.k == table.context for c in classes])
    barrier = np.array([c.kind is OperatorKind.ATTENTION for c in classes])
    after = _reach(table.edges[:, 0], table.edges[:, 1], scores, barrier)
    before = _reach(table.edges[::-1, 1], table.edges[::-1, 0], values, barrier)
    appends = np.array([c.kind is OperatorKind.KV_APPEND for c in classes])
    others = cached & ~scores & ~values
    return _Roles(scores, values, after & before & ~barrier, appends, others)


def _reach(
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    start: NDArray[np.bool_],
    barrier: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Positions reached from ``start`` over edges, not through ``barrier``."""
    reached = start.copy()
    while True:
        more = reached.copy()
        more[target[reached[source] & (start[source] | ~barrier[source])]] = True
        if np.array_equal(more, reached):
            return reached
        reached = more
