"""What holds for every design of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from asic_compiler.hardware.legality import Constraints


@dataclass(frozen=True, slots=True)
class Conditions:
    """What holds for every design of a run."""

    temperature_c: float = 85.0
    constraints: Constraints = field(default_factory=Constraints)
    clock_hz: float | None = None
    """Fixed clock; None lets each design choose a fraction of its fastest."""
    host_interface: bool = True
    """PCIe-class host interface; False is a microcontroller-class one."""
    power_gating: bool = True
    """Sleep transistors: what does not work is switched off. False leaves everything awake."""
