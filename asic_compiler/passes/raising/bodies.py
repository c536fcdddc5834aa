"""Scalar bodies of vector operators as values: read from a region, joined, written back.

A body is a list of instructions over numbered values: first its arguments, then one value an
instruction. Building one numbers equal instructions once, so joining bodies never repeats work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import copysign, inf
from typing import cast

import numpy as np
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import (
    AnyFloat,
    BFloat16Type,
    Float16Type,
    Float32Type,
    Float64Type,
    FloatAttr,
    IntegerAttr,
    UnregisteredOp,
    i1,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue, TypedAttribute

from asic_compiler.dialects.asic import IndexOp, YieldOp


@dataclass(frozen=True, slots=True)
class Instruction:
    """One scalar operation; ``index`` stands for the position along that dimension instead."""

    kind: type[Operation] | None
    operands: tuple[int, ...]
    type: Attribute
    properties: tuple[tuple[str, Attribute], ...] = ()
    attributes: tuple[tuple[str, Attribute], ...] = ()
    index: int = -1


@dataclass(frozen=True, slots=True)
class Body:
    """Instructions over values 0..len(arguments)-1 (arguments), then one an instruction."""

    arguments: tuple[Attribute, ...]
    instructions: tuple[Instruction, ...]
    results: tuple[int, ...]

    @property
    def is_identity(self) -> bool:
        """Whether it only passes its single argument on."""
        return len(self.arguments) == 1 and self.results == (0,)

    def type_of(self, value: int) -> Attribute:
        """Type of a value."""
        count = len(self.arguments)
        return self.arguments[value] if value < count else self.instructions[value - count].type

    @property
    def uses_index(self) -> bool:
        """Whether the result depends on the position in the iteration space."""
        return any(instruction.index >= 0 for instruction in self.instructions)


def identity_body(element: Attribute) -> Body:
    """The body that copies."""
    return Body((element,), (), (0,))


class BodyBuilder:
    """Builds a body, numbering equal instructions once.

    Args:
        arguments: Types of the body's arguments, in order.
    """

    def __init__(self, arguments: Sequence[Attribute]) -> None:
        self.arguments = tuple(arguments)
        self._instructions: list[Instruction] = []
        self._numbers: dict[Instruction, int] = {}

    def emit(self, instruction: Instruction) -> int:
        """Adds an instruction, or finds its equal; returns the number of its value."""
        instruction = _fold(instruction, self)
        number = self._numbers.get(instruction)
        if number is None:
            number = len(self.arguments) + len(self._instructions)
            self._instructions.append(instruction)
            self._numbers[instruction] = number
        return number

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """What was added so far."""
        return tuple(self._instructions)

    def constant(self, value: Attribute) -> int:
        """Adds a constant."""
        return self.emit(constant_instruction(value))

    def inline(self, body: Body, arguments: Sequence[int], indices: Mapping[int, int]) -> list[int]:
        """Adds another body's instructions.

        Args:
            body: What to add.
            arguments: The values its arguments stand for.
            indices: Where each dimension of its iteration space is found in this one's.

        Returns:
            The values of its results.
        """
        values = list(arguments)
        for instruction in body.instructions:
            values.append(
                self.emit(
                    Instruction(
                        instruction.kind,
                        tuple(values[v] for v in instruction.operands),
                        instruction.type,
                        instruction.properties,
                        instruction.attributes,
                        indices.get(instruction.index, instruction.index),
                    )
                )
            )
        return [values[v] for v in body.results]

    def type_of(self, number: int) -> Attribute:
        """Type of a value."""
        instruction = self.value(number)
        return self.arguments[number] if instruction is None else instruction.type

    def value(self, number: int) -> Instruction | None:
        """The instruction behind a value, None for an argument."""
        position = number - len(self.arguments)
        return self._instructions[position] if position >= 0 else None

    def finish(self, results: Sequence[int], keep: int = 0) -> tuple[Body, list[int]]:
        """The body without dead instructions and dead arguments.

        Args:
            results: Values it yields.
            keep: How many trailing arguments stay even if unused (accumulators).

        Returns:
            The body, and the numbers of the arguments that are left.
        """
        count = len(self.arguments)
        live = set(results) | set(range(count - keep, count))
        for position in range(len(self._instructions) - 1, -1, -1):
            if count + position in live:
                live.update(self._instructions[position].operands)
        kept = [v for v in range(count) if v in live]
        numbers = {v: i for i, v in enumerate(kept)}
        instructions: list[Instruction] = []
        for position, instruction in enumerate(self._instructions):
            if count + position not in live:
                continue
            numbers[count + position] = len(kept) + len(instructions)
            operands = tuple(numbers[v] for v in instruction.operands)
            instructions.append(
                Instruction(
                    instruction.kind,
                    operands,
                    instruction.type,
                    instruction.properties,
                    instruction.attributes,
                    instruction.index,
                )
            )
        body = Body(
            tuple(self.arguments[v] for v in kept),
            tuple(instructions),
            tuple(numbers[v] for v in results),
        )
        return body, kept


def name_of(op: Operation) -> str:
    """The operation's name, registered or not."""
    return op.op_name.data if isinstance(op, UnregisteredOp) else op.name


