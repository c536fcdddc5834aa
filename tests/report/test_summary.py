from pathlib import Path

import asic_compiler as ac
from asic_compiler.report.summary import summary

MODEL = Path(__file__).parents[1] / "lit" / "rl-explore" / "mlp.mlir"


def test_the_summary_tells_the_chip_its_figures_and_every_default():
    exploration = ac.design_chip(
        ac.parse_file(str(MODEL)), strategy="random", evaluations=32, dies=1, tokens_per_s=10.0
    )
    text = summary(exploration)
    chip = exploration.plan.chip
    assert f"{chip.mesh_width} x {chip.mesh_height} tiles" in text
    assert f"{exploration.plan.metrics.power_w[0]:,.4g} W" in text
    for asked in ("power <= 51.4 W", "dies <= 1", "throughput >= 10 /s", "weights 0.4/0.4/0.2",
                  "matmul weights stored in 16 bit", "mode high-performance"):  # fmt: skip
        assert asked in text
    power = exploration.corners.ranges["power_w"]
    assert f"{power.low:,.3g} to {power.high:,.3g} W" in text
    assert f"{power.bound_low:,.3g} to {power.bound_high:,.3g} W" in text
    first = exploration.corners.ranked("tokens_per_s")[0].doubt
    assert f"throughput hangs on  {first} (" in text
    assert "constants " not in text
    assert max(len(line) for line in text.splitlines()) < 200
