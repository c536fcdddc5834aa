"""What a design is worth without evaluating it: an ensemble that knows when it does not know."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from asic_compiler.explore.checkpoint.state import State, StateError, StateReader
from asic_compiler.explore.protocol import (
    Evaluation,
    Float32Array,
    FloatArray,
    IntArray,
    Problem,
    context_of,
    foresight_of,
)
from asic_compiler.explore.reward import RewardCoefficients, normalised, violation_penalty
from asic_compiler.explore.strategies.evolution.candidates import Candidates
from asic_compiler.explore.strategies.learning.adam import Adam
from asic_compiler.explore.strategies.learning.layers import layer
from asic_compiler.explore.strategies.learning.tensor_state import (
    module_state,
    restore_module,
    restore_torch_generator,
    torch_generator_state,
)

_HEADS = 4
"""Performance, power, area (normalised), and the violation, see ``_STEEPNESS``."""

_LOW, _HIGH = -3.0, 2.0
"""Targets are clipped to this range: far outside it nothing is to be told apart."""

_STEEPNESS = 20.0
"""The fourth head learns log(1 + 20 v) / 2 of a violation v: small ones are told from none."""

_NONE = 0.05
"""Value of that head up to which a design counts as feasible: v = 0.5 %."""

_BORDER = 0.5 * _NONE
"""Width of the logistic by which a member's chance falls from one to zero around there."""

_SUREST = 1e-4
"""The least standard deviation of a score, 0.05 % of the figure of merit."""


class SurrogateConfig(Protocol):
    """What a surrogate reads of the configuration of the search that it is part of."""

    @property
    def ensemble(self) -> int:
        """Members that must agree."""
        ...

    @property
    def surrogate_hidden(self) -> int:
        """Width of both hidden layers of a member."""
        ...

    @property
    def surrogate_learning_rate(self) -> float:
        """Of Adam."""
        ...

    @property
    def batch(self) -> int:
        """Designs that a member sees in an update."""
        ...

    @property
    def replay_capacity(self) -> int:
        """Designs kept to learn from."""
        ...

    @property
    def disagreement(self) -> float:
        """Largest standard deviation among the members at which a prediction counts."""
        ...


