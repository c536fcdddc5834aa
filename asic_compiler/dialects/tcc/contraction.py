"""Contractions: multiply-accumulate over rows of WMEM or DMEM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from xdsl.dialects.builtin import (
    AffineMapAttr,
    AnyFloat,
    BFloat16Type,
    DenseArrayBase,
    Float16Type,
    StringAttr,
    SymbolRefAttr,
    UnitAttr,
    f32,
    f64,
    i64,
)
from xdsl.ir import Attribute, Operation, OpResult, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import HasParent
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects.tcc.attrs import BufferType, CutAttr
from asic_compiler.dialects.tcc.base import (
    SCHEDULE,
    Instruction,
    Sizes,
    buffer_type,
    int_attr,
    int_list,
    require_elements,
    require_piece,
    resolve,
)
from asic_compiler.dialects.tcc.symbols import ProgramOp, WeightOp


def _sizes(values: Sequence[int]) -> DenseArrayBase:
    return DenseArrayBase.from_list(i64, list(values))


def _verify_contraction(
    sizes: Sequence[int], cut: CutAttr, extents: Sequence[int], result: SSAValue
) -> None:
    """Rules 3 to 5 that contractions share; ``extents`` are what b, m, n and k are cut from."""
    if len(sizes) != 4 or min(sizes) < 1:
        raise VerifyException(f"sizes must be 4 positive integers, got {list(sizes)}")
    _require_factors(cut, extents)
    _verify_partial(result, cut.k.data > 1)


def _require_factors(cut: CutAttr, extents: Sequence[int]) -> None:
    for key, factor, extent in zip("bmnk", cut.factors, extents, strict=True):
        if factor > extent:
            raise VerifyException(f"{key} of size {extent} cannot be cut in {factor}")


def _verify_partial(result: SSAValue, partial: bool) -> None:
    element = buffer_type(result).element_type
    if partial and isinstance(element, AnyFloat) and element not in (f32, f64):
        raise VerifyException(f"partial sums are f32 or f64, not {element}")


BF16, INT8 = "bf16", "int8"
NUMBERS = (BF16, INT8)
"""Formats of the multipliers, other than the operands' own."""
INT8_DEPTH = (2**31 - 1) // (127 * 127)
"""Products of two 8-bit integers that an i32 always holds the sum of."""


def _verify_numbers(numbers: StringAttr | None, operands: Sequence[SSAValue], depth: int) -> None:
    """Rules of a format of the multipliers, which all contractions share."""
    if numbers is None:
        return
    if numbers.data not in NUMBERS:
        known = " or ".join(f'"{name}"' for name in NUMBERS)
        raise VerifyException(f'the multipliers take {known}, not "{numbers.data}"')
    for operand in operands:
        element = buffer_type(operand).element_type
        if not isinstance(element, Float16Type | BFloat16Type):
            raise VerifyException(f"multipliers of {numbers.data} take f16 or bf16, not {element}")
    if numbers.data == INT8 and depth > INT8_DEPTH:
        raise VerifyException(f"sums of {depth} products do not fit an i32, only {INT8_DEPTH}")


def _verify_weight(
    weight: WeightOp, map_: AffineMapAttr | None, elements: int, numbers: StringAttr | None
) -> None:
    if numbers is not None and numbers.data == INT8 and weight.bits.value.data not in (4, 8):
        bits = weight.bits.value.data
        raise VerifyException(f"multipliers of int8 take weights of 4 or 8 bits, not of {bits}")
    if map_ is None and prod(weight.tensor.get_shape()) != elements:
        raise VerifyException(f"weight {weight.tensor} has not the {elements} elements of sizes")


