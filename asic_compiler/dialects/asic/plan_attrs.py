"""Attributes of a placed and scheduled model: what a program is written by, besides the chip."""

from __future__ import annotations

from typing import cast

from xdsl.dialects.builtin import ArrayAttr, FloatData, IntAttr, StringAttr
from xdsl.ir import Attribute, ParametrizedAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from asic_compiler.dialects.asic.attrs import IntArray, int_array, ints
from asic_compiler.dialects.asic.fields import parse_fields, print_fields, require_within
from asic_compiler.machine.limits import LARGEST, LARGEST_BYTES, LARGEST_CYCLES, LARGEST_PIECES
from asic_compiler.machine.regions import REGION_NAMES

_LEAST: dict[str, int] = {
    "first": 0,
    "batch": 1,
    "stride": 1,
    "pieces": 1,
    "by_rows": 0,
    "buffers": 1,
    "scatter": 0,
}
_MOST: dict[str, int] = {"pieces": LARGEST_PIECES, "buffers": LARGEST_PIECES}


@irdl_attr_definition
class PlacementAttr(ParametrizedAttribute):
    """How an operator lies on its region: ``#asic.placement<kind = "matmul", first = 0, ...>``.

    Fields: ``kind`` of the region; ``first`` tile of it, counted row by row, with the operator's
    first part; ``batch`` parts along the batch, besides the split's; ``stride`` tiles from one part
    to the next; ``pieces`` that an input arrives in, ranges of rows where ``by_rows`` is 1, else of
    k; ``buffers`` for these; ``scatter`` 1 where partial sums are reduce-scattered; ``cycles``
    predicted.

    Verified:
        1. kind is matmul, conv or general.
        2. batch, stride, pieces and buffers are positive, first is not negative; pieces and buffers
            are at most 4096.
        3. by_rows and scatter are 0 or 1.
        4. cycles is positive and at most 2^53.
    """

    name = "asic.placement"

    kind: StringAttr
    first: IntAttr
    batch: IntAttr
    stride: IntAttr
    pieces: IntAttr
    by_rows: IntAttr
    buffers: IntAttr
    scatter: IntAttr
    cycles: FloatData

    @classmethod
    def of(cls, kind: str, cycles: float, **fields: int) -> PlacementAttr:
        """A placement from plain values, all fields."""
        own = [IntAttr(fields[key]) for key in _LEAST]
        return cls.new([StringAttr(kind), *own, FloatData(cycles)])

    def verify(self) -> None:
        """Checks the numbered rules."""
        if self.kind.data not in REGION_NAMES:
            raise VerifyException(
                f"{self.name}: kind must be {', '.join(REGION_NAMES)}, got '{self.kind.data}'"
            )
        for key, low in _LEAST.items():
            value = cast(IntAttr, getattr(self, key)).data
            require_within(self.name, key, value, low, _MOST.get(key, LARGEST))
        for key in ("by_rows", "scatter"):
            if cast(IntAttr, getattr(self, key)).data > 1:
                raise VerifyException(f"{self.name}: {key} must be 0 or 1")
        if not 0.0 < self.cycles.data <= LARGEST_CYCLES:
            raise VerifyException(f"{self.name}: cycles must be positive, got {self.cycles.data}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        """Reads the fields inside ``<...>``, in any order."""
        kinds = {"kind": "string", **dict.fromkeys(_LEAST, "int"), "cycles": "float"}
        values = parse_fields(parser, cls.name, kinds)
        return [values[key] for key in kinds]

    def print_parameters(self, printer: Printer) -> None:
        """Prints the fields inside ``<...>``."""
        own = {key: cast(Attribute, getattr(self, key)) for key in _LEAST}
        print_fields(printer, {"kind": self.kind, **own, "cycles": self.cycles})


@irdl_attr_definition
class SlotAttr(ParametrizedAttribute):
    """When an operator runs in its stage's period: ``#asic.slot<start = 0, cycles = 51>``.

    Verified:
        1. start is not negative and cycles is positive; both are at most 2^53.
    """

    name = "asic.slot"

    start: IntAttr
    cycles: IntAttr

    @classmethod
    def of(cls, start: int, cycles: int) -> SlotAttr:
        """A slot from plain values."""
        return cls(IntAttr(start), IntAttr(cycles))

    def verify(self) -> None:
        """Checks the numbered rule."""
        require_within(self.name, "start", self.start.data, 0, LARGEST_CYCLES)
        require_within(self.name, "cycles", self.cycles.data, 1, LARGEST_CYCLES)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        """Reads the fields inside ``<...>``, in any order."""
        kinds = {"start": "int", "cycles": "int"}
        values = parse_fields(parser, cls.name, kinds)
        return [values[key] for key in kinds]

    def print_parameters(self, printer: Printer) -> None:
        """Prints the fields inside ``<...>``."""
        print_fields(printer, {"start": self.start, "cycles": self.cycles})


PLAN_FIELDS: dict[str, int] = {
    "dies": 1,
    "weight_bits": 1,
    "kv_bits": 1,
    "hop_cycles": 0,
    "crossing_cycles": 0,
    "crossing_rate": 16,
    "kv_window": 0,
}
"""Integer fields of a plan, and the least that each may be."""
_PLAN_DEFAULTS: dict[str, Attribute] = {"kv_window": IntAttr(0)}
"""What a text that leaves it out means; it is printed where it differs."""


@irdl_attr_definition
class PlanAttr(ParametrizedAttribute):
    """What programs depend on besides the chip and their operators; ``asic.plan`` on the module.

    ``#asic.plan<dies = 1, weight_bits = 16, kv_bits = 16, hop_cycles = 3, crossing_cycles = 8,
    crossing_rate = 16, period = 285.5, tiles = [[stage, bank, matmul, conv, general], ...]>``:
    stored widths, cycles of a router and the wire to the next, further cycles of a link between
    dies and the sixteenths of a cycle that a flit takes over it, predicted cycles between two
    micro-batches; of every tile class its stage, bytes of a bank of its weight memory, and whether
    (1 or 0) it is in each kind of region. ``kv_window = 64`` says that the plan is of a cache of so
    many tokens; it is printed where there is such a window.

    Verified:
        1. the integers are not below what they may be: crossing_rate 16, cycles and kv_window
            0, others 1.
        2. period is positive and at most 2^53.
        3. a row of tiles holds five integers: stage not negative, bank positive, flags 0 or 1.
    """

    name = "asic.plan"

    dies: IntAttr
    weight_bits: IntAttr
    kv_bits: IntAttr
    hop_cycles: IntAttr
    crossing_cycles: IntAttr
    crossing_rate: IntAttr
    kv_window: IntAttr
    period: FloatData
    tiles: ArrayAttr[IntArray]

    @classmethod
    def of(cls, period: float, tiles: list[tuple[int, ...]], **fields: int) -> PlanAttr:
        """A plan from plain values, all fields."""
        own = [IntAttr(fields[key]) for key in PLAN_FIELDS]
        return cls.new([*own, FloatData(period), ArrayAttr([int_array(row) for row in tiles])])

    @property
    def fields(self) -> dict[str, int]:
        """The integer fields by name."""
        return {key: cast(IntAttr, getattr(self, key)).data for key in PLAN_FIELDS}

    @property
    def rows(self) -> tuple[tuple[int, ...], ...]:
        """Stage, bank and flags of every tile class."""
        return tuple(ints(row) for row in self.tiles)

    def verify(self) -> None:
        """Checks the numbered rules."""
        for key, low in PLAN_FIELDS.items():
            require_within(self.name, key, self.fields[key], low)
        if not 0.0 < self.period.data <= LARGEST_CYCLES:
            raise VerifyException(f"{self.name}: period must be positive, got {self.period.data}")
        for row in self.rows:
            if len(row) != 2 + len(REGION_NAMES):
                raise VerifyException(f"{self.name}: a row of tiles needs 5 integers, got {row}")
            stage, bank, *flags = row
            require_within(self.name, "bank", bank, 0, LARGEST_BYTES)
            require_within(self.name, "stage", stage, 0)
            if bank < 1 or any(flag not in (0, 1) for flag in flags):
                raise VerifyException(
                    f"{self.name}: a row of tiles is stage, bank and flags, got {row}"
                )

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        """Reads the fields inside ``<...>``, in any order."""
        kinds = {**dict.fromkeys(PLAN_FIELDS, "int"), "period": "float", "tiles": "int_rows"}
        values = parse_fields(parser, cls.name, kinds, _PLAN_DEFAULTS)
        return [values[key] for key in kinds]

    def print_parameters(self, printer: Printer) -> None:
        """Prints the fields inside ``<...>``."""
        own = {key: cast(Attribute, getattr(self, key)) for key in PLAN_FIELDS}
        fields = {**own, "period": self.period, "tiles": self.tiles}
        print_fields(printer, fields, _PLAN_DEFAULTS)
