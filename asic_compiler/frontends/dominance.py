"""Every value is defined before it is used: what xDSL's verifier leaves out.

A value dominates its use where the definition comes first in the same block, or in a block that
every way to the use goes through; a region sees what dominates the operation that holds it. All
regions are taken so: none of the dialects that are read here has regions without an order.
"""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, OpResult, Region, SSAValue
from xdsl.irdl.dominance import DominanceInfo


def undominated_use(module: ModuleOp) -> tuple[Operation, str] | None:
    """The first operation that uses a value too early, and why it may not; None if none does."""
    order: dict[Operation, int] = {}
    for position, op in enumerate(module.walk()):
        order[op] = position
    dominance: dict[Region, DominanceInfo] = {}
    for op in order:
        for index, value in enumerate(op.operands):
            if not _dominates(value, op, order, dominance):
                return op, f"operand {index} is used before it is defined"
    return None


def _dominates(
    value: SSAValue,
    user: Operation,
    order: dict[Operation, int],
    dominance: dict[Region, DominanceInfo],
) -> bool:
    home = value.owner if isinstance(value.owner, Block) else value.owner.parent
    if home is None or home.parent is None:
        return False
    definition = value.owner if isinstance(value, OpResult) else None
    for block, holder in _blocks_above(user):
        if block is home:
            # An operation's own regions do not see its results.
            return not isinstance(definition, Operation) or order[definition] < order[holder]
        if block.parent is home.parent:
            info = dominance.get(home.parent)
            if info is None:
                info = dominance[home.parent] = DominanceInfo(home.parent)
            return info.strictly_dominates(home, block)
    return False


def _blocks_above(op: Operation) -> Iterator[tuple[Block, Operation]]:
    """Every block around an operation, and what in the block is or holds it; inner ones first."""
    current: Operation | None = op
    while current is not None and current.parent is not None:
        yield current.parent, current
        current = current.parent_op()
