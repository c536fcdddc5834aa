"""Evaluates a function operation by operation; what each does is in the files beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np
from xdsl.dialects.builtin import DenseResourceAttr, ModuleOp, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Block, Operation, SSAValue

from asic_compiler.interpret.elements import Array
from asic_compiler.interpret.errors import CannotEvaluateError, name_of
from asic_compiler.interpret.maps import Points
from asic_compiler.interpret.numbers import Numbers
from asic_compiler.interpret.scalars import constant, scalar

Handler = Callable[["Machine", Operation], Sequence[Array]]
"""Gives the results of one operation of a function."""
Weights = Mapping[str, Array]
"""Named constants, as `elements` holds them."""

_YIELDS = ("linalg.yield", "asic.yield", "tensor.yield")
_OF_ITS_BODY = frozenset(
    {"linalg.generic", "linalg.map", "linalg.reduce", "asic.elementwise", "asic.reduce"}
)
"""Operations whose results are what their bodies yield, and nothing else."""


def function_of(module: ModuleOp) -> FuncOp:
    """The function that a module is about: ``main``, or the only one with a body.

    Raises:
        CannotEvaluateError: There is none, or it has control flow.
    """
    functions = [op for op in module.ops if isinstance(op, FuncOp) and op.body.blocks]
    named = [function for function in functions if function.sym_name.data == "main"]
    found = named or functions
    if len(found) != 1:
        raise CannotEvaluateError("the module holds no single function of tensors")
    if len(found[0].body.blocks) != 1:
        raise CannotEvaluateError("the function has control flow")
    return found[0]


def tensor_type(value: SSAValue) -> TensorType[Attribute]:
    """The type of a tensor of static shape.

    Raises:
        CannotEvaluateError: It is none.
    """
    type_ = value.type
    if not isinstance(type_, TensorType):
        raise CannotEvaluateError(f"a value of type {type_} is no tensor")
    tensor = cast("TensorType[Attribute]", type_)
    if not tensor.has_static_shape():
        raise CannotEvaluateError(f"{tensor} has no static shape")
    return tensor


def shape_of(value: SSAValue) -> tuple[int, ...]:
    """The shape of a tensor."""
    return tensor_type(value).get_shape()


class Machine:
    """One evaluation of one function.

    Args:
        handlers: By the operation's name; scalar operations need none.
        weights: Named constants.
        numbers: How floats round.
        fixed: Values that no argument of the function has a part in.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        weights: Weights,
        numbers: Numbers,
        fixed: set[SSAValue],
    ) -> None:
        self.weights = weights
        self.numbers = numbers
        self._handlers = handlers
        self._fixed = fixed
        self._values: dict[SSAValue, Array] = {}

    def run(self, function: FuncOp, arguments: Sequence[Array]) -> list[Array]:
        """The function's results.

        Raises:
            CannotEvaluateError: An operation is not known, or what it gives is undefined.
        """
        block = function.body.block
        self._values = dict(zip(block.args, arguments, strict=True))
        for op in block.ops:
            if name_of(op) == "func.return":
                return [self._values[operand] for operand in op.operands]
            for result, array in zip(op.results, self._results(op), strict=True):
                self._values[result] = array
        raise CannotEvaluateError("the function does not return")

    def value(self, value: SSAValue) -> Array:
        """What was computed for a value of the function.

        Raises:
            CannotEvaluateError: Nothing was.
        """
        if value not in self._values:
            raise CannotEvaluateError("a body reads a value of an unknown place")
        return self._values[value]

    def named(self, resource: DenseResourceAttr) -> Array:
        """A named constant.

        Raises:
            CannotEvaluateError: It was not given.
        """
        name = resource.resource_handle.data
        if name not in self.weights:
            raise CannotEvaluateError(f"the weight '{name}' was not given")
        return self.weights[name]

    def body(self, block: Block, arguments: Sequence[Array], points: Points) -> list[Array]:
        """Runs a scalar body on arrays.

        Args:
            block: Its arguments are scalars, its end yields them.
            arguments: One an argument of the block.
            points: The index along each dimension of the iteration space, at every element.

        Raises:
            CannotEvaluateError: It holds an operation that is not known.
        """
        values: dict[SSAValue, Array] = dict(zip(block.args, arguments, strict=True))

        def read(value: SSAValue) -> Array:
            return values[value] if value in values else self.value(value)

        for op in block.ops:
            name = name_of(op)
            if name in _YIELDS:
                return [read(operand) for operand in op.operands]
            if name == "cf.assert":
                continue
            if name in ("linalg.index", "asic.index"):
                dim = op.properties.get("dim", op.attributes.get("dim"))
                values[op.results[0]] = points[int(constant(cast(Attribute, dim)))]
            elif name == "tensor.extract":
                index = [np.asarray(read(operand)) for operand in op.operands[1:]]
                values[op.results[0]] = element(read(op.operands[0]), index)
            else:
                operands = [read(operand) for operand in op.operands]
                values[op.results[0]] = self._scalar(op, operands)
        raise CannotEvaluateError("a body does not yield")

    def in_any_order(self, op: Operation, results: list[Array]) -> list[Array]:
        """Results of a fold: sums may be taken in any order, see `Numbers.summed`."""
        last = op.regions[0].block.last_op
        owners = [operand.owner for operand in last.operands] if last is not None else []
        if not any(isinstance(o, Operation) and name_of(o) == "arith.addf" for o in owners):
            return results
        return [self.numbers.summed(a) if a.dtype.kind == "f" else a for a in results]

    def _scalar(self, op: Operation, operands: list[Array]) -> Array:
        if len(op.results) != 1 or op.regions:
            raise CannotEvaluateError(f"{name_of(op)} is not known to the check")
        return scalar(op, operands, self.numbers, op.results[0] in self._fixed)

    def _results(self, op: Operation) -> Sequence[Array]:
        name = name_of(op)
        if name in self._handlers:
            return self._handlers[name](self, op)
        if name == "cf.assert":
            return ()
        return [self._scalar(op, [self.value(operand) for operand in op.operands])]


def element(array: Array, index: Sequence[Array]) -> Array:
    """``array[index]`` at every point.

    Raises:
        CannotEvaluateError: An index is outside: the result is undefined.
    """
    for position, (values, size) in enumerate(zip(index, array.shape, strict=True)):
        if values.size and (values.min() < 0 or values.max() >= size):
            raise CannotEvaluateError(
                f"an index {int(values.min())}..{int(values.max())} leaves dimension {position} "
                f"of a tensor of {list(array.shape)}"
            )
    return array[tuple(index)] if index else array


def without_arguments(function: FuncOp) -> set[SSAValue]:
    """Values, in the function and in its bodies, that no argument has a part in.

    What a body reads and does not use has no part: a pass may leave it out.
    """
    found: set[SSAValue] = set()
    for op in function.body.block.ops:
        whole = all(operand in found for operand in op.operands)
        for block in (block for region in op.regions for block in region.blocks):
            # The last arguments of a body are what its results held: of all that is folded.
            own = 0 if name_of(op) == "asic.elementwise" else len(op.results)
            read = block.args[: len(block.args) - own]
            pairs = zip(read, op.operands, strict=False)
            found.update(block.args if whole else (arg for arg, value in pairs if value in found))
            for inner in block.ops:
                if name_of(op) in _OF_ITS_BODY and name_of(inner) in _YIELDS:
                    whole = all(operand in found for operand in inner.operands)
                elif all(operand in found for operand in inner.operands):
                    found.update(inner.results)
        found.update(op.results if whole else ())
    return found
