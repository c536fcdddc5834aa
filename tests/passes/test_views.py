"""The view algebra against NumPy: whatever NumPy does to an array of linear indices."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from asic_reference import grid, take
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from xdsl.ir.affine import AffineMap

from asic_compiler.passes.raising import views
from asic_compiler.passes.raising.views import View

Indices = NDArray[np.int64]


def look(view: View, base: Indices) -> Indices:
    """The logical tensor, through the affine map."""
    return take(base, views.to_affine(view), grid(view.shape))


def split_shape(draw: st.DrawFn, count: int) -> tuple[int, ...]:
    shape: list[int] = []
    while count > 1:
        size = draw(st.sampled_from([d for d in range(1, count + 1) if count % d == 0]))
        shape.append(size)
        count //= size
    return tuple(shape) or (1,)


@st.composite
def chains(draw: st.DrawFn) -> tuple[View, Indices, Indices]:
    """A base and a random chain of NumPy operations on it, as view and as array."""
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=4)))
    base = np.arange(prod(shape), dtype=np.int64).reshape(shape)
    view, array = views.identity(shape), base
    for _ in range(draw(st.integers(1, 6))):
        step = draw(st.sampled_from(["permute", "reshape", "slice", "broadcast"]))
        following: View | None
        if step == "permute":
            order = draw(st.permutations(range(array.ndim)))
            following, array_ = views.permute(view, order), array.transpose(order)
        elif step == "reshape":
            new = split_shape(draw, array.size)
            following, array_ = views.reshape(view, new), array.reshape(new)
        elif step == "slice":
            dim = draw(st.integers(0, array.ndim - 1))
            offset = draw(st.integers(0, array.shape[dim] - 1))
            stride = draw(st.integers(1, 2))
            most = (array.shape[dim] - offset - 1) // stride + 1
            size = draw(st.integers(1, most))
            following = views.slice_dimension(view, dim, offset, size, stride)
            picked = [slice(None)] * array.ndim
            picked[dim] = slice(offset, offset + (size - 1) * stride + 1, stride)
            array_ = array[tuple(picked)]
        else:
            dim = draw(st.integers(0, array.ndim))
            new = (*array.shape[:dim], 3, *array.shape[dim:])
            results = tuple(d if d < dim else d + 1 for d in range(array.ndim))
            map_ = AffineMap(
                array.ndim + 1,
                0,
                tuple(AffineMap.identity(array.ndim + 1).results[r] for r in results),
            )
            access = views.from_affine(map_, new)
            assert access is not None
            following = views.compose(access, view)
            array_ = np.broadcast_to(np.expand_dims(array, dim), new)
        if following is None or array_.size > 200:
            break
        view, array = following, array_
    return view, base, array


@settings(max_examples=60, deadline=None)
@given(chains())
def test_a_chain_of_views_reads_what_numpy_reads(case: tuple[View, Indices, Indices]) -> None:
    view, base, array = case
    assert view.shape == array.shape
    np.testing.assert_array_equal(look(view, base), array)
    np.testing.assert_array_equal(look(views.simplify(view), base), array)
    in_order = array.size == base.size and bool((array.reshape(-1) == base.reshape(-1)).all())
    assert views.is_row_major(view, base.shape) == in_order


@settings(max_examples=150, deadline=None)
@given(chains(), st.data())
def test_composition_is_reading_twice(
    case: tuple[View, Indices, Indices], data: st.DataObject
) -> None:
    inner, base, array = case
    dim = data.draw(st.integers(0, array.ndim - 1))
    offset = data.draw(st.integers(0, array.shape[dim] - 1))
    size = data.draw(st.integers(1, array.shape[dim] - offset))
    outer = views.slice_dimension(views.identity(array.shape), dim, offset, size, 1)
    assert outer is not None
    part = np.take(array, range(offset, offset + size), axis=dim)
    shape = split_shape(data.draw, part.size)
    reshaped = views.reshape(outer, shape)
    if reshaped is None:
        return
    both = views.compose(reshaped, inner)
    if both is None:
        return
    np.testing.assert_array_equal(look(both, base), part.reshape(shape))


def test_a_slice_across_a_radix_is_refused() -> None:
    """Columns 2 to 4 of [4, 6], where 6 is 2 rows of 3: the last of one row, two of the next."""
    inner = views.reshape(views.permute(views.identity((3, 4, 2)), (1, 2, 0)), (4, 6))
    assert inner is not None
    assert len(inner.dims[1]) == 2
    across = views.slice_dimension(views.identity((4, 6)), 1, 2, 3, 1)
    within = views.slice_dimension(views.identity((4, 6)), 1, 3, 3, 1)
    assert across is not None
    assert within is not None
    assert views.compose(across, inner) is None
    both = views.compose(within, inner)
    assert both is not None
    base = np.arange(24, dtype=np.int64).reshape(3, 4, 2)
    expected = base.transpose(1, 2, 0).reshape(4, 6)[:, 3:6]
    np.testing.assert_array_equal(look(both, base), expected)


def test_repeated_heads_are_one_unused_factor() -> None:
    """[2, 3, 5], each head 4 times -> [2, 12, 5] -> [24, 5]: the cache is read in place."""
    cache = (2, 3, 5)
    access = views.from_affine(AffineMap.from_callable(lambda b, h, r, d: (b, h, d)), (2, 3, 4, 5))
    assert access is not None
    flat = views.reshape(access, (24, 5))
    assert flat is not None
    base = np.arange(30, dtype=np.int64).reshape(cache)
    np.testing.assert_array_equal(look(flat, base), np.repeat(base, 4, axis=1).reshape(24, 5))
    assert [flat.factors[f] for f in flat.dims[0]] == [2, 3, 4]
    assert flat.dims[0][2] not in flat.used


def test_alignment_refines_both_sides() -> None:
    first = views.reshape(views.identity((2, 12)), (24,))
    second = views.reshape(views.identity((6, 4)), (24,))
    assert first is not None
    assert second is not None
    aligned = views.align(first, second)
    assert aligned is not None
    assert aligned[0].factors == aligned[1].factors == (2, 3, 4)


@pytest.mark.parametrize("shape", [(4,), (2, 3)])
def test_radices_that_do_not_divide_are_refused(shape: tuple[int, ...]) -> None:
    sliced = views.slice_dimension(views.identity((4, 6)), 1, 1, 5, 1)
    assert sliced is not None
    assert views.reshape(sliced, shape) is None  # wrong count
    transposed = views.permute(views.identity((4, 6)), (1, 0))
    assert views.reshape(transposed, (8, 3)) is None  # 6 does not divide 8, nor 8 6
