"""The operators of a function as a graph; every operand is a value read through a view."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from xdsl.dialects.builtin import DenseResourceAttr, TensorType
from xdsl.ir import Attribute, Operation, SSAValue

from asic_compiler.passes.raising import views
from asic_compiler.passes.raising.bodies import Body
from asic_compiler.passes.raising.views import Shape, View


@dataclass(eq=False, slots=True)
class Value:
    """A tensor an operator makes."""

    node: Node
    shape: Shape
    element: Attribute
    index: int = 0

    @property
    def type(self) -> TensorType[Attribute]:
        """Its tensor type."""
        return TensorType(self.element, self.shape)

    @property
    def count(self) -> int:
        """Elements."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Access:
    """A tensor found inside a value."""

    value: Value
    view: View

    @property
    def shape(self) -> Shape:
        """Shape of the tensor that is found."""
        return self.view.shape

    @property
    def is_whole(self) -> bool:
        """Whether it is the value itself."""
        return self.view == views.identity(self.value.shape)

    @property
    def is_reshape(self) -> bool:
        """Whether it is the value in its own row-major order."""
        return views.is_row_major(self.view, self.value.shape)


def whole(value: Value) -> Access:
    """A value as it is."""
    return Access(value, views.identity(value.shape))


@dataclass(eq=False)
class Node:
    """An operator. ``source`` is the operation it came from, for locations and messages."""

    source: Operation | None
    inputs: list[Access] = field(default_factory=list[Access], init=False)
    results: list[Value] = field(default_factory=list[Value], init=False)

    def result(self, shape: Shape, element: Attribute) -> Value:
        """Adds a result."""
        value = Value(self, shape, element, len(self.results))
        self.results.append(value)
        return value


@dataclass(eq=False)
class Argument(Node):
    """A function argument, or a value that some kept operation makes."""

    ssa: SSAValue


@dataclass(eq=False)
class Weight(Node):
    """A named constant."""

    value: DenseResourceAttr


@dataclass(eq=False)
class Constant(Node):
    """A dense constant that is not one repeated scalar."""

    value: Attribute


@dataclass(eq=False)
class Elementwise(Node):
    """A body over every point of the result's shape; views lead from there to the inputs."""

    body: Body


@dataclass(eq=False)
class Reduce(Node):
    """A body folded over the last dimensions of ``sizes``.

    ``init`` has one scalar a result; where it is empty, the last ``len(results)`` inputs are
    tensors of start values. The body's last arguments are the accumulators.
    """

    body: Body
    sizes: Shape
    reduced: int
    init: tuple[Attribute, ...]

    @property
    def starts(self) -> int:
        """How many trailing inputs are start values."""
        return 0 if self.init else len(self.results)


@dataclass(eq=False)
class Matmul(Node):
    """Inputs are lhs [b.., m, k] and rhs [b.., n, k] or [b.., k, n], reshapes of their values."""

    transpose_rhs: bool


@dataclass(eq=False)
class Conv(Node):
    """Inputs are data [N, G*C, s..] and weight [G*F, C, w..], reshapes of their values."""

    strides: Shape
    dilations: Shape
    low: Shape
    high: Shape
    groups: int


@dataclass(eq=False)
class Gather(Node):
    """Inputs are the table and the indices, reshapes of their values."""


@dataclass(eq=False)
class Concat(Node):
    """Pieces along ``dim``, each with any view."""

    dim: int
    sizes: Shape


@dataclass(eq=False)
class Pad(Node):
    """A constant border around the input, a reshape of its value."""

    low: Shape
    high: Shape
    fill: Attribute


@dataclass(eq=False)
class KvAppend(Node):
    """Inputs are the cache and the new values, reshapes of their values."""

    axis: int
    position: int
    role: str | None
    layer: int | None


@dataclass(eq=False)
class Kept(Node):
    """An operation that stays as it is; inputs stand for its operands in order."""


@dataclass(eq=False)
class Return(Node):
    """The function's end."""
