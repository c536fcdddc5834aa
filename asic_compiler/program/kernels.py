"""Kernels of vector instructions: equal loop nests are written once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from xdsl.dialects.builtin import ArrayAttr
from xdsl.ir import Attribute, Block, SSAValue
from xdsl.rewriter import Rewriter

from asic_compiler.dialects import asic, tcc
from asic_compiler.dialects.asic.base import shape_of

_Key: TypeAlias = tuple[object, ...]


class Kernels:
    """The kernels of a module, made on demand."""

    def __init__(self) -> None:
        self._known: dict[_Key, tcc.KernelOp] = {}
        self._by_name: dict[str, tcc.KernelOp] = {}

    @property
    def ops(self) -> tuple[tcc.KernelOp, ...]:
        """In the order they were first asked for."""
        return tuple(self._known.values())

    def find(self, name: str) -> tcc.KernelOp:
        """The kernel of a symbol."""
        return self._by_name[name]

    def name_for(self, op: asic.ElementwiseOp | asic.ReduceOp) -> str:
        """The symbol of the kernel that computes ``op``."""
        if isinstance(op, asic.ReduceOp):
            iteration, reduced, init = op.iteration_sizes, op.reduced.value.data, op.init
        else:
            iteration, reduced, init = shape_of(op.result), 0, None
        key = (iteration, reduced, init, op.indexing_maps, _fingerprint(op.body.block))
        if key not in self._known:
            kernel = self._make(op, iteration, reduced, init)
            self._known[key] = self._by_name[kernel.sym_name.data] = kernel
        return self._known[key].sym_name.data

    def _make(
        self,
        op: asic.ElementwiseOp | asic.ReduceOp,
        iteration: Sequence[int],
        reduced: int,
        init: ArrayAttr[Attribute] | None,
    ) -> tcc.KernelOp:
        body = op.body.clone()
        for inner in list(body.block.ops):
            if isinstance(inner, asic.IndexOp):
                Rewriter.replace_op(inner, tcc.IndexOp(inner.dim.value.data))
            elif isinstance(inner, asic.YieldOp):
                Rewriter.replace_op(inner, tcc.YieldOp(*inner.operands))
        name = f"k{len(self._known)}"
        return tcc.KernelOp(name, iteration, reduced, op.indexing_maps, init, body)


def _fingerprint(block: Block) -> _Key:
    """Equal for bodies that compute the same, whatever their values are called."""
    numbers: dict[SSAValue, int] = {argument: i for i, argument in enumerate(block.args)}
    parts: list[object] = [tuple(argument.type for argument in block.args)]
    for op in block.ops:
        parts.append(
            (
                op.name,
                tuple(numbers[operand] for operand in op.operands),
                tuple(sorted(op.properties.items(), key=lambda item: item[0])),
                tuple(sorted(op.attributes.items(), key=lambda item: item[0])),
                tuple(result.type for result in op.results),
                tuple(str(region) for region in op.regions),
            )
        )
        numbers.update({result: len(numbers) + i for i, result in enumerate(op.results)})
    return tuple(parts)
