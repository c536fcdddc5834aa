"""Which elements of a tensor each tile computes, and which it reads, each worked out once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.ir import Operation

from asic_compiler.dialects import tcc
from asic_compiler.dialects.tcc.base import buffer_type
from asic_compiler.program.elements import (
    Cutting,
    computed_elements,
    distinguishing,
    needed_elements,
    scattered_elements,
    space_of,
)
from asic_compiler.program.parts import NOTHING, Elements, Parts, Place, distinct


@dataclass(frozen=True, slots=True)
class Slots:
    """What an append writes of a cache: slots of one axis."""

    cache: tuple[int, ...]
    """Its shape."""
    values: tuple[int, ...]
    """The shape of what is appended."""
    axis: int
    first: int

    @classmethod
    def of(cls, op: tcc.KvAppendOp) -> Slots:
        """Those of an instruction."""
        return cls(
            buffer_type(op.result).sizes,
            buffer_type(op.values).sizes,
            op.axis.value.data,
            op.slot.value.data,
        )

    def among(self, part: Elements) -> tuple[Elements, Elements]:
        """Of a part of the cache the elements that are written, and the values' for them."""
        size, new = self.cache[self.axis], self.values[self.axis]
        inner = prod(self.cache[self.axis + 1 :])
        at = part // inner % size
        chosen = part[(at >= self.first) & (at < self.first + new)]
        outer, slot = chosen // (inner * size), chosen // inner % size - self.first
        return chosen, (outer * new + slot) * inner + chosen % inner


class Footprints:
    """Parts of values and needs of instructions; equal ones are worked out once.

    What was worked out for one program holds for any other: a key says all that a part depends on.
    """

    def __init__(self) -> None:
        self._parts: dict[tuple[object, ...], Parts] = {}
        self._kept: list[Parts] = []
        """Those whose id is part of a key: it is theirs as long as they live."""

    def computed(self, op: Cutting, kernel: tcc.KernelOp | None = None) -> Parts:
        """Elements of its results that each tile computes; partial where the work is cut."""
        reduced = kernel is not None and kernel.reduced.value.data > 0
        key = ("computed", *structure_of(op), reduced)
        if key not in self._parts:
            found: dict[tuple[int, ...], Elements] = {}
            elements: list[Elements] = []
            space = space_of(op)
            for index in op.cut.indices:
                # Parts that differ in k alone have the same elements.
                same = index[:3]
                if same not in found:
                    found[same] = computed_elements(op, index, reduced, space)
                elements.append(found[same])
            self._parts[key] = Parts(op.cut.tiles, tuple(elements))
        return self._parts[key]

    def reduced(self, op: tcc.ReduceOp, partial: Parts, producer: Cutting) -> Parts:
        """Elements that each tile has after its group combined them."""
        key = ("reduced", id(partial), op.along, op.scatter)
        if key not in self._parts:
            cut = op.cut
            elements: list[Elements] = []
            for index, mine in zip(cut.indices, partial.elements, strict=True):
                if op.scatter:
                    elements.append(scattered_elements(producer, index))
                else:
                    root = index[2 if op.along.data == "n" else 3] == 0
                    elements.append(mine if root else NOTHING)
            self._parts[key] = Parts(partial.places, tuple(elements))
            self._kept.append(partial)
        return self._parts[key]

    def needed(
        self,
        op: Cutting,
        operand: int,
        kernel: tcc.KernelOp | None = None,
        piece: tuple[int, int] = (0, 1),
    ) -> Parts:
        """Elements of an operand that each tile reads.

        Args:
            op: The instruction.
            operand: Position among its operands.
            kernel: What a vector instruction runs.
            piece: Of ``tcc.mma`` the range of k, or of rows, whatever the instruction itself says.
        """
        maps = () if kernel is None else (kernel.indexing_maps, kernel.iteration, kernel.reduced)
        key = ("needed", *structure_of(op), operand, piece, *maps)
        if key not in self._parts:
            found: dict[tuple[int, ...], Elements] = {}
            elements: list[Elements] = []
            space = space_of(op)
            for index in op.cut.indices:
                same = distinguishing(op, operand, index)
                if same not in found:
                    found[same] = needed_elements(op, operand, index, kernel, piece, space)
                elements.append(found[same])
            self._parts[key] = Parts(op.cut.tiles, tuple(elements))
        return self._parts[key]

    def appended(self, slots: Slots, cache: Parts) -> Parts:
        """Elements of what is appended that each tile reads, to write them into its part."""
        key = ("appended", slots, id(cache))
        if key not in self._parts:
            found = {id(part): part for part in cache.elements}
            read = {number: slots.among(part)[1] for number, part in found.items()}
            elements = tuple(read[id(part)] for part in cache.elements)
            self._parts[key] = Parts(cache.places, elements)
            self._kept.append(cache)
        return self._parts[key]

    def united(self, parts: Sequence[Parts]) -> Parts:
        """What any of several parts has, tile by tile."""
        if len(parts) == 1:
            return parts[0]
        key = ("united", *(id(p) for p in parts))
        if key not in self._parts:
            together: dict[Place, list[Elements]] = {}
            for part in parts:
                for place, elements in zip(part.places, part.elements, strict=True):
                    together.setdefault(place, []).append(elements)
            self._parts[key] = Parts(
                tuple(together),
                tuple(
                    several[0]
                    if all(x is several[0] for x in several)
                    else distinct(np.concatenate(several))
                    for several in together.values()
                ),
            )
            self._kept.extend(parts)
        return self._parts[key]


def structure_of(op: Operation) -> tuple[object, ...]:
    """What the parts of an instruction depend on: equal for the same work of other layers."""
    skip = ("op", "at", "cycles", "addr", "piece", "weight", "kernel")
    properties = tuple((k, v) for k, v in op.properties.items() if k not in skip)
    return (op.name, properties, tuple(value.type for value in op.operands), op.results[0].type)
