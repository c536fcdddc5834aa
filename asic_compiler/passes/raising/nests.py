"""Loop nests of linalg operations: operands, their maps from the loops, and a scalar body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from xdsl.dialects.builtin import AffineMapAttr, ArrayAttr
from xdsl.ir import Block, Operation, SSAValue
from xdsl.ir.affine import AffineDimExpr, AffineMap

from asic_compiler.passes.raising.builder import (
    UnsupportedError,
    attribute_of,
    integers,
    static_type,
)
from asic_compiler.passes.raising.views import Shape


@dataclass(frozen=True)
class Structured:
    """A loop nest: operands, their maps from the loops, and the scalar body."""

    op: Operation
    inputs: tuple[SSAValue, ...]
    outputs: tuple[SSAValue, ...]
    maps: tuple[AffineMap, ...]
    parallel: tuple[bool, ...]
    """For each loop whether it is parallel (else a reduction)."""
    block: Block


def operand_groups(op: Operation) -> tuple[tuple[SSAValue, ...], tuple[SSAValue, ...]]:
    """Inputs and outputs of a linalg operation, registered or not."""
    sizes = integers(op, "operandSegmentSizes", (len(op.operands) - 1, 1))
    operands = tuple(op.operands)
    return operands[: sizes[0]], operands[sizes[0] :]


def body_block(op: Operation) -> Block:
    """The scalar body of a linalg operation.

    Raises:
        UnsupportedError: It was written without one.
    """
    if len(op.regions) != 1 or len(op.regions[0].blocks) != 1:
        raise UnsupportedError("it has no scalar body (write it in generic form)")
    return op.regions[0].block


def written_maps(op: Operation, usual: Sequence[AffineMap]) -> tuple[AffineMap, ...]:
    """The maps that an operation carries, else those that its name stands for.

    Raises:
        UnsupportedError: They do not fit the operation's loops or operands.
    """
    given = attribute_of(op, "indexing_maps") or attribute_of(op, "linalg.memoized_indexing_maps")
    if not isinstance(given, ArrayAttr):
        return tuple(usual)
    maps = tuple(item.data for item in cast("ArrayAttr[AffineMapAttr]", given))
    ranks = [len(static_type(v)[0]) if is_tensor(v) else 0 for v in op.operands]
    loops = usual[0].num_dims
    if [len(map_.results) for map_ in maps] != ranks or any(
        map_.num_symbols or map_.num_dims != loops for map_ in maps
    ):
        raise UnsupportedError(f"its indexing maps are not one from {loops} loops to each operand")
    return maps


def loop_sizes(nest: Structured) -> Shape:
    """The size of each loop.

    Raises:
        UnsupportedError: Some loop is no dimension of an operand by itself.
    """
    sizes = [0] * len(nest.parallel)
    for value, map_ in zip((*nest.inputs, *nest.outputs), nest.maps, strict=True):
        if not map_.results:
            continue
        for expr, size in zip(map_.results, static_type(value)[0], strict=True):
            if isinstance(expr, AffineDimExpr):
                sizes[expr.position] = size
    if 0 in sizes:
        raise UnsupportedError("the size of a loop does not follow from an operand")
    return tuple(sizes)


def is_tensor(value: SSAValue) -> bool:
    """Whether a value is a tensor, and not a scalar."""
    return hasattr(value.type, "get_shape")
