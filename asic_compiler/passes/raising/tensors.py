"""Operations of ``tensor``, ``arith.constant`` and the function's end: mostly views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    Tensor,
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


@dataclass(frozen=True, slots=True)
class _Range:
    """The places along a dimension that a slice has: offset, offset + step, ..."""

    axis: int
    offset: int
    size: int
    step: int


def raise_insert_slice(builder: GraphBuilder, op: Operation) -> None:
    """``tensor.insert_slice``: a write into a cache, or the pieces around and in the slice.

    Whether a cache can be written in place is known when all its readers are (``in_place``).
    """
    offsets, sizes, strides = _static_slice(op, 2)
    shape, element = static_type(op.results[0])
    places = zip(offsets, sizes, strides, shape, strict=True)
    if any(o < 0 or step < 1 or o + (n - 1) * step >= most for o, n, step, most in places):
        raise UnsupportedError("it writes outside its destination, or backwards")
    ranges = [
        _Range(axis, offset, size, step if size > 1 else 1)
        for axis, (offset, size, step) in enumerate(zip(offsets, sizes, strides, strict=True))
        if size != shape[axis]
    ]
    values = builder.reshaped(builder.access(op.operands[0]), sizes)
    if not ranges:
        builder.define(op.results[0], values)
        return
    destination = builder.tensor(op.operands[1])
    if _is_cache(builder, op, destination) and len(ranges) == 1 and ranges[0].step == 1:
        assert isinstance(destination, Access)
        role = builder.kv_role(destination.value)
        node = KvAppend(
            op,
            ranges[0].axis,
            ranges[0].offset,
            None if role is None else role.role,
            None if role is None else role.layer,
        )
        node.inputs = [destination, builder.ordered(values)]
        builder.define(op.results[0], whole(builder.add(node).result(shape, element)))
        return
    target = builder.materialised(destination)
    builder.define(op.results[0], _inserted(builder, op, target, values, ranges))


def _is_cache(builder: GraphBuilder, op: Operation, destination: Tensor) -> bool:
    """Whether keys or values are written, or another argument that the function then returns."""
    if not isinstance(destination, Access) or not destination.is_whole:
        return False
    block = builder.function.body.block
    is_state = op.operands[1] in block.args and builder.is_returned(op.results[0])
    return is_state or builder.kv_role(destination.value) is not None


def _inserted(
    builder: GraphBuilder, op: Operation, target: Access, values: Access, ranges: Sequence[_Range]
) -> Access:
    """``target`` with ``values`` at some places along each of several dimensions."""
    if not ranges:
        return values
    places, rest = ranges[0], ranges[1:]
    axis, offset, size, step = places.axis, places.offset, places.size, places.step
    inside = builder.sliced(target, axis, offset, size, step)
    changed = _inserted(builder, op, inside, values, rest)
    end = offset + (size - 1) * step + 1
    if step == 1:
        pieces = [changed]
    else:
        # Every place and the step - 1 behind it are a row; the last stands alone.
        first, last = size - 1, builder.sliced(changed, axis, size - 1, 1)
        rows = (*target.shape[:axis], first, step, *target.shape[axis + 1 :])
        ones = (*rows[: axis + 1], 1, *rows[axis + 2 :])
        old = builder.reshaped(builder.sliced(target, axis, offset, first * step), rows)
        new = builder.reshaped(builder.sliced(changed, axis, 0, first), ones)
        both = _joined(builder, op, [new, builder.sliced(old, axis + 1, 1, step - 1)], axis + 1)
        flat = (*target.shape[:axis], first * step, *target.shape[axis + 1 :])
        pieces = [builder.reshaped(both, flat), last]
    if offset:
        pieces.insert(0, builder.sliced(target, axis, 0, offset))
    if end < target.shape[axis]:
        pieces.append(builder.sliced(target, axis, end, target.shape[axis] - end))
    return _joined(builder, op, pieces, axis)


def raise_concat(builder: GraphBuilder, op: Operation) -> None:
    """``tensor.concat``."""
    pieces = [builder.access(operand) for operand in op.operands]
    builder.define(op.results[0], _joined(builder, op, pieces, integers(op, "dim")[0]))


def _joined(builder: GraphBuilder, op: Operation, pieces: Sequence[Access], axis: int) -> Access:
    """Pieces one after another along a dimension."""
    if len(pieces) == 1:
        return pieces[0]
    sizes = tuple(piece.shape[axis] for piece in pieces)
    node = Concat(op, axis, sizes)
    node.inputs = list(pieces)
    first = pieces[0].shape
    shape = (*first[:axis], sum(sizes), *first[axis + 1 :])
    return whole(builder.add(node).result(shape, pieces[0].value.element))


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


def refuse_call(builder: GraphBuilder, op: Operation) -> None:
    """``func.call``: a module has one function."""
    raise UnsupportedError("a call is not followed: inline the function")


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
    "func.call": refuse_call,
    "func.return": finish,
}
