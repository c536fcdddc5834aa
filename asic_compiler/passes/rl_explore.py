"""``rl-explore``: chooses chip and placement, and writes both into the IR."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.constraint_text import parse_constraints
from asic_compiler.explore.goal_text import parse_goal
from asic_compiler.explore.observer import RichObserver, busy
from asic_compiler.explore.run import Exploration, Request, explore
from asic_compiler.explore.search import DEFAULT_EVALUATIONS
from asic_compiler.explore.strategies.sac_moe.config import parse_config
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
from asic_compiler.passes.emit import emit_exploration, open_run
from asic_compiler.plan.attributes import annotate
from asic_compiler.program.formats import require_formats
from asic_compiler.report.summary import summary
from asic_compiler.technology.library import load_node
from asic_compiler.workload.extract import extract


@dataclass(frozen=True)
class RLExplorePass(ModulePass):
    """Chooses mesh, tiles and placement of the program together, and writes them into the IR."""

    name = "rl-explore"

    node: str = field(default="3nm", metadata={"help": "process node, 3nm to 28nm"})
    tech: str | None = field(
        default=None,
        metadata={"help": "file that overrides constants of the node (docs/technology.md)"},
    )
    mode: Literal["high-performance", "low-power"] = field(
        default="high-performance",
        metadata={"help": "defaults of weights, budget, temperature and clock"},
    )
    goal: str | None = field(
        default=None,
        metadata={"help": "what to maximize or minimize, subject to what (docs/goals.md)"},
    )
    constraints: str | None = field(
        default=None,
        metadata={"help": "'mesh = 8x8; vlen in 256..1024': what a design may be (docs/goals.md)"},
    )
    strategy: str = field(
        default="sac-moe", metadata={"help": "how to search; explore --help names all"}
    )
    evaluations: int = field(default=DEFAULT_EVALUATIONS, metadata={"help": "designs to evaluate"})
    seed: int = field(default=0, metadata={"help": "of every random choice"})
    emit: str | None = field(
        default=None, metadata={"help": "folder for hardware.json, program.mlir and the run"}
    )
    placement: Literal["rule", "snake", "greedy", "descent", "annealing"] = field(
        default="rule",
        metadata={"help": "how tiles of the program are chosen; needs emit (docs/placement.md)"},
    )
    power_w: float | None = field(default=None, metadata={"help": "power budget, W"})
    area_mm2: float | None = field(default=None, metadata={"help": "area budget of all dies, mm2"})
    dies: int | None = field(default=None, metadata={"help": "most dies of 858 mm2"})
    tokens_per_s: float | None = field(default=None, metadata={"help": "least throughput"})
    clock_hz: float | None = field(default=None, metadata={"help": "fixes the clock"})
    temperature_c: float | None = field(
        default=None, metadata={"help": "junction temperature, degrees Celsius"}
    )
    weights: tuple[float, ...] | None = field(
        default=None, metadata={"help": "of performance, power, area in the score"}
    )
    weight_bits: tuple[int, ...] = field(
        default=(16,), metadata={"help": "widths that a stored weight may have"}
    )
    kv_bits: tuple[int, ...] = field(
        default=(16,), metadata={"help": "widths that a stored key or value may have"}
    )
    activation_bits: tuple[int, ...] = field(
        default=(16,), metadata={"help": "widths that operands of matmuls may have"}
    )
    precision: tuple[str, ...] = field(
        default=(),
        metadata={"help": "formats allowed, instead of both widths (docs/ppa-model.md)"},
    )
    weight_store: tuple[str, ...] = field(
        default=("rom",), metadata={"help": "where weights may be: rom, sram, lpddr5x, hbm3e"}
    )
    kv_window: int | None = field(
        default=None, metadata={"help": "tokens the cache keeps; changes what the model computes"}
    )
    kv_page: int | None = field(default=None, metadata={"help": "tokens a page of the cache"})
    policy: str = field(
        default="default",
        metadata={"help": "what sac-moe begins with: default (the shipped one), none, or a path"},
    )
    train: bool | None = field(
        default=None,
        metadata={
            "help": "whether sac-moe learns; unless said, where there is no policy, or it was not "
            "trained on such a workload and goal"
        },
    )
    learner: str = field(
        default="",
        metadata={"help": "'experts=1 mpc=false': options of sac-moe (docs/explorer.md)"},
    )
    checkpoint: str | None = field(
        default=None, metadata={"help": "file that the search's state is written to"}
    )
    resume: str | None = field(
        default=None, metadata={"help": "checkpoint of the same search, to go on from"}
    )
    quiet: bool = field(default=False, metadata={"help": "no summary on stderr"})

    def __post_init__(self) -> None:
        if self.goal is not None:
            parse_goal(self.goal)  # a wrong goal is told before a model is read
        if self.constraints is not None:
            parse_constraints(self.constraints)
        parse_config(self.learner)
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
            request = self.request().resolved()
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
            self.request(),
            RichObserver(),
            None if self.checkpoint is None else Path(self.checkpoint),
            None if self.resume is None else Path(self.resume),
        )
        annotate(op, exploration.plan)
        return exploration

    def request(self) -> Request:
        """The options as the request they stand for."""
        if self.weights is not None and len(self.weights) != 3:
            raise UserError("weights must be three numbers: performance, power, area")
        return Request(
            node=self.node,
            tech=self.tech,
            mode=self.mode,
            goal=self.goal,
            constraints=self.constraints,
            strategy=self.strategy,
            evaluations=self.evaluations,
            seed=self.seed,
            power_w=self.power_w,
            area_mm2=self.area_mm2,
            dies=self.dies,
            tokens_per_s=self.tokens_per_s,
            clock_hz=self.clock_hz,
            temperature_c=self.temperature_c,
            weights=None
            if self.weights is None
            else (self.weights[0], self.weights[1], self.weights[2]),
            weight_bits=self.weight_bits,
            kv_bits=self.kv_bits,
            activation_bits=self.activation_bits,
            precision=self.precision,
            weight_store=self.weight_store,
            kv_window=self.kv_window,
            kv_page=self.kv_page,
            policy=self.policy,
            train=self.train,
            learner=self.learner,
        )

    def _report(self, exploration: Exploration, notes: tuple[str, ...]) -> None:
        print(f"pipeline: convert-linalg-to-asic,{self}", file=sys.stderr)
        print(summary(exploration), file=sys.stderr)
        for note in (*exploration.result.notes, *notes):
            print(f"note: {note}", file=sys.stderr)
