"""Named linalg operations that torch-mlir writes and xDSL 0.74 lacks, or gives a wrong body.

``get_dialect`` gives a ``linalg`` dialect with xDSL's operations and these: it takes the place of
xDSL's own in our tools. Where xDSL's own is loaded (plain ``xdsl-opt``), these operations parse
in generic form with ``--allow-unregistered-dialect``, and ``convert-linalg-to-asic`` treats both
alike. Their meaning: https://mlir.llvm.org/docs/Dialects/Linalg/.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence
from typing import ClassVar, cast

from xdsl.builder import Builder
from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    AffineMapAttr,
    AnyFloat,
    ArrayAttr,
    DenseIntElementsAttr,
    IntegerType,
)
from xdsl.dialects.linalg import Linalg
from xdsl.dialects.linalg.abstract_ops import NamedOperation
from xdsl.dialects.linalg.attrs import IteratorTypeAttr
from xdsl.dialects.linalg.ops import YieldOp
from xdsl.ir import Attribute, BlockArgument, Dialect, Operation, Region, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.irdl import irdl_op_definition, opt_prop_def, prop_def

_Scalars = tuple[BlockArgument, ...]


def _widened(value: SSAValue, target: Attribute) -> SSAValue:
    if value.type == target:
        return value
    if isinstance(target, IntegerType):
        return arith.ExtSIOp(value, cast("IntegerType", target)).result
    return arith.ExtFOp(value, target).result  # pyright: ignore[reportArgumentType]


def _region(
    types: Sequence[AnyFloat | IntegerType], combine: Callable[[_Scalars], SSAValue]
) -> Region:
    @Builder.implicit_region(types)
    def region(args: _Scalars) -> None:
        YieldOp(combine(args))

    return region


class _ExtraOperation(NamedOperation, ABC):
    """A named operation described by its loops: letters in order, reductions last."""

    LOOPS: ClassVar[str]
    REDUCTIONS: ClassVar[int]

    def get_iterator_types(self) -> ArrayAttr[IteratorTypeAttr]:
        """The parallel loops, then the reductions."""
        parallel = len(self.LOOPS) - self.REDUCTIONS
        return ArrayAttr(
            [IteratorTypeAttr.parallel()] * parallel
            + [IteratorTypeAttr.reduction()] * self.REDUCTIONS
        )

    @classmethod
    def _plain_map(cls, letters: str) -> AffineMap:
        dims = tuple(AffineExpr.dimension(cls.LOOPS.index(letter)) for letter in letters)
        return AffineMap(len(cls.LOOPS), 0, dims)


class ProductOperation(_ExtraOperation, ABC):
    """A contraction of two tensors: ``out += lhs * rhs``, operands widened to out's type."""

    OPERANDS: ClassVar[tuple[str, str, str]]
    PRINT_ATTRS_IN_FRONT: ClassVar[bool] = True

    indexing_maps = opt_prop_def(ArrayAttr[AffineMapAttr])

    @classmethod
    def get_hidden_region(cls, inputs: Sequence[SSAValue], outputs: Sequence[SSAValue]) -> Region:
        """``out + lhs * rhs``."""
        return _multiply_add(cls.body_arg_types((*inputs, *outputs)))

    def get_default_indexing_maps(self) -> Sequence[AffineMap]:
        """The maps that the operation's name stands for."""
        return tuple(self._plain_map(letters) for letters in self.OPERANDS)

    def get_indexing_maps(self) -> ArrayAttr[AffineMapAttr]:
        """The maps that are written, else those of the name."""
        return self.indexing_maps or super().get_indexing_maps()


def _multiply_add(types: Sequence[AnyFloat | IntegerType]) -> Region:
    target = types[-1]

    def combine(args: _Scalars) -> SSAValue:
        lhs, rhs = _widened(args[0], target), _widened(args[1], target)
        if isinstance(target, IntegerType):
            return arith.AddiOp(args[2], arith.MuliOp(lhs, rhs).result).result
        return arith.AddfOp(args[2], arith.MulfOp(lhs, rhs).result).result

    return _region(types, combine)


