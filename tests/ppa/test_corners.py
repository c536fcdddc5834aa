"""Corners: ranges that hold each other, moves that are those of the model, budgets that let go."""

import math
from dataclasses import replace

import numpy as np
import pytest

from asic_compiler.explore.problem import ChipProblem
from asic_compiler.hardware.design import Freedom
from asic_compiler.hardware.legality import Constraints
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.ppa.corners import FIGURES, corners
from asic_compiler.ppa.model import PPAModel
from asic_compiler.technology.library import load_constants, load_node
from asic_compiler.technology.uncertainty import doubts

CONSTANTS = load_constants("3nm")


@pytest.fixture(scope="module")
def chosen(small):
    """A legal design of a small model, its conditions and its metrics."""

    def choose(**conditions):
        asked = Conditions(**conditions)
        problem = ChipProblem(small, load_node("3nm"), asked, Freedom(), (0.4, 0.4, 0.2))
        designs = problem.decode(*problem.start(256, np.random.default_rng(0)))
        legal = np.flatnonzero(problem.model.evaluate(designs).legal)
        design = designs.take(legal[:1])
        return design, asked, problem.model.evaluate(design)

    return choose


@pytest.fixture(scope="module")
def found(small, chosen):
    design, asked, metrics = chosen(constraints=Constraints(power_w=1.0))
    return corners(small, design, metrics, asked, CONSTANTS), metrics


def test_ranges_hold_the_central_figure_and_the_bound_holds_the_likely(found):
    result, metrics = found
    for name in FIGURES:
        r = result.ranges[name]
        assert r.central == pytest.approx(float(getattr(metrics, name)[0]), rel=1e-12)
        assert 0 < r.bound_low <= r.low < r.central < r.high <= r.bound_high


def test_likely_is_the_root_of_the_summed_squares_of_single_moves(found):
    result, _ = found
    for name in FIGURES:
        r = result.ranges[name]
        moves = [[math.log(e[name] / r.central) for e in (m.low, m.high)] for m in result.moves]
        up = math.sqrt(sum(max(0.0, *m) ** 2 for m in moves))
        down = math.sqrt(sum(min(0.0, *m) ** 2 for m in moves))
        assert math.log(r.high / r.central) == pytest.approx(up)
        assert math.log(r.low / r.central) == pytest.approx(-down)


def test_a_move_is_what_the_model_says_with_that_constant(small, chosen, found):
    result, _ = found
    design, asked, metrics = chosen(constraints=Constraints(power_w=1.0))
    free = replace(asked, constraints=Constraints())
    kept = design.with_(clock=metrics.clock_fraction)
    for key in ("energy.sram_wide_floor", "density.sram_cell", "timing.threshold"):
        high = CONSTANTS.technology({key: CONSTANTS.constants[key].high})
        expected = PPAModel(small, high, free).evaluate(kept)
        move = next(m for m in result.moves if m.doubt == key)
        for name in FIGURES:
            assert move.high[name] == float(getattr(expected, name)[0])
    # A higher threshold is slower, a larger cell takes more area.
    by_name = {m.doubt: m for m in result.moves}
    assert by_name["timing.threshold"].high["tokens_per_s"] < metrics.tokens_per_s[0]
    assert by_name["density.sram_cell"].high["area_mm2"] > metrics.area_mm2[0]
    assert by_name["SRAM leakage"].high["tokens_per_s"] == pytest.approx(metrics.tokens_per_s[0])


def test_the_power_budget_does_not_hide_that_a_chip_may_exceed_it(small, chosen):
    design, asked, metrics = chosen(constraints=Constraints(power_w=1.0))
    budget = 0.9 * float(metrics.power_w[0])
    tight = replace(asked, constraints=Constraints(power_w=budget))
    limited = PPAModel(small, load_node("3nm"), tight).evaluate(design)
    assert limited.power_w[0] <= budget
    power = corners(small, design, limited, tight, CONSTANTS).ranges["power_w"]
    assert power.central == pytest.approx(float(limited.power_w[0]))
    assert power.high > budget


def test_a_fixed_clock_stays_unless_the_silicon_is_too_slow_for_it(small, chosen):
    design, asked, metrics = chosen(clock_hz=10e6)
    r = corners(small, design, metrics, asked, CONSTANTS).ranges["tokens_per_s"]
    assert r.low == pytest.approx(r.central, rel=0.05)  # wires and pipelines, not the clock
    fastest = 10e6 / float(metrics.clock_fraction[0])
    edge = replace(asked, clock_hz=0.97 * fastest)
    at_edge = PPAModel(small, load_node("3nm"), edge).evaluate(design)
    moved = corners(small, design, at_edge, edge, CONSTANTS)
    node = next(m for m in moved.moves if m.doubt == "clock of the node")
    central = moved.ranges["tokens_per_s"].central
    slow = 0.8 / 0.97  # the node's fastest clock is 20 % lower, and there were 3 % of room
    assert node.low["tokens_per_s"] == pytest.approx(slow * central, rel=0.05)
    assert node.high["tokens_per_s"] == pytest.approx(central, rel=0.05)


def test_without_doubts_there_is_no_range(small, chosen):
    sure = replace(
        CONSTANTS,
        constants={
            k: replace(c, low=c.value, high=c.value) for k, c in CONSTANTS.constants.items()
        },
    )
    assert doubts(sure) == ()
    design, asked, metrics = chosen()
    result = corners(small, design, metrics, asked, sure)
    for r in result.ranges.values():
        assert r.low == r.central == r.high == r.bound_low == r.bound_high
    assert result.ranked("power_w") == []


def test_what_has_one_source_moves_together():
    by_name = {d.name: d for d in doubts(CONSTANTS)}
    assert set(by_name["arithmetic energy"].low) == {
        f"energy.{n}" for n in
        ("fp16_multiply", "fp16_add", "fp32_multiply", "fp32_add", "int32_add")
    }  # fmt: skip
    moved = [key for d in by_name.values() for key in d.low]
    assert len(moved) == len(set(moved))
    uncertain = [key for key, c in CONSTANTS.constants.items() if c.uncertain]
    assert sorted(moved) == sorted(uncertain)


def test_the_order_is_by_effect(found):
    result, _ = found
    for name in FIGURES:
        central = result.ranges[name].central
        sizes = [
            max(abs(math.log(e[name] / central)) for e in (m.low, m.high))
            for m in result.ranked(name)
        ]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[0] > 0


def test_only_one_design_has_corners(small, draw):
    two = draw(2, 0)
    model = PPAModel(small, load_node("3nm"), Conditions())
    with pytest.raises(ValueError, match="corners are those of one design, not 2"):
        corners(small, two, model.evaluate(two), Conditions(), CONSTANTS)
