"""The reference cells of a library, found by what they compute, and what is built of them.

A library is searched for its smallest inverter, NAND2, AND2, XOR2, half adder, full adder and
flip-flop. What it lacks is put together: AND2 = NAND2 + inverter, XOR2 = 4 NAND2, half adder = XOR2
+ AND2, full adder = 2 XOR2 + 3 NAND2. An n x n array multiplier has n^2 AND2, n (n - 2) full adders
and n half adders; a ripple adder of n bits n full adders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asic_compiler.diagnostics import UserError
from asic_compiler.technology.liberty.cells import Arc, Cell, Library
from asic_compiler.technology.liberty.function import truth_table

Table = tuple[bool, ...]

_NOT: Table = (True, False)
_AND: Table = (False, False, False, True)
_NAND: Table = (True, True, True, False)
_XOR: Table = (False, True, True, False)
_SUM: Table = (False, True, True, False, True, False, False, True)
_CARRY: Table = (False, False, False, True, False, True, True, True)
_GATES: dict[tuple[Table, ...], str] = {
    (_NOT,): "inverter",
    (_AND,): "and2",
    (_NAND,): "nand2",
    (_XOR,): "xor2",
    (_AND, _XOR): "half_adder",
    tuple(sorted((_SUM, _CARRY))): "full_adder",
}
_PARTS: dict[str, dict[str, int]] = {
    "and2": {"nand2": 1, "inverter": 1},
    "xor2": {"nand2": 4},
    "half_adder": {"xor2": 1, "and2": 1},
    "full_adder": {"xor2": 2, "nand2": 3},
}
_TOGGLES = 0.5
"""Probability that an output changes in an operation on random data (assumed)."""


@dataclass(frozen=True)
class Block:
    """Area, energy an operation and leakage of a cell, or of cells together."""

    area_um2: float
    energy_j: float
    leakage_w: float

    def __add__(self, other: Block) -> Block:
        return Block(
            self.area_um2 + other.area_um2,
            self.energy_j + other.energy_j,
            self.leakage_w + other.leakage_w,
        )

    def times(self, count: float) -> Block:
        """So many of it."""
        return Block(self.area_um2 * count, self.energy_j * count, self.leakage_w * count)


@dataclass(frozen=True)
class Reference:
    """The reference cells of a library and the conditions that their energies are read at."""

    library: Library
    cells: Mapping[str, Cell]
    """Kind -> the smallest cell of that kind; kinds that are missing are left out."""
    load_f: float
    slew_s: float

    def block(self, kind: str) -> Block:
        """A gate, its own cell or put together.

        Raises:
            UserError: The library has neither the cell nor its parts.
        """
        cell = self.cells.get(kind)
        if cell is not None:
            return Block(cell.area_um2, self.operation_energy_j(cell), cell.leakage_w)
        if kind not in _PARTS:
            raise UserError(f"the library '{self.library.name}' has no {kind}", self.library.where)
        total = Block(0.0, 0.0, 0.0)
        for part, count in _PARTS[kind].items():
            total = total + self.block(part).times(count)
        return total

    def adder(self, bits: int) -> Block:
        """A ripple adder."""
        return self.block("full_adder").times(bits)

    def multiplier(self, bits: int) -> Block:
        """An array multiplier of two ``bits``-bit integers."""
        return (
            self.block("and2").times(bits * bits)
            + self.block("full_adder").times(bits * (bits - 2))
            + self.block("half_adder").times(bits)
        )

    def operation_energy_j(self, cell: Cell) -> float:
        """Mean energy an operation on random data: every output changes half of the time.

        An output's change costs the mean of its internal-power tables and half the load's charge
        times the supply; what inputs cost by themselves is added with the same probability.
        """
        volts = self.library.supply_v
        energy = 0.0
        for pin in cell.pins:
            internal = self.mean(pin.energy)
            charge = 0.5 * self.load_f * volts * volts if pin.direction == "output" else 0.0
            energy += _TOGGLES * pin.width * (internal + charge)
        return energy

    def clock_energy_j(self) -> float:
        """A flip-flop's clock pin a cycle: it rises and falls, inside the cell and as a load."""
        cell = self.cells["flip_flop"]
        clocks = [pin for pin in cell.inputs if pin.clock]
        if not clocks:
            raise UserError(f"the flip-flop '{cell.name}' has no clock pin", cell.where)
        volts = self.library.supply_v
        internal = sum(2.0 * self.mean(pin.energy) for pin in clocks)
        return internal + sum(pin.capacitance_f for pin in clocks) * volts * volts

    def mean(self, arcs: tuple[Arc, ...]) -> float:
        """Mean over the tables of a pin, at the reference slew and load; 0 where there is none."""
        values = [
            sum(table.at(self.slew_s, self.load_f) for table in arc.tables) / len(arc.tables)
            for arc in arcs
        ]
        return sum(values) / len(values) if values else 0.0

    def fan_out_of_four_s(self) -> float | None:
        """Delay of the inverter into four of itself; None where the library does not say."""
        cell = self.cells.get("inverter")
        if cell is None:
            return None
        load = 4.0 * cell.inputs[0].capacitance_f
        tables = [table for pin in cell.outputs for arc in pin.delay for table in arc.tables]
        if not tables:
            return None
        return sum(table.at(self.slew_s, load) for table in tables) / len(tables)


def find_reference(library: Library) -> Reference:
    """The reference cells of ``library``.

    Energies are read with a load of two inputs of the full adder (or what stands for it), which is
    the next cell and as much again of wire, and at the middle slew of the NAND2's tables.

    Raises:
        UserError: NAND2, inverter or flip-flop is missing.
    """
    cells: dict[str, Cell] = {}
    for cell in library.cells:
        kind = kind_of(cell)
        if kind is not None and (kind not in cells or cell.area_um2 < cells[kind].area_um2):
            cells[kind] = cell
    for kind, what in (
        ("nand2", "!(A & B)"),
        ("inverter", "!A"),
        ("flip_flop", "an ff without clear, preset and scan"),
    ):
        if kind not in cells:
            raise UserError(
                f"the library '{library.name}' has no {kind.replace('_', '-')}",
                library.where,
                [f"a cell is found by what it computes: {what}"],
            )
    typical = next(cells[kind] for kind in ("full_adder", "xor2", "nand2") if kind in cells)
    load = 2.0 * sum(pin.capacitance_f for pin in typical.inputs) / len(typical.inputs)
    slews = [
        table.slew_s
        for pin in cells["nand2"].outputs
        for arc in (*pin.energy, *pin.delay)
        for table in arc.tables
    ]
    slew = float(slews[0][len(slews[0]) // 2]) if slews else 0.0
    return Reference(library, cells, load, slew)


def kind_of(cell: Cell) -> str | None:
    """What a cell is, of the kinds that are looked for; None if it is something else."""
    if cell.area_um2 <= 0.0 or cell.latch:
        return None
    if cell.flip_flop is not None:
        data = [pin.name for pin in cell.inputs if not pin.clock]
        state = cell.flip_flop.next_state.strip()
        return "flip_flop" if data == [state] else None  # no pin to clear, set, enable or scan
    if any(pin.width != 1 for pin in cell.pins) or not 1 <= len(cell.inputs) <= 3:
        return None
    inputs = [pin.name for pin in cell.inputs]
    tables: list[Table] = []
    for pin in cell.outputs:
        table = None if pin.function is None else truth_table(pin.function, inputs)
        if table is None:
            return None
        tables.append(table)
    return _GATES.get(tuple(sorted(tables)))
