"""No input, however it is changed, ends in an internal error, a hang, or unbounded memory.

The inputs follow from their number alone: ``fuzzed("timing", 17, folder)`` makes one again.
``ASIC_FUZZ=5000`` tries so many of each; ``benchmarks/fuzz.py`` goes on where it stopped.
"""

import os

import pytest
from fuzzing import TARGETS, fuzzed

COUNT = int(os.environ.get("ASIC_FUZZ", "200"))
PARTS = 4
DEAR = {"liberty": 10, "schedule": 4, "trace": 4}
"""Targets whose inputs take long, and the part of the count that they get."""


def faults(target, numbers, folder):
    return {n: found for n in numbers if (found := fuzzed(target, n, folder)) is not None}


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("target", TARGETS)
def test_changed_inputs_are_accepted_or_refused_in_one_line(target, part, tmp_path):
    count = COUNT // DEAR.get(target, 1)
    assert not faults(target, range(part, count, PARTS), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("target", TARGETS)
def test_many_more_of_them(target, part, tmp_path):
    assert not faults(target, range(200 + part, 2200 // DEAR.get(target, 1), PARTS), tmp_path)
