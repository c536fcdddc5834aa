"""One pass over a function: every operation becomes graph nodes, or nothing but a view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from xdsl.dialects.builtin import (
    AnyFloat,
    ArrayAttr,
    ComplexType,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    StringAttr,
    TensorType,
)
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Operation, SSAValue

from asic_compiler.passes.raising import views
from asic_compiler.passes.raising.bodies import (
    Body,
    constant_instruction,
    identity_body,
    name_of,
)
from asic_compiler.passes.raising.graph import (
    Access,
    Argument,
    Elementwise,
    Node,
    Return,
    Value,
    whole,
)
from asic_compiler.passes.raising.views import Shape, View


@dataclass(frozen=True, slots=True)
class Splat:
    """A tensor of one repeated scalar."""

    value: Attribute
    shape: Shape
    element: Attribute


@dataclass(frozen=True, slots=True)
class Empty:
    """A tensor without defined contents."""

    shape: Shape
    element: Attribute


Tensor = Access | Splat | Empty
_NUMBERS = (AnyFloat, IntegerType, IndexType, ComplexType)


class UnsupportedError(Exception):
    """An operation that has no counterpart in ``asic``; the text says why."""


class _PoisonedError(Exception):
    """An operand came from an operation that was already reported."""


@dataclass(frozen=True, slots=True)
class KvRole:
    """What a function argument holds: keys or values of a layer."""

    role: str
    layer: int | None


@dataclass(frozen=True, slots=True)
class Unraised:
    """An operation that could not be raised, and why."""

    op: Operation
    reason: str


_NodeT = TypeVar("_NodeT", bound=Node)

Handler = Callable[["GraphBuilder", Operation], None]


class GraphBuilder:
    """The graph of one function.

    Args:
        function: Its body is one block that ends in ``func.return``.
        handlers: What to do with each operation, by name.
    """

    def __init__(self, function: FuncOp, handlers: dict[str, Handler]) -> None:
        self.function = function
        self.nodes: list[Node] = []
        self.problems: list[Unraised] = []
        self.live: set[Operation] = _live_operations(function)
        self._handlers = handlers
        self._tensors: dict[SSAValue, Tensor] = {}
        self._poisoned: set[SSAValue] = set()
        self._copies: dict[tuple[int, View], Access] = {}
        self._arguments: dict[int, KvRole] = {}
        self._returned: set[SSAValue] = set()

    def build(self) -> list[Node]:
        """Fills and returns the nodes, in program order; problems are collected, not raised."""
        block = self.function.body.block
        roles = _kv_roles(self.function)
        for argument in block.args:
            if not isinstance(argument.type, TensorType):
                continue
            value = self.opaque(argument)
            if argument.index in roles:
                self._arguments[id(value)] = roles[argument.index]
        if block.last_op is not None:
            self._returned = set(block.last_op.operands)
        for op in block.ops:
            if op in self.live:
                self._visit(op)
        return self.nodes

    def _visit(self, op: Operation) -> None:
        name = name_of(op)
        handler = self._handlers.get(name)
        try:
            if handler is None:
                raise UnsupportedError("no asic operator corresponds to it")
            if any(operand in self._poisoned for operand in op.operands):
                raise _PoisonedError
            handler(self, op)
        except UnsupportedError as problem:
            self.problems.append(Unraised(op, str(problem)))
            self._poisoned.update(op.results)
        except _PoisonedError:
            self._poisoned.update(op.results)

    # What handlers ask and tell.

    def define(self, value: SSAValue, tensor: Tensor) -> None:
        """Says what an SSA value is."""
        self._tensors[value] = tensor

    def tensor(self, value: SSAValue) -> Tensor:
        """What an SSA value is.

        Raises:
            UnsupportedError: It is not a tensor of static shape that was defined before.
        """
        found = self._tensors.get(value)
        if found is None:
            if value in self._poisoned:
                raise _PoisonedError
            raise UnsupportedError(f"operand of type {value.type} is not a tensor computed here")
        return found

    def access(self, value: SSAValue) -> Access:
        """An SSA value as elements of a graph value; repeated scalars are written out."""
        return self.materialised(self.tensor(value))

    def materialised(self, tensor: Tensor) -> Access:
        """A tensor as elements of a graph value."""
        if isinstance(tensor, Access):
            return tensor
        if isinstance(tensor, Empty):
            raise UnsupportedError("reads a tensor that was never written")
        body = Body((), (constant_instruction(tensor.value),), (0,))
        node = self.add(Elementwise(None, body))
        return whole(node.result(tensor.shape, tensor.element))

    def opaque(self, value: SSAValue) -> Value:
        """Defines an SSA value that is made elsewhere."""
        shape, element = static_type(value)
        node = self.add(Argument(None, value))
        made = node.result(shape, element)
        self.define(value, whole(made))
        return made

    def add(self, node: _NodeT) -> _NodeT:
        """Appends a node."""
        self.nodes.append(node)
        return node

    def copy(self, access: Access) -> Access:
        """The accessed tensor as a value of its own (made once)."""
        key = (id(access.value), access.view)
        found = self._copies.get(key)
        if found is None:
            element = access.value.element
            node = self.add(Elementwise(access.value.node.source, identity_body(element)))
            node.inputs = [access]
            found = whole(node.result(access.shape, element))
            self._copies[key] = found
        return found

    def ordered(self, access: Access) -> Access:
        """The tensor in row-major order: itself, a reshape, or else a copy."""
        return access if access.is_reshape else self.copy(access)

    def reshaped(self, access: Access, shape: Shape) -> Access:
        """The same elements under another shape."""
        view = views.reshape(access.view, shape)
        if view is None:
            access = self.copy(access)
            view = views.reshape(access.view, shape)
            assert view is not None, "a whole value reshapes into every shape of its size"
        return Access(access.value, view)

    def through(self, outer: View, access: Access) -> Access:
        """The access as seen through another view."""
        view = views.compose(outer, access.view)
        if view is None:
            access = self.copy(access)
            view = views.compose(outer, access.view)
            assert view is not None, "every view composes with a whole value"
        return Access(access.value, view)

    def sliced(self, access: Access, dim: int, offset: int, size: int, step: int = 1) -> Access:
        """A part of one dimension."""
        view = views.slice_dimension(access.view, dim, offset, size, step)
        if view is None:
            access = self.copy(access)
            view = views.slice_dimension(access.view, dim, offset, size, step)
            assert view is not None, "a whole value can be sliced anywhere"
        return Access(access.value, view)

    def is_live(self, value: SSAValue) -> bool:
        """Whether a live operation uses a value, itself or in its body."""
        return any(_ancestor_in(use.operation, self.live) for use in value.uses)

    def is_returned(self, value: SSAValue) -> bool:
        """Whether the function returns a value."""
        return value in self._returned

    def kv_role(self, value: Value) -> KvRole | None:
        """The role of the KV argument that a value is, if it is one."""
        return self._arguments.get(id(value))

    def finish(self, op: Operation) -> None:
        """Ends the graph with the returned values, each of its own in row-major order."""
        node = Return(op)
        node.inputs = [self.ordered(self.access(operand)) for operand in op.operands]
        self.add(node)


def attribute_of(op: Operation, name: str) -> Attribute | None:
    """A property or attribute by name (unregistered operations keep all as either)."""
    return op.properties.get(name, op.attributes.get(name))


def integers(op: Operation, name: str, default: Sequence[int] | None = None) -> Shape:
    """A list of integers from an attribute, in any of the ways MLIR writes one.

    Raises:
        UnsupportedError: It is missing and has no default, or holds something else.
    """
    found = attribute_of(op, name)
    if found is None and default is not None:
        return tuple(default)
    if isinstance(found, DenseArrayBase):
        return tuple(int(v) for v in found.get_values())
    if isinstance(found, DenseIntOrFPElementsAttr):
        dense = cast("DenseIntOrFPElementsAttr", found)
        return tuple(int(v) for v in cast("Sequence[int]", dense.get_values()))
    if isinstance(found, IntegerAttr):
        return (cast("IntegerAttr", found).value.data,)
    if isinstance(found, ArrayAttr):
        items = cast("ArrayAttr[IntegerAttr]", found)
        return tuple(item.value.data for item in items)
    raise UnsupportedError(f"attribute {name} is missing")


def static_type(value: SSAValue) -> tuple[Shape, Attribute]:
    """Shape and element type of a tensor value.

    Raises:
        UnsupportedError: It is not a tensor, or its shape is not static, or it has no elements, or
            they are no numbers.
    """
    type_ = value.type
    if not isinstance(type_, TensorType):
        raise UnsupportedError(f"{type_} is not a tensor")
    tensor = cast("TensorType[Attribute]", type_)
    shape = tensor.get_shape()
    if not tensor.has_static_shape():
        raise UnsupportedError(f"{type_} has no static shape")
    if 0 in shape:
        raise UnsupportedError(f"{type_} has no elements")
    if not isinstance(tensor.element_type, _NUMBERS):
        raise UnsupportedError(f"the elements of {type_} are no numbers")
    return shape, tensor.element_type


def _live_operations(function: FuncOp) -> set[Operation]:
    live: set[Operation] = set()
    for op in reversed(list(function.body.block.ops)):
        if op.results and not any(
            _ancestor_in(use.operation, live) for result in op.results for use in result.uses
        ):
            continue
        live.add(op)
    return live


def _ancestor_in(op: Operation, live: set[Operation]) -> bool:
    ancestor: Operation | None = op
    while ancestor is not None:
        if ancestor in live:
            return True
        ancestor = ancestor.parent_op()
    return False


def _kv_roles(function: FuncOp) -> dict[int, KvRole]:
    roles: dict[int, KvRole] = {}
    for position, attributes in enumerate(function.arg_attrs or ()):
        role = attributes.data.get("asic.role")
        layer = attributes.data.get("asic.layer")
        if isinstance(role, StringAttr) and role.data in ("kv_key", "kv_value"):
            number = (
                cast("IntegerAttr", layer).value.data if isinstance(layer, IntegerAttr) else None
            )
            roles[position] = KvRole(role.data.removeprefix("kv_"), number)
    return roles
