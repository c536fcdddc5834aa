"""The machine that a chip attribute describes: its mesh, and the front end of every tile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import IntegerAttr, ModuleOp

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import asic
from asic_compiler.dialects.asic.attrs import ints
from asic_compiler.dialects.location import location_of
from asic_compiler.machine.network import PORT_CYCLES
from asic_compiler.machine.pipeline import (
    CONTROL_PARALLELISM,
    LOOP_INSTRUCTIONS,
    ROWS_PER_INSTRUCTION,
    VECTORS_PER_INSTRUCTION,
)
from asic_compiler.program.names import CROSSING, DIES, HOP, RATE
from asic_compiler.program.parts import Place
from asic_compiler.simulate.timing.program import FULL_RATE, Mesh
from asic_compiler.technology.library import load_node
from asic_compiler.technology.node import Technology

Floats: TypeAlias = NDArray[np.floating[Any]]
Integers: TypeAlias = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, eq=False)
class Machine:
    """Facts about tiles, as arrays over all of them. Tile ``t = y * width + x``."""

    mesh: Mesh
    technology: Technology
    flit_bits: int
    classes: int
    vlen: Floats
    rows: Floats
    """Of the tensor unit."""
    scalar_ipc: Floats
    """Scalar instructions a cycle in control code."""
    tensor_interval: Floats
    """Least cycles between tensor instructions."""
    vector_interval: Floats
    """The same of vector instructions."""
    pipes: Floats
    """Vector instructions in execution at once."""
    router_x: Integers
    router_y: Integers
    border: Integers
    """[router rows] Die borders above each row of routers."""

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return self.mesh.tiles

    def tile(self, place: Place) -> int:
        """Number of the tile at a place."""
        return place[1] * self.mesh.width + place[0]

    def tiles_at(self, places: tuple[Place, ...]) -> Integers:
        """Numbers of the tiles at some places."""
        at = np.array(places, dtype=np.int64).reshape(-1, 2)
        return at[:, 1] * self.mesh.width + at[:, 0]

    def way_cycles(self, source: Integers, target: Integers) -> Integers:
        """Cycles of a head, or a credit, between the routers of two tiles without contention."""
        x, y = self.router_x, self.router_y
        hops = np.abs(x[source] - x[target]) + np.abs(y[source] - y[target])
        extra = np.concatenate([[0], np.cumsum(self.mesh.row_extra)])
        return hops * self.mesh.hop_cycles + np.abs(extra[y[source]] - extra[y[target]])


def machine_of(module: ModuleOp) -> Machine:
    """The machine that a module of programs runs on.

    Raises:
        UserError: The module has no chip, or does not say what a hop takes; or the chip's node is
            unknown.
    """
    chip = module.attributes.get(asic.CHIP)
    if not isinstance(chip, asic.ChipAttr):
        raise UserError(
            "the module has no asic.chip",
            location_of(module),
            ['asic-opt --rl-explore="emit=DIR" writes DIR/program.mlir, which has one'],
        )
    hop, crossing, rate, dies = (_attribute(module, n) for n in (HOP, CROSSING, RATE, DIES))
    technology = load_node(chip.node.data)
    width, height = ints(chip.mesh)
    sc_x, sc_y = ints(chip.super_cluster)
    tile_class = np.zeros((height, width), dtype=np.int32)
    for index, x, y, w, h in chip.rectangles:
        tile_class[y : y + h, x : x + w] = index
    flat = tile_class.reshape(-1)
    fields = [tile.fields for tile in chip.tiles]
    column: dict[str, Floats] = {
        key: np.array([f[key] for f in fields], dtype=np.float64) for key in fields[0]
    }
    vlen = column["vlen"].astype(np.int32)
    rows = -(-height // sc_y)
    die = np.arange(rows) * sc_y * dies // height
    mesh = Mesh(
        width=width,
        height=height,
        sc_x=sc_x,
        sc_y=sc_y,
        hop_cycles=max(hop, 1),
        port_cycles=PORT_CYCLES,
        column_extra=np.zeros(-(-width // sc_x) - 1, dtype=np.int32),
        row_extra=(np.diff(die) * crossing).astype(np.int32),
        row_rate=np.where(np.diff(die) > 0, rate, FULL_RATE).astype(np.int32),
        tile_class=flat,
        eject_bits=np.minimum(vlen, chip.flit_bits.data).astype(np.int32),
        dmem_bits=vlen,
    )
    scalar, tensor, vector = issue(column, technology)
    router = mesh.router_of_tile().astype(np.int64)
    return Machine(
        mesh=mesh,
        technology=technology,
        flit_bits=chip.flit_bits.data,
        classes=len(fields),
        vlen=column["vlen"][flat],
        rows=column["rows"][flat],
        scalar_ipc=scalar[flat],
        tensor_interval=tensor[flat],
        vector_interval=vector[flat],
        pipes=np.minimum(column["vdpnum"], column["vr_wp"])[flat],
        router_x=router % mesh.router_columns,
        router_y=router // mesh.router_columns,
        border=die,
    )


def issue(tile: dict[str, Floats], technology: Technology) -> tuple[Floats, Floats, Floats]:
    """Scalar instructions a cycle, and least intervals of tensor and of vector instructions.

    The rules of ``ppa.timing.issue_limits``, for tile classes as they were built.
    """
    c = technology.timing_constants
    fetch, stations = tile["fetch"], tile["stations"]
    scalar = np.minimum.reduce(
        [
            fetch,
            tile["xdpnum"],
            tile["xr_wp"],
            stations / c.scalar_latency * CONTROL_PARALLELISM,
            np.full(len(fetch), CONTROL_PARALLELISM),
        ]
    )
    tensor = np.maximum.reduce(
        [
            (1.0 + LOOP_INSTRUCTIONS) / fetch,
            (ROWS_PER_INSTRUCTION + c.tensor_latency) / stations,
            LOOP_INSTRUCTIONS / scalar,
        ]
    )
    vector = np.maximum.reduce(
        [2.0 / fetch, (VECTORS_PER_INSTRUCTION + c.vector_latency) / stations, 1.0 / scalar]
    )
    return scalar, tensor, vector


def _attribute(module: ModuleOp, name: str) -> int:
    value = module.attributes.get(name)
    if not isinstance(value, IntegerAttr):
        raise UserError(f"the module has no integer attribute {name}", location_of(module))
    return value.value.data
