"""The 73 state features, by name, and the 52 of them that the actor sees.

Each is scaled to about [-1, 1]; counts and sizes go by their logarithm.
"""

from __future__ import annotations

import math

import numpy as np

from asic_compiler.explore.goal import Quantity
from asic_compiler.hardware.derive import make_bands
from asic_compiler.hardware.design import DesignBatch, Freedom
from asic_compiler.hardware.precision import FORMATS, Arithmetic
from asic_compiler.hardware.space import CONTINUOUS, FloatArray, IntArray
from asic_compiler.mapping.profile import Profile
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.ppa.metrics import Metrics
from asic_compiler.technology.node import Technology

GROUPS: dict[str, tuple[str, ...]] = {
    "workload": ("instruction_count", "ilp", "memory_intensity", "vector_utilisation", "matmul_ratio"),
    "configuration": (
        "mesh_width", "mesh_height", "fetch", "stanum", "vlen", "rows", "dmem", "wmem_bank", "imem",
        "dflit", "xr_wp", "vr_wp", "xdpnum", "vdpnum", "clock_fraction", "vdd", "node_feature",
        "node_energy", "stages", "heterogeneity", "k_split",
    ),
    "dmem_partition": ("dmem_input", "dmem_output", "dmem_scratch"),
    "load_distribution": ("load_variance", "load_max_over_min", "load_balance", "idle_tiles"),
    "op_partition": ("rho_matmul", "rho_conv", "rho_general", "region_overlap"),
    "global_hazards": ("hazard_share", "hazard_raw", "hazard_war", "hazard_waw"),
    "tile_hazards": ("station_pressure", "fetch_pressure", "scalar_port_pressure", "vector_port_pressure"),
    "clock": ("clock",),
    "streaming": ("stream_chunks", "stream_buffers", "compute_share", "allreduce"),
    "ppa": ("power", "performance", "area", "tokens_per_user", "efficiency"),
    "tile_workload": ("weights_per_tile", "kv_per_tile", "macs_per_tile", "activations_per_tile"),
    "precision": ("fp32", "fp16", "bf16", "fp8", "int8", "mixed"),
    "instruction_type": ("scalar_share", "vector_share"),
    "sc_topology": ("effective_tiles", "mean_hops", "hop_latency"),
    "llm": ("batch", "kv_strategy", "kv_compression"),
}  # fmt: skip
"""Groups in the order of the published state vector, with our names for the members."""

FEATURE_NAMES: tuple[str, ...] = tuple(name for group in GROUPS.values() for name in group)

_HIDDEN = (
    "memory_intensity", "vector_utilisation", "node_energy", "dmem_scratch", "load_variance",
    "load_max_over_min", "region_overlap", "station_pressure", "fetch_pressure",
    "scalar_port_pressure", "vector_port_pressure", "efficiency", "macs_per_tile",
    "activations_per_tile", "fp32", "bf16", "fp8", "mixed", "scalar_share", "vector_share",
    "hop_latency",
)  # fmt: skip
"""Features that the actor does not see: they follow from the others, or never change in a run."""

_ARITHMETIC = np.array([str(f.arithmetic) for f in FORMATS])

OBSERVED: IntArray = np.array(
    [i for i, name in enumerate(FEATURE_NAMES) if name not in _HIDDEN], dtype=np.int64
)
assert len(FEATURE_NAMES) == 73
assert len(OBSERVED) == 52


CONTEXT_NAMES: tuple[str, ...] = (
    "weight_performance", "weight_power", "weight_area", "power_budget", "power_budgeted",
    "area_budget", "area_budgeted", "dies_budgeted", "throughput_floor", "throughput_floored",
    "temperature", "fixed_clock", "clock_fixed", "node_feature", "node_energy", "node_leakage",
    "weight_bytes", "kv_bytes", "macs", "vector_share", "tokens", "autoregressive", "narrow_formats",
    "narrow_cache", "off_chip_weights", "goal_per_user", "goal_latency",
)  # fmt: skip
"""What differs between problems and not between designs of one: the goal, its budgets, the node and
the workload. One policy for many problems sees these beside the features."""