@irdl_op_definition
class MatmulOp(ProductOperation):
    """``out[m, n] += lhs[m, k] * rhs[k, n]``; xDSL's adds f16 products to an f32 as they are."""

    name = "linalg.matmul"
    LOOPS: ClassVar[str] = "mnk"
    REDUCTIONS: ClassVar[int] = 1
    OPERANDS: ClassVar[tuple[str, str, str]] = ("mk", "kn", "mn")


@irdl_op_definition
class BatchMatmulOp(ProductOperation):
    """``out[b, m, n] += lhs[b, m, k] * rhs[b, k, n]``."""

    name = "linalg.batch_matmul"
    LOOPS: ClassVar[str] = "bmnk"
    REDUCTIONS: ClassVar[int] = 1
    OPERANDS: ClassVar[tuple[str, str, str]] = ("bmk", "bkn", "bmn")


@irdl_op_definition
class MatvecOp(ProductOperation):
    """``out[m] += lhs[m, k] * rhs[k]``."""

    name = "linalg.matvec"
    LOOPS: ClassVar[str] = "mk"
    REDUCTIONS: ClassVar[int] = 1
    OPERANDS: ClassVar[tuple[str, str, str]] = ("mk", "k", "m")


@irdl_op_definition
class VecmatOp(ProductOperation):
    """``out[n] += lhs[k] * rhs[k, n]``."""

    name = "linalg.vecmat"
    LOOPS: ClassVar[str] = "nk"
    REDUCTIONS: ClassVar[int] = 1
    OPERANDS: ClassVar[tuple[str, str, str]] = ("k", "kn", "n")


@irdl_op_definition
class BatchMatvecOp(ProductOperation):
    """``out[b, m] += lhs[b, m, k] * rhs[b, k]``."""

    name = "linalg.batch_matvec"
    LOOPS: ClassVar[str] = "bmk"
    REDUCTIONS: ClassVar[int] = 1
    OPERANDS: ClassVar[tuple[str, str, str]] = ("bmk", "bk", "bm")


@irdl_op_definition
class DotOp(ProductOperation):
    """``out[] += lhs[k] * rhs[k]``."""

    name = "linalg.dot"
    LOOPS: ClassVar[str] = "k"
    REDUCTIONS: ClassVar[int] = 1
    OPERANDS: ClassVar[tuple[str, str, str]] = ("k", "k", "")


class WindowOperation(_ExtraOperation, ABC):
    """A convolution or pooling: the data is read at ``position * stride + offset * dilation``.

    ``DATA`` spells positions in capitals; the window's letters are the same in small.
    """

    DATA: ClassVar[str]
    WINDOW: ClassVar[str]
    OUT: ClassVar[str]
    PRINT_ATTRS_IN_FRONT: ClassVar[bool] = True

    strides = prop_def(DenseIntElementsAttr)
    dilations = prop_def(DenseIntElementsAttr)

    def get_default_indexing_maps(self) -> Sequence[AffineMap]:
        """The maps that the operation's name, strides and dilations stand for."""
        strides = [int(value) for value in self.strides.get_values()]
        dilations = [int(value) for value in self.dilations.get_values()]
        exprs: list[AffineExpr] = []
        axis = 0
        for letter in self.DATA:
            expr = AffineExpr.dimension(self.LOOPS.index(letter))
            if letter.isupper():
                offset = AffineExpr.dimension(self.LOOPS.index(letter.lower()))
                expr = expr * strides[axis] + offset * dilations[axis]
                axis += 1
            exprs.append(expr)
        data = AffineMap(len(self.LOOPS), 0, tuple(exprs))
        return data, self._plain_map(self.WINDOW), self._plain_map(self.OUT)


class ConvolutionOperation(WindowOperation, ABC):
    """A window operation that multiplies and adds."""

    @classmethod
    def get_hidden_region(cls, inputs: Sequence[SSAValue], outputs: Sequence[SSAValue]) -> Region:
        """``out + data * weight``."""
        return _multiply_add(cls.body_arg_types((*inputs, *outputs)))


@irdl_op_definition
class Conv1DNcwFcwOp(ConvolutionOperation):
    """Convolution over one dimension, channels first."""

    name = "linalg.conv_1d_ncw_fcw"
    LOOPS: ClassVar[str] = "nfWcw"
    REDUCTIONS: ClassVar[int] = 2
    DATA: ClassVar[str] = "ncW"
    WINDOW: ClassVar[str] = "fcw"
    OUT: ClassVar[str] = "nfW"


