"""The scalar bodies that upstream MLIR gives named linalg operations in pretty form.

xDSL 0.74 writes others: it does not widen, adds bits instead of or-ing them, and reads no ``cast``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

from xdsl.dialects import arith
from xdsl.dialects.builtin import AnyFloat, FixedBitwidthType, IntegerType, i1
from xdsl.dialects.linalg.ops import YieldOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects.linalg_forms import FOLDS

Combine: TypeAlias = Callable[["BodyWriter", Sequence[SSAValue]], SSAValue]
"""From the block's arguments to the value that is yielded."""

_Kinds: TypeAlias = tuple[Any, Any, Any]
"""The operation on floats, on integers and on bits; None where there is none."""

ADD: _Kinds = arith.AddfOp, arith.AddiOp, arith.OrIOp
SUBTRACT: _Kinds = arith.SubfOp, arith.SubiOp, None
MULTIPLY: _Kinds = arith.MulfOp, arith.MuliOp, arith.AndIOp
MAXIMUM: _Kinds = arith.MaximumfOp, arith.MaxSIOp, arith.MaxSIOp
MINIMUM: _Kinds = arith.MinimumfOp, arith.MinSIOp, arith.MinSIOp
_FOLDS: dict[str, _Kinds] = dict(
    zip(
        FOLDS,
        (
            ADD,
            MAXIMUM,
            MINIMUM,
            (None, arith.MaxUIOp, None),
            (None, arith.MinUIOp, None),
        ),
        strict=True,
    )
)


class BodyWriter:
    """Writes a body's operations.

    Args:
        types: Of the block's arguments; the last is the result's.
        unsigned: Whether conversions read integers without a sign.
    """

    def __init__(self, types: Sequence[Attribute], *, unsigned: bool = False) -> None:
        self.block = Block(arg_types=types)
        self.target = types[-1]
        self._unsigned = unsigned

    def add(self, op: Operation) -> SSAValue:
        """Appends an operation; returns its result."""
        self.block.add_op(op)
        return op.results[0]

    def apply(self, kinds: _Kinds, *operands: SSAValue) -> SSAValue:
        """One of the operations, by the type of the operands.

        Raises:
            VerifyException: There is none.
        """
        type_ = operands[0].type
        is_integer = isinstance(type_, IntegerType)
        kind = kinds[2 if type_ == i1 else 1 if is_integer else 0]
        if kind is None or not (is_integer or isinstance(type_, AnyFloat)):
            raise VerifyException(f"not defined for elements of type {type_}")
        return self.add(kind(*operands))

    def converted(self, value: SSAValue) -> SSAValue:
        """The value in the result's type.

        Raises:
            VerifyException: There is no such conversion.
        """
        source, target = value.type, self.target
        if source == target:
            return value
        if not all(isinstance(type_, AnyFloat | IntegerType) for type_ in (source, target)):
            raise VerifyException(f"no conversion from {source} to {target}")
        widths = [cast("FixedBitwidthType", type_).bitwidth for type_ in (source, target)]
        wider, narrower = widths[0] < widths[1], widths[0] > widths[1]
        kind: Any = None
        match isinstance(source, AnyFloat), isinstance(target, AnyFloat):
            case True, True:
                kind = arith.ExtFOp if wider else arith.TruncFOp if narrower else None
            case False, False:
                extend = arith.ExtUIOp if self._unsigned else arith.ExtSIOp
                kind = extend if wider else arith.TruncIOp if narrower else None
            case False, True:
                kind = arith.UIToFPOp if self._unsigned else arith.SIToFPOp
            case _:
                kind = arith.FPToUIOp if self._unsigned else arith.FPToSIOp
        if kind is None:
            raise VerifyException(f"no conversion from {source} to {target}")
        return self.add(kind(value, target))


def region_of(types: Sequence[Attribute], combine: Combine, *, unsigned: bool = False) -> Region:
    """A body as a region.

    Args:
        types: Of the block's arguments; the last is the result's.
        combine: Writes the operations.
        unsigned: Whether conversions read integers without a sign.

    Raises:
        VerifyException: Some type has no such body.
    """
    writer = BodyWriter(types, unsigned=unsigned)
    result = combine(writer, writer.block.args)
    if result.type != writer.target:
        raise VerifyException(f"gives {result.type} and not the result's {writer.target}")
    writer.block.add_op(YieldOp(result))
    return Region(writer.block)


def multiply_add(writer: BodyWriter, args: Sequence[SSAValue]) -> SSAValue:
    """``out + lhs * rhs`` in out's type."""
    lhs, rhs = writer.converted(args[0]), writer.converted(args[1])
    return writer.apply(ADD, args[2], writer.apply(MULTIPLY, lhs, rhs))


def multiply_add_offset(writer: BodyWriter, args: Sequence[SSAValue]) -> SSAValue:
    """``out + (lhs - lhs zero) * (rhs - rhs zero)``, in out's type."""
    lhs, rhs = (
        writer.apply(SUBTRACT, writer.converted(args[i]), writer.converted(args[i + 2]))
        for i in range(2)
    )
    return writer.apply(ADD, args[4], writer.apply(MULTIPLY, lhs, rhs))


def fold(kind: str) -> Combine:
    """Folds the first argument into the last; the kind is one of `FOLDS`."""
    return lambda writer, args: writer.apply(_FOLDS[kind], args[-1], writer.converted(args[0]))


def pairwise(kinds: _Kinds) -> Combine:
    """Combines the first two arguments; nothing is converted."""
    return lambda writer, args: writer.apply(kinds, args[0], args[1])


def convert(writer: BodyWriter, args: Sequence[SSAValue]) -> SSAValue:
    """The first argument in the result's type."""
    return writer.converted(args[0])


def function(kind: type[Operation]) -> Combine:
    """A function of one float."""
    return lambda writer, args: writer.apply((kind, None, None), args[0])


def select(writer: BodyWriter, args: Sequence[SSAValue]) -> SSAValue:
    """The second or the third argument, by the first."""
    return writer.add(arith.SelectOp(*args[:3]))


def first(writer: BodyWriter, args: Sequence[SSAValue]) -> SSAValue:
    """The first argument; nothing is converted."""
    return args[0]
