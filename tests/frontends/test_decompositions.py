"""Forms of operators that torch-mlir lowers wrongly, taken apart before it sees them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from taken_apart import decomposed

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def image(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize(
    ("widths", "mode", "shape"),
    [
        ((-1, 1), "constant", (2, 6)),  # the shape stays: torch-mlir dropped both
        ((1, -1, -1, 1), "constant", (1, 2, 4, 4)),
        ((-1, 2, 1, -1), "constant", (1, 2, 4, 4)),
        ((-1, -2), "constant", (2, 6)),
        ((-6, 6), "constant", (2, 6)),
        ((-1, 1), "reflect", (1, 2, 6)),
        ((2, -1, -1, 1), "replicate", (1, 2, 6, 6)),
    ],
)
def test_negative_padding_crops(widths, mode, shape):
    x = image(*shape)
    _, found = decomposed(lambda x: F.pad(x, widths, mode), x)
    torch.testing.assert_close(found, F.pad(x, widths, mode))


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(-2, 2), min_size=4, max_size=4), st.floats(-2, 2, width=16))
def test_every_sign_of_padding(widths, value):
    x = image(1, 5, 6)
    _, found = decomposed(lambda x: F.pad(x, widths, value=value), x)
    torch.testing.assert_close(found, F.pad(x, widths, value=value))


def test_padding_without_a_negative_width_stays_one_operator():
    names, _ = decomposed(lambda x: F.pad(x, (1, 2)), image(2, 6))
    assert names == {"aten.constant_pad_nd.default"}


NUMBERS = torch.tensor([-2.0, -0.5, 0.25, 3.0, 9.0, torch.nan, torch.inf, -torch.inf])


@pytest.mark.parametrize(
    ("function", "gone"),
    [
        # NaN came out as the bound, or as the other operand.
        (lambda x: x.clamp(-1, 1), "aten.clamp.default"),
        (lambda x: x.clamp(min=0.5), "aten.clamp.default"),
        (lambda x: x.clamp(3, 1), "aten.clamp.default"),
        (F.relu6, "aten.hardtanh.default"),
        (lambda x: torch.maximum(x, x.flip(0)), "aten.maximum.default"),
        (lambda x: torch.minimum(x.flip(0), x), "aten.minimum.default"),
        (lambda x: torch.maximum(x, torch.zeros(())), "aten.maximum.default"),
    ],
)
def test_what_is_no_number_stays_none(function, gone):
    for x in (NUMBERS, NUMBERS.half()):
        names, found = decomposed(function, x)
        assert gone not in names
        torch.testing.assert_close(found, function(x), equal_nan=True, check_dtype=False)


def test_bytes_have_no_sign():
    # 718 came out as -50; of the largest byte, quotients and products torch-mlir crashed.
    x = torch.tensor([[0, 1, 7, 127, 128, 200, 255]], dtype=torch.uint8)

    def function(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        extremes = x.sum(), x.sum(-1), x.amax(-1), x.amin(-1), x.max(), x.min(), x.prod(-1)
        y = x.flip(-1) | 1
        quotients = x / 2, x / y, x // 3, x // y, x % 7, x % y, torch.fmod(x, y)
        others = -x, x.abs(), F.pad(x, (1, -1), value=250), x @ x.T, (x * 0.9).to(torch.uint8)
        mixed = x // y.to(torch.int8), x % y.to(torch.int64)
        return *extremes, *quotients, *others, *mixed

    names, found = decomposed(function, x)
    assert "prims.convert_element_type.default" in names
    for mine, right in zip(found, function(x), strict=True):
        assert mine.dtype == right.dtype
        assert torch.equal(mine, right)
