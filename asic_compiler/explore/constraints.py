"""Partial constraints: variables of a design that are pinned, or kept within a range.

``constraint_text.parse_constraints`` reads them, ``projection.Projection`` makes designs obey them.
Values are in the units of the design space: bit, byte, V, Hz, or a count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from asic_compiler.explore.protocol import FloatArray
from asic_compiler.hardware.space import CONTINUOUS, DISCRETE, KIB, STAGE_GRIDS, Continuous


@dataclass(frozen=True, slots=True)
class VariableFacts:
    """What a constraint may say of a variable."""

    units: Mapping[str, float]
    """Unit -> its size in the variable's own; "" is no unit at all. The one printed is first."""
    low: float
    high: float
    values: tuple[float, ...] = ()
    """Every value there is, ascending; none where it is continuous."""
    of_tile: bool = False
    """Whether it is a property of a tile, so that a constraint may be for some operators only."""
    what: str = "one of its values"
    """Of the values, for messages."""


_COUNT = {"": 1.0}
_BIT = {"": 1.0, "bit": 1.0, "bits": 1.0}
_BYTE = {"KiB": KIB, "B": 1.0, "byte": 1.0, "bytes": 1.0, "MiB": KIB * KIB}
_UNITS: dict[str, Mapping[str, float]] = {
    "vlen": _BIT, "dflit": _BIT, "dmem": _BYTE, "wmem_bank": _BYTE, "imem": _BYTE,
    "fetch": _COUNT | {"instr/cycle": 1.0}, "stanum": _COUNT | {"entries": 1.0},
    "rows": _COUNT | {"rows": 1.0}, "stream_chunks": _COUNT | {"chunks": 1.0},
    "stream_buffers": _COUNT | {"buffers": 1.0},
    "xr_wp": _COUNT | {"ports": 1.0}, "vr_wp": _COUNT | {"ports": 1.0},
    "xdpnum": _COUNT | {"ports": 1.0}, "vdpnum": _COUNT | {"ports": 1.0},
}  # fmt: skip
_TILES = _COUNT | {"tiles": 1.0}
_ELSEWHERE = ("clock", "vdd", "weight_precision", "kv_precision", "stages")
"""Variables of the design space that a constraint names by what they decide: Hz, V, bits."""


def _grid(variable: Continuous) -> tuple[float, ...]:
    """Every value of a stepped variable, as ``Continuous.decode`` gives them."""
    if variable.step == 0:
        return ()
    if variable.step < 0:
        exponents = np.arange(math.log2(variable.low), math.log2(variable.high) + 0.5)
        return tuple(np.exp2(exponents).tolist())
    steps = np.arange(np.rint(variable.low / variable.step), variable.high / variable.step + 0.5)
    return tuple(np.unique(variable.quantise(steps * variable.step)).tolist())


def _facts(variable: Continuous) -> VariableFacts:
    what = {-1.0: "a power of two", 1.0: "a whole number", 0.0: "a number"}.get(
        float(variable.step)
    )
    if what is None:
        in_kib = variable.unit == "byte"
        what = f"a multiple of {variable.step / KIB if in_kib else variable.step:g}"
        what += " KiB" if in_kib else ""
    return VariableFacts(
        units=_UNITS.get(variable.name, _COUNT),
        low=variable.low,
        high=variable.high,
        values=_grid(variable),
        of_tile=variable.group == "tile" and variable.name != "dflit",
        what=what,
    )


def _counts(
    units: Mapping[str, float], *values: float, what: str = "a whole number"
) -> VariableFacts:
    return VariableFacts(units, values[0], values[-1], values, what=what)


def _listed(*values: int) -> str:
    return f"{', '.join(map(str, values[:-1]))} or {values[-1]}"


