"""A plan as attributes of the model it places, written and read back."""

from __future__ import annotations

from dataclasses import replace

from xdsl.dialects.builtin import IntegerAttr, ModuleOp, i64
from xdsl.utils.exceptions import VerifyException

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects.asic import CHIP, PLAN, AsicOp, ChipAttr, PlanAttr, SplitAttr
from asic_compiler.dialects.asic.plan_attrs import PlacementAttr, SlotAttr
from asic_compiler.dialects.location import location_of
from asic_compiler.hardware.chip import Chip, Rectangle, TileClass
from asic_compiler.hardware.precision import FORMAT_INDEX, FORMATS
from asic_compiler.hardware.weight_store import STORES
from asic_compiler.machine.limits import LARGEST_OPERATORS
from asic_compiler.machine.regions import REGION_NAMES
from asic_compiler.plan.chip_attribute import chip_attribute, region_attribute
from asic_compiler.plan.plan import Assignment, Plan
from asic_compiler.plan.schedule import Schedule
from asic_compiler.plan.work import make_work
from asic_compiler.ppa.kv_cache import windowed
from asic_compiler.workload.extract import context_of, extract, operators
from asic_compiler.workload.function import main_function
from asic_compiler.workload.table import OperatorClass, OperatorTable

_EXPLORE_FIRST = "run rl-explore or explore before this pass"


def annotate(module: ModuleOp, plan: Plan) -> None:
    """Writes a plan: chip and plan on the module, region, split, stage, placement on operators.

    Raises:
        UserError: A number of it is beyond what a chip or a plan may hold.
        ValueError: The plan is not one of this model.
    """
    try:
        _annotate(module, plan)
    except VerifyException as error:
        raise UserError(
            f"the chosen design cannot be written down: {error}",
            location_of(module),
            ["the model is too large for so few tiles, or so slow a clock"],
        ) from error


def _annotate(module: ModuleOp, plan: Plan) -> None:
    module.attributes[CHIP] = chip_attribute(plan.chip)
    module.attributes[PLAN] = PlanAttr.of(
        plan.period_cycles,
        [
            (
                tile.stage,
                tile.wmem_bank_bytes,
                *(int(kind in tile.regions) for kind in REGION_NAMES),
            )
            for tile in plan.chip.classes
        ],
        dies=plan.chip.dies,
        weight_bits=plan.chip.weight_bits,
        kv_bits=plan.chip.kv_bits,
        hop_cycles=plan.hop_cycles,
        crossing_cycles=plan.crossing_cycles,
        crossing_rate=plan.crossing_rate,
        kv_window=_window(plan, context_of(module)),
    )
    placed = operators(module)
    if len(placed) > LARGEST_OPERATORS:
        raise VerifyException(f"it has {len(placed)} operators, more than {LARGEST_OPERATORS}")
    if len(placed) != len(plan.assignments):
        raise ValueError(f"{len(placed)} operators but {len(plan.assignments)} assignments")
    for op, assignment in zip(placed, plan.assignments, strict=True):
        op.region = region_attribute(assignment.region)
        op.split = SplitAttr.of(assignment.split_m, assignment.split_n, assignment.split_k)
        op.stage = IntegerAttr(assignment.stage, i64)
        op.slot = None
        op.placement = PlacementAttr.of(
            REGION_NAMES[assignment.region_kind],
            assignment.cycles,
            first=assignment.first,
            batch=assignment.split_b,
            stride=assignment.stride,
            pieces=assignment.pieces,
            by_rows=int(assignment.by_rows),
            buffers=assignment.buffers,
            scatter=int(assignment.scatter),
        )


def write_slots(module: ModuleOp, schedule: Schedule) -> None:
    """Writes when every operator runs."""
    for op, slot in zip(operators(module), schedule.slots, strict=True):
        op.slot = SlotAttr.of(slot.start, slot.cycles)


def plan_of(module: ModuleOp, scheduled: bool) -> Plan:
    """Reads a plan back.

    Args:
        module: The model, in ``asic``.
        scheduled: Whether its operators run in the slots that they have; otherwise those of a stage
            run one after another as they stand, for the cycles that were predicted.

    Raises:
        UserError: There is not one function, or no plan, or not of every operator.
    """
    main_function(module)
    chip, plan = module.attributes.get(CHIP), module.attributes.get(PLAN)
    if not isinstance(chip, ChipAttr) or not isinstance(plan, PlanAttr):
        raise UserError(
            "the model has no chip and plan",
            location_of(module),
            notes=[_EXPLORE_FIRST],
        )
    if len(plan.rows) != len(chip.tiles):
        raise UserError(
            f"the plan tells of {len(plan.rows)} tile classes, the chip has {len(chip.tiles)}",
            location_of(module),
        )
    fields, table = plan.fields, extract(module)
    if fields["kv_window"]:
        table = windowed(table, fields["kv_window"])
    read = _chip(chip, plan)
    _require_format(read, table, module)
    clock: dict[int, float] = {}
    assignments: list[Assignment] = []
    for position, op in enumerate(operators(module)):
        assignment = _assignment(position, op)
        _require_place(assignment, op, plan, table.classes[int(table.sequence[position])])
        if scheduled:
            start, cycles = _slot(op)
        else:
            start, cycles = clock.get(assignment.stage, 0.0), assignment.cycles
        clock[assignment.stage] = start + cycles
        assignments.append(replace(assignment, start_cycle=start, cycles=cycles))
    return Plan(
        chip=read,
        assignments=tuple(assignments),
        table=table,
        period_cycles=plan.period.data,
        hop_cycles=fields["hop_cycles"],
        crossing_cycles=fields["crossing_cycles"],
        crossing_rate=fields["crossing_rate"],
    )


