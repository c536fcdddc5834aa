"""What lies in the weight memory of each tile, and where.

Slices lie in the order of the instructions that read them, equal ones once, each aligned. A slice
is rows: of a contraction one a column of its result, with the tile's range of k; of a table the
tile's columns of each of its rows; of a load what its operator reads, in rows of the constant's
last dimension. What is stored with fewer bits than the model has gets scales: one a row with 8
bits, one for each group of consecutive weights of a row with 4. A scale is that of the whole row or
group, whatever part of it the tile has, so that a weight is the same number on every mesh.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import DenseResourceAttr
from xdsl.ir import Attribute
from xdsl.ir.affine import AffineMap

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import tcc
from asic_compiler.dialects.location import location_of
from asic_compiler.dialects.tcc.base import buffer_type
from asic_compiler.dialects.text import attribute_text
from asic_compiler.program.allocate import aligned, group_size
from asic_compiler.program.elaborate import ElaboratedProgram, Elaboration
from asic_compiler.program.elements import image_of, ranges_of, table_columns
from asic_compiler.program.parts import Elements, Place
from asic_compiler.program.wmem_need import elements_key, part_key
from asic_compiler.simulate.integers import Codes
from asic_compiler.simulate.packed import (
    Bytes,
    Rows,
    from_bytes,
    is_quantised,
    pack,
    packed_bytes,
    to_bytes,
    unpack,
    unpack_codes,
)
from asic_compiler.simulate.quantise import scales_of
from asic_compiler.tensors.elements import Array, dtype_of, rounded

Reader: TypeAlias = tcc.MmaOp | tcc.ConvOp | tcc.GatherOp | tcc.LoadOp


@dataclass(frozen=True, eq=False)
class Slice:
    """Rows of a constant that a tile holds: a grid of rows and depth, or any elements."""

    weight: tcc.WeightOp
    key: tuple[object, ...]
    """Equal for slices of the same elements in the same order."""
    row: Elements
    """[rows] of a grid what each row adds to the number of an element; or [elements] themselves."""
    whole: Elements | None
    """[length] What each place of a whole row adds; None where ``row`` has the elements."""
    at: Elements
    """[depth] Places of a row that the tile has, ascending."""
    through: tuple[AffineMap, tuple[int, ...]] | None = None
    """The map that the constant is read through, and the sizes it leads out of."""

    @property
    def element(self) -> Attribute:
        """Its element type in the model."""
        return self.weight.tensor.element_type

    @property
    def length(self) -> int:
        """Of a whole row."""
        if self.whole is not None:
            return len(self.whole)
        return max(self.weight.tensor.get_shape()[-1:] or (1,))

    @property
    def group(self) -> int:
        """Places of a row that share a scale."""
        return group_size(self.weight.bits.value.data, self.length)

    @cached_property
    def rows(self) -> Rows:
        """What shares a scale, numbered row by row as groups of whole rows are."""
        many = -(-self.length // self.group)
        if self.whole is None:
            return Rows(self.row // self.length * many + self.row % self.length // self.group)
        groups = np.arange(len(self.row))[:, None] * many + self.at // self.group
        return Rows(groups.reshape(-1))

    @cached_property
    def size_bytes(self) -> int:
        """In WMEM, without alignment."""
        count = len(self.row) * (1 if self.whole is None else len(self.at))
        if count == 0:
            return 0
        bits = self.weight.bits.value.data
        scales = self.rows.rows if is_quantised(bits, self.element) else 0
        return packed_bytes(count, scales, bits, self.element)

    def elements(self) -> Elements:
        """Numbers of the constant's elements, in the order in which they lie in WMEM."""
        return self.row if self.whole is None else self._numbers(self.whole[self.at])

    def _numbers(self, places: Elements) -> Elements:
        """Numbers of the elements at some places of each row, of a grid."""
        flat = (self.row[:, None] + places[None, :]).reshape(-1)
        if self.through is None:
            return flat
        map_, sizes = self.through
        return image_of(flat, sizes, map_, self.weight.tensor.get_shape())

    def pack(self, constant: Array) -> Bytes:
        """Its bytes, taken from the whole constant."""
        flat, bits = constant.reshape(-1), self.weight.bits.value.data
        values = flat[self.elements()]
        if not is_quantised(bits, self.element):
            return to_bytes(values, self.element)  # no row of it is worked out
        return pack(values, self.rows, bits, self.element, self._scales(flat))

    def _scales(self, constant: Array) -> NDArray[np.float16]:
        """[groups of the tile] Scales, each of a whole group."""
        numbers = self.rows.numbers
        if self.whole is not None:
            table = constant[self._numbers(self.whole)].reshape(len(self.row), self.length)
        else:
            many = -(-self.length // self.group)
            held, of = np.unique(numbers // many, return_inverse=True)
            table = constant.reshape(-1, self.length)[held]
            numbers = of.reshape(-1) * many + numbers % many
        missing = -self.length % self.group
        padded = np.pad(table, ((0, 0), (0, missing))).reshape(-1, self.group)
        return scales_of(padded, self.weight.bits.value.data).reshape(-1)[numbers]

    def unpack(self, data: Bytes) -> Array:
        """[rows, depth], or [elements], from its bytes."""
        bits = self.weight.bits.value.data
        if is_quantised(bits, self.element):
            values = unpack(data, self.rows, bits, self.element)
        else:
            values = from_bytes(data, self.element)
        return values if self.whole is None else values.reshape(len(self.row), len(self.at))

    def codes(self, data: Bytes) -> Codes:
        """[rows, depth] Integers of a grid, and their scales, from its bytes."""
        stored = unpack_codes(data, self.rows, self.weight.bits.value.data)
        count = len(self.row)
        starts = np.flatnonzero(np.diff(self.at // self.group, prepend=-1)).tolist()
        scale = stored.scale.astype(np.float32).reshape(count, len(starts))
        return Codes(stored.codes.reshape(count, len(self.at)), scale, tuple(starts))


def weight_of(elaboration: Elaboration, op: tcc.Instruction) -> tcc.WeightOp | None:
    """The constant in WMEM that an instruction reads; None if it reads none."""
    match op:
        case tcc.MmaOp() | tcc.ConvOp():
            name = op.weight.root_reference.data
        case tcc.GatherOp():
            if op.weight is None:
                return None
            name = op.weight.root_reference.data
        case tcc.LoadOp():
            name = op.source.root_reference.data
        case _:
            return None
    found = elaboration.symbols[name]
    return found if isinstance(found, tcc.WeightOp) else None


class Slices:
    """The slices of a module's tiles; equal ones are one object."""

    def __init__(self, elaboration: Elaboration) -> None:
        self._elaboration = elaboration
        self._known: dict[tuple[object, ...], Slice] = {}
        self._kept: list[Elements] = []
        self._weights = {
            op: weight
            for program in elaboration.programs
            for op in program.instructions
            if (weight := weight_of(elaboration, op)) is not None
        }

    def readers(self, program: ElaboratedProgram) -> Iterator[Reader]:
        """The instructions of a program that read WMEM, in order."""
        return (cast(Reader, op) for op in program.instructions if op in self._weights)

    def of(self, program: ElaboratedProgram, op: Reader, place: Place) -> Slice | None:
        """What an instruction reads on a tile; None where it has no part."""
        weight = self._weights[op]
        if isinstance(op, tcc.LoadOp):
            part = program.part(op.buffer, place)
            if not len(part):
                return None
            return self._of_load(weight, part)
        index = op.cut.part_of(*place)
        if index is None:
            return None
        match op:
            case tcc.MmaOp():
                found = self._of_mma(weight, op, index)
            case tcc.ConvOp():
                found = self._of_conv(weight, op, index)
            case tcc.GatherOp():
                found = self._of_table(weight, op, index)
        return found if found.size_bytes else None

    def _of_mma(self, weight: tcc.WeightOp, op: tcc.MmaOp, index: tuple[int, ...]) -> Slice:
        ranges = ranges_of(op, index)
        _, _, n, k = op.sizes.get_values()
        key = (weight.sym_name.data, *part_key(op, index))
        if key not in self._known:
            columns, whole = np.arange(*ranges.n), np.arange(k)
            if op.shared:
                columns = np.unique(columns % n)
            if op.transposed:
                row, whole = columns // n * (k * n) + columns % n, whole * n
            else:
                row = columns * k
            through = None
            if op.weight_map is not None:
                through = op.weight_map.data, self._logical_shape(op, op.weight_map.data)
            self._known[key] = Slice(weight, key, row, whole, np.arange(*ranges.k), through)
        return self._known[key]

    @staticmethod
    def _logical_shape(op: tcc.MmaOp, map_: AffineMap) -> tuple[int, ...]:
        """The sizes that the map of a weight leads out of: [b.., n, k] or [b.., k, n]."""
        b, _, n, k = op.sizes.get_values()
        matrix = (k, n) if op.transposed else (n, k)
        batch = () if op.shared else (b,)
        more = map_.num_dims - 2
        if more < len(batch) and b == 1:
            batch = ()
        if more < len(batch) or (more > 1 and b > 1):
            raise UserError(
                f"a weight is read through a map of {map_.num_dims} dimensions, which cannot be "
                f"told apart from {b} batch items",
                location_of(op),
            )
        return (*(1,) * (more - len(batch)), *batch, *matrix)

    def _of_conv(self, weight: tcc.WeightOp, op: tcc.ConvOp, index: tuple[int, ...]) -> Slice:
        ranges = ranges_of(op, index)
        groups, _, filters, k = op.sizes.get_values()
        key = (weight.sym_name.data, *part_key(op, index))
        if key not in self._known:
            through = None
            if op.weight_map is not None:
                window = tuple(op.window.get_values())
                shape = (groups * filters, k // prod(window), *window)
                through = op.weight_map.data, shape
            row, depth = np.arange(*ranges.n) * k, np.arange(*ranges.k)
            self._known[key] = Slice(weight, key, row, np.arange(k), depth, through)
        return self._known[key]

    def _of_table(self, weight: tcc.WeightOp, op: tcc.GatherOp, index: tuple[int, ...]) -> Slice:
        rows = weight.tensor.get_shape()[0]
        width = buffer_type(op.result).elements // max(buffer_type(op.indices).elements, 1)
        key = (weight.sym_name.data, "table", op.over, op.cut.factors, index)
        if key not in self._known:
            same = (weight.sym_name.data, *part_key(op, index))
            if same not in self._known:
                columns, row = table_columns(op, index), np.arange(rows) * width
                self._known[same] = Slice(weight, same, row, np.arange(width), columns)
            self._known[key] = self._known[same]
        return self._known[key]

    def _of_load(self, weight: tcc.WeightOp, part: Elements) -> Slice:
        key = (weight.sym_name.data, "part", id(part))
        if key not in self._known:
            self._kept.append(part)  # so that its id stays its own
            same = (weight.sym_name.data, *elements_key(part))
            made = Slice(weight, same, part, None, part[:0])
            self._known[key] = self._known.setdefault(same, made)
        return self._known[key]

    def offsets(self, program: ElaboratedProgram, place: Place) -> dict[Slice, int]:
        """The slices of a tile, in order, and the byte of WMEM that each begins at."""
        found: dict[Slice, int] = {}
        end = 0
        for op in self.readers(program):
            slice_ = self.of(program, op, place)
            if slice_ is not None and slice_ not in found:
                found[slice_] = end
                end += aligned(slice_.size_bytes)
        return found


def image_bytes(offsets: Mapping[Slice, int]) -> int:
    """Bytes of an image."""
    return max((start + aligned(s.size_bytes) for s, start in offsets.items()), default=0)


def build_image(offsets: Mapping[Slice, int], constants: Constants) -> Bytes:
    """The image of one tile."""
    image = np.zeros(image_bytes(offsets), dtype=np.uint8)
    for slice_, start in offsets.items():
        data = slice_.pack(constants.of(slice_.weight))
        image[start : start + len(data)] = data
    return image


class Constants:
    """The constants of a module, from a file or from memory.

    Args:
        weights: By parameter name, in the model's element types.
    """

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self._weights = weights
        self._dense: dict[str, Array] = {}

    def of(self, op: tcc.WeightOp) -> Array:
        """The whole constant.

        Raises:
            UserError: It is missing, or has another shape or element type.
        """
        type_ = op.tensor
        if not isinstance(op.value, DenseResourceAttr):
            return self._of_dense(op)
        handle = op.value.resource_handle.data
        name = next((n for n in (handle, op.sym_name.data) if n in self._weights), None)
        if name is None:
            raise UserError(
                f"no weight '{handle}'",
                location_of(op),
                ["the weights given are not those of this model"],
            )
        array = self._weights[name]
        shape, dtype = tuple(type_.get_shape()), dtype_of(type_.element_type)
        if array.shape != shape or array.dtype != dtype:
            raise UserError(
                f"weight '{name}' is {array.dtype}{list(array.shape)}, the model has {type_}",
                location_of(op),
            )
        return array

    def _of_dense(self, op: tcc.WeightOp) -> Array:
        name = op.sym_name.data
        if name not in self._dense:
            shape = op.tensor.get_shape()
            values = np.asarray(list(cast(Any, op.value).get_values()))
            dense = rounded(values, op.tensor.element_type)
            # One number may stand for all elements: a view of it, however many they are.
            splat = dense.size == 1
            self._dense[name] = np.broadcast_to(dense, shape) if splat else dense.reshape(shape)
        return self._dense[name]


def image_digest(elaboration: Elaboration) -> str:
    """SHA-256 of all that the images of a module depend on, but for the values of weights."""
    digest = hashlib.sha256()
    used: dict[tcc.WeightOp, None] = {}
    for program in elaboration.programs:
        digest.update(f"{[p.rectangle for p in program.op.places]}\n".encode())
        for op in program.instructions:
            weight = weight_of(elaboration, op)
            if weight is None:
                continue
            used[weight] = None
            skip = ("at", "cycles", "addr")
            facts = [f"{k}={v}" for k, v in sorted(op.properties.items()) if k not in skip]
            types = [str(v.type) for v in (*op.operands, *op.results)]
            digest.update(f"{op.name} {facts} {types}\n".encode())
            if isinstance(op, tcc.LoadOp):
                # What it reads is said by the instructions of its operator.
                for place in program.tiles:
                    digest.update(program.part(op.buffer, place).tobytes() + b"\n")
    for weight in used:
        shown = (weight.sym_name.data, weight.bits.value.data, attribute_text(weight.value))
        digest.update(f"{shown}\n".encode())
    return digest.hexdigest()
