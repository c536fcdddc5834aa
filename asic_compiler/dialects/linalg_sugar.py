"""Spellings of upstream's that are short for a ``linalg.generic`` or a ``linalg.reduce``.

``linalg.map`` and ``linalg.elementwise`` are read as the loop nest that they stand for, and print
as it; ``linalg.map`` and ``linalg.reduce`` may name one scalar operation in place of a body.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import (
    AffineMapAttr,
    AnyFloat,
    ArrayAttr,
    DenseArrayBase,
    IntegerType,
    ShapedType,
    StringAttr,
    TensorType,
    i64,
)
from xdsl.dialects.linalg.attrs import IteratorTypeAttr
from xdsl.dialects.linalg.ops import GenericOp, ReduceOp, YieldOp
from xdsl.ir import Attribute, Block, Operation, ParametrizedAttribute, Region, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.irdl import IRDLOperation, irdl_attr_definition, irdl_op_definition
from xdsl.parser import AttrParser, Parser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

_KINDS: dict[str, tuple[Any, Any]] = {
    "exp": (math.ExpOp, None),
    "log": (math.LogOp, None),
    "abs": (math.AbsFOp, None),
    "ceil": (math.CeilOp, None),
    "floor": (math.FloorOp, None),
    "negf": (arith.NegfOp, None),
    "round": (math.RoundOp, None),
    "sqrt": (math.SqrtOp, None),
    "rsqrt": (math.RsqrtOp, None),
    "tanh": (math.TanhOp, None),
    "erf": (math.ErfOp, None),
    "powf": (math.PowFOp, None),
    "add": (arith.AddfOp, arith.AddiOp),
    "sub": (arith.SubfOp, arith.SubiOp),
    "mul": (arith.MulfOp, arith.MuliOp),
    "div": (arith.DivfOp, arith.DivSIOp),
    "max_signed": (arith.MaximumfOp, arith.MaxSIOp),
    "min_signed": (arith.MinimumfOp, arith.MinSIOp),
    "max_unsigned": (None, arith.MaxUIOp),
    "min_unsigned": (None, arith.MinUIOp),
    "div_unsigned": (None, arith.DivUIOp),
    "select": (arith.SelectOp, arith.SelectOp),
}
"""What ``#linalg.elementwise_kind`` names, on floats and on integers."""


def _operands(parser: Parser, keyword: str) -> list[SSAValue]:
    """``ins(%a, %b : type, type)``."""
    parser.parse_keyword(keyword)
    with parser.in_parens():
        names = parser.parse_comma_separated_list(
            parser.Delimiter.NONE, parser.parse_unresolved_operand
        )
        parser.parse_punctuation(":")
        types = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_type)
    return list(parser.resolve_operands(names, types, parser.pos))


def _element(parser: Parser, value: SSAValue) -> Attribute:
    type_: Any = value.type
    if not isinstance(type_, TensorType):
        parser.raise_error(f"expected a tensor, not {type_}")
    return cast("TensorType[Attribute]", type_).element_type


def _short_body(parser: Parser) -> tuple[str, dict[str, Attribute]] | None:
    """``{ arith.addf {fastmath = ...} }``: the operation's name and what it carries."""
    if parser.parse_optional_punctuation("{") is None:
        return None
    name = parser.parse_identifier()
    carried = parser.parse_optional_attr_dict()
    parser.parse_punctuation("}")
    return name, carried


def _body_of(
    parser: Parser, short: tuple[str, dict[str, Attribute]], types: Sequence[Attribute],
    order: Sequence[int], result: Attribute,
) -> Region:  # fmt: skip
    """A body of one operation on some of its arguments."""
    name, carried = short
    kind = parser.ctx.get_optional_op(name)
    if kind is None:
        parser.raise_error(f"'{name}' is no operation that is known")
    block = Block(arg_types=types)
    known = kind.get_irdl_definition().properties if issubclass(kind, IRDLOperation) else {}
    op = kind.create(
        operands=[block.args[i] for i in order],
        result_types=[result],
        properties={k: v for k, v in carried.items() if k in known},
        attributes={k: v for k, v in carried.items() if k not in known},
    )
    try:
        op.verify()
    except VerifyException as error:
        parser.raise_error(f"'{name}': {' '.join(str(error).split())}")
    block.add_ops([op, YieldOp(op.results[0])])
    return Region(block)


def _nest(
    inputs: Sequence[SSAValue], output: SSAValue, body: Region, maps: Sequence[AffineMap]
) -> GenericOp:
    """All loops are those of the output, and parallel."""
    rank = len(cast("ShapedType", output.type).get_shape())
    return GenericOp(
        inputs,
        [output],
        body,
        [AffineMapAttr(map_) for map_ in maps],
        [IteratorTypeAttr.parallel()] * rank,
        [output.type],
    )


