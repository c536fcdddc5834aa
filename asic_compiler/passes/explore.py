"""``explore``: a search of chip and placement, written into the IR."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from asic_compiler.diagnostics import UserError, one_line
from asic_compiler.explore.observer import RichObserver, busy
from asic_compiler.explore.options import SearchOptions
from asic_compiler.explore.request import Request
from asic_compiler.explore.run import Exploration, explore
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
from asic_compiler.passes.emit import emit_exploration
from asic_compiler.plan.attributes import annotate
from asic_compiler.program.formats import require_formats
from asic_compiler.report.run.folder import open_run
from asic_compiler.report.summary import summary
from asic_compiler.technology.library import load_node
from asic_compiler.workload.extract import extract


@dataclass(frozen=True)
class ExplorePass(SearchOptions, ModulePass):
    """Does what rl-explore does, with the strategy named: cma-es, nsga2, tpe, annealing and others.

    Its options are those of a search, which :class:`SearchOptions` defines, and those below.
    """

    name = "explore"

    emit: str | None = field(
        default=None, metadata={"help": "folder for hardware.json, program.mlir and the run"}
    )
    placement: Literal["rule", "snake", "greedy", "descent", "annealing"] = field(
        default="rule",
        metadata={"help": "how tiles of the program are chosen; needs emit (docs/placement.md)"},
    )
    checkpoint: str | None = field(
        default=None, metadata={"help": "file that the search's state is written to"}
    )
    resume: str | None = field(
        default=None, metadata={"help": "checkpoint of the same search, to go on from"}
    )
    quiet: bool = field(default=False, metadata={"help": "no summary on stderr"})

    def __post_init__(self) -> None:
        self.check()  # what is wrong is told before a model is read
        if "" in (self.checkpoint, self.resume):
            raise UserError("checkpoint and resume need the path of a file")
        if self.tech is not None:
            load_node(self.node, self.tech)  # and so is a wrong file

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Raises linalg where there is any, explores, annotates and emits."""
        self._check_emit()
        notes: tuple[str, ...] = ()
        if self.emit is None:
            exploration = self._explore(ctx, op)
        else:
            with open_run(Path(self.emit)) as run:
                exploration = self._explore(ctx, op)
                with busy(f"placing the program ({self.placement}) and writing it"):
                    notes = emit_exploration(run, op, exploration, self.placement)
        if not self.quiet:
            self._report(exploration, notes)

    def _check_emit(self) -> None:
        """Programs are written for what the IR says: all of its cache, its weights on the die."""
        if self.emit == "":
            raise UserError("emit needs the path of a folder")
        if self.emit is None and self.placement != "rule":
            raise UserError(
                f"placement={self.placement} is of a program, and none is written",
                notes=["name a folder for it: emit=DIR"],
            )
        if self.emit is not None:
            request = Request.of(self).resolved()
            formats = [f.name for f in request.freedom.formats]
            require_formats(formats, request.weight_store)
        if self.emit is not None and self.kv_window is not None:
            raise UserError(
                "no program is written for kv_window",
                notes=["leave out emit, or import the model with the window as its context"],
            )

    def _explore(self, ctx: Context, op: ModuleOp) -> Exploration:
        ConvertLinalgToAsic().apply(ctx, op)
        exploration = explore(
            extract(op),
            Request.of(self),
            RichObserver(),
            None if self.checkpoint is None else Path(self.checkpoint),
            None if self.resume is None else Path(self.resume),
        )
        annotate(op, exploration.plan)
        return exploration

    def _report(self, exploration: Exploration, notes: tuple[str, ...]) -> None:
        print(one_line(f"pipeline: convert-linalg-to-asic,{self}"), file=sys.stderr)
        for line in summary(exploration).split("\n"):
            print(one_line(line), file=sys.stderr)
        for note in (*exploration.result.notes, *notes):
            print(one_line(f"note: {note}"), file=sys.stderr)
