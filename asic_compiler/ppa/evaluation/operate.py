"""Stage 5: the clock, the rate and the power that come out, and every limit that is broken."""

from __future__ import annotations

import numpy as np

from asic_compiler.hardware.legality import (
    MAX_DMEM_BYTES,
    MAX_IMEM_BYTES,
    MAX_WMEM_BYTES,
    REASONS,
    Reason,
)
from asic_compiler.hardware.space import CONTINUOUS, INDEX, FloatArray
from asic_compiler.ppa import dram
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.ppa.evaluation.place import Placed
from asic_compiler.ppa.evaluation.provision import Provisioned
from asic_compiler.ppa.evaluation.spend import Spent
from asic_compiler.ppa.evaluation.time import Timed
from asic_compiler.ppa.footprint import Space, with_phys
from asic_compiler.ppa.metrics import Metrics
from asic_compiler.technology.node import Technology

_COLUMN = {reason: i for i, reason in enumerate(REASONS)}


def operate(
    placed: Placed,
    provisioned: Provisioned,
    timed: Timed,
    spent: Spent,
    conditions: Conditions,
    technology: Technology,
) -> Metrics:
    """What the chips do."""
    mapping = placed.mapping
    profile, design, segments = mapping.profile, mapping.design, mapping.stages.segments
    fastest, period, space = provisioned.fastest, timed.period, provisioned.space
    step_energy, leak, static = spent.step_energy, spent.leakage_w, spent.static_w
    violations = np.zeros((len(design), len(REASONS)))
    need = placed.need
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
    off_chip, traffic = placed.devices, timed.traffic
    if off_chip is not None and traffic is not None:
        asked = provisioned.built_for / period
        if conditions.clock_hz is None:
            asked = (design.clock * fastest) / period
        devices, supplied = dram.choose_devices(
            off_chip,
            dram.Demand(
                least=dram.least_devices(off_chip, traffic),
                most=dram.most_devices(space.dies, space.total, off_chip, technology),
                bits=traffic.bits,
                steps_per_s=asked,
                step_energy=step_energy,
                fixed_w=leak + static,
            ),
            conditions.constraints.power_w,
        )
        fed = np.minimum(allowed, supplied * period / fastest)
        allowed = np.where(off_chip.used, fed, allowed)
        static = static + devices * off_chip.static_power
        space = with_phys(space, devices, off_chip, provisioned.interface, technology)
    fraction = _clock_fraction(allowed, provisioned, timed, step_energy, leak + static, conditions)
    violations[:, _COLUMN[Reason.CLOCK]] = _excess(fraction, 1.0)
    hertz = fraction * fastest
    steps_per_s = hertz / period
    if off_chip is not None and supplied is not None:
        fed = np.minimum(steps_per_s, supplied)
        steps_per_s = np.where(off_chip.used, fed, steps_per_s)
    watts = step_energy * steps_per_s + leak + static
    tokens = steps_per_s * profile.table.tokens_per_step
    _check_budgets(violations, watts, space, tokens, conditions)
    each_user = profile.table.tokens_per_step / max(profile.table.batch, 1)
    per_user = each_user * (
        steps_per_s / design.stages
        if profile.autoregressive
        else steps_per_s * period / timed.latency
    )
    total_busy = np.maximum(segments.largest(timed.busy), 1e-9)
    return Metrics(
        tokens_per_s=tokens,
        tokens_per_s_per_user=per_user,
        latency_s=timed.latency / (steps_per_s * period),
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
        dmem_average=provisioned.dmem_average,
        imem_average=provisioned.imem_average,
        violations=violations,
        hazards=np.clip(segments.largest(timed.lost) / total_busy, 0.0, 1.0),
        compute_share=np.clip(total_busy / period, 0.0, 1.0),
        energy_parts_j=spent.parts,
        leakage_parts_w=spent.leakage_parts_w,
        area_parts_mm2=space.parts,
    )


def _clock_fraction(
    allowed: FloatArray,
    provisioned: Provisioned,
    timed: Timed,
    step_energy: FloatArray,
    fixed_w: FloatArray,
    conditions: Conditions,
) -> FloatArray:
    """Projection onto the power budget: the clock that it leaves, never above the allowed.

    Energy a step and power at rest do not depend on the clock, so the projection is exact.
    """
    fastest = provisioned.fastest
    if conditions.clock_hz is not None:
        return conditions.clock_hz / fastest
    budget = conditions.constraints.power_w
    if budget is None:
        return allowed
    affordable = (budget - fixed_w) * (1.0 - 1e-12) * timed.period / (step_energy * fastest)
    lowest = CONTINUOUS[INDEX["clock"]].low
    return np.clip(affordable, np.minimum(lowest, allowed), allowed)


def _check_budgets(
    violations: FloatArray,
    watts: FloatArray,
    space: Space,
    tokens: FloatArray,
    conditions: Conditions,
) -> None:
    budget = conditions.constraints
    if budget.power_w is not None:
        violations[:, _COLUMN[Reason.POWER]] = _excess(watts, budget.power_w)
    if budget.area_mm2 is not None:
        violations[:, _COLUMN[Reason.AREA]] = _excess(space.total, budget.area_mm2)
    if budget.dies is not None:
        violations[:, _COLUMN[Reason.DIES]] = _excess(space.dies, float(budget.dies))
    if budget.tokens_per_s is not None:
        short = budget.tokens_per_s / tokens
        violations[:, _COLUMN[Reason.THROUGHPUT]] = _excess(short, 1.0)


def _excess(value: FloatArray, limit: float) -> FloatArray:
    return np.maximum(value / limit - 1.0, 0.0) * (value > limit * (1.0 + 1e-9))