@irdl_op_definition
class MmaOp(Instruction):
    """Matrix multiply-accumulate over the rows of a weight in WMEM.

    ``result[b, m, n] = sum_k input[b, m, k] * weight[b, n, k]`` with sizes = [b, m, n, k]; the
    input is read, and the result written, as [b, m, k] and [b, m, n] in row-major order. WMEM
    holds the weight as rows of k values, one an output column; ``transposed`` says that the
    model's constant is [b, k, n] and was turned when WMEM was filled, ``shared`` that it has no b,
    ``weight_map`` that the constant is read through that map. The cut's n divides the b*n columns
    of all batch items (column ``b*N + n``) and its b is 1. Floats accumulate in f32 (f64 operands
    in f64) and are rounded once; with a cut k the result holds partial sums, which ``tcc.reduce``
    adds. ``as "bf16"`` and ``as "int8"`` say that the multipliers take other numbers than the
    operands are: docs/tcc-dialect.md, "Numbers", has what is computed then, to the bit.

    ``piece = [c, p]`` does the c-th of p equal ranges of this tile's part of k; the pieces after
    the first add to ``acc``, what the one before left. With ``rows`` it does a range of the tile's
    part of m instead, and writes these rows beside those of acc, whose buffer it goes on filling:
    its result has no address of its own. WMEM holds a tile's slices one after another, in the
    order of its instructions: of each the columns in order, of a column its part of k.

    Verified, besides the shared rules:
        3. sizes are 4 positive integers.
        4. no dimension is cut in more parts than it has elements, and b is not cut.
        5. with a cut k, partial sums of floats are f32 or f64.
        6. input and result have b*m*k and b*m*n elements, and so has acc.
        7. piece is an index and a count; acc is given exactly for a piece after the first; floats
           of acc, and of the result before the last piece, are f32 or f64, or with rows acc has
           the type of the result.
        8. rows is said of a piece.
        9. the multipliers' numbers are bf16 or int8, of operands in f16 or bf16; sums of int8
           products fit an i32.
    Checked by the program: the weight has b*n*k elements (n*k if shared), or is read through a
    map; for int8 it is stored with 4 or 8 bits.
    """

    name = "tcc.mma"

    input = operand_def(BufferType)
    weight = prop_def(SymbolRefAttr)
    sizes = prop_def(Sizes)
    cut = prop_def(CutAttr)
    piece = opt_prop_def(Sizes)
    rows = opt_prop_def(UnitAttr)
    acc = opt_operand_def(BufferType)
    transposed = opt_prop_def(UnitAttr)
    shared = opt_prop_def(UnitAttr)
    weight_map = opt_prop_def(AffineMapAttr)
    numbers = opt_prop_def(StringAttr)
    result = result_def(BufferType)

    traits = traits_def(HasParent(ProgramOp))
    assembly_format = (
        "$input `,` $weight (`acc` $acc^ `:` type($acc))? `sizes` $sizes"
        " (`piece` $piece^)? (`rows` $rows^)? (`transposed` $transposed^)? (`shared` $shared^)?"
        " (`through` $weight_map^)? (`as` $numbers^)? `cut` $cut "
        + SCHEDULE
        + " `:` type($input) `->` type($result)"
    )

    def __init__(
        self,
        input: SSAValue,
        weight: str,
        sizes: Sequence[int],
        cut: CutAttr,
        op: int,
        result: Attribute,
        *,
        transposed: bool = False,
        shared: bool = False,
        weight_map: AffineMap | None = None,
        piece: tuple[int, int] | None = None,
        rows: bool = False,
        acc: SSAValue | None = None,
        numbers: str | None = None,
    ) -> None:
        super().__init__(
            operands=[input, [] if acc is None else [acc]],
            properties={
                "piece": int_list(piece),
                "rows": UnitAttr() if rows else None,
                "weight": SymbolRefAttr(weight),
                "sizes": _sizes(sizes),
                "cut": cut,
                "numbers": None if numbers is None else StringAttr(numbers),
                "op": int_attr(op),
                "transposed": UnitAttr() if transposed else None,
                "shared": UnitAttr() if shared else None,
                "weight_map": None if weight_map is None else AffineMapAttr(weight_map),
            },
            result_types=[result],
        )

    def verify_instruction(self) -> None:
        """Checks the numbered rules."""
        sizes = tuple(self.sizes.get_values())
        b, m, n, k = sizes if len(sizes) == 4 else (0, 0, 0, 0)
        _verify_contraction(sizes, self.cut, (1, m, b * n, k), self.result)
        require_elements("input", self.input, b * m * k)
        require_elements("result", self.result, b * m * n)
        _verify_numbers(self.numbers, [self.input], -(-k // self.cut.k.data))
        if self.piece is not None:
            require_piece(tuple(self.piece.get_values()))
        index, count = self.pieces
        if (self.acc is not None) != (index > 0):
            raise VerifyException("acc is what the piece before left, and the first has none")
        if self.acc is not None:
            require_elements("acc", self.acc, b * m * n)
        if self.rows is not None:
            if self.piece is None:
                raise VerifyException("rows is said of a piece")
            if self.acc is not None and self.acc.type != self.result.type:
                raise VerifyException(f"acc is {self.acc.type}, the result {self.result.type}")
            return
        if self.acc is not None:
            _verify_partial(self.acc, partial=True)
        _verify_partial(self.result, index + 1 < count)

    @property
    def continues(self) -> SSAValue | None:
        """The buffer that it goes on filling."""
        return None if self.rows is None else self.acc

    @property
    def buffers(self) -> tuple[OpResult, ...]:
        """The buffers that it begins to fill."""
        return () if self.continues is not None else super().buffers

    @property
    def pieces(self) -> tuple[int, int]:
        """Which piece of how many it does."""
        if self.piece is None:
            return 0, 1
        index, count = self.piece.get_values()
        return index, count

    def verify_symbols(self, symbols: Mapping[str, Operation]) -> None:
        """Checks that the weight exists and fits."""
        weight = resolve(symbols, self.weight, WeightOp)
        b, _, n, k = self.sizes.get_values()
        elements = n * k if self.shared else b * n * k
        _verify_weight(weight, self.weight_map, elements, self.numbers)


@irdl_op_definition
class MmaDmemOp(Instruction):
    """Matrix multiply-accumulate over rows in DMEM: activations or a KV cache.

    ``result[b, m, n] = sum_k lhs[b, m, k] * rhs[b, n, k]``, or ``rhs[b, k, n]`` with
    ``transposed``, or rhs without b when it is ``shared``; operands and result are read and
    written in row-major order. The cut divides b first; the tiles of one part of b then share its
    n or k. With b uncut, n divides the b*n columns of all batch items. Accumulation and rounding
    are those of ``tcc.mma``.

    Verified, besides the shared rules:
        3. sizes are 4 positive integers.
        4. no dimension is cut in more parts than it has elements.
        5. with a cut k, partial sums of floats are f32 or f64.
        6. lhs, rhs and result have b*m*k, b*n*k (n*k if shared) and b*m*n elements.
        7. numbers as ``tcc.mma``'s.
    """

    name = "tcc.mma_dmem"

    lhs = operand_def(BufferType)
    rhs = operand_def(BufferType)
    sizes = prop_def(Sizes)
    cut = prop_def(CutAttr)
    transposed = opt_prop_def(UnitAttr)
    shared = opt_prop_def(UnitAttr)
    numbers = opt_prop_def(StringAttr)
    result = result_def(BufferType)

    traits = traits_def(HasParent(ProgramOp))
    assembly_format = (
        "$lhs `,` $rhs `sizes` $sizes (`transposed` $transposed^)? (`shared` $shared^)?"
        " (`as` $numbers^)? `cut` $cut "
        + SCHEDULE
        + " `:` type($lhs) `,` type($rhs) `->` type($result)"
    )

    def __init__(
        self,
        lhs: SSAValue,
        rhs: SSAValue,
        sizes: Sequence[int],
        cut: CutAttr,
        op: int,
        result: Attribute,
        *,
        transposed: bool = False,
        shared: bool = False,
        numbers: str | None = None,
    ) -> None:
        super().__init__(
            operands=[lhs, rhs],
            properties={
                "sizes": _sizes(sizes),
                "cut": cut,
                "numbers": None if numbers is None else StringAttr(numbers),
                "op": int_attr(op),
                "transposed": UnitAttr() if transposed else None,
                "shared": UnitAttr() if shared else None,
            },
            result_types=[result],
        )

    def verify_instruction(self) -> None:
        """Checks the numbered rules."""
        sizes = tuple(self.sizes.get_values())
        b, m, n, k = sizes if len(sizes) == 4 else (0, 0, 0, 0)
        columns = b * n if self.cut.b.data == 1 else n
        _verify_contraction(sizes, self.cut, (b, m, columns, k), self.result)
        require_elements("lhs", self.lhs, b * m * k)
        require_elements("rhs", self.rhs, n * k if self.shared else b * n * k)
        require_elements("result", self.result, b * m * n)
        _verify_numbers(self.numbers, [self.lhs, self.rhs], -(-k // self.cut.k.data))


@irdl_op_definition
class ConvOp(Instruction):
    """Multiply-accumulate of windows with filters in WMEM: ``asic.conv`` as the matmul it is.

    Sizes = [groups, positions, filters of a group, receptive field]; rows of WMEM are filters. The
    window of position m is addressed in DMEM by strides, dilations and paddings (elements outside
    are zero). The cut's m divides images and positions in row-major order, its n all filters, its
    k the receptive field in the order of a filter's elements, and its b is 1. Accumulation and
    rounding are those of ``tcc.mma``.

    Verified, besides the shared rules:
        3. sizes are 4 positive integers.
        4. no dimension is cut in more parts than it has elements, and b is not cut.
        5. with a cut k, partial sums of floats are f32 or f64.
        6. the result has groups*positions*filters elements.
        7. window, strides, dilations and both paddings have one entry a spatial dimension.
        8. a receptive field is the channels of a group times the window.
        9. numbers as ``tcc.mma``'s.
    Checked by the program: the weight has groups*filters*field elements, or is read through a
    map; for int8 it is stored with 4 or 8 bits.
    """

    name = "tcc.conv"

    input = operand_def(BufferType)
    weight = prop_def(SymbolRefAttr)
    sizes = prop_def(Sizes)
    window = prop_def(Sizes)
    """Spatial sizes of a filter."""
    strides = prop_def(Sizes)
    dilations = prop_def(Sizes)
    low_padding = prop_def(Sizes)
    high_padding = prop_def(Sizes)
    weight_map = opt_prop_def(AffineMapAttr)
    cut = prop_def(CutAttr)
    numbers = opt_prop_def(StringAttr)
    result = result_def(BufferType)

    traits = traits_def(HasParent(ProgramOp))
    assembly_format = (
        "$input `,` $weight `sizes` $sizes `window` $window `strides` $strides"
        " `dilations` $dilations `padding` $low_padding $high_padding"
        " (`through` $weight_map^)? (`as` $numbers^)? `cut` $cut "
        + SCHEDULE
        + " `:` type($input) `->` type($result)"
    )

    def __init__(
        self,
        input: SSAValue,
        weight: str,
        sizes: Sequence[int],
        cut: CutAttr,
        op: int,
        result: Attribute,
        *,
        window: Sequence[int],
        strides: Sequence[int],
        dilations: Sequence[int],
        low_padding: Sequence[int],
        high_padding: Sequence[int],
        weight_map: AffineMap | None = None,
        numbers: str | None = None,
    ) -> None:
        super().__init__(
            operands=[input],
            properties={
                "weight": SymbolRefAttr(weight),
                "sizes": _sizes(sizes),
                "window": _sizes(window),
                "strides": _sizes(strides),
                "dilations": _sizes(dilations),
                "low_padding": _sizes(low_padding),
                "high_padding": _sizes(high_padding),
                "weight_map": None if weight_map is None else AffineMapAttr(weight_map),
                "cut": cut,
                "numbers": None if numbers is None else StringAttr(numbers),
                "op": int_attr(op),
            },
            result_types=[result],
        )

    def verify_instruction(self) -> None:
        """Checks the numbered rules."""
        sizes = tuple(self.sizes.get_values())
        groups, m, n, k = sizes if len(sizes) == 4 else (0, 0, 0, 0)
        _verify_contraction(sizes, self.cut, (1, m, groups * n, k), self.result)
        require_elements("result", self.result, groups * m * n)
        _verify_numbers(self.numbers, [self.input], -(-k // self.cut.k.data))
        shape = buffer_type(self.input).sizes
        spatial = len(shape) - 2
        windows = (
            self.window,
            self.strides,
            self.dilations,
            self.low_padding,
            self.high_padding,
        )
        if any(len(window.get_values()) != spatial for window in windows):
            raise VerifyException("window, strides, dilations and paddings: one entry a dimension")
        if groups * k != shape[1] * prod(self.window.get_values()):
            raise VerifyException(f"a field of {k} is not {shape[1]} channels by the window")

    def verify_symbols(self, symbols: Mapping[str, Operation]) -> None:
        """Checks that the weight exists and fits."""
        weight = resolve(symbols, self.weight, WeightOp)
        groups, _, n, k = self.sizes.get_values()
        _verify_weight(weight, self.weight_map, groups * n * k, self.numbers)


def require_cut(op: Instruction) -> None:
    """Raises VerifyException unless an instruction's space can be cut as it says.

    The instruction need not be whole: which piece it does, and which rows, is not looked at.
    """
    if isinstance(op, MmaOp | ConvOp):
        b, m, n, k = op.sizes.get_values()
        _require_factors(op.cut, (1, m, b * n, k))
    elif isinstance(op, MmaDmemOp):
        b, m, n, k = op.sizes.get_values()
        _require_factors(op.cut, (b, m, b * n if op.cut.b.data == 1 else n, k))
    else:
        op.verify_instruction()


CONTRACTIONS = (MmaOp, MmaDmemOp, ConvOp)
"""Instructions of the tensor unit."""
