"""What is said to mend a design mends it: every remedy is tried again here."""

import re
from dataclasses import replace

import numpy as np
import pytest
from workloads import table, transformer

from asic_compiler.explore.advice import advice
from asic_compiler.explore.problem import ChipProblem
from asic_compiler.hardware.design import Freedom
from asic_compiler.hardware.legality import REASONS, Constraints, Reason
from asic_compiler.mapping.profile import Profile
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.technology.library import load_node
from asic_compiler.workload.table import OperatorClass, OperatorKind


def problem(node="5nm", clock_hz=None, context=2048, **budgets):
    conditions = Conditions(constraints=Constraints(**budgets), clock_hz=clock_hz)
    freedom = Freedom(clock_hz=clock_hz)
    model = Profile(transformer(context=context))
    return ChipProblem(model, load_node(node), conditions, freedom, (0.4, 0.4, 0.2))


def fitting(p):
    """The first of the starts that keeps all that its tiles and its clock ask."""
    discrete, continuous = p.start(64, np.random.default_rng(0))
    designs = p.decode(discrete, continuous)
    legal = np.flatnonzero((p.model.evaluate(designs).violations <= 0).all(axis=1))
    return designs.take(slice(int(legal[0]), int(legal[0]) + 1))


DESIGN = fitting(problem())


def notes(p, design):
    return advice(p, design, p.model.evaluate(design))


def over(p, design, reason):
    return float(p.model.evaluate(design).violations[0, REASONS.index(reason)])


@pytest.mark.parametrize(
    ("reason", "field", "value"),
    [
        (Reason.POWER, "power_w", 0.5),
        (Reason.AREA, "area_mm2", 9.0),
        (Reason.DIES, "dies", 1),
        (Reason.THROUGHPUT, "tokens_per_s", 1e9),
    ],
)
def test_the_budget_that_is_named_would_do(reason, field, value):
    p = problem(**{field: value})
    design = DESIGN
    assert over(p, design, reason) > 0
    if reason is Reason.POWER:  # leakage alone is more than half a watt: no budget is a clock's
        assert over(p, design, Reason.CLOCK) >= 0
    (named,) = [n for n in notes(p, design) if n.startswith(f"{field}=")]
    number = re.match(rf"{field}=([\d.e+]+) would do for this design", named)
    assert number is not None
    given = type(value)(float(number[1]))
    assert over(problem(**{field: given}), design, reason) <= 0


def test_a_fixed_clock_that_would_do():
    p = problem(clock_hz=9e9)
    design = DESIGN
    (named,) = [n for n in notes(p, design) if n.startswith("clock_hz=")]
    lower = float(named.split("=")[1].split(" ")[0])
    assert over(p, design, Reason.CLOCK) > 0
    assert over(problem(clock_hz=0.999 * lower), design, Reason.CLOCK) <= 0


def test_a_cache_that_does_not_fit_is_told_by_its_parts_and_the_context_that_would():
    p = problem(context=65536)
    design = DESIGN
    told = notes(p, design)
    assert any(
        re.match(r"dmem: the fullest tile needs .* MiB: .* of KV cache and .* KiB of act", n)
        for n in told
    )
    (named,) = [n for n in told if n.startswith("a context of about ")]
    fits = int(named.split()[4])
    assert over(problem(context=int(0.95 * fits)), design, Reason.DMEM) <= 0
    assert over(problem(context=int(1.1 * fits)), design, Reason.DMEM) > 0
    for bits in (8, 4):
        (line,) = [n for n in told if n.startswith(f"kv_bits={bits} ")]
        narrow = replace(design, kv_bits=np.array([float(bits)]))
        left = 100 * over(p, narrow, Reason.DMEM)
        assert line == f"kv_bits={bits} would leave the dmem of this design {left:.3g}% over"


def test_activations_that_do_not_fit_are_not_told_to_shrink_a_cache():
    # A vision tower was told to shrink its KV cache.
    layer = OperatorClass(
        OperatorKind.MATMUL, 1, 65536, 3072, 768, weight_bytes=2 * 3072 * 768,
        input_bytes=2 * 65536 * 768, output_bytes=2 * 65536 * 3072,
    )  # fmt: skip
    tower = Profile(table([layer], phase="inference"))
    p = ChipProblem(tower, load_node("5nm"), Conditions(), Freedom(), (0.4, 0.4, 0.2))
    design = p.decode(np.array([[2, 2, 1, 1]]), np.zeros((1, 30)))
    told = notes(p, design)
    assert over(p, design, Reason.DMEM) > 0
    assert any("the activations are" in n for n in told)
    assert not any("KV" in n or "kv_bits" in n for n in told)


def test_a_design_that_keeps_all_gets_no_advice():
    assert notes(problem(), DESIGN) == []
