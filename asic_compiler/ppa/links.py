"""Links between dies: what crosses a border, how long it takes and what it costs.

The mesh continues over the dies of a package, which divide its rows. Every border has lanes of
fixed bandwidth each way, which the columns of routers share evenly: a flit takes longer over it. A
multicast crosses it in every column that it goes to, as its route says.
"""

from __future__ import annotations

import numpy as np

from asic_compiler.hardware.space import FloatArray
from asic_compiler.machine.network import RATE_STEPS
from asic_compiler.ppa.timing import ContractionTime, VectorTime
from asic_compiler.technology.node import Technology


def borders(dies: FloatArray, stage_rows: FloatArray) -> FloatArray:
    """[N] borders between dies of equal height inside a stage; stages stand in so many rows."""
    return np.maximum(np.ceil(dies / stage_rows) - 1.0, 0.0)


def crossing_bits(time: ContractionTime | VectorTime, groups: FloatArray) -> FloatArray:
    """[N, C] bits over a border in the middle of a stage, of one execution of each class.

    Args:
        time: Of the classes.
        groups: [N, C] groups of tiles that combine partial results.
    """
    return 8.0 * time.arriving.border_bytes + time.combination.border_bits * groups


def flit_cycles(
    flit_bits: FloatArray, columns: FloatArray, clock_hz: FloatArray, technology: Technology
) -> FloatArray:
    """[N] cycles that a flit takes over a border, at least 1.

    Args:
        flit_bits: [N].
        columns: [N] columns of routers, whose links share the lanes.
        clock_hz: [N].
        technology: The node.
    """
    cycles = flit_bits * columns * cycles_per_bit(clock_hz, technology)
    return np.maximum(np.ceil(cycles * RATE_STEPS) / RATE_STEPS, 1.0)


def cycles_per_bit(clock_hz: FloatArray, technology: Technology) -> FloatArray:
    """[N] cycles of the core clock that a bit occupies a link."""
    return clock_hz / (technology.system.links.bandwidth * 8.0)
