"""Links between dies: what crosses a boundary, how long it takes and what it costs.

The mesh continues over the dies of a package. What a stage multicasts crosses each of its
boundaries once, and so does each partial sum of an output; traffic without a direction crosses
half. Every boundary has one link of fixed bandwidth each way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.hardware.space import FloatArray
from asic_compiler.ppa.profile import Contractions, Vectors
from asic_compiler.ppa.timing import ContractionTime, VectorTime
from asic_compiler.technology.node import Technology


@dataclass(frozen=True, slots=True)
class Crossing:
    """Bits over the fullest boundary of a stage, of one execution of each class."""

    contractions: FloatArray
    """[N, C]."""
    vectors: FloatArray
    """[N, V]."""


def boundaries(dies: FloatArray, stages: FloatArray) -> FloatArray:
    """[N] die boundaries inside a stage, for dies of equal area."""
    return np.maximum(np.ceil(dies / stages) - 1.0, 0.0)


def crossing_bits(
    work: Contractions,
    tensor_time: ContractionTime,
    vectors: Vectors,
    vector_time: VectorTime,
) -> Crossing:
    """Bits that cross a boundary of a stage; scores that stay where they are made do not."""
    inputs = np.where(work.attention, work.batch, 1.0) * work.m * work.k * work.bits
    sums = work.batch * work.m * work.n * 32.0
    combined = np.where(vectors.reduction, 16.0 * vectors.output_bytes, 0.0)
    return Crossing(
        tensor_time.brought * inputs + np.where(tensor_time.split.k > 1.0, sums, 0.0),
        vector_time.input_bytes * vector_time.split.parts * 4.0 + combined,
    )


def cycles_per_bit(clock_hz: FloatArray, technology: Technology) -> FloatArray:
    """[N] cycles of the core clock that a bit occupies a link."""
    return clock_hz / (technology.system.links.bandwidth * 8.0)
