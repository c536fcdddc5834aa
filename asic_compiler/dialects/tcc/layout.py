"""Instructions that rearrange: views that cost nothing, copies, concatenation, padding."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import AffineMapAttr, ArrayAttr, DenseArrayBase, IntegerAttr, i64
from xdsl.ir import Attribute, OpResult, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import HasParent
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects.asic.maps import linear_offsets_match, map_error
from asic_compiler.dialects.tcc.attrs import BufferType, CutAttr
from asic_compiler.dialects.tcc.base import (
    SCHEDULE,
    Instruction,
    Sizes,
    buffer_type,
    elements_of,
    int_attr,
    int_list,
    require_space,
)
from asic_compiler.dialects.tcc.symbols import ProgramOp

Maps = ArrayAttr[AffineMapAttr]


def _verify_map(map_: AffineMap, result: SSAValue, operand: SSAValue) -> None:
    target, source = buffer_type(result), buffer_type(operand)
    error = map_error(map_, target.sizes, source.sizes)
    if error is not None:
        raise VerifyException(f"map {error}")
    if target.element_type != source.element_type:
        raise VerifyException("operand and result differ in element type")


@irdl_op_definition
class ViewOp(Instruction):
    """Another way to address a buffer: ``result[d] = operand[map(d)]``. Nothing moves.

    A tile's part of the result is the same elements at the same address; a view has no schedule.

    Verified, besides the shared rules:
        3. it has no schedule.
        4. the map leads from the result's dimensions into the operand.
        5. element types are equal.
        6. row-major order and element count are those of the operand.
    """

    name = "tcc.view"

    operand = operand_def(BufferType)
    map = prop_def(AffineMapAttr)
    result = result_def(BufferType)

    traits = traits_def(HasParent(ProgramOp))
    assembly_format = f"$operand $map {SCHEDULE} `:` type($operand) `->` type($result)"

    def __init__(self, operand: SSAValue, map_: AffineMap, op: int, result: Attribute) -> None:
        super().__init__(
            operands=[operand],
            properties={"map": AffineMapAttr(map_), "op": int_attr(op)},
            result_types=[result],
        )

    @property
    def buffers(self) -> tuple[OpResult, ...]:
        """None: it is its operand's."""
        return ()

    def verify_instruction(self) -> None:
        """Checks the numbered rules."""
        if self.at is not None:
            raise VerifyException("a view takes no time and has no schedule")
        _verify_map(self.map.data, self.result, self.operand)
        shape, source = buffer_type(self.result).sizes, buffer_type(self.operand).sizes
        if 0 not in shape and not linear_offsets_match(self.map.data, shape, source):
            raise VerifyException("a view keeps the operand's elements in row-major order")


@irdl_op_definition
class CopyOp(Instruction):
    """Moves elements: ``result[d] = operand[map(d)]``, each tile its part of the result.

    Verified, besides the shared rules:
        3. over is the space of the result, and the cut fits it.
        4. the map leads from the result's dimensions into the operand.
        5. element types are equal.
    """

    name = "tcc.copy"

    operand = operand_def(BufferType)
    map = prop_def(AffineMapAttr)
    over = prop_def(Sizes)
    cut = prop_def(CutAttr)
    result = result_def(BufferType)

    traits = traits_def(HasParent(ProgramOp))
    assembly_format = (
        "$operand $map `over` $over `cut` $cut "
        + SCHEDULE
        + " `:` type($operand) `->` type($result)"
    )

    def __init__(
        self,
        operand: SSAValue,
        map_: AffineMap,
        over: Sequence[int],
        cut: CutAttr,
        op: int,
        result: Attribute,
    ) -> None:
        super().__init__(
            operands=[operand],
            properties={
                "map": AffineMapAttr(map_),
                "over": int_list(over),
                "cut": cut,
                "op": int_attr(op),
            },
            result_types=[result],
        )

    def verify_instruction(self) -> None:
        """Checks the numbered rules."""
        require_space(self.over.get_values(), self.cut, elements_of(self.result))
        _verify_map(self.map.data, self.result, self.operand)


