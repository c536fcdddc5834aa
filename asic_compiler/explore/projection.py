"""Designs made to obey partial constraints: actions moved to the nearest allowed values.

Every strategy evaluates through the problem, and the problem projects: what is evaluated, recorded
and emitted obeys, whatever a strategy asked for.
"""

from __future__ import annotations

import math
from typing import NoReturn

import numpy as np

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.explore.constraint_text import FILE
from asic_compiler.explore.constraints import (
    OF_TILE,
    OUTCOMES,
    VARIABLES,
    Restriction,
    Restrictions,
)
from asic_compiler.explore.protocol import FloatArray, IntArray
from asic_compiler.hardware.derive import make_bands
from asic_compiler.hardware.design import VDD_STEP_V, DesignBatch, Freedom, snap
from asic_compiler.hardware.space import CONTINUOUS, DISCRETE, INDEX, STAGE_GRIDS, Scale, pick
from asic_compiler.hardware.tile_limits import TileLimits, nearest
from asic_compiler.machine.regions import CONV, GENERAL, REGION_NAMES
from asic_compiler.mapping.profile import Profile
from asic_compiler.ppa.metrics import Metrics
from asic_compiler.ppa.model import PPAModel
from asic_compiler.technology.node import Technology

OWN_SIZES: tuple[str, ...] = ("vlen", "fetch")
"""Sizes that each tile derives for itself; ``TileLimits`` bounds them tile by tile."""

MEMORIES: tuple[str, ...] = ("dmem", "imem")
"""Memories that each tile derives for itself; bounded ones are the same on every tile."""

_TOLERANCE = 1e-9
"""Relative; the cost model has the same for its own budgets."""
_SPECIAL = ("mesh_width", "mesh_height", "sc_x", "sc_y", "stages", "vdd", "clock", "dies",
            "weight_bits", "activation_bits", "kv_bits")  # fmt: skip


