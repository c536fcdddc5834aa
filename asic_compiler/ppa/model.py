"""The model: power, performance and area of N designs for one workload on one node."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from asic_compiler.hardware.derive import (
    BANDS,
    Bands,
    TileSizes,
    make_bands,
    provision,
    size_tiles,
)
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.floorplan import stage_distance
from asic_compiler.hardware.legality import (
    MAX_DMEM_BYTES,
    MAX_IMEM_BYTES,
    MAX_WMEM_BYTES,
    REASONS,
    Constraints,
    Reason,
)
from asic_compiler.hardware.segments import Segments
from asic_compiler.hardware.space import CONTINUOUS, INDEX, FloatArray
from asic_compiler.ppa import area, clock, energy, timing, transfer
from asic_compiler.ppa.capacity import Need, memory_need
from asic_compiler.ppa.mapping import split_vectors
from asic_compiler.ppa.profile import Profile, StageCut
from asic_compiler.ppa.stages import cut_of, dot_rows, stage_rows
from asic_compiler.technology.node import Technology

WMEM_STEP_BYTES = 16384.0
_CHUNK = 2048
"""Designs evaluated at once: their arrays stay in the cache."""
_COLUMN = {reason: i for i, reason in enumerate(REASONS)}


@dataclass(frozen=True, slots=True)
class Conditions:
    """What holds for every design of a run."""

    temperature_c: float = 85.0
    constraints: Constraints = field(default_factory=Constraints)
    clock_hz: float | None = None
    """Fixed clock; None lets each design choose a fraction of its fastest."""
    host_interface: bool = True
    """PCIe-class host interface; False is a microcontroller-class one."""


@dataclass(frozen=True)
class Metrics:
    """Outcome of N designs. Arrays are [N] unless said."""

    tokens_per_s: FloatArray
    """All users together."""
    tokens_per_s_per_user: FloatArray
    latency_s: FloatArray
    """Of one step through all stages."""
    sequences: FloatArray
    """Sequences in flight: micro-batch times stages."""
    power_w: FloatArray
    leakage_w: FloatArray
    energy_per_token_j: FloatArray
    """Leakage included."""
    area_mm2: FloatArray
    """All dies."""
    dies: FloatArray
    clock_hz: FloatArray
    clock_fraction: FloatArray
    """Of the fastest that structure, node and supply allow; after projection."""
    period_cycles: FloatArray
    """Of the slowest stage."""
    dmem_average: FloatArray
    """Byte, after raising to what the mapping needs."""
    imem_average: FloatArray
    violations: FloatArray
    """[N, reasons] relative excess over each limit, 0 where kept."""
    hazards: FloatArray
    """Share of compute cycles lost to issue, ports and dependences."""
    compute_share: FloatArray
    """Share of the slowest stage's cycles in which compute is busy."""
    energy_parts_j: FloatArray
    """[N, 6] joule a step: compute, WMEM, DMEM, issue, NoC, clock."""
    area_parts_mm2: FloatArray
    """[N, 5] mm2: logic, DMEM and IMEM, WMEM, NoC, interface."""

    @property
    def legal(self) -> NDArray[np.bool_]:
        """[N] every limit is kept."""
        return np.all(self.violations <= 0.0, axis=1)

    @property
    def violation(self) -> FloatArray:
        """[N] summed relative excess."""
        return self.violations.sum(axis=1)


@dataclass(frozen=True)
class Internals:
    """What the model worked out on the way: enough to build and program the chip."""

    bands: Bands
    sizes: TileSizes
    dmem: FloatArray
    """[N, U, 4] byte, each distinct stage and band."""
    wmem: FloatArray
    imem: FloatArray
    dmem_need: FloatArray
    wmem_need: FloatArray
    contractions: timing.ContractionTime
    vectors: timing.VectorTime
    fabric: timing.Fabric
    cut: StageCut
    stage_cycles: FloatArray
    """[N, U]."""
    class_cycles: FloatArray
    """[N, C] cycles of one operator of each class of the workload."""


