"""Figures of fronts and of many runs."""

from __future__ import annotations

import math

import numpy as np

from asic_compiler.explore.protocol import FloatArray

RESAMPLES = 10_000


def hypervolume(values: FloatArray) -> float:
    """Volume that a front dominates, up to (performance 0, power 1, area 1).

    Args:
        values: [N, 3] performance (maximised), power and area (minimised), normalised as in the
            score. What is worse than that corner adds nothing; beyond the other ends it counts.
    """
    gains = np.stack([values[:, 0], 1.0 - values[:, 1], 1.0 - values[:, 2]], axis=1)
    gains = gains[(gains > 0.0).all(axis=1)]
    gains = gains[np.argsort(-gains[:, 2], kind="stable")]
    # Slices of constant height in the third gain: the area of the first two of all above it.
    total = 0.0
    for index in range(len(gains)):
        below = gains[index + 1, 2] if index + 1 < len(gains) else 0.0
        height = gains[index, 2] - below
        if height > 0.0:
            total += height * _area(gains[: index + 1, :2])
    return float(total)


def _area(points: FloatArray) -> float:
    """Area of the union of rectangles from the origin to each point."""
    points = points[np.argsort(-points[:, 0], kind="stable")]
    tops = np.maximum.accumulate(points[:, 1])
    widths = points[:, 0] - np.append(points[1:, 0], 0.0)
    return float((widths * tops).sum())


def interval(values: FloatArray, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the median by the percentile bootstrap."""
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(values), (RESAMPLES, len(values)))
    medians = np.median(values[picks], axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return float(low), float(high)


def difference(ours: FloatArray, theirs: FloatArray, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the difference of two means by the percentile bootstrap.

    Args:
        ours: [groups, runs]; runs are drawn anew within each group, and groups stay as they are.
        theirs: As many groups; their runs are drawn apart from ours.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)

    def drawn(values: FloatArray) -> FloatArray:
        picks = rng.integers(0, values.shape[1], (RESAMPLES, *values.shape))
        return np.take_along_axis(values[None], picks, axis=2).mean(axis=(1, 2))

    low, high = np.percentile(drawn(ours) - drawn(theirs), [2.5, 97.5])
    return float(low), float(high)


def reached(curve: list[list[float]], target: float) -> float:
    """The evaluation at which a curve of [evaluation, score] reaches ``target``; inf if never."""
    return next((float(at) for at, value in curve if value >= target), np.inf)


def best_after(curve: list[list[float]], evaluations: FloatArray) -> FloatArray:
    """The best score of a curve of [evaluation, score] after each of these, [N]; -inf before."""
    at, values = np.array(curve, dtype=np.float64).reshape(-1, 2).T
    return np.append(-np.inf, values)[np.searchsorted(at, evaluations, side="right")]


def shortfall(score: float, top: float, octaves: float) -> float:
    """How much lower the figure of merit is than that of ``top``; 1 where nothing was found.

    Args:
        score: The logarithm of performance^a / (power^b area^c), scaled.
        top: The score that it is compared with.
        octaves: Score 1 in units of the natural logarithm.
    """
    return 1.0 - math.exp((score - top) * octaves) if math.isfinite(score) else 1.0