class Projection:
    """What a text of constraints means for one workload on one node.

    Args:
        restrictions: What is restricted.
        profile: The workload, whose operators a restriction may name.
        technology: The node, whose supply limits hold.
        freedom: What the user lets the search change.

    Raises:
        UserError: No design can keep them, or an operator is not known.
    """

    def __init__(
        self,
        restrictions: Restrictions,
        profile: Profile,
        technology: Technology,
        freedom: Freedom,
    ) -> None:
        self.restrictions = restrictions
        self._regions = {r: _regions(r, profile) for r in restrictions.items if r.operators}
        self._variables = _chip_wide(restrictions)
        self._check_memories()
        self.limits = self._tile_limits()
        self._apart = self._must_part(profile.has_conv)
        self._values = {
            INDEX[name]: r.values
            for name, r in self._variables.items()
            if name not in _SPECIAL and VARIABLES[name].values
        }
        self._ranges = {
            INDEX[name]: r
            for name, r in self._variables.items()
            if name not in _SPECIAL and not VARIABLES[name].values
        }
        if any(name in self._variables for name in MEMORIES):
            self._values[INDEX["heterogeneity"]] = np.zeros(1)
        self._volts = self._supplies(technology)
        self._technology = technology
        self._mesh(freedom)

    @property
    def lowest(self) -> IntArray:
        """[4] smallest allowed mesh width and height, super-cluster x and y."""
        return np.array([values[0] for values in self._discrete], dtype=np.int64)

    @property
    def highest(self) -> IntArray:
        """[4] largest."""
        return np.array([values[-1] for values in self._discrete], dtype=np.int64)

    def project(self, discrete: IntArray, continuous: FloatArray) -> tuple[IntArray, FloatArray]:
        """The nearest actions that are allowed; those that are stay as they are, to the bit.

        Args:
            discrete: [N, 4].
            continuous: [N, 30].
        """
        out = np.clip(continuous, -1.0, 1.0)
        for column, allowed in self._values.items():
            variable = CONTINUOUS[column]
            value = variable.decode(out[:, column])
            moved = nearest(value, allowed, variable.scale is Scale.LOG)
            out[:, column] = np.where(moved == value, out[:, column], variable.encode(moved))
        for column, restriction in self._ranges.items():
            variable = CONTINUOUS[column]
            value = variable.decode(out[:, column])
            moved = np.clip(value, restriction.low, restriction.high)
            out[:, column] = np.where(moved == value, out[:, column], variable.encode(moved))
        if self._volts is not None:
            out[:, INDEX["vdd"]] = self._supplied(out[:, INDEX["vdd"]], self._volts)
        discrete, out = self._placed(discrete, out)
        return discrete, self._parted(discrete, out) if self._apart else out

    def settle(self, design: DesignBatch, model: PPAModel) -> DesignBatch:
        """The design with what only the model can tell moved into its bounds, where it can be.

        A memory is raised to an allowed size that holds what it must, and the clock is kept within
        its bounds in Hz. Both need the model's answer, so that a bound on them costs evaluations.
        """
        for name, average in (("dmem", "dmem_average"), ("imem", "imem_average")):
            restriction = self._variables.get(name)
            if restriction is not None and restriction.choices is not None:
                allowed = restriction.values
                needed: FloatArray = getattr(model.evaluate(design), average)
                place = np.minimum(np.searchsorted(allowed, needed), len(allowed) - 1)
                design = design.with_(**{name: np.maximum(getattr(design, name), allowed[place])})
        clock = self._variables.get("clock")
        if clock is None or clock.low == clock.high:
            return design
        metrics = model.evaluate(design)
        fastest = metrics.clock_hz / np.maximum(metrics.clock_fraction, 1e-300)
        fraction = np.clip(design.clock, clock.low / fastest, clock.high / fastest)
        return design.with_(clock=np.minimum(fraction, 1.0))

    def broken(self, design: DesignBatch, metrics: Metrics, has_conv: bool) -> FloatArray:
        """[N, restrictions] relative excess over what projection alone cannot make hold.

        Those are memories that must be larger than allowed, and outcomes (clock, dies); a last
        column counts tiles that serve operators whose restrictions contradict each other.
        """
        columns = [np.zeros(len(design)) for _ in self.restrictions.items]
        for i, item in enumerate(self.restrictions.items):
            if item.variable in MEMORIES:
                average = metrics.dmem_average if item.variable == "dmem" else metrics.imem_average
                columns[i] = _above(average, item.high)
            elif item.variable in OUTCOMES:
                value = metrics.clock_hz if item.variable == "clock" else metrics.dies
                columns[i] = _above(value, item.high) + _above(item.low, value)
        if self.limits is None:
            columns.append(np.zeros(len(design)))
        else:
            bands = make_bands(design, has_conv)
            columns.append(self.limits.contradictions(bands.member, bands.rows))
        return np.stack(columns, axis=1)

    def _tile_limits(self) -> TileLimits | None:
        bounds: dict[str, list[FloatArray | None]] = {}
        for name in OWN_SIZES:
            whole = self.restrictions.of(name)
            each: list[FloatArray | None] = [None if whole is None else whole.values]
            for region in range(len(REGION_NAMES)):
                mine = [
                    r.values
                    for r, at in self._regions.items()
                    if r.variable == name and region in at
                ]
                kept = mine[0] if mine else None
                for values in mine[1:]:
                    assert kept is not None
                    kept = kept[np.isin(kept, values)]
                each.append(kept)
            if any(values is not None for values in each):
                bounds[name] = each
        if not bounds:
            return None
        limits = TileLimits.of({name: np.array(VARIABLES[name].values) for name in bounds}, bounds)
        for name, each in bounds.items():
            for region, values in enumerate(each[1:]):
                kept = limits.allowed[name][1 << region]
                if values is not None and kept is not None and not len(kept):
                    culprit = next(
                        r for r, at in self._regions.items() if r.variable == name and region in at
                    )
                    _refuse(
                        culprit,
                        f"nothing keeps '{culprit}' and what else is said of {name}",
                        f"operators of the {REGION_NAMES[region]} region share their tiles",
                    )
        return limits

    def _must_part(self, has_conv: bool) -> bool:
        """Whether no tile may serve both the general region and another: their bounds contradict.

        Regions whose shares a constraint bounds as well stay where that puts them.
        """
        if self.limits is None:
            return False
        empty = {
            code
            for allowed in self.limits.allowed.values()
            for code, values in enumerate(allowed)
            if values is not None and not len(values)
        }
        if has_conv and 0b011 in empty:
            culprit = next(r for r, at in self._regions.items() if CONV in at)
            _refuse(
                culprit,
                f"nothing keeps '{culprit}' and what is said of matmuls",
                "convolutions and matmuls both run on the first rows of a stage",
            )
        bounded = any(f"{name}_ratio" in self._variables for name in REGION_NAMES)
        return not bounded and bool(empty & {0b101, 0b110, 0b111})

    def _parted(self, discrete: IntArray, continuous: FloatArray) -> FloatArray:
        """Shares of rows shrunk alike until the general region and the others do not meet.

        Rows are rounded up, so that the shares may fill one row less than the stage has.
        """
        grid = pick((continuous[:, INDEX["stages"]] + 1.0) * 0.5, self._grids)
        rows = np.array([r for _, r in STAGE_GRIDS])[grid]
        height = snap(discrete[:, 1], rows, DISCRETE[1].high) / rows
        front = [INDEX["matmul_ratio"], INDEX["conv_ratio"]]
        columns = [*front, INDEX["general_ratio"]]
        share = {
            c: np.clip(0.3 + CONTINUOUS[c].decode(continuous[:, c]), 0.0, 1.0) for c in columns
        }
        total = np.maximum(*(share[c] for c in front)) + share[columns[2]]
        room = 1.0 - 1.0 / height
        over = (total > room * (1.0 + _TOLERANCE)) & (room > 0.0)
        factor = np.where(over, room / np.maximum(total, 1e-300), 1.0)
        for c in columns:
            moved = CONTINUOUS[c].encode(share[c] * factor - 0.3)
            continuous[:, c] = np.where(over, moved, continuous[:, c])
        return continuous

    def _check_memories(self) -> None:
        own = self._variables.get("heterogeneity")
        for name in MEMORIES:
            if name in self._variables and own is not None and not own.holds(np.zeros(1)).all():
                _refuse(
                    own,
                    f"heterogeneity must be 0 where {name} is bounded",
                    "a tile's own memories follow its load: only equal tiles can keep a bound",
                )

    def _supplies(self, technology: Technology) -> FloatArray | None:
        """[V] supplies that are allowed, of those that a design can have; None for all."""
        restriction = self._variables.get("vdd")
        if restriction is None:
            return None
        least, most = technology.voltage.minimum, technology.voltage.maximum
        first, last = math.floor(least / VDD_STEP_V), math.ceil(most / VDD_STEP_V)
        steps = np.arange(first, last + 1, dtype=np.float64)
        volts: FloatArray = np.unique(np.clip(steps * VDD_STEP_V, least, most))
        volts = volts[np.clip(np.rint(volts / VDD_STEP_V) * VDD_STEP_V, least, most) == volts]
        kept = volts[restriction.holds(volts)]
        if not len(kept):
            _refuse(
                restriction,
                f"no supply of {technology.name} keeps '{restriction}'",
                f"{technology.name} has {least:g} to {most:g} V in steps of 10 mV",
            )
        return kept

    def _supplied(self, x: FloatArray, allowed: FloatArray) -> FloatArray:
        supply = self._technology.voltage
        span = supply.maximum - supply.minimum
        variable = CONTINUOUS[INDEX["vdd"]]
        asked = supply.minimum + variable.decode(x) * span
        volts = np.clip(np.rint(asked / VDD_STEP_V) * VDD_STEP_V, supply.minimum, supply.maximum)
        moved = nearest(volts, allowed, logarithmic=False)
        fraction = (moved - supply.minimum) / (span or 1.0)
        return np.where(moved == volts, x, variable.encode(fraction))

    def _mesh(self, freedom: Freedom) -> None:
        """Tables that mesh, super-cluster and stages are projected by: they hang together."""
        known = self._variables
        named = {v.name: np.arange(v.low, v.high + 1) for v in DISCRETE}
        allowed = {
            name: known[name].values.astype(np.int64) if name in known else values
            for name, values in named.items()
        }
        for side, cluster in (("mesh_width", "sc_x"), ("mesh_height", "sc_y")):
            fits = allowed[side] >= allowed[cluster][0]
            if not fits.any():
                _refuse(
                    known[cluster],
                    f"a super-cluster of {cluster} {known[cluster].body} does not fit a mesh of "
                    f"{side} {known[side].body}",
                )
            allowed[side] = allowed[side][fits]
        self._bounded = tuple(
            side in known or cluster in known
            for side, cluster in (("mesh_width", "sc_x"), ("mesh_height", "sc_y"))
        )
        self._grids = sum(1 for c, r in STAGE_GRIDS if c * r <= max(1, freedom.max_stages))
        self._sides = {
            grid: (
                allowed["mesh_width"][allowed["mesh_width"] % STAGE_GRIDS[grid][0] == 0],
                allowed["mesh_height"][allowed["mesh_height"] % STAGE_GRIDS[grid][1] == 0],
            )
            for grid in range(self._grids)
        }
        possible = [grid for grid, sides in self._sides.items() if all(map(len, sides))]
        chosen = [grid for grid in possible if self._stages_allowed(grid)]
        if not chosen:
            self._no_stages(possible)
        self._grid_of = _nearest_index(np.array(chosen), self._grids)
        self._all_grids = len(chosen) == self._grids
        widths, heights = (
            np.unique(np.concatenate([self._sides[grid][axis] for grid in chosen]))
            for axis in (0, 1)
        )
        self._clusters = allowed["sc_x"], allowed["sc_y"]
        self._discrete = (widths, heights, *self._clusters)

    def _stages_allowed(self, grid: int) -> bool:
        stages = self._variables.get("stages")
        columns, rows = STAGE_GRIDS[grid]
        return stages is None or bool((stages.values == columns * rows).any())

    def _no_stages(self, possible: list[int]) -> NoReturn:
        counts = [STAGE_GRIDS[g][0] * STAGE_GRIDS[g][1] for g in possible]
        most = STAGE_GRIDS[self._grids - 1]
        names = ("stages", "mesh_width", "mesh_height", "sc_x", "sc_y")
        culprit = next(self._variables[name] for name in names if name in self._variables)
        _refuse(
            culprit,
            "no number of stages keeps the constraints on stages and mesh",
            f"this program allows up to {most[0] * most[1]} stages, the mesh asked for "
            f"{', '.join(map(str, counts)) or 'none'}",
            "stages are equal rectangles: 3 of them need a height that is a multiple of 3",
        )

    def _placed(self, discrete: IntArray, continuous: FloatArray) -> tuple[IntArray, FloatArray]:
        """Stages first, then a mesh that they divide, then clusters that the mesh holds."""
        at = INDEX["stages"]
        asked = pick((continuous[:, at] + 1.0) * 0.5, self._grids)
        grid = self._grid_of[asked]
        if not self._all_grids:
            centre = 2.0 * (grid + 0.5) / self._grids - 1.0
            continuous[:, at] = np.where(grid == asked, continuous[:, at], centre)
        if not any(self._bounded):
            return discrete, continuous
        out = np.clip(discrete, [v.low for v in DISCRETE], [v.high for v in DISCRETE])
        for axis in (0, 1):
            if not self._bounded[axis]:
                continue
            for number in np.unique(grid):
                mine, sides = grid == number, self._sides[int(number)][axis].astype(np.float64)
                multiple = np.array(STAGE_GRIDS[int(number)][axis])
                snapped = snap(out[mine, axis], multiple, DISCRETE[axis].high)
                moved = nearest(out[mine, axis].astype(np.float64), sides, False)
                out[mine, axis] = np.where(np.isin(snapped, sides), snapped, moved)
            clusters = self._clusters[axis]
            for limit in np.unique(np.minimum(out[:, axis], clusters[-1])):
                mine = np.minimum(out[:, axis], clusters[-1]) == limit
                fitting = clusters[clusters <= limit].astype(np.float64)
                out[mine, 2 + axis] = nearest(
                    out[mine, 2 + axis].astype(np.float64), fitting, False
                )
        return out, continuous


