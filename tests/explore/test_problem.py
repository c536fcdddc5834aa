"""The chip problem as a search sees it: 73 features, projection, starts that can be built."""

import numpy as np
import pytest
from workloads import transformer

from asic_compiler.explore.features import FEATURE_NAMES, GROUPS, OBSERVED
from asic_compiler.explore.problem import ChipProblem
from asic_compiler.explore.protocol import tied_of
from asic_compiler.explore.reward import score
from asic_compiler.hardware.design import Freedom
from asic_compiler.hardware.legality import Constraints
from asic_compiler.hardware.precision import FORMAT_INDEX
from asic_compiler.mapping.profile import Profile
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.technology.library import NODE_NAMES, load_node

LLAMA = Profile(transformer())
SMOLVLM = Profile(
    transformer(
        layers=30, hidden=576, heads=9, kv_heads=3, head_dim=64, ffn=1536, vocab=49280, batch=1,
        context=2048, name="smolvlm-256m",
    )
)  # fmt: skip
PERFORMANCE = Conditions(constraints=Constraints(power_w=51.4))
LOW_POWER = Conditions(
    temperature_c=25.0, clock_hz=10e6, host_interface=False, constraints=Constraints(power_w=0.013)
)
# Facts of the workload, the node and the user's freedom: the same for every design of a run.
CONSTANT = {
    "instruction_count", "ilp", "memory_intensity", "vector_utilisation", "matmul_ratio",
    "node_feature", "node_energy", "fp32", "fp16", "bf16", "fp8", "int8", "mixed",
    "vector_share", "batch", "kv_strategy", "kv_compression",
}  # fmt: skip
# Sizes of the published groups of the state.
PUBLISHED = (5, 21, 3, 4, 4, 4, 4, 1, 4, 5, 4, 6, 2, 3, 3)


def problem(profile=LLAMA, node="3nm", conditions=PERFORMANCE, **freedom):
    free = Freedom(clock_hz=conditions.clock_hz, **freedom)
    return ChipProblem(profile, load_node(node), conditions, free, (0.4, 0.4, 0.2))


def random_actions(count, seed):
    rng = np.random.default_rng(seed)
    discrete = np.stack([*rng.integers(1, 65, (2, count)), *rng.integers(1, 5, (2, count))], axis=1)
    return discrete, rng.uniform(-1, 1, (count, 30))


def test_there_are_73_features_and_the_actor_sees_52():
    assert len(FEATURE_NAMES) == len(set(FEATURE_NAMES)) == 73
    assert len(OBSERVED) == len(set(OBSERVED.tolist())) == 52
    assert tuple(len(names) for names in GROUPS.values()) == PUBLISHED


@pytest.mark.parametrize("profile", [LLAMA, SMOLVLM], ids=["llama", "smolvlm"])
def test_features_are_bounded_and_say_something(profile):
    p = problem(profile)
    values = p.evaluate(*random_actions(1500, 0)).features
    assert values.shape == (1500, 73)
    assert np.isfinite(values).all()
    assert np.abs(values).max() <= 2.0
    spread = np.ptp(values, axis=0)
    same = {name for name, s in zip(FEATURE_NAMES, spread, strict=True) if s == 0}
    assert same == CONSTANT


def test_what_the_user_frees_becomes_visible():
    values = (
        problem(weight_bits=(16, 8), kv_bits=(16, 8)).evaluate(*random_actions(300, 0)).features
    )
    for name in ("mixed", "kv_compression"):
        assert np.ptp(values[:, FEATURE_NAMES.index(name)]) > 0


def test_node_features_tell_nodes_apart():
    at = [FEATURE_NAMES.index("node_feature"), FEATURE_NAMES.index("node_energy")]
    rows = [problem(node=n).evaluate(*random_actions(1, 0)).features[0, at] for n in NODE_NAMES]
    steps = np.diff(np.array(rows), axis=0)
    assert (steps[:, 0] > 0).all()
    assert (steps[:, 1] >= 0).all()  # 6 nm spends what 7 nm does


def test_shapes_and_types():
    p = problem()
    discrete, continuous = p.start(7, np.random.default_rng(0))
    assert discrete.shape == (7, 4)
    assert discrete.dtype == np.int64
    assert continuous.shape == (7, 30)
    assert (np.abs(continuous) <= 1).all()
    assert (discrete >= p.discrete_low).all()
    assert (discrete <= p.discrete_high).all()
    e = p.evaluate(discrete, continuous)
    assert len(e) == 7
    for name in ("performance", "power_w", "area_mm2", "feasible", "violation", "power_margin",
                 "memory_overuse", "hazards"):  # fmt: skip
        assert getattr(e, name).shape == (7,), name
    assert e.discrete.shape == (7, 4)
    assert e.continuous.shape == (7, 30)
    assert np.array_equal(e.feasible, e.violation == 0)


def test_evaluating_what_was_evaluated_changes_nothing():
    p = problem()
    e = p.evaluate(*random_actions(400, 1))
    again = p.evaluate(e.discrete, e.continuous)
    assert np.array_equal(again.discrete, e.discrete)
    np.testing.assert_allclose(again.continuous, e.continuous, atol=1e-9)
    for name in ("performance", "power_w", "area_mm2"):
        np.testing.assert_allclose(getattr(again, name), getattr(e, name), rtol=1e-9)
    assert np.array_equal(again.feasible, e.feasible)


