"""What every instruction of a tile shares: the operator it implements, and its schedule."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Any, TypeVar

from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, SymbolRefAttr, i64
from xdsl.ir import Attribute, Operation, OpResult, SSAValue
from xdsl.irdl import IRDLOperation, ParsePropInAttrDict, opt_prop_def, prop_def
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects.asic.fields import require_within
from asic_compiler.dialects.tcc.attrs import BufferType, CutAttr
from asic_compiler.machine.limits import (
    LARGEST_BYTES,
    LARGEST_CYCLES,
    LARGEST_ELEMENTS,
    LARGEST_OPERATORS,
    LARGEST_PIECES,
)

SCHEDULE = "`op` `=` $op (`at` `=` $at^ `cycles` `=` $cycles)? (`addr` $addr^)? attr-dict"
"""How every instruction prints operator, schedule and addresses."""
Sizes = DenseArrayBase.constr(i64)


@lru_cache(maxsize=1 << 16)
def int_attr(value: int) -> IntegerAttr:
    """An i64; attributes are immutable, so equal ones are shared."""
    return IntegerAttr(value, i64)


def int_list(values: Sequence[int] | None) -> DenseArrayBase | None:
    """An array of i64, or None."""
    return None if values is None else DenseArrayBase.from_list(i64, list(values))


def optional_int(value: int | None) -> IntegerAttr | None:
    """An i64, or None."""
    return None if value is None else IntegerAttr(value, i64)


class Instruction(IRDLOperation, ABC):
    """One instruction of a tile.

    ``addr`` has a byte address in DMEM for each buffer it fills. A tile's part of a tensor lies
    there packed, in row-major order of the whole tensor. Caches come first in DMEM, on each tile
    those it has a part of, in program order; parts of weights lie in WMEM likewise.

    Verified for all (rules 1 and 2 of every instruction):
        1. op is not negative, and at most 2^17; likewise cycles are at most 2^53, bytes and
            addresses 2^43, pieces 4096.
        2. at and cycles are given together, and cycles is positive. A negative ``at`` counts back
           from the start of the period: the tail of the period before. Addresses, where they are
           given, are one a buffer and not negative.
    """

    op = prop_def(IntegerAttr[i64])
    """Position in program order of the operator it implements."""
    at = opt_prop_def(IntegerAttr[i64])
    """Cycle at which the operator starts, from the start of its stage's period."""
    cycles = opt_prop_def(IntegerAttr[i64])
    """Cycles that the operator takes, its transfers and reductions included."""
    addr = opt_prop_def(Sizes)
    """Byte address of each buffer that it fills."""

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

    @property
    def buffers(self) -> tuple[OpResult, ...]:
        """The buffers that it fills."""
        return tuple(value for value in self.results if isinstance(value.type, BufferType))

    @property
    def addresses(self) -> tuple[int, ...]:
        """Byte address of each of ``buffers``; empty before they are allocated."""
        return () if self.addr is None else tuple(self.addr.get_values())

    def set_addresses(self, addresses: Sequence[int]) -> None:
        """Gives every buffer its place; for builders of a program."""
        self.properties["addr"] = DenseArrayBase.from_list(i64, list(addresses))

    def set_schedule(self, at: int, cycles: int) -> None:
        """Gives the instruction its place in time; for builders of a program."""
        self.properties["at"] = int_attr(at)
        self.properties["cycles"] = int_attr(cycles)

    def verify_(self) -> None:
        """Checks the shared rules, then the instruction's own."""
        if self.position < 0:
            raise VerifyException(f"op must not be negative, got {self.position}")
        require_within(self.name, "op", self.position, 0, LARGEST_OPERATORS)
        if (self.at is None) != (self.cycles is None):
            raise VerifyException("at and cycles must be given together")
        if self.cycles is not None and self.cycles.value.data < 1:
            raise VerifyException(f"cycles must be positive, got {self.cycles.value.data}")
        if self.interval is not None:
            start, stop = self.interval
            require_within(self.name, "at", start, -LARGEST_CYCLES, LARGEST_CYCLES)
            require_within(self.name, "cycles", stop - start, 1, LARGEST_CYCLES)
        if self.addr is not None:
            given = self.addresses
            if len(given) != len(self.buffers) or min(given, default=0) < 0:
                raise VerifyException(
                    f"{len(self.buffers)} buffers need an address each, got {list(given)}"
                )
            require_within(self.name, "addr", max(given, default=0), 0, LARGEST_BYTES)
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


def require_space(over: Sequence[int], cut: CutAttr, points: int) -> None:
    """Raises VerifyException unless ``over`` is the space of ``points`` and the cut fits it."""
    if len(over) != 3 or min(over) < 1 or prod(over) != points or points > LARGEST_ELEMENTS:
        raise VerifyException(f"over must be three sizes of {points} points, got {list(over)}")
    b, m, n, k = cut.factors
    for key, factor, size in zip("bmn", (b, m, n), over, strict=True):
        if factor > size:
            raise VerifyException(f"{key} of size {size} cannot be cut in {factor}")
    if k != 1:
        raise VerifyException("a vector instruction is not cut along k")


def require_piece(piece: Sequence[int]) -> None:
    """Raises VerifyException unless ``piece`` is an index and a count."""
    if len(piece) != 2 or not 0 <= piece[0] < piece[1]:
        raise VerifyException(f"piece must be an index and a count, got {list(piece)}")
    require_within("piece", "count", piece[1], 1, LARGEST_PIECES)


def require_positive_bytes(count: int) -> None:
    """Raises VerifyException unless the count is positive."""
    if count < 1:
        raise VerifyException(f"bytes must be positive, got {count}")
    require_within("transfer", "bytes", count, 1, LARGEST_BYTES)


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
