"""Each finding of the checks, provoked by one wrong change to a sound module."""

from __future__ import annotations

from functools import partial
from math import ceil

import pytest
from program_models import model, plan
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, i64

from asic_compiler.dialects import asic, tcc
from asic_compiler.program import check as c
from asic_compiler.program.check import check
from asic_compiler.program.footprints import Footprints
from asic_compiler.program.generate import generate
from asic_compiler.program.names import OPERATORS

SEED = 3


@pytest.fixture(autouse=True)
def sharing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every module is checked twice: from nothing, and with what its generator knew of parts.

    Of a module that was changed afterwards both must say the same: what is shared is no opinion
    of the generator on its program.
    """
    footprints = Footprints()

    def both(module: ModuleOp) -> tuple[c.Finding, ...]:
        alone = c.check(module)
        assert c.check(module, footprints) == alone
        return alone

    monkeypatch.setitem(globals(), "check", both)
    monkeypatch.setitem(globals(), "generate", partial(generate, footprints=footprints))


def sound() -> tuple[ModuleOp, list[tcc.ProgramOp]]:
    module = generate(model("decoder"), plan("decoder", SEED))
    return module, [op for op in module.ops if isinstance(op, tcc.ProgramOp)]


def first(program: tcc.ProgramOp, kind: type[tcc.Instruction]) -> tcc.Instruction:
    return next(op for op in program.instructions if isinstance(op, kind))


def test_a_send_that_nobody_makes():
    module, programs = sound()
    send = first(programs[0], tcc.SendOp)
    wait = next(iter(send.results[0].uses)).operation
    wait.operands = [value for value in wait.operands if value is not send.results[0]]
    if not wait.operands:
        wait.detach()
        wait.erase()
    name = send.channel.root_reference.data
    send.detach()
    send.erase()
    found = [f for f in check(module) if isinstance(f, c.UnmatchedChannel)]
    assert [(f.channel, f.end) for f in found] == [(name, "send")]
    assert programs[0].sym_name.data in found[0].expected
    assert programs[0].sym_name.data not in found[0].found


def test_a_channel_that_nobody_uses():
    module, _ = sound()
    region = asic.RegionAttr.of(0, 0, 1, 1)
    extra = tcc.ChannelOp(
        "extra", next(op for op in module.ops if isinstance(op, tcc.ChannelOp)).tensor,
        source=region, target=region,
    )  # fmt: skip
    module.body.block.insert_op_before(extra, module.body.block.first_op)
    assert [f.end for f in check(module)] == ["send", "receive"]


def test_too_few_bytes():
    module, programs = sound()
    name = first(programs[0], tcc.SendOp).channel
    for program in programs:
        for op in program.instructions:
            if isinstance(op, tcc.SendOp) and op.channel == name:
                op.properties["bytes"] = IntegerAttr(1, i64)
    (found,) = check(module)
    assert isinstance(found, c.ShortTransfer)
    assert found.sent_bytes < found.tensor_bytes


def test_an_operator_that_one_class_leaves_out():
    module, programs = sound()
    op = next(op for p in programs for op in p.instructions if isinstance(op, tcc.VectorOp))
    del op.properties["at"], op.properties["cycles"]
    found = check(module)
    assert [type(f) for f in found] == [c.WrongTiles]
    assert found[0].operator == op.position


def test_an_operator_that_no_class_runs():
    module, _ = sound()
    count = len(plan("decoder", SEED).assignments)
    module.attributes[OPERATORS] = IntegerAttr(count + 1, i64)
    assert check(module) == (c.WrongTiles(count, (), ()),)


def test_an_overlap_and_the_end_of_the_period():
    module, programs = sound()
    program = max(programs, key=lambda p: len(p.instructions))
    scheduled = [
        op for op in program.instructions if op.interval and not isinstance(op, tcc.ReceiveOp)
    ]
    one, two = scheduled[0], scheduled[1]
    one.set_schedule(one.at.value.data, one.cycles.value.data + 1)
    assert c.Overlap(program.sym_name.data, one.position, two.position) in check(module)
    last = scheduled[-1]
    last.set_schedule(last.at.value.data, program.period.value.data)
    kinds = {type(f) for f in check(module)}
    assert c.OutsidePeriod in kinds


def memory_findings(sizes: dict[str, dict[str, int]]) -> dict[tuple[str, str], float]:
    """Needs above capacity in a chip whose classes have these sizes by name."""
    module, _ = sound()
    chip = module.attributes[asic.CHIP]
    tiles = [
        asic.TileAttr.of(tile.label.data, **(tile.fields | sizes[tile.label.data]))
        for tile in chip.tiles
    ]
    parameters = [type(chip.tiles)(tiles) if p is chip.tiles else p for p in chip.parameters]
    module.attributes[asic.CHIP] = asic.ChipAttr.new(parameters)
    found = check(module)
    assert all(isinstance(f, c.MemoryExceeded) for f in found)
    assert all(f.need_bytes > f.capacity_bytes for f in found)
    return {(f.program, f.memory): f.need_bytes for f in found}


def test_memory_is_exceeded_by_a_byte_and_not_by_none():
    _, programs = sound()
    names = [program.sym_name.data for program in programs]
    needs = memory_findings({name: {"wmem_bytes": 0, "dmem_bytes": 1} for name in names})
    assert {memory for _, memory in needs} == {"WMEM", "DMEM"}

    def sizes(less: int) -> dict[str, dict[str, int]]:
        return {
            name: {
                "wmem_bytes": max(ceil(needs.get((name, "WMEM"), 0)) - less, 0),
                "dmem_bytes": max(ceil(needs.get((name, "DMEM"), 1)) - less, 1),
            }
            for name in names
        }

    assert memory_findings(sizes(0)) == {}
    assert memory_findings(sizes(1)) == needs
