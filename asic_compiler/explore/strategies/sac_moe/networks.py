"""The policy and the critics: small batched multi-layer perceptrons."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from asic_compiler.explore.environment import STEP_CHOICES
from asic_compiler.explore.protocol import Problem, context_of
from asic_compiler.explore.strategies.learning.layers import layer
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Sizes of one problem."""

    observed: int
    """What actor and critics see: features of the design, then the problem's context."""
    discrete: int
    """Discrete variables, each with a 5-way choice; there may be none."""
    continuous: int
    context: int = 0
    """How much of ``observed`` is context, which no action changes."""


def dimensions_of(problem: Problem) -> Dimensions:
    """Sizes of the networks for ``problem``."""
    context = len(context_of(problem))
    return Dimensions(
        observed=len(problem.observed) + context,
        discrete=len(problem.discrete_names),
        continuous=len(problem.continuous_names),
        context=context,
    )


@dataclass(frozen=True, slots=True)
class Policy:
    """The distribution over actions in each of B states."""

    logits: Tensor
    """[B, discrete, 5]"""
    mean: Tensor
    """[B, continuous] before the tanh: the mode of the action is ``tanh(mean)``."""
    log_std: Tensor
    """[B, continuous]"""
    gate: Tensor
    """[B, K] weight of each expert; rows sum to one."""


class Actor(nn.Module):
    """A shared trunk, K linear experts on its output, and a gate that mixes them."""

    def __init__(self, sizes: Dimensions, config: SacMoeConfig, generator: torch.Generator) -> None:
        super().__init__()
        self._sizes = sizes
        self._config = config
        outputs = sizes.discrete * STEP_CHOICES + 2 * sizes.continuous
        width, experts = config.hidden, config.experts
        self.w1, self.b1 = layer((sizes.observed, width), generator)
        self.w2, self.b2 = layer((width, width), generator)
        self.gate_w, self.gate_b = layer((width, experts), generator)
        self.expert_w, self.expert_b = layer((width, experts * outputs), generator)

    def forward(self, observation: Tensor) -> Policy:
        """The policy at ``observation`` [B, observed]."""
        hidden = functional.gelu(torch.addmm(self.b1, observation, self.w1))
        hidden = functional.gelu(torch.addmm(self.b2, hidden, self.w2))
        gate = torch.addmm(self.gate_b, hidden, self.gate_w).softmax(dim=-1)
        # All experts in one product, mixed in another: [B, 1, K] x [B, K, outputs].
        opinions = torch.addmm(self.expert_b, hidden, self.expert_w)
        opinions = opinions.view(len(hidden), self._config.experts, -1)
        mixed = torch.bmm(gate.unsqueeze(1), opinions).squeeze(1)
        discrete, continuous = self._sizes.discrete, self._sizes.continuous
        choices = discrete * STEP_CHOICES
        logits, gaussian = mixed[:, :choices], mixed[:, choices:]
        mean, log_std = gaussian[:, :continuous], gaussian[:, continuous:]
        return Policy(
            logits=logits.reshape(len(hidden), discrete, STEP_CHOICES),
            mean=mean,
            log_std=log_std.clamp(self._config.log_std_low, self._config.log_std_high),
            gate=gate,
        )


def balance_loss(gate: Tensor) -> Tensor:
    """``K * sum(mean gate^2)``: 1 where all experts are used alike, K where one is used alone."""
    return gate.shape[-1] * gate.mean(dim=0).square().sum()


class TwinCritics(nn.Module):
    """Two independent critics Q(state, discrete action, continuous action), in one batch."""

    def __init__(self, sizes: Dimensions, config: SacMoeConfig, generator: torch.Generator) -> None:
        super().__init__()
        inputs = sizes.observed + sizes.discrete * STEP_CHOICES + sizes.continuous
        width = config.hidden
        self.w1, self.b1 = layer((2, inputs, width), generator)
        self.w2, self.b2 = layer((2, width, width), generator)
        w3, b3 = layer((2, width, 1), generator)
        self.w3 = nn.Parameter(w3.detach().transpose(1, 2).contiguous())
        self.b3 = nn.Parameter(b3.detach().view(2, 1))

    def forward(self, observation: Tensor, one_hot: Tensor, continuous: Tensor) -> Tensor:
        """[2, B] the value of each action in each state by each critic.

        Args:
            observation: [B, observed]
            one_hot: [B, discrete, 5] the choice of each discrete variable.
            continuous: [B, continuous]
        """
        seen = torch.cat([observation, one_hot.flatten(1), continuous], dim=1)
        hidden = _normalise(torch.baddbmm(self.b1, seen.expand(2, -1, -1), self.w1)).relu()
        hidden = _normalise(torch.baddbmm(self.b2, hidden, self.w2)).relu()
        # One column: a product and a sum are faster than a third batched matrix product.
        return (hidden * self.w3).sum(dim=-1) + self.b3


def _normalise(hidden: Tensor) -> Tensor:
    """Layer normalisation: keeps a critic from running away where it has seen no actions."""
    return functional.layer_norm(hidden, hidden.shape[-1:])
