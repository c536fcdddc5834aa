"""No input, however it is changed, ends in an internal error, a hang, or unbounded memory.

The inputs follow from their number alone: ``fuzzed("trace", 17, folder)`` tries one again, and
``python benchmarks/fuzz.py --again trace 17`` shows it. ``make fuzz`` tries as many as are wanted.
"""

import pytest
from fuzzing import TARGETS, fuzzed

MANY = 3000
DEAR = ("attributes", "explore", "images", "learner-state", "schedule", "tools", "trace")
"""Targets of which an input takes long: fewer of them."""


TRIALS = 3
"""Of an input that was slow: a busy machine or a collection of garbage may have had a part."""


def faults(target, numbers, folder):
    outcomes = ((n, outcome_of(target, n, folder)) for n in numbers)
    return {n: outcome for n, outcome in outcomes if outcome.kind == "fault"}


def outcome_of(target, number, folder):
    outcome = fuzzed(target, number, folder)
    for _ in range(TRIALS - 1):
        if outcome.signature == "slow":
            outcome = fuzzed(target, number, folder)
    return outcome


@pytest.mark.parametrize("target", TARGETS)
def test_changed_inputs_are_accepted_or_refused_in_one_line(target, tmp_path):
    assert not faults(target, range(TARGETS[target].quick), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_many_more_of_them(target, tmp_path):
    count = MANY // 4 if target in DEAR else MANY
    assert not faults(target, range(200, 200 + count), tmp_path)
