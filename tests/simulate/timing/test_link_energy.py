"""Energy of simulated steps beside that of the cost model."""

import numpy as np
import pytest
from program_models import model, problem

from asic_compiler.explore.problem import ChipProblem
from asic_compiler.hardware.design import DesignBatch, Freedom
from asic_compiler.mapping.profile import Profile
from asic_compiler.plan.make import make_plan
from asic_compiler.plan.plan import Plan
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.program.generate import generate
from asic_compiler.simulate.timing.energy import event_costs, model_energy, step_energy
from asic_compiler.simulate.timing.link.events import Event
from asic_compiler.simulate.timing.report import TimingReport, simulate_timing
from asic_compiler.technology.library import load_node
from asic_compiler.workload.extract import extract


def designed(name: str, seed: int) -> tuple[DesignBatch, Plan]:
    return designed_for(problem(name), seed)


def designed_for(chips: ChipProblem, seed: int) -> tuple[DesignBatch, Plan]:
    rng = np.random.default_rng(seed)
    discrete = np.concatenate([rng.integers(1, 17, (1, 2)), rng.integers(1, 3, (1, 2))], axis=1)
    continuous = rng.uniform(-1.0, 1.0, (1, len(chips.continuous_names)))
    design = chips.decode(discrete, continuous)
    return design, make_plan(chips.model, design, 85.0)


def timed(name: str, plan: Plan) -> TimingReport:
    return simulate_timing(generate(model(name), plan), periods=1)


@pytest.mark.parametrize(("name", "seed"), [("decoder", 3), ("decoder", 7), ("vision", 2)])
def test_work_costs_what_the_model_says(name: str, seed: int) -> None:
    chips = problem(name)
    design, plan = designed(name, seed)
    found = step_energy(timed(name, plan), event_costs(chips.model, design, plan.chip))
    expected = model_energy(plan.metrics)
    # What does not depend on who sends what to whom.
    for part in ("compute", "wmem"):
        assert found[part] == pytest.approx(expected[part], rel=0.1)
    for part in ("dmem", "issue", "noc", "clock"):
        assert 0.0 < found[part] < 10.0 * expected[part]


@pytest.mark.parametrize(
    ("precision", "kv"),
    [("w8a8", 8), ("w4a8", 4), ("w8a8", 16), ("w4a16", 16), ("w8a16", 8), ("bf16", 16)],
)
def test_work_in_every_format_costs_what_the_model_says(precision: str, kv: int) -> None:
    # A chip that computes in 8 bits was charged as FP16.
    freedom = Freedom(precision=(precision,), kv_bits=(kv,))
    profile = Profile(extract(model("decoder")))
    chips = ChipProblem(profile, load_node("7nm"), Conditions(), freedom, (0.4, 0.4, 0.2))
    design, plan = designed_for(chips, 3)
    report = timed("decoder", plan)
    found = step_energy(report, event_costs(chips.model, design, plan.chip))
    expected = model_energy(plan.metrics)
    for part in ("compute", "wmem"):
        assert found[part] == pytest.approx(expected[part], rel=0.1)
    assert 0.2 < found["dmem"] / expected["dmem"] < 2.0
    assert report.latency_s == pytest.approx(plan.metrics.latency_s[0], rel=0.3)


def test_energy_is_events_times_their_costs() -> None:
    chips = problem("vision")
    design, plan = designed("vision", 2)
    report = timed("vision", plan)
    costs = event_costs(chips.model, design, plan.chip)
    found = step_energy(report, costs)
    bits = report.linked.events[:, :, Event.WMEM_BITS].sum()
    assert found["wmem"] == pytest.approx(bits * costs.joule[0, Event.WMEM_BITS])
    assert bits > 0