def _window(plan: Plan, context: int) -> int:
    """Tokens of the cache that the plan is made for, where they are fewer than the model's."""
    return plan.table.context if plan.table.context < context else 0


def _require_format(chip: Chip, table: OperatorTable, module: ModuleOp) -> None:
    """Refuses a chip of an unknown format or store, or whose weights have another width."""
    where = location_of(module)
    for what, name, known in (
        ("precision", chip.precision, tuple(FORMAT_INDEX)),
        ("weight store", chip.weight_store, tuple(map(str, STORES))),
    ):
        if name not in known:
            raise UserError(f"unknown {what} '{name}'", where, [f"known: {', '.join(known)}"])
    bits = FORMATS[FORMAT_INDEX[chip.precision]].weight_bits
    narrowed = any(
        own.weight_bytes and own.element_bits == 16 and own.macs for own in table.classes
    )
    if narrowed and bits != chip.weight_bits:
        raise UserError(
            f"the plan has weights of {chip.weight_bits} bits, its chip computes in "
            f"{chip.precision}, whose weights have {bits}",
            where,
            ["say the chip's precision beside its map, as rl-explore does"],
        )


def _require_place(assignment: Assignment, op: AsicOp, plan: PlanAttr, cost: OperatorClass) -> None:
    """Refuses an operator that no tile runs, or whose parts its region does not hold."""
    kind = assignment.region_kind
    if not any(row[0] == assignment.stage and row[2 + kind] for row in plan.rows):
        raise UserError(
            f"no tile class of stage {assignment.stage} runs {REGION_NAMES[kind]} operators",
            location_of(op),
        )
    try:
        make_work(assignment.position, cost, assignment)
    except VerifyException as error:
        raise UserError(
            f"{op.name} does not lie on its region: {error}", location_of(op)
        ) from error


def _slot(op: AsicOp) -> tuple[float, float]:
    """Start and cycles."""
    if op.slot is None:
        raise UserError(
            f"{op.name} has no slot",
            location_of(op),
            notes=["run asic-schedule before this pass"],
        )
    return float(op.slot.start.data), float(op.slot.cycles.data)


def _assignment(position: int, op: AsicOp) -> Assignment:
    region, split, stage, placement = op.region, op.split, op.stage, op.placement
    if region is None or split is None or stage is None or placement is None:
        raise UserError(
            f"{op.name} is not placed: it needs region, split, stage and placement",
            location_of(op),
            notes=[_EXPLORE_FIRST],
        )
    m, n, k = split.factors
    return Assignment(
        position=position,
        stage=stage.value.data,
        region_kind=REGION_NAMES.index(placement.kind.data),
        region=Rectangle(*region.rectangle),
        split_m=m,
        split_n=n,
        split_k=k,
        first=placement.first.data,
        split_b=placement.batch.data,
        stride=placement.stride.data,
        pieces=placement.pieces.data,
        by_rows=bool(placement.by_rows.data),
        buffers=placement.buffers.data,
        scatter=bool(placement.scatter.data),
        cycles=placement.cycles.data,
        start_cycle=0.0,
    )


def _chip(chip: ChipAttr, plan: PlanAttr) -> Chip:
    width, height = chip.mesh_size
    sc_x, sc_y = (value.data for value in chip.super_cluster)
    fields = plan.fields
    return Chip(
        node=chip.node.data,
        mesh_width=width,
        mesh_height=height,
        sc_x=sc_x,
        sc_y=sc_y,
        clock_hz=chip.clock_hz.data,
        supply_v=chip.supply_v.data,
        temperature_c=chip.temperature_c.data,
        flit_bits=chip.flit_bits.data,
        dies=fields["dies"],
        weight_bits=fields["weight_bits"],
        kv_bits=fields["kv_bits"],
        precision=chip.precision.data,
        weight_store=chip.weight_store.data,
        dram_devices=chip.dram_devices.data,
        classes=tuple(
            TileClass(
                name=tile.label.data,
                **tile.fields,
                wmem_bank_bytes=row[1],
                stage=row[0],
                regions=tuple(k for k, flag in zip(REGION_NAMES, row[2:], strict=True) if flag),
                places=tuple(Rectangle(*place) for own, *place in chip.rectangles if own == index),
            )
            for index, (tile, row) in enumerate(zip(chip.tiles, plan.rows, strict=True))
        ),
    )
