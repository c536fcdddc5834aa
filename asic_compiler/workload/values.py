"""What the tensors of an ``asic`` function are: weights, KV cache, activations, and how large."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import prod
from typing import cast

from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import DictionaryAttr, StringAttr, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, OpResult, SSAValue
from xdsl.ir.affine import AffineDimExpr, AffineMap

from asic_compiler.dialects.asic import KvAppendOp, WeightOp, root_of
from asic_compiler.workload.body_cost import element_bits


class Role(Enum):
    """Where a tensor is kept."""

    WEIGHT = "weight"
    KV = "kv"
    ACTIVATION = "activation"


@dataclass(frozen=True)
class ValueRoles:
    """Which values of a function are KV cache."""

    kv: frozenset[SSAValue]

    def of(self, root: SSAValue) -> Role:
        """The role of a value that is not a view."""
        if isinstance(root, OpResult) and isinstance(root.op, WeightOp | ConstantOp):
            return Role.WEIGHT
        return Role.KV if root in self.kv else Role.ACTIVATION


def find_roles(function: FuncOp) -> ValueRoles:
    """KV cache: arguments and results so marked, and what tokens are appended to."""
    block = function.body.block
    kv: set[SSAValue] = {
        argument
        for argument, attributes in zip(block.args, function.arg_attrs or (), strict=False)
        if _is_kv(attributes)
    }
    for op in block.ops:
        if isinstance(op, KvAppendOp):
            kv |= {root_of(op.cache), op.result}
    if block.last_op is not None:
        kv |= {
            root_of(operand)
            for operand, attributes in zip(
                block.last_op.operands, function.res_attrs or (), strict=False
            )
            if _is_kv(attributes)
        }
    return ValueRoles(frozenset(kv))


def _is_kv(attributes: Attribute) -> bool:
    if not isinstance(attributes, DictionaryAttr):
        return False
    role = attributes.data.get("asic.role")
    return isinstance(role, StringAttr) and role.data in ("kv_key", "kv_value")


def shape(value: SSAValue) -> tuple[int, ...]:
    """Shape of a tensor value."""
    return cast("TensorType[Attribute]", value.type).get_shape()


def bits(value: SSAValue) -> int:
    """Bits of one element of a tensor value."""
    return element_bits(cast("TensorType[Attribute]", value.type).element_type)


def count(value: SSAValue) -> int:
    """Elements of a tensor value."""
    return prod(shape(value))


def size_bytes(value: SSAValue, elements: int | None = None) -> int:
    """Bytes of a tensor value, or of some elements of it, in memory (a bit takes a byte)."""
    return (count(value) if elements is None else elements) * -(-bits(value) // 8)


def elements_read(map_: AffineMap, sizes: tuple[int, ...], value: SSAValue) -> int:
    """Elements of an operand that a map reaches from a box: at most all, repeats not counted."""
    used: set[int] = set()
    for expr in map_.results:
        used |= {part.position for part in expr.dfs() if isinstance(part, AffineDimExpr)}
    return min(count(value), prod(size for dim, size in enumerate(sizes) if dim in used))
