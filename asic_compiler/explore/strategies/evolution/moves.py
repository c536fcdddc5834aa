"""Actions that change a good design: a few of its variables, or many that belong together.

An action sets all 34 variables at once, and one that is wrong in a few is worth nothing. Single
changes and pairs are what improves a design that is good already.
"""

from __future__ import annotations

import numpy as np

from asic_compiler.explore.environment import LARGEST_STEP, uniform_actions, uniform_choices
from asic_compiler.explore.protocol import BoolArray, Evaluation, FloatArray, IntArray, Problem
from asic_compiler.explore.strategies.evolution.candidates import Candidates, Designs

_MOST_CHANGED = 4
"""Variables that a move changes: 1 to this many, uniformly in their logarithm."""

_TIED = 0.6
"""Chance that these are drawn from a group of variables that the problem ties to each other."""

_ANEW = 0.5
"""Chance that a changed variable is drawn anew, and not near its value."""

_FINEST, _COARSEST = 0.02, 0.5
"""Standard deviations of a change near the value: drawn between these, uniformly in their
logarithm."""

_RECOMBINED = 0.3
"""Chance that a move also takes variables from another good design, and the share it takes."""

_ALONG = 0.3
"""Chance that a move goes along the difference of two good designs instead."""

_SHORTEST, _LONGEST = 0.1, 1.0
"""How far it goes, as a share of that difference, and of how many of the variables: both drawn
between these, uniformly in their logarithm."""

_OCTAVES = 0.3
"""Standard deviation of the tiles of a reshaped mesh."""

RESHAPED = 0.3
"""Chance that a start that is being refined takes another mesh, and not a step from its own."""

_LEAST_TAKEN = 1.0 / 34.0
"""Share of the variables that a crossed action takes from the policy: drawn between this and 1,
uniformly in its logarithm."""


def exploring_actions(
    here: Evaluation,
    others: Evaluation,
    near: BoolArray,
    rng: np.random.Generator,
    tied: BoolArray | None = None,
) -> tuple[IntArray, FloatArray]:
    """Choices [n, 4] and values [n, 30] for designs at ``here``: near them, or at random.

    Args:
        here: The n designs acted on.
        others: n good designs, of which a move near ``here`` may take variables.
        near: [n] whether an action stays near its design; the others are uniform.
        rng: For all of them.
        tied: See :func:`nearby`.
    """
    count = len(near)
    choices = uniform_choices(count, here.discrete.shape[1], rng)
    values = uniform_actions(count, here.continuous.shape[1], rng)
    near_choices, near_values = nearby(here, others, rng, tied)
    rows = near[:, None]
    return np.where(rows, near_choices, choices), np.where(rows, near_values, values)


def nearby(
    here: Designs, others: Designs, rng: np.random.Generator, tied: BoolArray | None = None
) -> tuple[IntArray, FloatArray]:
    """Choices [n, 4] and values [n, 30] that change a few variables of n designs.

    Args:
        here: The designs.
        others: n good designs, of which some variables may be taken.
        rng: For all of it.
        tied: [G, 34] groups of variables of which a better value is found only with others of the
            rest: most moves change those of one group alone, if it has as many. None: no groups.
    """
    count, discrete = here.discrete.shape
    continuous = here.continuous.shape[1]
    variables = discrete + continuous
    changes = np.exp(rng.uniform(0.0, np.log(_MOST_CHANGED + 1.0), (count, 1))).astype(np.int64)
    # The smallest few of random numbers are a draw without repetition.
    lot = rng.random((count, variables))
    if tied is not None and len(tied):
        outside = ~tied[rng.integers(0, len(tied), count)]
        lot = lot + np.where((rng.random((count, 1)) < _TIED) & outside, 1.0, 0.0)
    changed = lot <= np.take_along_axis(np.sort(lot, axis=1), changes - 1, axis=1)
    steps = rng.integers(1, LARGEST_STEP, (count, discrete), endpoint=True)
    steps *= rng.choice((-1, 1), (count, discrete))
    values = here.continuous
    recombined = rng.random((count, 1)) < _RECOMBINED
    recombined = recombined & (rng.random(values.shape) < _RECOMBINED)
    scale = np.exp(rng.uniform(np.log(_FINEST), np.log(_COARSEST), values.shape))
    shifted = np.clip(values + rng.normal(size=values.shape) * scale, -1.0, 1.0)
    anew = rng.random(values.shape) < _ANEW
    moved = np.where(anew, uniform_actions(count, continuous, rng), shifted)
    values = np.where(recombined, others.continuous, values)
    few_choices = np.where(changed[:, :discrete], steps, 0) + LARGEST_STEP
    few_values = np.where(changed[:, discrete:], moved, values)
    choices, values = _along(here, others, rng)
    along = rng.random((count, 1)) < _ALONG
    return np.where(along, choices, few_choices), np.where(along, values, few_values)


