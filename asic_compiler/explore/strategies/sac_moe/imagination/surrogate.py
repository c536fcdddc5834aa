"""What a design is worth without evaluating it: an ensemble that knows when it does not know."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from asic_compiler.explore.checkpoint.state import State, StateError, StateReader
from asic_compiler.explore.protocol import (
    Evaluation,
    FloatArray,
    IntArray,
    Problem,
    context_of,
)
from asic_compiler.explore.reward import normalised, reward
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.networks import layer
from asic_compiler.explore.strategies.sac_moe.replay import Float32Array
from asic_compiler.explore.strategies.sac_moe.tensor_state import (
    adam_state,
    module_state,
    restore_adam,
    restore_module,
    restore_torch_generator,
    torch_generator_state,
)

_HEADS = 4
"""Performance, power, area (normalised), and what the reward has beyond their weighted sum."""

_LOW, _HIGH = -3.0, 2.0
"""Targets are clipped to this range: far outside it nothing is to be told apart."""


class Surrogate(nn.Module):
    """Heads for performance, power and area of a *requested* design, before any projection.

    A design's inputs are its discrete variables (their logarithm, in [-1, 1]), its continuous
    variables and the problem's context, which says which node, workload and goal it is. Each member
    of the ensemble learns from other draws of the designs evaluated so far; where members disagree
    there were no designs to agree on (Lakshminarayanan et al. 2017).
    """

    def __init__(self, problem: Problem, config: SacMoeConfig, generator: torch.Generator) -> None:
        super().__init__()
        self._config = config
        self._generator = generator
        self._weights = torch.tensor(problem.weights)
        self._problem = problem
        self._context = context_of(problem)
        inputs = (
            len(problem.discrete_names) + len(problem.continuous_names) + self._context.shape[0]
        )
        members, width = config.ensemble, config.surrogate_hidden
        self.w1, self.b1 = layer((members, inputs, width), generator)
        self.w2, self.b2 = layer((members, width, width), generator)
        self.w3, self.b3 = layer((members, width, _HEADS), generator)
        self._optimiser = torch.optim.Adam(self.parameters(), lr=config.learning_rate, fused=True)
        self._inputs: Float32Array = np.zeros((0, inputs), np.float32)
        self._targets: Float32Array = np.zeros((0, _HEADS), np.float32)

    def __len__(self) -> int:
        """Designs that it learns from."""
        return len(self._targets)

    def forward(self, inputs: Tensor) -> Tensor:
        """[members, B, 4] each member's heads for ``inputs`` [B, D] or [members, B, D]."""
        if inputs.dim() == 2:
            inputs = inputs.expand(self._config.ensemble, -1, -1)
        hidden = functional.gelu(torch.baddbmm(self.b1, inputs, self.w1))
        hidden = functional.gelu(torch.baddbmm(self.b2, hidden, self.w2))
        return torch.baddbmm(self.b3, hidden, self.w3)

    def add(self, discrete: IntArray, continuous: FloatArray, outcome: Evaluation) -> None:
        """Remembers what n requested designs turned out to be; the oldest are forgotten."""
        objectives = normalised(outcome, self._problem)
        weighted = objectives @ (np.array(self._problem.weights) * (1.0, -1.0, -1.0))
        rest = reward(outcome, self._problem) - weighted
        targets = np.clip(np.concatenate([objectives, rest[:, None]], axis=1), _LOW, _HIGH)
        keep = -self._config.replay_capacity
        described = self.describe(discrete, continuous)
        self._inputs = np.concatenate([self._inputs, described])[keep:]
        self._targets = np.concatenate([self._targets, targets.astype(np.float32)])[keep:]

    def learn(self) -> float:
        """One step of every member on a batch of its own; the mean squared error before it."""
        members, batch = self._config.ensemble, self._config.batch
        rows = torch.randint(len(self), (members, batch), generator=self._generator)
        inputs = torch.as_tensor(self._inputs)[rows]
        error = (self(inputs) - torch.as_tensor(self._targets)[rows]).square()
        # Summed over the members, so that each learns at its full rate.
        loss = error.mean(dim=(1, 2)).sum()
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()  # pyright: ignore[reportUnknownMemberType]
        return loss.item() / members

    @torch.no_grad()
    def judge(self, discrete: IntArray, continuous: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The members' mean reward of n requested designs, and its standard deviation: [n], [n]."""
        heads = self(torch.as_tensor(self.describe(discrete, continuous)))
        performance, power, area, rest = heads.unbind(dim=-1)
        a, b, c = self._weights
        rewards = a * performance - b * power - c * area + rest
        return (
            rewards.mean(dim=0).numpy().astype(np.float64),
            rewards.std(dim=0).numpy().astype(np.float64),
        )

    def describe(self, discrete: IntArray, continuous: FloatArray) -> Float32Array:
        """[n, D] designs as the networks see them."""
        low, high = self._problem.discrete_low, self._problem.discrete_high
        span = np.maximum(np.log1p(high - low), 1e-9)
        position = 2.0 * np.log1p(discrete - low) / span - 1.0
        context = np.broadcast_to(self._context, (len(discrete), len(self._context)))
        return np.concatenate([position, continuous, context], axis=1).astype(np.float32)

    def state(self) -> State:
        """Networks, optimiser, generator and what was learned from."""
        return {
            "network": module_state(self),
            "optimiser": adam_state(self._optimiser),
            "generator": torch_generator_state(self._generator),
            "inputs": self._inputs,
            "targets": self._targets,
        }

    def restore(self, reader: StateReader) -> None:
        """Takes what :meth:`state` told; raises StateError."""
        restore_module(self, reader.part("network"))
        restore_adam(self._optimiser, reader.part("optimiser"))
        restore_torch_generator(self._generator, reader.part("generator"))
        width = self._inputs.shape[1]
        inputs = reader.array("inputs", np.float32, (None, width))
        if len(inputs) > self._config.replay_capacity:
            raise StateError(f"the surrogate learns from at most {self._config.replay_capacity}")
        self._inputs = inputs
        self._targets = reader.array("targets", np.float32, (len(inputs), _HEADS), _LOW, _HIGH)


def screen(mean: FloatArray, deviation: FloatArray, trusted: float) -> IntArray:
    """Which of M proposals is taken for each of n designs.

    Args:
        mean: [M, n] predicted rewards.
        deviation: [M, n] their standard deviations among the members.
        trusted: Largest deviation at which a prediction counts.

    Returns:
        [n] the proposal of highest predicted reward among those that are trusted; the first where
        none is.
    """
    return np.where(deviation <= trusted, mean, -np.inf).argmax(axis=0)
