"""Rules of upstream's ``tensor`` that xDSL 0.74 does not verify, and that our passes count on.

Source: https://mlir.llvm.org/docs/Dialects/TensorOps/.
"""

from __future__ import annotations

from math import prod
from typing import Any

from xdsl.dialects.builtin import DYNAMIC_INDEX
from xdsl.ir import SSAValue

from asic_compiler.frontends.shapes import Shape, count_differs, differ, element_of, shape_of


def extract_slice_rule(op: Any) -> str | None:
    """``tensor.extract_slice``: see `_slice_rule`."""
    return _slice_rule(op, op.source, op.result)


def insert_slice_rule(op: Any) -> str | None:
    """``tensor.insert_slice``: see `_slice_rule`."""
    return _slice_rule(op, op.dest, op.source)


def _slice_rule(op: Any, whole: SSAValue, part: SSAValue) -> str | None:
    """One offset, size and stride a dimension, inside it; the part has the sizes, ones left out."""
    shape = shape_of(whole)
    lists = [op.static_offsets, op.static_sizes, op.static_strides]
    offsets, sizes, strides = (tuple(one.get_values()) for one in lists)
    if not len(offsets) == len(sizes) == len(strides) == len(shape):
        return f"offsets, sizes and strides are not {len(shape)} each"
    for offset, size, stride, extent in zip(offsets, sizes, strides, shape, strict=True):
        if (offset < 0 and offset != DYNAMIC_INDEX) or (size < 0 and size != DYNAMIC_INDEX):
            return f"an offset or a size is negative: {offset}, {size}"
        last = offset + (size - 1) * stride
        known = DYNAMIC_INDEX not in (offset, size, stride, extent)
        if known and size and not (offset < extent and 0 <= last < extent):
            return f"a slice reaches {offset}..{last} of a dimension of size {extent}"
    if not _left_out(sizes, shape_of(part)):
        return f"a slice of sizes {list(sizes)} is not of shape {list(shape_of(part))}"
    return None


def _left_out(sizes: Shape, shape: Shape) -> bool:
    """Whether a shape is these sizes with some that are one left out."""
    position = 0
    for place, size in enumerate(sizes):
        rest = len(sizes) - place
        if position < len(shape) and not differ((size,), (shape[position],)):
            # A one that may be left out is kept where all of the rest is needed.
            if size != 1 or len(shape) - position >= rest or shape[position] == 1:
                position += 1
        elif size != 1:
            return False
    return position == len(shape)


def pad_rule(op: Any) -> str | None:
    """``tensor.pad``: the result is the source with the borders."""
    source, result = shape_of(op.source), shape_of(op.result)
    low, high = tuple(op.static_low.get_values()), tuple(op.static_high.get_values())
    if not len(low) == len(high) == len(source):
        return f"borders are not {len(source)} each"
    sums = tuple(
        DYNAMIC_INDEX if DYNAMIC_INDEX in parts else sum(parts)
        for parts in zip(low, source, high, strict=True)
    )
    if differ(sums, result):
        return f"shape {list(source)} with its borders is not {list(result)}"
    return None


def extract_rule(op: Any) -> str | None:
    """``tensor.extract``: an index a dimension."""
    rank = len(shape_of(op.tensor))
    if len(op.indices) != rank:
        return f"{len(op.indices)} indices for a tensor of rank {rank}"
    return None


def concat_rule(op: Any) -> str | None:
    """``tensor.concat``: the inputs one after another."""
    shapes, result = [shape_of(value) for value in op.inputs], shape_of(op.result)
    axis: int = op.dim.value.data
    if not shapes or any(len(shape) != len(result) for shape in shapes):
        return "inputs and result differ in rank"
    if not 0 <= axis < len(result):
        return f"dim is {axis}, of {len(result)} dimensions"
    sizes = [shape[axis] for shape in shapes]
    total = DYNAMIC_INDEX if DYNAMIC_INDEX in sizes else sum(sizes)
    for shape in shapes:
        if differ((*shape[:axis], total, *shape[axis + 1 :]), result):
            return f"a shape {list(shape)} is no part of {list(result)} along dim {axis}"
    return None


def reshape_rule(op: Any) -> str | None:
    """``tensor.expand_shape`` and ``collapse_shape``: groups of dimensions are one dimension."""
    source, result = shape_of(op.src), shape_of(op.result)
    fine, coarse = (source, result) if len(source) > len(result) else (result, source)
    groups: list[list[int]] = [[item.value.data for item in group] for group in op.reassociation]
    if [d for group in groups for d in group] != list(range(len(fine))):
        return f"reassociation {groups} does not name {len(fine)} dimensions in order"
    if not groups:
        return None if all(size in (1, DYNAMIC_INDEX) for size in fine) else "it drops elements"
    if len(groups) != len(coarse):
        return f"{len(groups)} groups for {len(coarse)} dimensions"
    for group, size in zip(groups, coarse, strict=True):
        parts = [fine[d] for d in group]
        if DYNAMIC_INDEX not in (*parts, size) and prod(parts) != size:
            return f"dimensions of sizes {parts} are not one of size {size}"
    return None


def cast_rule(op: Any) -> str | None:
    """``tensor.cast`` and ``tensor.reshape``: the same elements."""
    source, result = op.operands[0], op.results[0]
    if element_of(source) != element_of(result):
        return "source and result have different element types"
    if count_differs(shape_of(source), shape_of(result)):
        return f"{list(shape_of(source))} has not as many elements as {list(shape_of(result))}"
    return None


def from_elements_rule(op: Any) -> str | None:
    """``tensor.from_elements``: an operand an element."""
    if DYNAMIC_INDEX in shape_of(op.results[0]):
        return "the result has no static shape"
    if len(op.operands) != prod(shape_of(op.results[0])):
        return f"{len(op.operands)} elements for a tensor of shape {list(shape_of(op.results[0]))}"
    if any(value.type != element_of(op.results[0]) for value in op.operands):
        return "its operands are not of the element type"
    return None
