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
from random_programs.writer import Program, program

from asic_compiler.interpret.guard import NumericsError

PROGRAMS = 320
DESIGNED = 2
"""Every so many programs are designed and executed as well: it takes longer."""
MOST_REFUSED = 0.2


@st.composite
def programs(draw: st.DrawFn) -> Program:
    return program(Drawn(draw), OPERATIONS)


def test_random_programs() -> None:
    tally = Tally()

    @settings(
        max_examples=PROGRAMS,
        derandomize=True,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(1, DESIGNED), programs())
    def every_step_is_right(which: int, written: Program) -> None:
        tally.counts["programs"] += 1
        note(written.text)  # as a person would save it to a file and run it again
        follow(written, 0, tally, designed=which == 1)

    every_step_is_right()
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
