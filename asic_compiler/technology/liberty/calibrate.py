"""A technology file from a Liberty library: what cells say, in the place of assumptions.

- ``density.gates``: 1 / area of the NAND2; ``area.flip_flop``: flip-flop over NAND2.
- Arithmetic areas: an 8 x 8 multiplier and a 32-bit adder counted in cells, over the NAND2.
  Floating point follows the multiplier (multiply) and the adder (add).
- Arithmetic energies: the same two, over what the base node says of them.
- ``energy.flip_flop_clock``: clock pin of the flip-flop, and as much again of its load for the
  tree.
- Leakage: of a multiplier and its 48 flip-flops, over their area.

Energies go to the node's nominal supply with V^2, leakage to its supply and to 25 and 85 C by the
base node's own laws. Memories, wires and clocks are left alone: a cell library says nothing of
them.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from asic_compiler.diagnostics import UserError, one_line
from asic_compiler.technology.constant import ConstantSet
from asic_compiler.technology.document import parse_document
from asic_compiler.technology.liberty.cells import Cell, read_library
from asic_compiler.technology.liberty.reference import Block, Reference, find_reference
from asic_compiler.technology.library import layered, load_constants
from asic_compiler.technology.scaling import operation_energy_pj

Triple = tuple[float, float, float]

_ADDER = "32-bit ripple adder counted in cells"
_GLITCHES: Triple = (1.0, 1.5, 2.5)
"""Toggles of an array multiplier's cells over those of its final values: low, central, high
(assumed: unequal paths make cells change several times before they settle)."""
_ADDER_GLITCHES: Triple = (1.0, 1.2, 1.5)
_MULTIPLIER_FLOPS = 48
"""Two 8-bit operands and a 32-bit accumulator."""
_TREE_SHARE = 1.0
"""Energy of the clock tree over that of the clock pins as a load (assumed)."""


@dataclass(frozen=True)
class _Line:
    key: str
    low: float
    value: float
    high: float
    unit: str
    """As the file writes it; values are in it."""
    source: str


def calibrate(text: str, file: str, node: str, multiplier: str | None = None) -> str:
    """A TOML file that puts a cell library's figures on top of a node.

    Args:
        text: The Liberty file.
        file: Its name, for messages and sources.
        node: The shipped node that keeps the rest.
        multiplier: A cell that multiplies two integers, if the library has one; its energy and area
            replace the counted ones (scaled to 8 x 8 bit by the square of its width).

    Raises:
        UserError: The file is no Liberty, lacks a reference cell, or its figures give constants
            that no technology has.
    """
    base = load_constants(node)
    reference = find_reference(read_library(text, file))
    try:
        lines = _lines(reference, base, multiplier)
        written = _text(lines, reference, base, file)
    except (ZeroDivisionError, OverflowError, ValueError) as error:
        raise UserError(
            f"the figures of '{file}' give no constants: {error}",
            notes=["an area, a capacitance or a voltage of it is 0 or out of all proportion"],
        ) from error
    try:
        layered(base.name, parse_document(written, file))
    except UserError as error:
        raise UserError(
            f"the figures of '{file}' give a constant that cannot be: {error.message}",
            notes=["an area, an energy or a voltage of it is out of all proportion"],
        ) from error
    return written


def _text(lines: list[_Line], reference: Reference, base: ConstantSet, file: str) -> str:
    library = reference.library
    used = ", ".join(f"{kind} {cell.name}" for kind, cell in sorted(reference.cells.items()))
    head = [
        f"# Constants of the cell library {library.name} on top of {base.name}.",
        f"# From {file}: {library.supply_v:g} V, {library.temperature_c:g} C; {used}.",
        f"# Read at a slew of {reference.slew_s * 1e12:.4g} ps and a load of "
        f"{reference.load_f * 1e15:.4g} fF.",
    ]
    delay = reference.fan_out_of_four_s()
    if delay is not None:
        head.append(
            f"# Fan-out-of-four delay {delay * 1e12:.4g} ps; it is not used: the clock of a core "
            "needs its depth too."
        )
    body = [f'base = "{base.base}"']
    section = ""
    for line in sorted(lines, key=lambda line: line.key.split(".")[0]):
        group, name = line.key.split(".")
        if group != section:
            section = group
            body += ["", f"[{section}]"]
        bounds = "" if line.low == line.high else f"low = {line.low:.6g}, high = {line.high:.6g}, "
        body.append(
            f'{name} = {{ value = {line.value:.6g}, {bounds}unit = "{line.unit}", '
            f'kind = "derived", source = {_quoted(line.source)} }}'
        )
    # Names of the library and of its file must not end a comment, or begin something else.
    return "\n".join([*map(one_line, head), "", *body]) + "\n"


def _quoted(text: str) -> str:
    """As a string of TOML."""
    return json.dumps(one_line(text), ensure_ascii=False)


def _lines(reference: Reference, base: ConstantSet, multiplier: str | None) -> list[_Line]:
    library, cells = reference.library, reference.cells
    nand = cells["nand2"].area_um2
    file = _file_of(reference)
    adder = reference.adder(32)
    if multiplier is None:
        product, glitches = reference.multiplier(8), _GLITCHES
        what = "8 x 8 array multiplier counted in cells"
    else:
        product = _of_multiplier(reference, library.cell(multiplier))
        glitches, what = (1.0, 1.0, 1.0), f"multiplier cell {multiplier}"
    for block, figure in (
        (product.energy_j, f"energy of the {what}"),
        (adder.energy_j, f"energy of the {_ADDER}"),
        (product.leakage_w, f"leakage of the {what}"),
        (reference.clock_energy_j(), f"clock energy of {cells['flip_flop'].name}"),
    ):
        if block <= 0.0:
            raise UserError(f"the {figure} comes to {block:g}, not above 0", library.where)
    lines = [
        _exact("density.gates", 1.0 / nand, "MGE/mm2", f"{file}: NAND2 {cells['nand2'].name}"),
        _exact(
            "area.flip_flop",
            cells["flip_flop"].area_um2 / nand,
            "GE",
            f"{file}: {cells['flip_flop'].name} over {cells['nand2'].name}",
        ),
        *_areas(base, product.area_um2 / nand, adder.area_um2 / nand, file, what),
        *_energies(reference, base, product, adder, glitches, what),
    ]
    int32_add = next(line for line in lines if line.key == "energy.int32_add")
    return [*lines, _clock(reference, base, int32_add, file), *_leakage(reference, base, file)]


def _areas(base: ConstantSet, product: float, adder: float, file: str, what: str) -> list[_Line]:
    """Arithmetic areas, GE: the base's floating point moves as its integer counterpart does."""
    stated = base.constants
    times = product / stated["formats.int8_multiply_area"].value
    plus = adder / stated["formats.int32_add_area"].value
    factors = {
        "formats.int8_multiply_area": (times, what),
        "area.fp16_multiply": (times, what),
        "formats.fp32_multiply_area": (times, what),
        "formats.int32_add_area": (plus, _ADDER),
        "area.fp16_add": (plus, _ADDER),
        "area.fp32_add": (plus, _ADDER),
    }
    return [
        _scaled(base, key, (f, f, f), "GE", f"{file}: {source}; base times {f:.3g}")
        for key, (f, source) in factors.items()
    ]


