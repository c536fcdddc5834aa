"""The design space: 4 discrete and 30 continuous variables, their ranges and their steps.

The order of ``DISCRETE`` and ``CONTINUOUS`` is the order of the action vectors; checkpoints and
documentation depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Scale(StrEnum):
    """How [-1, 1] maps to a range."""

    LINEAR = "linear"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Discrete:
    """A variable that an action moves by a step in -2..+2."""

    name: str
    low: int
    high: int
    help: str


@dataclass(frozen=True, slots=True)
class Continuous:
    """A variable that an action sets; the value is rounded to what hardware supports.

    ``step`` is the grid of the value: 0 keeps it continuous, -1 rounds to a power of two,
    a positive number to a multiple of it.
    """

    name: str
    group: str
    low: float
    high: float
    scale: Scale
    step: float
    unit: str
    help: str

    def decode(self, x: FloatArray) -> FloatArray:
        """Values of the variable for ``x`` in [-1, 1], quantised. Shape is kept."""
        t = (np.clip(x, -1.0, 1.0) + 1.0) * 0.5
        if self.scale is Scale.LOG:
            value = self.low * np.exp(t * np.log(self.high / self.low))
        else:
            value = self.low + t * (self.high - self.low)
        return self.quantise(value)

    def quantise(self, value: FloatArray) -> FloatArray:
        """Rounds to the variable's grid, inside its range."""
        if self.step < 0:
            value = np.exp2(np.rint(np.log2(value)))
        elif self.step > 0:
            value = np.rint(value / self.step) * self.step
        return np.clip(value, self.low, self.high)

    def encode(self, value: FloatArray) -> FloatArray:
        """The x in [-1, 1] that decodes to ``value`` (exact on grid points)."""
        if self.scale is Scale.LOG:
            t = np.log(value / self.low) / np.log(self.high / self.low)
        else:
            t = (value - self.low) / (self.high - self.low)
        return np.clip(2.0 * t - 1.0, -1.0, 1.0)


DISCRETE: tuple[Discrete, ...] = (
    Discrete("mesh_width", 1, 64, "tiles in a row of the mesh"),
    Discrete("mesh_height", 1, 64, "tiles in a column of the mesh"),
    Discrete("sc_x", 1, 4, "tiles in x that share a router (super-cluster)"),
    Discrete("sc_y", 1, 4, "tiles in y that share a router (super-cluster)"),
)

_LIN, _LOG = Scale.LINEAR, Scale.LOG
KIB = 1024.0

