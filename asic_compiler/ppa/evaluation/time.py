"""Stage 3: cycles of operators, of stages and of the period between micro-batches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asic_compiler.hardware.floorplan import stage_distance
from asic_compiler.hardware.space import FloatArray
from asic_compiler.mapping.mapping import Mapping
from asic_compiler.mapping.stages import dot_rows
from asic_compiler.ppa import dram, links, power, timing, transfer
from asic_compiler.ppa.evaluation.place import Placed
from asic_compiler.ppa.evaluation.provision import Provisioned
from asic_compiler.technology.node import Technology


@dataclass(frozen=True, slots=True)
class Timed:
    """How long everything takes, in cycles of the clock that the chip is built for."""

    fabric: timing.Fabric
    contractions: timing.ContractionTime
    vectors: timing.VectorTime
    class_cycles: FloatArray
    """[N, C] of one operator of each class of the workload."""
    busy: FloatArray
    """[M] of compute in each stage."""
    lost: FloatArray
    """[M] lost to issue and DMEM ports."""
    kinds: tuple[FloatArray, FloatArray, FloatArray, FloatArray]
    """[M] that keep a tile's clock on: matmuls, convolutions, attention, vectors."""
    stage_hops: FloatArray
    """[N] router hops from one stage to the next."""
    stage_cycles: FloatArray
    """[M]."""
    period: FloatArray
    """[N] between two micro-batches."""
    latency: FloatArray
    """[N] of one micro-batch through all stages."""
    traffic: dram.WeightTraffic | None
    """Weights off the chip: what devices hold and what is read a step; None without any."""


def time(placed: Placed, provisioned: Provisioned, technology: Technology) -> Timed:
    """Counts the cycles of a step."""
    mapping, constants = placed.mapping, technology.timing_constants
    profile, design, bands = mapping.profile, mapping.design, mapping.bands
    stages, segments = mapping.stages, mapping.stages.segments
    fabric = _fabric(mapping, provisioned, technology)
    arriving = transfer.incoming(mapping, transfer.time_transfers(mapping, fabric))
    contractions = timing.time_contractions(
        mapping, placed.issue, fabric, arriving.take(profile.contractions.index), constants
    )
    vectors = timing.time_vectors(
        mapping, placed.issue, fabric, arriving.take(profile.vectors.index), constants
    )
    class_cycles = profile.by_class(contractions.cycles, vectors.cycles)

    link = links.cycles_per_bit(provisioned.built_for, technology)
    pitch = stage_distance(design.stage_grid, design.locality)
    hops = pitch[:, 0] * bands.width / design.sc_x + pitch[:, 1] * bands.height / design.sc_y
    port = design.dflit * np.minimum(bands.width, bands.height)
    each_bit = np.maximum(1.0 / port, link * (provisioned.space.dies > 1.0))
    handed_on = np.ceil(stages.transfer_bytes * 8.0 * segments.spread(each_bit))
    travel = segments.spread(hops * fabric.hop_cycles) * (stages.transfer_bytes > 0.0)
    stage_cycles = stages.total(class_cycles) + handed_on + travel
    period = segments.largest(stage_cycles)
    latency = segments.total(stage_cycles * stages.multiplicity)
    latency = latency - dot_rows(class_cycles, stages.aside)
    traffic, devices = None, placed.devices
    if devices is not None:
        traffic = dram.weight_traffic(profile, design)
        fullest = segments.largest(placed.need.streamed.max(axis=1))
        shortest = mapping.sizes.vlen.min(axis=1)
        stream = dram.stream_cycles(fullest, design, shortest, traffic.bits, bands)
        period = np.where(devices.used, np.maximum(period, stream), period)
        latency = np.maximum(latency, np.where(devices.used, stream, 0.0))
    return Timed(
        fabric=fabric,
        contractions=contractions,
        vectors=vectors,
        class_cycles=class_cycles,
        busy=stages.total(profile.by_class(contractions.busy, vectors.busy)),
        lost=stages.total(profile.by_class(contractions.lost_issue, vectors.lost_issue)),
        kinds=power.cycles_by_kind(profile, stages, contractions.active, vectors.active),
        stage_hops=hops,
        stage_cycles=stage_cycles,
        period=period,
        latency=latency,
        traffic=traffic,
    )


def _fabric(mapping: Mapping, provisioned: Provisioned, technology: Technology) -> timing.Fabric:
    """Latencies in cycles of the fastest clock: pipeline registers are placed for it."""
    c, design, bands = technology.timing_constants, mapping.design, mapping.bands
    space, fastest = provisioned.space, provisioned.built_for
    wire = np.maximum(np.ceil(space.hop_mm * c.wire_delay_28nm * fastest), 1.0)
    columns = np.ceil(bands.width / design.sc_x)
    rows = np.ceil(bands.height / design.sc_y)
    borders = links.borders(space.dies, design.stage_rows)
    routers = np.ceil(design.mesh_width / design.sc_x)
    return timing.Fabric(
        hop_cycles=c.router_cycles + wire,
        diameter=columns + rows,
        columns=bands.width,
        crossing_cycles=borders * np.ceil(c.die_crossing * fastest),
        border_cycles=np.ceil(c.die_crossing * fastest),
        border_flit_cycles=links.flit_cycles(design.dflit, routers, fastest, technology),
        borders=borders,
    )
