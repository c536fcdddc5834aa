"""Operators of layers in simpler ones: what torch-mlir has not, or lowers to gathers and strides.

They compute narrow floats in f32 and round once, as PyTorch does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch

_aten: Any = torch.ops.aten
_convert: Any = torch.ops.prims.convert_element_type.default


def of_layers() -> dict[Any, Callable[..., Any]]:
    """Operator overloads, and what stands for them."""
    return {
        _aten.native_group_norm.default: _group_norm,
        _aten.convolution.default: _convolution,
        _aten.roll.default: _roll,
        _aten.cumsum.default: _cumsum,
        _aten.avg_pool1d.default: _pool_within(_aten.avg_pool1d.default, 1),
        _aten.avg_pool2d.default: _pool_within(_aten.avg_pool2d.default, 2),
        _aten.avg_pool3d.default: _pool_within(_aten.avg_pool3d.default, 3),
    }


def _wide(x: torch.Tensor) -> torch.Tensor:
    """Floats narrower than f32 as f32."""
    is_narrow = x.is_floating_point() and x.element_size() < torch.float32.itemsize
    return _convert(x, torch.float32) if is_narrow else x


def _group_norm(
    x: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    batch: int,
    channels: int,
    positions: int,
    groups: int,
    eps: float,
) -> Any:
    """PyTorch's own way leads over strides in memory."""
    wide = _wide(x).reshape(batch, groups, channels // groups, positions)
    variance, mean = _aten.var_mean.correction(wide, [2, 3], correction=0, keepdim=True)
    scale = _aten.rsqrt.default(variance + eps)
    made = (wide - mean) * scale
    made = made.reshape(batch, channels, positions)
    for parameter, op in ((weight, _aten.mul.Tensor), (bias, _aten.add.Tensor)):
        if parameter is not None:
            made = op(made, _wide(parameter).reshape(1, channels, 1))
    made = _convert(made.reshape(x.shape), x.dtype)
    flat = [each.reshape(batch, groups) for each in (mean, scale)]
    return made, *(_convert(each, x.dtype) for each in flat)


def _roll(x: torch.Tensor, shifts: Sequence[int], dims: Sequence[int] = ()) -> Any:
    """The end of each dimension moves to its front."""
    if not dims:
        return _roll(x.reshape(-1), shifts, [0]).reshape(x.shape)
    for shift, dim in zip(shifts, dims, strict=True):
        size = x.shape[dim]
        end = shift % size if size else 0
        if end:
            parts = (size - end, size), (0, size - end)
            x = _aten.cat.default([_aten.slice.Tensor(x, dim, *part) for part in parts], dim)
    return _aten.clone.default(x)


def _cumsum(x: torch.Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Any:
    """Sums over 2, 4, 8, ... neighbours: every step adds the sums that end where others begin."""
    kind = dtype or (x.dtype if x.is_floating_point() else torch.int64)
    if x.ndim == 0:
        return _convert(x, kind)
    made, size, distance = _wide(_convert(x, kind)), x.shape[dim], 1
    while distance < size:
        kept = _aten.slice.Tensor(made, dim, 0, distance)
        later = _aten.slice.Tensor(made, dim, distance, size)
        earlier = _aten.slice.Tensor(made, dim, 0, size - distance)
        made = _aten.cat.default([kept, later + earlier], dim)
        distance *= 2
    return _convert(made, kind)


def _pool_within(op: Any, spatial: int) -> Callable[..., Any]:
    """A window that is larger than what it looks at ends with it.

    With ``ceil_mode`` there may be one; torch-mlir would pad the image to the window's size.
    """

    def pool(x: torch.Tensor, kernel: Sequence[int], *rest: Any, **named: Any) -> Any:
        kernel = _each(kernel, spatial)
        stride = _each(rest[0], spatial) if rest and rest[0] else kernel
        padding = _each(rest[1], spatial) if len(rest) > 1 else [0] * spatial
        sizes = [n + 2 * p for n, p in zip(x.shape[-spatial:], padding, strict=True)]
        within = [min(k, size) for k, size in zip(kernel, sizes, strict=True)]
        if within == kernel:
            return NotImplemented
        return op(x, within, stride, padding, *rest[2:], **named)

    return pool


def _each(values: Sequence[int], count: int) -> list[int]:
    return list(values) * count if len(values) == 1 else list(values)


def _convolution(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Any:
    """A transposed convolution: one product with the weight as it lies, and sums of its windows.

    Every element of the image gives a window of products; windows overlap and are added. Tap k of
    a window lands ``k * dilation`` behind the ``i * stride`` of element i. Without dilation the
    first ``stride`` taps of all windows lie side by side, and so do the next: there are no more
    sums than windows overlap.
    """
    if not transposed:
        return NotImplemented
    spatial = weight.ndim - 2
    stride, padding, dilation = (_each(v, spatial) for v in (stride, padding, dilation))
    extra = _each(output_padding, spatial)
    is_single = x.ndim == spatial + 1
    x = _aten.unsqueeze.default(x, 0) if is_single else x
    n, channels, *sizes = x.shape
    _, filters, *window = weight.shape
    inner = channels // groups
    data = _wide(x).reshape(n, groups, inner, prod(sizes))
    kernel = _wide(weight).reshape(1, groups, inner, filters * prod(window))
    # [n, groups, taps of all filters, positions]
    taps = torch.matmul(kernel.transpose(2, 3), data)
    made = taps.reshape(n, groups * filters, *window, *sizes)
    for axis in reversed(range(spatial)):
        # Taps of this dimension are dimension 2 + axis, its positions the last not yet summed.
        place = 2 + 2 * axis + 1
        out = (sizes[axis] - 1) * stride[axis] + dilation[axis] * (window[axis] - 1) + 1
        out += extra[axis] - 2 * padding[axis]
        made = _overlapped(made, 2 + axis, place, stride[axis], dilation[axis], padding[axis], out)
    if bias is not None:
        made = made + _wide(bias).reshape(1, -1, *[1] * spatial)
    made = _convert(made, x.dtype)
    return _aten.squeeze.dim(made, 0) if is_single else made


def _overlapped(
    made: torch.Tensor, taps: int, place: int, stride: int, dilation: int, crop: int, out: int
) -> torch.Tensor:
    """Adds up the windows of one dimension.

    Args:
        made: Products.
        taps: The dimension of taps, which disappears.
        place: The dimension of positions, which becomes that of results.
        stride: Between windows.
        dilation: Between taps.
        crop: Results left out in front.
        out: Results that are kept.
    """
    window, size = made.shape[taps], made.shape[place]
    run = stride if dilation == 1 else 1
    distance = stride if dilation == 1 else dilation
    total: torch.Tensor | None = None
    for first in range(0, window, run):
        part = _aten.slice.Tensor(made, taps, first, min(first + run, window))
        missing = stride - part.shape[taps]
        # The taps go behind the positions, and fill the stride between them.
        part = part.movedim(taps, place)
        if missing:
            widths = [0, 0] * (part.ndim - 1 - place) + [0, missing]
            part = _aten.constant_pad_nd.default(part, widths, 0.0)
        part = part.reshape(*part.shape[: place - 1], size * stride, *part.shape[place + 1 :])
        shift = first // run * distance - crop
        part = _placed(part, place - 1, shift, out)
        total = part if total is None else total + part
    assert total is not None, "a window has taps"
    return total


def _placed(part: torch.Tensor, dim: int, shift: int, out: int) -> torch.Tensor:
    """A dimension moved by some places into one of size ``out``; zeros where nothing lands."""
    size = part.shape[dim]
    start, stop = max(0, -shift), min(size, out - shift)
    if stop <= start:
        shape = [*part.shape[:dim], out, *part.shape[dim + 1 :]]
        return _aten.full.default(shape, 0.0, dtype=part.dtype)
    if (start, stop) != (0, size):
        part = _aten.slice.Tensor(part, dim, start, stop)
    before, behind = max(0, shift), out - max(0, shift) - (stop - start)
    if not before and not behind:
        return part
    widths = [0, 0] * (part.ndim - 1 - dim) + [before, behind]
    return _aten.constant_pad_nd.default(part, widths, 0.0)