CONTINUOUS: tuple[Continuous, ...] = (
    Continuous("fetch", "tile", 1, 16, _LOG, 1, "instr/cycle", "instructions fetched and decoded a cycle"),
    Continuous("stanum", "tile", 1, 32, _LOG, 1, "entries", "reservation stations"),
    Continuous("vlen", "tile", 128, 2048, _LOG, -1, "bit", "vector register length, row of WMEM and DMEM"),
    Continuous("rows", "tile", 1, 16, _LOG, 1, "rows", "tensor rows R: tokens that share one WMEM row read"),
    Continuous("dmem", "tile", 16 * KIB, 512 * KIB, _LOG, 4 * KIB, "byte", "data memory of the average tile"),
    Continuous("wmem_bank", "tile", 8 * KIB, 256 * KIB, _LOG, -1, "byte", "bank of the weight memory; its capacity is what the mapping puts on the tile"),
    Continuous("imem", "tile", 1 * KIB, 128 * KIB, _LOG, 1 * KIB, "byte", "instruction memory of the average tile"),
    Continuous("dflit", "tile", 64, 8192, _LOG, -1, "bit", "NoC flit and link width"),
    Continuous("xr_wp", "tile", 1, 16, _LOG, 1, "ports", "scalar register write ports"),
    Continuous("vr_wp", "tile", 1, 16, _LOG, 1, "ports", "vector register write ports"),
    Continuous("xdpnum", "tile", 1, 16, _LOG, 1, "ports", "scalar dispatch ports, each with a pipe"),
    Continuous("vdpnum", "tile", 1, 16, _LOG, 1, "ports", "vector dispatch ports, each with a pipe"),
    Continuous("clock", "tile", 0.02, 1.0, _LOG, 0.0, "1", "clock over the fastest that node, voltage and structure allow"),
    Continuous("vdd", "tile", 0.0, 1.0, _LIN, 0.0, "1", "supply between the node's lowest and highest, in steps of 10 mV"),
    Continuous("weight_precision", "tile", 0.0, 1.0, _LIN, 0.0, "1", "formats of weights and activations and the weight store, among those that the user allows"),
    Continuous("dmem_input", "memory", 0.05, 1.0, _LIN, 0.0, "1", "weight of an operator's input buffers in the largest DMEM"),
    Continuous("dmem_output", "memory", 0.05, 1.0, _LIN, 0.0, "1", "weight of output activations, likewise"),
    Continuous("dmem_scratch", "memory", 0.05, 1.0, _LIN, 0.0, "1", "weight of partial sums, likewise"),
    Continuous("load_balance", "memory", 0.0, 1.0, _LIN, 0.5, "1", "stages cut by time (0) or by bytes held (1)"),
    Continuous("matmul_ratio", "partition", -0.3, 0.7, _LIN, 0.0, "1", "delta of rho = clip(0.3 + delta, 0, 1): share of a stage's tiles for matmuls"),
    Continuous("conv_ratio", "partition", -0.3, 0.7, _LIN, 0.0, "1", "the same for convolutions"),
    Continuous("general_ratio", "partition", -0.3, 0.7, _LIN, 0.0, "1", "the same for attention, vector and memory operators"),
    Continuous("stream_chunks", "streaming", 1, 16, _LOG, 1, "chunks", "pieces an operator's input arrives in"),
    Continuous("stream_buffers", "streaming", 1, 4, _LIN, 1, "buffers", "input buffers; two or more overlap transfer and compute"),
    Continuous("k_split", "workload", 0.0, 1.0, _LIN, 0.0, "1", "split of a matmul over k: 2^round(x floor(log2(rows of its region)))"),
    Continuous("allreduce", "workload", 0.0, 1.0, _LIN, 0.05, "1", "share of partial sums that is reduce-scattered; the rest goes up a tree"),
    Continuous("stages", "mapping", 0.0, 1.0, _LIN, 0.0, "1", "pipeline stages, among the counts that the program allows"),
    Continuous("heterogeneity", "mapping", 0.0, 1.0, _LIN, 0.05, "1", "how far each tile's sizes follow its own load"),
    Continuous("locality", "mapping", 0.0, 1.0, _LIN, 0.5, "1", "order of the stages on the mesh: rows, snake, or spiral from the centre"),
    Continuous("kv_precision", "mapping", 0.0, 1.0, _LIN, 0.0, "1", "bits of a stored key or value, among those that the user allows"),
)  # fmt: skip

CONTINUOUS_NAMES: tuple[str, ...] = tuple(v.name for v in CONTINUOUS)
DISCRETE_NAMES: tuple[str, ...] = tuple(v.name for v in DISCRETE)
INDEX: dict[str, int] = {name: i for i, name in enumerate(CONTINUOUS_NAMES)}
TILE_PARAMETERS: IntArray = np.array(
    [i for i, v in enumerate(CONTINUOUS) if v.group == "tile"], dtype=np.int64
)

STAGE_GRIDS: tuple[tuple[int, int], ...] = (
    (1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (2, 4), (3, 4), (4, 4),
)  # fmt: skip
"""Pipeline stages as grids of equal rectangles (columns, rows): 1, 2, 3, 4, 6, 8, 12, 16 stages."""


def pick(x: FloatArray, count: int) -> IntArray:
    """Index in ``range(count)`` for ``x`` in [0, 1]: equal shares of the interval."""
    return np.minimum((x * count).astype(np.int64), count - 1)
