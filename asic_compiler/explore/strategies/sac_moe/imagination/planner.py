"""Model-predictive control: sequences of actions tried on the world model before one is taken."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from asic_compiler.explore.checkpoint.state import State, StateReader
from asic_compiler.explore.environment import STEP_CHOICES
from asic_compiler.explore.protocol import IntArray
from asic_compiler.explore.strategies.learning.tensor_state import (
    restore_torch_generator,
    torch_generator_state,
)
from asic_compiler.explore.strategies.sac_moe.agent import Agent
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.imagination.world_model import WorldModel


class Planner:
    """Random shooting over the tile parameters, around what the policy would do.

    A candidate is a shift of the policy's tile parameters, kept over the horizon: an action is the
    next *value* of a variable, so that a sequence that shakes would be no design. Everything else
    follows the policy's mode in the imagined states. What a state is worth is the lower critic's
    value there: a candidate's worth is the discounted mean of these over the horizon. (The world
    model predicts states, not rewards, and the critics are what has learned from all rewards.) The
    first candidate has no shift, so that a plan is never worse than the policy by its own measure.

    Args:
        agent: Policy and critics.
        model: Predicts the next state.
        config: Candidates, horizon, noise, share.
        tile: Indices of the tile parameters among the continuous variables.
        generator: For the candidates.
    """

    def __init__(
        self,
        agent: Agent,
        model: WorldModel,
        config: SacMoeConfig,
        tile: IntArray,
        generator: torch.Generator,
    ) -> None:
        self._agent = agent
        self._model = model
        self._config = config
        self._tile = torch.as_tensor(tile)
        self._generator = generator

    def state(self) -> State:
        """The generator: the rest is the agent's and the model's."""
        return {"generator": torch_generator_state(self._generator)}

    def restore(self, reader: StateReader) -> None:
        """Takes what :meth:`state` told; raises StateError."""
        restore_torch_generator(self._generator, reader.part("generator"))

    @torch.no_grad()
    def improve(self, observation: Tensor, choices: Tensor, continuous: Tensor) -> Tensor:
        """[n, continuous] the policy's actions, their tile parameters moved towards the plan's.

        Args:
            observation: [n, observed] where the actions are to be taken.
            choices: [n, discrete] the policy's, in 0..4; they are kept.
            continuous: [n, continuous] the policy's.
        """
        count, tries = len(observation), self._config.mpc_candidates
        shifts = torch.zeros(count, tries, continuous.shape[1])
        shape = (count, tries - 1, len(self._tile))
        noise = torch.empty(shape).normal_(generator=self._generator)
        shifts[:, 1:, self._tile] = self._config.mpc_noise * noise
        shifts = shifts.flatten(0, 1)
        worth = self._worth(
            observation.repeat_interleave(tries, dim=0),
            choices.repeat_interleave(tries, dim=0),
            continuous.repeat_interleave(tries, dim=0),
            shifts,
        )
        best = worth.view(count, tries).argmax(dim=1) + torch.arange(count) * tries
        planned = (continuous + shifts[best]).clamp(-1.0, 1.0)
        # Without a shift both are the same, so that parameters outside the tile stay as they are.
        return torch.lerp(continuous, planned, self._config.mpc_share)

    def _worth(self, state: Tensor, choices: Tensor, values: Tensor, shifts: Tensor) -> Tensor:
        """[B] the discounted mean of the lower critic along each imagined path."""
        total = torch.zeros(len(state))
        discount, weight = 1.0, 0.0
        for step in range(self._config.mpc_horizon):
            if step > 0:
                policy = self._agent.actor(state)
                choices, values = policy.logits.argmax(dim=-1), policy.mean.tanh()
            action = (values + shifts).clamp(-1.0, 1.0)
            one_hot = functional.one_hot(choices, STEP_CHOICES).to(state.dtype)
            total += discount * self._agent.critics(state, one_hot, action).amin(dim=0)
            weight += discount
            discount *= self._config.gamma
            if step + 1 < self._config.mpc_horizon:
                state = self._model(state, choices, action)
        return total / weight
