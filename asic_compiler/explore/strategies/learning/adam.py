"""Adam, without what comes with torch's optimisers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.optim.adam import adam

from asic_compiler.explore.checkpoint.state import State, StateReader
from asic_compiler.explore.strategies.learning.tensor_state import fill, to_array

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
"""As Kingma and Ba (2015) suggest, and as torch has them."""


@dataclass(frozen=True, slots=True)
class _Moments:
    """What is remembered of one parameter's gradients."""

    step: Tensor
    exp_avg: Tensor
    exp_avg_sq: Tensor

    @property
    def named(self) -> Mapping[str, Tensor]:
        return {"step": self.step, "exp_avg": self.exp_avg, "exp_avg_sq": self.exp_avg_sq}


class Adam:
    """What ``torch.optim.Adam(parameters, lr=rate, fused=True)`` does, to the last bit.

    An optimiser of torch loads torch's compiler when it is made: two seconds of processor time,
    in which nothing is compiled. The step itself is torch's.

    Args:
        parameters: What is moved.
        rate: Learning rate.
    """

    def __init__(self, parameters: Iterable[Tensor], rate: float) -> None:
        self._parameters = list(parameters)
        self._rate = rate
        self._moments = [
            _Moments(torch.tensor(0.0), torch.zeros_like(p), torch.zeros_like(p))
            for p in (parameter.detach() for parameter in self._parameters)
        ]

    def zero_grad(self) -> None:
        """Forgets the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Moves every parameter that has a gradient."""
        moved = [
            (parameter, parameter.grad, moments)
            for parameter, moments in zip(self._parameters, self._moments, strict=True)
            if parameter.grad is not None
        ]
        adam(
            [parameter for parameter, _, _ in moved],
            [gradient for _, gradient, _ in moved],
            [moments.exp_avg for _, _, moments in moved],
            [moments.exp_avg_sq for _, _, moments in moved],
            [],
            [moments.step for _, _, moments in moved],
            fused=True,
            amsgrad=False,
            beta1=_BETA1,
            beta2=_BETA2,
            lr=self._rate,
            weight_decay=0.0,
            eps=_EPSILON,
            maximize=False,
        )

    def state(self) -> State:
        """Both moments and the step count of every parameter, in order."""
        return {
            str(index): {name: to_array(tensor) for name, tensor in moments.named.items()}
            for index, moments in enumerate(self._moments)
        }

    def restore(self, reader: StateReader) -> None:
        """Takes what :meth:`state` told; raises StateError."""
        for index, moments in enumerate(self._moments):
            part = reader.part(str(index))
            for name, tensor in moments.named.items():
                fill(tensor, part, name, -np.inf if name == "exp_avg" else 0.0)
