"""A batch of designs as arrays: what the model evaluates, thousands at once."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from asic_compiler.hardware.precision import (
    FORMAT_INDEX,
    FORMATS,
    Format,
    formats_named,
    formats_of_widths,
)
from asic_compiler.hardware.space import (
    CONTINUOUS,
    DISCRETE,
    INDEX,
    STAGE_GRIDS,
    FloatArray,
    IntArray,
    pick,
)
from asic_compiler.hardware.tile_limits import TileLimits
from asic_compiler.hardware.weight_store import STORE_INDEX, WeightStore
from asic_compiler.technology.node import Technology

VDD_STEP_V = 0.01
_STAGE_COLUMNS: FloatArray = np.array([c for c, _ in STAGE_GRIDS], dtype=np.float64)
_STAGE_ROWS: FloatArray = np.array([r for _, r in STAGE_GRIDS], dtype=np.float64)
_ACTIVATION_BITS: FloatArray = np.array([f.activation_bits for f in FORMATS], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Freedom:
    """What the user lets the search change beyond the machine itself."""

    weight_bits: tuple[int, ...] = (16,)
    """Allowed widths of a stored weight; the IR's own first. Never lowered silently."""
    activation_bits: tuple[int, ...] = (16,)
    """Allowed widths of an operand at the multipliers, likewise."""
    precision: tuple[str, ...] = ()
    """Allowed formats by name; if any, they take the place of both widths above."""
    kv_bits: tuple[int, ...] = (16,)
    """Allowed widths of a stored key or value."""
    weight_stores: tuple[WeightStore, ...] = (WeightStore.ROM,)
    """Where weights may be kept."""
    clock_hz: float | None = None
    """Fixes the clock; None leaves it to the search."""
    max_stages: int = 16
    """Most pipeline stages; a program with few operators allows fewer."""

    @property
    def formats(self) -> tuple[Format, ...]:
        """Allowed pairs of weight and activation format.

        Raises:
            UserError: A name or a pair of widths is not known.
        """
        if self.precision:
            return formats_named(self.precision)
        return formats_of_widths(self.weight_bits, self.activation_bits)


@dataclass(frozen=True, slots=True)
class DesignBatch:
    """N designs after quantisation. Every array is [N], float64; counts are whole numbers."""

    mesh_width: FloatArray
    mesh_height: FloatArray
    sc_x: FloatArray
    sc_y: FloatArray
    fetch: FloatArray
    stanum: FloatArray
    vlen: FloatArray
    rows: FloatArray
    dmem: FloatArray
    wmem_bank: FloatArray
    imem: FloatArray
    dflit: FloatArray
    xr_wp: FloatArray
    vr_wp: FloatArray
    xdpnum: FloatArray
    vdpnum: FloatArray
    clock: FloatArray
    """Clock over the fastest that the structure allows at ``vdd``."""
    vdd: FloatArray
    """V."""
    weight_bits: FloatArray
    """Of a stored weight."""
    precision: IntArray
    """Index in ``FORMATS``: what the multipliers take."""
    weight_store: IntArray
    """Index in ``STORES``."""
    kv_bits: FloatArray
    dmem_input: FloatArray
    """Share of the largest DMEM that the inputs of an operator may take; the three sum to one."""
    dmem_output: FloatArray
    dmem_scratch: FloatArray
    load_balance: FloatArray
    rho_matmul: FloatArray
    rho_conv: FloatArray
    rho_general: FloatArray
    stream_chunks: FloatArray
    stream_buffers: FloatArray
    k_split: FloatArray
    allreduce: FloatArray
    stage_grid: IntArray
    """Index in ``STAGE_GRIDS``."""
    heterogeneity: FloatArray
    locality: FloatArray
    limits: TileLimits | None = None
    """Of the tiles' own sizes, the same for all N designs."""

    def __len__(self) -> int:
        return len(self.vlen)

    @property
    def stage_columns(self) -> FloatArray:
        """[N] stages side by side in x."""
        return _STAGE_COLUMNS[self.stage_grid]

    @property
    def stage_rows(self) -> FloatArray:
        """[N] stages above each other in y."""
        return _STAGE_ROWS[self.stage_grid]

    @property
    def stages(self) -> FloatArray:
        """[N] pipeline stages."""
        return self.stage_columns * self.stage_rows

    @property
    def activation_bits(self) -> FloatArray:
        """[N] width of an operand at the multipliers."""
        return _ACTIVATION_BITS[self.precision]

    @property
    def tiles(self) -> FloatArray:
        """[N] tiles of the mesh."""
        return self.mesh_width * self.mesh_height

    def take(self, rows: IntArray | slice) -> DesignBatch:
        """The designs at ``rows``."""
        arrays = (f.name for f in fields(self) if f.name != "limits")
        return replace(self, **{name: getattr(self, name)[rows] for name in arrays})

    def with_(self, **changes: FloatArray) -> DesignBatch:
        """A copy with some arrays replaced."""
        return replace(self, **changes)


