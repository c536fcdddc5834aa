"""Sums of embeddings in bags whose places in the list of indices are known."""

from __future__ import annotations

import operator
from typing import Any

import torch

from asic_compiler.frontends.pytorch.rewrites.editor import Editor

_aten: Any = torch.ops.aten
_convert: Any = torch.ops.prims.convert_element_type.default
_BAGS = (_aten._embedding_bag.default, _aten._embedding_bag_forward_only.default)
_DEFAULTS = (None, None, None, False, 0, False, None, False, -1)
"""Of the operators' arguments: weight, indices, offsets, -, mode, -, scales, -, padding index."""
_SUM, _MEAN, _MAX = range(3)
"""Modes."""


def open_bags(editor: Editor) -> None:
    """Looks every index up by itself and folds each bag, in f32 where PyTorch does."""
    for node in list(editor.graph.nodes):
        if node.target in _BAGS:
            found = _opened(editor, node)
            read = [user for user in node.users if user.users]
            if found is None or any(u.target is not operator.getitem or u.args[1] for u in read):
                continue
            for user in list(node.users):
                if user.users:
                    editor.replace(user, found)
                else:
                    editor.graph.erase_node(user)
            editor.graph.erase_node(node)


def _opened(editor: Editor, node: Any) -> Any | None:
    args: tuple[Any, ...] = (*node.args, *_DEFAULTS[len(node.args) :])
    weight, indices, offsets, _, mode, _, scales, has_last, padding = args
    if not editor.is_known(offsets) or padding != -1 or not offsets.meta["val"].numel():
        return None
    starts: list[int] = editor.value(offsets).tolist()
    ends = [*starts[1:], *([] if has_last else [int(indices.meta["val"].numel())])]
    bags = list(zip(starts, ends, strict=False))

    def call(op: Any, *args: Any) -> Any:
        return editor.call(node, op, *args)

    rows = call(_aten.embedding.default, weight, indices)
    kind = rows.meta["val"].dtype
    rows = call(_convert, rows, torch.float32) if kind.itemsize < 4 else rows
    if scales is not None:
        rows = call(_aten.mul.Tensor, rows, call(_aten.unsqueeze.default, scales, 1))
    width = rows.meta["val"].shape[1]
    lengths = {end - start for start, end in bags}
    if len(lengths) == 1 and bags[0][0] == 0 and 0 not in lengths:
        (length,) = lengths
        rows = call(_aten.slice.Tensor, rows, 0, 0, bags[-1][1])
        made = _folded(call, call(_aten.reshape.default, rows, [len(bags), length, width]), mode)
    else:
        each: list[Any] = []
        for start, end in bags:
            if start == end:
                empty = torch.zeros(1, width, dtype=rows.meta["val"].dtype)
                each.append(editor.constant(empty, node))
            else:
                part = call(_aten.slice.Tensor, rows, 0, start, end)
                part = call(_aten.reshape.default, part, [1, end - start, width])
                each.append(_folded(call, part, mode))
        made = call(_aten.cat.default, each)
    return call(_convert, made, kind)


def _folded(call: Any, rows: Any, mode: int) -> Any:
    """Rows [bags, length, width] of equal bags as one each."""
    if mode == _MAX:
        return call(_aten.amax.default, rows, [1])
    total = call(_aten.sum.dim_IntList, rows, [1])
    if mode == _MEAN:
        return call(_aten.div.Scalar, total, rows.meta["val"].shape[1])
    return total
