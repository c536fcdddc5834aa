"""Rules of upstream's ``linalg`` that xDSL 0.74 does not verify, and that our passes count on.

Source: https://mlir.llvm.org/docs/Dialects/Linalg/.
"""

from __future__ import annotations

from typing import Any, cast

from xdsl.dialects.builtin import MemRefType
from xdsl.dialects.linalg import ops as linalg
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.ir import SSAValue

from asic_compiler.frontends.shapes import Shape, differ, element_of, shape_of


def structured_rule(op: Any) -> str | None:
    """A nest: its body yields an element an output, and its results are the outputs changed."""
    outputs: tuple[SSAValue, ...] = tuple(op.outputs)
    last = op.body.block.last_op
    if not isinstance(last, linalg.YieldOp):
        return "its body does not end in linalg.yield"
    if [value.type for value in last.operands] != [element_of(value) for value in outputs]:
        return "its body does not yield one scalar an output, of its element type"
    made = [value.type for value in outputs if not isinstance(value.type, MemRefType)]
    if [value.type for value in op.results] != made:
        return "its results are not of the types of its outputs"
    return None


def transpose_rule(op: Any) -> str | None:
    """``linalg.transpose``: a permutation of the input's dimensions."""
    order = cast("Shape", tuple(op.permutation.get_values()))
    if len(op.inputs) != 1 or len(op.outputs) != 1:
        return "it needs one input and one output"
    source, target = shape_of(op.inputs[0]), shape_of(op.outputs[0])
    if sorted(order) != list(range(len(source))):
        return f"{list(order)} is not a permutation of {len(source)} dimensions"
    if differ(tuple(source[d] for d in order), target):
        return f"shape {list(source)} permuted by {list(order)} is not {list(target)}"
    return None


def broadcast_rule(op: Any) -> str | None:
    """``linalg.broadcast``: the input's dimensions and added ones."""
    added, target = tuple(op.dimensions.get_values()), shape_of(op.init)
    source = shape_of(op.input)
    if len(set(added)) != len(added) or any(not 0 <= d < len(target) for d in added):
        return f"{list(added)} are not dimensions of the output"
    if differ(tuple(s for d, s in enumerate(target) if d not in added), source):
        return f"shape {list(source)} with dimensions {list(added)} added is not {list(target)}"
    return None


def index_rule(op: Any) -> str | None:
    """``linalg.index``: the number of a loop around it."""
    nest, loop = op.parent_op(), int(op.dim.value.data)
    while nest is not None and not isinstance(nest, LinalgStructuredOperation):
        nest = nest.parent_op()
    if nest is None:
        return "no nest is around it"
    loops = len(nest.get_iterator_types())
    return None if 0 <= loop < loops else f"dim is {loop}, in a nest of {loops} loops"