def constant_instruction(value: Attribute) -> Instruction:
    """A scalar constant."""
    type_ = cast(TypedAttribute, value).get_type()
    return Instruction(arith.ConstantOp, (), type_, (("value", value),))


def instruction_of(op: Operation, operands: Sequence[int]) -> Instruction:
    """The instruction an operation of a region is."""
    return Instruction(
        type(op),
        tuple(operands),
        op.results[0].type,
        tuple(sorted(op.properties.items())),
        tuple(sorted(op.attributes.items())),
    )


_TESTS = {
    "math.isnan": ("uno", None),
    "math.isinf": ("oeq", inf),
    "math.isfinite": ("olt", inf),
}
"""Tests of floats as comparisons: with itself, or of the magnitude with a number."""


def emit_operation(builder: BodyBuilder, op: Operation, operands: Sequence[int]) -> int:
    """Adds what an operation of a region computes; tests of floats become comparisons."""
    if name_of(op) not in _TESTS:
        return builder.emit(instruction_of(op, operands))
    predicate, bound = _TESTS[name_of(op)]
    (value,) = operands
    kind = op.operands[0].type
    left = right = value
    if bound is not None:
        left = builder.emit(Instruction(math.AbsFOp, (value,), kind))
        right = builder.constant(FloatAttr(bound, cast("AnyFloat", kind)))
    code = IntegerAttr(arith.CMPF_COMPARISON_OPERATIONS.index(predicate), i64)
    properties = (("predicate", code),)
    return builder.emit(Instruction(arith.CmpfOp, (left, right), i1, properties))


def body_of(block: Block) -> Body | None:
    """A block of scalar operations as a body; None where it reads or holds anything else."""
    numbers: dict[SSAValue, int] = {argument: i for i, argument in enumerate(block.args)}
    builder = BodyBuilder([argument.type for argument in block.args])
    for op in block.ops:
        if any(operand not in numbers for operand in op.operands):
            return None
        operands = [numbers[operand] for operand in op.operands]
        if op is block.last_op:
            return Body(builder.arguments, builder.instructions, tuple(operands))
        if not is_scalar_operation(op):
            return None
        numbers[op.results[0]] = emit_operation(builder, op, operands)
    return None


def is_scalar_operation(op: Operation) -> bool:
    """Whether an operation can stand in a body."""
    dialect = name_of(op).partition(".")[0]
    return dialect in ("arith", "math") and len(op.results) == 1 and not op.regions


def constant_value(instruction: Instruction | None) -> Attribute | None:
    """The value of a constant instruction, None for any other."""
    if instruction is None or instruction.kind is not arith.ConstantOp:
        return None
    return instruction.properties[0][1]


_NUMPY_FLOATS: dict[type[Attribute], type[np.floating]] = {
    Float16Type: np.float16,
    Float32Type: np.float32,
    Float64Type: np.float64,
}


def _fold(instruction: Instruction, builder: BodyBuilder) -> Instruction:
    # Only widths of constants: the rounding is that of the conversion, done once, here.
    if instruction.kind not in (arith.TruncFOp, arith.ExtFOp):
        return instruction
    value = constant_value(builder.value(instruction.operands[0]))
    if not isinstance(value, FloatAttr):
        return instruction
    return _converted(cast("FloatAttr", value), instruction)


@lru_cache(maxsize=1024)
def _converted(value: FloatAttr, instruction: Instruction) -> Instruction:
    # Remembered by the attribute, which is equal to those of the same bits alone: as numbers,
    # 0.0 is -0.0.
    target = instruction.type
    float_type = _NUMPY_FLOATS.get(type(target))
    if float_type is None or isinstance(target, BFloat16Type):
        return instruction
    with np.errstate(over="ignore"):
        rounded = float(float_type(value.value.data))
    return constant_instruction(FloatAttr(rounded, cast(Float32Type, target)))


def write_region(body: Body, arguments: Sequence[Attribute]) -> Region:
    """The body as a region of an ``asic`` operation.

    Args:
        body: What to write.
        arguments: Types of the block's arguments, the body's own in order.
    """
    block = Block(arg_types=arguments)
    values: list[SSAValue] = list(block.args)
    for instruction in body.instructions:
        op: Operation
        if instruction.kind is None:
            op = IndexOp(instruction.index)
        else:
            op = instruction.kind.create(
                operands=[values[v] for v in instruction.operands],
                result_types=[instruction.type],
                properties=dict(instruction.properties),
                attributes=dict(instruction.attributes),
            )
        block.add_op(op)
        values.append(op.results[0])
    block.add_op(YieldOp(*(values[v] for v in body.results)))
    return Region(block)


def is_negative_zero(value: Attribute) -> bool:
    """Whether a scalar attribute is the float -0.0."""
    if not isinstance(value, FloatAttr):
        return False
    number = cast("FloatAttr", value).value.data
    return number == 0.0 and copysign(1.0, number) < 0


def is_zero(value: Attribute) -> bool:
    """Whether a scalar attribute is zero, of either sign."""
    match value:
        case FloatAttr():
            return value.value.data == 0.0
        case IntegerAttr():
            return value.value.data == 0
        case _:
            return False
