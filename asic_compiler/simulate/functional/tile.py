"""One tile while it runs: its program, its memories, and how buffers lie in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from xdsl.ir import Attribute, OpResult, SSAValue

from asic_compiler.dialects import asic, tcc
from asic_compiler.dialects.tcc.base import buffer_type
from asic_compiler.program.allocate import aligned
from asic_compiler.program.elaborate import ElaboratedProgram, Elaboration
from asic_compiler.program.parts import Elements, Place
from asic_compiler.simulate.functional.errors import (
    ExecutionError,
    MissingElementsError,
    OutsideMemoryError,
    UndefinedReadError,
)
from asic_compiler.simulate.functional.memory import Dmem
from asic_compiler.simulate.integers import Codes
from asic_compiler.simulate.packed import (
    Bytes,
    Rows,
    from_bytes,
    is_quantised,
    keep_rows,
    pack,
    packed_bytes,
    stored_dtype,
    to_bytes,
    unpack,
    unpack_codes,
)
from asic_compiler.simulate.wmem import Slice, Slices
from asic_compiler.tensors.elements import Array, dtype_of

_UNLIMITED = 1 << 24
"""DMEM of a tile of a module without a chip, byte."""


@dataclass(frozen=True, slots=True)
class CacheArea:
    """Where a tile's part of a cache lies in DMEM."""

    start: int
    rows: Rows
    bits: int
    element: Attribute
    size_bytes: int
    owner: int
    """Its number among the tile's buffers and caches."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Where a buffer of a program lies: on all its tiles the same, as far as their part goes."""

    start: int
    width: int
    """Bytes of an element."""
    element: Attribute


