"""A program while it is written: one segment an operator, receives one operator ahead.

What comes from another stage is received from the start: the sender has its next micro-batch to
begin, and cannot before its values of this one have left.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.ir import Operation

from asic_compiler.dialects import tcc


def _ops() -> list[Operation]:
    return []


@dataclass(slots=True, eq=False)
class Segment:
    """The instructions of one operator in one program, in the order of the fields."""

    position: int
    """Of the operator."""
    before: list[Operation] = field(default_factory=_ops)
    """Receives of the next operator: credits are granted, and data travel, while this one runs."""
    work: list[Operation] = field(default_factory=_ops)
    """Waits, the instruction, its reduction."""
    after: list[Operation] = field(default_factory=_ops)
    """Sends of what it computed."""
    end: list[Operation] = field(default_factory=_ops)
    """Waits for sends to this operator: their buffers are free from here on."""


@dataclass(slots=True, eq=False)
class Builder:
    """The program of one tile class while it is written."""

    program: tcc.ProgramOp
    segments: list[Segment] = field(default_factory=list[Segment])

    def open(self, position: int) -> Segment:
        """Begins the segment of the next operator."""
        segment = Segment(position)
        self.segments.append(segment)
        return segment

    @property
    def last(self) -> Segment:
        """The segment written last."""
        return self.segments[-1]

    def early(self, segment: Segment, from_another_stage: bool = False) -> list[Operation]:
        """Where the receives of a segment, the last, go: one operator ahead, or to the start.

        Where others run the operator before, that is after this program's last one: no earlier, or
        what it receives would lie beside buffers of operators long before.
        """
        if from_another_stage:
            return self.segments[0].before
        ahead = len(self.segments) > 1 and self.segments[-2].position == segment.position - 1
        return self.segments[-2].before if ahead else segment.before

    def finish(self) -> None:
        """Puts the segments one after another into the program."""
        for segment in self.segments:
            for op in (*segment.before, *segment.work, *segment.after, *segment.end):
                self.program.body.block.add_op(op)
