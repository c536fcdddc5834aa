"""Contractions: matrix product and convolution."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    AnyFloat,
    DenseArrayBase,
    IntegerAttr,
    IntegerType,
    TensorType,
    UnitAttr,
    i64,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects.asic.base import AsicOp, element_of, shape_of


def _verify_elements(lhs: SSAValue, rhs: SSAValue, result: SSAValue) -> None:
    elements = [element_of(value) for value in (lhs, rhs, result)]
    if elements[0] != elements[1]:
        raise VerifyException(f"operands differ in element type: {elements[0]}, {elements[1]}")
    if not (
        all(isinstance(element, AnyFloat) for element in elements)
        or all(isinstance(element, IntegerType) for element in elements)
    ):
        raise VerifyException(
            f"operands and result must be all floats or all integers: {elements[0]}, {elements[2]}"
        )


@irdl_op_definition
class MatmulOp(AsicOp):
    """Matrix products: ``result[b.., m, n] = sum_k lhs[b.., m, k] * rhs[b.., k, n]``.

    Floats accumulate in f32 (in f64 where operands or the result are f64), integers in the
    result's type; the sum is rounded once, to the result's element type. ``transpose_rhs`` says
    that rhs holds [.., n, k], as the weight of a linear layer does. A rank-2 rhs is shared by the
    whole batch. In a grouped-query attention product the batch is sequences x key-value heads, and
    the query heads that share one are rows of m: the cache appears once.

    Verified, besides the shared rules:
        4. lhs has rank 2 or more; rhs has rank 2, or lhs's rank and batch dimensions.
        5. the contracted sizes agree.
        6. the result has shape [b.., m, n].
        7. operands have one element type, and all three are floats or all are integers.
    """

    name = "asic.matmul"

    lhs = operand_def(TensorType)
    rhs = operand_def(TensorType)
    transpose_rhs = opt_prop_def(UnitAttr)
    result = result_def(TensorType)

    traits = traits_def(Pure())
    assembly_format = (
        "$lhs `,` $rhs (`transpose_rhs` $transpose_rhs^)? attr-dict"
        " `:` type($lhs) `,` type($rhs) `->` type($result)"
    )

    def __init__(
        self, lhs: SSAValue, rhs: SSAValue, result_type: Attribute, *, transpose_rhs: bool = False
    ) -> None:
        super().__init__(
            operands=[lhs, rhs],
            result_types=[result_type],
            properties={"transpose_rhs": UnitAttr() if transpose_rhs else None},
        )

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Batch (all leading dimensions), m, n and k."""
        *batch, m, k = shape_of(self.lhs)
        rows, columns = shape_of(self.rhs)[-2:]
        count = 1
        for size in batch:
            count *= size
        return count, m, rows if self.transpose_rhs else columns, k

    def verify_operator(self) -> None:
        """Checks the numbered rules."""
        lhs, rhs, result = shape_of(self.lhs), shape_of(self.rhs), shape_of(self.result)
        if len(lhs) < 2 or (len(rhs) != 2 and (len(rhs) != len(lhs) or rhs[:-2] != lhs[:-2])):
            raise VerifyException(
                f"batch dimensions of rhs {list(rhs)} do not match lhs {list(lhs)}"
            )
        n, k = rhs[-2:] if self.transpose_rhs else rhs[:-3:-1]
        if lhs[-1] != k:
            raise VerifyException(f"contracted sizes differ: {lhs[-1]} and {k}")
        if result != (*lhs[:-1], n):
            raise VerifyException(f"result shape {list(result)} is not {[*lhs[:-1], n]}")
        _verify_elements(self.lhs, self.rhs, self.result)


