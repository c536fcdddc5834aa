"""Where an operation came from, as an error message wants it."""

from __future__ import annotations

from xdsl.dialects.builtin import ArrayAttr, CallSiteLoc, FileLineColLoc, FusedLoc, NameLoc
from xdsl.ir import Attribute, Operation

from asic_compiler.diagnostics import SourceLocation


def source_location(location: Attribute) -> SourceLocation | None:
    """The first file, line and column inside an MLIR location attribute.

    A call site answers with its callee, a fused location with its first known part.

    Returns:
        The place, or None where the attribute names none (``loc(unknown)``, a bare name).
    """
    match location:
        case FileLineColLoc():
            return SourceLocation(location.filename.data, location.line.data, location.column.data)
        case NameLoc():
            return source_location(location.location)
        case CallSiteLoc():
            return source_location(location.callee) or source_location(location.caller)
        case FusedLoc(locations=ArrayAttr(data=parts)):
            return next(filter(None, map(source_location, parts)), None)
        case _:
            return None


def location_of(op: Operation) -> SourceLocation | None:
    """The place in a source file of an operation, or of the nearest one around it that has one."""
    ancestor: Operation | None = op
    while ancestor is not None:
        if (found := source_location(ancestor.location)) is not None:
            return found
        ancestor = ancestor.parent_op()
    return None
