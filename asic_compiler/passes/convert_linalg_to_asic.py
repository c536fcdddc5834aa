"""Pass ``convert-linalg-to-asic``: the operators of a model, as a chip executes them."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.passes import ModulePass

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects.location import location_of
from asic_compiler.passes.raising import named, tensors
from asic_compiler.passes.raising.bodies import name_of
from asic_compiler.passes.raising.builder import (
    GraphBuilder,
    Handler,
    Unraised,
    UnsupportedError,
)
from asic_compiler.passes.raising.emission import emit
from asic_compiler.passes.raising.fusion import fuse
from asic_compiler.passes.raising.in_place import settle
from asic_compiler.workload.function import is_computed, main_function

_HANDLERS: dict[str, Handler] = {**tensors.HANDLERS, **named.HANDLERS}


@dataclass(frozen=True)
class ConvertLinalgToAsic(ModulePass):
    """Raises linalg on tensors, as torch-mlir writes it, to the ``asic`` dialect.

    Reshapes, transposes, slices and broadcasts become the way an operator reads its operands;
    elementwise chains fuse; repeated key-value heads are read once. A function that holds nothing
    to raise stays as it is, but for caches that cannot be written in place and results that are
    arguments or constants, which become copies. Bounds checks of embedding indices (``cf.assert``)
    are dropped: ``asic.gather`` leaves an index outside its table undefined.

    Raises:
        UserError: Some operations have no counterpart, all of them are listed; or the module has
            not one function of one block.
    """

    name = "convert-linalg-to-asic"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Converts the module's function."""
        function = main_function(op)
        problems = _convert(function) if _has_work(function) else []
        if problems:
            raise _report(problems)
        settle(function)


_NOTHING_TO_RAISE = ("asic.", "arith.", "math.", "func.return")


def _has_work(function: FuncOp) -> bool:
    """Whether there is something to raise, or a result whose type must be looked at."""
    block = function.body.block
    returned = () if block.last_op is None else block.last_op.operands
    return not all(name_of(op).startswith(_NOTHING_TO_RAISE) for op in block.ops) or not all(
        is_computed(operand) for operand in returned
    )


def _convert(function: FuncOp) -> list[Unraised]:
    try:
        return _raise(function)
    except UnsupportedError as error:  # an argument's or a result's type, not one operation's
        return [Unraised(function, str(error))]


def _raise(function: FuncOp) -> list[Unraised]:
    handlers = dict(_HANDLERS)
    for op in function.body.block.ops:
        name = name_of(op)
        dialect = name.partition(".")[0]
        if dialect == "asic":
            handlers[name] = tensors.keep
        elif dialect in ("arith", "math") and name not in handlers:
            handlers[name] = tensors.skip
    builder = GraphBuilder(function, handlers)
    nodes = builder.build()
    if not builder.problems:
        emit(function, fuse(nodes))
    return builder.problems


def _report(problems: list[Unraised]) -> UserError:
    notes: list[str] = []
    for problem in problems:
        where = location_of(problem.op)
        place = "" if where is None else f" at {where}"
        notes.append(f"{name_of(problem.op)}{place}: {problem.reason}")
    count = len(problems)
    what = "1 operation has" if count == 1 else f"{count} operations have"
    return UserError(f"{what} no asic form", location_of(problems[0].op), notes)