def test_ranges_are_fixed_by_the_problem():
    a, b = problem(), problem()
    b.start(10, np.random.default_rng(5))
    assert a.ranges == b.ranges
    assert all(r.low < r.high for r in a.ranges)
    assert a.ranges[1].high <= 51.4 * (1 + 1e-9)


def test_the_same_seed_starts_the_same():
    a = problem().start(5, np.random.default_rng(3))
    b = problem().start(5, np.random.default_rng(3))
    assert np.array_equal(a[0], b[0])
    assert np.array_equal(a[1], b[1])


@pytest.mark.parametrize("node", NODE_NAMES)
def test_llama_starts_are_mostly_legal(node):
    p = problem(node=node)
    e = p.evaluate(*p.start(512, np.random.default_rng(1)))
    assert e.feasible.mean() > 0.3
    best = e.performance[e.feasible].max()
    assert 300 < best < 60000  # tokens a second in 51.4 W: 0.9 mJ is under every corner at batch 3


@pytest.mark.parametrize("node", NODE_NAMES)
def test_smolvlm_has_designs_of_thirteen_milliwatts(node):
    p = problem(SMOLVLM, node, LOW_POWER)
    e = p.evaluate(*p.start(4096, np.random.default_rng(1)))
    assert e.feasible.any()
    assert e.power_w[e.feasible].max() <= 0.013 * (1 + 1e-9)
    assert e.performance[e.feasible].max() > 2.0
    if node not in ("22nm", "28nm"):
        assert e.feasible.mean() > 0.2


def test_nothing_fits_a_budget_of_a_microwatt():
    tiny = Conditions(constraints=Constraints(power_w=1e-6))
    p = problem(conditions=tiny)
    e = p.evaluate(*p.start(64, np.random.default_rng(0)))
    assert not e.feasible.any()
    assert (e.violation > 1e3).all()
    assert np.isfinite(e.features).all()
    assert all(np.isfinite([r.low, r.high]).all() for r in p.ranges)


def test_the_score_is_the_logarithm_of_one_product_whatever_the_ranges():
    chips = problem()
    rng = np.random.default_rng(8)
    designs = chips.evaluate(*chips.start(200, rng))
    a, b, c = chips.weights
    product = designs.performance**a / (designs.power_w**b * designs.area_mm2**c)
    values = score(designs, chips)
    slope = np.diff(values) / np.diff(np.log10(product))
    np.testing.assert_allclose(slope, 0.5, rtol=1e-6)  # two decades from 0 to 1


def test_the_state_tells_the_format_that_a_design_computes_in():
    free = problem(precision=("fp16", "bf16", "fp8", "w8a8", "w4a16"), kv_bits=(8,))
    discrete, continuous = random_actions(300, 5)
    design = free.decode(discrete, continuous)
    at = {name: i for i, name in enumerate(FEATURE_NAMES)}
    seen = free.evaluate(discrete, continuous).features
    for name in ("fp16", "bf16", "w4a16", "fp8", "w8a8"):
        mine = design.precision == FORMAT_INDEX[name]
        assert mine.any()
        column = {"w8a8": "int8", "w4a16": "fp16"}.get(name, name)
        for other in ("fp16", "bf16", "fp8", "int8"):
            assert (seen[mine, at[other]] == (1.0 if other == column else 0.0)).all()
        assert (seen[mine, at["mixed"]] == (1.0 if name == "w4a16" else 0.0)).all()


def test_starts_for_narrow_formats_are_smaller():
    rng = np.random.default_rng
    wide = problem().start(500, rng(3))[0]
    narrow = problem(precision=("w8a8",), kv_bits=(8,)).start(500, rng(3))[0]
    tiles = [np.median(d[:, 0] * d[:, 1]) for d in (wide, narrow)]
    assert tiles[1] == pytest.approx(tiles[0] / 2, rel=0.1)


def test_a_niche_is_an_octave_of_tiles_a_number_of_stages_and_a_share_of_rows_for_matmuls():
    p = problem()
    designs = p.evaluate(*random_actions(3000, 5))
    kinds = p.niche(designs)
    tiles = designs.discrete[:, 0] * designs.discrete[:, 1]
    assert ((2 ** kinds[:, 0] <= tiles) & (tiles < 2 ** (kinds[:, 0] + 1))).all()
    stages = p.decode(designs.discrete, designs.continuous).stages
    assert set(np.unique(stages)) == {1, 2, 3, 4, 6, 8, 12, 16}
    pairs = {(kind, stage) for kind, stage in zip(kinds[:, 1].tolist(), stages, strict=True)}
    assert len(pairs) == 8  # one to one
    share = p.decode(designs.discrete, designs.continuous).rho_matmul
    assert set(np.unique(kinds[:, 2])) == {-6, -5, -4, -3, -2, -1, 0}
    some = share >= 1.0 / 64.0
    assert (np.abs(np.log2(share[some]) - kinds[some, 2]) <= 0.5 + 1e-9).all()
    assert (kinds[~some, 2] == -6).all()


def test_what_says_how_the_work_is_cut_is_tied():
    p = problem()
    names = np.array([*p.discrete_names, *p.continuous_names])
    groups = [set(names[group].tolist()) for group in tied_of(p)]
    assert groups[0] == {"vlen", "matmul_ratio", "heterogeneity"}
    assert groups[1] > groups[0] | {"mesh_width", "mesh_height", "rows", "k_split", "stages"}
    assert not groups[1] & {"vdd", "clock", "stanum", "locality", "wmem_bank"}
