"""Random linalg programs: what is accepted is right, at every step down to the tiles.

``RANDOM_PROGRAMS=N`` takes N programs of fresh seeds instead of the few hundred of every run.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from random_programs.choices import Choices, Drawn
from random_programs.harness import Tally, follow
from random_programs.operations import OPERATIONS
from random_programs.writer import program

from asic_compiler.interpret.guard import NumericsError

PROGRAMS = 320
DESIGNED = 3
"""Every so many programs are designed and executed as well: it takes longer."""
MOST_REFUSED = 0.2


@settings(
    max_examples=PROGRAMS,
    derandomize=True,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(st.data())
def _every_step_is_right(tally: Tally, data: st.DataObject) -> None:
    written = program(Drawn(data.draw), OPERATIONS)
    tally.counts["programs"] += 1
    note(written.text)
    designed = tally.counts["programs"] % DESIGNED == 0
    follow(written, 0, tally, designed=designed)


def test_random_programs() -> None:
    tally = Tally()
    _every_step_is_right(tally)
    print(dict(tally.counts), tally.reasons.most_common(10))
    # A guard that refuses everything would be silent as well.
    assert tally.counts["programs"] >= 300
    for step in ("conversion", "program"):
        assert tally.share_refused(step) < MOST_REFUSED, (tally.counts, tally.reasons)


@pytest.mark.skipif("RANDOM_PROGRAMS" not in os.environ, reason="a long run, on demand")
def test_many_random_programs() -> None:
    tally = Tally()
    first = int(os.environ.get("RANDOM_PROGRAMS_FROM", "100000"))
    for seed in range(first, first + int(os.environ["RANDOM_PROGRAMS"])):
        written = program(Choices(seed), OPERATIONS)
        try:
            follow(written, seed, tally, designed=True)
        except NumericsError as error:
            pytest.fail(f"seed {seed}: {error}\n{written.text}")
    print(dict(tally.counts), tally.reasons.most_common(20))
