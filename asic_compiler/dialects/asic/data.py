"""Data operations: weights, table rows, layouts, concatenation, padding."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    AffineMapAttr,
    DenseArrayBase,
    DenseResourceAttr,
    IntegerAttr,
    IntegerType,
    TensorType,
    UnitAttr,
    i64,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects.asic.base import DECISIONS, AsicOp, element_of, shape_of
from asic_compiler.dialects.asic.maps import linear_offsets_match, map_error
from asic_compiler.dialects.asic.vector import Maps, map_array


@irdl_op_definition
class WeightOp(AsicOp):
    """A constant of the model, by name; its data, if the module has any, is the resource's blob.

    Verified, besides the shared rules:
        4. the result has the type of the value.
    """

    name = "asic.weight"

    value = prop_def(DenseResourceAttr)
    result = result_def(TensorType)

    traits = traits_def(Pure())

    def __init__(self, value: DenseResourceAttr) -> None:
        super().__init__(properties={"value": value}, result_types=[value.type])

    @property
    def parameter(self) -> str:
        """The parameter's qualified name."""
        return self.value.resource_handle.data

    def verify_operator(self) -> None:
        """Checks the numbered rules."""
        if self.value.type != self.result.type:
            raise VerifyException(
                f"the value has type {self.value.type}, the result {self.result.type}"
            )

    @classmethod
    def parse(cls, parser: Parser) -> WeightOp:
        """Reads ``asic.weight {...} dense_resource<name> : type``."""
        attributes = parser.parse_optional_attr_dict()
        value = parser.parse_attribute()
        if not isinstance(value, DenseResourceAttr):
            parser.raise_error("asic.weight expects dense_resource<name> : type")
        op = cls(value)
        for key, attribute in attributes.items():
            owner = op.properties if key in DECISIONS else op.attributes
            owner[key] = attribute
        return op

    def print(self, printer: Printer) -> None:
        """Prints ``asic.weight {...} dense_resource<name> : type``."""
        extra = {key: value for key, value in self.properties.items() if key != "value"}
        if extra or self.attributes:
            printer.print_string(" ")
            printer.print_attr_dict(self.attributes | extra)
        printer.print_string(" ")
        printer.print_attribute(self.value)


@irdl_op_definition
class GatherOp(AsicOp):
    """Rows of a table: ``result[i.., r..] = table[indices[i..], r..]``.

    An index outside the table is an error of the caller (the source asserts it); the result is
    then undefined.

    Verified, besides the shared rules:
        4. the table has rank 1 or more and the indices are integers.
        5. the result has the shape of the indices, then that of a row, and the table's elements.
    """

    name = "asic.gather"

    table = operand_def(TensorType)
    indices = operand_def(TensorType)
    result = result_def(TensorType)

    traits = traits_def(Pure())
    assembly_format = (
        "$table `[` $indices `]` attr-dict `:` type($table) `,` type($indices) `->` type($result)"
    )

    def __init__(self, table: SSAValue, indices: SSAValue, result_type: Attribute) -> None:
        super().__init__(operands=[table, indices], result_types=[result_type])

    def verify_operator(self) -> None:
        """Checks the numbered rules."""
        table = shape_of(self.table)
        if not table or not isinstance(element_of(self.indices), IntegerType):
            raise VerifyException("gather needs a table of rank 1 or more and integer indices")
        expected = shape_of(self.indices) + table[1:]
        if shape_of(self.result) != expected or element_of(self.result) != element_of(self.table):
            raise VerifyException(
                f"the result must be of shape {list(expected)} and the table's elements"
            )


@irdl_op_definition
class LayoutOp(AsicOp):
    """The same elements in another order: ``result[d] = operand[map(d)]``.

    Transpose, slice, broadcast and reshape are all this operation. ``is_view`` says that the
    row-major order is unchanged, so nothing moves: it costs nothing.

    Verified, besides the shared rules:
        4. the map leads from the result's dimensions into the operand.
        5. element types are equal.
        6. with is_view, row-major order and element count are those of the operand.
    """

    name = "asic.layout"

    operand = operand_def(TensorType)
    map = prop_def(AffineMapAttr)
    is_view = opt_prop_def(UnitAttr)
    result = result_def(TensorType)

    traits = traits_def(Pure())
    assembly_format = (
        "$operand (`view` $is_view^)? $map attr-dict `:` type($operand) `->` type($result)"
    )

    def __init__(
        self, operand: SSAValue, map_: AffineMap, result_type: Attribute, *, is_view: bool = False
    ) -> None:
        super().__init__(
            operands=[operand],
            result_types=[result_type],
            properties={
                "map": AffineMapAttr(map_),
                "is_view": UnitAttr() if is_view else None,
            },
        )

    def verify_operator(self) -> None:
        """Checks the numbered rules."""
        shape, source = shape_of(self.result), shape_of(self.operand)
        error = map_error(self.map.data, shape, source)
        if error is not None:
            raise VerifyException(f"map {error}")
        if element_of(self.result) != element_of(self.operand):
            raise VerifyException("operand and result differ in element type")
        if self.is_view and not linear_offsets_match(self.map.data, shape, source):
            raise VerifyException("is_view on a map that changes the row-major order")


