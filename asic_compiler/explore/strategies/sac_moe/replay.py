"""Prioritised experience replay: a ring of the latest transitions, drawn by their error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.explore.checkpoint.state import (
    State,
    StateError,
    StateReader,
    generator_state,
)
from asic_compiler.explore.environment import STEP_CHOICES
from asic_compiler.explore.protocol import Float32Array, FloatArray, IntArray

_LEAST_ERROR = 1e-3
"""Added to every error, so that a transition that fits is still drawn now and then."""


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
    weight: Float32Array | None = None
    """[B] importance in the critics' loss, at most 1; None counts all alike."""
    rows: IntArray | None = None
    """[B] where the transitions lie in the ring."""


class Replay:
    """Keeps the latest ``capacity`` transitions and draws from them by priority.

    A transition's chance is its last absolute temporal-difference error to the power ``exponent``
    (Schaul et al. 2016, proportional variant); a new one has the largest priority so far. Drawing
    goes by cumulative sums and not by a sum tree: a draw of 256 with its update takes 32 us against
    148 at the 4,613 transitions of a run; only beyond about 30,000 is the tree the faster.

    Args:
        capacity: Transitions kept; the oldest are overwritten.
        observed: Width of an observation.
        discrete: Discrete variables.
        continuous: Continuous variables.
        rng: For drawing.
        exponent: Of the priorities; 0 draws uniformly, and weighs all alike.
    """

    def __init__(
        self,
        capacity: int,
        observed: int,
        discrete: int,
        continuous: int,
        rng: np.random.Generator,
        exponent: float = 0.0,
    ) -> None:
        self._capacity = capacity
        self._rng = rng
        self._exponent = exponent
        self._next = 0
        self._size = 0
        self._largest = 1.0
        self._priority = np.zeros(capacity)
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
        terminated: bool | FloatArray,
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
        ring.terminated[slots] = terminated
        self._priority[slots] = self._largest
        self._next = (self._next + count) % self._capacity
        self._size = min(self._size + count, self._capacity)

    def sample(self, count: int, importance: float = 1.0) -> Batch:
        """``count`` transitions, with replacement.

        Args:
            count: B.
            importance: Exponent beta of the weights (N P)^-beta, which are divided by the largest.

        Raises:
            ValueError: If nothing was added yet.
        """
        weight = None
        if self._exponent > 0.0:
            rows, weight = self._draw(count, importance)
        else:
            rows = self._rng.integers(0, self._size, size=count)
        ring = self._ring
        return Batch(
            observation=ring.observation[rows],
            choices=ring.choices[rows],
            continuous=ring.continuous[rows],
            reward=ring.reward[rows],
            next_observation=ring.next_observation[rows],
            terminated=ring.terminated[rows],
            weight=weight,
            rows=rows,
        )

    def learned(self, rows: IntArray, error: Float32Array) -> None:
        """Says by how much the critics were wrong on the transitions ``rows`` [B]."""
        if self._exponent > 0.0:
            priority = (np.abs(error.astype(np.float64)) + _LEAST_ERROR) ** self._exponent
            self._priority[rows] = priority
            self._largest = max(self._largest, float(priority.max()))

    def _draw(self, count: int, importance: float) -> tuple[IntArray, Float32Array]:
        if self._size == 0:
            raise ValueError("there is nothing to draw from")
        priority = self._priority[: self._size]
        total: FloatArray = np.cumsum(priority)
        # One draw in each of `count` equal slices: less variance than independent draws.
        at = (np.arange(count) + self._rng.random(count)) * (total[-1] / count)
        found = np.asarray(total.searchsorted(at, side="right"), dtype=np.int64)
        rows = np.minimum(found, self._size - 1)
        weight = (priority[rows] * (self._size / total[-1])) ** -importance
        return rows, (weight / weight.max()).astype(np.float32)

    def state(self) -> State:
        """What is kept, and where the next goes."""
        ring, size = self._ring, self._size
        return {
            "observation": ring.observation[:size],
            "choices": ring.choices[:size],
            "continuous": ring.continuous[:size],
            "reward": ring.reward[:size],
            "next_observation": ring.next_observation[:size],
            "terminated": ring.terminated[:size],
            "priority": self._priority[:size],
            "largest": self._largest,
            "next": self._next,
            "rng": generator_state(self._rng),
        }

    def restore(self, reader: StateReader) -> None:
        """Takes what :meth:`state` told; raises StateError."""
        ring = self._ring
        observed, continuous = ring.observation.shape[1], ring.continuous.shape[1]
        reward = reader.array("reward", np.float32, (None,))
        size = len(reward)
        if size > self._capacity:
            raise StateError(f"{size} transitions do not fit into {self._capacity}")
        read = {
            "observation": reader.array("observation", np.float32, (size, observed)),
            "choices": reader.array(
                "choices", np.int64, (size, ring.choices.shape[1]), 0, STEP_CHOICES - 1
            ),
            "continuous": reader.array("continuous", np.float32, (size, continuous), -1.0, 1.0),
            "reward": reward,
            "next_observation": reader.array("next_observation", np.float32, (size, observed)),
            "terminated": reader.array("terminated", np.float32, (size,), 0.0, 1.0),
        }
        for name, values in read.items():
            getattr(ring, name)[:size] = values
        # At most the priority of an error that float32 can hold.
        self._priority[:size] = reader.array("priority", np.float64, (size,), 1e-12, 1e39)
        self._largest = reader.number("largest", 1.0, 1e39)
        self._next = reader.integer("next", 0, self._capacity - 1)
        self._rng = reader.generator("rng")
        self._size = size
