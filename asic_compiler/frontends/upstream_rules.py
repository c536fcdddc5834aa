"""Rules of upstream MLIR's dialects that xDSL 0.74 does not verify, and that our passes count on.

Source: https://mlir.llvm.org/docs/Dialects/Linalg/, .../TensorOps/.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from xdsl.dialects import tensor
from xdsl.dialects.builtin import DYNAMIC_INDEX, AffineMapAttr, ArrayAttr, ModuleOp, ShapedType
from xdsl.dialects.linalg import ops as linalg
from xdsl.ir import Attribute, Operation, SSAValue


def broken_rule(module: ModuleOp) -> tuple[Operation, str] | None:
    """The first operation of a verified module that breaks a rule, and how; None if none does."""
    for op in module.walk():
        if (message := broken_rule_of(op)) is not None:
            return op, message
    return None


def broken_rule_of(op: Operation) -> str | None:
    """How an operation breaks a rule; None if it does not."""
    for kind, rule in _RULES:
        if isinstance(op, kind) and (message := rule(op)) is not None:
            return message
    return None


def _shape(value: SSAValue) -> tuple[int, ...] | None:
    type_ = value.type
    return type_.get_shape() if isinstance(type_, ShapedType) else None


def _element(value: SSAValue) -> Attribute:
    type_ = value.type
    return cast("Any", type_).get_element_type() if isinstance(type_, ShapedType) else type_


def _differ(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two shapes cannot be the same; an unknown size may be any."""
    return len(one) != len(other) or any(
        a != b and DYNAMIC_INDEX not in (a, b) for a, b in zip(one, other, strict=True)
    )


def _structured(op: Any) -> str | None:
    """A nest: the body takes a scalar an operand and yields one an output."""
    operands, outputs = (*op.inputs, *op.outputs), tuple(op.outputs)
    block = op.body.blocks[0] if op.body.blocks else None
    if block is None:
        return "it has no body"
    if [a.type for a in block.args] != [_element(value) for value in operands]:
        return "its body does not take one scalar an operand, of its element type"
    last = block.last_op
    if not isinstance(last, linalg.YieldOp):
        return "its body does not end in linalg.yield"
    if [value.type for value in last.operands] != [_element(value) for value in outputs]:
        return "its body does not yield one scalar an output, of its element type"
    made = [value.type for value in outputs if not _is_memref(value)]
    if [value.type for value in op.results] != made:
        return "its results are not of the types of its outputs"
    return None


def _is_memref(value: SSAValue) -> bool:
    return value.type.name == "memref"


def _generic(op: Any) -> str | None:
    maps, loops = cast("ArrayAttr[AffineMapAttr]", op.indexing_maps), len(op.iterator_types)
    operands = (*op.inputs, *op.outputs)
    if len(maps) != len(operands):
        return f"{len(maps)} indexing maps for {len(operands)} operands"
    for map_, value in zip(maps, operands, strict=True):
        if map_.data.num_dims != loops or map_.data.num_symbols:
            return f"indexing map {map_.data} is not one of {loops} loops"
        rank = len(_shape(value) or ())
        if len(map_.data.results) != rank:
            return f"indexing map {map_.data} for an operand of rank {rank}"
    return None


def _transpose(op: Any) -> str | None:
    order = cast("tuple[int, ...]", tuple(op.permutation.get_values()))
    if len(op.inputs) != 1 or len(op.outputs) != 1:
        return "it needs one input and one output"
    source, target = _shape(op.inputs[0]) or (), _shape(op.outputs[0]) or ()
    if sorted(order) != list(range(len(source))):
        return f"{list(order)} is not a permutation of {len(source)} dimensions"
    if _differ(tuple(source[d] for d in order), target):
        return f"shape {list(source)} permuted by {list(order)} is not {list(target)}"
    return None


def _broadcast(op: Any) -> str | None:
    added, target = tuple(op.dimensions.get_values()), _shape(op.init) or ()
    source = _shape(op.input) or ()
    if len(set(added)) != len(added) or any(not 0 <= d < len(target) for d in added):
        return f"{list(added)} are not dimensions of the output"
    if _differ(tuple(s for d, s in enumerate(target) if d not in added), source):
        return f"shape {list(source)} with dimensions {list(added)} added is not {list(target)}"
    return None


def _slice(op: Any, whole: SSAValue, part: SSAValue) -> str | None:
    """Offsets, sizes and strides are one a dimension; the part has the sizes, ones left out."""
    rank = len(_shape(whole) or ())
    lists = [op.static_offsets, op.static_sizes, op.static_strides]
    offsets, sizes, strides = (tuple(one.get_values()) for one in lists)
    if not len(offsets) == len(sizes) == len(strides) == rank:
        return f"offsets, sizes and strides are not {rank} each"
    negative = [n for n in (*offsets, *sizes) if n < 0 and n != DYNAMIC_INDEX]
    if negative:
        return f"an offset or a size is negative: {negative[0]}"
    found = _shape(part) or ()
    if not _left_out(sizes, found):
        return f"a slice of sizes {list(sizes)} is not of shape {list(found)}"
    return None


def _left_out(sizes: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether a shape is these sizes with some that are one left out."""
    position = 0
    for place, size in enumerate(sizes):
        rest = len(sizes) - place
        if position < len(shape) and not _differ((size,), (shape[position],)):
            # A one that may be left out is kept where all of the rest is needed.
            if size != 1 or len(shape) - position >= rest or shape[position] == 1:
                position += 1
        elif size != 1:
            return False
    return position == len(shape)


def _extract(op: Any) -> str | None:
    rank = len(_shape(op.tensor) or ())
    if len(op.indices) != rank:
        return f"{len(op.indices)} indices for a tensor of rank {rank}"
    return None


def _concat(op: Any) -> str | None:
    shapes = [_shape(value) or () for value in (*op.inputs, op.result)]
    if not op.inputs or any(len(shape) != len(shapes[-1]) for shape in shapes):
        return "inputs and result differ in rank"
    return None if op.dim.value.data >= 0 else "dim is negative"


_RULES: tuple[tuple[type[Any], Callable[[Any], str | None]], ...] = (
    (linalg.GenericOp, _generic),
    (linalg.TransposeOp, _transpose),
    (linalg.BroadcastOp, _broadcast),
    (linalg.GenericOp, _structured),
    (tensor.ExtractSliceOp, lambda op: _slice(op, op.source, op.result)),
    (tensor.InsertSliceOp, lambda op: _slice(op, op.dest, op.source)),
    (tensor.ExtractOp, _extract),
    (tensor.ConcatOp, _concat),
)
