"""The model: power, performance and area of N designs for one workload on one node."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

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
from asic_compiler.hardware.layout import keep_memory
from asic_compiler.hardware.legality import (
    MAX_DMEM_BYTES,
    MAX_IMEM_BYTES,
    MAX_WMEM_BYTES,
    REASONS,
    Constraints,
    Reason,
)
from asic_compiler.hardware.space import CONTINUOUS, INDEX, FloatArray
from asic_compiler.ppa import (
    area,
    clock,
    dram,
    energy,
    leakage,
    links,
    power,
    precision,
    timing,
    transfer,
)
from asic_compiler.ppa.capacity import Need, memory_need
from asic_compiler.ppa.footprint import Space, footprint, interface_mm2, with_phys
from asic_compiler.ppa.mapping import split_vectors
from asic_compiler.ppa.metrics import Metrics, join
from asic_compiler.ppa.partition import split_contractions, split_streams
from asic_compiler.ppa.profile import Profile, StageCut
from asic_compiler.ppa.stages import cut_of, dot_rows, stage_rows
from asic_compiler.technology.node import Technology

WMEM_STEP_BYTES = 16384.0
_CHUNK = 4096
"""Designs evaluated at once: enough that the calls cost little, few enough for 50 MB of arrays."""
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
    power_gating: bool = True
    """Sleep transistors: what does not work is switched off. False leaves everything awake."""


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
    class_energy_j: FloatArray
    """[N, C, 5] joule of one operator: the first five of ``ENERGY_PARTS``, at the supply."""
    logic: area.Logic


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
        self._needs = precision.needs(profile)
        keep_memory()

    def evaluate(self, design: DesignBatch) -> Metrics:
        """Evaluates N designs, each with the stage cut and the clock that it asks for."""
        if len(design) <= _CHUNK:
            return self._evaluate(design)[0]
        starts = range(0, len(design), _CHUNK)
        return join([self._evaluate(design.take(slice(a, a + _CHUNK)))[0] for a in starts])

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
            class_energy_j=work.spent.by_class(self.profile, work.supply),
            logic=work.logic,
        )
        return metrics, internals

    def _evaluate(self, design: DesignBatch) -> tuple[Metrics, _Working]:
        profile, node = self.profile, self.technology
        constants = node.timing_constants
        design = precision.stored(design, profile.head_dim, node)
        operands = precision.operands(profile.contractions, design, node)
        work = operands.work
        memory_volts = clock.memory_supply(design.vdd, node)
        off_chip = dram.devices(design, node)
        stages = stage_rows(profile, design)
        segments = stages.segments
        bands = make_bands(design, profile.has_conv)
        lane_cycles = np.take(profile.lane_cycles.T, design.rows.astype(np.int64) - 1, axis=1).T
        sizes = size_tiles(design, bands, lane_cycles)
        issue = timing.issue_limits(design, sizes, constants)
        logic = area.core_logic(design, sizes, node, self._needs)

        split = split_contractions(work, design, bands)
        vectors = split_vectors(profile.vectors, bands, sizes)
        streams = split_streams(work, split, design)
        values = transfer.lay_out(profile, design, split, vectors)
        need = memory_need(profile, design, bands, sizes, split, vectors, streams, values, stages)
        if off_chip is not None:
            bank = segments.spread(design.wmem_bank)[:, None]
            streamed = segments.spread(off_chip.used)[:, None]
            buffer = dram.buffer_bytes(need.wmem, bank)
            need = replace(need, wmem=np.where(streamed, buffer, need.wmem))
        tiles = stages.multiplicity[:, None] * segments.spread(bands.tiles)
        shape = (tiles, design.heterogeneity, segments)
        dmem, dmem_average = provision(
            design.dmem, need.dmem, *shape, *_memory_range("dmem"), MAX_DMEM_BYTES
        )
        imem, imem_average = provision(
            design.imem, need.imem, *shape, *_memory_range("imem"), MAX_IMEM_BYTES
        )
        wmem = np.ceil(need.wmem / WMEM_STEP_BYTES) * WMEM_STEP_BYTES

        interface = interface_mm2(self.conditions.host_interface, node)
        gating = self.conditions.power_gating
        space = footprint(
            design, bands, sizes, logic, dmem, wmem, imem, tiles, segments, interface, gating, node
        )
        macro = segments.largest(np.maximum(dmem, imem).max(axis=1))
        fastest = np.minimum(
            clock.fastest_clock_hz(design, sizes, node),
            clock.memory_clock_hz(macro, memory_volts, node),
        )
        fixed = self.conditions.clock_hz
        built_for = fastest if fixed is None else np.full(len(design), fixed)
        fabric = self._fabric(design, bands, space, built_for)
        transfers = transfer.time_transfers(
            profile, design, bands, sizes, split, vectors, values, fabric
        )
        arriving = transfer.incoming(profile, transfers, streams)
        tensor_time = timing.time_contractions(
            work,
            split,
            design,
            bands,
            sizes,
            issue,
            fabric,
            streams,
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
        link = links.cycles_per_bit(built_for, node)
        class_cycles = self._by_class(
            tensor_time.cycles,
            vector_time.cycles,
        )
        kinds = power.cycles_by_kind(profile, stages, tensor_time.active, vector_time.active)
        busy = stages.total(self._by_class(tensor_time.busy, vector_time.busy))
        lost = stages.total(self._by_class(tensor_time.lost_issue, vector_time.lost_issue))

        pitch = stage_distance(design.stage_grid, design.locality)
        hops = pitch[:, 0] * bands.width / design.sc_x + pitch[:, 1] * bands.height / design.sc_y
        port = design.dflit * np.minimum(bands.width, bands.height)
        each_bit = np.maximum(1.0 / port, link * (space.dies > 1.0))
        handed_on = np.ceil(stages.transfer_bytes * 8.0 * segments.spread(each_bit))
        travel = segments.spread(hops * fabric.hop_cycles) * (stages.transfer_bytes > 0.0)
        stage_cycles = stages.total(class_cycles) + handed_on + travel
        period = segments.largest(stage_cycles)
        latency_cycles = segments.total(stage_cycles * stages.multiplicity)
        latency_cycles = latency_cycles - dot_rows(class_cycles, stages.aside)
        traffic = None
        if off_chip is not None:
            traffic = dram.traffic(profile, design)
            fullest = segments.largest(need.streamed.max(axis=1))
            stream = dram.stream_cycles(
                fullest, design, sizes.vlen.min(axis=1), traffic.bits, bands
            )
            period = np.where(off_chip.used, np.maximum(period, stream), period)
            latency_cycles = np.maximum(latency_cycles, np.where(off_chip.used, stream, 0.0))

        memory = energy.memory_energy(design, dmem_average, space.tile_mm, space.hop_mm, node)
        spent = power.operator_energy(
            profile, operands, sizes, memory, tensor_time, vector_time, node
        )
        parts = spent.of_step(profile)
        transferred = segments.total(stages.transfer_bytes * stages.multiplicity) * 8.0
        parts[:, power.NOC] += transferred * np.maximum(hops, 1.0) * memory.hop
        # Within a stage of one tile nothing else moves: what it is handed is read and written.
        alone = bands.width * bands.height == 1.0
        parts[:, power.DMEM] += np.where(alone, 2.0 * transferred * memory.dmem, 0.0)
        active = energy.active_cycles(
            bands, *(segments.total(kind * stages.multiplicity) for kind in kinds)
        )
        asleep = np.zeros_like(active[0])
        if gating:
            operators = len(profile.table.sequence)
            asleep = power.asleep(design, active[0] + active[1], period, operators, built_for, node)
        parts[:, power.CLOCK] = energy.clock_energy(
            design,
            bands,
            logic,
            period,
            *active,
            asleep,
            node.system.static.spine * space.total,
            node,
        )
        tensor_bits = links.crossing_bits(tensor_time, split.used_tiles / split.k)
        vector_bits = links.crossing_bits(vector_time, vectors.parts / vectors.group)
        crossed = fabric.borders * (
            dot_rows(tensor_bits, profile.counts[work.index])
            + dot_rows(vector_bits, profile.counts[profile.vectors.index])
        )
        changes = np.clip((space.dies - 1.0) / np.maximum(design.stages - 1.0, 1.0), 0.0, 1.0)
        parts[:, power.LINKS] = (crossed + transferred * changes) * node.energy_constants.die_to_die
        if off_chip is not None and traffic is not None:
            bits = np.where(off_chip.used, traffic.bits, 0.0)
            parts[:, power.DRAM] = bits * off_chip.energy
            parts[:, power.NOC] += bits * (dram.stream_hops(design) * memory.hop + memory.local)
            parts[:, power.WMEM] += bits * memory.wmem
        supply = power.supply_factors(design, memory_volts, node)
        parts *= supply
        step_energy = parts.sum(axis=1)
        leak_parts = leakage.leakage_parts_w(
            power.silicon(design, bands, space, wmem, tiles, active[0], period, asleep, segments),
            design.vdd,
            memory_volts,
            self.conditions.temperature_c,
            node,
            None if fixed is None else clock.fits_high_threshold(fixed, design.vdd, fastest, node),
            gating,
        )
        leak = leak_parts.sum(axis=1)
        static = power.static_w(space.dies, self.conditions.host_interface, node)

        violations = np.zeros((len(design), len(REASONS)))
        capacities = (
            (Reason.DMEM, need.dmem, MAX_DMEM_BYTES),
            (Reason.WMEM, need.wmem, MAX_WMEM_BYTES),
            (Reason.IMEM, need.imem, MAX_IMEM_BYTES),
        )
        for reason, required, limit in capacities:
            worst = segments.largest(required.max(axis=1))
            violations[:, _COLUMN[reason]] = _excess(worst, limit)
        allowed = design.clock
        devices, supplied = np.zeros(len(design)), None
        if off_chip is not None and traffic is not None:
            asked = (design.clock * fastest if fixed is None else built_for) / period
            budget = self.conditions.constraints.power_w
            devices, supplied = power.off_chip(
                off_chip, traffic, space, asked, step_energy, leak + static, budget, node
            )
            fed = np.minimum(allowed, supplied * period / fastest)
            allowed = np.where(off_chip.used, fed, allowed)
            static = static + devices * off_chip.static_power
            space = with_phys(space, devices, off_chip, interface, node)
        fraction = self._clock_fraction(allowed, fastest, step_energy, period, leak + static)
        violations[:, _COLUMN[Reason.CLOCK]] = _excess(fraction, 1.0)
        hertz = fraction * fastest
        steps_per_s = hertz / period
        if off_chip is not None and supplied is not None:
            fed = np.minimum(steps_per_s, supplied)
            steps_per_s = np.where(off_chip.used, fed, steps_per_s)
        watts = step_energy * steps_per_s + leak + static
        tokens = steps_per_s * profile.table.tokens_per_step
        self._check_budgets(violations, watts, space, tokens)
        each_user = profile.table.tokens_per_step / max(profile.table.batch, 1)
        per_user = each_user * (
            steps_per_s / design.stages
            if profile.autoregressive
            else steps_per_s * period / latency_cycles
        )
        total_busy = np.maximum(segments.largest(busy), 1e-9)
        metrics = Metrics(
            tokens_per_s=tokens,
            tokens_per_s_per_user=per_user,
            latency_s=latency_cycles / (steps_per_s * period),
            sequences=float(profile.table.batch) * design.stages,
            power_w=watts,
            leakage_w=leak,
            static_w=static,
            energy_per_token_j=watts / tokens,
            area_mm2=space.total,
            dies=space.dies,
            dram_devices=devices,
            steps_per_s=steps_per_s,
            clock_hz=hertz,
            clock_fraction=fraction,
            period_cycles=period,
            dmem_average=dmem_average,
            imem_average=imem_average,
            violations=violations,
            hazards=np.clip(segments.largest(lost) / total_busy, 0.0, 1.0),
            compute_share=np.clip(total_busy / period, 0.0, 1.0),
            energy_parts_j=parts,
            leakage_parts_w=leak_parts,
            area_parts_mm2=space.parts,
        )
        working = _Working(
            bands, sizes, need, dmem, wmem, imem, tensor_time, vector_time, fabric, stage_cycles,
            class_cycles, spent, supply, logic,
        )  # fmt: skip
        return metrics, working

    def _fabric(
        self, design: DesignBatch, bands: Bands, space: Space, fastest: FloatArray
    ) -> timing.Fabric:
        """Latencies in cycles of the fastest clock: pipeline registers are placed for it."""
        c = self.technology.timing_constants
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
            border_flit_cycles=links.flit_cycles(design.dflit, routers, fastest, self.technology),
            borders=borders,
        )

    def _by_class(self, tensor: FloatArray, vector: FloatArray) -> FloatArray:
        out = np.zeros((len(tensor), len(self.profile.table.classes)), order="F")
        out[:, self.profile.contractions.index] = tensor
        out[:, self.profile.vectors.index] = vector
        return out

    def _clock_fraction(
        self,
        allowed: FloatArray,
        fastest: FloatArray,
        step_energy: FloatArray,
        period: FloatArray,
        fixed_w: FloatArray,
    ) -> FloatArray:
        """Projection onto the power budget: the clock that it leaves, never above the allowed.

        Energy a step and power at rest do not depend on the clock, so the projection is exact.
        """
        if self.conditions.clock_hz is not None:
            return self.conditions.clock_hz / fastest
        budget = self.conditions.constraints.power_w
        if budget is None:
            return allowed
        affordable = (budget - fixed_w) * (1.0 - 1e-12) * period / (step_energy * fastest)
        lowest = CONTINUOUS[INDEX["clock"]].low
        return np.clip(affordable, np.minimum(lowest, allowed), allowed)

    def _check_budgets(
        self, violations: FloatArray, watts: FloatArray, space: Space, tokens: FloatArray
    ) -> None:
        budget = self.conditions.constraints
        if budget.power_w is not None:
            violations[:, _COLUMN[Reason.POWER]] = _excess(watts, budget.power_w)
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
    spent: power.OperatorEnergy
    supply: FloatArray
    logic: area.Logic


def _excess(value: FloatArray, limit: float) -> FloatArray:
    return np.maximum(value / limit - 1.0, 0.0) * (value > limit * (1.0 + 1e-9))


def _memory_range(name: str) -> tuple[float, float]:
    """Step and smallest size of a memory, byte."""
    variable = CONTINUOUS[INDEX[name]]
    return variable.step, variable.low
