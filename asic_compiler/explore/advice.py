"""What would mend a design that breaks a constraint, worked out from what it breaks.

Every remedy is tried: the same design is evaluated with it, and what is told is what that gave.
Other designs may do better with it; the search is what finds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, floor

import numpy as np

from asic_compiler.explore.problem import ChipProblem
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.legality import (
    MAX_DMEM_BYTES,
    MAX_IMEM_BYTES,
    MAX_WMEM_BYTES,
    REASONS,
    Reason,
)
from asic_compiler.mapping.capacity import alive_bytes
from asic_compiler.mapping.profile import Profile
from asic_compiler.ppa.evaluation.place import Placed
from asic_compiler.ppa.metrics import Metrics
from asic_compiler.ppa.model import PPAModel
from asic_compiler.technology.library import NODE_NAMES, load_node

_LIMITS = {
    Reason.DMEM: MAX_DMEM_BYTES,
    Reason.WMEM: MAX_WMEM_BYTES,
    Reason.IMEM: MAX_IMEM_BYTES,
}
_NARROWER = (8, 4)
"""Bits that weights and cache may be stored in instead."""
_NOTABLE = 0.1
"""Share of an excess that a remedy must take off to be told."""


@dataclass(frozen=True, slots=True)
class _Fullest:
    """The fullest tile of a design, byte; ``kv`` and ``buffers`` are parts of its DMEM."""

    need: float
    kv: float
    buffers: float
    during: str
    """The operator while which the buffers are largest."""


def advice(problem: ChipProblem, design: DesignBatch, metrics: Metrics) -> list[str]:
    """What the one design of a batch lacks, and what would mend it by how much.

    Args:
        problem: What was searched.
        design: The nearest design.
        metrics: Its evaluation.

    Returns:
        Lines for notes, one constraint of the chip after the other; none where it breaks none.
    """
    told: list[str] = []
    for reason, excess in zip(REASONS, metrics.violations[0].tolist(), strict=True):
        if excess > 0.0:
            told += _reason(problem, design, metrics, reason, excess)
    return told


def _reason(
    problem: ChipProblem, design: DesignBatch, metrics: Metrics, reason: Reason, excess: float
) -> Iterator[str]:
    if reason in _LIMITS:
        fullest = _fullest(problem.model.stages(design).placed, reason)
        yield _where(reason, fullest)
        yield from _less_at_once(problem.model.profile, reason, fullest)
    else:
        yield _budget(problem, reason, excess, metrics)
    tried = [*_formats(problem, design, reason), *_finer_node(problem, design, reason)]
    for option, left in tried:
        if left <= 0.0:
            yield f"{option} would mend the {reason} of this design"
        elif left < excess * (1.0 - _NOTABLE):
            yield f"{option} would leave the {reason} of this design {100.0 * left:.3g}% over"


def _fullest(placed: Placed, reason: Reason) -> _Fullest:
    need = {
        Reason.DMEM: placed.need.dmem,
        Reason.WMEM: placed.need.wmem,
        Reason.IMEM: placed.need.imem,
    }[reason]
    row, band = (int(i) for i in np.unravel_index(int(need.argmax()), need.shape))
    kv = float(placed.need.kv[row, band])
    profile = placed.mapping.profile
    running = profile.flow.running[int(alive_bytes(placed.mapping)[0].argmax())]
    first = int(np.flatnonzero(profile.table.sequence == running)[0])
    return _Fullest(
        float(need[row, band]), kv, float(need[row, band]) - kv, profile.table.names[first]
    )


def _where(reason: Reason, tile: _Fullest) -> str:
    line = f"{reason}: the fullest tile needs {_size(tile.need)}"
    if reason is Reason.DMEM:
        cache = f"{_size(tile.kv)} of KV cache and " if tile.kv else ""
        line += f": {cache}{_size(tile.buffers)} of activations (most while '{tile.during}' runs)"
    return line


def _less_at_once(profile: Profile, reason: Reason, tile: _Fullest) -> Iterator[str]:
    """What a shorter context or fewer sequences would do; about, for the cache is cut anew."""
    table, limit = profile.table, _LIMITS[reason]
    if reason is not Reason.DMEM:
        return
    if tile.buffers > limit:
        beside = "without any KV cache " if tile.kv else ""
        yield (
            f"{beside}the activations are {tile.buffers / limit:.3g} times what fits: "
            "a program of fewer tokens or images at once has fewer"
        )
        return
    share = (limit - tile.buffers) / tile.kv
    if table.context > 1:
        fits = floor(share * table.context)
        yield f"a context of about {fits} would fit here (it is {table.context})"
    if share * table.batch >= 1.0:
        yield f"a batch of about {floor(share * table.batch)} would fit here (it is {table.batch})"


def _budget(problem: ChipProblem, reason: Reason, excess: float, metrics: Metrics) -> str:
    """The budget that this design would keep."""
    conditions = problem.model.conditions
    budget = conditions.constraints
    match reason:
        case Reason.POWER if budget.power_w is not None:
            return f"power_w={_up(budget.power_w * (1.0 + excess))} would do for this design"
        case Reason.AREA if budget.area_mm2 is not None:
            return f"area_mm2={_up(budget.area_mm2 * (1.0 + excess))} would do for this design"
        case Reason.DIES:
            return f"dies={int(metrics.dies[0])} would do for this design"
        case Reason.THROUGHPUT:
            reached = 0.9995 * float(metrics.tokens_per_s[0])
            return f"tokens_per_s={float(f'{reached:.3g}'):g} would do for this design"
        case Reason.CLOCK if conditions.clock_hz is not None:
            return f"clock_hz={conditions.clock_hz / (1.0 + excess):.3g} would do for this design"
        case _:
            return "the budgets leave no clock to this design: its leakage takes them up"


def _formats(
    problem: ChipProblem, design: DesignBatch, reason: Reason
) -> Iterator[tuple[str, float]]:
    """Stores of fewer bits."""
    profile = problem.model.profile
    stored = {"kv_bits": profile.total_kv_bytes, "weight_bits": profile.weight_bytes}
    for field, amount in stored.items():
        now: float = getattr(design, field)[0]
        for bits in _NARROWER:
            if amount and bits < now:
                narrow = replace(design, **{field: np.full(len(design), float(bits))})
                yield f"{field}={bits}", _excess(problem.model, narrow, reason)


def _finer_node(
    problem: ChipProblem, design: DesignBatch, reason: Reason
) -> Iterator[tuple[str, float]]:
    """The next node, where it is one of ours."""
    model = problem.model
    if reason in _LIMITS or model.technology.name not in NODE_NAMES[1:]:
        return
    finer = NODE_NAMES[NODE_NAMES.index(model.technology.name) - 1]
    there = PPAModel(model.profile, load_node(finer), model.conditions)
    yield f"node={finer}", _excess(there, design, reason)


def _excess(model: PPAModel, design: DesignBatch, reason: Reason) -> float:
    return float(model.evaluate(design).violations[0, REASONS.index(reason)])


def _size(size_bytes: float) -> str:
    return (
        f"{size_bytes / 2**20:.1f} MiB"
        if size_bytes >= 2**20
        else f"{ceil(size_bytes / 2**10)} KiB"
    )


def _up(value: float) -> str:
    """A budget in three digits, not below the value."""
    digits = float(f"{value:.3g}")
    return f"{digits if digits >= value else float(f'{value * 1.005:.3g}'):g}"