_STAGES = tuple(columns * rows for columns, rows in STAGE_GRIDS)
VARIABLES: dict[str, VariableFacts] = {
    **{v.name: _counts(_TILES, *map(float, range(v.low, v.high + 1))) for v in DISCRETE},
    "stages": _counts(_COUNT, *map(float, _STAGES), what=_listed(*_STAGES)),
    **{v.name: _facts(v) for v in CONTINUOUS if v.name not in _ELSEWHERE},
    "vdd": VariableFacts({"V": 1.0, "mV": 1e-3}, 0.0, math.inf),
    "clock": VariableFacts({"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9}, 0.0, math.inf),
    "dies": VariableFacts(_COUNT | {"die": 1.0, "dies": 1.0}, 1.0, math.inf, what="a whole number"),
    "weight_bits": _counts(_BIT, 4.0, 8.0, 16.0, what=_listed(4, 8, 16)),
    "activation_bits": _counts(_BIT, 8.0, 16.0, what=_listed(8, 16)),
    "kv_bits": _counts(_BIT, 4.0, 8.0, 16.0, what=_listed(4, 8, 16)),
}
"""Everything that a constraint may speak of, in the order of printing."""

PAIRS: dict[str, tuple[str, str]] = {"mesh": ("mesh_width", "mesh_height"), "sc": ("sc_x", "sc_y")}
"""Two variables that are written together: 8x8 is width x height."""

OF_TILE: tuple[str, ...] = tuple(name for name, facts in VARIABLES.items() if facts.of_tile)
"""Properties of a tile."""

OUTCOMES: tuple[str, ...] = ("clock", "dies")
"""What a design leads to, not what it is: a goal may bound them as well."""

WIDTHS: tuple[str, ...] = ("weight_bits", "activation_bits", "kv_bits")
"""Widths that the user allows; the options of the same names say the same."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """One variable kept within a range or a set."""

    variable: str
    low: float
    high: float
    choices: tuple[float, ...] | None = None
    """Of a set: its values, ascending; None for a range."""
    operators: tuple[str, ...] = ()
    """Words for the operators whose tiles it is about; none is every tile."""
    column: int = field(default=1, compare=False)
    """Where it stands in the text, for errors about the workload or the node."""
    line: int = field(default=1, compare=False)

    @property
    def values(self) -> FloatArray:
        """The allowed values of a stepped variable, ascending."""
        known = np.array(VARIABLES[self.variable].values)
        kept = known[(known >= self.low) & (known <= self.high)]
        return kept if self.choices is None else kept[np.isin(kept, self.choices)]

    def holds(self, values: FloatArray, tolerance: float = 1e-9) -> np.ndarray:
        """Whether each value keeps it, up to a relative error of floating point."""
        slack = tolerance * np.maximum(np.abs(values), 1e-12)
        kept = (values >= self.low - slack) & (values <= self.high + slack)
        if self.choices is None:
            return kept
        distance = np.abs(np.asarray(values)[..., None] - np.array(self.choices))
        return kept & (distance.min(axis=-1) <= slack)

    def __str__(self) -> str:
        return f"{self.variable} {self.body}{self.scope}"

    @property
    def scope(self) -> str:
        """``for ...`` with the space before it; empty where it holds for every tile."""
        return f" for {', '.join(self.operators)}" if self.operators else ""

    @property
    def body(self) -> str:
        """Relation and values."""
        facts = VARIABLES[self.variable]
        unit, size = next(iter(facts.units.items()))

        def text(value: float, last: bool = True) -> str:
            number = repr(float(value / size)).removesuffix(".0")
            return f"{number} {unit}".rstrip() if last else number

        if self.choices is not None:
            *others, final = self.choices
            return "in {" + ", ".join([*(text(v, last=False) for v in others), text(final)]) + "}"
        if self.low == self.high:
            return f"= {text(self.low)}"
        if self.high == facts.high:
            return f">= {text(self.low)}"
        if self.low == facts.low:
            return f"<= {text(self.high)}"
        return f"in {text(self.low, last=False)}..{text(self.high)}"


@dataclass(frozen=True, slots=True)
class Restrictions:
    """What a text of constraints says: one restriction a variable and scope, in canonical order.

    ``str`` gives a text that parses to equal restrictions.
    """

    items: tuple[Restriction, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.items)

    def __str__(self) -> str:
        return "; ".join(map(str, self.items))

    def of(self, variable: str) -> Restriction | None:
        """What holds for ``variable`` on every tile."""
        found = (r for r in self.items if r.variable == variable and not r.operators)
        return next(found, None)