def decode(
    discrete: IntArray, continuous: FloatArray, technology: Technology, freedom: Freedom
) -> DesignBatch:
    """Quantises actions to designs.

    The mesh is snapped to a multiple of the stage grid, so that every stage has the same
    rectangle and no tile is left over.

    Args:
        discrete: [N, 4] mesh width, mesh height, super-cluster x and y.
        continuous: [N, 30] in [-1, 1].
        technology: The node; its voltage limits scale ``vdd``.
        freedom: What the user allows.
    """
    raw = {v.name: v.decode(continuous[:, i]) for i, v in enumerate(CONTINUOUS)}
    low = np.array([v.low for v in DISCRETE])
    high = np.array([v.high for v in DISCRETE])
    position = np.clip(discrete, low, high)
    grids = sum(1 for c, r in STAGE_GRIDS if c * r <= max(1, freedom.max_stages))
    grid = pick(raw["stages"], grids)
    columns = np.array([c for c, _ in STAGE_GRIDS])[grid]
    stage_rows = np.array([r for _, r in STAGE_GRIDS])[grid]
    width = snap(position[:, 0], columns, int(high[0]))
    height = snap(position[:, 1], stage_rows, int(high[1]))

    shares = raw["dmem_input"] + raw["dmem_output"] + raw["dmem_scratch"]
    supply = technology.voltage
    volts = supply.minimum + raw["vdd"] * (supply.maximum - supply.minimum)
    formats, stores = freedom.formats, freedom.weight_stores
    choice = pick(raw["weight_precision"], len(formats) * len(stores))
    precision = np.array([FORMAT_INDEX[f.name] for f in formats], dtype=np.int64)[
        choice // len(stores)
    ]
    store = np.array([STORE_INDEX[s] for s in stores], dtype=np.int64)[choice % len(stores)]
    volts = np.clip(np.rint(volts / VDD_STEP_V) * VDD_STEP_V, supply.minimum, supply.maximum)
    as_float = np.float64
    direct = (
        "fetch", "stanum", "vlen", "rows", "dmem", "wmem_bank", "imem", "dflit", "xr_wp", "vr_wp",
        "xdpnum", "vdpnum", "clock", "load_balance", "stream_chunks", "stream_buffers", "k_split",
        "allreduce", "heterogeneity", "locality",
    )  # fmt: skip
    return DesignBatch(
        mesh_width=width.astype(as_float),
        mesh_height=height.astype(as_float),
        sc_x=np.minimum(position[:, 2], width).astype(as_float),
        sc_y=np.minimum(position[:, 3], height).astype(as_float),
        vdd=volts,
        weight_bits=np.array([f.weight_bits for f in FORMATS], dtype=np.float64)[precision],
        precision=precision,
        weight_store=store,
        kv_bits=_choice(raw["kv_precision"], freedom.kv_bits),
        dmem_input=raw["dmem_input"] / shares,
        dmem_output=raw["dmem_output"] / shares,
        dmem_scratch=raw["dmem_scratch"] / shares,
        rho_matmul=np.clip(0.3 + raw["matmul_ratio"], 0.0, 1.0),
        rho_conv=np.clip(0.3 + raw["conv_ratio"], 0.0, 1.0),
        rho_general=np.clip(0.3 + raw["general_ratio"], 0.0, 1.0),
        stage_grid=grid,
        limits=None,
        **{name: raw[name] for name in direct},
    )


def encode_projection(continuous: FloatArray, design: DesignBatch) -> FloatArray:
    """The actions after projection: ``continuous`` with the variables that projection moves."""
    out = np.clip(continuous, -1.0, 1.0).copy()
    for name in ("dmem", "imem", "clock"):
        variable = CONTINUOUS[INDEX[name]]
        value = np.clip(getattr(design, name), variable.low, variable.high)
        out[:, INDEX[name]] = variable.encode(value)
    return out


def snap(value: IntArray, multiple: IntArray, high: int) -> IntArray:
    """Nearest positive multiple of ``multiple`` that is at most ``high``."""
    nearest = np.maximum(1, np.rint(value / multiple)).astype(np.int64)
    return np.minimum(nearest, high // multiple) * multiple


def _choice(x: FloatArray, values: tuple[int, ...]) -> FloatArray:
    return np.array(values, dtype=np.float64)[pick(x, len(values))]
