"""Kernels of vector instructions: equal loop nests are written once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from xdsl.dialects import arith
from xdsl.dialects.builtin import ArrayAttr
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.rewriter import Rewriter

from asic_compiler.dialects import asic, tcc
from asic_compiler.dialects.asic.base import shape_of

_Key: TypeAlias = tuple[object, ...]

ASSOCIATIVE: tuple[type[Operation], ...] = (
    arith.AddfOp,
    arith.AddiOp,
    arith.MulfOp,
    arith.MuliOp,
    arith.MaximumfOp,
    arith.MinimumfOp,
    arith.MaxnumfOp,
    arith.MinnumfOp,
    arith.MaxSIOp,
    arith.MinSIOp,
    arith.MaxUIOp,
    arith.MinUIOp,
    arith.AndIOp,
    arith.OrIOp,
    arith.XOrIOp,
)
"""Commutative operations that partial accumulators may be combined with, in any order.

Float sums and products are among them, as ``asic.reduce`` allows reassociation.
"""


class Kernels:
    """The kernels of a module, made on demand."""

    def __init__(self) -> None:
        self._known: dict[_Key, tcc.KernelOp] = {}

    @property
    def ops(self) -> tuple[tcc.KernelOp, ...]:
        """In the order they were first asked for."""
        return tuple(self._known.values())

    def name_for(self, op: asic.ElementwiseOp | asic.ReduceOp) -> str:
        """The symbol of the kernel that computes ``op``."""
        if isinstance(op, asic.ReduceOp):
            iteration, reduced, init = op.iteration_sizes, op.reduced.value.data, op.init
        else:
            iteration, reduced, init = shape_of(op.result), 0, None
        key = (iteration, reduced, init, op.indexing_maps, _fingerprint(op.body.block))
        if key not in self._known:
            self._known[key] = self._make(op, iteration, reduced, init)
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


def combiners(op: asic.ReduceOp) -> tuple[str, ...]:
    """The scalar operation that combines partial values of each accumulator.

    Known when every accumulator is updated as ``acc op f(inputs)`` with an associative op and
    nothing else reads it.

    Returns:
        One operation name an accumulator, or nothing when any of them is unknown.
    """
    block = op.body.block
    last = block.last_op
    if last is None:
        return ()
    names: list[str] = []
    for accumulator, value in zip(block.args[len(op.inputs) :], last.operands, strict=True):
        update = value.owner
        users = [use.operation for use in accumulator.uses]
        if not isinstance(update, ASSOCIATIVE) or users != [update]:
            return ()
        if [use.operation for use in value.uses] != [last]:
            return ()
        names.append(update.name)
    return tuple(names)
