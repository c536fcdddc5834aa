"""Exploration near what paid: the best designs so far, and random moves around them."""

from __future__ import annotations

from collections import Counter

import numpy as np

from asic_compiler.explore.checkpoint.state import State, StateError, StateReader
from asic_compiler.explore.environment import LARGEST_STEP
from asic_compiler.explore.protocol import FloatArray, IntArray, Problem

_FINEST, _COARSEST = 0.01, 0.5
"""Standard deviations of a perturbation: drawn between these, uniformly in their logarithm."""

_CONTINUOUS_SHARE = 0.3
"""Share of the continuous variables that one move perturbs."""

_DISCRETE_SHARE = 0.4
"""Share of the discrete variables that one move shifts by -2..+2."""

_LEAST_TAKEN = 0.05
"""Share of the variables that a crossed action takes from the policy: drawn between this and 1,
uniformly in its logarithm."""


_MESH = 2
"""Discrete variables that make the mesh: width and height."""


class Elite:
    """The designs of highest reward so far, and actions that lead near one of them.

    In 30 dimensions a uniform action is almost never good, so that replay would hold no good
    design to learn from. As in an evolution strategy, some exploring actions are perturbations of
    the best seen; the learner is off-policy and may learn from them as from any other.

    Args:
        capacity: Designs kept.
        discrete: Discrete variables, the mesh's first.
        continuous: Continuous variables.
        per_mesh: Of these, designs of one mesh at most; None is no limit. A step moves a mesh by
            little, and between two good ones of as many tiles there may be none that is feasible:
            where all kept are of one mesh, the others are never tuned.
    """

    def __init__(
        self, capacity: int, discrete: int, continuous: int, per_mesh: int | None = None
    ) -> None:
        self._capacity = capacity
        self._per_mesh = per_mesh or capacity
        self.discrete: IntArray = np.zeros((0, discrete), np.int64)
        self.continuous: FloatArray = np.zeros((0, continuous))
        self.reward: FloatArray = np.zeros(0)

    def offer(self, discrete: IntArray, continuous: FloatArray, reward: FloatArray) -> None:
        """Keeps the best of what it has and of these [n] designs; of equals, the older."""
        rewards = np.concatenate([self.reward, reward])
        designs = np.concatenate([self.discrete, discrete])
        kept: list[int] = []
        held: Counter[tuple[int, ...]] = Counter()
        for index in np.argsort(-rewards, kind="stable").tolist():
            mesh = tuple(designs[index, :_MESH].tolist())
            if held[mesh] < self._per_mesh and len(kept) < self._capacity:
                held[mesh] += 1
                kept.append(index)
        self.discrete = designs[kept]
        self.continuous = np.concatenate([self.continuous, continuous])[kept]
        self.reward = rewards[kept]

    def returns(self, count: int) -> tuple[IntArray, FloatArray]:
        """The best designs, at most ``count``, best first: where new episodes may begin."""
        return self.discrete[:count], self.continuous[:count]

    def actions(self, current: IntArray, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """Choices [n, 4] in 0..4 and values [n, 30] for designs at ``current`` [n, 4].

        Each walks towards the mesh of an elite design, as far as one step goes, with that
        design's continuous variables, a few of both perturbed.
        """
        count = len(current)
        parents = rng.integers(0, len(self.reward), count)
        goal = self.discrete[parents]
        shifts = rng.integers(-LARGEST_STEP, LARGEST_STEP, goal.shape, endpoint=True)
        goal = goal + shifts * (rng.random(goal.shape) < _DISCRETE_SHARE)
        steps = np.clip(goal - current, -LARGEST_STEP, LARGEST_STEP)
        values = self.continuous[parents]
        scale = np.exp(rng.uniform(np.log(_FINEST), np.log(_COARSEST), (count, 1)))
        noise = rng.normal(size=values.shape) * scale
        noise *= rng.random(values.shape) < _CONTINUOUS_SHARE
        return steps + LARGEST_STEP, np.clip(values + noise, -1.0, 1.0)

    def crossed(
        self, current: IntArray, choices: IntArray, values: FloatArray, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray]:
        """Elite designs with some of their variables taken from the actions that are given.

        An action sets all variables at once, and one that is wrong in a few is worth nothing; so
        the policy is asked for a few and a good design for the others.

        Args:
            current: [n, 4] discrete values of the designs acted on.
            choices: [n, 4] of the policy.
            values: [n, 30] of the policy.
            rng: Draws parents and variables.
        """
        count = len(current)
        parents = rng.integers(0, len(self.reward), count)
        share = np.exp(rng.uniform(np.log(_LEAST_TAKEN), 0.0, (count, 1)))
        taken = rng.random(values.shape) < share
        moved = rng.random(choices.shape) < share
        steps = np.clip(self.discrete[parents] - current, -LARGEST_STEP, LARGEST_STEP)
        return (
            np.where(moved, choices, steps + LARGEST_STEP),
            np.where(taken, values, self.continuous[parents]),
        )

    def state(self) -> State:
        """The designs kept."""
        return {"discrete": self.discrete, "continuous": self.continuous, "reward": self.reward}

    def restore(self, reader: StateReader, problem: Problem) -> None:
        """Takes what :meth:`state` told of a search of ``problem``; raises StateError."""
        reward = reader.array("reward", np.float64, (None,))
        size = len(reward)
        if size > self._capacity:
            raise StateError(f"{size} elite designs do not fit into {self._capacity}")
        discrete = reader.array("discrete", np.int64, (size, self.discrete.shape[1]))
        if not ((problem.discrete_low <= discrete) & (discrete <= problem.discrete_high)).all():
            raise StateError("a discrete variable of an elite design is outside its range")
        width = self.continuous.shape[1]
        self.continuous = reader.array("continuous", np.float64, (size, width), -1.0, 1.0)
        self.discrete, self.reward = discrete, reward
