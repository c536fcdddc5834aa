"""Named linalg operations as upstream MLIR has them.

xDSL 0.74 lacks some of them and gives others a wrong body.

``get_dialect`` gives a ``linalg`` dialect with xDSL's operations and these: it takes the place of
xDSL's own in our tools. Where xDSL's own is loaded (plain ``xdsl-opt``), these operations parse
in generic form with ``--allow-unregistered-dialect``, and ``convert-linalg-to-asic`` treats both
alike. Their meaning: https://mlir.llvm.org/docs/Dialects/Linalg/.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import Any, ClassVar, Self, cast

from xdsl.dialects import math
from xdsl.dialects.builtin import AffineMapAttr, ArrayAttr, DenseIntElementsAttr, ShapedType
from xdsl.dialects.linalg import Linalg
from xdsl.dialects.linalg.abstract_ops import NamedOperation
from xdsl.dialects.linalg.attrs import IteratorTypeAttr
from xdsl.dialects.linalg.ops import BroadcastOp, TransposeOp
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, Block, Dialect, Operation, Region, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.irdl import irdl_attr_definition, irdl_op_definition, opt_prop_def
from xdsl.parser import AttrParser, Parser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from asic_compiler.dialects import linalg_bodies as bodies
from asic_compiler.dialects.linalg_forms import (
    CONVOLUTIONS,
    FOLDS,
    FORMS,
    POOLINGS,
    PRODUCTS,
    QUANTIZED,
)
from asic_compiler.dialects.linalg_generic import GenericOp
from asic_compiler.dialects.linalg_sugar import SUGAR, ElementwiseKindAttr


class TypeFn(StrEnum):
    """How a named operation reads integers that it widens."""

    SIGNED = "cast_signed"
    UNSIGNED = "cast_unsigned"


@irdl_attr_definition
class TypeFnAttr(EnumAttribute[TypeFn]):
    """``#linalg.type_fn<cast_unsigned>``."""

    name = "linalg.type_fn"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> TypeFn:
        """Reads ``<cast_signed>``."""
        with parser.in_angle_brackets():
            return super().parse_parameter(parser)

    def print_parameter(self, printer: Printer) -> None:
        """Prints ``<cast_signed>``."""
        with printer.in_angle_brackets():
            super().print_parameter(printer)


class UpstreamOperation(NamedOperation, ABC):
    """A named operation with upstream's body; ``_COMBINES`` has it by name."""

    @classmethod
    def get_hidden_region(cls, inputs: Sequence[SSAValue], outputs: Sequence[SSAValue]) -> Region:
        """The body without a ``cast``.

        Raises:
            VerifyException: The element types have none.
        """
        return cls.upstream_region((*inputs, *outputs))

    @classmethod
    def upstream_region(cls, operands: Sequence[SSAValue], *, unsigned: bool = False) -> Region:
        """The body of the pretty form.

        Raises:
            VerifyException: The element types have none.
        """
        types = [_element_type(operand) for operand in operands]
        unsigned = unsigned or cls.name.endswith("_unsigned")
        return bodies.region_of(types, _COMBINES[cls.name], unsigned=unsigned)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        """Reads the pretty form, which has no body."""
        properties = cls.get_irdl_definition().properties
        start = parser.pos
        maps: Attribute | None = None
        if "indexing_maps" in properties and parser.parse_optional_keyword("indexing_maps"):
            parser.parse_punctuation("=")
            maps = parser.parse_attribute()
        try:
            op = super().parse(parser)
            if maps is not None:
                op.properties["indexing_maps"] = maps
            if "cast" in op.attributes:
                parser.raise_error(f"'{cls.name}' has no attribute 'cast'", start)
            if _is_unsigned(op):
                op.detach_region(op.body)
                op.add_region(cls.upstream_region(op.operands, unsigned=True))
        except VerifyException as error:
            parser.raise_error(f"'{cls.name}': {error}", start)
        return op


def _element_type(value: SSAValue) -> Attribute:
    type_ = value.type
    return type_.get_element_type() if isinstance(type_, ShapedType) else type_  # pyright: ignore