def context(
    profile: Profile,
    technology: Technology,
    conditions: Conditions,
    freedom: Freedom,
    weights: tuple[float, float, float],
    objective: Quantity | None,
) -> FloatArray:
    """[C] the context of a problem, each value scaled to about [-1, 1]; absent budgets are 0."""
    limits = conditions.constraints
    work, vector = profile.contractions, profile.vectors
    macs = float((work.macs * profile.counts[work.index]).sum())
    cycles = float((vector.elements * vector.cycles * profile.counts[vector.index]).sum())

    def budget(value: float | None, low: float, high: float) -> tuple[float, float]:
        return (0.0, -1.0) if value is None else (float(_log(value, low, high)), 1.0)

    values = (
        *(2.0 * weight - 1.0 for weight in weights),
        *budget(limits.power_w, -3, 3),
        *budget(limits.area_mm2, 0, 5),
        1.0 if limits.dies is not None else -1.0,
        *budget(limits.tokens_per_s, 0, 6),
        conditions.temperature_c / 100.0,
        *budget(conditions.clock_hz, 6, 10),
        2.0 * math.log(technology.feature_nm / 3.0) / math.log(28.0 / 3.0) - 1.0,
        2.0 * technology.scale_from_28nm - 1.0,
        float(_log(technology.leakage.logic_85c, -4, 0)),
        float(_log(profile.weight_bytes, 5, 12)),
        float(_log(profile.total_kv_bytes + 1.0, 4, 12)),
        float(_log(macs + 1.0, 5, 13)),
        2.0 * cycles / max(macs + cycles, 1.0) - 1.0,
        float(_log(float(profile.table.tokens_per_step), 0, 4)),
        1.0 if profile.autoregressive else -1.0,
        1.0 if min(f.weight_bits for f in freedom.formats) < 16 else -1.0,
        1.0 if min(freedom.kv_bits) < 16 else -1.0,
        1.0 if any(store.off_chip for store in freedom.weight_stores) else -1.0,
        1.0 if objective is Quantity.TOKENS_PER_S_PER_USER else -1.0,
        1.0 if objective is Quantity.LATENCY else -1.0,
    )
    return np.clip(np.array(values), -2.0, 2.0)