def _along(here: Designs, others: Designs, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """Moves in which many variables change together, as they differ between two good designs.

    Good designs of other sizes differ in what has to change with the size. After differential
    evolution (Storn and Price 1997).
    """
    count, discrete = here.discrete.shape
    pair = rng.permutation(count)
    shortest = np.log(_SHORTEST / _LONGEST)
    length, share = _LONGEST * np.exp(rng.uniform(shortest, 0.0, (2, count, 1)))
    taken = rng.random((count, discrete + here.continuous.shape[1])) < share
    steps = length * (others.discrete - others.discrete[pair])
    # Rounded by chance. pyright: numpy's own stubs do not know this product.
    steps = np.floor(
        steps + rng.random(steps.shape)  # pyright: ignore[reportUnknownArgumentType]
    ).astype(np.int64)
    shift = length * (others.continuous - others.continuous[pair])
    return (
        np.clip(np.where(taken[:, :discrete], steps, 0), -LARGEST_STEP, LARGEST_STEP)
        + LARGEST_STEP,
        np.clip(here.continuous + np.where(taken[:, discrete:], shift, 0.0), -1.0, 1.0),
    )


def reshaped(
    designs: Designs, problem: Problem, rng: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    """Good designs on meshes of other proportions with about as many tiles.

    Between two such meshes lie others of more or fewer tiles, where nothing may fit: no walk of
    small steps leads from one to the other.
    """
    low, high = problem.discrete_low, problem.discrete_high
    discrete = designs.discrete.copy()
    tiles = (discrete[:, 0] * discrete[:, 1]) * 2.0 ** rng.normal(0.0, _OCTAVES, len(discrete))
    tiles = np.clip(np.rint(tiles), 1, high[0] * high[1]).astype(np.int64)
    narrowest = np.maximum(low[0], -(-tiles // high[1]))
    widest = np.maximum(np.minimum(high[0], tiles // low[1]), narrowest)
    octaves = np.log(widest / narrowest)
    width = np.rint(narrowest * np.exp(rng.random(len(tiles)) * octaves)).astype(np.int64)
    discrete[:, 0], discrete[:, 1] = width, np.rint(tiles / width)
    return np.clip(discrete, low, high), designs.continuous


def crossed(
    here: Evaluation, choices: IntArray, values: FloatArray, rng: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    """The designs ``here`` with some of their variables taken from the actions that are given.

    Args:
        here: The n designs acted on.
        choices: [n, 4] of the policy.
        values: [n, 30] of the policy.
        rng: Draws how many variables, and which.
    """
    share = np.exp(rng.uniform(np.log(_LEAST_TAKEN), 0.0, (len(here), 1)))
    taken = rng.random(values.shape) < share
    moved = rng.random(choices.shape) < share
    return np.where(moved, choices, LARGEST_STEP), np.where(taken, values, here.continuous)


def refining(
    now: Candidates,
    low: IntArray,
    high: IntArray,
    rng: np.random.Generator,
    tied: BoolArray | None = None,
) -> Candidates:
    """What a move leads to from each of n designs, of which each may take variables of another.

    Args:
        now: The designs.
        low: [4] or [n, 4] smallest discrete values that can be reached.
        high: Largest.
        rng: For the moves.
        tied: See :func:`nearby`.
    """
    choices, values = nearby(now, now.take(rng.permutation(len(now))), rng, tied)
    return Candidates(np.clip(now.discrete + choices - LARGEST_STEP, low, high), values)
