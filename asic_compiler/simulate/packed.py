"""Elements as bytes of a tile's memories: plain, or as integers of few bits that share scales."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import BFloat16Type
from xdsl.ir import Attribute

from asic_compiler.diagnostics import UserError
from asic_compiler.machine.memory import SCALE_BYTES
from asic_compiler.simulate.quantise import (
    Quantised,
    codes_of,
    dequantise,
    scales_of,
)
from asic_compiler.tensors.elements import Array, dtype_of, is_float

Bytes = NDArray[np.uint8]
QUANTISED_BITS = (4, 8)


def stored_dtype(element: Attribute) -> np.dtype[Any]:
    """What lies in memory: 2 bytes of a bf16, a byte of an i1, otherwise what NumPy holds."""
    if isinstance(element, BFloat16Type):
        return np.dtype(np.uint16)
    dtype = dtype_of(element)
    return np.dtype(np.uint8) if dtype == np.bool_ else dtype


def to_bytes(values: Array, element: Attribute) -> Bytes:
    """Values of an element type (`dtype_of`), one after another."""
    flat = np.ascontiguousarray(values, dtype=dtype_of(element)).reshape(-1)
    if isinstance(element, BFloat16Type):
        flat = (flat.view(np.uint32) >> 16).astype(np.uint16)
    return flat.view(np.uint8)


def from_bytes(data: Bytes, element: Attribute) -> Array:
    """The values behind bytes; may share their memory."""
    stored = data.view(stored_dtype(element))
    if isinstance(element, BFloat16Type):
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.bool_) if dtype_of(element) == np.bool_ else stored


class Rows:
    """How elements fall into rows that share a scale.

    Args:
        row: [elements] number of each element's row; those of one row lie together.
    """

    def __init__(self, row: NDArray[np.int64]) -> None:
        self.count = len(row)
        starts = np.flatnonzero(np.concatenate(([True], row[1:] != row[:-1]))) if len(row) else row
        self.lengths = np.diff(np.append(starts, len(row)))
        self.rows = len(starts)
        self.numbers = row[starts]
        """[rows] as they were given."""
        self.of = np.repeat(np.arange(self.rows), self.lengths)
        """[elements] row of each, counted from 0."""
        self.within = np.arange(len(row)) - np.repeat(starts, self.lengths)

    @classmethod
    def of_length(cls, rows: int, length: int) -> Rows:
        """Rows that are equally long."""
        return cls(np.repeat(np.arange(rows), length))


def is_quantised(bits: int, element: Attribute) -> bool:
    """Whether elements are stored as integers with scales.

    Raises:
        UserError: Neither that nor as they are.
    """
    whole = 1 if dtype_of(element) == np.bool_ else 8 * stored_dtype(element).itemsize
    if bits == whole:
        return False
    if is_float(element) and bits in QUANTISED_BITS and bits < whole:
        return True
    raise UserError(
        f"elements of {element} cannot be stored with {bits} bits",
        notes=["floats may have 4 or 8 bits and a scale a row; all others are stored whole"],
    )


def packed_bytes(count: int, rows: int, bits: int, element: Attribute) -> int:
    """Bytes that elements take: codes, then scales, where they are quantised."""
    if is_quantised(bits, element):
        return -(-count * bits // 8) + rows * SCALE_BYTES
    return count * stored_dtype(element).itemsize


def pack(
    values: Array,
    rows: Rows,
    bits: int,
    element: Attribute,
    scales: NDArray[np.float16] | None = None,
) -> Bytes:
    """Values [elements] as `packed_bytes` bytes.

    Args:
        values: The numbers.
        rows: What shares a scale.
        bits: Of a stored element.
        element: Its type in the model.
        scales: [rows] where they follow from more than these values.
    """
    if not is_quantised(bits, element):
        return to_bytes(values, element)
    if scales is None:
        longest = int(rows.lengths.max(initial=0))
        table = np.zeros((rows.rows, longest), dtype=np.float64)
        table[rows.of, rows.within] = values
        scales = scales_of(table, bits).reshape(-1)
    codes = codes_of(values, scales[rows.of], bits)
    if bits == 4:
        nibbles = np.zeros(-(-rows.count // 2) * 2, dtype=np.uint8)
        nibbles[: rows.count] = codes.view(np.uint8) & 0xF
        packed: Bytes = nibbles[0::2] | (nibbles[1::2] << np.uint8(4))
    else:
        packed = codes.view(np.uint8)
    found: Bytes = np.concatenate((packed, scales.view(np.uint8)))
    return found


def unpack(data: Bytes, rows: Rows, bits: int, element: Attribute) -> Array:
    """The values [elements] behind what `pack` made."""
    if not is_quantised(bits, element):
        return from_bytes(data, element)
    stored = unpack_codes(data, rows, bits)
    return dequantise(Quantised(stored.codes, stored.scale[rows.of], bits), element)


def unpack_codes(data: Bytes, rows: Rows, bits: int) -> Quantised:
    """Codes [elements] and scales [rows] behind what `pack` made of floats."""
    size = -(-rows.count * bits // 8)
    packed, scales = data[:size], np.ascontiguousarray(data[size:]).view(np.float16)
    if bits == 4:
        nibbles = np.stack((packed & 0xF, packed >> 4), axis=-1).reshape(-1)[: rows.count]
        codes = ((nibbles ^ 8).astype(np.int16) - 8).astype(np.int8)
    else:
        codes = packed.view(np.int8)
    return Quantised(codes, scales, bits)


def keep_rows(before: Bytes, after: Bytes, rows: Rows, bits: int, kept: NDArray[np.bool_]) -> Bytes:
    """Quantised ``after``, but with codes and scales of ``before`` in the rows that are kept.

    What was rounded once is not rounded again: a scale computed from rounded numbers may differ.
    """
    size = -(-rows.count * bits // 8)
    found = after.copy()
    elements = kept[rows.of]
    if bits == 4:
        mask = np.zeros(2 * size, dtype=np.uint8)
        mask[: rows.count] = elements * np.uint8(0xF)
        pairs = mask[0::2] | (mask[1::2] << 4)
        found[:size] = (after[:size] & ~pairs) | (before[:size] & pairs)
    else:
        found[:size][elements] = before[:size][elements]
    scales = np.repeat(kept, SCALE_BYTES)
    found[size:][scales] = before[size:][scales]
    return found
