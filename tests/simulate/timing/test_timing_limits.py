"""Closed forms that other tools' results obey, asked of the model and of the simulator.

A matrix-vector product from one memory takes bytes over bandwidth: ZigZag, Stream and AccelForge
are within 0.1 % of that. A matrix product without stalls takes its multiply-accumulates over the
multipliers, in whole blocks of rows: SCALE-Sim has that form for a weight-stationary array, here
weights stream past R rows.
"""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from program_models import parse

from asic_compiler.explore.problem import ChipProblem, Conditions
from asic_compiler.hardware.design import Freedom
from asic_compiler.mapping.profile import Profile
from asic_compiler.plan.make import make_plan
from asic_compiler.plan.plan import Plan
from asic_compiler.program.generate import generate
from asic_compiler.simulate.timing.report import require_end, simulate_timing
from asic_compiler.technology.library import load_node
from asic_compiler.workload.extract import extract

TEXT = """
builtin.module attributes {{asic.workload = {{name = "product", phase = "inference",
    batch = 1 : i64, context = 0 : i64, tokens = 1 : i64}}}} {{
  func.func @main(%x: tensor<{m}x{k}xf16>) -> tensor<{m}x{n}xf16> {{
    %w = asic.weight dense_resource<w> : tensor<{n}x{k}xf16>
    %y = asic.matmul %x, %w transpose_rhs
      : tensor<{m}x{k}xf16>, tensor<{n}x{k}xf16> -> tensor<{m}x{n}xf16>
    func.return %y : tensor<{m}x{n}xf16>
  }}
}}
"""
OVERHEAD = 0.01
"""Of the closed form: setting an operator up, filling its pipeline."""


def cycles(m: int, n: int, k: int, vlen: int, rows: int, side: int = 1) -> tuple[float, float]:
    """What the model says, and what the simulated program takes, on side x side wide tiles."""
    module = parse(TEXT.format(m=m, n=n, k=k))
    profile = Profile(extract(module))
    chips = ChipProblem(profile, load_node("7nm"), Conditions(), Freedom(), (0.4, 0.4, 0.2))
    discrete = np.array([[2, 2, 1, 1]])
    design = chips.decode(discrete, np.zeros((1, len(chips.continuous_names)))).with_(
        mesh_width=np.array([float(side)]), mesh_height=np.array([float(side)]),
        rows=np.array([float(rows)]), vlen=np.array([float(vlen)]), heterogeneity=np.zeros(1),
        wmem_bank=np.array([65536.0]), fetch=np.array([8.0]), stanum=np.array([16.0]),
        xdpnum=np.array([4.0]), xr_wp=np.array([4.0]), stage_grid=np.zeros(1, np.int64),
        k_split=np.zeros(1), rho_matmul=np.ones(1),
    )  # fmt: skip
    plan: Plan = make_plan(chips.model, design, 85.0)
    assert {(c.vlen, c.rows) for c in plan.chip.classes} == {(vlen, rows)}
    report = simulate_timing(generate(module, plan), periods=1)
    require_end(report)
    return plan.assignments[0].cycles, float(report.latency_cycles)


@pytest.mark.parametrize("vlen", [256, 1024, 2048])
@pytest.mark.parametrize("rows", [1, 4])
def test_a_matrix_vector_product_takes_bytes_over_bandwidth(vlen: int, rows: int):
    n, k = 4096, 1024
    bound = n * k * 2 / (vlen / 8)
    for found in cycles(1, n, k, vlen, rows):
        assert bound <= found <= bound * (1 + OVERHEAD)


def test_more_tiles_are_more_memories():
    n, k, vlen = 8192, 2048, 512
    bound = n * k * 2 / (vlen / 8) / 4
    for found in cycles(1, n, k, vlen, 2, side=2):
        assert bound <= found <= bound * (1 + OVERHEAD)


@pytest.mark.parametrize(("m", "rows"), [(8, 4), (8, 8), (16, 4), (13, 4)])
def test_a_product_without_stalls_takes_its_multiply_accumulates(m: int, rows: int):
    """A wide word holds ``vlen / 16`` weights; each is read once a block of ``rows`` rows."""
    n, k, vlen = 2048, 2048, 512
    bound = ceil(m / rows) * k * n / (vlen / 16)
    for found in cycles(m, n, k, vlen, rows):
        assert bound <= found <= bound * (1 + OVERHEAD)
