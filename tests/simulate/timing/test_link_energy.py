"""Energy of simulated steps beside that of the cost model."""

import numpy as np
import pytest
from program_models import model, problem

from asic_compiler.hardware.design import DesignBatch
from asic_compiler.placement.plan import Plan, make_plan
from asic_compiler.program.generate import generate
from asic_compiler.simulate.timing.energy import event_costs, model_energy, step_energy
from asic_compiler.simulate.timing.link.events import Event
from asic_compiler.simulate.timing.report import TimingReport, simulate_timing


def designed(name: str, seed: int) -> tuple[DesignBatch, Plan]:
    chips, rng = problem(name), np.random.default_rng(seed)
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


def test_energy_is_events_times_their_costs() -> None:
    chips = problem("vision")
    design, plan = designed("vision", 2)
    report = timed("vision", plan)
    costs = event_costs(chips.model, design, plan.chip)
    found = step_energy(report, costs)
    bits = report.linked.events[:, :, Event.WMEM_BITS].sum()
    assert found["wmem"] == pytest.approx(bits * costs.joule[0, Event.WMEM_BITS])
    assert bits > 0
