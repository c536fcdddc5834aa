"""A plan is written into the model, printed, parsed and read: nothing of it is lost."""

from __future__ import annotations

import dataclasses
import typing
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from program_models import model, parse

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.problem import ChipProblem, Conditions
from asic_compiler.hardware.chip import Chip, Rectangle, TileClass
from asic_compiler.hardware.design import Freedom
from asic_compiler.hardware.precision import FORMATS
from asic_compiler.hardware.weight_store import STORES
from asic_compiler.machine.limits import (
    LARGEST,
    LARGEST_BYTES,
    LARGEST_CYCLES,
    LARGEST_PIECES,
    LARGEST_UNITS,
)
from asic_compiler.machine.regions import REGION_NAMES
from asic_compiler.mapping.profile import Profile
from asic_compiler.plan.attributes import annotate, plan_of
from asic_compiler.plan.make import make_plan
from asic_compiler.plan.plan import Assignment, Plan
from asic_compiler.ppa.kv_cache import windowed
from asic_compiler.program.emit import program_text
from asic_compiler.program.generate import generate
from asic_compiler.technology.library import load_node
from asic_compiler.workload.extract import extract

POSITIVE = st.integers(1, LARGEST)
BYTES = st.integers(1, LARGEST_BYTES)
UNITS = st.integers(1, LARGEST_UNITS)
PIECES = st.integers(1, LARGEST_PIECES)
CYCLES = st.floats(0.0, LARGEST_CYCLES, exclude_min=True)
REALS = st.floats(0.0, 1e300, exclude_min=True, allow_nan=False)


@cache
def problem(window: int | None = None) -> ChipProblem:
    freedom = Freedom(
        precision=tuple(f.name for f in FORMATS), kv_bits=(4, 8, 16), weight_stores=STORES
    )
    table = extract(model("decoder"))
    if window is not None:
        table = windowed(table, window)
    return ChipProblem(Profile(table), load_node("7nm"), Conditions(), freedom, (0.4, 0.4, 0.2))


def chosen(seed: int, window: int | None = None) -> Plan:
    chips, rng = problem(window), np.random.default_rng(seed)
    discrete = np.concatenate([rng.integers(1, 17, (1, 2)), rng.integers(1, 3, (1, 2))], axis=1)
    continuous = rng.uniform(-1.0, 1.0, (1, len(chips.continuous_names)))
    return make_plan(chips.model, chips.decode(discrete, continuous), 85.0)


def read_back(plan: Plan) -> Plan:
    module = model("decoder").clone()
    annotate(module, plan)
    return plan_of(parse(program_text(module)), scheduled=False)


def assert_equal_in_every_field(found: object, expected: object) -> None:
    """Field by field, so that one that no equality looks at is looked at."""
    for field in dataclasses.fields(expected):  # type: ignore[arg-type]
        if field.name == "metrics":  # what the model says of a plan is no part of it
            continue
        a, b = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(b, np.ndarray):
            np.testing.assert_array_equal(a, b, err_msg=field.name)
        elif dataclasses.is_dataclass(b):
            assert_equal_in_every_field(a, b)
        else:
            assert a == b, field.name
            assert type(a) is type(b), field.name


def test_plans_of_every_format_store_and_cache_read_back_equal():
    # A W8A8 chip was read back as FP16, one of off-chip weights as a ROM.
    seen: set[tuple[str, object]] = set()
    seed, wanted = 0, len(FORMATS) + len(STORES) + 3
    while len(seen) < wanted and seed < 200:
        plan, seed = chosen(seed), seed + 1
        chip = plan.chip
        facts = {("in", chip.precision), ("at", chip.weight_store), ("cache", chip.kv_bits)}
        if not facts <= seen:
            assert_equal_in_every_field(read_back(plan), plan)
            seen |= facts
    assert len(seen) == wanted


# Fields that are not any number or text; all others are drawn by their type, so that a field that
# is added and not written fails here.
CONSTRAINED = {
    "vlen": st.sampled_from([128, 1024]),
    **dict.fromkeys(("fetch", "stations", "rows", "xr_wp", "vr_wp", "xdpnum", "vdpnum"), UNITS),
    **dict.fromkeys(("dmem_bytes", "imem_bytes", "wmem_bank_bytes"), BYTES),
    **dict.fromkeys(("pieces", "buffers"), PIECES),
    **dict.fromkeys(("cycles", "period_cycles"), CYCLES),
    "wmem_bytes": st.integers(0, LARGEST_BYTES),
    "stage": st.integers(0, 9),
    "regions": st.sets(st.sampled_from(REGION_NAMES)).map(
        lambda own: tuple(k for k in REGION_NAMES if k in own)
    ),
    "precision": st.sampled_from([f.name for f in FORMATS]),
    "weight_store": st.sampled_from([str(s) for s in STORES]),
    "temperature_c": st.floats(-273.0, 1e6),
    "dram_devices": st.integers(0, 100),
    "region_kind": st.sampled_from([0, 2]),
}
BY_TYPE = {
    int: POSITIVE,
    float: REALS,
    bool: st.booleans(),
    str: st.text("abc.XYZ 0-9_", min_size=1, max_size=8),
}