class Surrogate(nn.Module):
    """Heads for performance, power, area and violation of a design that was not evaluated yet.

    A design's inputs are what the problem foresees of it
    (:func:`~asic_compiler.explore.protocol.foresight_of`) and the problem's context, which says
    which node, workload and goal it is. Each member
    of the ensemble learns from other draws of the designs evaluated so far; where members disagree
    there were no designs to agree on (Lakshminarayanan et al. 2017).
    """

    def __init__(
        self, problem: Problem, config: SurrogateConfig, generator: torch.Generator
    ) -> None:
        super().__init__()
        self._config = config
        self._generator = generator
        self._problem = problem
        self._context = context_of(problem)
        nowhere = (problem.discrete_low[None], np.zeros((1, len(problem.continuous_names))))
        inputs = self.describe(*nowhere).shape[1]
        members, width = config.ensemble, config.surrogate_hidden
        self.w1, self.b1 = layer((members, inputs, width), generator)
        self.w2, self.b2 = layer((members, width, width), generator)
        self.w3, self.b3 = layer((members, width, _HEADS), generator)
        self._optimiser = Adam(self.parameters(), config.surrogate_learning_rate)
        self._inputs: Float32Array = np.zeros((0, inputs), np.float32)
        self._targets: Float32Array = np.zeros((0, _HEADS), np.float32)
        self._best: Tensor | None = None
        self._sorted = 0
        self._updates = 0

    def __len__(self) -> int:
        """Designs that it learns from."""
        return len(self._targets)

    @property
    def begun(self) -> bool:
        """Whether it has learned anything yet."""
        return self._updates > 0

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
        excess = np.log1p(_STEEPNESS * outcome.violation) / 2.0
        targets = np.clip(np.concatenate([objectives, excess[:, None]], axis=1), _LOW, _HIGH)
        keep = -self._config.replay_capacity
        described = self.describe(discrete, continuous)
        self._inputs = np.concatenate([self._inputs, described])[keep:]
        self._targets = np.concatenate([self._targets, targets.astype(np.float32)])[keep:]

    def learn(self) -> float:
        """One step of every member on a batch of its own; the mean squared error before it.

        Half of a batch comes from the best quarter of the designs: there a difference counts.
        """
        members, batch = self._config.ensemble, self._config.batch
        rows = torch.randint(len(self), (members, batch), generator=self._generator)
        best = self._best_quarter()
        among = torch.randint(len(best), (members, batch // 2), generator=self._generator)
        rows[:, : batch // 2] = best[among]
        inputs = torch.as_tensor(self._inputs)[rows]
        error = (self(inputs) - torch.as_tensor(self._targets)[rows]).square()
        # Summed over the members, so that each learns at its full rate.
        loss = error.mean(dim=(1, 2)).sum()
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self._updates += 1
        return loss.item() / members

    def judge(
        self, discrete: IntArray, continuous: FloatArray, best: float | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """What n requested designs promise, and by how much the members disagree: [n], [n].

        Args:
            discrete: [n, 4]
            continuous: [n, 30]
            best: Score of the best feasible design so far. What a design promises is by how much
                it is expected to be better (Jones et al. 1998): the mean of its score's part above
                ``best``, a score being normal with the members' mean and deviation, times the
                chance that it is feasible. Without a ``best`` it is the members' mean reward.
        """
        heads = self._heads(discrete, continuous)
        if best is None:
            rewards = self._reward(heads)
            return rewards.mean(axis=0), rewards.std(axis=0)
        scores = self._score(heads)
        deviation = np.maximum(scores.std(axis=0), _SUREST)
        chance = 1.0 / (1.0 + np.exp((heads[..., 3] - _NONE) / _BORDER))
        promise = expected_improvement(scores.mean(axis=0) - best, deviation)
        return chance.mean(axis=0) * promise, deviation

    def worth(self, designs: Candidates, best: float | None) -> FloatArray:
        """[n] what :meth:`judge` says that designs promise; -inf where the members disagree."""
        promise, deviation = self.judge(designs.discrete, designs.continuous, best)
        return np.where(deviation <= self._config.disagreement, promise, -np.inf)

    @torch.no_grad()
    def _heads(self, discrete: IntArray, continuous: FloatArray) -> FloatArray:
        heads: Tensor = self(torch.as_tensor(self.describe(discrete, continuous)))
        return heads.numpy().astype(np.float64)

    def _score(self, heads: FloatArray) -> FloatArray:
        a, b, c = self._problem.weights
        return a * heads[..., 0] - b * heads[..., 1] - c * heads[..., 2]

    def _reward(self, heads: FloatArray) -> FloatArray:
        """[...] the reward of what the heads [..., 4] say, without margin and hazards."""
        violation = np.expm1(2.0 * np.clip(heads[..., 3], 0.0, _HIGH)) / _STEEPNESS
        feasible = heads[..., 3] <= _NONE
        values = np.where(feasible[..., None], heads[..., :3], np.clip(heads[..., :3], 0.0, 1.0))
        shape = RewardCoefficients()
        penalty = violation_penalty(violation, shape.knee)
        return self._score(values) + shape.feasibility * np.where(feasible, 1.0, -penalty)

    def _best_quarter(self) -> Tensor:
        """Rows of the designs of highest reward, sorted out anew when there are more designs."""
        if self._best is None or len(self) != self._sorted:
            rewards = self._reward(self._targets.astype(np.float64))
            order = np.argsort(-rewards, kind="stable")
            self._best = torch.as_tensor(order[: max(len(order) // 4, 1)].copy())
            self._sorted = len(self)
        return self._best

    def describe(self, discrete: IntArray, continuous: FloatArray) -> Float32Array:
        """[n, D] designs as the networks see them."""
        known = foresight_of(self._problem, discrete, continuous)
        context = np.broadcast_to(self._context, (len(discrete), len(self._context)))
        return np.concatenate([known, context], axis=1).astype(np.float32)

    def state(self) -> State:
        """Networks, optimiser, generator and what was learned from."""
        return {
            "network": module_state(self),
            "optimiser": self._optimiser.state(),
            "generator": torch_generator_state(self._generator),
            "inputs": self._inputs,
            "targets": self._targets,
            "updates": self._updates,
        }

    def restore(self, reader: StateReader) -> None:
        """Takes what :meth:`state` told; raises StateError."""
        restore_module(self, reader.part("network"))
        self._optimiser.restore(reader.part("optimiser"))
        restore_torch_generator(self._generator, reader.part("generator"))
        width = self._inputs.shape[1]
        inputs = reader.array("inputs", np.float32, (None, width))
        if len(inputs) > self._config.replay_capacity:
            raise StateError(f"the surrogate learns from at most {self._config.replay_capacity}")
        self._inputs = inputs
        self._targets = reader.array("targets", np.float32, (len(inputs), _HEADS), _LOW, _HIGH)
        self._updates = reader.integer("updates")


def expected_improvement(lead: FloatArray, deviation: FloatArray) -> FloatArray:
    """[...] E max(lead + deviation * z, 0) of a standard normal z."""
    sure = lead / deviation
    # torch has no stub for ndtr.
    below = torch.special.ndtr(torch.as_tensor(sure)).numpy()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    density = np.exp(-0.5 * sure**2) / np.sqrt(2.0 * np.pi)
    # Where both terms underflow their sum is noise of either sign.
    return np.maximum(lead * below + deviation * density, 0.0)  # pyright: ignore[reportUnknownArgumentType]
