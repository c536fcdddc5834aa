from __future__ import annotations

from dataclasses import replace

import pytest
from program_models import plan

from asic_compiler.plan.schedule import ScheduleError, make_schedule


def with_(position: int, **changes: float):
    chosen = plan("decoder", 3)
    items = list(chosen.assignments)
    items[position] = replace(items[position], **changes)
    return replace(chosen, assignments=tuple(items))


def test_rounding_does_not_add_up():
    chosen = plan("decoder", 3)
    schedule = make_schedule(chosen)
    for slot, item in zip(schedule.slots, chosen.assignments, strict=True):
        assert abs(slot.start - item.start_cycle) <= 0.5
        assert abs(slot.end - item.start_cycle - item.cycles) <= 0.5
    assert max(slot.end for slot in schedule.slots) <= schedule.period


def test_an_overlap_is_an_error():
    chosen = plan("decoder", 3)
    one = chosen.assignments[0]
    with pytest.raises(ScheduleError, match="operator 1 starts before"):
        make_schedule(with_(0, cycles=one.cycles + 1.0))


def test_the_period_is_a_bound():
    chosen = plan("decoder", 3)
    last = len(chosen.assignments) - 1
    with pytest.raises(ScheduleError, match="of a period of"):
        make_schedule(with_(last, cycles=chosen.period_cycles + 1.0))


def test_an_operator_takes_time():
    with pytest.raises(ScheduleError, match="takes 0"):
        make_schedule(with_(0, cycles=0.0))
