"""Products, partial sums and quantised caches."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from xdsl.dialects.builtin import (
    Float32Type,
    IndexType,
    IntegerType,
    Signedness,
    bf16,
    f16,
    f32,
    f64,
    i1,
    i8,
    i32,
    i64,
)

from asic_compiler.diagnostics import UserError
from asic_compiler.simulate.numerics import (
    accumulate_block,
    accumulator_dtype,
    combine,
    matmul_block,
    neutral,
)
from asic_compiler.simulate.quantise import dequantise, quantise
from asic_compiler.tensors.elements import (
    compute_dtype,
    constant,
    dtype_of,
    overflow_count,
    rounded,
)

halves = arrays.arrays(
    np.float16,
    arrays.array_shapes(min_dims=2, max_dims=3, max_side=6),
    elements=st.floats(-60000, 60000, width=16),
)


class TestElements:
    def test_types(self):
        ui8 = IntegerType(8, Signedness.UNSIGNED)
        wanted = {
            f16: np.float16,
            bf16: np.float32,
            f32: np.float32,
            f64: np.float64,
            i1: np.bool_,
            i8: np.int8,
            ui8: np.uint8,
            i64: np.int64,
            IndexType(): np.int64,
        }
        assert {element: dtype_of(element).type for element in wanted} == wanted
        assert compute_dtype(f16) == compute_dtype(bf16) == np.float32

    def test_an_unknown_type_is_an_error(self):
        with pytest.raises(UserError, match="elements of type i4"):
            dtype_of(IntegerType(4))

    def test_halves_overflow_to_infinity_and_are_counted(self):
        values = np.array([65504, 65519.9, 65520, -1e6, np.inf, np.nan], np.float32)
        stored = rounded(values, f16)
        np.testing.assert_array_equal(
            stored, np.array([65504, 65504, np.inf, -np.inf, np.inf, np.nan], np.float16)
        )
        # Infinities that were there before did not overflow.
        assert overflow_count(values, f16) == 2
        assert overflow_count(values, f32) == overflow_count(values, i8) == 0
        assert overflow_count(np.array([3.4e38, 3.3e38]), bf16) == 1

    @given(st.floats(width=32, allow_nan=False))
    def test_bfloat16_is_the_nearest(self, value: float):
        (stored,) = rounded(np.array([value], np.float32), bf16)
        assert stored.view(np.uint32) & 0xFFFF == 0
        if math.isfinite(value) and math.isfinite(stored):
            bits = int(stored.view(np.uint32))
            for other in (bits - 0x10000, bits + 0x10000):
                neighbour = np.uint32(other % 2**32).view(np.float32)
                if np.isfinite(neighbour):
                    distance = abs(Fraction(float(stored)) - Fraction(value))
                    assert distance <= abs(Fraction(float(neighbour)) - Fraction(value))

    def test_constants(self):
        assert constant(0.1, f16) == np.float16(0.1)
        assert constant(-1, i1)
        assert not constant(2, i1)
        assert constant(255, i8) == -1
        assert constant(-1, IntegerType(8, Signedness.UNSIGNED)) == 255

    def test_storing_what_fits_copies_nothing(self):
        values = np.zeros(3, np.float16)
        assert rounded(values, f16) is values


class TestMatmul:
    def test_sums_are_f32_and_rounded_once(self):
        # 2048 + 1 is 2048 in f16: summed there, the ones would vanish.
        lhs = np.ones((1, 1, 101), np.float16)
        rhs = np.ones((1, 1, 101), np.float16)
        rhs[..., 0] = 2048
        result = matmul_block(lhs, rhs, f16)
        assert result.dtype == np.float16
        assert result[0, 0, 0] == np.float16(2148)

    def test_products_of_halves_do_not_overflow(self):
        lhs = np.array([[[300, 300]]], np.float16)
        rhs = np.array([[[300, -300]]], np.float16)
        assert matmul_block(lhs, rhs, f16)[0, 0, 0] == 0
        assert matmul_block(lhs, np.abs(rhs), f16)[0, 0, 0] == np.inf
        assert matmul_block(lhs, np.abs(rhs), f32)[0, 0, 0] == 180000

    @given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 5), st.integers(1, 40))
    def test_is_within_the_bound_of_f32_sums(self, seed: int, b: int, n: int, k: int):
        rng = np.random.default_rng(seed)
        lhs = rng.normal(0, 1, (b, 3, k)).astype(np.float16)
        rhs = rng.normal(0, 1, (b, n, k)).astype(np.float16)
        exact = np.einsum("bmk,bnk->bmn", lhs.astype(np.float64), rhs.astype(np.float64))
        size = np.einsum(
            "bmk,bnk->bmn", np.abs(lhs).astype(np.float64), np.abs(rhs).astype(np.float64)
        )
        # Higham, Accuracy and Stability of Numerical Algorithms, 2002, equation 3.5.
        assert np.all(np.abs(matmul_block(lhs, rhs, f32) - exact) <= k * 2.0**-24 * size)

    def test_a_shared_operand_serves_every_item(self):
        rng = np.random.default_rng(0)
        lhs = rng.normal(0, 1, (3, 2, 8)).astype(np.float16)
        rhs = rng.normal(0, 1, (1, 5, 8)).astype(np.float16)
        whole = matmul_block(lhs, np.repeat(rhs, 3, axis=0), f16)
        np.testing.assert_array_equal(matmul_block(lhs, rhs, f16), whole)

    def test_chunks_of_k_add_up_in_order(self):
        rng = np.random.default_rng(1)
        lhs = rng.normal(0, 1, (1, 4, 24)).astype(np.float16)
        rhs = rng.normal(0, 1, (1, 6, 24)).astype(np.float16)
        total = None
        for start in range(0, 24, 8):
            chunk = slice(start, start + 8)
            before = None if total is None else total.copy()
            old, total = total, accumulate_block(total, lhs[..., chunk], rhs[..., chunk])
            if old is not None:
                np.testing.assert_array_equal(old, before)
        assert total is not None
        assert total.dtype == np.float32
        np.testing.assert_allclose(total, matmul_block(lhs, rhs, f32), rtol=1e-5, atol=1e-6)

    def test_f64_stays_f64(self):
        lhs, rhs = np.array([[[1.0, 2.0**-40]]]), np.array([[[1.0, 1.0]]])
        assert matmul_block(lhs, rhs, f64)[0, 0, 0] == 1 + 2.0**-40
        assert accumulator_dtype(f64) == np.float64
        assert accumulator_dtype(f16) == accumulator_dtype(bf16) == np.float32

    def test_bfloat16_results_are_rounded(self):
        lhs = np.array([[[1, 2.0**-9]]], np.float32)
        rhs = np.ones((1, 1, 2), np.float32)
        assert matmul_block(lhs, rhs, bf16)[0, 0, 0] == 1

    def test_integers_wrap_in_the_type_of_the_result(self):
        lhs = np.full((1, 1, 2), 100, np.int8)
        assert matmul_block(lhs, lhs, i32)[0, 0, 0] == 20000
        assert matmul_block(lhs, lhs, i8)[0, 0, 0] == 20000 % 256 - 256 * (20000 % 256 > 127)


class TestCombine:
    def test_parts_are_rounded_one_after_the_other(self):
        parts = [np.array([v], np.float16) for v in (2048, 1, 1)]
        assert combine("arith.addf", parts, f16)[0] == 2048
        assert combine("arith.addf", parts[::-1], f16)[0] == 2050

    def test_maximum_knows_no_number(self):
        parts = [np.array([v], np.float32) for v in (1, math.nan, 2)]
        assert math.isnan(combine("arith.maximumf", parts, f32)[0])
        assert combine("arith.maxnumf", parts, f32)[0] == 2

    @pytest.mark.parametrize("element", [f16, bf16, f32, i8, i1, i64])
    @pytest.mark.parametrize(
        "name",
        [
            *("addf", "mulf", "maximumf", "minimumf", "maxnumf", "minnumf"),
            *("addi", "muli", "maxsi", "minsi", "maxui", "minui", "andi", "ori", "xori"),
        ],
    )
    def test_the_neutral_value_changes_nothing(self, name: str, element: Float32Type):
        if name.endswith("f") != (element in (f16, bf16, f32)):
            with pytest.raises(UserError, match="cannot be combined by"):
                neutral(f"arith.{name}", element)
            return
        dtype = dtype_of(element)
        values = rounded(np.array([-3, 0, 1, 100]), element)
        if dtype.kind == "f":
            values = np.concatenate([values, [-0.0, np.inf, -np.inf]]).astype(dtype)
        start = np.full(values.shape, neutral(f"arith.{name}", element), dtype)
        for parts in ([start, values], [values, start]):
            got = combine(f"arith.{name}", parts, element)
            assert got.dtype == dtype
            np.testing.assert_array_equal(got, values)
            if dtype.kind == "f":
                np.testing.assert_array_equal(np.signbit(got), np.signbit(values))

    def test_one_part_is_itself_and_none_is_a_defect(self):
        part = np.array([1.5], np.float16)
        assert combine("arith.addf", [part], f16) is part
        with pytest.raises(ValueError, match="nothing"):
            combine("arith.addf", [], f16)

    def test_what_does_not_combine_is_an_error(self):
        with pytest.raises(UserError, match=r"'arith\.subf'"):
            combine("arith.subf", [np.zeros(1, np.float32)] * 2, f32)


class TestQuantised:
    @given(halves, st.sampled_from([4, 8]), st.sampled_from([-1, (-2, -1)]))
    def test_every_number_is_within_half_a_scale(self, values, bits, axis):
        quantised = quantise(values, bits, axis)
        limit = 2 ** (bits - 1) - 1
        assert quantised.codes.dtype == np.int8
        assert quantised.scale.dtype == np.float16
        assert np.all(np.abs(quantised.codes) <= limit)
        error = np.abs(dequantise(quantised, f32).astype(np.float64) - values)
        assert np.all(error <= quantised.scale.astype(np.float64) / 2)

    @given(halves, st.sampled_from([4, 8]))
    def test_the_scale_is_hardly_larger_than_needed(self, values, bits):
        limit = 2 ** (bits - 1) - 1
        scale = quantise(values, bits).scale.astype(np.float64)
        ideal = np.max(np.abs(values.astype(np.float64)), axis=-1, keepdims=True) / limit
        assert np.all(scale >= ideal)
        # One unit in the last place of f16, subnormal numbers included.
        assert np.all(scale - ideal < np.maximum(ideal * 2.0**-10, 2.0**-24))

    @given(halves)
    def test_twice_is_once(self, values):
        """Numbers that a cache gave back go in again with the same codes, if scales are shared."""
        once = quantise(values, 8)
        wide = dequantise(once, f32)
        scale = once.scale.astype(np.float64)
        again = np.rint(wide / np.where(scale == 0, 1, scale))
        np.testing.assert_array_equal(again, once.codes)

    def test_axes_share_scales(self):
        keys = np.random.default_rng(0).normal(0, 1, (2, 3, 5, 8)).astype(np.float16)
        assert quantise(keys, 8).scale.shape == (2, 3, 5, 1)
        assert quantise(keys, 8, (-2, -1)).scale.shape == (2, 3, 1, 1)

    def test_zeros_and_the_least_number(self):
        values = np.array([[0, 0], [2.0**-24, 0]], np.float16)
        for bits in (4, 8):
            got = dequantise(quantise(values, bits), f16)
            np.testing.assert_array_equal(got[0], values[0])
            assert abs(float(got[1, 0]) - 2.0**-24) <= 2.0**-25

    def test_int8_keeps_seven_bits_of_the_largest(self):
        values = np.random.default_rng(1).normal(0, 1, (64, 128)).astype(np.float16)
        error = np.abs(dequantise(quantise(values, 8), f16).astype(np.float64) - values)
        largest = np.max(np.abs(values.astype(np.float64)), axis=-1)
        # Half a scale, which was rounded up, and half a unit of the rounding to f16.
        assert np.all(np.max(error, axis=-1) <= largest * ((1 + 2**-10) / 254 + 2**-11))
        assert np.max(error) > 0

    @pytest.mark.parametrize("value", [np.inf, np.nan])
    def test_what_is_no_number_is_an_error(self, value: float):
        with pytest.raises(UserError, match="cannot quantise to 8 bits"):
            quantise(np.array([[1, value]], np.float16), 8)

    def test_too_large_for_a_scale(self):
        with pytest.raises(UserError, match="cannot quantise"):
            quantise(np.array([[1e9]], np.float32), 8)

    def test_other_widths_are_a_defect(self):
        with pytest.raises(ValueError, match="4 or 8"):
            quantise(np.zeros((1, 1), np.float16), 6)
