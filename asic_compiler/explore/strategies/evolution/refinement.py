"""Proposals made better in imagination, before one of them is evaluated."""

from __future__ import annotations

from collections.abc import Callable

from asic_compiler.explore.protocol import FloatArray
from asic_compiler.explore.strategies.evolution.candidates import Candidates

Move = Callable[[Candidates], Candidates]
"""From each of n designs to another."""

Worth = Callable[[Candidates], FloatArray]
"""[n] what each is expected to be worth."""


def refined(
    proposals: Candidates, move: Move, worth: Worth, rounds: int
) -> tuple[Candidates, FloatArray]:
    """Each proposal after ``rounds`` moves, of which those are taken that make it worth more.

    Single changes from good designs seldom make a better one near the end of a search; several
    together may, and only in imagination can the way there be tried.

    Returns:
        The n proposals, and what they are worth, [n].
    """
    value = worth(proposals)
    for _ in range(rounds):
        others = move(proposals)
        theirs = worth(others)
        better = theirs > value
        proposals = others.where(better, proposals)
        value[better] = theirs[better]
    return proposals, value