class Positions:
    """Where elements lie in a part; answers for arrays that outlive the run are kept."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[Elements | None, Elements, Elements]] = {}

    def of(self, held: Elements, wanted: Elements) -> Elements | None:
        """[wanted] positions in ``held``; None if some are not there. Both must not change."""
        key = id(held), id(wanted)
        if key not in self._known:
            # Both arrays are kept, so that their ids stay theirs.
            self._known[key] = find(held, wanted), held, wanted
        return self._known[key][0]


def find(held: Elements, wanted: Elements) -> Elements | None:
    """[wanted] positions in ``held``, ascending numbers; None if some are not there."""
    if not len(held):
        return None if wanted.size else np.zeros(wanted.shape, dtype=np.int64)
    at = np.minimum(np.searchsorted(held, wanted), len(held) - 1)
    return at if np.array_equal(held[at], wanted) else None


@dataclass(slots=True, eq=False)
class Tile:
    """A tile, and how far it has come."""

    place: Place
    program: ElaboratedProgram
    dmem: Dmem
    image: Bytes
    offsets: Mapping[Slice, int]
    """Where each slice begins in the image."""
    slices: Slices
    caches: Mapping[str, CacheArea]
    cache_of: Mapping[SSAValue, str]
    owners: Mapping[SSAValue, int]
    """A number for each buffer of the program."""
    storage: Mapping[SSAValue, Storage]
    positions: Positions
    capacity: int
    """Bytes of DMEM; ``dmem`` has those that the program uses."""
    at: int = 0
    """The next instruction."""
    _decoded: dict[Slice, Array] = field(default_factory=dict[Slice, Array])
    _codes: dict[Slice, Codes] = field(default_factory=dict[Slice, Codes])
    _parts: dict[SSAValue, Elements] = field(default_factory=dict[SSAValue, Elements])

    @property
    def ended(self) -> bool:
        """Whether the program is done."""
        return self.at >= len(self.program.instructions)

    def part(self, value: SSAValue) -> Elements:
        """What it holds of a buffer."""
        if value not in self._parts:
            self._parts[value] = self.program.part(value, self.place)
        return self._parts[value]

    def poison(self, buffer: SSAValue) -> None:
        """Makes the bytes of a buffer nobody's."""
        start, size = self._extent(buffer, None)
        self.dmem.poison(start, start + size)

    def _extent(self, buffer: SSAValue, op: tcc.Instruction | None) -> tuple[int, int]:
        root = self.program.root[buffer]
        assert isinstance(root, OpResult)
        where = self.storage.get(root)
        if where is None:
            raise ExecutionError("the buffer has no address", self.place, root.op)
        size = len(self.part(root)) * where.width
        if where.start + size > self.capacity:
            raise OutsideMemoryError(
                f"bytes {where.start} to {where.start + size} of {self.capacity} of DMEM",
                self.place,
                op or root.op,
            )
        return where.start, size

    def write(
        self, buffer: SSAValue, elements: Elements, values: Array, op: tcc.Instruction
    ) -> None:
        """Fills a buffer; ``elements`` are its part, ascending."""
        start, size = self._extent(buffer, op)
        if len(elements) != len(self.part(buffer)):
            raise MissingElementsError(
                f"{len(elements)} elements for a part of {len(self.part(buffer))}", self.place, op
            )
        root = self.program.root[buffer]
        data = to_bytes(values, buffer_type(root).element_type)
        assert len(data) == size
        self.dmem.write(start, data, self.owners[root])

    def write_some(
        self, buffer: SSAValue, elements: Elements, values: Array, op: tcc.Instruction
    ) -> None:
        """Fills elements of a buffer, ascending numbers; the others stay as they are."""
        start, _ = self._extent(buffer, op)
        at = find(self.part(buffer), elements)
        if at is None:
            raise MissingElementsError(
                f"{len(elements)} elements that are not all in its part", self.place, op
            )
        root = self.program.root[buffer]
        width = self.storage[root].width
        data = to_bytes(values, buffer_type(root).element_type)
        self.dmem.write_elements(start, at, width, data, self.owners[root])

    def require(self, value: SSAValue, op: tcc.Instruction) -> None:
        """Raises UndefinedReadError unless all that it holds of a buffer is there."""
        root = self.program.root[value]
        if root in self.owners:
            start, size = self._extent(value, op)
            if not self.dmem.is_whole(start, start + size, self.owners[root]):
                raise UndefinedReadError(
                    f"some of {value.type} is not there, or no longer", self.place, op
                )

    def whole(self, value: SSAValue, op: tcc.Instruction) -> Array:
        """All that it holds of a buffer; may share memory.

        Raises:
            UndefinedReadError: Some of it is not there, or no longer.
        """
        if not len(self.part(value)):
            return np.zeros(0, dtype_of(buffer_type(value).element_type))
        self.require(value, op)
        return self._stored(value, op)

    def read(
        self, value: SSAValue, elements: Elements, op: tcc.Instruction, *, passing: bool = False
    ) -> Array:
        """Some elements of a buffer, in the shape of ``elements``.

        Args:
            value: The buffer.
            elements: Their numbers; an array that outlives the run, unless it is ``passing``.
            op: The instruction that reads.
            passing: Whether the array was made for this call.

        Raises:
            MissingElementsError: The tile does not hold some.
            UndefinedReadError: Some are not there, or no longer.
        """
        held = self.part(value)
        if not elements.size:
            return np.zeros(elements.shape, dtype_of(buffer_type(value).element_type))
        at = find(held, elements) if passing else self.positions.of(held, elements)
        if at is None:
            missing = int(np.count_nonzero(~np.isin(elements, held)))
            raise MissingElementsError(
                f"{missing} elements of {value.type} that it does not hold", self.place, op
            )
        root = self.program.root[value]
        if root in self.owners:
            start, size = self._extent(value, op)
            owner = self.owners[root]
            if not self.dmem.is_whole(start, start + size, owner):
                whole = self.dmem.are_whole(start, at, self.storage[root].width, owner)
                if not whole.all():
                    raise UndefinedReadError(
                        f"{int(np.count_nonzero(~whole))} elements of {value.type} that are not "
                        "there, or no longer",
                        self.place,
                        op,
                    )
        return self._stored(value, op)[at]

    def _stored(self, value: SSAValue, op: tcc.Instruction) -> Array:
        root = self.program.root[value]
        if root in self.cache_of:
            return self.read_cache(self.cache_of[root], op)
        assert isinstance(root, OpResult)
        if isinstance(root.op, tcc.LoadOp):
            return self.weights(root.op)
        start, size = self._extent(value, op)
        return from_bytes(self.dmem.read(start, start + size), self.storage[root].element)

    def weights(self, op: Any) -> Array:
        """What an instruction reads of WMEM: [rows, depth], or elements of a load."""
        slice_ = self._slice(op)
        if slice_ not in self._decoded:
            self._decoded[slice_] = slice_.unpack(self._image_of(slice_))
        return self._decoded[slice_]

    def weight_codes(self, op: Any) -> Codes:
        """The integers that a contraction reads of WMEM: [rows, depth]."""
        slice_ = self._slice(op)
        if slice_ not in self._codes:
            self._codes[slice_] = slice_.codes(self._image_of(slice_))
        return self._codes[slice_]

    def _slice(self, op: Any) -> Slice:
        slice_ = self.slices.of(self.program, op, self.place)
        if slice_ is None or slice_ not in self.offsets:
            raise MissingElementsError("its image has no such slice", self.place, op)
        return slice_

    def _image_of(self, slice_: Slice) -> Bytes:
        start = self.offsets[slice_]
        return self.image[start : start + slice_.size_bytes]

    def stored_codes(
        self, value: SSAValue, elements: Elements, op: tcc.Instruction
    ) -> tuple[Codes, Elements] | None:
        """Elements of a cache as the integers that they are stored as.

        Returns:
            Codes in the shape of ``elements``, each with its scale, and the row of each; None where
            the buffer is no cache, or one of the model's own numbers.
        """
        name = self.cache_of.get(self.program.root[value])
        if name is None:
            return None
        area = self.caches[name]
        if not is_quantised(area.bits, area.element):
            return None
        at = self.positions.of(self.part(value), elements)
        if at is None:
            raise MissingElementsError("elements of a cache that it does not hold", self.place, op)
        stored = unpack_codes(self._cache_bytes(name, op), area.rows, area.bits)
        row = area.rows.of[at]
        return Codes(stored.codes[at], stored.scale.astype(np.float32)[row]), row

    def read_cache(self, name: str, op: tcc.Instruction | None) -> Array:
        """Its part of a cache.

        Raises:
            UndefinedReadError: A buffer was written over it.
        """
        area = self.caches[name]
        return unpack(self._cache_bytes(name, op), area.rows, area.bits, area.element)

    def _cache_bytes(self, name: str, op: tcc.Instruction | None) -> Bytes:
        area = self.caches[name]
        stop = area.start + area.size_bytes
        if not self.dmem.is_whole(area.start, stop, area.owner):
            raise UndefinedReadError(f"a buffer was written over cache @{name}", self.place, op)
        return np.ascontiguousarray(self.dmem.read(area.start, stop))

    def write_cache(self, name: str, values: Array) -> None:
        """Writes all of its part of a cache."""
        area = self.caches[name]
        data = pack(values, area.rows, area.bits, area.element)
        self.dmem.write(area.start, data, area.owner)

    def change_cache(self, name: str, at: Elements, values: Array, op: tcc.Instruction) -> None:
        """Writes some elements of its part, ``at`` these positions; other rows stay as they are."""
        area = self.caches[name]
        whole = self.read_cache(name, op).copy()
        whole[at] = values
        data = pack(whole, area.rows, area.bits, area.element)
        if is_quantised(area.bits, area.element):
            before = self.dmem.read(area.start, area.start + area.size_bytes)
            kept = np.ones(area.rows.rows, dtype=np.bool_)
            kept[area.rows.of[at]] = False
            data = keep_rows(before, data, area.rows, area.bits, kept)
        self.dmem.write(area.start, data, area.owner)


