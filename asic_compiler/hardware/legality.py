"""What makes a design legal: one predicate for explorer, placer and verifier, with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAX_DMEM_BYTES = 512.0 * 1024
MAX_IMEM_BYTES = 128.0 * 1024
MAX_WMEM_BYTES = 64.0 * 1024 * 1024
"""Largest memories of one tile; the first two are the published design space's, the third keeps a
tile's weight store within what its wires can reach in a few cycles."""


class Reason(StrEnum):
    """Why a design is not legal, or over a budget."""

    WMEM = "wmem"
    DMEM = "dmem"
    IMEM = "imem"
    CLOCK = "clock"
    POWER = "power"
    AREA = "area"
    DIES = "dies"
    THROUGHPUT = "throughput"


REASONS: tuple[Reason, ...] = tuple(Reason)
"""Column order of the model's ``violations`` array."""


@dataclass(frozen=True, slots=True)
class Constraints:
    """Budgets that a design must keep; None is no budget."""

    power_w: float | None = None
    area_mm2: float | None = None
    dies: int | None = None
    tokens_per_s: float | None = None
    """At least this throughput."""

    def limit(self, reason: Reason) -> str:
        """The budget behind ``reason``, with its unit, for messages."""
        limits = {
            Reason.WMEM: f"{MAX_WMEM_BYTES / 2**20:.0f} MiB a tile",
            Reason.DMEM: f"{MAX_DMEM_BYTES / 2**10:.0f} KiB a tile",
            Reason.IMEM: f"{MAX_IMEM_BYTES / 2**10:.0f} KiB a tile",
            Reason.POWER: f"{self.power_w} W",
            Reason.AREA: f"{self.area_mm2} mm2",
            Reason.DIES: f"{self.dies} dies",
            Reason.THROUGHPUT: f"{self.tokens_per_s} tokens/s",
            Reason.CLOCK: "the fastest clock at this supply",
        }
        return limits[reason]
