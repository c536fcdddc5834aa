"""Scalar bodies of kernels on arrays of points, each operation in its own type.

Floats narrower than f32 are computed in f32 and rounded to their type once an operation; other
types are computed in themselves; integers wrap. Transcendental functions are NumPy's (a few units
in the last place of f32). bf16 travels as f32 (see `elements`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    BFloat16Type,
    FloatAttr,
    IndexType,
    IntegerAttr,
    UnregisteredOp,
)
from xdsl.ir import Attribute, Block, Operation, SSAValue

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects.location import location_of
from asic_compiler.simulate import scalars
from asic_compiler.tensors.elements import (
    Array,
    compute_dtype,
    constant,
    dtype_of,
    integer_width,
    is_float,
    rounded,
)

Index: TypeAlias = Callable[[int], Array]
"""The position of each point along a dimension of the iteration space."""
_Function: TypeAlias = Callable[..., Array]
_Unary: TypeAlias = Callable[[Array], Array]
_Binary: TypeAlias = Callable[[Array, Array], Array]

_YIELDS = ("tcc.yield", "asic.yield")
_INDICES = ("tcc.index", "asic.index")
# Of a single bit these would be a matter of taste; nothing emits them.
_NOT_OF_ONE_BIT = frozenset(
    ("arith.shli", "arith.shrsi", "arith.shrui", "math.ctlz", "math.cttz", "math.ctpop")
)
_SIGN_EXTENDING = ("arith.extsi", "arith.index_cast")
_ZERO_EXTENDING = ("arith.extui", "arith.index_castui")


@dataclass(frozen=True, slots=True)
class Step:
    """One operation: a function of values, or, where there is none, an index or a constant."""

    operands: tuple[int, ...]
    function: _Function | None = None
    value: Array | None = None
    dim: int = -1


@dataclass(frozen=True, slots=True)
class Body:
    """A body ready to run. Values are numbered: arguments first, then one a step."""

    arguments: tuple[Attribute, ...]
    steps: tuple[Step, ...]
    results: tuple[int, ...]


def compile_body(block: Block) -> Body:
    """Reads a body once, so that it can be run often.

    The block must not change afterwards; nothing is kept of it but what is returned.

    Raises:
        UserError: An operation or a type is not known; points at the operation.
    """
    numbers: dict[SSAValue, int] = {argument: i for i, argument in enumerate(block.args)}
    arguments = tuple(argument.type for argument in block.args)
    for element in arguments:
        dtype_of(element)
    steps: list[Step] = []
    for op in block.ops:
        name = _name(op)
        if name in _YIELDS:
            return Body(arguments, tuple(steps), tuple(numbers[v] for v in op.operands))
        missing = [operand for operand in op.operands if operand not in numbers]
        if missing or len(op.results) != 1:
            raise UserError(f"'{name}' cannot be part of a scalar body", location_of(op))
        steps.append(_step(name, op, tuple(numbers[v] for v in op.operands)))
        numbers[op.results[0]] = len(arguments) + len(steps) - 1
    raise UserError("the body of a kernel must end in tcc.yield", _block_location(block))


def _name(op: Operation) -> str:
    return op.op_name.data if isinstance(op, UnregisteredOp) else op.name


def _block_location(block: Block) -> Any:
    parent = block.parent_op()
    return None if parent is None else location_of(parent)


def run_body(block: Block | Body, operands: Sequence[Array], index: Index) -> list[Array]:
    """Computes the body at every point.

    Args:
        block: The body, or what `compile_body` made of it.
        operands: One array an argument, of its type (`dtype_of`), all of the points' shape.
        index: The position of the points along a dimension, int64; called where the body asks.

    Returns:
        One array a yielded value, of the points' shape; of no dimensions when the body has no
        arguments and asks for no index.

    Raises:
        UserError: The body has an operation that is not known.
        ValueError: Operands do not match the arguments.
    """
    body = block if isinstance(block, Body) else compile_body(block)
    _check_operands(body.arguments, operands)
    values: dict[int, Array] = dict(enumerate(operands))
    for number, step in enumerate(body.steps, len(operands)):
        values[number] = _execute(step, values, index)
    shape = np.broadcast_shapes(*(value.shape for value in values.values()))
    return [np.broadcast_to(values[number], shape) for number in body.results]


def _check_operands(arguments: Sequence[Attribute], operands: Sequence[Array]) -> None:
    given = [operand.dtype for operand in operands]
    wanted = [dtype_of(argument) for argument in arguments]
    if given != wanted:
        raise ValueError(f"the body takes {wanted}, not {given}")


def _execute(step: Step, values: Mapping[int, Array], index: Index) -> Array:
    if step.function is not None:
        with np.errstate(all="ignore"):
            return step.function(*(values[number] for number in step.operands))
    if step.value is not None:
        return step.value
    return np.asarray(index(step.dim), np.int64)


def start_accumulators(init: Sequence[Attribute], count: int) -> list[Array]:
    """What a reduction starts from: each scalar of ``init``, ``count`` times."""
    return [np.full(count, _scalar(value), dtype_of(_type_of(value))) for value in init]


def _scalar(value: Attribute) -> Array:
    if not isinstance(value, FloatAttr | IntegerAttr):
        raise UserError(f"{value} is no number that a reduction can start from")
    return constant(cast("Any", value).value.data, _type_of(cast("Attribute", value)))


def _type_of(value: Attribute) -> Attribute:
    return cast("Any", value).type


def fold(
    block: Block | Body,
    operands: Sequence[Array],
    kept: NDArray[np.int64],
    accumulators: Sequence[Array],
    index: Index,
) -> list[Array]:
    """Folds points into accumulators, in the order in which the points come.

    What does not depend on accumulators is computed for all points at once; the rest steps along
    the reduced length, and at each step treats all kept positions together.

    Args:
        block: The body: its last ``len(accumulators)`` arguments are the accumulators.
        operands: One array [points] for each other argument.
        kept: Kept position of each point [points], int64, never decreasing: points are sorted
            row-major, the kept dimensions first. Positions may be missing, and groups differ in
            length: a tile may hold any run of points.
        accumulators: One array [kept positions] an accumulator: what `start_accumulators` gives,
            or what an earlier part of the points was folded into. Not changed.
        index: As in `run_body`, [points].

    Returns:
        The accumulators after all points; positions without a point are as they were.

    Raises:
        UserError: The body has an operation that is not known.
        ValueError: Operands do not match the arguments, or points are not sorted.
    """
    body = block if isinstance(block, Body) else compile_body(block)
    _check_operands(body.arguments, [*operands, *accumulators])
    count = len(body.arguments) - len(accumulators)
    results = [accumulator.copy() for accumulator in accumulators]
    if len(kept) == 0:
        return results
    if np.any(kept[1:] < kept[:-1]):
        raise ValueError("points must be sorted by kept position")
    known, recurrence = _prologue(body, operands, index)
    starts = np.flatnonzero(np.concatenate(([True], kept[1:] != kept[:-1])))
    lengths = np.diff(np.append(starts, len(kept)))
    positions = kept[starts]
    longest = int(lengths.max())
    same = {number: value for number, value in known.items() if value.ndim == 0}
    rows = {number: value for number, value in known.items() if value.ndim}
    # Groups of equal length, the usual case, are turned once; then every step reads a row.
    regular = int(lengths.min()) == longest
    if regular:
        rows = {
            number: np.ascontiguousarray(value.reshape(len(starts), longest).T)
            for number, value in rows.items()
        }
    for step in range(longest):
        active, chosen = positions, step
        if not regular:
            has = lengths > step
            active, chosen = positions[has], starts[has] + step
        values = {**same, **{number: value[chosen] for number, value in rows.items()}}
        for offset, result in enumerate(results):
            values[count + offset] = result[active]
        for number, part in recurrence:
            values[number] = _execute(part, values, index)
        for result, number in zip(results, body.results, strict=True):
            result[active] = values[number]
    return results


def _prologue(
    body: Body, operands: Sequence[Array], index: Index
) -> tuple[dict[int, Array], list[tuple[int, Step]]]:
    """Values that no accumulator has a part in and that are read later, and the other steps.

    Values are [points], or of no dimensions where they are the same at every point.
    """
    known: dict[int, Array] = dict(enumerate(operands))
    recurrence: list[tuple[int, Step]] = []
    read = list(body.results)
    for number, step in enumerate(body.steps, len(body.arguments)):
        if all(operand in known for operand in step.operands):
            known[number] = _execute(step, known, index)
        else:
            recurrence.append((number, step))
            read += step.operands
    return {number: known[number] for number in read if number in known}, recurrence


def _step(name: str, op: Operation, operands: tuple[int, ...]) -> Step:
    """The step that an operation is.

    Raises:
        UserError: It is not known.
    """
    result = op.results[0].type
    try:
        if isinstance(op, arith.ConstantOp):
            return Step((), value=_scalar(op.value))
        if name in _INDICES:
            return Step((), dim=cast("Any", op).dim.value.data)
        function = _function(name, op, result)
    except UserError as error:
        raise UserError(error.message, error.location or location_of(op), error.notes) from None
    if function is None:
        raise UserError(
            f"'{name}' on {', '.join(str(v.type) for v in op.operands)} cannot be simulated",
            location_of(op),
            ["bodies may hold scalar operations of arith and math"],
        )
    return Step(operands, function)


def _function(name: str, op: Operation, result: Attribute) -> _Function | None:
    source = op.operands[0].type if op.operands else result
    dtype_of(result)
    if name == "arith.select":
        return np.where
    if isinstance(op, arith.CmpfOp):
        return scalars.COMPARE_FLOATS[op.predicate.value.data]
    if isinstance(op, arith.CmpiOp):
        return _integer_compare(op.predicate.value.data)
    if name == "arith.bitcast":
        return _bitcast(source, result)
    if (convert := _conversion(name, source, result)) is not None:
        return convert
    if is_float(source):
        return _float_function(name, source, result)
    if isinstance(source, IndexType) or integer_width(source) is not None:
        return _integer_function(name, source, result)
    return None


def _integer_compare(predicate: int) -> _Binary:
    compare, signed = scalars.COMPARE_INTEGERS[predicate]
    view = scalars.as_signed if signed else scalars.as_unsigned
    return lambda a, b: compare(view(a), view(b))


def _float_function(name: str, source: Attribute, result: Attribute) -> _Function | None:
    function = scalars.FLOAT.get(name)
    if function is None or not is_float(result):
        return None
    wide, own = compute_dtype(source), dtype_of(source)
    if wide == own:
        return lambda *v: rounded(np.asarray(function(*v)), result)

    def run(*values: Array) -> Array:
        # All but the exponent of an integer power have the operation's own type.
        cast_ = (v.astype(wide) if v.dtype == own else v for v in values)
        return rounded(np.asarray(function(*cast_)), result)

    return run


def _integer_function(name: str, source: Attribute, result: Attribute) -> _Function | None:
    one_bit = dtype_of(source) == np.bool_
    if one_bit and name in _NOT_OF_ONE_BIT:
        return None
    for table, view in (
        (scalars.SIGNED, scalars.as_signed),
        (scalars.UNSIGNED, scalars.as_unsigned),
    ):
        if (function := table.get(name)) is not None:
            return lambda *v: rounded(np.asarray(function(*map(view, v))), result)
    return None


def _conversion(name: str, source: Attribute, result: Attribute) -> _Unary | None:
    if name in ("arith.extf", "arith.truncf"):
        return lambda x: rounded(x, result)
    if name in ("arith.sitofp", *_SIGN_EXTENDING):
        return lambda x: rounded(scalars.as_signed(x), result)
    if name in ("arith.uitofp", *_ZERO_EXTENDING):
        return lambda x: rounded(scalars.as_unsigned(x), result)
    if name == "arith.trunci":
        return lambda x: rounded(x, result)
    if name in ("arith.fptosi", "arith.fptoui"):
        return _to_integer(name == "arith.fptosi", result)
    return None


def _to_integer(signed: bool, result: Attribute) -> _Unary | None:
    width = integer_width(result)
    if width is None:
        return None
    low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)
    kind = np.dtype(f"{'i' if signed else 'u'}{max(1, width // 8)}")
    return lambda x: rounded(scalars.to_integer(x, low, high, kind), result)


def _bitcast(source: Attribute, result: Attribute) -> _Unary | None:
    from_bfloat, to_bfloat = (isinstance(t, BFloat16Type) for t in (source, result))
    bits = [
        16 if isinstance(t, BFloat16Type) else 8 * dtype_of(t).itemsize for t in (source, result)
    ]
    if bits[0] != bits[1]:
        return None

    def run(x: Array) -> Array:
        if from_bfloat:
            x = (np.ascontiguousarray(x).view(np.uint32) >> 16).astype(np.uint16)
        if to_bfloat:
            raw = np.ascontiguousarray(x).view(np.uint16).astype(np.uint32) << 16
            return raw.view(np.float32)
        return np.ascontiguousarray(x).view(dtype_of(result))

    return run
