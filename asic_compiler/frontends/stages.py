"""What an import is doing right now, and how long each stage took."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field


def _silent(_stage: str) -> None:
    """Nobody watches."""


@dataclass(slots=True)
class Stages:
    """Announces stages to an observer and keeps their wall times in second."""

    announce: Callable[[str], None] = _silent
    seconds: dict[str, float] = field(default_factory=dict[str, float])

    @contextmanager
    def run(self, stage: str) -> Generator[None]:
        """Times what happens inside."""
        self.announce(stage)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = time.perf_counter() - start
