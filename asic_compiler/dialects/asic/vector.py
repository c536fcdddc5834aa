"""Vector operations: elementwise and reduction, each with its scalar body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xdsl.dialects.builtin import (
    AffineMapAttr,
    ArrayAttr,
    DenseArrayBase,
    IndexType,
    IntegerAttr,
    TensorType,
    i64,
)
from xdsl.dialects.utils import AbstractYieldOperation
from xdsl.ir import Attribute, Region, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import HasParent, IsolatedFromAbove, IsTerminator, Pure
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects.asic.base import AsicOp, element_of, shape_of
from asic_compiler.dialects.asic.maps import map_error
from asic_compiler.machine.limits import shape_fault

Maps = ArrayAttr[AffineMapAttr]


def map_array(maps: Sequence[AffineMap]) -> Maps:
    """An array attribute of affine maps."""
    return ArrayAttr([AffineMapAttr(map_) for map_ in maps])


def verify_maps(maps: Maps, operands: Sequence[SSAValue], sizes: Sequence[int]) -> None:
    """Checks that map i leads from the box of ``sizes`` into operand i.

    Raises:
        VerifyException: A map is missing, or reaches outside its operand.
    """
    if len(maps) != len(operands):
        raise VerifyException(f"{len(operands)} operands need as many maps, got {len(maps)}")
    for position, (map_, operand) in enumerate(zip(maps, operands, strict=True)):
        error = map_error(map_.data, sizes, shape_of(operand))
        if error is not None:
            raise VerifyException(f"map {position} {error}")


def _verify_body(
    body: Region, arguments: Sequence[Attribute], yields: Sequence[Attribute], rank: int
) -> None:
    if len(body.blocks) != 1:
        raise VerifyException("the body must be one block")
    block = body.block
    found = [argument.type for argument in block.args]
    if found != list(arguments):
        raise VerifyException(
            f"body arguments are ({_types(found)}), expected ({_types(arguments)})"
        )
    last = block.last_op
    if not isinstance(last, YieldOp):
        raise VerifyException("the body must end in asic.yield")
    given = [operand.type for operand in last.operands]
    if given != list(yields):
        raise VerifyException(f"the body yields ({_types(given)}), expected ({_types(yields)})")
    for op in block.ops:
        if isinstance(op, IndexOp) and not 0 <= op.dim.value.data < rank:
            raise VerifyException(
                f"asic.index {op.dim.value.data} in an iteration space of rank {rank}"
            )


def _types(types: Sequence[Attribute]) -> str:
    return ", ".join(map(str, types))


@irdl_op_definition
class ElementwiseOp(AsicOp):
    """``result[d] = body(inputs[0][map0(d)], ...)`` for every point d of the result.

    The body is self-contained: constants live inside it, and nothing outside is used. Maps may
    broadcast, permute, slice and divide (floordiv and mod).

    Verified, besides the shared rules:
        4. there is one map an input, over the result's dimensions, that stays inside the input.
        5. the body is one block that takes one scalar an input, of its element type.
        6. the body yields one scalar of the result's element type.
        7. asic.index names a dimension of the result.
    """

    name = "asic.elementwise"

    inputs = var_operand_def(TensorType)
    indexing_maps = prop_def(Maps)
    result = result_def(TensorType)
    body = region_def()

    traits = traits_def(Pure(), IsolatedFromAbove())
    assembly_format = "`(` $inputs `)` attr-dict `:` `(` type($inputs) `)` `->` type($result) $body"

    def __init__(
        self,
        inputs: Sequence[SSAValue],
        maps: Sequence[AffineMap],
        result_type: Attribute,
        body: Region,
    ) -> None:
        super().__init__(
            operands=[inputs],
            result_types=[result_type],
            properties={"indexing_maps": map_array(maps)},
            regions=[body],
        )

    def verify_operator(self) -> None:
        """Checks the numbered rules."""
        shape = shape_of(self.result)
        verify_maps(self.indexing_maps, self.inputs, shape)
        arguments = [element_of(value) for value in self.inputs]
        _verify_body(self.body, arguments, [element_of(self.result)], len(shape))


@irdl_op_definition
class ReduceOp(AsicOp):
    """Folds the last dimensions of an iteration space: ``acc[p] = body(inputs[..], acc[p])``.

    ``iteration`` gives all sizes, the kept dimensions first; the last ``reduced`` are folded, in
    row-major order (an implementation may reassociate). Accumulators start at ``init``, one
    scalar a result (-inf for a maximum, ...), or, where that is not a constant, at the values
    of the ``inits`` operands. The body takes one scalar an input and then one an accumulator,
    and yields the accumulators' new values: an elementwise prologue is part of it.

    Verified, besides the shared rules:
        4. reduced is in 1..rank, and all sizes are positive.
        5. every result has the shape of the kept dimensions.
        6. there is one map an input, over the iteration space, that stays inside the input.
        7. either init has one scalar of each result's element type, or inits have the results'
           types; never both.
        8. the body is one block: scalars of inputs and accumulators in, accumulators out.
        9. asic.index names a dimension of the iteration space.
    """

    name = "asic.reduce"

    inputs = var_operand_def(TensorType)
    inits = var_operand_def(TensorType)
    indexing_maps = prop_def(Maps)
    iteration = prop_def(DenseArrayBase.constr(i64))
    reduced = prop_def(IntegerAttr[i64])
    init = opt_prop_def(ArrayAttr[Attribute])
    res = var_result_def(TensorType)
    body = region_def()

    irdl_options: Any = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(Pure(), IsolatedFromAbove())
    assembly_format = (
        "`(` $inputs `)` `starting` `(` $inits `)` attr-dict"
        " `:` `(` type($inputs) `)` `,` `(` type($inits) `)` `->` `(` type($res) `)` $body"
    )

    def __init__(
        self,
        inputs: Sequence[SSAValue],
        maps: Sequence[AffineMap],
        iteration: Sequence[int],
        reduced: int,
        result_types: Sequence[Attribute],
        body: Region,
        *,
        init: Sequence[Attribute] = (),
        inits: Sequence[SSAValue] = (),
    ) -> None:
        super().__init__(
            operands=[inputs, inits],
            result_types=[result_types],
            properties={
                "indexing_maps": map_array(maps),
                "iteration": DenseArrayBase.from_list(i64, iteration),
                "reduced": IntegerAttr(reduced, i64),
                "init": None if inits else ArrayAttr(init),
            },
            regions=[body],
        )

    @property
    def iteration_sizes(self) -> tuple[int, ...]:
        """Sizes of the iteration space, kept dimensions first."""
        return tuple(self.iteration.get_values())

    def verify_operator(self) -> None:
        """Checks the numbered rules."""
        sizes = self.iteration_sizes
        reduced = self.reduced.value.data
        if not 1 <= reduced <= len(sizes) or min(sizes) < 1:
            raise VerifyException(
                f"cannot fold the last {reduced} dimensions of iteration space {list(sizes)}"
            )
        if (fault := shape_fault(sizes)) is not None:
            raise VerifyException(f"the iteration space {fault}")
        kept = sizes[: len(sizes) - reduced]
        for value in self.res:
            if shape_of(value) != kept:
                raise VerifyException(
                    f"result shape {list(shape_of(value))} is not that of the kept dimensions "
                    f"{list(kept)}"
                )
        verify_maps(self.indexing_maps, self.inputs, sizes)
        accumulators = [element_of(value) for value in self.res]
        self._verify_start(accumulators)
        arguments = [element_of(value) for value in self.inputs] + accumulators
        _verify_body(self.body, arguments, accumulators, len(sizes))

    def _verify_start(self, accumulators: Sequence[Attribute]) -> None:
        if self.inits:
            types = [value.type for value in self.res]
            if self.init is not None or [value.type for value in self.inits] != types:
                raise VerifyException("inits must have the results' types, and no init beside them")
            return
        given = [getattr(value, "type", None) for value in self.init or ()]
        if given != list(accumulators):
            raise VerifyException(
                f"init must hold one scalar a result, of types ({_types(accumulators)})"
            )


@irdl_op_definition
class IndexOp(IRDLOperation):
    """The position in the iteration space, along one dimension, of the point a body computes."""

    name = "asic.index"

    dim = prop_def(IntegerAttr[i64])
    result = result_def(IndexType())

    traits = traits_def(Pure(), HasParent(ElementwiseOp, ReduceOp))
    assembly_format = "$dim attr-dict `:` type($result)"

    def __init__(self, dim: int) -> None:
        super().__init__(properties={"dim": IntegerAttr(dim, i64)}, result_types=[IndexType()])


@irdl_op_definition
class YieldOp(AbstractYieldOperation[Attribute]):
    """Ends the body of an elementwise operation or a reduction."""

    name = "asic.yield"

    traits = traits_def(IsTerminator(), HasParent(ElementwiseOp, ReduceOp))
