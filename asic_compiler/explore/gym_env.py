"""The decision process as a Gymnasium environment: one design, moved by one action a step.

Importing this module registers it, so that all of these work:

>>> import asic_compiler.explore.gym_env
>>> gymnasium.make("asic_compiler/ChipDesign-v0", model="llama.mlir", node="5nm")
>>> gymnasium.make("asic_compiler.explore.gym_env:asic_compiler/ChipDesign-v0", model="smollm-135m")

It is :class:`DesignEnvironment` with one design. Evaluating many designs at once is some ten times
faster a design; who can step many should use that class.
"""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from asic_compiler.explore.environment import STEP_CHOICES, DesignEnvironment
from asic_compiler.explore.protocol import (
    Evaluation,
    FloatArray,
    IntArray,
    Problem,
    context_of,
)
from asic_compiler.explore.recorder import Recorder
from asic_compiler.explore.reward import score

ID = "asic_compiler/ChipDesign-v0"
"""What ``gymnasium.make`` knows the environment by; :func:`asic_compiler.embedding.environment`
says what it takes."""

OBSERVATION_LIMIT = 10.0
"""Features are about -1 to 1; what lies beyond this is clipped."""

Action = tuple[NDArray[np.int64], NDArray[np.float32]]
Observation = NDArray[np.float32]
Flat = NDArray[np.float32]


class BudgetSpentError(RuntimeError):
    """A step or reset was asked for after the recorder's last evaluation."""


class ChipDesignEnv(gymnasium.Env[Observation, Action]):
    """One design of a problem, walked through the design space.

    - **Action**: ``Tuple(MultiDiscrete([5] * 4), Box(-1, 1, (30,)))``. A choice c moves its
      discrete variable (mesh width and height, super-cluster x and y) by c - 2, clipped to its
      range; the box holds the new values of the continuous variables.
    - **Observation**: ``Box(-10, 10, (52 + C,))``, the features that the actor sees and the
      problem's context, if it has one.
    - **Reward**: :func:`asic_compiler.explore.reward.reward` of the design arrived at.
    - **Episode**: from a design of ``problem.start`` (drawn with ``reset(seed=)``) until truncated
      after ``episode_length`` steps; never terminated.
    - **Info**: ``feasible``, ``score``, ``performance`` (1/s), ``power_w``, ``area_mm2``,
      ``violation``, and the design as evaluated: ``discrete``, ``continuous``.

    Args:
        problem: What is designed.
        episode_length: Steps until truncation.
        recorder: Counts and keeps the evaluations; without one there is no budget and no history.

    Raises:
        BudgetSpentError: In ``reset`` and ``step``, once the recorder has no evaluation left.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (as Gymnasium declares it)

    def __init__(
        self, problem: Problem, episode_length: int = 16, recorder: Recorder | None = None
    ) -> None:
        self._recorder = _Unrecorded(problem) if recorder is None else recorder
        self._episode_length = episode_length
        self._walk: DesignEnvironment | None = None
        self._age = 0
        observed = len(problem.observed) + len(context_of(problem))
        self.observation_space = spaces.Box(
            -OBSERVATION_LIMIT, OBSERVATION_LIMIT, (observed,), np.float32
        )
        actions: Any = spaces.Tuple(
            (
                spaces.MultiDiscrete([STEP_CHOICES] * len(problem.discrete_names)),
                spaces.Box(-1.0, 1.0, (len(problem.continuous_names),), np.float32),
            )
        )
        self.action_space = actions

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins an episode at a new start. There are no options."""
        super().reset(seed=seed)
        self._check_budget()
        endless = 2**62  # this class ends its episodes itself
        self._walk = DesignEnvironment(self._recorder, 1, endless, self.np_random)
        self._age = 0
        return _clipped(self._walk.observation[0]), self._info(self._walk.current)

    def step(self, action: Action) -> tuple[Observation, SupportsFloat, bool, bool, dict[str, Any]]:
        """Moves the design once."""
        assert self._walk is not None, "reset comes before step"
        self._check_budget()
        choices, continuous = action
        moved = self._walk.step(
            np.asarray(choices, np.int64)[None], np.asarray(continuous, np.float64)[None]
        )
        self._age += 1
        truncated = self._age >= self._episode_length
        return (
            _clipped(moved.next_observation[0]),
            float(moved.reward[0]),
            moved.terminated,
            truncated,
            self._info(moved.evaluation),
        )

    def _check_budget(self) -> None:
        if self._recorder.remaining <= 0:
            raise BudgetSpentError("the evaluation budget is spent")

    def _info(self, at: Evaluation) -> dict[str, Any]:
        return {
            "feasible": bool(at.feasible[0]),
            "score": float(score(at, self._recorder.problem)[0]),
            "performance": float(at.performance[0]),
            "power_w": float(at.power_w[0]),
            "area_mm2": float(at.area_mm2[0]),
            "violation": float(at.violation[0]),
            "discrete": at.discrete[0].copy(),
            "continuous": at.continuous[0].copy(),
        }


class FlatActions(gymnasium.ActionWrapper[Observation, Flat, Action]):
    """The same environment with one ``Box(-1, 1, (34,))``, for libraries that know no tuples.

    The first four coordinates are the choices: [-1, 1] in five equal parts.
    """

    def __init__(self, env: gymnasium.Env[Observation, Action]) -> None:
        super().__init__(env)
        actions: Any = env.action_space
        self._discrete = len(actions[0].nvec)
        size: int = self._discrete + actions[1].shape[0]
        self.action_space = spaces.Box(-1.0, 1.0, (size,), np.float32)

    def action(self, action: Flat) -> Action:
        """The tuple that a point of the box stands for."""
        share = (np.clip(action[: self._discrete], -1.0, 1.0) + 1.0) / 2.0
        choices = np.minimum((share * STEP_CHOICES).astype(np.int64), STEP_CHOICES - 1)
        return choices, np.clip(action[self._discrete :], -1.0, 1.0).astype(np.float32)


class _Unrecorded(Recorder):
    """Evaluates without end and remembers nothing: a policy may train for millions of steps."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem, budget=2**62)

    def evaluate(self, discrete: IntArray, continuous: FloatArray) -> Evaluation:
        return self.problem.evaluate(discrete, continuous)


def _clipped(observation: FloatArray) -> Observation:
    return np.clip(observation, -OBSERVATION_LIMIT, OBSERVATION_LIMIT).astype(np.float32)


if ID not in gymnasium.registry:
    gymnasium.register(  # pyright: ignore[reportUnknownMemberType]
        ID, entry_point="asic_compiler.embedding:environment"
    )
