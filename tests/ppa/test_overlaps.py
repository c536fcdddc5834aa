"""Parts that a window meets."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asic_compiler.ppa.transfer import _overlaps, _receivers

seeds = st.integers(0, 2**32 - 1)


def by_remainder(window, step, size):
    """At most and on average, as defined: aligned where a remainder is none."""
    inner = np.minimum(window, size)
    aligned = (inner % step == 0) | (inner >= size)
    most = np.where(aligned, np.ceil(inner / step), np.ceil((inner - 1.0) / step) + 1.0)
    whole = aligned | (step % inner == 0)
    mean = np.where(whole, np.ceil(inner / step), 1.0 + (inner - 1.0) / step)
    return tuple(np.clip(met, 1.0, np.ceil(size / step)) for met in (most, mean))


@given(seed=seeds)
def test_overlaps_are_those_of_remainders(seed):
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 5000, 400).astype(np.float64)
    part = np.ceil(size / rng.integers(1, 70, 400))
    # Needs are often a part of the whole that is rounded: 4096 / 3.
    need = np.maximum(size / rng.integers(1, 70, 400), 1.0)
    assert np.array_equal(_overlaps(need, part, size), by_remainder(need, part, size)[0])
    for ours, defined in zip(
        _receivers(part, need, size), by_remainder(part, need, size), strict=True
    ):
        assert np.array_equal(ours, defined)