class PPAModel:
    """Evaluates designs; pure and deterministic.

    Args:
        profile: The workload.
        technology: The node.
        conditions: Temperature, budgets, fixed clock.
    """

    def __init__(self, profile: Profile, technology: Technology, conditions: Conditions) -> None:
        self.profile = profile
        self.technology = technology
        self.conditions = conditions

    def evaluate(self, design: DesignBatch) -> Metrics:
        """Evaluates N designs, each with the stage cut and the clock that it asks for."""
        if len(design) <= _CHUNK:
            return self._evaluate(design)[0]
        starts = range(0, len(design), _CHUNK)
        return _join([self._evaluate(design.take(slice(a, a + _CHUNK)))[0] for a in starts])

    def evaluate_equal_stages(self, design: DesignBatch) -> tuple[Metrics, Internals]:
        """Evaluates designs that all share one stage grid and balance, and shows the working."""
        metrics, work = self._evaluate(design)
        count = len(design)
        internals = Internals(
            bands=work.bands,
            sizes=work.sizes,
            dmem=work.dmem.reshape(count, -1, BANDS),
            wmem=work.wmem.reshape(count, -1, BANDS),
            imem=work.imem.reshape(count, -1, BANDS),
            dmem_need=work.need.dmem.reshape(count, -1, BANDS),
            wmem_need=work.need.wmem.reshape(count, -1, BANDS),
            contractions=work.tensor_time,
            vectors=work.vector_time,
            fabric=work.fabric,
            cut=cut_of(self.profile, design, 0),
            stage_cycles=work.stage_cycles.reshape(count, -1),
            class_cycles=work.class_cycles,
        )
        return metrics, internals

    def _evaluate(self, design: DesignBatch) -> tuple[Metrics, _Working]:
        profile, node = self.profile, self.technology
        constants = node.timing_constants
        stages = stage_rows(profile, design)
        segments = stages.segments
        bands = make_bands(design, profile.has_conv)
        sizes = size_tiles(design, bands, profile.lane_cycles[design.rows.astype(np.int64) - 1])
        issue = timing.issue_limits(design, sizes, constants)
        logic = area.core_logic(design, sizes, node)

        split = timing.split_contractions(profile.contractions, design, bands)
        vectors = split_vectors(profile.vectors, bands, sizes)
        need = memory_need(profile, design, bands, sizes, split, vectors, stages)
        tiles = stages.multiplicity[:, None] * segments.spread(bands.tiles)
        shape = (tiles, design.heterogeneity, segments)
        dmem, dmem_average = provision(
            design.dmem, need.dmem, *shape, *_memory_range("dmem"), MAX_DMEM_BYTES
        )
        imem, imem_average = provision(
            design.imem, need.imem, *shape, *_memory_range("imem"), MAX_IMEM_BYTES
        )
        wmem = np.ceil(need.wmem / WMEM_STEP_BYTES) * WMEM_STEP_BYTES

        space = self._area(design, bands, logic, dmem, wmem, imem, tiles, segments)
        fastest = clock.fastest_clock_hz(design, sizes, node)
        fabric = self._fabric(design, bands, space, fastest)
        buffer = self._input_buffer(design, bands, segments.least(dmem - need.kv))
        grid = transfer.result_grids(profile, design, split, vectors)
        transfers = transfer.time_transfers(
            profile, profile.flow, design, sizes, split, vectors, grid
        )
        arriving = transfer.incoming(profile.flow, transfers, len(profile.table.classes))
        tensor_time = timing.time_contractions(
            profile.contractions,
            split,
            design,
            sizes,
            issue,
            fabric,
            buffer,
            arriving.take(profile.contractions.index),
            constants,
        )
        vector_time = timing.time_vectors(
            profile.vectors,
            vectors,
            design,
            bands,
            sizes,
            issue,
            fabric,
            arriving.take(profile.vectors.index),
            constants,
        )
        class_cycles = self._by_class(tensor_time.cycles, vector_time.cycles)
        busy = stages.total(self._by_class(tensor_time.busy, vector_time.busy))
        lost = stages.total(self._by_class(tensor_time.lost_issue, vector_time.lost_issue))

        pitch = stage_distance(design.stage_grid, design.locality)
        hops = pitch[:, 0] * bands.width / design.sc_x + pitch[:, 1] * bands.height / design.sc_y
        links = design.dflit * np.minimum(bands.width, bands.height)
        crossing = np.ceil(stages.transfer_bytes * 8.0 / segments.spread(links))
        travel = segments.spread(hops * fabric.hop_cycles) * (stages.transfer_bytes > 0.0)
        stage_cycles = stages.total(class_cycles) + crossing + travel
        period = segments.largest(stage_cycles)
        latency_cycles = segments.total(stage_cycles * stages.multiplicity)

        memory = energy.memory_energy(design, dmem_average, space.tile_mm, space.hop_mm, node)
        parts = self._energy(design, bands, sizes, memory, fabric, tensor_time, vector_time)
        transferred = segments.total(stages.transfer_bytes * stages.multiplicity) * 8.0
        parts[:, 4] += transferred * np.maximum(hops, 1.0) * memory.hop
        parts[:, 4] += energy.die_to_die(profile.contractions, profile.counts, space.dies, node)
        active = segments.total(busy * stages.multiplicity)
        parts[:, 5] = energy.clock_energy(design, bands, logic.flip_flops, period, active, node)
        parts *= ((design.vdd / node.voltage.nominal) ** 2)[:, None]
        step_energy = parts.sum(axis=1)
        leak = energy.leakage_w(
            space.parts[:, 0] + space.parts[:, 3],
            space.sram_bits,
            space.rom_bits,
            design.vdd,
            self.conditions.temperature_c,
            node,
            None
            if self.conditions.clock_hz is None
            else clock.fits_high_threshold(self.conditions.clock_hz, design.vdd, fastest, node),
        )

        violations = np.zeros((len(design), len(REASONS)))
        capacities = (
            (Reason.DMEM, need.dmem, MAX_DMEM_BYTES),
            (Reason.WMEM, need.wmem, MAX_WMEM_BYTES),
            (Reason.IMEM, need.imem, MAX_IMEM_BYTES),
        )
        for reason, required, limit in capacities:
            worst = segments.largest(required.max(axis=1))
            violations[:, _COLUMN[reason]] = _excess(worst, limit)
        fraction = self._clock_fraction(design, fastest, step_energy, period, leak)
        violations[:, _COLUMN[Reason.CLOCK]] = _excess(fraction, 1.0)
        hertz = fraction * fastest
        steps_per_s = hertz / period
        power = step_energy * steps_per_s + leak
        tokens = steps_per_s * profile.table.tokens_per_step
        self._check_budgets(violations, power, space, tokens)
        each_user = profile.table.tokens_per_step / max(profile.table.batch, 1)
        per_user = each_user * (
            steps_per_s / design.stages if profile.autoregressive else hertz / latency_cycles
        )
        total_busy = np.maximum(segments.largest(busy), 1e-9)
        metrics = Metrics(
            tokens_per_s=tokens,
            tokens_per_s_per_user=per_user,
            latency_s=latency_cycles / hertz,
            sequences=float(profile.table.batch) * design.stages,
            power_w=power,
            leakage_w=leak,
            energy_per_token_j=power / tokens,
            area_mm2=space.total,
            dies=space.dies,
            clock_hz=hertz,
            clock_fraction=fraction,
            period_cycles=period,
            dmem_average=dmem_average,
            imem_average=imem_average,
            violations=violations,
            hazards=np.clip(segments.largest(lost) / total_busy, 0.0, 1.0),
            compute_share=np.clip(total_busy / period, 0.0, 1.0),
            energy_parts_j=parts,
            area_parts_mm2=space.parts,
        )
        working = _Working(
            bands, sizes, need, dmem, wmem, imem, tensor_time, vector_time, fabric, stage_cycles,
            class_cycles,
        )  # fmt: skip
        return metrics, working

    def _area(
        self,
        design: DesignBatch,
        bands: Bands,
        logic: area.Logic,
        dmem: FloatArray,
        wmem: FloatArray,
        imem: FloatArray,
        tiles: FloatArray,
        segments: Segments,
    ) -> _Space:
        node = self.technology
        a = node.area_constants
        core = area.logic_area_mm2((logic.gates * bands.tiles).sum(axis=1) * design.stages, node)
        sram = area.sram_area_mm2(dmem, node) + area.sram_area_mm2(imem, node)
        data = segments.total((sram * tiles).sum(axis=1))
        stored = segments.total((wmem * tiles).sum(axis=1))
        weights = area.rom_area_mm2(stored, design.wmem_bank, node)
        routers = np.ceil(design.mesh_width / design.sc_x) * np.ceil(
            design.mesh_height / design.sc_y
        )
        noc = area.logic_area_mm2(area.router_gates(design, node) * routers, node)
        interface = (
            a.host_interface if self.conditions.host_interface else a.microcontroller_interface
        )
        silicon = (core + data + weights + noc) / a.floorplan_utilisation
        dies = np.ceil((silicon + interface) / a.reticle)
        several = dies > 1.0
        dies = np.where(several, np.ceil((silicon + interface) / (a.reticle - a.die_to_die)), dies)
        edge = interface + np.where(several, dies * a.die_to_die, 0.0)
        scale = 1.0 / a.floorplan_utilisation
        tile_mm = np.sqrt(silicon / design.tiles)
        return _Space(
            total=silicon + edge,
            dies=dies,
            parts=np.stack(
                [core * scale, data * scale, weights * scale, noc * scale, edge], axis=1
            ),
            tile_mm=tile_mm,
            hop_mm=tile_mm * np.sqrt(design.sc_x * design.sc_y),
            sram_bits=segments.total(((dmem + imem) * tiles).sum(axis=1)) * 8.0,
            rom_bits=stored * 8.0,
        )

    def _fabric(
        self, design: DesignBatch, bands: Bands, space: _Space, fastest: FloatArray
    ) -> timing.Fabric:
        """Latencies in cycles of the fastest clock: pipeline registers are placed for it."""
        c = self.technology.timing_constants
        wire = np.maximum(np.ceil(space.hop_mm * c.wire_delay_28nm * fastest), 1.0)
        columns = np.ceil(bands.width / design.sc_x)
        rows = np.ceil(bands.height / design.sc_y)
        crossings = np.maximum(np.ceil(space.dies / design.stages) - 1.0, 0.0)
        return timing.Fabric(
            hop_cycles=c.router_cycles + wire,
            diameter=columns + rows,
            row_hops=rows,
            crossing_cycles=crossings * np.ceil(c.die_crossing * fastest),
            border_cycles=np.ceil(c.die_crossing * fastest),
        )

    def _input_buffer(self, design: DesignBatch, bands: Bands, free: FloatArray) -> FloatArray:
        """[N, C] bytes that hold inputs on the tightest tile of each contraction's region."""
        share = free * design.dmem_input[:, None]
        region = np.where(bands.member, share[:, :, None], np.inf).min(axis=1)
        return np.maximum(region, 1.0)[:, self.profile.contractions.region]

    def _by_class(self, tensor: FloatArray, vector: FloatArray) -> FloatArray:
        out = np.zeros((len(tensor), len(self.profile.table.classes)))
        out[:, self.profile.contractions.index] = tensor
        out[:, self.profile.vectors.index] = vector
        return out

    def _energy(
        self,
        design: DesignBatch,
        bands: Bands,
        sizes: TileSizes,
        memory: energy.MemoryEnergy,
        fabric: timing.Fabric,
        tensor_time: timing.ContractionTime,
        vector_time: timing.VectorTime,
    ) -> FloatArray:
        """[N, 6] joule a step at the nominal supply; clock is left at 0."""
        node, profile = self.technology, self.profile
        region_routers = np.ceil(bands.width / design.sc_x)[:, None] * np.ceil(
            bands.region_rows / design.sc_y[:, None]
        )
        contraction = energy.contraction_energy(
            profile.contractions,
            tensor_time,
            design,
            sizes,
            memory,
            region_routers,
            fabric.row_hops,
            fabric.diameter,
            node,
        )
        vector = energy.vector_energy(
            profile.vectors, vector_time, bands, sizes, memory, fabric.diameter, node
        )
        tensor_counts = profile.counts[profile.contractions.index]
        vector_counts = profile.counts[profile.vectors.index]
        columns = [
            dot_rows(getattr(contraction, f.name), tensor_counts)
            + dot_rows(getattr(vector, f.name), vector_counts)
            for f in fields(energy.EnergyParts)
        ]
        return np.stack([*columns, np.zeros(len(design))], axis=1)

    def _clock_fraction(
        self,
        design: DesignBatch,
        fastest: FloatArray,
        step_energy: FloatArray,
        period: FloatArray,
        leak: FloatArray,
    ) -> FloatArray:
        """Projection onto the power budget: the clock that it leaves, never above the asked.

        Energy a step and leakage do not depend on the clock, so the projection is exact.
        """
        if self.conditions.clock_hz is not None:
            return self.conditions.clock_hz / fastest
        budget = self.conditions.constraints.power_w
        if budget is None:
            return design.clock
        affordable = (budget - leak) * (1.0 - 1e-12) * period / (step_energy * fastest)
        lowest = CONTINUOUS[INDEX["clock"]].low
        return np.clip(affordable, lowest, design.clock)

    def _check_budgets(
        self, violations: FloatArray, power: FloatArray, space: _Space, tokens: FloatArray
    ) -> None:
        budget = self.conditions.constraints
        if budget.power_w is not None:
            violations[:, _COLUMN[Reason.POWER]] = _excess(power, budget.power_w)
        if budget.area_mm2 is not None:
            violations[:, _COLUMN[Reason.AREA]] = _excess(space.total, budget.area_mm2)
        if budget.dies is not None:
            violations[:, _COLUMN[Reason.DIES]] = _excess(space.dies, float(budget.dies))
        if budget.tokens_per_s is not None:
            short = budget.tokens_per_s / tokens
            violations[:, _COLUMN[Reason.THROUGHPUT]] = _excess(short, 1.0)


@dataclass(frozen=True, slots=True)
class _Working:
    bands: Bands
    sizes: TileSizes
    need: Need
    dmem: FloatArray
    wmem: FloatArray
    imem: FloatArray
    tensor_time: timing.ContractionTime
    vector_time: timing.VectorTime
    fabric: timing.Fabric
    stage_cycles: FloatArray
    class_cycles: FloatArray


@dataclass(frozen=True, slots=True)
class _Space:
    total: FloatArray
    dies: FloatArray
    parts: FloatArray
    tile_mm: FloatArray
    hop_mm: FloatArray
    sram_bits: FloatArray
    rom_bits: FloatArray


def _excess(value: FloatArray, limit: float) -> FloatArray:
    return np.maximum(value / limit - 1.0, 0.0) * (value > limit * (1.0 + 1e-9))


def _memory_range(name: str) -> tuple[float, float]:
    """Step and smallest size of a memory, byte."""
    variable = CONTINUOUS[INDEX[name]]
    return variable.step, variable.low


def _join(parts: list[Metrics]) -> Metrics:
    """One batch after another."""
    names = [f.name for f in fields(Metrics)]
    return Metrics(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})
