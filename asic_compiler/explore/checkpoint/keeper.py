"""When a search writes its state down, and where it goes on from."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.checkpoint import container
from asic_compiler.explore.checkpoint.fingerprint import fingerprint
from asic_compiler.explore.checkpoint.state import State, StateError, StateReader
from asic_compiler.explore.protocol import Problem
from asic_compiler.files import refusal

KIND = "search"
"""What the files of this module hold."""

DEFAULT_INTERVAL = 256
"""Evaluations between two checkpoints."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a run is: only the same run may go on from its checkpoint."""

    strategy: str
    configuration: dict[str, Any]
    """Plain values, the strategy's own names."""
    evaluations: int
    seed: int
    problem: str
    """Its fingerprint."""

    @staticmethod
    def of(
        problem: Problem, strategy: str, configuration: dict[str, Any], evaluations: int, seed: int
    ) -> Identity:
        """The identity of a run on ``problem``."""
        return Identity(strategy, configuration, evaluations, seed, fingerprint(problem))

    def state(self) -> State:
        """As entries of a checkpoint."""
        return {
            "strategy": self.strategy,
            "configuration": json.dumps(self.configuration, sort_keys=True),
            "evaluations": self.evaluations,
            "seed": self.seed,
            "problem": self.problem,
        }

    def check(self, reader: StateReader) -> None:
        """Refuses the checkpoint of another run.

        Raises:
            StateError: What differs.
        """
        mine = self.state()
        kept: State = {
            "strategy": reader.text("strategy"),
            "configuration": reader.text("configuration"),
            "evaluations": reader.integer("evaluations"),
            "seed": reader.integer("seed"),
            "problem": reader.text("problem"),
        }
        for name in ("strategy", "evaluations", "seed"):
            if kept[name] != mine[name]:
                raise StateError(f"it is of a run with {name}={kept[name]}, not {mine[name]}"[:200])
        if kept["problem"] != mine["problem"]:
            raise StateError("it is of another problem: another workload, node, goal or cost model")
        if kept["configuration"] != mine["configuration"]:
            raise StateError(f"it is of a run with another configuration: {self._differing(kept)}")

    def _differing(self, kept: State) -> str:
        """The options that differ, by name."""
        try:
            theirs: Any = json.loads(str(kept["configuration"]))
        except (ValueError, RecursionError):
            theirs = None
        if not isinstance(theirs, dict):
            return "unreadable"
        other = cast("dict[str, Any]", theirs)
        names = sorted({*other, *self.configuration})
        return ", ".join(
            f"{n}={other.get(n)}" for n in names if other.get(n) != self.configuration.get(n)
        )[:200]


class Keeper:
    """Writes checkpoints of one run, and finds the one that it goes on from.

    Args:
        checkpoint: Where to write; None writes nowhere.
        resume: What to go on from; None begins anew.
        interval: Evaluations between two checkpoints.
    """

    def __init__(
        self,
        checkpoint: Path | None = None,
        resume: Path | None = None,
        interval: int = DEFAULT_INTERVAL,
    ) -> None:
        self._path = checkpoint
        self._resume = resume
        self._interval = interval
        self._identity: State = {}
        self._written_at = 0

    @property
    def active(self) -> bool:
        """Whether there is anything to read or to write."""
        return self._path is not None or self._resume is not None

    @contextmanager
    def resuming(
        self, identity: Callable[[], Identity]
    ) -> Generator[StateReader | None, None, None]:
        """The state to go on from, None to begin anew; nothing is written before this ends.

        Args:
            identity: Of this run; not asked for where there is nothing to keep.

        Raises:
            UserError: There is no such file, or it is not a checkpoint of this run, whether found
                here or by the ``with`` block, which reads every part of it; or none can be written.
        """
        if not self.active:
            yield None
            return
        chosen = identity()
        self._identity = chosen.state()
        if self._resume is None:
            self._refuse_unwritable()
            self._refuse_to_overwrite()
            yield None
            return
        try:
            reader = StateReader(container.read(self._resume, KIND))
            chosen.check(reader.part("run"))
            self._refuse_unwritable()
            yield reader.part("search")
            reader.finish()
        except StateError as error:
            raise UserError(
                f"cannot resume from '{self._resume}': {error}",
                notes=["resume with the options of the run that wrote it, or leave out resume"],
            ) from error
        except OSError as error:
            raise UserError(f"cannot read '{self._resume}': {error.strerror}") from error

    def offer(self, evaluations: int, state: Callable[[], State], always: bool = False) -> None:
        """Writes the state if it is time to.

        Args:
            evaluations: Done so far.
            state: Of the whole search.
            always: It is time.

        Raises:
            UserError: The file cannot be written.
        """
        if self._path is None or not (always or evaluations >= self._written_at + self._interval):
            return
        try:
            container.write(self._path, KIND, {"run": self._identity, "search": state()})
        except OSError as error:
            raise UserError(
                f"cannot write the checkpoint '{self._path}': {error.strerror}"
            ) from error
        self._written_at = evaluations

    def _refuse_unwritable(self) -> None:
        """That no checkpoint can be written is told before the search spends time."""
        if self._path is not None and (why := refusal(self._path)) is not None:
            raise UserError(f"cannot write the checkpoint '{self._path}': {why}")

    def _refuse_to_overwrite(self) -> None:
        """A checkpoint replaces a checkpoint, never a file that is something else."""
        if self._path is None or not self._path.exists():
            return
        try:
            container.read(self._path, KIND)
        except StateError as error:
            raise UserError(
                f"'{self._path}' exists and is not replaced by a checkpoint: {error}",
                notes=["remove it, or choose another path"],
            ) from error
        except OSError as error:
            raise UserError(f"cannot read '{self._path}': {error.strerror}") from error
