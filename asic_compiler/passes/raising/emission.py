"""The graph written back as ``asic`` operations."""

from __future__ import annotations

from collections.abc import Iterable

from xdsl.dialects import arith
from xdsl.dialects.builtin import TensorType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, SSAValue

from asic_compiler.dialects import asic
from asic_compiler.passes.raising import views
from asic_compiler.passes.raising.bodies import write_region
from asic_compiler.passes.raising.graph import (
    Access,
    Argument,
    Concat,
    Constant,
    Conv,
    Elementwise,
    Gather,
    Kept,
    KvAppend,
    Matmul,
    Node,
    Pad,
    Reduce,
    Return,
    Value,
    Weight,
)
from asic_compiler.passes.raising.views import Shape


def emit(function: FuncOp, nodes: Iterable[Node]) -> None:
    """Replaces the function's block by the operators of its graph."""
    old = function.body.block
    new = Block(arg_types=[argument.type for argument in old.args])
    for before, after in zip(old.args, new.args, strict=True):
        after.name_hint = before.name_hint
        after.location = before.location
    writer = _Writer(old, new)
    for node in nodes:
        writer.write(node)
    function.body.detach_block(old)
    function.body.add_block(new)


class _Writer:
    def __init__(self, old: Block, new: Block) -> None:
        self._arguments = dict(zip(old.args, new.args, strict=True))
        self._block = new
        self._made: dict[int, SSAValue] = {}
        self._reshapes: dict[tuple[int, Shape], SSAValue] = {}

    def write(self, node: Node) -> None:
        op = self._operation(node)
        if op is None:
            return
        self._append(op, node.source)
        for value, result in zip(node.results, op.results, strict=True):
            self._made[id(value)] = result

    def _append(self, op: Operation, source: Operation | None) -> None:
        if source is not None:
            op.location = source.location
        self._block.add_op(op)

    def _operation(self, node: Node) -> Operation | None:
        match node:
            case Argument():
                ssa = node.ssa
                self._made[id(node.results[0])] = next(
                    new for old, new in self._arguments.items() if old is ssa
                )
                return None
            case Weight():
                return asic.WeightOp(node.value)
            case Constant():
                return arith.ConstantOp.create(
                    result_types=[node.results[0].type], properties={"value": node.value}
                )
            case Elementwise():
                return self._elementwise(node)
            case Reduce():
                return self._reduce(node)
            case Matmul():
                lhs, rhs = (self._reshape(access, node) for access in node.inputs)
                transpose = node.transpose_rhs
                return asic.MatmulOp(lhs, rhs, node.results[0].type, transpose_rhs=transpose)
            case Conv():
                data, weight = (self._reshape(access, node) for access in node.inputs)
                return asic.ConvOp(
                    data,
                    weight,
                    node.results[0].type,
                    strides=node.strides,
                    dilations=node.dilations,
                    low_padding=node.low,
                    high_padding=node.high,
                    groups=node.groups,
                )
            case Gather():
                table, indices = (self._reshape(access, node) for access in node.inputs)
                return asic.GatherOp(table, indices, node.results[0].type)
            case Concat():
                return asic.ConcatOp(
                    [self._value(access.value) for access in node.inputs],
                    [views.to_affine(access.view) for access in node.inputs],
                    node.sizes,
                    node.dim,
                    node.results[0].type,
                )
            case Pad():
                source = self._reshape(node.inputs[0], node)
                return asic.PadOp(source, node.low, node.high, node.fill, node.results[0].type)
            case KvAppend():
                cache, new = (self._reshape(access, node) for access in node.inputs)
                return asic.KvAppendOp(
                    cache,
                    new,
                    axis=node.axis,
                    position=node.position,
                    role=node.role,
                    layer=node.layer,
                )
            case Kept():
                return self._kept(node)
            case Return():
                return ReturnOp(*(self._reshape(access, node) for access in node.inputs))
            case _:
                raise TypeError(f"no operation for {type(node).__name__}")

    def _elementwise(self, node: Elementwise) -> Operation:
        (result,) = node.results
        body = node.body
        operands = [self._value(access.value) for access in node.inputs]
        if body.is_identity:
            (access,) = node.inputs
            return asic.LayoutOp(
                operands[0],
                views.to_affine(access.view),
                result.type,
                is_view=access.is_reshape,
            )
        maps = [views.to_affine(access.view) for access in node.inputs]
        region = write_region(body, body.arguments)
        return asic.ElementwiseOp(operands, maps, result.type, region)

    def _reduce(self, node: Reduce) -> Operation:
        count = len(node.inputs) - node.starts
        return asic.ReduceOp(
            [self._value(access.value) for access in node.inputs[:count]],
            [views.to_affine(access.view) for access in node.inputs[:count]],
            node.sizes,
            node.reduced,
            [value.type for value in node.results],
            write_region(node.body, node.body.arguments),
            init=node.init,
            inits=[self._reshape(access, node) for access in node.inputs[count:]],
        )

    def _kept(self, node: Kept) -> Operation:
        assert node.source is not None, "a kept operation has a source"
        operands = [self._reshape(access, node) for access in node.inputs]
        mapping = dict(zip(node.source.operands, operands, strict=True))
        return node.source.clone(value_mapper=mapping)

    def _value(self, value: Value) -> SSAValue:
        return self._made[id(value)]

    def _reshape(self, access: Access, node: Node) -> SSAValue:
        """A value in its own order under the accessed shape: a free view where shapes differ."""
        value = self._value(access.value)
        if access.shape == access.value.shape:
            return value
        key = (id(access.value), access.shape)
        found = self._reshapes.get(key)
        if found is None:
            type_ = TensorType(access.value.element, access.shape)
            op = asic.LayoutOp(value, views.to_affine(access.view), type_, is_view=True)
            self._append(op, node.source)
            found = self._reshapes[key] = op.result
        return found