def _above(value: FloatArray | float, limit: FloatArray | float) -> FloatArray:
    """[N] value / limit - 1 where it is positive, beyond rounding."""
    ratio = np.asarray(value / np.maximum(limit, 1e-300))
    return np.where(ratio > 1.0 + _TOLERANCE, ratio - 1.0, 0.0)


def _chip_wide(restrictions: Restrictions) -> dict[str, Restriction]:
    """What holds for the chip's own variables, by name.

    A property that all tiles share is restricted for some operators where it is for all of them.

    Raises:
        UserError: Restrictions for several operators on what all tiles share contradict.
    """
    out: dict[str, Restriction] = {}
    for item in restrictions.items:
        if item.operators and item.variable in OWN_SIZES:
            continue
        old = out.get(item.variable)
        if old is None:
            out[item.variable] = item
            continue
        values = old.values[np.isin(old.values, item.values)]
        if not len(values):
            _refuse(item, f"nothing keeps both '{old}' and '{item}'",
                    f"{item.variable} is the same on every tile")  # fmt: skip
        out[item.variable] = Restriction(
            item.variable, float(values[0]), float(values[-1]), tuple(values.tolist()),
            item.operators, item.column, item.line,
        )  # fmt: skip
    return out


def _regions(restriction: Restriction, profile: Profile) -> frozenset[int]:
    """Regions whose tiles run the operators that a restriction names.

    A word names the operators of that kind or region, and those whose dotted name has it as
    consecutive parts: ``lm_head``, ``q_proj``, ``layers.0.mlp``.

    Raises:
        UserError: A word names none.
    """
    table = profile.table
    region_of = np.full(len(table.classes), GENERAL)
    region_of[profile.contractions.index] = profile.contractions.region
    found: list[int] = []
    for word in restriction.operators:
        mine = [
            int(region_of[own])
            for name, own in zip(table.names, map(int, table.sequence), strict=True)
            if f".{word}." in f".{name}."
            or word in (str(table.classes[own].kind), REGION_NAMES[region_of[own]])
        ]
        if not mine:
            kinds = list(dict.fromkeys(str(c.kind) for c in table.classes))
            parts = dict.fromkeys(p for n in table.names for p in n.split(".") if not p.isdigit())
            shown = [*kinds, *(p for p in parts if p not in kinds)][:24]
            _refuse(restriction, f"no operator is called '{word}'", f"known: {', '.join(shown)}")
        found += mine
    return frozenset(found)


def _nearest_index(chosen: IntArray, count: int) -> IntArray:
    """[count] the closest of ``chosen`` for each index, the smaller where two are as close."""
    distance = np.abs(np.arange(count)[:, None] - chosen[None, :])
    return chosen[distance.argmin(axis=1)]


def _refuse(restriction: Restriction, message: str, *notes: str) -> NoReturn:
    raise UserError(message, SourceLocation(FILE, restriction.line, restriction.column), notes)


SHARED: tuple[str, ...] = tuple(name for name in OF_TILE if name not in OWN_SIZES)
"""Properties of a tile that are the same on all tiles, or are made so by a bound."""
