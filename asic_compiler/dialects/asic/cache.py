"""The KV cache: a tensor that outlives an execution and is written where it lies."""

from __future__ import annotations

from xdsl.dialects.builtin import IntegerAttr, StringAttr, TensorType, i64
from xdsl.ir import Operation, OpResult, SSAValue, Use
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects.asic.base import AsicOp, element_of, shape_of
from asic_compiler.dialects.asic.data import LayoutOp
from asic_compiler.dialects.location import location_of


def root_of(value: SSAValue) -> SSAValue:
    """The value behind free views of it."""
    while isinstance(value, OpResult) and isinstance(value.op, LayoutOp) and value.op.is_view:
        value = value.op.operand
    return value


def readers_of(value: SSAValue) -> list[Use]:
    """Every use of a value by something that is not a free view of it, also through such views.

    An operation that reads it by two operands is there twice.
    """
    found: list[Use] = []
    values = [value]
    while values:
        for use in values.pop().uses:
            user = use.operation
            if isinstance(user, LayoutOp) and user.is_view:
                values.append(user.result)
            else:
                found.append(use)
    return found


@irdl_op_definition
class KvAppendOp(AsicOp):
    """Writes the keys or values of new tokens into a cache, in place.

    The result is the cache with ``cache[.., position : position + t, ..] = values`` along
    ``axis``; t is the size of ``values`` there. Only the new slots are written. What the cache
    held before is lost with them, so nothing else may read it, neither before nor after: operators
    may be moved past each other, and run on other tiles.

    Verified, besides the shared rules:
        4. axis is a dimension of the cache.
        5. the result has the cache's type; values has its rank and element type.
        6. values has the cache's sizes but along axis, where it fits at position.
        7. role is ``key`` or ``value``; layer is not negative.
        8. the append alone reads the cache, also through views: no operation, no values, no return.
    """

    name = "asic.kv_append"

    cache = operand_def(TensorType)
    values = operand_def(TensorType)
    axis = prop_def(IntegerAttr[i64])
    position = prop_def(IntegerAttr[i64])
    role = opt_prop_def(StringAttr)
    layer = opt_prop_def(IntegerAttr[i64])
    result = result_def(TensorType)

    traits = traits_def(Pure())
    assembly_format = (
        "$values `into` $cache attr-dict `:` type($values) `into` type($cache) `->` type($result)"
    )

    def __init__(
        self,
        cache: SSAValue,
        values: SSAValue,
        *,
        axis: int,
        position: int,
        role: str | None = None,
        layer: int | None = None,
    ) -> None:
        super().__init__(
            operands=[cache, values],
            result_types=[cache.type],
            properties={
                "axis": IntegerAttr(axis, i64),
                "position": IntegerAttr(position, i64),
                "role": None if role is None else StringAttr(role),
                "layer": None if layer is None else IntegerAttr(layer, i64),
            },
        )

    def verify_operator(self) -> None:
        """Checks the numbered rules."""
        cache, values = shape_of(self.cache), shape_of(self.values)
        axis, position = self.axis.value.data, self.position.value.data
        if not 0 <= axis < len(cache):
            raise VerifyException(f"axis {axis} is not a dimension of the cache {list(cache)}")
        if (
            self.result.type != self.cache.type
            or len(values) != len(cache)
            or element_of(self.values) != element_of(self.cache)
        ):
            raise VerifyException("result, cache and values differ in type or rank")
        if any(a != b for d, (a, b) in enumerate(zip(cache, values, strict=True)) if d != axis) or (
            not 0 <= position <= cache[axis] - values[axis]
        ):
            raise VerifyException(
                f"values {list(values)} do not fit into cache {list(cache)} at {position}"
            )
        if self.role is not None and self.role.data not in ("key", "value"):
            raise VerifyException(f"role must be key or value, got {self.role.data}")
        if self.layer is not None and self.layer.value.data < 0:
            raise VerifyException("layer must not be negative")
        others = [use.operation for use in readers_of(root_of(self.cache))]
        others.remove(self)
        if others:
            raise VerifyException(
                f"it overwrites a cache whose old state {_naming(others[0], self)} needs: "
                "a copy with the new values (asic.concat) keeps both"
            )


def _naming(reader: Operation, append: KvAppendOp) -> str:
    """A reader of the old state, for a message."""
    if reader is append:
        return "it itself, as its values,"
    place = location_of(reader)
    return reader.name if place is None else f"{reader.name} at {place}"