@irdl_op_definition
class MapOp(IRDLOperation):
    """``linalg.map``: a body over the elements of tensors of one shape; read as a generic."""

    name = "linalg.map"

    @classmethod
    def parse(cls, parser: Parser) -> Any:
        """Reads either form; the body may also take what the output holds."""
        short = _short_body(parser)
        inputs = _operands(parser, "ins")
        (output,) = _operands(parser, "outs")
        element = _element(parser, output)
        types = [*(_element(parser, value) for value in inputs), element]
        if short is not None:
            body = _body_of(parser, short, types, range(len(inputs)), element)
        else:
            arguments = parser.parse_comma_separated_list(
                parser.Delimiter.PAREN, parser.parse_argument
            )
            body = parser.parse_region(arguments)
            if len(body.block.args) == len(inputs):
                body.block.insert_arg(element, len(inputs))
        rank = len(cast("ShapedType", output.type).get_shape())
        return _nest(inputs, output, body, [AffineMap.identity(rank)] * (len(inputs) + 1))


@irdl_attr_definition
class ElementwiseKindAttr(ParametrizedAttribute):
    """``#linalg.elementwise_kind<exp>``."""

    name = "linalg.elementwise_kind"
    kind: StringAttr

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        """Reads ``<exp>``."""
        with parser.in_angle_brackets():
            return [StringAttr(parser.parse_identifier())]

    def print_parameters(self, printer: Printer) -> None:
        """Prints ``<exp>``."""
        with printer.in_angle_brackets():
            printer.print_string(self.kind.data)


@irdl_op_definition
class ElementwiseOp(IRDLOperation):
    """``linalg.elementwise``: one scalar operation by its kind; read as a generic."""

    name = "linalg.elementwise"

    @classmethod
    def parse(cls, parser: Parser) -> Any:
        """Reads kind, maps (identities where left out), inputs and output."""
        parser.parse_keyword("kind")
        parser.parse_punctuation("=")
        start = parser.pos
        named = parser.parse_attribute()
        if not isinstance(named, ElementwiseKindAttr):
            parser.raise_error("expected #linalg.elementwise_kind<...>", start)
        kind = named.kind.data
        given: Attribute | None = None
        if parser.parse_optional_keyword("indexing_maps"):
            parser.parse_punctuation("=")
            given = parser.parse_attribute()
        inputs = _operands(parser, "ins")
        (output,) = _operands(parser, "outs")
        parser.parse_punctuation("->")
        if parser.parse_type() != output.type:
            parser.raise_error("the result has the type of its output")
        element = _element(parser, output)
        types = [*(_element(parser, value) for value in inputs), element]
        block = Block(arg_types=types)
        pair = _KINDS.get(kind)
        numbers = types[-2] if inputs else element
        make = None
        if pair is not None:
            make = pair[0] if isinstance(numbers, AnyFloat) else pair[1]
        if make is None or not isinstance(numbers, AnyFloat | IntegerType):
            parser.raise_error(f"no elementwise kind '{kind}' of {numbers}", start)
        try:
            op: Operation = make(*block.args[: len(inputs)])
            op.verify()
        except (TypeError, ValueError, VerifyException) as error:
            parser.raise_error(f"'{kind}': {' '.join(str(error).split())}", start)
        block.add_ops([op, YieldOp(op.results[0])])
        rank = len(cast("ShapedType", output.type).get_shape())
        maps = [AffineMap.identity(rank)] * (len(inputs) + 1)
        if isinstance(given, ArrayAttr):
            maps = [item.data for item in cast("ArrayAttr[AffineMapAttr]", given)]
        return _nest(inputs, output, Region(block), maps)


class ShortReduceOp(ReduceOp):
    """``linalg.reduce``, which may name one scalar operation in place of a body."""

    @classmethod
    def parse(cls, parser: Parser) -> Any:
        """Reads either form; a named operation takes the accumulator first."""
        short = _short_body(parser)
        if short is None:
            return super().parse(parser)
        (value,) = _operands(parser, "ins")
        (start,) = _operands(parser, "outs")
        parser.parse_keyword("dimensions")
        parser.parse_punctuation("=")
        dimensions = parser.parse_comma_separated_list(
            parser.Delimiter.SQUARE, parser.parse_integer
        )
        types = [_element(parser, value), _element(parser, start)]
        body = _body_of(parser, short, types, (1, 0), types[1])
        return cls(value, start, DenseArrayBase.from_list(i64, dimensions), body)


SUGAR: tuple[type[Operation], ...] = (MapOp, ElementwiseOp, ShortReduceOp)
"""What is read in these spellings."""