def _energies(
    reference: Reference,
    base: ConstantSet,
    product: Block,
    adder: Block,
    glitches: Triple,
    what: str,
) -> list[_Line]:
    """Arithmetic energies, pJ, by the same two yardsticks."""
    supply = (base.constants["voltage.nominal"].value / reference.library.supply_v) ** 2
    multiply = product.energy_j * supply / (operation_energy_pj("int8_multiply", base.base) * 1e-12)
    add = adder.energy_j * supply / base.constants["energy.int32_add"].value
    times = (multiply * glitches[0], multiply * glitches[1], multiply * glitches[2])
    plus = (add * _ADDER_GLITCHES[0], add * _ADDER_GLITCHES[1], add * _ADDER_GLITCHES[2])
    factors = {
        "energy.fp16_multiply": (times, what),
        "energy.fp16_add": (plus, _ADDER),
        "energy.fp32_multiply": (times, what),
        "energy.fp32_add": (plus, _ADDER),
        "energy.int32_add": (plus, _ADDER),
    }
    file = _file_of(reference)
    return [
        _scaled(base, key, f, "pJ", f"{file}: {source}; base times {f[1]:.3g}")
        for key, (f, source) in factors.items()
    ]


def _clock(reference: Reference, base: ConstantSet, int32_add: _Line, file: str) -> _Line:
    """At 28 nm, from where the model scales it with the int32 add."""
    library, cell = reference.library, reference.cells["flip_flop"]
    pins = sum(pin.capacitance_f for pin in cell.inputs if pin.clock)
    tree = _TREE_SHARE * pins * library.supply_v**2
    supply = (base.constants["voltage.nominal"].value / library.supply_v) ** 2
    here_fj = (reference.clock_energy_j() + tree) * supply * 1e15
    scale = base.reference_int32_add * 1e12 / int32_add.value
    return _exact(
        "energy.flip_flop_clock",
        here_fj * scale,
        "fJ",
        f"{file}: clock pin of {cell.name}, {here_fj:.3g} fJ with its tree, carried to 28 nm",
    )


