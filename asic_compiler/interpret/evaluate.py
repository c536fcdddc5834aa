"""A module, its arguments and its weights to its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from xdsl.dialects.builtin import ArrayAttr, ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation

from asic_compiler.dialects import asic
from asic_compiler.interpret import operators, structured, tensors
from asic_compiler.interpret.elements import Array
from asic_compiler.interpret.errors import CannotEvaluateError, name_of
from asic_compiler.interpret.machine import (
    Handler,
    Machine,
    Weights,
    function_of,
    shape_of,
    without_arguments,
)
from asic_compiler.interpret.numbers import Numbers

HANDLERS: Mapping[str, Handler] = {
    **structured.HANDLERS,
    **tensors.HANDLERS,
    **operators.HANDLERS,
}
"""Every operation on tensors that is evaluated."""

MOST_POINTS = 1 << 28
"""Points of iteration spaces, once an operation of a body, that one evaluation may take."""
_CALL = 64
"""Points that take as long as one more call of NumPy."""


def evaluate(
    module: ModuleOp, arguments: Sequence[Array], weights: Weights, numbers: Numbers
) -> list[Array]:
    """The results of a module's function: ``main``, or the only one.

    Args:
        module: Linalg on tensors, or ``asic``.
        arguments: One an argument, as `elements` holds numbers.
        weights: Every named constant that the module reads.
        numbers: How floats round.

    Returns:
        One array a result; none shares memory with an argument.

    Raises:
        CannotEvaluateError: Something in it is not known here, undefined or too large.
    """
    function = function_of(module)
    points = cost(function)
    if points > MOST_POINTS:
        raise CannotEvaluateError(f"its {points:.3g} points are more than {MOST_POINTS:.3g}")
    machine = Machine(HANDLERS, weights, numbers, without_arguments(function))
    return [array.copy() for array in machine.run(function, arguments)]


def cost(function: FuncOp) -> int:
    """Points of all iteration spaces, once an operation of a body.

    Raises:
        CannotEvaluateError: An operation has no size that is known.
    """
    return sum(_points(op) for op in function.body.block.ops)


def _points(op: Operation) -> int:
    work = sum(1 for region in op.regions for block in region.blocks for _ in block.ops)
    match op:
        case asic.MatmulOp() | asic.ConvOp():
            return prod(op.sizes)
        case asic.ReduceOp():
            sizes, kept = op.iteration_sizes, shape_of(op.res[0])
            return (work + len(op.inputs)) * (prod(sizes) + _CALL * prod(sizes[len(kept) :]))
        case _:
            pass
    if not op.results or not hasattr(op.results[0].type, "get_shape"):
        return 0
    if name_of(op) == "linalg.reduce" or name_of(op) in structured.NAMED or _maps(op):
        if isinstance(op, asic.ElementwiseOp | asic.ConcatOp):
            return (work + len(op.inputs)) * prod(shape_of(op.result))
        nest = structured.nest_of(op)
        sizes = structured.sizes_of(nest)
        steps = prod(s for s, parallel in zip(sizes, nest.parallel, strict=True) if not parallel)
        return (work + len(nest.maps)) * (prod(sizes) + _CALL * steps)
    return (1 + work) * prod(shape_of(op.results[0]))


def _maps(op: Operation) -> bool:
    found = op.properties.get("indexing_maps", op.attributes.get("indexing_maps"))
    return isinstance(found, ArrayAttr)
