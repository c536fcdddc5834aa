"""Single layers that are known to be hard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn


class Of(nn.Module):
    """A function of a linear layer's results."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.linear = nn.Linear(16, 16)
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        """The model, once."""
        return self.function(self.linear(x))


def _of(function: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: (Of(function), (torch.zeros(2, 4, 16),))


def _pool(x: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(x[None], 320, ceil_mode=True)


FACTORIES: dict[str, Callable[[], Any]] = {
    "argmax": _of(lambda x: x.argmax(-1)),
    "cumsum": _of(lambda x: x.cumsum(1)),
    "large_pool": _of(_pool),
    "roll": _of(lambda x: x.roll((1, 2), (1, 2))),
    "select_by_mask": _of(lambda x: x[x > 0]),
    "sort": _of(lambda x: x.sort(-1)[0]),
    "topk": _of(lambda x: x.topk(2, -1)[0]),
}
