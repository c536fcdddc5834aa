"""The learner: one actor, twin critics and their targets, two temperatures."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from asic_compiler.explore.checkpoint.state import State, StateReader
from asic_compiler.explore.environment import STEP_CHOICES
from asic_compiler.explore.protocol import BoolArray, Float32Array, FloatArray, IntArray
from asic_compiler.explore.strategies.learning.adam import Adam
from asic_compiler.explore.strategies.learning.tensor_state import (
    module_state,
    restore_module,
    restore_torch_generator,
    torch_generator_state,
)
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.distributions import (
    categorical,
    categorical_entropy,
    gumbel_noise,
    tanh_gaussian,
)
from asic_compiler.explore.strategies.sac_moe.networks import (
    Actor,
    Dimensions,
    TwinCritics,
    balance_loss,
)
from asic_compiler.explore.strategies.sac_moe.replay import Batch
from asic_compiler.explore.strategies.sac_moe.reward_scale import RewardScale


class Agent:
    """Soft actor-critic (Haarnoja et al. 2018) for one discrete and one continuous action at once.

    The policy factorises: pi(d, c | s) = pi(d | s) pi(c | s). The entropy of the discrete part is
    exact, that of the continuous part is sampled; each has a temperature and a target of its own,
    for their scales differ. All randomness comes from ``generator``.
    """

    def __init__(self, sizes: Dimensions, config: SacMoeConfig, generator: torch.Generator) -> None:
        self._config = config
        self._updates = 0
        self.reward_scale = RewardScale()
        self._generator = generator
        self.actor = Actor(sizes, config, generator)
        self.critics = TwinCritics(sizes, config, generator)
        self.targets = copy.deepcopy(self.critics).requires_grad_(False)
        # The temperatures of the continuous and of the discrete part, in this order.
        self.log_alpha = torch.full((2,), math.log(config.alpha), requires_grad=True)
        self.target_entropy = torch.tensor(
            [
                config.target_entropy * sizes.continuous,
                config.discrete_target_share * sizes.discrete * math.log(STEP_CHOICES),
            ]
        )
        self._actor_parameters = list(self.actor.parameters())
        rate = config.learning_rate
        self._actor_optimiser = Adam(self._actor_parameters, rate)
        self._critic_optimiser = Adam(self.critics.parameters(), rate)
        self._alpha_optimiser = Adam([self.log_alpha], config.alpha_learning_rate)

    @torch.no_grad()
    def act(self, observation: FloatArray, greedy: BoolArray) -> tuple[IntArray, FloatArray]:
        """Choices [n, discrete] in 0..4 and values [n, continuous] for ``observation`` [n, 52].

        Rows where ``greedy`` is true get the mode of the policy, the others a sample.
        """
        policy = self.actor(torch.as_tensor(observation, dtype=torch.float32))
        sampled = torch.as_tensor(~greedy).unsqueeze(1)
        noise = self._normal(policy.mean) * sampled
        gumbel = self._gumbel(policy.logits) * sampled.unsqueeze(2)
        choices = (policy.logits + gumbel).argmax(dim=-1)
        continuous = (policy.mean + policy.log_std.exp() * noise).tanh()
        return choices.numpy(), continuous.numpy().astype(np.float64)

    @torch.no_grad()
    def gate(self, observation: FloatArray) -> FloatArray:
        """[K] mean weight of each expert over ``observation`` [n, 52]."""
        policy = self.actor(torch.as_tensor(observation, dtype=torch.float32))
        return policy.gate.mean(dim=0).numpy().astype(np.float64)

    def update(self, batch: Batch) -> Float32Array:
        """One step of critics and targets on B transitions; every second also of the policy.

        Returns:
            [B] the critics' error before the step, the mean of both magnitudes.
        """
        observation = torch.as_tensor(batch.observation)
        alpha = self.log_alpha.detach().exp()

        target = self.soft_target(batch, alpha)
        one_hot = functional.one_hot(torch.as_tensor(batch.choices), STEP_CHOICES).float()
        values = self.critics(observation, one_hot, torch.as_tensor(batch.continuous))
        error = values - target
        weight = 1.0 if batch.weight is None else torch.as_tensor(batch.weight)
        # Summed over the twins, so that each learns at its full rate.
        critic_loss = (weight * error.square()).mean(dim=1).sum()
        self._critic_optimiser.zero_grad()
        critic_loss.backward()
        self._critic_optimiser.step()

        self._updates += 1
        if self._updates % self._config.actor_period == 0:
            self._improve(observation, alpha)
        self.follow()
        return error.detach().abs().mean(dim=0).numpy()

    def _improve(self, observation: Tensor, alpha: Tensor) -> None:
        actor_loss, entropy = self.actor_loss(observation, alpha)
        # Not backward(): the critics' parameters need no gradient here.
        gradients = torch.autograd.grad(actor_loss, self._actor_parameters)
        for parameter, gradient in zip(self._actor_parameters, gradients, strict=True):
            parameter.grad = gradient
        self._actor_optimiser.step()

        self.tune(entropy)

    @torch.no_grad()
    def soft_target(self, batch: Batch, alpha: Tensor) -> Tensor:
        """[B] reward + gamma * (lower target critic + alpha-weighted entropies of the policy)."""
        observation = torch.as_tensor(batch.next_observation)
        policy = self.actor(observation)
        continuous, log_density = tanh_gaussian(
            policy.mean, policy.log_std, self._normal(policy.mean)
        )
        one_hot = categorical(policy.logits, self._gumbel(policy.logits))
        value = self.targets(observation, one_hot, continuous).amin(dim=0)
        soft = value - alpha[0] * log_density + alpha[1] * categorical_entropy(policy.logits)
        alive = 1.0 - torch.as_tensor(batch.terminated)
        reward = self._config.reward_scale * self.reward_scale.apply(torch.as_tensor(batch.reward))
        return reward + self._config.gamma * alive * soft

    def actor_loss(self, observation: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, and the mean entropies [continuous, discrete] of the policy (no gradient)."""
        policy = self.actor(observation)
        continuous, log_density = tanh_gaussian(
            policy.mean, policy.log_std, self._normal(policy.mean)
        )
        value = self._expected_value(observation, policy.logits, continuous)
        entropy = torch.stack([-log_density.mean(), categorical_entropy(policy.logits).mean()])
        loss = -value - (alpha * entropy).sum()
        return loss + self._config.balance * balance_loss(policy.gate), entropy.detach()

    def _expected_value(self, observation: Tensor, logits: Tensor, continuous: Tensor) -> Tensor:
        """Mean value of the policy's actions, with the gradient of both halves of them.

        The continuous half is reparameterised. Of the discrete variables one is drawn, all of its
        choices are tried with the others as sampled, and their values are weighted by their
        probabilities: an unbiased gradient of low variance (Titsias and Lazaro-Gredilla 2015),
        exact where there is one variable. The joint expectation would take 5^4 passes.
        """
        one_hot = categorical(logits, self._gumbel(logits))
        variables = logits.shape[1]
        if variables == 0:
            return self.critics(observation, one_hot, continuous).amin(dim=0).mean()
        drawn = int(torch.randint(variables, (), generator=self._generator))
        tried = one_hot.unsqueeze(1).repeat(1, STEP_CHOICES, 1, 1)
        tried[:, :, drawn] = torch.eye(STEP_CHOICES)
        values = self.critics(
            observation.repeat_interleave(STEP_CHOICES, dim=0),
            tried.flatten(0, 1),
            continuous.repeat_interleave(STEP_CHOICES, dim=0),
        )
        values = values.amin(dim=0).view(-1, STEP_CHOICES)
        chances = logits[:, drawn].softmax(dim=-1)
        value = (chances.detach() * values).sum(dim=-1)
        choice = (chances * values.detach()).sum(dim=-1)
        # One of several variables is drawn: its gradient stands for those of all.
        return (value + variables * (choice - choice.detach())).mean()

    @torch.no_grad()
    def follow(self) -> None:
        """Moves the target critics by tau towards the critics (Polyak averaging)."""
        for target, source in zip(
            self.targets.parameters(), self.critics.parameters(), strict=True
        ):
            target.lerp_(source, self._config.tau)

    def tune(self, entropy: Tensor) -> None:
        """Raises a temperature whose entropy is below its target, lowers it otherwise."""
        # The gradient of log_alpha * (entropy - target), the usual surrogate for alpha * (...).
        self.log_alpha.grad = entropy - self.target_entropy
        self._alpha_optimiser.step()
        limit = self._config.log_alpha_limit
        with torch.no_grad():
            self.log_alpha.clamp_(-limit, limit)

    @property
    def alpha(self) -> tuple[float, float]:
        """Temperatures of the continuous and of the discrete part."""
        alpha = self.log_alpha.detach().exp()
        return float(alpha[0]), float(alpha[1])

    def state(self) -> State:
        """Networks, optimisers, temperatures and the generator.

        The scale of rewards is not among them: it follows from the replay, before every update.
        """
        return {
            "actor": module_state(self.actor),
            "critics": module_state(self.critics),
            "targets": module_state(self.targets),
            "log_alpha": self.log_alpha.detach().numpy().copy(),
            "actor_optimiser": self._actor_optimiser.state(),
            "critic_optimiser": self._critic_optimiser.state(),
            "alpha_optimiser": self._alpha_optimiser.state(),
            "generator": torch_generator_state(self._generator),
            "updates": self._updates,
        }

    def restore(self, reader: StateReader) -> None:
        """Takes what :meth:`state` told; raises StateError."""
        restore_module(self.actor, reader.part("actor"))
        restore_module(self.critics, reader.part("critics"))
        restore_module(self.targets, reader.part("targets"))
        limit = self._config.log_alpha_limit
        log_alpha = reader.array("log_alpha", np.float32, (2,), -limit, limit)
        with torch.no_grad():
            self.log_alpha.copy_(torch.as_tensor(log_alpha))
        self._actor_optimiser.restore(reader.part("actor_optimiser"))
        self._critic_optimiser.restore(reader.part("critic_optimiser"))
        self._alpha_optimiser.restore(reader.part("alpha_optimiser"))
        restore_torch_generator(self._generator, reader.part("generator"))
        self._updates = reader.integer("updates")

    def _normal(self, like: Tensor) -> Tensor:
        return torch.empty_like(like, requires_grad=False).normal_(generator=self._generator)

    def _gumbel(self, like: Tensor) -> Tensor:
        return gumbel_noise(tuple(like.shape), self._generator)
