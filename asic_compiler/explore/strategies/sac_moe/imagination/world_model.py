"""What state an action leads to: a model of the environment, learned from replay."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from asic_compiler.explore.checkpoint.state import State, StateReader
from asic_compiler.explore.environment import LARGEST_STEP
from asic_compiler.explore.strategies.learning.adam import Adam
from asic_compiler.explore.strategies.learning.layers import layer
from asic_compiler.explore.strategies.learning.tensor_state import (
    module_state,
    restore_module,
)
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.networks import Dimensions
from asic_compiler.explore.strategies.sac_moe.replay import Batch

_WIDTHS = (128, 64)
"""Hidden layers. Seed paper: 82-128-64-52."""


class WorldModel(nn.Module):
    """The next observation as the present one plus a learned difference.

    The seed's inputs are the 52 features and the 30 continuous variables. Here the steps of the 4
    discrete variables are inputs too (a mesh that grows is most of what changes), and the problem's
    context, which is an input alone: no action changes it.
    """

    def __init__(self, sizes: Dimensions, config: SacMoeConfig, generator: torch.Generator) -> None:
        super().__init__()
        inputs = sizes.observed + sizes.discrete + sizes.continuous
        self._changing = sizes.observed - sizes.context
        self.w1, self.b1 = layer((inputs, _WIDTHS[0]), generator)
        self.w2, self.b2 = layer((_WIDTHS[0], _WIDTHS[1]), generator)
        self.w3, self.b3 = layer((_WIDTHS[1], self._changing), generator)
        rate = config.world_rate * config.learning_rate
        self._optimiser = Adam(self.parameters(), rate)

    def forward(self, observation: Tensor, choices: Tensor, continuous: Tensor) -> Tensor:
        """[B, observed] the observation after an action.

        Args:
            observation: [B, observed]
            choices: [B, discrete] in 0..4
            continuous: [B, continuous]
        """
        steps = (choices - LARGEST_STEP).to(observation.dtype) / LARGEST_STEP
        hidden = torch.cat([observation, steps, continuous], dim=1)
        hidden = functional.gelu(torch.addmm(self.b1, hidden, self.w1))
        hidden = functional.gelu(torch.addmm(self.b2, hidden, self.w2))
        change = torch.addmm(self.b3, hidden, self.w3)
        changed = observation[:, : self._changing] + change
        return torch.cat([changed, observation[:, self._changing :]], dim=1)

    def learn(self, batch: Batch) -> float:
        """One step on the mean squared error of B transitions, which it returns."""
        predicted = self(
            torch.as_tensor(batch.observation),
            torch.as_tensor(batch.choices),
            torch.as_tensor(batch.continuous),
        )
        loss = functional.mse_loss(predicted, torch.as_tensor(batch.next_observation))
        self._optimiser.zero_grad()
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        self._optimiser.step()
        return loss.item()

    def state(self) -> State:
        """The network and its optimiser."""
        return {"network": module_state(self), "optimiser": self._optimiser.state()}

    def restore(self, reader: StateReader) -> None:
        """Takes what :meth:`state` told; raises StateError."""
        restore_module(self, reader.part("network"))
        self._optimiser.restore(reader.part("optimiser"))
