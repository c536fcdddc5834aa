"""How partial results of a reduction are combined."""

from __future__ import annotations

from xdsl.dialects import arith
from xdsl.ir import Operation

from asic_compiler.dialects import asic

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


_NEUTRAL = {"arith.addf": 0, "arith.addi": 0, "arith.xori": 0, "arith.mulf": 1, "arith.muli": 1}


def can_be_cut(op: asic.ReduceOp) -> bool:
    """Whether tiles may fold parts of a row: every part begins at the reduction's start.

    That must not change the result: the start is neutral, or the operation gives the same however
    often it takes the start in (maxima, minima, and, or).
    """
    names = combiners(op)
    if not names or op.inits or op.init is None:
        return False
    starts = [getattr(getattr(value, "value", None), "data", None) for value in op.init]
    return all(
        name not in _NEUTRAL or start == _NEUTRAL[name]
        for name, start in zip(names, starts, strict=True)
    )