@irdl_op_definition
class ConcatOp(AsicOp):
    """Pieces one after another along ``dim``, each read through its own map.

    Piece i has the result's shape, but ``sizes[i]`` along ``dim``; its element at d is
    ``inputs[i][map_i(d)]``, with d counted from the piece's start.

    Verified, besides the shared rules:
        4. dim is a dimension of the result.
        5. there is one positive size an input, and they add up to the result's size along dim.
        6. there is one map an input, over its piece, that stays inside the input.
        7. all element types are equal.
    """

    name = "asic.concat"

    inputs = var_operand_def(TensorType)
    dim = prop_def(IntegerAttr[i64])
    sizes = prop_def(DenseArrayBase.constr(i64))
    indexing_maps = prop_def(Maps)
    result = result_def(TensorType)

    traits = traits_def(Pure())
    assembly_format = "`(` $inputs `)` attr-dict `:` `(` type($inputs) `)` `->` type($result)"

    def __init__(
        self,
        inputs: Sequence[SSAValue],
        maps: Sequence[AffineMap],
        sizes: Sequence[int],
        dim: int,
        result_type: Attribute,
    ) -> None:
        super().__init__(
            operands=[inputs],
            result_types=[result_type],
            properties={
                "dim": IntegerAttr(dim, i64),
                "sizes": DenseArrayBase.from_list(i64, sizes),
                "indexing_maps": map_array(maps),
            },
        )

    def verify_operator(self) -> None:
        """Checks the numbered rules."""
        shape, dim = shape_of(self.result), self.dim.value.data
        if not 0 <= dim < len(shape):
            raise VerifyException(f"dim {dim} is not a dimension of a rank {len(shape)} result")
        sizes = tuple(self.sizes.get_values())
        if len(sizes) != len(self.inputs) or min(sizes, default=0) < 1 or sum(sizes) != shape[dim]:
            raise VerifyException(
                f"sizes {list(sizes)} must be positive, one an input, and sum to {shape[dim]}"
            )
        if len(self.indexing_maps) != len(self.inputs):
            raise VerifyException("there must be one map an input")
        for position, size in enumerate(sizes):
            piece = (*shape[:dim], size, *shape[dim + 1 :])
            operand = self.inputs[position]
            error = map_error(self.indexing_maps.data[position].data, piece, shape_of(operand))
            if error is not None:
                raise VerifyException(f"map {position} {error}")
            if element_of(operand) != element_of(self.result):
                raise VerifyException("inputs and result differ in element type")


@irdl_op_definition
class PadOp(AsicOp):
    """A tensor with a constant border.

    ``result[d] = operand[d - low]`` inside, ``value`` outside.

    Verified, besides the shared rules:
        4. low and high have one entry a dimension, none negative.
        5. the result's sizes are low + the operand's + high, and element types are equal.
        6. value has the element type.
    """

    name = "asic.pad"

    operand = operand_def(TensorType)
    low = prop_def(DenseArrayBase.constr(i64))
    high = prop_def(DenseArrayBase.constr(i64))
    value = prop_def(Attribute)
    result = result_def(TensorType)

    traits = traits_def(Pure())
    assembly_format = "$operand attr-dict `:` type($operand) `->` type($result)"

    def __init__(
        self,
        operand: SSAValue,
        low: Sequence[int],
        high: Sequence[int],
        value: Attribute,
        result_type: Attribute,
    ) -> None:
        super().__init__(
            operands=[operand],
            result_types=[result_type],
            properties={
                "low": DenseArrayBase.from_list(i64, low),
                "high": DenseArrayBase.from_list(i64, high),
                "value": value,
            },
        )

    def verify_operator(self) -> None:
        """Checks the numbered rules."""
        source, shape = shape_of(self.operand), shape_of(self.result)
        low, high = self.low.get_values(), self.high.get_values()
        if not len(low) == len(high) == len(source) or min((*low, *high), default=0) < 0:
            raise VerifyException("low and high need one entry a dimension, none negative")
        expected = tuple(a + s + b for a, s, b in zip(low, source, high, strict=True))
        if shape != expected or element_of(self.operand) != element_of(self.result):
            raise VerifyException(
                f"the result must be of shape {list(expected)} and the operand's elements"
            )
        if getattr(self.value, "type", None) != element_of(self.result):
            raise VerifyException(f"value must be of type {element_of(self.result)}")