def rule(name: str, kind: type) -> st.SearchStrategy[object]:
    return CONSTRAINED[name] if name in CONSTRAINED else BY_TYPE[kind]


def drawn(draw: st.DrawFn, kind: type, **given_: object) -> dict[str, object]:
    """A value for every field of a dataclass that is not given."""
    types = typing.get_type_hints(kind)
    return given_ | {
        field.name: draw(rule(field.name, types[field.name]))
        for field in dataclasses.fields(kind)
        if field.name not in given_
    }


@st.composite
def chips(draw: st.DrawFn, base: Plan) -> Chip:
    """The stages and regions of a plan's chip, everything else of it and of its tiles drawn."""
    classes = tuple(
        TileClass(
            **drawn(
                draw,
                TileClass,
                name=f"{index} {draw(BY_TYPE[str])}",
                stage=own.stage,
                regions=own.regions,
                places=own.places,
            )
        )
        for index, own in enumerate(base.chip.classes)
    )
    size = {"mesh_width": base.chip.mesh_width, "mesh_height": base.chip.mesh_height}
    fields = drawn(draw, Chip, classes=classes, sc_x=1, sc_y=1, **size)
    widths = {f.name: f.weight_bits for f in FORMATS}
    fields["weight_bits"] = widths[str(fields["precision"])]
    return Chip(**fields)  # type: ignore[arg-type]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """What is drawn lies where some design's operators do."""
    base = chosen(draw(st.integers(0, 5)))
    clock: dict[int, float] = {}
    assignments: list[Assignment] = []
    placed = ("position", "stage", "region_kind", "region", "first", "stride")
    for own in base.assignments:
        kept = {name: getattr(own, name) for name in placed}
        kept |= {f"split_{axis}": getattr(own, f"split_{axis}") for axis in "bmnk"}
        fields = drawn(draw, Assignment, **kept, start_cycle=clock.get(own.stage, 0.0))
        assignments.append(Assignment(**fields))  # type: ignore[arg-type]
        clock[own.stage] = assignments[-1].start_cycle + assignments[-1].cycles
    given_ = {"chip": draw(chips(base)), "assignments": tuple(assignments), "table": base.table}
    fields = drawn(draw, Plan, **given_, crossing_rate=draw(st.integers(16, 999)))
    return Plan(**fields)  # type: ignore[arg-type]


@given(plans())
@settings(max_examples=4, deadline=None)
def test_any_plan_reads_back_equal_in_every_field(plan: Plan):
    read = read_back(plan)
    assert_equal_in_every_field(read, plan)
    assert read.chip.stages == plan.chip.stages


def test_a_chip_in_mask_rom_and_fp16_prints_what_it_always_did():
    plan = next(
        plan
        for plan in map(chosen, range(200))
        if (plan.chip.precision, plan.chip.weight_store) == ("fp16", "rom")
    )
    module = model("decoder").clone()
    annotate(module, plan)
    text = program_text(module)
    assert not any(word in text for word in ("precision", "weight_store", "dram", "kv_window"))


def test_a_window_of_the_cache_is_kept_and_has_no_programs():
    plan = chosen(3, window=4)
    chip = dataclasses.replace(
        plan.chip, precision="fp16", weight_bits=16, weight_store="rom", dram_devices=0
    )
    plan = dataclasses.replace(plan, chip=chip)
    read = read_back(plan)
    assert read.table.context == 4
    assert_equal_in_every_field(read, plan)
    with pytest.raises(UserError, match="no program is written for kv_window"):
        generate(model("decoder"), read)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('precision = "w4a16"', 'precision = "int3"', "unknown precision 'int3'"),
        ('weight_store = "sram"', 'weight_store = "disk"', "unknown weight store 'disk'"),
        (', precision = "w4a16"', "", "weights of 4 bits, its chip computes in fp16"),
    ],
)
def test_formats_that_contradict_each_other_are_told(old: str, new: str, message: str):
    plan = chosen(0)
    chip = dataclasses.replace(
        plan.chip, precision="w4a16", weight_bits=4, weight_store="sram", dram_devices=0
    )
    module = model("decoder").clone()
    annotate(module, dataclasses.replace(plan, chip=chip))
    text = program_text(module)
    assert old in text
    with pytest.raises(UserError, match=message):
        plan_of(parse(text.replace(old, new)), scheduled=False)


def test_rectangles_of_a_class_keep_their_order():
    plan = chosen(0)
    (first, *others) = plan.chip.classes
    width, height = plan.chip.mesh_width, plan.chip.mesh_height
    places = tuple(Rectangle(x, 0, 1, height) for x in reversed(range(width)))
    others = [dataclasses.replace(own, places=()) for own in others]
    chip = dataclasses.replace(
        plan.chip, classes=(dataclasses.replace(first, places=places), *others)
    )
    read = read_back(dataclasses.replace(plan, chip=chip))
    assert read.chip == chip


def test_a_design_beyond_what_a_plan_may_hold_is_told_in_one_line():
    """A model too large for its tiles is the user's to change, not a defect of the search."""
    plan = dataclasses.replace(chosen(0), period_cycles=1e300)
    with pytest.raises(UserError, match=r"the chosen design cannot be written down: .* period"):
        annotate(model("decoder").clone(), plan)
