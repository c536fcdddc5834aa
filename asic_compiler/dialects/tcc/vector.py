"""Vector kernels, table look-up, cache append."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from xdsl.dialects.builtin import (
    IntegerAttr,
    SymbolRefAttr,
    i64,
)
from xdsl.ir import Attribute, Operation, OpResult, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import HasParent
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects.tcc.attrs import BufferType, CutAttr
from asic_compiler.dialects.tcc.base import (
    SCHEDULE,
    Instruction,
    Sizes,
    buffer_type,
    elements_of,
    int_attr,
    int_list,
    require_buffer_of,
    require_elements,
    require_space,
    resolve,
)
from asic_compiler.dialects.tcc.symbols import CacheOp, KernelOp, ProgramOp, WeightOp


@irdl_op_definition
class VectorOp(Instruction):
    """Runs a kernel over this tile's points of its iteration space.

    ``over`` reads the space in row-major order as [B, M, N]; a reduction folds N and keeps B*M
    rows. b, m and n of the cut divide them. Accumulators start at the kernel's init on every part.
    Results of a reduction whose points lie on several tiles are partial until ``tcc.reduce``.

    Verified, besides the shared rules:
        3. over has three positive sizes and the cut fits it.
    Checked by the program: the kernel exists; over has its points, and the last size those that
    it folds; operands and results have its number, element types and, for results and starting
    values, shape; maps stay inside the operands.
    """

    name = "tcc.vector"

    kernel = prop_def(SymbolRefAttr)
    over = prop_def(Sizes)
    cut = prop_def(CutAttr)
    inputs = var_operand_def(BufferType)
    res = var_result_def(BufferType)

    traits = traits_def(HasParent(ProgramOp))
    assembly_format = (
        "$kernel `(` $inputs `)` `over` $over `cut` $cut "
        + SCHEDULE
        + " `:` `(` type($inputs) `)` `->` `(` type($res) `)`"
    )

    def __init__(
        self,
        kernel: str,
        inputs: Sequence[SSAValue],
        over: Sequence[int],
        cut: CutAttr,
        op: int,
        results: Sequence[Attribute],
    ) -> None:
        super().__init__(
            operands=[inputs],
            properties={
                "kernel": SymbolRefAttr(kernel),
                "over": int_list(over),
                "cut": cut,
                "op": int_attr(op),
            },
            result_types=[results],
        )

    def verify_instruction(self) -> None:
        """Checks the numbered rules."""
        over = tuple(self.over.get_values())
        require_space(over, self.cut, prod(over))

    def verify_symbols(self, symbols: Mapping[str, Operation]) -> None:
        """Checks that the kernel exists and fits."""
        kernel = resolve(symbols, self.kernel, KernelOp)
        operands = [buffer_type(value) for value in self.inputs]
        if tuple(type_.element_type for type_ in operands) != kernel.operand_elements:
            raise VerifyException("operands differ from the kernel's in number or element type")
        over = tuple(self.over.get_values())
        if prod(over) != prod(kernel.sizes):
            raise VerifyException(f"over has not the points of {list(kernel.sizes)}")
        if kernel.reduced.value.data and prod(over[:2]) != prod(kernel.kept):
            raise VerifyException(
                f"over has not the {prod(kernel.kept)} rows that the kernel keeps"
            )
        results = [buffer_type(value) for value in self.res]
        if tuple(type_.element_type for type_ in results) != kernel.yielded:
            raise VerifyException("results differ from the kernel's in number or element type")
        maps = len(kernel.indexing_maps)
        if any(type_.sizes != kernel.kept for type_ in (*results, *operands[maps:])):
            raise VerifyException(f"results must have the kernel's shape {list(kernel.kept)}")
        for position, type_ in enumerate(operands[:maps]):
            error = kernel.map_error(position, type_.sizes)
            if error is not None:
                raise VerifyException(f"map {position} {error}")


@irdl_op_definition
class GatherOp(Instruction):
    """Rows of a table: ``result[i.., r..] = table[indices[i..], r..]``.

    The table is a weight, or a buffer. Each tile writes its part of the result, row-major.

    Verified, besides the shared rules:
        3. over is the space of the result, and the cut fits it.
        4. either a weight or a table is given.
    Checked by the program: the weight exists and its rows fill the result.
    """

    name = "tcc.gather"

    indices = operand_def(BufferType)
    table = opt_operand_def(BufferType)
    weight = opt_prop_def(SymbolRefAttr)
    over = prop_def(Sizes)
    cut = prop_def(CutAttr)
    result = result_def(BufferType)

    traits = traits_def(HasParent(ProgramOp))
    assembly_format = (
        "$indices (`of` $weight^)? (`in` $table^ `:` type($table))?"
        " `over` $over `cut` $cut " + SCHEDULE + " `:` type($indices) `->` type($result)"
    )

    def __init__(
        self,
        indices: SSAValue,
        table: SSAValue | str,
        over: Sequence[int],
        cut: CutAttr,
        op: int,
        result: Attribute,
    ) -> None:
        is_weight = isinstance(table, str)
        super().__init__(
            operands=[indices, [] if is_weight else [table]],
            properties={
                "weight": SymbolRefAttr(table) if is_weight else None,
                "over": int_list(over),
                "cut": cut,
                "op": int_attr(op),
            },
            result_types=[result],
        )

    def verify_instruction(self) -> None:
        """Checks the numbered rules."""
        require_space(self.over.get_values(), self.cut, elements_of(self.result))
        if (self.weight is None) == (self.table is None):
            raise VerifyException("tcc.gather needs a weight or a table, and not both")

    def verify_symbols(self, symbols: Mapping[str, Operation]) -> None:
        """Checks that the table exists and fits."""
        if self.weight is None:
            return
        row = resolve(symbols, self.weight, WeightOp).tensor.get_shape()[1:]
        require_elements("result", self.result, elements_of(self.indices) * prod(row))


@irdl_op_definition
class KvAppendOp(Instruction):
    """Writes new keys or values into a cache: ``cache[.., slot : slot+t, ..] = values``.

    The result is the cache after the write; nothing else moves. Each tile holds what its
    instructions read of the cache, and writes those new slots that it holds. The cut is that of
    the reader. With fewer bits than the model's, a row of the last dimension is stored as signed
    integers with one f16 scale.

    Verified, besides the shared rules:
        3. axis is a dimension of the values, and slot is not negative.
    Checked by the program: the cache exists, is what the result says, and the values fit.
    """

    name = "tcc.kv_append"

    values = operand_def(BufferType)
    cache = prop_def(SymbolRefAttr)
    axis = prop_def(IntegerAttr[i64])
    slot = prop_def(IntegerAttr[i64])
    cut = prop_def(CutAttr)
    result = result_def(BufferType)

    traits = traits_def(HasParent(ProgramOp))
    assembly_format = (
        "$values `into` $cache `axis` `=` $axis `slot` `=` $slot `cut` $cut "
        + SCHEDULE
        + " `:` type($values) `->` type($result)"
    )

    def __init__(
        self,
        values: SSAValue,
        cache: str,
        axis: int,
        slot: int,
        cut: CutAttr,
        op: int,
        result: Attribute,
    ) -> None:
        super().__init__(
            operands=[values],
            properties={
                "cache": SymbolRefAttr(cache),
                "axis": int_attr(axis),
                "slot": int_attr(slot),
                "cut": cut,
                "op": int_attr(op),
            },
            result_types=[result],
        )

    @property
    def buffers(self) -> tuple[OpResult, ...]:
        """None: the cache has a place of its own."""
        return ()

    def verify_instruction(self) -> None:
        """Checks the numbered rules."""
        rank = len(buffer_type(self.values).sizes)
        if not 0 <= self.axis.value.data < rank or self.slot.value.data < 0:
            raise VerifyException("axis must be a dimension of the values, slot not negative")

    def verify_symbols(self, symbols: Mapping[str, Operation]) -> None:
        """Checks that the cache exists and fits."""
        cache = resolve(symbols, self.cache, CacheOp)
        require_buffer_of(self.cache.root_reference.data, cache.tensor, self.result)
        values, shape = list(buffer_type(self.values).sizes), list(cache.tensor.get_shape())
        axis, slot = self.axis.value.data, self.slot.value.data
        fits = len(values) == len(shape) and slot + values[axis] <= shape[axis]
        if not fits or values[:axis] + values[axis + 1 :] != shape[:axis] + shape[axis + 1 :]:
            raise VerifyException(f"values {values} do not fit into cache {shape} at {slot}")


VECTORS = (VectorOp, GatherOp, KvAppendOp)
"""Instructions of the vector unit and the memory ports."""
