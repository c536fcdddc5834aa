"""Reductions: accumulators over sorted points."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from body_texts import body, no_index
from hypothesis import given
from hypothesis import strategies as st
from xdsl.dialects.builtin import FloatAttr, IntegerAttr, bf16, f16, f32, i8, i32, i64

from asic_compiler.simulate.bodies import fold, start_accumulators


class TestFold:
    SUM = body("%a: f32, %s: f32", "%r = arith.addf %s, %a : f32", "%r : f32")
    ARGMAX = body(
        "%a: f32, %v: f32, %p: i64",
        """%i = tcc.index 1 : index
        %n = arith.index_cast %i : index to i64
        %q = arith.mulf %a, %a : f32
        %m = arith.maximumf %q, %v : f32
        %c = arith.cmpf ogt, %q, %v : f32
        %k = arith.select %c, %n, %p : i64""",
        "%m : f32, %k : i64",
    )

    @given(st.lists(st.integers(0, 6), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
    def test_sums_are_those_of_a_loop(self, lengths: list[int], seed: int):
        rng = np.random.default_rng(seed)
        kept = np.repeat(np.arange(len(lengths)), lengths)
        points = rng.normal(0, 1, len(kept)).astype(np.float32)
        start = rng.normal(0, 1, len(lengths)).astype(np.float32)
        wanted = start.copy()
        for position, value in zip(kept, points, strict=True):
            wanted[position] += value
        (got,) = fold(self.SUM, (points,), kept, (start,), no_index)
        np.testing.assert_array_equal(got, wanted)
        assert got.dtype == np.float32

    def test_a_narrow_accumulator_rounds_at_every_point(self):
        block = body("%a: f16, %s: f16", "%r = arith.addf %s, %a : f16", "%r : f16")
        points = np.full(3000, 1, np.float16)
        start = start_accumulators([FloatAttr(0.0, f16)], 1)
        (got,) = fold(block, (points,), np.zeros(3000, np.int64), start, no_index)
        # 2048 + 1 rounds to 2048.
        assert got[0] == 2048

    def test_several_accumulators_and_an_index(self):
        rng = np.random.default_rng(6)
        values = rng.normal(0, 1, (7, 33)).astype(np.float32)
        start = start_accumulators([FloatAttr(-math.inf, f32), IntegerAttr(-1, i64)], 7)
        rows, columns = np.indices(values.shape)
        got = fold(
            self.ARGMAX,
            (values.reshape(-1),),
            rows.reshape(-1),
            start,
            lambda dim: (rows, columns)[dim].reshape(-1),
        )
        np.testing.assert_array_equal(got[0], np.max(values**2, axis=1))
        np.testing.assert_array_equal(got[1], np.argmax(values**2, axis=1))

    def test_parts_in_order_are_the_whole(self):
        rng = np.random.default_rng(7)
        points = rng.normal(0, 1, 60).astype(np.float32)
        kept = np.repeat(np.arange(4), 15)
        start = start_accumulators([FloatAttr(0.5, f32)], 4)
        (whole,) = fold(self.SUM, (points,), kept, start, no_index)
        for cut in (0, 7, 15, 20, 59, 60):
            first = fold(self.SUM, (points[:cut],), kept[:cut], start, no_index)
            (got,) = fold(self.SUM, (points[cut:],), kept[cut:], first, no_index)
            np.testing.assert_array_equal(got, whole)
        assert start[0][0] == 0.5

    def test_a_prologue_that_is_the_whole_body(self):
        block = body("%a: f32, %s: f32", "%r = arith.negf %a : f32", "%r : f32")
        points = np.arange(6, dtype=np.float32)
        start = start_accumulators([FloatAttr(0.0, f32)], 2)
        (got,) = fold(block, (points,), np.repeat(np.arange(2), 3), start, no_index)
        assert list(got) == [-2, -5]

    def test_a_body_that_counts(self):
        block = body(
            "%s: i32", "%o = arith.constant 1 : i32\n%r = arith.addi %s, %o : i32", "%r : i32"
        )
        start = start_accumulators([IntegerAttr(5, i32)], 2)
        kept = np.repeat(np.arange(2), [3, 4])
        (got,) = fold(block, (), kept, start, no_index)
        assert list(got) == [8, 9]

    def test_unsorted_points_are_a_defect(self):
        start = start_accumulators([FloatAttr(0.0, f32)], 2)
        with pytest.raises(ValueError, match="sorted"):
            fold(self.SUM, (np.zeros(2, np.float32),), np.array([1, 0]), start, no_index)

    def test_starts_have_their_own_type(self):
        got = start_accumulators(
            [FloatAttr(0.1, f16), FloatAttr(0.1, bf16), IntegerAttr(-1, i8)], 2
        )
        assert [array.dtype for array in got] == [np.float16, np.float32, np.int8]
        assert got[0][0] == np.float16(0.1)
        assert got[1][0] == torch.tensor(0.1).bfloat16().float().item()
