"""That no tensor and no region of a module is too large, whatever dialect it stands in."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import cast

from xdsl.dialects.builtin import ModuleOp, ShapedType
from xdsl.ir import Attribute, Operation

from asic_compiler.machine.limits import LARGEST_BLOCKS, shape_fault


def oversized(module: ModuleOp) -> tuple[Operation, str] | None:
    """The first operation beyond the limits, and why; None if none is."""
    sound: set[Attribute] = set()
    for op in module.walk():
        for region in op.regions:
            if sum(1 for _ in islice(region.blocks, LARGEST_BLOCKS + 1)) > LARGEST_BLOCKS:
                return op, f"it has a region of more than {LARGEST_BLOCKS} blocks"
        for type_ in _types(op):
            if type_ in sound or not isinstance(type_, ShapedType):
                continue
            fault = shape_fault(type_.get_shape())
            if fault is not None:
                return op, f"a {cast('Attribute', type_).name} {fault}"
            sound.add(cast("Attribute", type_))
    return None


def _types(op: Operation) -> Iterable[Attribute]:
    for result in op.results:
        yield result.type
    for region in op.regions:
        for block in region.blocks:
            for argument in block.args:
                yield argument.type
    for value in op.properties.values():
        type_ = getattr(value, "type", None)
        if isinstance(type_, Attribute):
            yield type_
