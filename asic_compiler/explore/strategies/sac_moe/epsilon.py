"""How often an action is drawn at random and not from the policy."""

from __future__ import annotations

import math

from asic_compiler.explore.checkpoint.state import State, StateReader
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig


class EpsilonSchedule:
    """Falls exponentially from start to end at a rate that follows the budget.

    Args:
        config: Start, end, time constants and slow-down; whether it falls at all.
        budget: Evaluations over which it falls.
    """

    def __init__(self, config: SacMoeConfig, budget: int) -> None:
        self._config = config
        self._rate = config.epsilon_decays / budget
        self.value = config.epsilon_start if config.adaptive_epsilon else config.epsilon_end

    def advance(self, evaluations: int, found_feasible: bool) -> float:
        """The value after further ``evaluations``; slower while nothing feasible was found."""
        rate = self._rate if found_feasible else self._rate / self._config.epsilon_slowdown
        left = (self.value - self._config.epsilon_end) * math.exp(-rate * evaluations)
        self.value = self._config.epsilon_end + left
        return self.value

    def state(self) -> State:
        """The value."""
        return {"value": self.value}

    def restore(self, reader: StateReader) -> None:
        """Takes what :meth:`state` told; raises StateError."""
        self.value = reader.number("value", 0.0, 1.0)
