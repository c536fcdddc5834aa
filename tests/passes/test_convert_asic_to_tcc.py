"""From a placed model to its programs, through the IR alone."""

from __future__ import annotations

import pytest
from program_models import model, parse, plan
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects.asic import PLAN, PlanAttr
from asic_compiler.dialects.asic.plan_attrs import SlotAttr
from asic_compiler.passes.asic_schedule import AsicSchedulePass
from asic_compiler.passes.convert_asic_to_tcc import ConvertAsicToTcc
from asic_compiler.plan.attributes import annotate, plan_of
from asic_compiler.plan.schedule import make_schedule
from asic_compiler.program.emit import program_text
from asic_compiler.program.generate import generate
from asic_compiler.workload.extract import operators

CASES = [(name, seed) for name in ("decoder", "vision") for seed in (0, 2, 3, 4, 10)]


def placed(name: str, seed: int) -> ModuleOp:
    """The annotated model, as it reads back from its text."""
    module = model(name).clone()
    annotate(module, plan(name, seed))
    return parse(program_text(module))


def converted(module: ModuleOp) -> ModuleOp:
    AsicSchedulePass().apply(Context(), module)
    again = parse(program_text(module))
    ConvertAsicToTcc().apply(Context(), again)
    again.verify()
    return again


def test_the_cases_have_stages_and_classes():
    chips = [plan(name, seed).chip for name, seed in CASES]
    assert {chip.stages > 1 for chip in chips} == {False, True}
    assert max(len(chip.classes) for chip in chips) > 2


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_a_plan_reads_back_as_it_was_written(name: str, seed: int):
    chosen, read = plan(name, seed), plan_of(placed(name, seed), scheduled=False)
    assert read.chip == chosen.chip
    assert read.assignments == chosen.assignments
    assert (read.period_cycles, read.hop_cycles, read.crossing_cycles, read.crossing_rate) == (
        chosen.period_cycles, chosen.hop_cycles, chosen.crossing_cycles, chosen.crossing_rate,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_the_programs_are_those_of_the_plan(name: str, seed: int):
    found = program_text(converted(placed(name, seed)))
    module = model(name).clone()
    annotate(module, plan(name, seed))
    assert found == program_text(generate(module, plan(name, seed)))


def test_slots_are_whole_cycles_of_the_schedule():
    module = placed("decoder", 0)
    AsicSchedulePass().apply(Context(), module)
    expected = make_schedule(plan("decoder", 0)).slots
    slots = [op.slot for op in operators(module)]
    assert slots == [SlotAttr.of(slot.start, slot.cycles) for slot in expected]


def test_programs_obey_the_slots_they_are_given():
    """Whoever changes them changes the programs; two at once are refused."""
    module = placed("vision", 2)
    AsicSchedulePass().apply(Context(), module)
    own = operators(module)
    first = own[0].slot
    assert first is not None
    assert first.cycles.data > 1
    own[0].slot = SlotAttr.of(0, first.cycles.data - 1)
    assert f"cycles = {first.cycles.data - 1}" in program_text(converted_only(module))
    own[1].slot = SlotAttr.of(0, 1)
    with pytest.raises(UserError, match="starts before the one before it ends"):
        ConvertAsicToTcc().apply(Context(), module)


def converted_only(module: ModuleOp) -> ModuleOp:
    again = parse(program_text(module))
    ConvertAsicToTcc().apply(Context(), again)
    return again


def test_scheduling_again_gives_the_same():
    module = placed("decoder", 0)
    AsicSchedulePass().apply(Context(), module)
    once = program_text(module)
    AsicSchedulePass().apply(Context(), module)
    assert program_text(module) == once


def test_what_is_missing_is_told_with_its_place():
    for run in (AsicSchedulePass(), ConvertAsicToTcc()):
        with pytest.raises(UserError, match="no chip and plan"):
            run.apply(Context(), model("vision").clone())
    with pytest.raises(UserError, match="has no slot"):
        ConvertAsicToTcc().apply(Context(), placed("vision", 2))
    module = placed("vision", 2)
    operators(module)[1].placement = None
    with pytest.raises(UserError, match=r"asic\.conv is not placed"):
        AsicSchedulePass().apply(Context(), module)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("first = 0", "first = 9999", "does not lie on its region.* first = 9999"),
        ("stride = 1", "stride = 9999", "does not lie on its region.* stride of 9999"),
        ("stage = 0 : i64", "stage = 9 : i64", "no tile class of stage 9 runs"),
        ('kind = "matmul"', 'kind = "conv"', "no tile class of stage 0 runs conv"),
    ],
)
def test_decisions_that_no_tile_can_follow_are_told(old: str, new: str, message: str):
    text = program_text(placed("decoder", 2))
    assert old in text
    with pytest.raises(UserError, match=message):
        AsicSchedulePass().apply(Context(), parse(text.replace(old, new)))


def test_a_plan_of_another_chip_is_refused():
    module = placed("vision", 2)
    own = module.attributes[PLAN]
    assert isinstance(own, PlanAttr)
    module.attributes[PLAN] = PlanAttr.of(own.period.data, [*own.rows, own.rows[0]], **own.fields)
    with pytest.raises(UserError, match="tile classes, the chip has"):
        AsicSchedulePass().apply(Context(), module)
    module.attributes[PLAN] = StringAttr("none")
    with pytest.raises(UserError, match="no chip and plan"):
        AsicSchedulePass().apply(Context(), module)


def test_programs_that_do_not_fit_are_refused():
    text = program_text(placed("decoder", 0))
    start = text.index("dmem_bytes = ")
    size = text[start : text.index(",", start)]
    module = parse(text.replace(size, "dmem_bytes = 32"))
    AsicSchedulePass().apply(Context(), module)
    with pytest.raises(UserError, match="the programs do not fit"):
        ConvertAsicToTcc().apply(Context(), module)
