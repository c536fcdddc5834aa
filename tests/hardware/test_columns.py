"""Sums of columns have the bits of sums of rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asic_compiler.hardware.columns import add_up, columns, sum_rows
from asic_compiler.hardware.segments import Segments


@given(count=st.integers(0, 40), seed=st.integers(0, 2**32 - 1))
def test_sums_have_the_bits_of_rows_in_memory(count, seed):
    rng = np.random.default_rng(seed)
    rows = rng.uniform(0.0, 1.0, (50, count)) * 10.0 ** rng.integers(-6, 7, (50, count))
    expected = rows.sum(axis=1)
    assert np.array_equal(sum_rows(rows), expected)
    assert np.array_equal(sum_rows(np.asfortranarray(rows)), expected)
    if count:
        assert np.array_equal(add_up(list(rows.T)), expected)


def test_columns_lie_one_after_another():
    spread = columns(np.array([1.0, 2.0, 3.0]), 2)
    assert spread.tolist() == [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]
    assert spread.flags.f_contiguous
    assert (spread * np.array([1.0, 10.0])).flags.f_contiguous


@pytest.mark.parametrize("shape", [(3,), (3, 4), (3, 4, 2)])
def test_rows_of_designs_are_spread_whatever_the_layout(shape):
    values = np.arange(float(np.prod(shape))).reshape(shape)
    segments = Segments.of_lengths(np.array([2, 1, 3]))
    expected = values[[0, 0, 1, 2, 2, 2]]
    assert np.array_equal(segments.spread(values), expected)
    assert np.array_equal(segments.spread(np.asfortranarray(values)), expected)
