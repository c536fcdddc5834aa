"""Who watches a simulation while it runs. Watching never changes the result."""

from __future__ import annotations


class Observer:
    """Watches nothing; a tool overrides what it shows."""

    def executed(self, done: int, total: int) -> None:
        """Told now and then how many of a run's instructions (of all tiles) are done."""
