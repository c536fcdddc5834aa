"""Operands of a contraction as its multipliers take them, and their product."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from xdsl.dialects.builtin import BFloat16Type

from asic_compiler.dialects import tcc
from asic_compiler.dialects.tcc.base import buffer_type
from asic_compiler.dialects.tcc.contraction import BF16, INT8
from asic_compiler.simulate.functional.errors import ExecutionError
from asic_compiler.simulate.functional.indices import Block
from asic_compiler.simulate.functional.tile import Tile
from asic_compiler.simulate.integers import Codes, accumulate_integers, quantise_rows
from asic_compiler.simulate.numerics import accumulate_block, accumulator_dtype
from asic_compiler.tensors.elements import Array, dtype_of, is_float, rounded

Contraction: TypeAlias = tcc.MmaOp | tcc.MmaDmemOp | tcc.ConvOp


def multiply(
    tile: Tile, op: Contraction, block: Block, depth: tuple[int, int], before: Array | None
) -> Array:
    """Sums of a block, not yet rounded, added to those of the piece before.

    Args:
        tile: That does it.
        op: Its instruction.
        block: Which elements.
        depth: From and to which place of the rows of WMEM, counted in the slice.
        before: [items, rows, columns] Wide sums, or None.

    Returns:
        [items, rows, columns]
    """
    lhs = tile.read(op.operands[0], block.lhs, op)
    if block.outside is not None:
        lhs = np.where(block.outside, np.zeros((), lhs.dtype), lhs)
    if op.numbers is not None and op.numbers.data == INT8:
        return _multiply_integers(tile, op, block, depth, lhs, before)
    low, high = depth
    if block.weights is not None and low == high:
        # An empty part of k: its sums are zero, and it has no weights.
        rhs = np.zeros((*block.weights.shape, 0), lhs.dtype)
    elif block.weights is not None:
        rhs = tile.weights(op)[:, low:high][block.weights]
    else:
        assert block.rhs is not None
        rhs = tile.read(op.operands[1], block.rhs, op)
    element = buffer_type(op.result).element_type
    if op.numbers is not None and op.numbers.data == BF16:
        lhs, rhs = rounded(lhs, BFloat16Type()), rounded(rhs, BFloat16Type())
    wide = dtype_of(element)
    if is_float(element):  # sums for an f64 are f64, also of narrower operands
        wide = np.promote_types(lhs.dtype, accumulator_dtype(element))
    lhs, rhs = lhs.astype(wide, copy=False), rhs.astype(wide, copy=False)
    return accumulate_block(before, lhs, rhs)


def _multiply_integers(
    tile: Tile,
    op: Contraction,
    block: Block,
    depth: tuple[int, int],
    lhs: Array,
    before: Array | None,
) -> Array:
    low, high = depth
    if lhs.shape[-1] == 0:
        columns = block.result.shape[-1]
        zeros = np.zeros((*lhs.shape[:2], columns), np.float32)
        return zeros if before is None else before
    if block.weights is not None:
        rhs = tile.weight_codes(op).at(block.weights).between(low, high)
    else:
        assert block.rhs is not None
        stored = tile.stored_codes(op.operands[1], block.rhs, op)
        if stored is None:
            rhs = _quantised(tile, op, tile.read(op.operands[1], block.rhs, op))
        else:
            codes, row = stored
            if (row == row[..., :1]).all():
                rhs = Codes(codes.codes, codes.scale[..., :1])
            elif (row == row[:, :1, :]).all():
                # A scale belongs to a place along k: it goes to the left operand.
                lhs = lhs.astype(np.float32) * codes.scale[:, :1, :]
                rhs = Codes(codes.codes, np.ones((*codes.codes.shape[:2], 1), np.float32))
            else:
                raise ExecutionError(
                    "scales of a cache lie neither along its columns nor along its depth",
                    tile.place,
                    op,
                )
    return accumulate_integers(before, _quantised(tile, op, lhs), rhs)


def _quantised(tile: Tile, op: Contraction, values: Array) -> Codes:
    found = quantise_rows(values)
    if found is None:
        raise ExecutionError(
            "an operand of 8-bit multipliers is infinite or no number", tile.place, op
        )
    return found
