"""One operator of the ``asic`` dialect as instructions of one program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import AnyFloat, f32, f64
from xdsl.ir import Attribute, Operation, OpResult, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.utils.test_value import create_ssa_value

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import asic, tcc
from asic_compiler.dialects.location import location_of
from asic_compiler.dialects.tcc.attrs import part_size
from asic_compiler.plan.work import PARTIAL_BYTES, Work
from asic_compiler.program.declarations import Constant, Declarations
from asic_compiler.workload.combining import combiners
from asic_compiler.workload.values import bits, root_of, shape


@dataclass(frozen=True, slots=True)
class StandIns:
    """Stands for buffers that do not exist yet, to see what an instruction will read."""

    values: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])
    """The model's value behind each stand-in."""

    def stand_in(self, value: SSAValue) -> SSAValue:
        """A buffer of a value."""
        made = create_ssa_value(tcc.BufferType.of(value.type))
        self.values[made] = value
        return made

    def add(self, op: Operation) -> None:
        """Takes an instruction, and forgets it."""


Held: TypeAlias = Mapping[SSAValue, tuple[SSAValue, ...]]


@dataclass(frozen=True, slots=True)
class Lowering:
    """What an operator needs while it is written into one program."""

    declared: Declarations
    work: Work
    views: dict[SSAValue, SSAValue]
    """Views written so far."""
    add: Callable[[Operation], None]
    stand_ins: StandIns | None = None
    pieces: Held = field(default_factory=dict[SSAValue, tuple[SSAValue, ...]])
    """Buffers of the values it reads: one, or one a piece."""
    streams: tuple[tuple[tcc.ReceiveOp, ...], ...] = ()
    """Receives to wait for piece by piece, of each operand that arrives so."""

    def buffer(self, value: SSAValue, piece: int = 0) -> SSAValue:
        """The buffer of an operand: held as it is, loaded, or a view of either."""
        if self.stand_ins is not None:
            return self.stand_ins.stand_in(value)
        if value in self.pieces:
            buffers = self.pieces[value]
            return buffers[piece if len(buffers) > 1 else 0]
        position = self.work.position
        owner = value.owner
        kind = tcc.BufferType.of(value.type)
        if isinstance(owner, asic.LayoutOp) and owner.is_view:
            view = tcc.ViewOp(self.buffer(owner.operand, piece), owner.map.data, position, kind)
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
    over = context.work.over
    done: tcc.Instruction
    match op:
        case asic.MatmulOp():
            return _matmul(op, context)
        case asic.ConvOp():
            return _conv(op, context)
        case asic.ElementwiseOp():
            inputs = [context.buffer(value) for value in op.inputs]
            kernel = context.declared.kernels.name_for(op)
            done = tcc.VectorOp(kernel, inputs, over, cut, position, [_buffer_type(op.result)])
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
            done = tcc.GatherOp(indices, table, over, cut, position, _buffer_type(op.result))
        case asic.LayoutOp():
            operand = context.buffer(op.operand)
            done = tcc.CopyOp(operand, op.map.data, over, cut, position, _buffer_type(op.result))
        case asic.ConcatOp():
            done = tcc.ConcatOp(
                [context.buffer(value) for value in op.inputs],
                op.dim.value.data,
                tuple(op.sizes.get_values()),
                op.indexing_maps,
                over,
                cut,
                position,
                _buffer_type(op.result),
            )
        case asic.PadOp():
            low, high = tuple(op.low.get_values()), tuple(op.high.get_values())
            operand = context.buffer(op.operand)
            done = tcc.PadOp(
                operand, low, high, op.value, over, cut, position, _buffer_type(op.result)
            )
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
        return _mma(op, context, constant, transposed=turned, shared=shared)
    done = tcc.MmaDmemOp(
        context.buffer(op.lhs),
        context.buffer(op.rhs),
        sizes,
        work.cut,
        work.position,
        partial,
        transposed=turned,
        shared=shared,
        numbers=context.declared.numbers(op, c),
    )
    context.add(done)
    return done, _summed(done.result, op.result, context)


def _mma(
    op: asic.MatmulOp,
    context: Lowering,
    constant: tuple[Constant, AffineMap | None],
    *,
    transposed: bool,
    shared: bool,
) -> tuple[tcc.Instruction, list[SSAValue]]:
    """A product with a weight, piece by piece as its input arrives."""
    work = context.work
    weight = context.declared.weight(constant[0])
    pieces = 1 if context.stand_ins is not None else work.assignment.pieces
    result = tcc.BufferType.of(op.result.type)
    partial = _partial_type(op.result.type, work)
    wide = _wide(result)
    by_rows = work.assignment.by_rows and work.assignment.pieces > 1
    done: tcc.MmaOp | None = None
    for c in range(pieces):
        for receives in context.streams:
            context.add(tcc.WaitOp([receives[c].token], work.position))
        done = tcc.MmaOp(
            context.buffer(op.lhs, c),
            weight,
            op.sizes,
            work.cut,
            work.position,
            partial if c == pieces - 1 or by_rows else wide,
            transposed=transposed,
            shared=shared,
            weight_map=constant[1],
            piece=(c, pieces) if pieces > 1 else None,
            rows=by_rows,
            acc=None if done is None else done.result,
            numbers=context.declared.numbers(op, work.cost),
        )
        context.add(done)
        for receives in context.streams:
            following = c + work.assignment.buffers
            if following < pieces:
                context.add(receives[following])
    assert done is not None, "an input has at least one piece"
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
        window=shape(op.weight)[2:],
        strides=tuple(op.strides.get_values()),
        dilations=tuple(op.dilations.get_values()),
        low_padding=tuple(op.low_padding.get_values()),
        high_padding=tuple(op.high_padding.get_values()),
        weight_map=constant[1],
        numbers=context.declared.numbers(op, work.cost),
    )
    context.add(done)
    return done, _summed(done.result, op.result, context)


def _reduce(op: asic.ReduceOp, context: Lowering) -> tuple[tcc.Instruction, list[SSAValue]]:
    work = context.work
    results = [_buffer_type(value) for value in op.res]
    done = tcc.VectorOp(
        context.declared.kernels.name_for(op),
        [context.buffer(value) for value in (*op.inputs, *op.inits)],
        work.over,
        work.cut,
        work.position,
        results,
    )
    context.add(done)
    if work.cut.n.data == 1:
        return done, list(done.res)
    width = sum(-(-bits(value) // 8) for value in op.res)
    b, m, _, _ = work.cut.factors
    rows = part_size(work.over[0], b) * part_size(work.over[1], m)
    reduce = tcc.ReduceOp(
        done.res, combiners(op), work.cut, rows * width, work.position, results, along="n"
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
        PARTIAL_BYTES * work.result_elements,
        work.position,
        [_buffer_type(result)],
        along="k",
        scatter=work.assignment.scatter,
    )
    context.add(reduce)
    context.add(tcc.WaitOp([reduce.token], work.position))
    return list(reduce.res)


def _partial_type(type_: Attribute, work: Work) -> tcc.BufferType:
    """What a contraction writes: sums, or partial sums in f32 where k is cut."""
    kind = tcc.BufferType.of(type_)
    return kind if work.cut.k.data == 1 else _wide(kind)


def _wide(kind: tcc.BufferType) -> tcc.BufferType:
    """What partial sums of a result are kept in."""
    if not isinstance(kind.element_type, AnyFloat):
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