@irdl_op_definition
class ConcatOp(Instruction):
    """Pieces one after another along ``dim``, as in ``asic.concat``.

    Piece i has the result's shape, but ``sizes[i]`` along ``dim``; its element at d is
    ``inputs[i][map_i(d)]``. Each tile writes its part of the result.

    Verified, besides the shared rules:
        3. over is the space of the result, and the cut fits it.
        4. there is one size and one map an input, and sizes add up to the result's along dim.
        5. every map stays inside its input, and element types are equal.
    """

    name = "tcc.concat"

    inputs = var_operand_def(BufferType)
    dim = prop_def(IntegerAttr[i64])
    sizes = prop_def(DenseArrayBase.constr(i64))
    indexing_maps = prop_def(Maps)
    over = prop_def(Sizes)
    cut = prop_def(CutAttr)
    result = result_def(BufferType)

    traits = traits_def(HasParent(ProgramOp))
    assembly_format = (
        "`(` $inputs `)` `dim` `=` $dim `sizes` $sizes `maps` $indexing_maps `over` $over"
        " `cut` $cut " + SCHEDULE + " `:` `(` type($inputs) `)` `->` type($result)"
    )

    def __init__(
        self,
        inputs: Sequence[SSAValue],
        dim: int,
        sizes: Sequence[int],
        maps: Maps,
        over: Sequence[int],
        cut: CutAttr,
        op: int,
        result: Attribute,
    ) -> None:
        super().__init__(
            operands=[inputs],
            properties={
                "dim": int_attr(dim),
                "sizes": DenseArrayBase.from_list(i64, list(sizes)),
                "indexing_maps": maps,
                "over": int_list(over),
                "cut": cut,
                "op": int_attr(op),
            },
            result_types=[result],
        )

    def verify_instruction(self) -> None:
        """Checks the numbered rules."""
        require_space(self.over.get_values(), self.cut, elements_of(self.result))
        target = buffer_type(self.result)
        dim, sizes = self.dim.value.data, tuple(self.sizes.get_values())
        counts = {len(self.inputs), len(sizes), len(self.indexing_maps)}
        if not 0 <= dim < len(target.sizes) or len(counts) != 1 or sum(sizes) != target.sizes[dim]:
            raise VerifyException("dim, sizes, maps and inputs do not make up the result")
        for operand, size, map_ in zip(self.inputs, sizes, self.indexing_maps, strict=True):
            source = buffer_type(operand)
            piece = (*target.sizes[:dim], size, *target.sizes[dim + 1 :])
            error = map_error(map_.data, piece, source.sizes)
            if error is not None:
                raise VerifyException(f"map {error}")
            if source.element_type != target.element_type:
                raise VerifyException("inputs and result differ in element type")


@irdl_op_definition
class PadOp(Instruction):
    """A constant border: ``result[d] = operand[d - low]`` inside, ``value`` outside.

    Each tile writes its part of the result.

    Verified, besides the shared rules:
        3. over is the space of the result, and the cut fits it.
        4. the result's sizes are low + the operand's + high, none negative.
        5. operand, value and result have one element type.
    """

    name = "tcc.pad"

    operand = operand_def(BufferType)
    low = prop_def(DenseArrayBase.constr(i64))
    high = prop_def(DenseArrayBase.constr(i64))
    value = prop_def(Attribute)
    over = prop_def(Sizes)
    cut = prop_def(CutAttr)
    result = result_def(BufferType)

    traits = traits_def(HasParent(ProgramOp))
    assembly_format = (
        "$operand `low` $low `high` $high `value` `=` $value `over` $over `cut` $cut "
        + SCHEDULE
        + " `:` type($operand) `->` type($result)"
    )

    def __init__(
        self,
        operand: SSAValue,
        low: Sequence[int],
        high: Sequence[int],
        value: Attribute,
        over: Sequence[int],
        cut: CutAttr,
        op: int,
        result: Attribute,
    ) -> None:
        super().__init__(
            operands=[operand],
            properties={
                "low": DenseArrayBase.from_list(i64, list(low)),
                "high": DenseArrayBase.from_list(i64, list(high)),
                "value": value,
                "over": int_list(over),
                "cut": cut,
                "op": int_attr(op),
            },
            result_types=[result],
        )

    def verify_instruction(self) -> None:
        """Checks the numbered rules."""
        require_space(self.over.get_values(), self.cut, elements_of(self.result))
        source, target = buffer_type(self.operand), buffer_type(self.result)
        low, high = tuple(self.low.get_values()), tuple(self.high.get_values())
        if not len(low) == len(high) == len(source.sizes) or min((*low, *high), default=0) < 0:
            raise VerifyException("low and high need one entry a dimension, none negative")
        expected = tuple(a + s + b for a, s, b in zip(low, source.sizes, high, strict=True))
        if target.sizes != expected:
            raise VerifyException(f"the result must be of shape {list(expected)}")
        elements = [source.element_type, target.element_type, getattr(self.value, "type", None)]
        if elements.count(elements[0]) != 3:
            raise VerifyException("operand, value and result differ in element type")


LAYOUT = (ViewOp, CopyOp, ConcatOp, PadOp)
"""Instructions that rearrange elements."""