def make_tiles(
    elaboration: Elaboration, slices: Slices, images: Mapping[Place, Bytes]
) -> list[Tile]:
    """Every tile of every program, in the order of the programs."""
    chip = asic.chip_of(elaboration.module)
    tiles: list[Tile] = []
    positions = Positions()
    for program in elaboration.programs:
        capacity = _UNLIMITED
        if chip is not None:
            capacity = chip.tiles.data[program.op.tile_class.value.data].dmem_bytes.data
        made = [buffer for op in program.instructions for buffer in op.buffers]
        owners: dict[SSAValue, int] = {buffer: i + 1 for i, buffer in enumerate(made)}
        storage = _storage(program)
        for place in program.tiles:
            areas: dict[str, CacheArea] = {}
            start = 0
            for name, root in program.caches.items():
                cache = elaboration.symbols[name]
                assert isinstance(cache, tcc.CacheOp)
                part = program.part(root, place)
                if not len(part):
                    continue
                rows = Rows(part // max(cache.tensor.get_shape()[-1], 1))
                bits, element = cache.bits.value.data, cache.tensor.element_type
                size = packed_bytes(rows.count, rows.rows, bits, element)
                owner = len(made) + len(areas) + 1
                areas[name] = CacheArea(start, rows, bits, element, size, owner)
                start += aligned(size) * cache.copies.value.data
            if start > capacity:
                raise OutsideMemoryError(
                    f"caches of {start} bytes in {capacity} of DMEM", place, None
                )
            ends = (
                where.start + len(program.part(buffer, place)) * where.width
                for buffer, where in storage.items()
            )
            used = max(start, *ends, 0)
            tiles.append(
                Tile(
                    place,
                    program,
                    Dmem(min(used, capacity)),
                    images[place],
                    slices.offsets(program, place),
                    slices,
                    areas,
                    {root: name for name, root in program.caches.items()},
                    owners,
                    storage,
                    positions,
                    capacity,
                )
            )
    return tiles


def _storage(program: ElaboratedProgram) -> dict[SSAValue, Storage]:
    found: dict[SSAValue, Storage] = {}
    for op in program.instructions:
        if op.addresses:
            for buffer, start in zip(op.buffers, op.addresses, strict=True):
                element = buffer_type(buffer).element_type
                found[buffer] = Storage(start, stored_dtype(element).itemsize, element)
    return found
