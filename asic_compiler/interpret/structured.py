"""``linalg``: loop nests, one iteration of the folded loops after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import AffineMapAttr, ArrayAttr, DenseArrayBase
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.ir.affine import AffineDimExpr, AffineMap

from asic_compiler.interpret.elements import Array
from asic_compiler.interpret.errors import CannotEvaluateError, name_of
from asic_compiler.interpret.machine import Handler, Machine, shape_of
from asic_compiler.interpret.maps import Points, grid, index_of, take
from asic_compiler.interpret.named import NAMED, nest_maps
from asic_compiler.interpret.scalars import constant


@dataclass(frozen=True)
class Nest:
    """A loop nest over tensors and scalars."""

    inputs: tuple[SSAValue, ...]
    outputs: tuple[SSAValue, ...]
    maps: tuple[AffineMap, ...]
    parallel: tuple[bool, ...]
    block: Block


def integers(op: Operation, name: str) -> tuple[int, ...]:
    """A list of integers among the attributes of an operation.

    Raises:
        CannotEvaluateError: There is none of that name.
    """
    found = op.properties.get(name, op.attributes.get(name))
    if isinstance(found, DenseArrayBase):
        return tuple(int(v) for v in cast(Any, found).get_values())
    if isinstance(found, ArrayAttr):
        return tuple(int(constant(item)) for item in cast("ArrayAttr[Attribute]", found))
    if found is None:
        raise CannotEvaluateError(f"{name_of(op)} has no {name}")
    return tuple(int(v) for v in np.atleast_1d(constant(found)).reshape(-1))


def nest_of(op: Operation) -> Nest:
    """The loop nest that an operation stands for.

    Raises:
        CannotEvaluateError: It is not known to be one.
    """
    name = name_of(op)
    if len(op.regions) != 1 or len(op.regions[0].blocks) != 1:
        raise CannotEvaluateError(f"{name} has no scalar body")
    block = op.regions[0].block
    operands = tuple(op.operands)
    if name == "linalg.reduce":
        half = len(operands) // 2
        rank, folded = len(shape_of(operands[0])), integers(op, "dimensions")
        identity = AffineMap.identity(rank)
        kept = AffineMap(
            rank, 0, tuple(e for d, e in enumerate(identity.results) if d not in folded)
        )
        parallel = tuple(d not in folded for d in range(rank))
        maps = (identity,) * half + (kept,) * half
        return Nest(operands[:half], operands[half:], maps, parallel, block)
    groups = (len(operands) - 1, 1) if name == "linalg.map" else ()
    count = (groups or integers(op, "operandSegmentSizes"))[0]
    inputs, outputs = operands[:count], operands[count:]
    written = op.properties.get("indexing_maps", op.attributes.get("indexing_maps"))
    given = (
        tuple(item.data for item in cast("ArrayAttr[AffineMapAttr]", written))
        if isinstance(written, ArrayAttr)
        else ()
    )
    if name == "linalg.generic":
        kinds = op.properties.get("iterator_types", op.attributes.get("iterator_types"))
        parallel = tuple("parallel" in str(k) for k in cast("ArrayAttr[Attribute]", kinds))
        return Nest(inputs, outputs, given, parallel, block)
    if name in NAMED:
        maps, parallel = nest_maps(name, lambda what: _window(op, what))
        return Nest(inputs, outputs, given or maps, parallel, block)
    rank = len(shape_of(outputs[0]))
    scalar, identity = AffineMap(rank, 0, ()), AffineMap.identity(rank)
    maps = tuple(scalar if _is_scalar(v) else identity for v in operands)
    # linalg.map's body takes inputs alone; others also what the output held.
    return Nest(inputs, outputs, maps, (True,) * rank, block)


def _window(op: Operation, what: str) -> tuple[int, ...] | None:
    present = what in op.properties or what in op.attributes
    return integers(op, what) if present else None


def _is_scalar(value: SSAValue) -> bool:
    return not hasattr(value.type, "get_shape") or not shape_of(value)


def sizes_of(nest: Nest) -> tuple[int, ...]:
    """How often each loop runs, as the operands' shapes say.

    Raises:
        CannotEvaluateError: They do not.
    """
    sizes = [0] * len(nest.parallel)
    for value, map_ in zip((*nest.inputs, *nest.outputs), nest.maps, strict=True):
        shape = shape_of(value) if map_.results else ()
        for expr, size in zip(map_.results, shape, strict=True):
            if isinstance(expr, AffineDimExpr):
                sizes[expr.position] = size
    if 0 in sizes:
        raise CannotEvaluateError("the size of a loop does not follow from an operand")
    return tuple(sizes)


def run_nest(machine: Machine, op: Operation) -> Sequence[Array]:
    """Any loop nest."""
    nest = nest_of(op)
    sizes = sizes_of(nest)
    operands = [machine.value(value) for value in (*nest.inputs, *nest.outputs)]
    count = len(nest.inputs)
    results = [array.copy() for array in operands[count:]]
    folded = [i for i, parallel in enumerate(nest.parallel) if not parallel]
    for step in np.ndindex(*(sizes[i] for i in folded)):
        box = [1 if i in folded else size for i, size in enumerate(sizes)]
        points = grid(box)
        for loop, at in zip(folded, step, strict=True):
            points[loop] = points[loop] + at
        _iterate(machine, nest, operands[:count], results, points)
    return machine.in_any_order(op, results) if folded else results


def _iterate(
    machine: Machine, nest: Nest, inputs: list[Array], results: list[Array], points: Points
) -> None:
    arrays = [*inputs, *results][: len(nest.block.args)]
    arguments = [take(a, m, points) for a, m in zip(arrays, nest.maps, strict=False)]
    yielded = machine.body(nest.block, arguments, points)
    space = points[0].shape if points else ()
    for result, map_, values in zip(results, nest.maps[len(inputs) :], yielded, strict=True):
        values = np.broadcast_to(values, space)
        index = index_of(map_, points, result.shape)
        result[index] = values if index else values.reshape(-1)[-1]


def _transpose(machine: Machine, op: Operation) -> Sequence[Array]:
    return [np.transpose(machine.value(op.operands[0]), integers(op, "permutation"))]


def _broadcast(machine: Machine, op: Operation) -> Sequence[Array]:
    added = integers(op, "dimensions")
    wider = np.expand_dims(machine.value(op.operands[0]), added)
    return [np.broadcast_to(wider, shape_of(op.results[0]))]


def _fill(machine: Machine, op: Operation) -> Sequence[Array]:
    return [np.broadcast_to(machine.value(op.operands[0]), shape_of(op.results[0])).copy()]


_ELEMENTWISE = (
    "abs add ceil copy div div_unsigned erf exp floor log map max min mul negf powf reciprocal "
    "round rsqrt select sqrt square sub tanh"
)
HANDLERS: dict[str, Handler] = {
    "linalg.transpose": _transpose,
    "linalg.broadcast": _broadcast,
    "linalg.fill": _fill,
    "linalg.generic": run_nest,
    "linalg.reduce": run_nest,
    **{f"linalg.{name}": run_nest for name in _ELEMENTWISE.split()},
    **dict.fromkeys(NAMED, run_nest),
}