def features(
    profile: Profile,
    technology: Technology,
    design: DesignBatch,
    metrics: Metrics,
    power_scale: float,
) -> FloatArray:
    """The state of N designs.

    Args:
        profile: The workload.
        technology: The node.
        design: N designs, as evaluated.
        metrics: Their outcome.
        power_scale: Watt that counts as 1: the budget, or the largest seen.

    Returns:
        [N, 73], clipped to [-2, 2].
    """
    count = len(design)
    ranged = {
        v.name: 2.0 * _position(getattr(design, v.name), v.low, v.high, v.scale.value) - 1.0
        for v in CONTINUOUS
        if hasattr(design, v.name) and v.name not in ("vdd", "clock")
    }
    bands = make_bands(design, profile.has_conv)
    tiles, stage_tiles = design.tiles, bands.width * bands.height
    work = profile.contractions
    macs = float((work.macs * profile.counts[work.index]).sum())
    vector = profile.vectors
    vector_cycles = float((vector.elements * vector.cycles * profile.counts[vector.index]).sum())
    members = bands.member.sum(axis=2) * bands.tiles
    load = np.einsum("nbr,nr->nb", bands.member, 1.0 / bands.region_tiles)
    mean_load = (load * bands.tiles).sum(axis=1) / stage_tiles
    busiest = load.max(axis=1)
    spread = ((load - mean_load[:, None]) ** 2 * bands.tiles).sum(axis=1) / stage_tiles
    used = bands.member.any(axis=2)
    least = np.where(used, load, np.inf).min(axis=1)
    supply = technology.voltage
    flights = design.stages if profile.autoregressive else 1.0
    ones = np.ones(count)
    kinds = {32.0: "fp32", 16.0: "fp16", 8.0: "int8"}
    total_macs = max(macs, 1.0)
    precision = {
        kind: float((work.macs * profile.counts[work.index])[work.bits == bits].sum()) / total_macs
        for bits, kind in kinds.items()
    }
    sixteen = precision["fp16"]
    formats = {
        kind: sixteen * (_ARITHMETIC[design.precision] == kind) for kind in tuple(Arithmetic)
    }
    narrowed = np.where(design.weight_bits < design.activation_bits, 1.0, 0.0)
    parts = metrics.energy_parts_j
    hops = (bands.width / design.sc_x + bands.height / design.sc_y) / 2.0
    values: dict[str, FloatArray] = {
        "instruction_count": ones * _log(macs + vector_cycles, 6, 13),
        "ilp": ones * _log(float(len(profile.table.sequence)) / max(len(profile.table.classes), 1), 0, 3),
        "memory_intensity": ones * _log((profile.weight_bytes + profile.total_kv_bytes) / total_macs, -3, 1),
        "vector_utilisation": ones * (2.0 * vector_cycles / max(macs + vector_cycles, 1.0) - 1.0),
        "matmul_ratio": ones * (2.0 * macs / max(macs + vector_cycles, 1.0) - 1.0),
        "mesh_width": design.mesh_width / 32.0 - 1.0,
        "mesh_height": design.mesh_height / 32.0 - 1.0,
        "clock_fraction": 2.0 * metrics.clock_fraction - 1.0,
        "vdd": 2.0 * (design.vdd - supply.minimum) / (supply.maximum - supply.minimum) - 1.0,
        "node_feature": ones * (2.0 * math.log(technology.feature_nm / 3.0) / math.log(28.0 / 3.0) - 1.0),
        "node_energy": ones * (2.0 * technology.scale_from_28nm - 1.0),
        "stages": np.log2(design.stages) / 2.0 - 1.0,
        "heterogeneity": 2.0 * design.heterogeneity - 1.0,
        "k_split": 2.0 * design.k_split - 1.0,
        "dmem_input": 2.0 * design.dmem_input - 1.0,
        "dmem_output": 2.0 * design.dmem_output - 1.0,
        "dmem_scratch": 2.0 * design.dmem_scratch - 1.0,
        "load_variance": np.sqrt(spread) / np.maximum(mean_load, 1e-12) - 1.0,
        "load_max_over_min": np.log2(busiest / least) / 3.0,
        "load_balance": 2.0 * mean_load / np.maximum(busiest, 1e-12) - 1.0,
        "idle_tiles": (~used * bands.tiles).sum(axis=1) / stage_tiles,
        "rho_matmul": 2.0 * design.rho_matmul - 1.0,
        "rho_conv": 2.0 * design.rho_conv - 1.0,
        "rho_general": 2.0 * design.rho_general - 1.0,
        "region_overlap": members.sum(axis=1) / stage_tiles / 3.0,
        "hazard_share": 2.0 * metrics.hazards - 1.0,
        "hazard_raw": 1.0 / design.stanum,
        "hazard_war": 1.0 / design.stream_buffers,
        "hazard_waw": 1.0 / design.vr_wp,
        "station_pressure": np.clip(14.0 / (8.0 * design.stanum), 0.0, 2.0) - 1.0,
        "fetch_pressure": 2.0 / design.fetch - 1.0,
        "scalar_port_pressure": 2.0 / np.minimum(design.xr_wp, design.xdpnum) - 1.0,
        "vector_port_pressure": 2.0 / np.minimum(design.vr_wp, design.vdpnum) - 1.0,
        "clock": _log(metrics.clock_hz, 6, 10),
        "stream_chunks": ranged["stream_chunks"],
        "stream_buffers": ranged["stream_buffers"],
        "compute_share": 2.0 * metrics.compute_share - 1.0,
        "allreduce": 2.0 * design.allreduce - 1.0,
        "power": metrics.power_w / power_scale - 1.0,
        "performance": _log(metrics.tokens_per_s, 0, 6),
        "area": _log(metrics.area_mm2, 0, 5),
        "tokens_per_user": _log(metrics.tokens_per_s_per_user, 0, 5),
        "efficiency": _log(metrics.energy_per_token_j, -5, 0),
        "weights_per_tile": _log(profile.weight_bytes / tiles, 4, 8),
        "kv_per_tile": _log(profile.total_kv_bytes * flights / tiles + 1.0, 3, 7),
        "macs_per_tile": _log(macs / tiles + 1.0, 3, 9),
        "activations_per_tile": _log(profile.activation_bytes / stage_tiles + 1.0, 1, 6),
        "fp32": ones * precision["fp32"],
        "fp16": formats[Arithmetic.FP16],
        "bf16": formats[Arithmetic.BF16],
        "fp8": formats[Arithmetic.FP8],
        "int8": precision["int8"] + formats[Arithmetic.INT8],
        "mixed": narrowed * float(precision["fp16"] > 0.0),
        "scalar_share": parts[:, 3] / parts.sum(axis=1),
        "vector_share": ones * (vector_cycles / max(macs + vector_cycles, 1.0)),
        "effective_tiles": _log(tiles / (design.sc_x * design.sc_y), 0, 3.6),
        "mean_hops": hops / 16.0 - 1.0,
        "hop_latency": design.sc_x * design.sc_y / 8.0 - 1.0,
        "batch": ones * _log(float(profile.table.batch), 0, 3),
        "kv_strategy": ones * (1.0 if profile.total_kv_bytes > 0 else -1.0),
        "kv_compression": 16.0 / design.kv_bits / 2.0 - 1.0,
    }  # fmt: skip
    columns = [values.get(name, ranged.get(name)) for name in FEATURE_NAMES]
    stacked = np.stack([np.broadcast_to(c, (count,)) for c in columns if c is not None], axis=1)
    return np.clip(np.nan_to_num(stacked), -2.0, 2.0)


def _position(value: FloatArray, low: float, high: float, scale: str) -> FloatArray:
    """Where ``value`` stands in its range, in [0, 1]."""
    if scale == "log":
        return np.log(np.maximum(value, low) / low) / np.log(high / low)
    return (value - low) / (high - low)


def _log(value: FloatArray | float, low: float, high: float) -> FloatArray:
    """Position of log10(value) between two exponents, in [-1, 1]."""
    exponent = np.log10(np.maximum(value, 1e-30))
    return np.asarray(2.0 * (exponent - low) / (high - low) - 1.0)
