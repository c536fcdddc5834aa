"""What the whole function decides about its operators: who writes in place, and what is copied."""

from __future__ import annotations

from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Operation, SSAValue
from xdsl.ir.affine import AffineConstantExpr, AffineMap
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects import asic
from asic_compiler.workload.function import append_problem, is_computed
from asic_compiler.workload.values import shape


def settle(function: FuncOp) -> None:
    """Makes every append and every result of an ``asic`` function one that a program can execute.

    1. An append stays in place where nothing else reads the old state of the cache, and products
       alone read the new one. Any other becomes a copy of the cache with the new values.
    2. A result that is an argument or a constant, perhaps behind views, becomes a copy of it.

    Every append is judged before the first is replaced; as that changes no reader, the order does
    not matter.
    """
    appends = [op for op in function.body.block.ops if isinstance(op, asic.KvAppendOp)]
    for op in [op for op in appends if not _may_write(op)]:
        _replace(op, _copied(op))
    last = function.body.block.last_op
    if isinstance(last, ReturnOp):
        _copy_results(last)


def _may_write(op: asic.KvAppendOp) -> bool:
    try:
        op.verify_operator()
    except VerifyException:
        return False
    return append_problem(op) is None


def _copied(op: asic.KvAppendOp) -> asic.ConcatOp:
    """The cache before, the new values, and the cache behind them, as a tensor of its own."""
    whole, axis = shape(op.cache), op.axis.value.data
    start, new = op.position.value.data, shape(op.values)[axis]
    identity = AffineMap.identity(len(whole))

    def from_slot(first: int) -> AffineMap:
        moved = list(identity.results)
        moved[axis] = moved[axis] + AffineConstantExpr(first)
        return AffineMap(len(whole), 0, tuple(moved)) if first else identity

    pieces = [
        (op.cache, identity, start),
        (op.values, identity, new),
        (op.cache, from_slot(start + new), whole[axis] - start - new),
    ]
    kept = [piece for piece in pieces if piece[2]]
    values, maps, sizes = zip(*kept, strict=True)
    return asic.ConcatOp(values, maps, sizes, axis, op.result.type)


def _replace(op: asic.KvAppendOp, new: asic.ConcatOp) -> None:
    block = op.parent_block()
    assert block is not None, "the operators of a function are in its block"
    new.location = op.location
    block.insert_op_before(new, op)
    op.result.replace_all_uses_with(new.result)
    op.detach()
    op.erase()


def _copy_results(last: ReturnOp) -> None:
    """Puts a copy, each once, in the place of results that no operator computes."""
    copies: dict[SSAValue, SSAValue] = {}
    for index, operand in enumerate(last.operands):
        if is_computed(operand):
            continue
        if operand not in copies:
            copy = asic.LayoutOp(operand, AffineMap.identity(len(shape(operand))), operand.type)
            _before(last, copy)
            copies[operand] = copy.result
        last.operands[index] = copies[operand]


def _before(last: Operation, new: Operation) -> None:
    block = last.parent_block()
    assert block is not None, "a function ends in its block"
    new.location = last.location
    block.insert_op_before(new, last)
