"""What every instruction of a tile shares: the operator it implements, and its schedule."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

from xdsl.dialects.builtin import IntegerAttr, SymbolRefAttr, i64
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import IRDLOperation, ParsePropInAttrDict, opt_prop_def, prop_def
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects.tcc.attrs import BufferType, CutAttr

SCHEDULE = "`op` `=` $op (`at` `=` $at^ `cycles` `=` $cycles)? attr-dict"
"""How every instruction prints operator and schedule."""


@lru_cache(maxsize=1 << 16)
def int_attr(value: int) -> IntegerAttr:
    """An i64; attributes are immutable, so equal ones are shared."""
    return IntegerAttr(value, i64)


def optional_int(value: int | None) -> IntegerAttr | None:
    """An i64, or None."""
    return None if value is None else IntegerAttr(value, i64)


class Instruction(IRDLOperation, ABC):
    """One instruction of a tile.

    Verified for all (rules 1 and 2 of every instruction):
        1. op is not negative.
        2. at and cycles are given together, and cycles is positive. A negative ``at`` counts back
           from the start of the period: the tail of the period before.
    """

    op = prop_def(IntegerAttr[i64])
    """Position in program order of the operator it implements."""
    at = opt_prop_def(IntegerAttr[i64])
    """Cycle at which the operator starts, from the start of its stage's period."""
    cycles = opt_prop_def(IntegerAttr[i64])
    """Cycles that the operator takes, its transfers and reductions included."""

    irdl_options: Any = (ParsePropInAttrDict(),)

    @property
    def position(self) -> int:
        """Position in program order of the operator it implements."""
        return self.op.value.data

    @property
    def interval(self) -> tuple[int, int] | None:
        """First cycle and the one after the last; None for an instruction without a schedule."""
        if self.at is None or self.cycles is None:
            return None
        return self.at.value.data, self.at.value.data + self.cycles.value.data

    def set_schedule(self, at: int, cycles: int) -> None:
        """Gives the instruction its place in time; for builders of a program."""
        self.properties["at"] = int_attr(at)
        self.properties["cycles"] = int_attr(cycles)

    def verify_(self) -> None:
        """Checks the shared rules, then the instruction's own."""
        if self.position < 0:
            raise VerifyException(f"op must not be negative, got {self.position}")
        if (self.at is None) != (self.cycles is None):
            raise VerifyException("at and cycles must be given together")
        if self.cycles is not None and self.cycles.value.data < 1:
            raise VerifyException(f"cycles must be positive, got {self.cycles.value.data}")
        self.verify_instruction()

    def verify_instruction(self) -> None:
        """Checks the instruction's own rules."""

    def verify_symbols(self, symbols: Mapping[str, Operation]) -> None:
        """Checks the symbols it names; called by the program that holds it.

        Args:
            symbols: What the module defines, by name.
        """


def elements_of(value: SSAValue) -> int:
    """Elements of the whole tensor that a buffer holds a part of."""
    return buffer_type(value).elements


def buffer_type(value: SSAValue) -> BufferType:
    """The type of a buffer value.

    Raises:
        VerifyException: It is not a buffer.
    """
    type_: Attribute = value.type
    if not isinstance(type_, BufferType):
        raise VerifyException(f"expected a buffer, got {type_}")
    return type_


def require_elements(what: str, value: SSAValue, expected: int) -> None:
    """Raises VerifyException unless the buffer's tensor has that many elements."""
    if elements_of(value) != expected:
        raise VerifyException(f"{what} has {elements_of(value)} elements, expected {expected}")


def require_vector_cut(cut: CutAttr) -> None:
    """Raises VerifyException unless the cut is along n alone."""
    b, m, _, k = cut.factors
    if (b, m, k) != (1, 1, 1):
        raise VerifyException("a vector instruction is cut along n alone")


def require_positive_bytes(count: int) -> None:
    """Raises VerifyException unless the count is positive."""
    if count < 1:
        raise VerifyException(f"bytes must be positive, got {count}")


_Symbol = TypeVar("_Symbol", bound=Operation)


def resolve(
    symbols: Mapping[str, Operation], reference: SymbolRefAttr, *kinds: type[_Symbol]
) -> _Symbol:
    """What a reference names.

    Raises:
        VerifyException: Nothing of that name, or something of another kind.
    """
    name = reference.root_reference.data
    found = symbols.get(name)
    if not isinstance(found, kinds):
        wanted = " or ".join(kind.name for kind in kinds)
        raise VerifyException(f"@{name} is not a {wanted} of the module")
    return found


def require_buffer_of(name: str, tensor: Attribute, buffer: SSAValue) -> None:
    """Raises VerifyException unless the buffer holds parts of such a tensor."""
    if BufferType.of(tensor) != buffer.type:
        raise VerifyException(f"@{name} holds {tensor}, not {buffer.type}")