def _leakage(reference: Reference, base: ConstantSet, file: str) -> list[_Line]:
    library, c = reference.library, base.constants
    flop = reference.cells["flip_flop"]
    mix = reference.multiplier(8) + Block(flop.area_um2, 0.0, flop.leakage_w).times(
        _MULTIPLIER_FLOPS
    )
    filled = c["area.logic_utilisation"].value * c["area.floorplan_utilisation"].value
    supply = (c["voltage.nominal"].value / library.supply_v) ** c[
        "energy.leakage_voltage_exponent"
    ].value
    found = mix.leakage_w / (mix.area_um2 * 1e-6) * filled * supply
    cold, hot = c["leakage.logic_25c"].value, c["leakage.logic_85c"].value
    expected = cold * math.exp(math.log(hot / cold) * (library.temperature_c - 25.0) / 60.0)
    factor = found / expected
    source = (
        f"{file}: 8 x 8 multiplier and {_MULTIPLIER_FLOPS} flip-flops; "
        "process times or divided by 2"
    )
    return [
        _scaled(base, key, (0.5 * factor, factor, 2.0 * factor), "mW/mm2", source)
        for key in ("leakage.logic_25c", "leakage.logic_85c")
    ]


def _of_multiplier(reference: Reference, cell: Cell) -> Block:
    """A multiplier cell, carried to 8 x 8 bit with the square of its operands' mean width."""
    bits = sum(pin.width for pin in cell.inputs if not pin.clock) / 2.0
    scale = (8.0 / bits) ** 2 if bits else 1.0
    return Block(cell.area_um2, reference.operation_energy_j(cell), cell.leakage_w).times(scale)


def _file_of(reference: Reference) -> str:
    """The file's name, harmless inside a quoted text."""
    return reference.library.file.replace("\\", "/").replace('"', "'")


def _exact(key: str, value: float, unit: str, source: str) -> _Line:
    return _Line(key, value, value, value, unit, source)


def _scaled(base: ConstantSet, key: str, factors: Triple, unit: str, source: str) -> _Line:
    """A constant of the base times a factor, in the unit that the base's file writes."""
    constant = base.constants[key]
    assert constant.written_unit == unit, key
    low, middle, high = (constant.written_value * factor for factor in factors)
    return _Line(key, low, middle, high, unit, source)
