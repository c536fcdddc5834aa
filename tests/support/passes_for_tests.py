"""A module, and passes that the tests of asic-opt register: each option type, each end."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from xdsl.context import Context
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, i32
from xdsl.dialects.func import ReturnOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects.location import location_of
from asic_compiler.registry import Entry

FUNCTION = """\
func.func @f(%a: i32) -> i32 {
  %b = arith.addi %a, %a : i32
  func.return %b : i32
}
"""

TEST_PASSES = {
    "test-probe": Entry("passes_for_tests", "ProbePass"),
    "test-required": Entry("passes_for_tests", "RequiredPass"),
    "test-end": Entry("passes_for_tests", "EndPass"),
}

DEFAULT_SEED = 7


@dataclass(frozen=True)
class ProbePass(ModulePass):
    """Notes on the module what it was told.

    A second paragraph, which help leaves out.
    """

    name = "test-probe"
    option_help: ClassVar[dict[str, str]] = {"node": "process node"}

    node: str = "3nm"
    mode: Literal["high-performance", "low-power"] = "high-performance"
    evaluations: int = 4613
    seed: int = DEFAULT_SEED
    clock_hz: float = field(default=1.0e9, metadata={"help": "clock of every tile"})
    emit: str | None = None
    goal: str = ""
    rows: tuple[int, ...] = ()
    weights: tuple[float, float, float] | None = None
    verbose: bool = False

    def __post_init__(self) -> None:
        if self.evaluations < 0:
            raise ValueError("evaluations must not be negative")

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        print("chatter that must not reach stdout")
        count = op.attributes.get("test.count")
        seen = count.value.data if isinstance(count, IntegerAttr) else 0
        op.attributes["test.count"] = IntegerAttr(seen + 1, i32)
        op.attributes[f"test.evaluations_{seen}"] = IntegerAttr(self.evaluations, i32)


@dataclass(frozen=True)
class RequiredPass(ModulePass):
    """Needs an option."""

    name = "test-required"
    path: str

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        pass


@dataclass(frozen=True)
class EndPass(ModulePass):
    """Ends in the way it is told."""

    name = "test-end"
    how: Literal["user", "failed", "crash", "interrupt", "invalid", "missing-file"] = "user"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        match self.how:
            case "user":
                culprit = list(op.walk())[-1]
                raise UserError("this cannot be built", location_of(culprit), ["build another"])
            case "failed":
                raise PassFailedException("no match")
            case "crash":
                raise KeyError("a defect")
            case "interrupt":
                raise KeyboardInterrupt
            case "missing-file":
                raise FileNotFoundError(2, "No such file or directory", "weights.safetensors")
            case "invalid":
                # A return outside of any function.
                op.body.block.add_op(ReturnOp())
