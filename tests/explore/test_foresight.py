"""What is known of a design before it is evaluated, and that it is true."""

import numpy as np
import pytest
from workloads import transformer

from asic_compiler.explore.constraint_text import parse_constraints
from asic_compiler.explore.problem import ChipProblem
from asic_compiler.explore.protocol import foresight_of
from asic_compiler.hardware.design import Freedom
from asic_compiler.hardware.legality import Constraints
from asic_compiler.hardware.space import INDEX
from asic_compiler.mapping.profile import Profile
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.technology.library import load_node

LLAMA = Profile(transformer())
SIZES = slice(4 + 30 + 9, 4 + 30 + 9 + 9)
"""Columns of tiles' own sizes."""


def problem(**options):
    freedom = Freedom(weight_bits=(16, 8), kv_bits=(16, 8))
    conditions = Conditions(constraints=Constraints(power_w=51.4))
    return ChipProblem(LLAMA, load_node("3nm"), conditions, freedom, (0.4, 0.4, 0.2), **options)


def drawn(count, seed=0):
    rng = np.random.default_rng(seed)
    discrete = np.stack([*rng.integers(1, 65, (2, count)), *rng.integers(1, 5, (2, count))], axis=1)
    return discrete, rng.uniform(-1, 1, (count, 30))


def test_it_is_bounded_finite_and_pure():
    p = problem()
    discrete, continuous = drawn(2000)
    kept = continuous.copy()
    seen = p.foresight(discrete, continuous)
    assert len(seen) == 2000
    assert np.isfinite(seen).all()
    assert np.abs(seen).max() <= 3.0
    np.testing.assert_array_equal(continuous, kept)
    np.testing.assert_array_equal(p.foresight(discrete, continuous), seen)
    some = np.array([3, 1999, 7])
    np.testing.assert_array_equal(p.foresight(discrete[some], continuous[some]), seen[some])


def test_designs_that_look_alike_are_evaluated_alike():
    p = problem()
    rng = np.random.default_rng(1)
    discrete, continuous = drawn(300)
    # One variable at a time, by so little that it often rounds to the same.
    near = continuous.copy()
    at = rng.integers(0, 30, 300)
    near[np.arange(300), at] = np.clip(
        near[np.arange(300), at] + rng.normal(0.0, 0.05, 300), -1.0, 1.0
    )
    alike = (p.foresight(discrete, continuous) == p.foresight(discrete, near)).all(axis=1)
    assert 50 < alike.sum() < 250
    first, second = p.evaluate(discrete, continuous), p.evaluate(discrete, near)
    for name in ("performance", "power_w", "area_mm2", "violation"):
        np.testing.assert_array_equal(getattr(first, name)[alike], getattr(second, name)[alike])
    changed = first.performance != second.performance
    assert changed.any()
    assert not alike[changed].any()


def test_what_a_design_turned_out_to_be_looks_the_same():
    p = problem()
    discrete, continuous = drawn(500)
    outcome = p.evaluate(discrete, continuous)
    asked, built = p.foresight(discrete, continuous), p.foresight(outcome.discrete, continuous)
    # Clipping and snapping of the mesh are foreseen.
    np.testing.assert_array_equal(asked, built)


@pytest.mark.parametrize(
    "name", ["vlen", "heterogeneity", "matmul_ratio", "k_split", "stages", "weight_precision"]
)
def test_it_changes_with_a_variable(name):
    p = problem()
    discrete, continuous = np.full((2, 4), 4), np.zeros((2, 30))
    discrete[:, :2] = 48
    continuous[:, INDEX[name]] = -1.0, 1.0
    first, second = p.foresight(discrete, continuous)
    assert (first != second).any()


def test_it_sees_the_tiles_that_average_and_heterogeneity_make():
    p = problem()
    discrete, continuous = drawn(3000)
    continuous[:, INDEX["stages"]] = -1.0
    first, second = continuous.copy(), continuous.copy()
    first[:, INDEX["vlen"]], second[:, INDEX["vlen"]] = 0.3, 0.8
    design = [p.decode(discrete, x) for x in (first, second)]
    assert (design[1].vlen == 2.0 * design[0].vlen).all()
    made = [p.model.evaluate_equal_stages(d)[1] for d in design]
    same = np.all(
        [(getattr(made[0].sizes, n) == getattr(made[1].sizes, n)).all(axis=1)
         for n in ("vlen", "region_vlen")], axis=0,
    )  # fmt: skip
    # Limits of a tile's vectors make some of the tiles the same, and some others not.
    assert 20 < same.sum() < 2980
    vectors = [p.foresight(discrete, x)[:, SIZES][:, [0, 1, 2, 6, 7]] for x in (first, second)]
    np.testing.assert_array_equal(vectors[0][same], vectors[1][same])
    regions = np.log2(made[0].sizes.region_vlen) / 2.0 - 4.5
    np.testing.assert_allclose(vectors[0][:, :3], regions)
    differs = (made[0].sizes.region_vlen != made[1].sizes.region_vlen).any(axis=1)
    assert (vectors[0][differs] != vectors[1][differs]).any(axis=1).all()


def test_it_sees_the_limits_that_restrictions_put_on_tiles():
    free, held = problem(), problem(restrictions=parse_constraints("vlen in 128..512"))
    x = drawn(200)
    seen, limited = free.foresight(*x), held.foresight(*x)
    matmul = SIZES.start
    assert (limited[:, matmul] <= np.log2(512.0) / 2.0 - 4.5).all()
    assert (seen[:, matmul] > limited[:, matmul]).any()


def test_it_sees_what_the_restrictions_leave():
    p = problem(restrictions=parse_constraints("mesh = 8x8"))
    seen = p.foresight(*drawn(50))
    np.testing.assert_array_equal(seen[:, :2], np.broadcast_to(seen[0, :2], (50, 2)))


def test_a_problem_that_tells_nothing_is_seen_by_its_variables():
    class Plain:
        discrete_low, discrete_high = np.ones(4, np.int64), np.full(4, 9)

    discrete, continuous = np.array([[1, 9, 1, 9]]), np.full((1, 30), 0.25)
    seen = foresight_of(Plain(), discrete, continuous)
    np.testing.assert_allclose(seen, [[-1, 1, -1, 1, *[0.25] * 30]])