@irdl_op_definition
class Conv2DNchwFchwOp(ConvolutionOperation):
    """Convolution over two dimensions, channels first; xDSL's does not widen floats."""

    name = "linalg.conv_2d_nchw_fchw"
    LOOPS: ClassVar[str] = "nfHWchw"
    REDUCTIONS: ClassVar[int] = 3
    DATA: ClassVar[str] = "ncHW"
    WINDOW: ClassVar[str] = "fchw"
    OUT: ClassVar[str] = "nfHW"


@irdl_op_definition
class Conv3DNcdhwFcdhwOp(ConvolutionOperation):
    """Convolution over three dimensions, channels first."""

    name = "linalg.conv_3d_ncdhw_fcdhw"
    LOOPS: ClassVar[str] = "nfDHWcdhw"
    REDUCTIONS: ClassVar[int] = 4
    DATA: ClassVar[str] = "ncDHW"
    WINDOW: ClassVar[str] = "fcdhw"
    OUT: ClassVar[str] = "nfDHW"


@irdl_op_definition
class DepthwiseConv2DNchwChwOp(ConvolutionOperation):
    """Convolution of each channel by itself, channels first."""

    name = "linalg.depthwise_conv_2d_nchw_chw"
    LOOPS: ClassVar[str] = "ncHWhw"
    REDUCTIONS: ClassVar[int] = 2
    DATA: ClassVar[str] = "ncHW"
    WINDOW: ClassVar[str] = "chw"
    OUT: ClassVar[str] = "ncHW"


class PoolingOperation(WindowOperation, ABC):
    """A window operation that folds elements of a window, channels first."""

    LOOPS: ClassVar[str] = "ncHWhw"
    REDUCTIONS: ClassVar[int] = 2
    DATA: ClassVar[str] = "ncHW"
    WINDOW: ClassVar[str] = "hw"
    OUT: ClassVar[str] = "ncHW"
    FLOATS: ClassVar[type[Operation]]
    INTEGERS: ClassVar[type[Operation]]

    @classmethod
    def get_hidden_region(cls, inputs: Sequence[SSAValue], outputs: Sequence[SSAValue]) -> Region:
        """Folds the element into ``out``."""
        types = cls.body_arg_types((*inputs, *outputs))

        def combine(args: _Scalars) -> SSAValue:
            kind = cls.INTEGERS if isinstance(types[-1], IntegerType) else cls.FLOATS
            value = _widened(args[0], types[-1])
            return kind(args[2], value).results[0]  # pyright: ignore[reportCallIssue]

        return _region(types, combine)


@irdl_op_definition
class PoolingNchwSumOp(PoolingOperation):
    """Sum over windows."""

    name = "linalg.pooling_nchw_sum"
    FLOATS: ClassVar[type[Operation]] = arith.AddfOp
    INTEGERS: ClassVar[type[Operation]] = arith.AddiOp


@irdl_op_definition
class PoolingNchwMaxOp(PoolingOperation):
    """Maximum over windows; xDSL's takes that of the element and the window's."""

    name = "linalg.pooling_nchw_max"
    FLOATS: ClassVar[type[Operation]] = arith.MaximumfOp
    INTEGERS: ClassVar[type[Operation]] = arith.MaxSIOp


EXTRA_OPERATIONS: tuple[type[Operation], ...] = (
    MatmulOp,
    BatchMatmulOp,
    MatvecOp,
    VecmatOp,
    BatchMatvecOp,
    DotOp,
    Conv1DNcwFcwOp,
    Conv2DNchwFchwOp,
    Conv3DNcdhwFcdhwOp,
    DepthwiseConv2DNchwChwOp,
    PoolingNchwSumOp,
    PoolingNchwMaxOp,
)
"""What we add to xDSL's ``linalg``, or put in the place of its own."""

_EXTRA_NAMES = frozenset(op.name for op in EXTRA_OPERATIONS)

LINALG = Dialect(
    "linalg",
    [*(op for op in Linalg.operations if op.name not in _EXTRA_NAMES), *EXTRA_OPERATIONS],
    list(Linalg.attributes),
)
"""The ``linalg`` dialect with xDSL's operations and ours."""


def get_dialect() -> Dialect:
    """The extended ``linalg``, for registration."""
    return LINALG
