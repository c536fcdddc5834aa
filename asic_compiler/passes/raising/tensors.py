"""Operations of ``tensor``, ``arith.constant`` and the function's end: mostly views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from xdsl.dialects import arith
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, DenseResourceAttr, TensorType
from xdsl.ir import Attribute, Operation, SSAValue

from asic_compiler.dialects.text import is_repeated
from asic_compiler.passes.raising.builder import (
    Empty,
    GraphBuilder,
    Handler,
    Splat,
    UnsupportedError,
    attribute_of,
    integers,
    static_type,
)
from asic_compiler.passes.raising.graph import (
    Access,
    Concat,
    Constant,
    Kept,
    KvAppend,
    Pad,
    Weight,
    whole,
)
from asic_compiler.passes.raising.views import Shape


def raise_constant(builder: GraphBuilder, op: Operation) -> None:
    """``arith.constant``: a weight, a repeated scalar, or kept; scalars are read where used."""
    result = op.results[0]
    if not isinstance(result.type, TensorType):
        return
    shape, element = static_type(result)
    value = attribute_of(op, "value")
    if isinstance(value, DenseResourceAttr):
        builder.define(result, whole(builder.add(Weight(op, value)).result(shape, element)))
        return
    scalar = _repeated(value)
    if scalar is not None:
        builder.define(result, Splat(scalar, shape, element))
        return
    if value is None:
        raise UnsupportedError("it has no value")
    builder.define(result, whole(builder.add(Constant(op, value)).result(shape, element)))


def _repeated(value: Attribute | None) -> Attribute | None:
    if not isinstance(value, DenseIntOrFPElementsAttr):
        return None
    dense = cast("DenseIntOrFPElementsAttr", value)
    return next(iter(dense.iter_attrs())) if is_repeated(dense) else None


def raise_empty(builder: GraphBuilder, op: Operation) -> None:
    """``tensor.empty``: nothing until it is written."""
    builder.define(op.results[0], Empty(*static_type(op.results[0])))


def raise_reshape(builder: GraphBuilder, op: Operation) -> None:
    """``tensor.expand_shape``, ``collapse_shape``, ``cast`` and ``reshape`` to a static shape."""
    shape, element = static_type(op.results[0])
    source = builder.tensor(op.operands[0])
    if isinstance(source, Access):
        builder.define(op.results[0], builder.reshaped(source, shape))
    elif isinstance(source, Splat):
        builder.define(op.results[0], Splat(source.value, shape, element))
    else:
        builder.define(op.results[0], Empty(shape, element))


def raise_splat(builder: GraphBuilder, op: Operation) -> None:
    """``tensor.splat`` and ``tensor.from_elements`` of one constant."""
    shape, element = static_type(op.results[0])
    values = {_constant(operand) for operand in op.operands}
    if len(values) != 1:
        raise UnsupportedError("it holds different or run-time scalars")
    builder.define(op.results[0], Splat(values.pop(), shape, element))


def _constant(value: SSAValue) -> Attribute:
    owner = value.owner
    if not isinstance(owner, arith.ConstantOp):
        raise UnsupportedError("it holds a run-time scalar")
    return owner.value


def _static_slice(op: Operation, fixed_operands: int) -> tuple[Shape, Shape, Shape]:
    if len(op.operands) != fixed_operands:
        raise UnsupportedError("its offsets, sizes or strides are computed at run time")
    return (
        integers(op, "static_offsets"),
        integers(op, "static_sizes"),
        integers(op, "static_strides"),
    )


def raise_extract_slice(builder: GraphBuilder, op: Operation) -> None:
    """``tensor.extract_slice``: a view."""
    offsets, sizes, strides = _static_slice(op, 1)
    shape, element = static_type(op.results[0])
    source = builder.tensor(op.operands[0])
    if isinstance(source, Splat):
        builder.define(op.results[0], Splat(source.value, shape, element))
        return
    access = builder.materialised(source)
    for dim, (offset, size, step) in enumerate(zip(offsets, sizes, strides, strict=True)):
        access = builder.sliced(access, dim, offset, size, step)
    builder.define(op.results[0], builder.reshaped(access, shape))


def raise_insert_slice(builder: GraphBuilder, op: Operation) -> None:
    """``tensor.insert_slice``: a KV append, or the pieces before, at and after the slice."""
    offsets, sizes, strides = _static_slice(op, 2)
    shape, _ = static_type(op.results[0])
    moved = [d for d, size in enumerate(sizes) if size != shape[d]]
    if any(stride != 1 for stride in strides) or len(moved) > 1:
        raise UnsupportedError("it writes a slice along more than one dimension, or with a stride")
    values = builder.reshaped(builder.access(op.operands[0]), sizes)
    if not moved:
        builder.define(op.results[0], values)
        return
    axis = moved[0]
    destination = builder.tensor(op.operands[1])
    if isinstance(destination, Access) and destination.is_whole:
        role = builder.kv_role(destination.value)
        if role is not None or _is_update(builder, op):
            node = KvAppend(
                op,
                axis,
                offsets[axis],
                None if role is None else role.role,
                None if role is None else role.layer,
            )
            node.inputs = [destination, builder.ordered(values)]
            element = destination.value.element
            builder.define(op.results[0], whole(builder.add(node).result(shape, element)))
            return
    target = builder.materialised(destination)
    end = offsets[axis] + sizes[axis]
    pieces = [
        builder.sliced(target, axis, 0, offsets[axis]) if offsets[axis] else None,
        values,
        builder.sliced(target, axis, end, shape[axis] - end) if end < shape[axis] else None,
    ]
    _define_concat(builder, op, [p for p in pieces if p is not None], axis)


def _is_update(builder: GraphBuilder, op: Operation) -> bool:
    """Whether a function argument is written and returned: a state, such as a cache."""
    block = builder.function.body.block
    return op.operands[1] in block.args and builder.is_returned(op.results[0])


def raise_concat(builder: GraphBuilder, op: Operation) -> None:
    """``tensor.concat``."""
    pieces = [builder.access(operand) for operand in op.operands]
    _define_concat(builder, op, pieces, integers(op, "dim")[0])


def _define_concat(
    builder: GraphBuilder, op: Operation, pieces: Sequence[Access], axis: int
) -> None:
    shape, element = static_type(op.results[0])
    if len(pieces) == 1:
        builder.define(op.results[0], pieces[0])
        return
    node = Concat(op, axis, tuple(piece.shape[axis] for piece in pieces))
    node.inputs = list(pieces)
    builder.define(op.results[0], whole(builder.add(node).result(shape, element)))


def raise_pad(builder: GraphBuilder, op: Operation) -> None:
    """``tensor.pad`` with a constant."""
    if len(op.operands) != 1:
        raise UnsupportedError("its border is computed at run time")
    low, high = integers(op, "static_low"), integers(op, "static_high")
    end = op.regions[0].block.last_op
    if end is None or not end.operands:
        raise UnsupportedError("its value is not a constant")
    fill = _constant(end.operands[0])
    shape, element = static_type(op.results[0])
    source = builder.tensor(op.operands[0])
    if not any(low) and not any(high):
        builder.define(op.results[0], source)
        return
    if min(*low, *high) < 0:
        raise UnsupportedError("its border is negative")
    if isinstance(source, Splat) and source.value == fill:
        builder.define(op.results[0], Splat(fill, shape, element))
        return
    node = Pad(op, low, high, fill)
    node.inputs = [builder.ordered(builder.materialised(source))]
    builder.define(op.results[0], whole(builder.add(node).result(shape, element)))


def skip(builder: GraphBuilder, op: Operation) -> None:
    """Scalar arithmetic outside bodies: cloned into the bodies that use it."""


def keep(builder: GraphBuilder, op: Operation) -> None:
    """An operation that is already what we want."""
    node = Kept(op)
    node.inputs = [builder.ordered(builder.access(operand)) for operand in op.operands]
    builder.add(node)
    for result in op.results:
        builder.define(result, whole(node.result(*static_type(result))))


def finish(builder: GraphBuilder, op: Operation) -> None:
    """``func.return``."""
    builder.finish(op)


HANDLERS: dict[str, Handler] = {
    "arith.constant": raise_constant,
    "tensor.empty": raise_empty,
    "tensor.expand_shape": raise_reshape,
    "tensor.collapse_shape": raise_reshape,
    "tensor.cast": raise_reshape,
    "tensor.splat": raise_splat,
    "tensor.from_elements": raise_splat,
    "tensor.extract_slice": raise_extract_slice,
    "tensor.insert_slice": raise_insert_slice,
    "tensor.concat": raise_concat,
    "tensor.pad": raise_pad,
    "cf.assert": skip,
    "func.return": finish,
}
