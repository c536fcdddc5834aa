"""When each operator runs: whole cycles, repeated every period."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from asic_compiler.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class Slot:
    """An operator's place in its stage's period."""

    start: int
    cycles: int

    @property
    def end(self) -> int:
        """The first cycle after it."""
        return self.start + self.cycles


@dataclass(frozen=True)
class Schedule:
    """Whole cycles of every operator. Stages run side by side, each on its own micro-batch."""

    slots: tuple[Slot, ...]
    """One an operator, in program order."""
    stages: tuple[int, ...]
    """Stage of each operator."""
    period: int


class ScheduleError(ValueError):
    """The start times of a plan contradict each other."""


def make_schedule(plan: Plan) -> Schedule:
    """Rounds a plan's predicted times to whole cycles.

    Starts and ends are rounded, not durations: an error never adds up over a stage, and an
    operator starts in the cycle in which the one before it ends.

    Raises:
        ScheduleError: Operators of a stage overlap, or end after the period.
    """
    period = ceil(plan.period_cycles)
    slots: list[Slot] = []
    ends: dict[int, int] = {}
    for item in plan.assignments:
        start = round(item.start_cycle)
        slot = Slot(start, round(item.start_cycle + item.cycles) - start)
        if slot.cycles < 1:
            raise ScheduleError(f"operator {item.position} takes {item.cycles} cycles")
        if slot.start < ends.get(item.stage, 0):
            raise ScheduleError(f"operator {item.position} starts before the one before it ends")
        if slot.end > period:
            raise ScheduleError(
                f"operator {item.position} ends in cycle {slot.end} of a period of {period}"
            )
        ends[item.stage] = slot.end
        slots.append(slot)
    return Schedule(tuple(slots), tuple(item.stage for item in plan.assignments), period)
