"""Designs in the words that people read: 34 variables with their values and units."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from asic_compiler.explore.problem import ChipProblem
from asic_compiler.explore.protocol import Evaluation, FloatArray
from asic_compiler.hardware.design import DesignBatch
from asic_compiler.hardware.precision import FORMATS
from asic_compiler.hardware.space import CONTINUOUS, CONTINUOUS_NAMES, DISCRETE_NAMES
from asic_compiler.hardware.weight_store import STORES
from asic_compiler.ppa.metrics import Metrics

Value = float | int | str
View = Callable[[DesignBatch, Metrics], list[Value]]

NAMES: tuple[str, ...] = (*DISCRETE_NAMES, *CONTINUOUS_NAMES)
"""The 34 variables in the order of the actions."""


def _formats(design: DesignBatch, metrics: Metrics) -> list[Value]:
    pairs = zip(design.precision.tolist(), design.weight_store.tolist(), strict=True)
    return [f"{FORMATS[int(f)].name} in {STORES[int(s)]}" for f, s in pairs]


def _rounded(values: FloatArray) -> list[Value]:
    """Six digits: enough to read, and free of the last bits of a quantisation."""
    return [int(v) if v == int(v) else float(f"{v:.6g}") for v in values.tolist()]


_VIEWS: dict[str, tuple[str, View]] = {
    "dmem": ("KiB", lambda d, m: _rounded(m.dmem_average / 1024)),
    "imem": ("KiB", lambda d, m: _rounded(m.imem_average / 1024)),
    "wmem_bank": ("KiB", lambda d, m: _rounded(d.wmem_bank / 1024)),
    "clock": ("MHz", lambda d, m: _rounded(m.clock_hz / 1e6)),
    "vdd": ("V", lambda d, m: _rounded(d.vdd)),
    "weight_precision": ("", _formats),
    "matmul_ratio": ("of the rows", lambda d, m: _rounded(d.rho_matmul)),
    "conv_ratio": ("of the rows", lambda d, m: _rounded(d.rho_conv)),
    "general_ratio": ("of the rows", lambda d, m: _rounded(d.rho_general)),
    "stages": ("", lambda d, m: _rounded(d.stages)),
    "kv_precision": ("bit", lambda d, m: _rounded(d.kv_bits)),
}
"""Variables shown by what they decide; ``clock`` and the memories are as the model left them."""

UNITS: dict[str, str] = {
    **dict.fromkeys(DISCRETE_NAMES, "tiles"),
    **{v.name: "" if v.unit == "1" else v.unit for v in CONTINUOUS},
    **{name: unit for name, (unit, _) in _VIEWS.items()},
}
"""Of every variable as it is shown; empty where it has none."""


def shown(problem: ChipProblem, designs: Evaluation) -> list[dict[str, Value]]:
    """The values of N evaluated designs, a dictionary a design."""
    design = problem.decode(designs.discrete, designs.continuous)
    metrics = problem.model.evaluate(design)
    columns: dict[str, list[Value]] = {}
    for name in NAMES:
        if name in _VIEWS:
            columns[name] = _VIEWS[name][1](design, metrics)
        else:
            columns[name] = _rounded(np.asarray(getattr(design, name)))
    return [{name: columns[name][row] for name in NAMES} for row in range(len(designs))]


def differing(left: dict[str, Value], right: dict[str, Value]) -> list[str]:
    """Names of the variables whose shown values differ."""
    return [name for name in NAMES if left[name] != right[name]]
