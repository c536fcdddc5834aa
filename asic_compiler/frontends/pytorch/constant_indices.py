"""Selections with indices that are known: slices, not gathers."""

from __future__ import annotations

from typing import Any

import torch
from torch.export import ExportedProgram

_aten: Any = torch.ops.aten
_COPIES = (_aten.clone.default, _aten.lift_fresh_copy.default, _aten.detach.default)


def slice_constant_indices(program: ExportedProgram) -> None:
    """Replaces ``x[..., [a, a + s, ...], :]`` of Python numbers by the slice that it is.

    Args:
        program: Changed in place. Indices that are no ascending row with one stride stay.
    """
    graph: Any = program.graph
    changed = False
    for node in list(graph.nodes):
        if node.target is not _aten.index.Tensor:
            continue
        source, indices = node.args
        given = [dim for dim, index in enumerate(indices) if index is not None]
        values = _known(program, indices[given[0]]) if len(given) == 1 else None
        if values is None:
            continue
        size = int(source.meta["val"].shape[given[0]])
        row = _row([value + size if value < 0 else value for value in values], size)
        if row is None:
            continue
        with graph.inserting_before(node):
            sliced = graph.call_function(_aten.slice.Tensor, (source, given[0], *row))
            # A slice is a view, a selection is not: what writes to it must not reach the source.
            copy = graph.call_function(_aten.clone.default, (sliced,))
        for made in (sliced, copy):
            made.meta = dict(node.meta)
        node.replace_all_uses_with(copy)
        graph.erase_node(node)
        changed = True
    if changed:
        graph.eliminate_dead_code()


def _known(program: ExportedProgram, index: Any) -> list[int] | None:
    """The values of an index that is a constant row of integers."""
    while index.target in _COPIES:
        index = index.args[0]
    target = program.graph_signature.inputs_to_lifted_tensor_constants.get(index.name)
    constant: Any = None if target is None else program.constants.get(target)
    if not isinstance(constant, torch.Tensor) or constant.ndim != 1:
        return None
    if constant.dtype not in (torch.int64, torch.int32) or constant.numel() == 0:
        return None
    return [int(value) for value in constant]


def _row(values: list[int], size: int) -> tuple[int, int, int] | None:
    """Start, stop and step of a slice of these values."""
    step = values[1] - values[0] if len(values) > 1 else 1
    stop = values[0] + len(values) * step
    inside = values[0] >= 0 and values[-1] < size
    if step < 1 or not inside or values != list(range(values[0], stop, step)):
        return None
    return values[0], values[-1] + 1, step
