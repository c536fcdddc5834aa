"""That no tensor of a module is too large to be computed with, whatever dialect it stands in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from xdsl.dialects.builtin import ModuleOp, ShapedType
from xdsl.ir import Attribute, Operation

from asic_compiler.machine.limits import shape_fault


def oversized(module: ModuleOp) -> tuple[Operation, str] | None:
    """The first operation that has a tensor beyond the limits, and which; None if none has."""
    sound: set[Attribute] = set()
    for op in module.walk():
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
