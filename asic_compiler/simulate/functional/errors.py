"""How an execution can fail: each names the tile and the instruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import Operation

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.dialects import tcc
from asic_compiler.dialects.location import location_of
from asic_compiler.program.parts import Place


class ExecutionError(UserError):
    """A program cannot be executed.

    Args:
        what: What is wrong, without saying where.
        place: The tile.
        op: The instruction.
        notes: What else is known.
    """

    def __init__(
        self, what: str, place: Place, op: Operation | None, notes: Sequence[str] = ()
    ) -> None:
        where = f"tile ({place[0]}, {place[1]})"
        if op is not None:
            where += f", {describe(op)}"
        super().__init__(f"{where}: {what}", None if op is None else location_of(op), notes)
        self.place, self.op = place, op


class MissingElementsError(ExecutionError):
    """An instruction reads elements that its tile does not hold."""


class UndefinedReadError(ExecutionError):
    """An instruction reads bytes that are not, or no longer, the buffer's.

    Nothing was written there, a transfer is still under way, or another buffer was written over
    them.
    """


class OutsideMemoryError(ExecutionError):
    """An address, or an index into a table, is outside."""


@dataclass(frozen=True, slots=True)
class BlockedTile:
    """A tile that waits for what never comes."""

    place: Place
    program: str
    instruction: str
    location: SourceLocation | None
    waits_for: tuple[str, ...]

    def __str__(self) -> str:
        at = "" if self.location is None else f" at {self.location}"
        waits = "; ".join(self.waits_for)
        return f"tile {self.place} in @{self.program}, {self.instruction}{at}, waits for {waits}"


class DeadlockError(UserError):
    """No tile can go on.

    Args:
        blocked: Every tile that waits, in the order of the programs.
    """

    _SHOWN = 8

    def __init__(self, blocked: Sequence[BlockedTile]) -> None:
        notes = [str(entry) for entry in blocked[: self._SHOWN]]
        if len(blocked) > self._SHOWN:
            notes.append(f"and {len(blocked) - self._SHOWN} more tiles")
        first = blocked[0].location if blocked else None
        super().__init__(f"the program deadlocks: {len(blocked)} tiles wait", first, notes)
        self.blocked = tuple(blocked)


def describe(op: Operation) -> str:
    """An instruction in a few words: ``tcc.receive @v3.to5 of operator 5``."""
    text = op.name
    for key in ("channel", "kernel", "weight", "source", "cache"):
        named = op.properties.get(key)
        if named is not None:
            text += f" {named}"
            break
    return f"{text} of operator {op.position}" if isinstance(op, tcc.Instruction) else text
