"""Every value is defined before it is used: what xDSL's verifier leaves out.

A value dominates its use where the definition comes first in the same block, or in a block that
every way to the use goes through; a region sees what dominates the operation that holds it. As
upstream, a module's own operations stand in no order, nor do those of an operation that nobody
knows; and code that no way leads to may use whatever it likes of other blocks.
"""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.dialects.builtin import ModuleOp, UnregisteredOp
from xdsl.ir import Block, BlockArgument, Operation, OpResult, Region, SSAValue

from asic_compiler.frontends.dominators import Dominators

_UNORDERED = (ModuleOp, UnregisteredOp)
"""Operations whose regions are graphs."""


def undominated_use(module: ModuleOp) -> tuple[Operation, str] | None:
    """The first operation that uses a value too early, and why it may not; None if none does."""
    order: dict[int, int] = {}
    known: dict[Region, Dominators] = {}
    unsure: list[tuple[Operation, int, SSAValue]] = []
    for position, op in enumerate(module.walk()):
        order[id(op)] = position
        for index, value in enumerate(op.operands):
            # Nearly every value is made earlier in the same block.
            if isinstance(value, OpResult):
                made = value.op
                if made.parent is op.parent and order.get(id(made), position) < position:
                    continue
            unsure.append((op, index, value))
    for op, index, value in unsure:
        if not _dominates(value, op, order, known):
            return op, f"operand {index} is used before it is defined"
    return None


def _dominates(
    value: SSAValue, user: Operation, order: dict[int, int], known: dict[Region, Dominators]
) -> bool:
    if not isinstance(value, OpResult | BlockArgument):
        return False  # a name that nothing it can see defines
    home = value.op.parent if isinstance(value, OpResult) else value.block
    if home is None or home.parent is None:
        return False
    definition = value.op if isinstance(value, OpResult) else None
    for block, holder in _blocks_above(user):
        if block.parent is not home.parent:
            continue
        if isinstance(home.parent.parent, _UNORDERED):
            return True
        if block is home:
            # An operation's own regions do not see its results.
            return definition is None or order[id(definition)] < order[id(holder)]
        dominators = known.get(home.parent)
        if dominators is None:
            dominators = known[home.parent] = Dominators(home.parent)
        return dominators.dominates(home, block)
    return False


def _blocks_above(op: Operation) -> Iterator[tuple[Block, Operation]]:
    """Every block around an operation, and what in the block is or holds it; inner ones first."""
    current: Operation | None = op
    while current is not None and current.parent is not None:
        yield current.parent, current
        current = current.parent_op()
