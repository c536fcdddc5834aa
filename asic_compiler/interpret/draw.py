"""Small random arguments and weights for a module, by role and type."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from math import prod
from typing import cast

import numpy as np
from xdsl.dialects.builtin import (
    DenseResourceAttr,
    DictionaryAttr,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    TensorType,
)
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue

from asic_compiler.dialects import asic
from asic_compiler.interpret.elements import Array, float_format, is_float, rounded, width, wrapped
from asic_compiler.interpret.errors import CannotEvaluateError, name_of
from asic_compiler.interpret.machine import function_of, shape_of, tensor_type

_MOST_ELEMENTS = 1 << 26
_SMALL = 8
"""Integers without a known range are below it, of both signs."""


def generator(seed: int, name: str) -> np.random.Generator:
    """Numbers that depend on the seed and a name alone."""
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])


def draw_arguments(module: ModuleOp, seed: int) -> list[Array]:
    """One array an argument of the module's function.

    Floats are normal; a mask is 0 or the most negative number, and 0 in the last column; positions
    are below the context; integers that select from a tensor are inside it.

    Raises:
        CannotEvaluateError: An argument is no tensor of static shape, or too large.
    """
    function = function_of(module)
    selecting = _selecting(function)
    return [
        _argument(module, function, argument, selecting, generator(seed, f"arg{argument.index}"))
        for argument in function.body.block.args
    ]


def draw_weights(module: ModuleOp, given: Mapping[str, Array], seed: int) -> dict[str, Array]:
    """Every named constant of a module: as given, else drawn so that signals keep their size.

    Raises:
        CannotEvaluateError: They are too large.
    """
    found: dict[str, Array] = {}
    for resource in resources(module):
        name = resource.resource_handle.data
        if name in given:
            found[name] = given[name]
        elif name not in found:
            shape = resource.type.get_shape()
            element = cast("TensorType[Attribute]", resource.type).element_type
            _check_size(shape)
            found[name] = _weight(shape, element, generator(seed, name))
    return found


def weight_elements(module: ModuleOp) -> dict[str, Attribute]:
    """Element types of a module's named constants."""
    return {
        resource.resource_handle.data: cast("TensorType[Attribute]", resource.type).element_type
        for resource in resources(module)
    }


def resources(module: ModuleOp) -> Iterator[DenseResourceAttr]:
    """Every mention of a named constant."""
    for op in module.walk():
        value = op.properties.get("value", op.attributes.get("value"))
        if isinstance(value, DenseResourceAttr):
            yield value


def _weight(shape: tuple[int, ...], element: Attribute, rng: np.random.Generator) -> Array:
    if not is_float(element):
        return wrapped(rng.integers(0, 2, shape), width(element))
    values = rng.standard_normal(shape)
    if len(shape) < 2:  # scales of norms, variances: positive
        return rounded(1.0 + 0.1 * values, element)
    return rounded(values * prod(shape[1:]) ** -0.5, element)


def _argument(
    module: ModuleOp,
    function: FuncOp,
    argument: BlockArgument,
    selecting: Mapping[SSAValue, int],
    rng: np.random.Generator,
) -> Array:
    shape, element = shape_of(argument), tensor_type(argument).element_type
    _check_size(shape)
    role = _role(function, argument)
    if is_float(element):
        if role == "mask":
            hidden = rng.integers(0, 2, shape) == 1
            hidden[..., -1] = False
            return np.where(hidden, -float_format(element).largest, 0.0)
        return rounded(rng.standard_normal(shape), element)
    if width(element) == 1:
        return wrapped(rng.integers(0, 2, shape), 1)
    if argument in selecting:
        return wrapped(rng.integers(0, selecting[argument], shape), width(element))
    if role == "position":
        return wrapped(rng.integers(0, _context(module), shape), width(element))
    return wrapped(rng.integers(-_SMALL, _SMALL, shape), width(element))


def _check_size(shape: tuple[int, ...]) -> None:
    if prod(shape) > _MOST_ELEMENTS:
        raise CannotEvaluateError(f"a tensor of {list(shape)} is too large to draw")


def _role(function: FuncOp, argument: BlockArgument) -> str:
    attributes = function.arg_attrs
    if attributes is None:
        return ""
    role = attributes.data[argument.index].data.get("asic.role")
    return role.data if isinstance(role, StringAttr) else ""


def _context(module: ModuleOp) -> int:
    workload = module.attributes.get("asic.workload")
    context = workload.data.get("context") if isinstance(workload, DictionaryAttr) else None
    if isinstance(context, IntegerAttr):
        return max(1, cast("IntegerAttr", context).value.data)
    return _SMALL


def _selecting(function: FuncOp) -> dict[SSAValue, int]:
    """Integer arguments that select elements of a tensor, and the least size that they select in.

    Whatever an operation that selects depends on is taken to select: a bound on the safe side.
    """
    found: dict[SSAValue, int] = {}
    for op in function.body.block.ops:
        size = _selected_size(op)
        if size is None:
            continue
        pending, seen = list(op.operands), set[SSAValue]()
        while pending:
            value = pending.pop()
            if value in seen:
                continue
            seen.add(value)
            if isinstance(value, BlockArgument):
                found[value] = min(size, found.get(value, size))
            elif isinstance(value.owner, Operation):
                pending += value.owner.operands
    return found


def _selected_size(op: Operation) -> int | None:
    if isinstance(op, asic.GatherOp):
        return shape_of(op.table)[0]
    sizes = [
        min(shape_of(inner.operands[0]), default=1)
        for region in op.regions
        for block in region.blocks
        for inner in block.ops
        if name_of(inner) == "tensor.extract"
    ]
    return min(sizes, default=None)
