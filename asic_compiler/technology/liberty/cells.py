"""What a Liberty library says of its cells, in SI units."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.technology.liberty.syntax import Attribute, Group, Value, parse_liberty

_PREFIX = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18}
_UNIT = re.compile(r"\s*+([0-9.eE+-]*+)\s*+([munpfa]?)(s|v|w|f)\s*+$", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_]\w*")
_AXES = {
    "input_transition_time": "slew",
    "input_net_transition": "slew",
    "related_pin_transition": "slew",
    "constrained_pin_transition": "slew",
    "total_output_net_capacitance": "load",
}


@dataclass(frozen=True)
class Table:
    """A quantity over input slew (s) and output load (F); an axis that is missing has one point."""

    slew_s: NDArray[np.float64]
    load_f: NDArray[np.float64]
    values: NDArray[np.float64]
    """[slew, load] in SI."""

    def at(self, slew_s: float, load_f: float) -> float:
        """Bilinear between the points, constant beyond them."""
        rows: list[list[float]] = self.values.tolist()
        across = [float(np.interp(load_f, self.load_f, row)) for row in rows]
        return float(np.interp(slew_s, self.slew_s, across))


@dataclass(frozen=True)
class Arc:
    """Internal energy (J) or delay (s) of the transitions of one pin."""

    related: tuple[str, ...]
    tables: tuple[Table, ...]
    """Rise and fall, or one for both."""


@dataclass(frozen=True)
class Pin:
    """A pin, or the pins of a bus."""

    name: str
    direction: str
    width: int
    capacitance_f: float
    function: Value | None
    clock: bool
    energy: tuple[Arc, ...]
    delay: tuple[Arc, ...]


@dataclass(frozen=True)
class FlipFlop:
    """The state of a sequential cell."""

    next_state: str
    clocks: tuple[str, ...]
    """Names in the clock's function."""


@dataclass(frozen=True)
class Cell:
    """A cell."""

    name: str
    area_um2: float
    leakage_w: float
    pins: tuple[Pin, ...]
    flip_flop: FlipFlop | None
    latch: bool
    where: SourceLocation

    @property
    def inputs(self) -> tuple[Pin, ...]:
        """Input pins, in file order."""
        return tuple(pin for pin in self.pins if pin.direction == "input")

    @property
    def outputs(self) -> tuple[Pin, ...]:
        """Output pins, in file order."""
        return tuple(pin for pin in self.pins if pin.direction == "output")


@dataclass(frozen=True)
class Library:
    """A library at one corner."""

    name: str
    supply_v: float
    temperature_c: float
    cells: tuple[Cell, ...]
    file: str
    where: SourceLocation

    def cell(self, name: str) -> Cell:
        """The cell called ``name``.

        Raises:
            UserError: There is none.
        """
        for cell in self.cells:
            if cell.name == name:
                return cell
        raise UserError(f"the library '{self.name}' has no cell '{name}'", self.where)


def read_library(text: str, file: str) -> Library:
    """The library in a Liberty file.

    Raises:
        UserError: It is no Liberty, or lacks a unit, the supply or the cells.
    """
    root = parse_liberty(text, file)
    if root.kind != "library":
        raise UserError(f"expected a library, not '{root.kind}'", root.where)
    units = _Units.of(root)
    templates = {
        group.name: group for group in root.of_kind("lu_table_template", "power_lut_template")
    }
    widths = {group.name: int(_number(group, "bit_width", 1.0)) for group in root.of_kind("type")}
    reader = _Reader(units, templates, widths, _number(root, "default_cell_leakage_power", 0.0))
    cells = tuple(reader.cell(group) for group in root.of_kind("cell"))
    if not cells:
        raise UserError(f"the library '{root.name}' has no cells", root.where)
    supply_v = _needed(root, "nom_voltage") * units.voltage_v
    if supply_v <= 0.0:
        raise UserError("nom_voltage must be above 0", root.where)
    return Library(
        name=root.name,
        supply_v=supply_v,
        temperature_c=_needed(root, "nom_temperature"),
        cells=cells,
        file=file,
        where=root.where,
    )


@dataclass(frozen=True)
class _Units:
    time_s: float
    voltage_v: float
    capacitance_f: float
    leakage_w: float

    @property
    def energy_j(self) -> float:
        """Of internal power: capacitive_load_unit x voltage_unit^2 (Liberty User Guide)."""
        return self.capacitance_f * self.voltage_v**2

    @staticmethod
    def of(root: Group) -> _Units:
        load = root.attribute("capacitive_load_unit")
        if load is None or len(load.values) != 2:
            raise UserError(
                "the library has no capacitive_load_unit",
                root.where if load is None else load.where,
                ["for example: capacitive_load_unit (1, ff);"],
            )
        farad = _float(load.values[0]) * _unit(Value(f"1{load.values[1].text}", load.where), "f")
        return _Units(
            time_s=_unit_of(root, "time_unit", "s"),
            voltage_v=_unit_of(root, "voltage_unit", "v"),
            capacitance_f=farad,
            leakage_w=_unit_of(root, "leakage_power_unit", "w"),
        )