def _is_unsigned(op: Operation) -> bool:
    found = op.properties.get("cast")
    return isinstance(found, TypeFnAttr) and found.data is TypeFn.UNSIGNED


class FormOperation(UpstreamOperation, ABC):
    """A named operation whose loops follow from its name."""

    PRINT_ATTRS_IN_FRONT: ClassVar[bool] = True

    def get_iterator_types(self) -> ArrayAttr[IteratorTypeAttr]:
        """The parallel loops, and those that are folded."""
        kinds = IteratorTypeAttr.reduction(), IteratorTypeAttr.parallel()
        return ArrayAttr([kinds[parallel] for parallel in FORMS[self.name].parallel])

    def get_default_indexing_maps(self) -> Sequence[AffineMap]:
        """The maps that the operation's name stands for."""
        return FORMS[self.name].maps()


class ProductOperation(FormOperation, ABC):
    """A matrix product whose operands may be transposed and broadcast by maps."""

    indexing_maps = opt_prop_def(ArrayAttr[AffineMapAttr])

    def get_indexing_maps(self) -> ArrayAttr[AffineMapAttr]:
        """The maps that are written, else those of the name."""
        return self.indexing_maps or super().get_indexing_maps()


class CastingProductOperation(ProductOperation, ABC):
    """A matrix product that may read narrow integers without a sign."""

    cast = opt_prop_def(TypeFnAttr)


class WindowOperation(FormOperation, ABC):
    """A convolution or pooling. Strides and dilations are 1 where they are not given."""

    strides = opt_prop_def(DenseIntElementsAttr)
    dilations = opt_prop_def(DenseIntElementsAttr)

    def get_default_indexing_maps(self) -> Sequence[AffineMap]:
        """The maps that the operation's name, strides and dilations stand for.

        Raises:
            VerifyException: There are not as many as the window has dimensions.
        """
        steps = [
            None if given is None else [int(value) for value in given.get_values()]
            for given in (self.strides, self.dilations)
        ]
        try:
            return FORMS[self.name].maps(*steps)
        except ValueError:
            count = FORMS[self.name].spatial
            raise VerifyException(f"strides and dilations need {count} numbers each") from None


class PointwiseOperation(UpstreamOperation, ABC):
    """Every operand has the result's shape, or is a scalar."""

    def get_iterator_types(self) -> ArrayAttr[IteratorTypeAttr]:
        """All loops are parallel."""
        return ArrayAttr([IteratorTypeAttr.parallel()] * self.get_num_loops())

    def get_default_indexing_maps(self) -> Sequence[AffineMap]:
        """The position itself; nothing for a scalar."""
        rank = len(cast("ShapedType", self.outputs[0].type).get_shape())
        return tuple(
            AffineMap.identity(rank) if isinstance(type_, ShapedType) else AffineMap(rank, 0, ())
            for type_ in self.operand_types
        )


class CastingPointwiseOperation(PointwiseOperation, ABC):
    """One that may read narrow integers without a sign."""

    cast = opt_prop_def(TypeFnAttr)


_BASES: dict[str, type[UpstreamOperation]] = {
    **dict.fromkeys((*PRODUCTS, *QUANTIZED), FormOperation),
    "linalg.matmul": CastingProductOperation,
    "linalg.batch_matmul": CastingProductOperation,
    "linalg.batch_reduce_matmul": ProductOperation,
    **dict.fromkeys(CONVOLUTIONS, WindowOperation),
    **{f"{name}_{fold}": WindowOperation for name in POOLINGS for fold in FOLDS},
    "linalg.add": PointwiseOperation,
    "linalg.sub": PointwiseOperation,
    "linalg.mul": PointwiseOperation,
    "linalg.max": PointwiseOperation,
    "linalg.min": PointwiseOperation,
    "linalg.exp": PointwiseOperation,
    "linalg.log": PointwiseOperation,
    "linalg.sqrt": PointwiseOperation,
    "linalg.select": PointwiseOperation,
    "linalg.fill": PointwiseOperation,
    "linalg.copy": CastingPointwiseOperation,
}
"""What each operation is."""

