"""The comparison with published chips: the table, the fit, and that goals are kept."""

import numpy as np
import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.ppa.chips.comparison import (
    GROUPS,
    AreaSample,
    area_sample,
    compare,
    descriptions,
    fit_overheads,
    global_overheads,
    leave_one_out,
    published_chips,
    split_errors,
)
from asic_compiler.ppa.chips.structure import PAD_RING_MM, Overheads

PUBLISHED = published_chips()
KNOWN = descriptions("known")
SAMPLE = area_sample(KNOWN, PUBLISHED)


def test_at_least_twenty_chips_with_sources():
    names = {chip.name for chip in KNOWN}
    rows = [p for p in PUBLISHED if p.chip in names]
    assert len(rows) == len(KNOWN) >= 20
    assert all(p.source and p.confidence and p.peaks for p in rows)


def test_peaks_are_within_ten_percent_but_for_explained_ones():
    # Grayskull's peak is that of a faster part; Wormhole's FP8 figure counts 64 of its 72 cores.
    wrong = {
        (r.published.chip, name)
        for r in compare(KNOWN, PUBLISHED, global_overheads())
        for name, error in r.peak_errors.items()
        if abs(error) > 0.1
    }
    assert wrong == {
        ("Grayskull e150", "int8"), ("Grayskull e150", "fp16"), ("Wormhole n150", "fp8"),
    }  # fmt: skip


def test_some_chips_by_area_and_power():
    rows = {r.published.chip: r for r in compare(KNOWN, PUBLISHED, global_overheads())}
    for name in ("A100", "H100 SXM", "TPU v4"):
        area, power = rows[name].area_error, rows[name].power_error
        assert area is not None
        assert abs(area) < 0.25
        assert power is not None
        assert abs(power) < 0.5
    assert rows["TPU v5e"].area_error is None


def test_errors_beyond_two_have_a_reason():
    chips = [chip for group in GROUPS for chip in descriptions(group)]
    for r in compare(chips, PUBLISHED, global_overheads()):
        for error in (r.area_error, r.power_error):
            if error is not None and not -0.5 <= error <= 1.0:
                assert r.description.note, r.published.chip


def test_goals_on_area():
    assert np.abs(SAMPLE.errors(global_overheads())).mean() < 0.20
    assert np.abs(leave_one_out(SAMPLE)).mean() < 0.20


def test_the_shipped_overheads_are_those_of_the_fit():
    fitted, shipped = fit_overheads(SAMPLE), global_overheads()
    assert shipped.core == pytest.approx(fitted.core, rel=0.02)
    assert shipped.interface == pytest.approx(fitted.interface, rel=0.02)


def test_one_die_counts_once():
    assert "GC200" in SAMPLE.names
    assert "Bow IPU" not in SAMPLE.names


def test_the_fit_recovers_overheads():
    rng = np.random.default_rng(0)
    core, interface = rng.uniform(10, 500, 12), rng.uniform(1, 60, 12)
    dies = np.ones(12)
    inside = 2.0 * core + 3.0 * interface
    ring = 4 * PAD_RING_MM * np.sqrt(inside) + 4 * PAD_RING_MM**2
    names = tuple(f"c{i}" for i in range(12))
    sample = AreaSample(names, core, interface, np.zeros(12), dies, inside + ring)
    found = fit_overheads(sample)
    assert found.core == pytest.approx(2.0, rel=0.02)
    assert found.interface == pytest.approx(3.0, rel=0.05)
    assert np.abs(sample.errors(Overheads(2.0, 3.0))).max() < 1e-12
    assert np.abs(leave_one_out(sample)).max() < 0.02
    assert max(np.abs(half).max() for half in split_errors(sample)) < 0.02


def test_a_chip_without_published_figures_is_refused():
    with pytest.raises(UserError, match="no published figures"):
        compare(KNOWN[:1], [], Overheads())


def test_a_chip_left_out_does_not_move_its_own_overheads():
    # One chip three times as large as the rest say: with it, its error is smaller than without.
    core, dies = np.array([10.0, 10.0]), np.zeros(2)
    names, none = ("a", "b"), np.zeros(2)
    sample = AreaSample(names, core, none, none, dies, np.array([20.0, 40.0]))
    assert leave_one_out(sample) == pytest.approx([1.0, -0.5], rel=0.03)
