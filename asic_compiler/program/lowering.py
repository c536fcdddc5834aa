"""One operator of the ``asic`` dialect as instructions of one program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import AnyFloat, f32, f64
from xdsl.ir import Attribute, Operation, OpResult, SSAValue
from xdsl.ir.affine import AffineMap

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import asic, tcc
from asic_compiler.dialects.location import location_of
from asic_compiler.program.declarations import Constant, Declarations
from asic_compiler.program.kernels import combiners
from asic_compiler.program.work import Work, reduction_bytes, rows_are_whole, touched_rows
from asic_compiler.workload.values import bits, root_of, shape


@dataclass(frozen=True, slots=True)
class Lowering:
    """What an operator needs while it is written into one program."""

    declared: Declarations
    work: Work
    held: dict[SSAValue, SSAValue]
    """Buffers of the values it reads."""
    add: Callable[[Operation], None]

    def buffer(self, value: SSAValue) -> SSAValue:
        """The buffer of an operand: held as it is, loaded, or a view of either."""
        if value in self.held:
            return self.held[value]
        position = self.work.position
        owner = value.owner
        kind = tcc.BufferType.of(value.type)
        if isinstance(owner, asic.LayoutOp) and owner.is_view:
            view = tcc.ViewOp(self.buffer(owner.operand), owner.map.data, position, kind)
            self.add(view)
            return view.result
        source = (
            self.declared.weight(owner)
            if isinstance(owner, asic.WeightOp | ConstantOp)
            else self.declared.cache(value)
        )
        if source is None:
            raise ValueError(f"operator {position} reads a value that its tiles do not hold")
        load = tcc.LoadOp(source, position, kind)
        self.add(load)
        return load.buffer


def lower(op: Operation, context: Lowering) -> tuple[tcc.Instruction, list[SSAValue]]:
    """Writes an operator.

    Returns:
        The instruction that does the work, not yet scheduled, and a buffer a result of ``op``.

    Raises:
        UserError: No instruction executes such an operator.
    """
    cut, position = context.work.cut, context.work.position
    done: tcc.Instruction
    match op:
        case asic.MatmulOp():
            return _matmul(op, context)
        case asic.ConvOp():
            return _conv(op, context)
        case asic.ElementwiseOp():
            inputs = [context.buffer(value) for value in op.inputs]
            kernel = context.declared.kernels.name_for(op)
            done = tcc.VectorOp(kernel, inputs, cut, position, [_buffer_type(op.result)])
        case asic.ReduceOp():
            return _reduce(op, context)
        case asic.GatherOp():
            constant = _constant(op.table)
            table = (
                context.declared.weight(constant[0])
                if constant is not None and constant[1] is None
                else context.buffer(op.table)
            )
            indices = context.buffer(op.indices)
            done = tcc.GatherOp(indices, table, cut, position, _buffer_type(op.result))
        case asic.LayoutOp():
            operand = context.buffer(op.operand)
            done = tcc.CopyOp(operand, op.map.data, cut, position, _buffer_type(op.result))
        case asic.ConcatOp():
            done = tcc.ConcatOp(
                [context.buffer(value) for value in op.inputs],
                op.dim.value.data,
                tuple(op.sizes.get_values()),
                op.indexing_maps,
                cut,
                position,
                _buffer_type(op.result),
            )
        case asic.PadOp():
            low, high = tuple(op.low.get_values()), tuple(op.high.get_values())
            operand = context.buffer(op.operand)
            done = tcc.PadOp(operand, low, high, op.value, cut, position, _buffer_type(op.result))
        case asic.KvAppendOp():
            done = append(op, context.buffer(op.values), cut, position, context.declared)
        case _:
            raise UserError(f"no instruction executes {op.name}", location_of(op))
    context.add(done)
    return done, list(done.results)


def append(
    op: asic.KvAppendOp,
    values: SSAValue,
    cut: tcc.CutAttr,
    position: int,
    declared: Declarations,
) -> tcc.KvAppendOp:
    """The instruction that writes ``values`` into the cache of ``op``."""
    cache = declared.cache(op.result)
    assert cache is not None, "every append declares its cache"
    axis, slot = op.axis.value.data, op.position.value.data
    return tcc.KvAppendOp(values, cache, axis, slot, cut, position, _buffer_type(op.result))


def _matmul(op: asic.MatmulOp, context: Lowering) -> tuple[tcc.Instruction, list[SSAValue]]:
    work = context.work
    c = work.cost
    sizes = (c.batch, c.m, c.n, c.k)
    if sizes != op.sizes:
        raise ValueError(f"operator {work.position} has sizes {op.sizes} but is placed as {sizes}")
    turned, shared = op.transpose_rhs is None, len(shape(op.rhs)) == 2 and c.batch > 1
    partial = _partial_type(op.result.type, work)
    constant = _constant(op.rhs)
    done: tcc.MmaOp | tcc.MmaDmemOp
    if constant is not None and work.cut.b.data == 1:
        done = tcc.MmaOp(
            context.buffer(op.lhs),
            context.declared.weight(constant[0]),
            sizes,
            work.cut,
            work.position,
            partial,
            transposed=turned,
            shared=shared,
            weight_map=constant[1],
        )
    else:
        done = tcc.MmaDmemOp(
            context.buffer(op.lhs),
            context.buffer(op.rhs),
            sizes,
            work.cut,
            work.position,
            partial,
            transposed=turned,
            shared=shared,
        )
    context.add(done)
    return done, _summed(done.result, op.result, context)


def _conv(op: asic.ConvOp, context: Lowering) -> tuple[tcc.Instruction, list[SSAValue]]:
    work = context.work
    constant = _constant(op.weight)
    if constant is None:
        raise UserError("a convolution with filters computed at run time", location_of(op))
    done = tcc.ConvOp(
        context.buffer(op.input),
        context.declared.weight(constant[0]),
        op.sizes,
        work.cut,
        work.position,
        _partial_type(op.result.type, work),
        strides=tuple(op.strides.get_values()),
        dilations=tuple(op.dilations.get_values()),
        low_padding=tuple(op.low_padding.get_values()),
        high_padding=tuple(op.high_padding.get_values()),
        weight_map=constant[1],
    )
    context.add(done)
    return done, _summed(done.result, op.result, context)


def _reduce(op: asic.ReduceOp, context: Lowering) -> tuple[tcc.Instruction, list[SSAValue]]:
    work = context.work
    results = [_buffer_type(value) for value in op.res]
    done = tcc.VectorOp(
        context.declared.kernels.name_for(op),
        [context.buffer(value) for value in (*op.inputs, *op.inits)],
        work.cut,
        work.position,
        results,
    )
    context.add(done)
    sizes, reduced = op.iteration_sizes, op.reduced.value.data
    points, row = prod(sizes), prod(sizes[len(sizes) - reduced :])
    if rows_are_whole(work, points, row):
        return done, list(done.res)
    width = sum(-(-bits(value) // 8) for value in op.res)
    reduce = tcc.ReduceOp(
        done.res,
        combiners(op),
        work.cut,
        touched_rows(work, points, row) * width,
        work.position,
        results,
    )
    context.add(reduce)
    context.add(tcc.WaitOp([reduce.token], work.position))
    return done, list(reduce.res)


def _summed(partial: SSAValue, result: SSAValue, context: Lowering) -> list[SSAValue]:
    """The result of a contraction: its sum over the k group where k is cut."""
    work = context.work
    if work.cut.k.data == 1:
        return [partial]
    element = _buffer_type(result).element_type
    reduce = tcc.ReduceOp(
        [partial],
        ["arith.addf" if isinstance(element, AnyFloat) else "arith.addi"],
        work.cut,
        reduction_bytes(work, prod(shape(result))),
        work.position,
        [_buffer_type(result)],
    )
    context.add(reduce)
    context.add(tcc.WaitOp([reduce.token], work.position))
    return list(reduce.res)


def _partial_type(type_: Attribute, work: Work) -> tcc.BufferType:
    """What a contraction writes: sums, or partial sums in f32 where k is cut."""
    kind = tcc.BufferType.of(type_)
    if work.cut.k.data == 1 or not isinstance(kind.element_type, AnyFloat):
        return kind
    return tcc.BufferType(kind.shape, f64 if kind.element_type == f64 else f32)


def _buffer_type(value: SSAValue) -> tcc.BufferType:
    return tcc.BufferType.of(value.type)


def _constant(value: SSAValue) -> tuple[Constant, AffineMap | None] | None:
    """A constant behind views, and the map it is read through; None for other values."""
    root = root_of(value)
    if not isinstance(root, OpResult) or not isinstance(root.op, asic.WeightOp | ConstantOp):
        return None
    map_: AffineMap | None = None
    while value is not root:
        owner = value.owner
        assert isinstance(owner, asic.LayoutOp)
        map_ = owner.map.data if map_ is None else owner.map.data.compose(map_)
        value = owner.operand
    return root.op, map_
