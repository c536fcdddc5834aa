"""Elements of tensors on tiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asic_compiler.program.parts import Parts, distinct


@given(st.lists(st.integers(-3, 9), max_size=12), st.booleans())
def test_distinct_values_ascend(values: list[int], in_order: bool):
    given_values = np.array(sorted(values) if in_order else values, dtype=np.int64)
    before = given_values.copy()
    found = distinct(given_values)
    assert found.tolist() == sorted(set(values))
    assert found.dtype == np.int64
    assert (given_values == before).all()


@pytest.mark.parametrize(
    ("parts", "overlap"),
    [
        ((), False),
        (((), ()), False),
        (((0, 1), (2,), ()), False),
        (((0, 1), (1, 2)), True),
        (((0, 1), (0, 1)), True),
    ],
)
def test_parts_overlap_where_tiles_have_the_same_element(
    parts: tuple[tuple[int, ...], ...], overlap: bool
):
    elements = tuple(np.array(part, dtype=np.int64) for part in parts)
    assert Parts(tuple((x, 0) for x in range(len(parts))), elements).overlap == overlap
    one = np.array([4, 5], dtype=np.int64)
    assert Parts(((0, 0), (1, 0)), (one, one)).overlap
