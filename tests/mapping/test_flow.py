"""The situations of buffers that matter."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asic_compiler.mapping.flow import _fullest

seeds = st.integers(0, 2**32 - 1)


@given(seed=seeds)
def test_situations_that_others_cover_are_never_the_fullest(seed):
    rng = np.random.default_rng(seed)
    situations = np.unique(rng.integers(0, 3, (30, 6)), axis=0).astype(np.float64)
    sizes = rng.uniform(0.0, 1e6, (20, 5))
    beside = rng.uniform(0.0, 1e6, (20, 3))  # of the class that runs, the last column

    def largest(rows):
        held = np.stack([sizes @ row[:-1] + beside[:, int(row[-1])] for row in rows])
        return held.max(axis=0)

    kept = _fullest(situations)
    assert len(kept) < len(situations)
    assert np.array_equal(largest(kept), largest(situations))
