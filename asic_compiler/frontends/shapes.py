"""Shapes and element types of values, where rules of foreign dialects compare them."""

from __future__ import annotations

from math import prod
from typing import Any, cast

from xdsl.dialects.builtin import DYNAMIC_INDEX, ShapedType
from xdsl.ir import Attribute, SSAValue

Shape = tuple[int, ...]


def shape_of(value: SSAValue) -> Shape:
    """Sizes of a value; none of one that has no shape."""
    type_ = value.type
    return tuple(type_.get_shape()) if isinstance(type_, ShapedType) else ()


def element_of(value: SSAValue) -> Attribute:
    """Element type of a value; the type itself of a scalar."""
    type_ = value.type
    return cast("Any", type_).get_element_type() if isinstance(type_, ShapedType) else type_


def differ(one: Shape, other: Shape) -> bool:
    """Whether two shapes cannot be the same; an unknown size may be any."""
    return len(one) != len(other) or any(
        a != b and DYNAMIC_INDEX not in (a, b) for a, b in zip(one, other, strict=True)
    )


def count_differs(one: Shape, other: Shape) -> bool:
    """Whether two shapes cannot have as many elements."""
    return DYNAMIC_INDEX not in (*one, *other) and prod(one) != prod(other)
