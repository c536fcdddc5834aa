"""Elements at places that are known while importing: slices, repetitions, rows of one dimension.

``x[..., i, j]`` with constant indices is a gather at several computed indices for torch-mlir. Each
index that runs along a direction of its own selects along its dimension alone; others become one
index into the dimensions that they share. What selects along one dimension is a slice or a
repetition where it can be one.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch

from asic_compiler.frontends.pytorch.rewrites.editor import Editor

_aten: Any = torch.ops.aten
_convert: Any = torch.ops.prims.convert_element_type.default
_untyped: Any = torch
_INDEXED = (_aten.index.Tensor, _aten._unsafe_index.Tensor)


def select_constants(editor: Editor) -> None:
    """Rewrites every indexing of a computed tensor whose indices are all known.

    Several indices, some of which are computed, become one: a gather takes no more.
    """
    for node in list(editor.graph.nodes):
        if node.target not in _INDEXED or editor.is_known(node):
            continue
        operand, indices = node.args
        given = [each for each in indices if each is not None]
        if all(editor.is_known(each) for each in given):
            found = _selected(editor, node, operand, indices)
        else:
            found = _computed(editor, node, operand, indices) if len(given) > 1 else None
        if found is not None:
            editor.replace(node, found)


def _computed(editor: Editor, node: Any, operand: Any, indices: Sequence[Any]) -> Any | None:
    """One index into all indexed dimensions together, which come first; None for masks."""
    given = {dim: each for dim, each in enumerate(indices) if each is not None}
    types = {each.meta["val"].dtype for each in given.values()}
    if types & {torch.bool, torch.uint8}:
        return None

    def call(op: Any, *args: Any) -> Any:
        return editor.call(node, op, *args)

    shape: list[int] = list(operand.meta["val"].shape)
    total: Any = None
    for dim, each in given.items():
        index = call(_convert, each, torch.int64)
        below = call(_aten.lt.Scalar, index, 0)
        index = call(_aten.where.self, below, call(_aten.add.Scalar, index, shape[dim]), index)
        if total is not None:
            index = call(_aten.add.Tensor, call(_aten.mul.Scalar, total, shape[dim]), index)
        total = index
    others = [dim for dim in range(len(shape)) if dim not in given]
    rest = [shape[dim] for dim in others]
    rows = call(_aten.permute.default, operand, [*given, *others])
    rows = call(_aten.reshape.default, rows, [prod(shape[dim] for dim in given), *rest])
    chosen: list[int] = list(total.meta["val"].shape)
    flat = call(_aten.reshape.default, total, [prod(chosen)])
    made = call(_aten.index_select.default, rows, 0, flat)
    made = call(_aten.reshape.default, made, [*chosen, *rest])
    dims, first = list(given), min(given)
    before = first if dims == list(range(first, first + len(dims))) else 0
    rank = len(chosen)
    order = [*range(rank, rank + before), *range(rank), *range(rank + before, rank + len(rest))]
    return made if order == sorted(order) else call(_aten.permute.default, made, order)


def _selected(editor: Editor, node: Any, operand: Any, indices: Sequence[Any]) -> Any | None:
    """What stands for an indexing; None where it must stay."""
    shape = list(operand.meta["val"].shape)
    places: dict[int, torch.Tensor] = {}
    has_mask = False
    dim = 0
    for index in indices:
        value = None if index is None else editor.value(index)
        if value is not None and value.dtype in (torch.bool, torch.uint8):
            has_mask = True
            parts = torch.nonzero(value, as_tuple=True)
            places |= {dim + i: part for i, part in enumerate(parts)}
            dim += value.ndim
        else:
            if value is not None:
                places[dim] = value.long()
            dim += 1
    for axis, value in places.items():
        if value.numel() == 0 or int(value.min()) < -shape[axis] or int(value.max()) >= shape[axis]:
            return None
        places[axis] = torch.where(value < 0, value + shape[axis], value)
    if len(places) == 1 and not has_mask and not _is_simple(next(iter(places.values()))):
        return None  # one index is what a gather takes
    return _Selection(editor, node, operand, places).made()


def _is_simple(value: torch.Tensor) -> bool:
    """Whether it is a slice or a repetition."""
    index = _numbers(value)
    return value.ndim <= 1 and (_step(index) is not None or _times(index) > 1)


class _Selection:
    """One indexing: the dimensions that it selects from, and the shape that it puts in place."""

    def __init__(
        self, editor: Editor, node: Any, operand: Any, places: dict[int, torch.Tensor]
    ) -> None:
        self._editor = editor
        self._node = node
        self._operand = operand
        shape = _untyped.broadcast_shapes(*(value.shape for value in places.values()))
        self._places = {axis: value.broadcast_to(shape) for axis, value in places.items()}
        self._shape: list[int] = list(shape)
        self._result: list[int] = list(node.meta["val"].shape)
        self._axes = sorted(places)
        rank = operand.meta["val"].ndim
        self._others = [axis for axis in range(rank) if axis not in places]
        self._directions = {axis: _direction(value) for axis, value in self._places.items()}

    def made(self) -> Any:
        """The node that stands for it."""
        directions = [each for each in self._directions.values() if each is not None]
        is_apart = None not in self._directions.values() and len(set(directions)) == len(directions)
        covered = {each for each in directions if each >= 0}
        wide = {i for i, size in enumerate(self._shape) if size > 1}
        if is_apart and wide <= covered:
            return self._apart()
        return self._together()

    def _apart(self) -> Any:
        """Each index selects along its own dimension; then dimensions are put in order."""
        made = self._operand
        for axis in self._axes:
            direction = self._directions[axis]
            assert direction is not None
            value = self._places[axis]
            if direction >= 0:
                value = value.movedim(direction, 0).reshape(self._shape[direction], -1)[:, 0]
            made = self._along(made, axis, _numbers(value)[: self._size(direction)])
        by_direction = sorted(self._axes, key=lambda axis: self._directions[axis] or 0)
        return self._ordered(made, by_direction)

    def _size(self, direction: int) -> int:
        return self._shape[direction] if direction >= 0 else 1

    def _together(self) -> Any:
        """The indexed dimensions as one, in front, and one index into it."""
        sizes = [self._operand.meta["val"].shape[axis] for axis in self._axes]
        index = torch.zeros(self._shape, dtype=torch.int64)
        for axis, size in zip(self._axes, sizes, strict=True):
            index = index * size + self._places[axis]
        rest = [self._operand.meta["val"].shape[axis] for axis in self._others]
        made = self._permuted(self._operand, [*self._axes, *self._others])
        made = self._reshaped(made, [prod(sizes), *rest])
        made = self._along(made, 0, _numbers(index))
        made = self._reshaped(made, [*self._shape, *rest])
        rank = len(self._shape)
        return self._placed(made, list(range(rank)), [rank + i for i in range(len(rest))])

    def _ordered(self, made: Any, selected: list[int]) -> Any:
        return self._placed(made, selected, self._others)

    def _placed(self, made: Any, selected: list[int], others: list[int]) -> Any:
        """Selected dimensions where PyTorch puts them: at the first, or in front if apart."""
        before = self._axes[0] if self._is_contiguous() else 0
        order = [*others[:before], *selected, *others[before:]]
        return self._reshaped(self._permuted(made, order), self._result)

    def _permuted(self, made: Any, order: list[int]) -> Any:
        if order == list(range(len(order))):
            return made
        return self._editor.call(self._node, _aten.permute.default, made, order)

    def _reshaped(self, made: Any, shape: list[int]) -> Any:
        if list(made.meta["val"].shape) == shape:
            return made
        return self._editor.call(self._node, _aten.reshape.default, made, shape)

    def _is_contiguous(self) -> bool:
        """Whether no ``:`` stands between the indices as they were written."""
        given = [i for i, each in enumerate(self._node.args[1]) if each is not None]
        return given[-1] - given[0] + 1 == len(given)

    def _along(self, made: Any, axis: int, index: list[int]) -> Any:
        return along(self._editor, self._node, made, axis, index)


def along(editor: Editor, at: Any, operand: Any, axis: int, index: list[int]) -> Any:
    """Elements of one dimension: as it is, a slice, repetitions, or a gather of rows.

    Args:
        editor: Of the program.
        at: The node that this stands for.
        operand: What is read.
        axis: The dimension.
        index: Places in it, none negative.
    """
    size = operand.meta["val"].shape[axis]
    if index == list(range(size)):
        return operand
    step = _step(index)
    if step is not None:
        end = index[-1] + 1
        return editor.call(at, _aten.slice.Tensor, operand, axis, index[0], end, step)
    times = _times(index)
    if times > 1:
        made = along(editor, at, operand, axis, index[::times])
        made = editor.call(at, _aten.unsqueeze.default, made, axis + 1)
        shape = list(made.meta["val"].shape)
        shape[axis + 1] = times
        made = editor.call(at, _aten.expand.default, made, shape)
        shape[axis : axis + 2] = [len(index)]
        made = editor.call(at, _aten.clone.default, made)
        return editor.call(at, _aten.reshape.default, made, shape)
    chosen = editor.constant(torch.tensor(index), at)
    return editor.call(at, _aten.index_select.default, operand, axis, chosen)


def _numbers(value: torch.Tensor) -> list[int]:
    flat: Any = value.reshape(-1)
    return flat.tolist()


def _step(index: list[int]) -> int | None:
    """The distance of places that lie equally far apart, forwards; None if they do not."""
    if len(index) == 1:
        return 1
    step = index[1] - index[0]
    is_range = index == list(range(index[0], index[0] + step * len(index), step)) if step > 0 else 0
    return step if is_range else None


def _times(index: list[int]) -> int:
    """How often each place stands in a row, where all stand equally often."""
    times = next((i for i, each in enumerate(index) if each != index[0]), len(index))
    repeated = [each for each in index[::times] for _ in range(times)]
    return times if index == repeated else 1


def _direction(value: torch.Tensor) -> int | None:
    """The dimension that alone changes a tensor's elements; -1 if none does, None if several do."""
    changing = [
        dim
        for dim in range(value.ndim)
        if value.shape[dim] > 1 and not bool((value == value.narrow(dim, 0, 1)).all())
    ]
    if len(changing) > 1:
        return None
    return changing[0] if changing else -1
