"""From a chosen design to a chip, and to the tiles of every operator."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from asic_compiler.hardware.chip import Chip, Rectangle, TileClass
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.floorplan import ORDERS, stage_positions
from asic_compiler.hardware.precision import FORMATS
from asic_compiler.hardware.space import FloatArray
from asic_compiler.hardware.weight_store import STORES
from asic_compiler.machine.network import RATE_STEPS
from asic_compiler.machine.regions import GENERAL, REGION_NAMES
from asic_compiler.mapping.capacity import rows_of
from asic_compiler.plan.plan import Assignment, Plan
from asic_compiler.ppa.metrics import Metrics
from asic_compiler.ppa.model import Internals, PPAModel
from asic_compiler.workload.table import OperatorKind, OperatorTable


@dataclass(frozen=True)
class EvaluatedPlan(Plan):
    """A plan, and what the model says of it."""

    metrics: Metrics
    """Figures of this one design: arrays of length 1."""


def make_plan(model: PPAModel, design: DesignBatch, temperature_c: float) -> EvaluatedPlan:
    """Spells out a single design.

    Args:
        model: The model that evaluated it.
        design: One design (arrays of length 1).
        temperature_c: Junction temperature, degrees Celsius.

    Raises:
        ValueError: ``design`` is not a single design.
    """
    if len(design) != 1:
        raise ValueError(f"a plan is made of one design, not {len(design)}")
    metrics, internals = model.evaluate_equal_stages(design)
    chip = Chip(
        node=model.technology.name,
        mesh_width=int(design.mesh_width[0]),
        mesh_height=int(design.mesh_height[0]),
        sc_x=int(design.sc_x[0]),
        sc_y=int(design.sc_y[0]),
        clock_hz=float(metrics.clock_hz[0]),
        supply_v=round(float(design.vdd[0]), 4),
        temperature_c=temperature_c,
        flit_bits=int(design.dflit[0]),
        dies=int(metrics.dies[0]),
        weight_bits=_stored_bits(model, design),
        kv_bits=int(design.kv_bits[0]),
        classes=_tile_classes(design, internals, model.profile.has_conv),
        precision=FORMATS[int(design.precision[0])].name,
        weight_store=str(STORES[int(design.weight_store[0])]),
        dram_devices=int(metrics.dram_devices[0]),
    )
    return EvaluatedPlan(
        chip,
        _assign(design, internals),
        model.profile.table,
        float(metrics.period_cycles[0]),
        int(internals.fabric.hop_cycles[0]),
        int(internals.fabric.border_cycles[0]),
        round(RATE_STEPS * float(internals.fabric.border_flit_cycles[0])),
        metrics,
    )


def _stored_bits(model: PPAModel, design: DesignBatch) -> int:
    """Width of a stored contraction weight; only those of 16 bit are ever narrowed."""
    work = model.profile.contractions
    own = work.bits[work.weight_bytes > 0.0]
    if len(own) and not (own == 16.0).any():
        return int(own.max())
    return int(design.weight_bits[0])


def stage_rectangles(design: DesignBatch, internals: Internals) -> tuple[Rectangle, ...]:
    """Where each stage of a single design stands, in program order."""
    width, height = int(internals.bands.width[0]), int(internals.bands.height[0])
    order = int(np.rint(float(design.locality[0]) * (len(ORDERS) - 1)))
    return tuple(
        Rectangle(column * width, row * height, width, height)
        for column, row in stage_positions(int(design.stage_grid[0]), order)
    )


def _tile_classes(
    design: DesignBatch, internals: Internals, has_conv: bool
) -> tuple[TileClass, ...]:
    bands = internals.bands
    classes: list[TileClass] = []
    for stage, place in enumerate(stage_rectangles(design, internals)):
        kind = int(internals.cut.of_stage[stage])
        for band in range(bands.rows.shape[1]):
            rows = int(bands.rows[0, band])
            if rows == 0:
                continue
            regions = tuple(
                name
                for index, name in enumerate(REGION_NAMES)
                if bands.member[0, band, index] and (name != "conv" or has_conv)
            )
            start = int(bands.start[0, band])
            classes.append(
                TileClass(
                    name=f"stage{stage}.{'_'.join(regions) or 'idle'}",
                    fetch=int(internals.sizes.fetch[0, band]),
                    stations=int(design.stanum[0]),
                    vlen=int(internals.sizes.vlen[0, band]),
                    rows=int(design.rows[0]),
                    dmem_bytes=int(internals.dmem[0, kind, band]),
                    wmem_bytes=int(internals.wmem[0, kind, band]),
                    wmem_bank_bytes=int(design.wmem_bank[0]),
                    imem_bytes=int(internals.imem[0, kind, band]),
                    xr_wp=int(design.xr_wp[0]),
                    vr_wp=int(design.vr_wp[0]),
                    xdpnum=int(design.xdpnum[0]),
                    vdpnum=int(design.vdpnum[0]),
                    stage=stage,
                    regions=regions,
                    places=(Rectangle(place.x, place.y + start, place.width, rows),),
                )
            )
    return tuple(classes)


def _assign(design: DesignBatch, internals: Internals) -> tuple[Assignment, ...]:
    mapping, cut = internals.mapping, internals.cut
    profile, bands, split = mapping.profile, mapping.bands, mapping.split
    table = profile.table
    stages = stage_rectangles(design, internals)
    stage_of = np.searchsorted(cut.boundaries, np.arange(len(table.sequence)), side="right") - 1
    tensor = {int(c): i for i, c in enumerate(profile.contractions.index)}
    vector = {int(c): i for i, c in enumerate(profile.vectors.index)}
    clock = np.zeros(len(stages))
    rows_used = rows_of(profile, split, bands)
    holders = np.arange(len(table.sequence)) if table.holders is None else table.holders
    next_row: dict[tuple[int, int], int] = {}
    row_of: dict[tuple[int, int], int] = {}
    attention_row: dict[int, int] = {}
    out: list[Assignment] = []
    for position, class_index in enumerate(int(c) for c in table.sequence):
        stage = int(stage_of[position])
        cost = table.classes[class_index]
        place = stages[stage]
        first_row, split_b, stride, pieces, buffers, by_rows = 0, 1, 1, 1, 1, False
        scatter = False
        if class_index in tensor:
            i = tensor[class_index]
            kind = int(profile.contractions.region[i])
            rows = int(bands.region_rows[0, kind])
            m, n, k = _at(split.m, i), _at(split.n, i), _at(split.k, i)
            scatter = bool(split.scatter[0, i])
            copy = stage, int(holders[position])
            if copy not in row_of:
                row_of[copy] = next_row.get((stage, class_index), 0)
                next_row[stage, class_index] = (row_of[copy] + int(rows_used[0, i])) % rows
            first_row = row_of[copy]
            if cost.kind is OperatorKind.ATTENTION:
                split_b = min(cost.batch, rows * place.width)
                attention_row[stage] = first_row
            elif cost.kind is OperatorKind.MATMUL:
                streams = mapping.streams
                pieces, buffers = _at(streams.pieces, i), _at(streams.kept, i)
                by_rows = bool(streams.by_rows[0, i])
        else:
            i = vector[class_index]
            kind = GENERAL
            rows = int(bands.region_rows[0, kind])
            parts = mapping.vectors
            split_b, m, n, k = _at(parts.b, i), _at(parts.m, i), _at(parts.n, i), 1
            stride = _at(parts.stride, i)
            if cost.anchored:
                first_row = attention_row.get(stage, 0)
        top = place.height - rows if kind == GENERAL else 0
        cycles = float(internals.class_cycles[0, class_index])
        out.append(
            Assignment(
                position=position,
                stage=stage,
                region_kind=kind,
                region=Rectangle(place.x, place.y + top, place.width, rows),
                split_m=m,
                split_n=n,
                split_k=k,
                first=first_row * place.width,
                split_b=split_b,
                stride=stride,
                pieces=pieces,
                by_rows=by_rows,
                buffers=buffers,
                scatter=scatter,
                cycles=cycles,
                start_cycle=float(clock[stage]),
            )
        )
        clock[stage] += cycles
    return _with_appends(out, table)


def _with_appends(assignments: list[Assignment], table: OperatorTable) -> tuple[Assignment, ...]:
    """A cache lies where the product that reads it does, and so do appends to it."""
    out = list(assignments)
    kinds = [table.classes[int(own)].kind for own in table.sequence]
    for producer, consumer in ((int(edge[0]), int(edge[1])) for edge in table.edges):
        appends = kinds[producer] is OperatorKind.KV_APPEND
        if appends and kinds[consumer] is OperatorKind.ATTENTION:
            found = out[consumer]
            out[producer] = replace(
                out[producer],
                split_b=found.split_b,
                split_m=found.split_m,
                split_n=found.split_n,
                split_k=found.split_k,
                stride=1,
                first=found.first,
                region=found.region,
            )
    return tuple(out)


def _at(values: FloatArray, column: int) -> int:
    return int(values[0, column])
