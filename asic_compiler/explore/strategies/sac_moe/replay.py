"""Uniform experience replay: a ring of the latest transitions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asic_compiler.explore.protocol import FloatArray, IntArray

Float32Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Batch:
    """B transitions."""

    observation: Float32Array
    """[B, observed]"""
    choices: IntArray
    """[B, discrete] in 0..4"""
    continuous: Float32Array
    """[B, continuous]"""
    reward: Float32Array
    """[B]"""
    next_observation: Float32Array
    """[B, observed]"""
    terminated: Float32Array
    """[B] 1 where the next state has no value of its own. Truncation is not termination."""


class Replay:
    """Keeps the latest ``capacity`` transitions and draws from them uniformly.

    Args:
        capacity: Transitions kept; the oldest are overwritten.
        observed: Width of an observation.
        discrete: Discrete variables.
        continuous: Continuous variables.
        rng: For drawing.
    """

    def __init__(
        self,
        capacity: int,
        observed: int,
        discrete: int,
        continuous: int,
        rng: np.random.Generator,
    ) -> None:
        self._capacity = capacity
        self._rng = rng
        self._next = 0
        self._size = 0
        self._ring = Batch(
            observation=np.zeros((capacity, observed), np.float32),
            choices=np.zeros((capacity, discrete), np.int64),
            continuous=np.zeros((capacity, continuous), np.float32),
            reward=np.zeros(capacity, np.float32),
            next_observation=np.zeros((capacity, observed), np.float32),
            terminated=np.zeros(capacity, np.float32),
        )

    def __len__(self) -> int:
        return self._size

    @property
    def rewards(self) -> Float32Array:
        """[size] the rewards of all transitions kept, in no particular order."""
        return self._ring.reward[: self._size]

    def add(
        self,
        observation: FloatArray,
        choices: IntArray,
        continuous: FloatArray,
        reward: FloatArray,
        next_observation: FloatArray,
        terminated: bool,
    ) -> None:
        """Adds n transitions, n at most the capacity (shapes as in :class:`Batch`)."""
        count = len(reward)
        slots = (self._next + np.arange(count)) % self._capacity
        ring = self._ring
        ring.observation[slots] = observation
        ring.choices[slots] = choices
        ring.continuous[slots] = continuous
        ring.reward[slots] = reward
        ring.next_observation[slots] = next_observation
        ring.terminated[slots] = float(terminated)
        self._next = (self._next + count) % self._capacity
        self._size = min(self._size + count, self._capacity)

    def sample(self, count: int) -> Batch:
        """``count`` transitions, uniform with replacement.

        Raises:
            ValueError: If nothing was added yet.
        """
        rows = self._rng.integers(0, self._size, size=count)
        ring = self._ring
        return Batch(
            observation=ring.observation[rows],
            choices=ring.choices[rows],
            continuous=ring.continuous[rows],
            reward=ring.reward[rows],
            next_observation=ring.next_observation[rows],
            terminated=ring.terminated[rows],
        )
