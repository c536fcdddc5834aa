"""Scaling rules: ends, chains, and how far the model's voltage laws are from published fits."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asic_compiler.ppa.clock import voltage_factor
from asic_compiler.technology import scaling
from asic_compiler.technology.library import load_node


def close(expected, rel=1e-6, abs=0.0):
    """Femtojoules differ: pytest's own absolute tolerance is 1e-12, more than they are."""
    return pytest.approx(expected, rel=rel, abs=abs)


BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_progress_runs_from_the_first_anchor_to_the_second():
    nodes = ("45nm", "28nm", "22nm", "14nm", "12nm", "10nm", "7nm")
    steps = [scaling.progress(node) for node in nodes]
    assert steps[0] == 0.0
    assert steps[-1] == 1.0
    assert steps == sorted(set(steps))


def test_claims_multiply_along_the_chain():
    assert scaling.power_factor("14nm", "7nm") == close(0.65 * 0.60)
    assert scaling.power_factor("7nm", "7nm") == 1.0
    with pytest.raises(ValueError, match="no step leads from 7nm to 28nm"):
        scaling.power_factor("7nm", "28nm")


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.sampled_from(["28nm", "14nm", "10nm"]))
def test_what_is_between_the_anchors_lies_between_their_values(old, new, node):
    value = scaling.between_anchors(old, new, node)
    assert min(old, new) * (1 - 1e-9) <= value <= max(old, new) * (1 + 1e-9)


def test_the_anchors_are_met():
    assert scaling.between_anchors(3.0, 2.0, "45nm") == close(3.0)
    assert scaling.between(3.0, 2.0, ("14nm", "10nm", "10nm")) == close(2.0)
    assert scaling.operation_energy_pj("fp16_multiply", "7nm") == close(0.34)
    assert scaling.operation_energy_pj("sram_32kb", "5nm") == close(0.8 * 8.5 / 64)


def test_the_published_example_of_the_polynomials():
    """Stillmaker and Baas 2017, corrigendum: 0.4571 at 32 nm and 0.9 V."""
    first = 0.8367 * 0.9**2 - 0.4341 * 0.9 + 0.1701
    assert first == close(0.4571, abs=1e-4)
    reference = 0.8367 * 1.0**2 - 0.4341 * 1.0 + 0.1701
    assert scaling.energy_ratio("32nm", 0.9, 1.0) == close(first / reference)


@pytest.mark.parametrize(("fit", "name"), [("7nm", "7nm"), ("10nm", "10nm"), ("16nm", "14nm")])
def test_voltage_laws_stay_near_the_published_fits(fit, name):
    """docs/technology.md: energy within an eighth, clock never above the fit's."""
    node = load_node(name)
    nominal = node.voltage.nominal
    for volts in np.linspace(node.voltage.minimum, nominal, 7):
        squared = (volts / nominal) ** 2
        assert squared == close(scaling.energy_ratio(fit, volts, nominal), rel=0.125)
        clock = float(voltage_factor(np.array([volts]), node)[0])
        assert clock <= 1.0 / scaling.delay_ratio(fit, volts, nominal) + 1e-9


def test_derived_figures_of_the_nodes_are_monotone_and_in_the_document():
    spec = importlib.util.spec_from_file_location("table", BENCHMARKS / "technology_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.disorder() == []
    document = (BENCHMARKS.parent / "docs" / "technology.md").read_text()
    for name, values in module.table().items():
        cells = " | ".join(module.FIGURES[name][1].format(v) for v in values)
        assert f"| {name} | {cells} |" in document