_COMBINES: dict[str, bodies.Combine] = {
    **dict.fromkeys((*PRODUCTS, *CONVOLUTIONS), bodies.multiply_add),
    **dict.fromkeys(QUANTIZED, bodies.multiply_add_offset),
    **{f"{name}_{fold}": bodies.fold(fold) for name in POOLINGS for fold in FOLDS},
    "linalg.add": bodies.pairwise(bodies.ADD),
    "linalg.sub": bodies.pairwise(bodies.SUBTRACT),
    "linalg.mul": bodies.pairwise(bodies.MULTIPLY),
    "linalg.max": bodies.pairwise(bodies.MAXIMUM),
    "linalg.min": bodies.pairwise(bodies.MINIMUM),
    "linalg.exp": bodies.function(math.ExpOp),
    "linalg.log": bodies.function(math.LogOp),
    "linalg.sqrt": bodies.function(math.SqrtOp),
    "linalg.select": bodies.select,
    "linalg.fill": bodies.first,
    "linalg.copy": bodies.convert,
}
"""What each operation computes."""


def _define(name: str, base: type[UpstreamOperation]) -> type[Operation]:
    # The same as a class statement for each name, of which nothing but the name would differ.
    made: Any = type(name, (base,), {"name": name, "__module__": __name__})
    return irdl_op_definition(made)


EXTRA_OPERATIONS: tuple[type[Operation], ...] = tuple(
    _define(name, base) for name, base in _BASES.items()
)
"""What we add to xDSL's ``linalg``, or put in the place of its own."""

_OWN = (GenericOp, *EXTRA_OPERATIONS)
LINALG = Dialect(
    "linalg",
    [
        *(op for op in Linalg.operations if op.name not in {own.name for own in (*_OWN, *SUGAR)}),
        *_OWN,
        *SUGAR,
    ],
    [*Linalg.attributes, TypeFnAttr, ElementwiseKindAttr],
)
"""The ``linalg`` dialect with xDSL's operations and ours."""


def needs_generic_form(op: Operation) -> bool:
    """Whether the pretty form of a linalg operation would read back as another one.

    It has no body, and xDSL prints no maps: both then follow from the name.
    """
    if isinstance(op, UpstreamOperation):
        try:
            told = op.upstream_region(op.operands, unsigned=_is_unsigned(op)).block
        except VerifyException:  # the name has no body of these types: its own is another
            return True
        maps = op.properties.get("indexing_maps")
        plain = maps is None or tuple(op.get_default_indexing_maps()) == tuple(
            item.data for item in cast("ArrayAttr[AffineMapAttr]", maps)
        )
        return not plain or _shape_of(told) != _shape_of(op.body.block)
    if isinstance(op, TransposeOp | BroadcastOp):
        block = op.regions[0].block
        end = block.last_op
        return end is not block.first_op or end is None or end.operands[0] is not block.args[0]
    return isinstance(op, NamedOperation)  # xDSL's own, which may have another body


def _shape_of(block: Block) -> tuple[object, ...]:
    """Equal for bodies that compute the same in the same way."""
    numbers: dict[SSAValue, int] = {argument: i for i, argument in enumerate(block.args)}
    parts: list[object] = [tuple(argument.type for argument in block.args)]
    for op in block.ops:
        known = {k: v for k, v in op.properties.items() if k not in _FLAGS}
        parts.append(
            (
                op.name,
                tuple(numbers.get(operand, -1) for operand in op.operands),
                tuple(sorted(known.items(), key=lambda item: item[0])),
                tuple(result.type for result in op.results),
            )
        )
        numbers.update({result: len(numbers) + i for i, result in enumerate(op.results)})
    return tuple(parts)


_FLAGS = ("fastmath", "overflowFlags")
"""What allows a compiler more and changes no result that it promises."""


def get_dialect() -> Dialect:
    """The extended ``linalg``, for registration."""
    return LINALG