@irdl_op_definition
class ConvOp(AsicOp):
    """Convolution (cross-correlation) over 1 to 3 spatial dimensions.

    input [N, G*C, s..], weight [G*F, C, w..], result [N, G*F, o..]; the input is as if padded
    with zeros by ``low_padding`` and ``high_padding``. Accumulates like ``asic.matmul``.

    Verified, besides the shared rules:
        4. input, weight and result have one rank, 3 to 5.
        5. strides, dilations and both paddings have one entry a spatial dimension; strides and
           dilations are positive, paddings are not negative; groups is positive.
        6. channels agree: input has groups x the weight's, the result's are divisible by groups
           and equal the weight's first size; the batches are equal.
        7. each spatial size of the result is
           (padded - dilation * (window - 1) - 1) floordiv stride + 1.
        8. operands have one element type, and all three are floats or all are integers.
    """

    name = "asic.conv"

    input = operand_def(TensorType)
    weight = operand_def(TensorType)
    strides = prop_def(DenseArrayBase.constr(i64))
    dilations = prop_def(DenseArrayBase.constr(i64))
    low_padding = prop_def(DenseArrayBase.constr(i64))
    high_padding = prop_def(DenseArrayBase.constr(i64))
    groups = prop_def(IntegerAttr[i64])
    result = result_def(TensorType)

    traits = traits_def(Pure())
    assembly_format = (
        "$input `,` $weight attr-dict `:` type($input) `,` type($weight) `->` type($result)"
    )

    def __init__(
        self,
        input: SSAValue,
        weight: SSAValue,
        result_type: Attribute,
        *,
        strides: Sequence[int],
        dilations: Sequence[int],
        low_padding: Sequence[int],
        high_padding: Sequence[int],
        groups: int,
    ) -> None:
        super().__init__(
            operands=[input, weight],
            result_types=[result_type],
            properties={
                "strides": DenseArrayBase.from_list(i64, strides),
                "dilations": DenseArrayBase.from_list(i64, dilations),
                "low_padding": DenseArrayBase.from_list(i64, low_padding),
                "high_padding": DenseArrayBase.from_list(i64, high_padding),
                "groups": IntegerAttr(groups, i64),
            },
        )

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Groups, m (output positions times images), n (filters a group), k (receptive field)."""
        images, filters, *positions = shape_of(self.result)
        m = images
        for size in positions:
            m *= size
        k = 1
        for size in shape_of(self.weight)[1:]:
            k *= size
        groups = self.groups.value.data
        return groups, m, filters // groups, k

    def verify_operator(self) -> None:
        """Checks the numbered rules."""
        data, weight, result = shape_of(self.input), shape_of(self.weight), shape_of(self.result)
        if not 3 <= len(data) <= 5 or not len(data) == len(weight) == len(result):
            raise VerifyException(
                f"input, weight and result need one rank from 3 to 5, got {len(data)}, "
                f"{len(weight)}, {len(result)}"
            )
        groups = self.groups.value.data
        windows = [
            self.strides.get_values(),
            self.dilations.get_values(),
            self.low_padding.get_values(),
            self.high_padding.get_values(),
        ]
        if any(len(values) != len(data) - 2 for values in windows):
            raise VerifyException("strides, dilations and paddings need one entry a dimension")
        strides, dilations, low, high = windows
        if min(*strides, *dilations, groups) < 1 or min(*low, *high) < 0:
            raise VerifyException(
                "strides, dilations and groups must be positive, paddings not negative"
            )
        if (
            data[0] != result[0]
            or data[1] != groups * weight[1]
            or weight[0] != result[1]
            or weight[0] % groups
        ):
            raise VerifyException(
                f"channels of input {list(data)}, weight {list(weight)} and result "
                f"{list(result)} do not agree for {groups} groups"
            )
        for axis, size in enumerate(result[2:]):
            padded = data[axis + 2] + low[axis] + high[axis]
            reach = dilations[axis] * (weight[axis + 2] - 1) + 1
            expected = (padded - reach) // strides[axis] + 1
            if size != expected:
                raise VerifyException(
                    f"result size {size} in spatial dimension {axis} should be {expected}"
                )
        _verify_elements(self.input, self.weight, self.result)
