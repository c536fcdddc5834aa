"""What the model says of a batch of designs."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.space import FloatArray


@dataclass(frozen=True)
class Metrics:
    """Outcome of N designs. Arrays are [N] unless said."""

    tokens_per_s: FloatArray
    """All users together."""
    tokens_per_s_per_user: FloatArray
    latency_s: FloatArray
    """Seconds of one step through all stages."""
    sequences: FloatArray
    """Sequences in flight: micro-batch times stages."""
    power_w: FloatArray
    leakage_w: FloatArray
    static_w: FloatArray
    """Interface, clock sources, and off-chip devices at rest."""
    energy_per_token_j: FloatArray
    """Leakage included."""
    area_mm2: FloatArray
    """All dies."""
    dies: FloatArray
    dram_devices: FloatArray
    """Off-chip packages or stacks that hold the weights."""
    steps_per_s: FloatArray
    """Clock over period, unless the bandwidth of off-chip weights binds at a fixed clock."""
    clock_hz: FloatArray
    clock_fraction: FloatArray
    """Clock as a share of the fastest that structure, node and supply allow; after projection."""
    period_cycles: FloatArray
    """Cycles of the slowest stage."""
    dmem_average: FloatArray
    """Byte, after raising to what the mapping needs."""
    imem_average: FloatArray
    violations: FloatArray
    """[N, reasons] relative excess over each limit, 0 where kept."""
    hazards: FloatArray
    """Share of compute cycles lost to issue, ports and dependences."""
    compute_share: FloatArray
    """Share of the slowest stage's cycles in which compute is busy."""
    energy_parts_j: FloatArray
    """[N, 8] joule a step, see ``ENERGY_PARTS``."""
    leakage_parts_w: FloatArray
    """[N, 3] logic, SRAM, ROM."""
    area_parts_mm2: FloatArray
    """[N, 5] mm2: logic, DMEM and IMEM, WMEM, NoC, interface."""

    @property
    def legal(self) -> NDArray[np.bool_]:
        """[N] every limit is kept."""
        return np.all(self.violations <= 0.0, axis=1)

    @property
    def violation(self) -> FloatArray:
        """[N] summed relative excess."""
        return self.violations.sum(axis=1)


def join(parts: list[Metrics]) -> Metrics:
    """One batch after another."""
    names = [f.name for f in fields(Metrics)]
    return Metrics(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})
