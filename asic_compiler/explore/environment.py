"""The Markov decision process: N designs, each moved by one action a step, all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from asic_compiler.explore.archive import concatenate, take
from asic_compiler.explore.checkpoint.rows import evaluation_state, read_evaluation
from asic_compiler.explore.checkpoint.state import State, StateError, StateReader, generator_state
from asic_compiler.explore.protocol import Evaluation, FloatArray, IntArray, context_of
from asic_compiler.explore.recorder import Recorder
from asic_compiler.explore.reward import RewardCoefficients, reward

STEP_CHOICES = 5
"""Ways to move one discrete variable in a step."""

LARGEST_STEP = STEP_CHOICES // 2
"""A choice c in 0..4 moves its variable by c - 2."""


@dataclass(frozen=True, slots=True)
class Transition:
    """What one step of n designs led to."""

    reward: FloatArray
    """[n]"""
    next_observation: FloatArray
    """[n, 52 + C] of the designs arrived at, before any reset."""
    terminated: bool
    """Always false: no design is the end of the walk, there is always a next step."""
    truncated: bool
    """Whether the episode's length was reached; the next state's value still counts."""
    evaluation: Evaluation
    """n rows."""


Returns = Callable[[int], Evaluation]
"""At most so many designs to begin from, evaluated before."""


Starts = Callable[[int, np.random.Generator], tuple[IntArray, FloatArray]]
"""Designs to begin from, not evaluated yet, as ``Problem.start`` gives them."""


class DesignEnvironment:
    """N designs walked side by side until the recorder's budget is spent.

    The state is a design and what is known of it. A discrete action moves each of the 4 discrete
    variables by -2..+2 and is clipped to the problem's range; a continuous action *is* the next
    value of the 30 continuous variables. The problem projects and quantises; the walk goes on from
    what was evaluated. After ``episode_length`` steps all designs start anew from
    ``problem.start``, whose evaluation costs budget like any other; going back to a design that
    was evaluated before costs nothing.

    Args:
        recorder: Evaluates, counts and remembers.
        count: N, designs side by side.
        episode_length: Steps until truncation.
        rng: For the starting designs.
        coefficients: The shape of the reward.
        returns: Designs that later episodes begin from instead, as many as it gives.
        starts: Designs that episodes begin from anew; those of the problem if None.
        resumed: What :meth:`state` told, to go on from there and not from a start.

    Raises:
        StateError: That is no state of this environment.
    """

    def __init__(
        self,
        recorder: Recorder,
        count: int,
        episode_length: int,
        rng: np.random.Generator,
        coefficients: RewardCoefficients | None = None,
        returns: Returns | None = None,
        starts: Starts | None = None,
        resumed: StateReader | None = None,
    ) -> None:
        self._recorder = recorder
        self._problem = recorder.problem
        self._count = count
        self._episode_length = episode_length
        self._rng = rng
        self._coefficients = coefficients
        self._returns = returns
        self._starts = starts or recorder.problem.start
        self._context = context_of(self._problem)
        self._age = 0
        self._current = self._start() if resumed is None else self._restored(resumed)

    @property
    def exhausted(self) -> bool:
        """Whether the budget is spent: no further step is possible."""
        return self._recorder.remaining == 0

    @property
    def current(self) -> Evaluation:
        """The designs that the next step starts from (fewer than N rows once exhausted)."""
        return self._current

    @property
    def observation(self) -> FloatArray:
        """[N, 52 + C] what the actor sees of the current designs (fewer rows once exhausted).

        The observed features of each design, then the problem's context, the same in every row.
        """
        return self._observe(self.current)

    def destination(self, choices: IntArray) -> IntArray:
        """[n, 4] discrete values that ``choices`` [n, 4] ask for from the current designs.

        n may be a multiple of the number of designs: they are then repeated as a whole.
        """
        here = np.tile(self.current.discrete, (len(choices) // len(self.current), 1))
        return np.clip(
            here + choices - LARGEST_STEP, self._problem.discrete_low, self._problem.discrete_high
        )

    def step(self, choices: IntArray, continuous: FloatArray) -> Transition:
        """Moves every design once, or as many of the first of them as the budget allows.

        Args:
            choices: [N, 4] in 0..4, a step of -2..+2.
            continuous: [N, 30] in [-1, 1].

        Raises:
            ValueError: If a choice is not in 0..4 or a value not in [-1, 1].
            RuntimeError: If the budget is spent.
        """
        if choices.min() < 0 or choices.max() >= STEP_CHOICES:
            raise ValueError(f"a choice is outside 0..{STEP_CHOICES - 1}")
        if not (np.abs(continuous) <= 1.0).all():
            raise ValueError("a continuous action is outside [-1, 1]")
        evaluation = self._recorder.evaluate(self.destination(choices), continuous)
        self._age += 1
        truncated = self._age == self._episode_length
        self._current = evaluation
        transition = Transition(
            reward=reward(evaluation, self._problem, self._coefficients),
            next_observation=self._observe(evaluation),
            terminated=False,
            truncated=truncated,
            evaluation=evaluation,
        )
        if truncated and not self.exhausted:
            self._current = self._start()
        return transition

    def go_back(self, rows: IntArray, designs: Evaluation) -> None:
        """Has the walks of ``rows`` go on from ``designs``, evaluated before, a row each."""
        origin = np.arange(len(self._current))
        origin[rows] = len(self._current) + np.arange(len(rows))
        self._current = take(concatenate([self._current, designs]), origin)

    def _start(self) -> Evaluation:
        self._age = 0
        parts: list[Evaluation] = []
        if self._returns is not None and self._recorder.evaluations > 0:
            parts.append(self._returns(self._count))
        fresh = self._count - sum(len(part) for part in parts)
        if fresh:
            parts.append(self._recorder.evaluate(*self._starts(fresh, self._rng)))
        return concatenate(parts)

    def _observe(self, evaluation: Evaluation) -> FloatArray:
        seen = evaluation.features[:, self._problem.observed]
        context = np.broadcast_to(self._context, (len(seen), len(self._context)))
        return np.concatenate([seen, context], axis=1)

    def state(self) -> State:
        """Where the designs stand."""
        return {
            "age": self._age,
            "rng": generator_state(self._rng),
            "current": evaluation_state(self.current),
        }

    def _restored(self, reader: StateReader) -> Evaluation:
        self._age = reader.integer("age", 0, self._episode_length)
        self._rng = reader.generator("rng")
        current = read_evaluation(reader.part("current"), self._problem)
        if not 0 < len(current) <= self._count:
            raise StateError(f"{len(current)} designs are walked, not {self._count}")
        return current


def uniform_actions(count: int, variables: int, rng: np.random.Generator) -> FloatArray:
    """[count, variables] uniform in [-1, 1]."""
    return rng.uniform(-1.0, 1.0, size=(count, variables))


def uniform_choices(count: int, variables: int, rng: np.random.Generator) -> IntArray:
    """[count, variables] uniform in 0..4."""
    return rng.integers(0, STEP_CHOICES, size=(count, variables), dtype=np.int64)
