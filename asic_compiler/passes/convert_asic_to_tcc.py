"""``convert-asic-to-tcc``: programs of a placed and scheduled model."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects.location import location_of
from asic_compiler.plan.attributes import plan_of
from asic_compiler.plan.schedule import ScheduleError
from asic_compiler.program.check import check
from asic_compiler.program.generate import UnfitError, generate


@dataclass(frozen=True)
class ConvertAsicToTcc(ModulePass):
    """Replaces a scheduled model by its programs: one ``tcc.program`` a class of tiles.

    The programs are those that ``rl-explore`` writes with ``emit``, and pass the same checks:
    buffers fit and do not overlap, all that is waited for arrives, nothing deadlocks.
    """

    name = "convert-asic-to-tcc"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Writes the programs in the place of the model.

        Raises:
            UserError: The model is not placed or not scheduled, or its programs do not fit.
        """
        try:
            program = generate(op, plan_of(op, scheduled=True))
        except ScheduleError as error:
            raise UserError(str(error), location_of(op)) from error
        except UnfitError as error:
            raise UserError(str(error), location_of(error.op)) from error
        findings = check(program)
        if findings:
            raise UserError(f"the programs do not fit: {findings[0]}", location_of(op))
        for old in list(op.body.block.ops):
            old.detach()
            old.erase(safe_erase=False)
        op.attributes = dict(program.attributes)
        for new in list(program.body.block.ops):
            new.detach()
            op.body.block.add_op(new)
