"""``asic-schedule``: when every operator of a placed model runs."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects.location import location_of
from asic_compiler.plan.attributes import plan_of, write_slots
from asic_compiler.plan.schedule import ScheduleError, make_schedule


@dataclass(frozen=True)
class AsicSchedulePass(ModulePass):
    """Gives every operator of a placed model its cycles in the period of its stage.

    Operators of a stage run one after another, stages side by side, each on its own micro-batch.
    The cycles are those that rl-explore predicted, rounded to whole ones; ``#asic.slot`` says them.
    ``convert-asic-to-tcc`` writes programs by them.
    """

    name = "asic-schedule"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Writes the slots.

        Raises:
            UserError: The model is not placed, or its cycles contradict each other.
        """
        try:
            write_slots(op, make_schedule(plan_of(op, scheduled=False)))
        except ScheduleError as error:
            raise UserError(str(error), location_of(op)) from error