@dataclass(frozen=True)
class _Reader:
    units: _Units
    templates: Mapping[str, Group]
    widths: Mapping[str, int]
    default_leakage: float

    def cell(self, group: Group) -> Cell:
        states = group.of_kind("ff", "ff_bank")
        flip_flop = None
        if states:
            flip_flop = FlipFlop(
                next_state=_text(states[0], "next_state", ""),
                clocks=tuple(_NAME.findall(_text(states[0], "clocked_on", ""))),
            )
        clocks = () if flip_flop is None else flip_flop.clocks
        pins = [self.pin(pin, clocks) for pin in group.of_kind("pin", "bus")]
        return Cell(
            name=group.name,
            area_um2=_area(group),
            leakage_w=self.leakage(group),
            pins=tuple(pins),
            flip_flop=flip_flop,
            latch=bool(group.of_kind("latch", "latch_bank", "statetable")),
            where=group.where,
        )

    def leakage(self, group: Group) -> float:
        """Stated for the cell, else the mean over its states, else the library's default."""
        states = [_needed(state, "value") for state in group.of_kind("leakage_power")]
        mean = sum(states) / len(states) if states else self.default_leakage
        return _number(group, "cell_leakage_power", mean) * self.units.leakage_w

    def pin(self, group: Group, clocks: Sequence[str]) -> Pin:
        function = group.attribute("function")
        bus_type = _text(group, "bus_type", "")
        capacitance = _number(group, "capacitance", 0.0)
        if capacitance < 0.0:
            raise UserError(f"the capacitance of pin {group.name} is below 0", group.where)
        return Pin(
            name=group.name,
            direction=_text(group, "direction", "").lower(),
            width=self.widths.get(bus_type, 1),
            capacitance_f=capacitance * self.units.capacitance_f,
            function=function.values[0] if function is not None and function.values else None,
            clock=_text(group, "clock", "").lower() == "true" or group.name in clocks,
            energy=self.arcs(
                group, "internal_power", ("rise_power", "fall_power", "power"), self.units.energy_j
            ),
            delay=self.arcs(group, "timing", ("cell_rise", "cell_fall"), self.units.time_s),
        )

    def arcs(self, pin: Group, kind: str, names: Sequence[str], unit: float) -> tuple[Arc, ...]:
        arcs: list[Arc] = []
        for group in pin.of_kind(kind):
            tables = tuple(self.table(table, unit) for table in group.of_kind(*names))
            if tables:
                arcs.append(Arc(tuple(_text(group, "related_pin", "").split()), tables))
        return tuple(arcs)

    def table(self, group: Group, unit: float) -> Table:
        template = self.templates.get(group.name)
        if template is None and group.name != "scalar":
            raise UserError(f"unknown table template '{group.name}'", group.where)
        scale = {"slew": self.units.time_s, "load": self.units.capacitance_f}
        axes: list[str] = []
        points: dict[str, NDArray[np.float64]] = {}
        for number in (1, 2, 3):
            variable = None if template is None else template.attribute(f"variable_{number}")
            if variable is None:
                break
            axis = _AXES.get(variable.values[0].text)
            if axis is None or axis in axes:
                raise UserError(
                    f"tables over {variable.values[0].text} are not read", variable.where
                )
            index = group.attribute(f"index_{number}") or (
                None if template is None else template.attribute(f"index_{number}")
            )
            if index is None:
                raise UserError(f"the table lacks index_{number}", group.where)
            axes.append(axis)
            points[axis] = np.array(_floats(index)) * scale[axis]
            if np.any(np.diff(points[axis]) <= 0.0):
                raise UserError(f"index_{number} does not grow", index.where)
        stated = group.attribute("values")
        if stated is None:
            raise UserError("the table lacks values", group.where)
        flat = np.array(_floats(stated))
        shape = [len(points[axis]) for axis in axes]
        if flat.size != int(np.prod(shape, dtype=np.int64)):
            raise UserError(
                f"{flat.size} values where {' x '.join(map(str, shape or [1]))} are expected",
                stated.where,
            )
        values = flat.reshape(shape)
        if axes == ["load", "slew"]:
            values = values.T
        one = np.zeros(1)
        slew, load = points.get("slew", one), points.get("load", one)
        return Table(slew, load, values.reshape(len(slew), len(load)) * unit)


def _unit_of(root: Group, name: str, dimension: str) -> float:
    attribute = root.attribute(name)
    if attribute is None or not attribute.values:
        raise UserError(f"the library has no {name}", root.where)
    return _unit(attribute.values[0], dimension)


def _unit(value: Value, dimension: str) -> float:
    match = _UNIT.match(value.text)
    if match is None or match[3].lower() != dimension:
        raise UserError(f"'{value.text}' is no unit of {dimension.upper()}", value.where)
    try:
        number = float(match[1] or "1")
    except ValueError:
        raise UserError(f"'{value.text}' is no unit", value.where) from None
    return number * _PREFIX[match[2].lower()]


def _text(group: Group, name: str, default: str) -> str:
    attribute = group.attribute(name)
    return default if attribute is None or not attribute.values else attribute.values[0].text


def _number(group: Group, name: str, default: float) -> float:
    attribute = group.attribute(name)
    return default if attribute is None or not attribute.values else _float(attribute.values[0])


def _area(group: Group) -> float:
    area = _needed(group, "area")
    if area < 0.0:
        raise UserError(f"the area of cell {group.name} is below 0", group.where)
    return area


def _needed(group: Group, name: str) -> float:
    attribute = group.attribute(name)
    if attribute is None or not attribute.values:
        label = f"{group.kind} '{group.name}'" if group.name else group.kind
        raise UserError(f"{label} lacks {name}", group.where)
    return _float(attribute.values[0])


def _float(value: Value) -> float:
    try:
        number = float(value.text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"'{value.text}' is no number", value.where)
    return number


def _floats(attribute: Attribute) -> list[float]:
    """Numbers of an attribute: in one string, in several, or bare."""
    return [
        _float(Value(word, value.where))
        for value in attribute.values
        for word in value.text.replace(",", " ").split()
    ]
