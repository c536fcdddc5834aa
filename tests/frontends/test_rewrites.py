"""Constant indices, constant arithmetic and layers, taken apart before torch-mlir sees them."""

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


def at(*indices):
    return torch.tensor(indices)


SELECTIONS = [
    # One index along each of two dimensions: two selections, each along its own.
    lambda x: x[:, at(0, 2, -1)[:, None], at(1, 3)],
    # Both run together: one index into both dimensions.
    lambda x: x[:, at(0, 2), at(1, 3)],
    # A colon between them: PyTorch puts the selected dimension in front.
    lambda x: x[:, at(0, 2), :, at(1, 3)],
    lambda x: x[at([0, 1], [1, 0]), :, at([1, 3], [0, 2])],
    # A number beside a list, a repeated place, a triangle.
    lambda x: x[:, at(2), at(4, 4, 1)],
    lambda x: x[:, :, torch.tril_indices(4, 6, -1)[0], torch.tril_indices(4, 6, -1)[1]],
    # A slice and a repetition that are written as lists.
    lambda x: x[:, at(0, 2, 4)],
    lambda x: x[:, at(0, 0, 1, 1, 2, 2)],
]


@pytest.mark.parametrize("select", SELECTIONS)
def test_constant_indices_select_what_pytorch_selects(select):
    x = image(2, 5, 6, 7)
    names, found = decomposed(lambda x: select(x * 2), x)
    torch.testing.assert_close(found, select(x * 2))
    assert "aten.index.Tensor" not in names


def test_a_slice_or_a_repetition_gathers_nothing():
    x = image(2, 5)
    names, _ = decomposed(lambda x: (x * 2)[:, at(1, 3)] + (x * 2)[:, at(0, 0)], x)
    assert not names & {"aten.index.Tensor", "aten.index_select.default"}


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_any_constant_indices(data):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    x = torch.arange(torch.tensor(shape).prod().item()).reshape(shape) * 1.0
    rank = data.draw(st.integers(1, 2))
    common = data.draw(st.lists(st.integers(1, 3), min_size=rank, max_size=rank))
    indices = []
    for size in shape:
        if data.draw(st.booleans()):
            own = [data.draw(st.sampled_from((1, n))) for n in common]
            count = torch.tensor(own).prod().item()
            values = data.draw(
                st.lists(st.integers(-size, size - 1), min_size=count, max_size=count)
            )
            indices.append(torch.tensor(values).reshape(own))
        else:
            indices.append(slice(None))
    _, found = decomposed(lambda x: (x + 1)[tuple(indices)], x)
    torch.testing.assert_close(found, (x + 1)[tuple(indices)])


def test_several_computed_indices_become_one():
    """The last token of each sequence: torch-mlir read at two computed places."""
    x, ids = image(3, 6, 4), torch.arange(18).reshape(3, 6) * 7 % 11

    def last(x, ids):
        return (x * 2)[torch.arange(3), ids.argmax(-1)]

    names, found = decomposed(last, x, ids)
    torch.testing.assert_close(found, last(x, ids))
    assert "aten.index.Tensor" not in names


@pytest.mark.parametrize(
    "select",
    [
        lambda x, i, j: x[i, :, j],
        lambda x, i, j: x[:, i[:, None], j],
        lambda x, i, j: x[i, j],
        lambda x, i, j: x[:, i, j],
    ],
)
def test_computed_indices_may_be_negative(select):
    x, i, j = image(4, 5, 6), torch.tensor([1, -1, 3]), torch.tensor([0, -4, 2])
    _, found = decomposed(lambda x, i, j: select(x * 2, i, j), x, i, j)
    torch.testing.assert_close(found, select(x * 2, i, j))


def test_masks_of_constants_are_computed_once():
    """Hugging Face's masks count packed sequences by a running sum of what is always nothing."""

    def masked(x):
        positions = torch.arange(6)
        packed = (torch.diff(positions, prepend=positions[:1] - 1) != 1).cumsum(0)
        same = packed[torch.arange(6)[:, None]] == packed[torch.arange(6)[None]]
        return torch.where(same & (positions[:, None] >= positions), x, -1.0)

    names, found = decomposed(masked, image(6, 6))
    torch.testing.assert_close(found, masked(image(6, 6)))
    assert not names & {"aten.cumsum.default", "aten.index.Tensor"}


def test_what_is_drawn_or_undefined_is_not_folded():
    names, _ = decomposed(lambda x: x + torch.rand(3).sum(), image(3))
    assert any(name.startswith("aten.rand") for name in names)


def test_zeros_of_both_signs_stay_apart():
    def signed(x):
        return x * torch.tensor([0.0, -0.0]).flip(0)

    _, found = decomposed(signed, torch.ones(2))
    assert torch.signbit(found).tolist() == [True, False]


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.int32, torch.bool])
def test_running_sums(dim, dtype):
    x = (image(3, 5, 7) * 4).to(dtype)
    names, found = decomposed(lambda x: torch.cumsum(x, dim), x)
    torch.testing.assert_close(found, torch.cumsum(x, dim))
    assert "aten.cumsum.default" not in names


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_transposed_convolutions(data):
    """Any kernel, stride, dilation, padding and group: no flipped weight, no image of zeros."""
    spatial = data.draw(st.integers(1, 2))
    each = st.lists(st.integers(1, 3), min_size=spatial, max_size=spatial)
    kernel, stride, dilation = (data.draw(each) for _ in range(3))
    groups = data.draw(st.sampled_from((1, 2)))
    sizes = [data.draw(st.integers(1, 4)) for _ in range(spatial)]
    most = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    padding = [data.draw(st.integers(0, m // 2)) for m in most]
    extra = [
        data.draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)
    ]
    x, weight, bias = image(2, 4, *sizes), image(4, 3, *kernel), image(3 * groups)
    op = (F.conv_transpose1d, F.conv_transpose2d)[spatial - 1]

    def run(x):
        return op(x, weight, bias, stride, padding, extra, groups, dilation)

    wanted = run(x)
    if wanted.numel():
        _, found = decomposed(run, x)
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "run",
    [
        lambda x: F.group_norm(x, 2),
        lambda x: F.group_norm(x, 4, torch.arange(4.0), torch.ones(4)),
        lambda x: torch.roll(x, (2, -3), (1, 2)) + torch.roll(x, 5),
        lambda x: F.interpolate(x, scale_factor=3),
        lambda x: F.interpolate(x, size=(7, 4), mode="nearest-exact"),
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
        lambda x: F.interpolate(x, size=(9, 4), mode="bilinear", align_corners=True),
        lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"),
        # A window larger than the image: torch-mlir padded the image to it.
        lambda x: F.avg_pool2d(x, 320, ceil_mode=True),
        lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    ],
)
def test_layers_of_images(run):
    x = image(2, 4, 5, 6)
    names, found = decomposed(run, x)
    torch.testing.assert_close(found, run(x), rtol=1e-5, atol=1e-5)
    assert not names & {"aten.index.Tensor", "aten._unsafe_index.Tensor", "aten.as_strided.default"}


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("starts", [None, (0, 3, 3, 7)])
def test_bags_of_embeddings(mode, starts):
    table, ids = image(20, 8), torch.arange(12)
    offsets = None if starts is None else torch.tensor(starts)
    ids = ids.reshape(3, 4) if starts is None else ids

    def run(ids):
        return F.embedding_bag(ids, table, offsets, mode=mode)

    names, found = decomposed(run, ids)
    torch.testing.assert_close(found, run(ids))
    assert not any("embedding_bag" in name for name in names)
