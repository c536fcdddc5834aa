"""Designs obey partial constraints, whatever a strategy asks for."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from workloads import transformer

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.checkpoint.fingerprint import fingerprint
from asic_compiler.explore.constraint_text import parse_constraints
from asic_compiler.explore.constraints import VARIABLES, Restriction
from asic_compiler.explore.request import Request
from asic_compiler.explore.run import explore, make_problem
from asic_compiler.explore.search import search
from asic_compiler.explore.strategies import strategy_names
from asic_compiler.hardware.derive import make_bands, size_tiles
from asic_compiler.hardware.tile_limits import TileLimits, nearest
from asic_compiler.plan.make import make_plan

SMALL = transformer(layers=2, hidden=256, heads=4, kv_heads=2, head_dim=64, ffn=512, vocab=4096,
                    context=128)  # fmt: skip
HEAD = int(np.argmax([SMALL.classes[c].n for c in SMALL.sequence]))
TABLE = replace(
    SMALL,
    names=tuple("lm_head" if i == HEAD else f"layers.{i}.op" for i in range(len(SMALL.names))),
)
OUTCOME = ("clock", "dies", "dmem", "imem")


def problem(text, **options):
    return make_problem(TABLE, Request(constraints=text, **options).resolved())


def actions(count, seed):
    rng = np.random.default_rng(seed)
    discrete = np.stack([*rng.integers(1, 65, (2, count)), *rng.integers(1, 5, (2, count))], axis=1)
    return discrete, rng.uniform(-1, 1, (count, 30))


def values(chips, restriction, design, metrics):
    """[N] or [N, M] what a restriction is about, taken from the design and not from its actions."""
    name = restriction.variable
    if name in ("vlen", "fetch"):
        profile = chips.model.profile
        bands = make_bands(design, profile.has_conv)
        work = profile.lane_cycles[design.rows.astype(int) - 1]
        sizes = getattr(size_tiles(design, bands, work), name)
        region = {"lm_head": 0, "attention": 2}.get((restriction.operators or ("",))[0])
        mine = bands.rows > 0
        if region is not None:
            mine = mine & bands.member[:, :, region]
        return np.where(mine, sizes, restriction.values[0])
    if name in ("clock", "dies"):
        return {"clock": metrics.clock_hz, "dies": metrics.dies}[name]
    if name in ("dmem", "imem"):
        return getattr(metrics, f"{name}_average")
    if name in ("matmul_ratio", "conv_ratio", "general_ratio"):
        rho = getattr(design, f"rho_{name.removesuffix('_ratio')}")
        return np.clip(rho - 0.3, max(restriction.low, -0.3), min(restriction.high, 0.7))
    if name in ("dmem_input", "dmem_output", "dmem_scratch"):
        return np.full(len(design), restriction.low)  # a weight: its shares are tested below
    return getattr(design, name)


def assert_obeys(chips, evaluation):
    design = chips.decode(evaluation.discrete, evaluation.continuous)
    metrics = chips.model.evaluate(design)
    for restriction in chips.projection.restrictions.items:
        kept = restriction.holds(values(chips, restriction, design, metrics), 1e-6)
        kept = kept.reshape(len(design), -1).all(axis=1)
        if restriction.variable in OUTCOME:  # what cannot be made so is not called feasible
            kept |= ~evaluation.feasible
        assert kept.all(), restriction


@st.composite
def constraint_texts(draw):
    """One to four constraints that some design of the small workload can keep."""
    names = draw(
        st.lists(
            st.sampled_from([n for n in VARIABLES if n not in ("dies", "clock")]),
            unique=True, min_size=1, max_size=4,
        )
    )  # fmt: skip
    out = []
    for name in names:
        facts = VARIABLES[name]
        if name == "vdd":
            low, high = 0.5, draw(st.sampled_from([0.5, 0.55, 0.7]))
            out.append(Restriction(name, low, high))
        elif facts.values:
            chosen = draw(st.lists(st.sampled_from(facts.values), min_size=1, max_size=4))
            ends = tuple(sorted(set(chosen)))
            scope = draw(st.sampled_from([(), ("lm_head",), ("attention",)]))
            out.append(Restriction(name, ends[0], ends[-1], ends, scope if facts.of_tile else ()))
        else:
            ends = sorted(draw(st.floats(facts.low, facts.high)) for _ in range(2))
            out.append(Restriction(name, *ends))
    return "; ".join(map(str, out))


@settings(max_examples=20, deadline=None)
@given(constraint_texts(), st.integers(0, 1000))
def test_every_evaluated_design_obeys(text, seed):
    try:
        chips = problem(text)
    except UserError:  # mesh against stages or a cluster, ...: refused, see below
        assume(False)
    for asked in (actions(24, seed), chips.start(24, np.random.default_rng(seed))):
        evaluation = chips.evaluate(*asked)
        assert_obeys(chips, evaluation)
        low, high = chips.discrete_low, chips.discrete_high
        assert ((evaluation.discrete >= low) & (evaluation.discrete <= high)).all()
        again = chips.evaluate(evaluation.discrete, evaluation.continuous)
        assert np.array_equal(again.discrete, evaluation.discrete)
        np.testing.assert_allclose(again.continuous, evaluation.continuous, atol=1e-9)


@pytest.mark.parametrize(
    "text",
    ["clock <= 400 MHz", "clock in 300..600 MHz", "dies = 1", "dmem in {32, 256 KiB}",
     "imem <= 16 KiB; dmem >= 64 KiB", "mesh in 5x5..40x40; sc in 3x1..4x4; stages in {3, 6}"],
)  # fmt: skip
def test_outcomes_are_kept_or_the_design_is_infeasible(text):
    chips = problem(text)
    evaluation = chips.evaluate(*chips.start(128, np.random.default_rng(1)))
    assert evaluation.feasible.any()
    assert_obeys(chips, evaluation)


def test_no_constraint_changes_nothing():
    asked = actions(64, 3)
    plain = make_problem(TABLE, Request().resolved())
    for text in ("", " ; ", None):
        chips = problem(text)
        assert chips.projection is None
        assert chips.ranges == plain.ranges
        left, right = chips.evaluate(*asked), plain.evaluate(*asked)
        assert left.continuous.tobytes() == right.continuous.tobytes()
        assert left.features.tobytes() == right.features.tobytes()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_a_constraint_that_allows_everything_changes_no_design(seed):
    """Projection keeps the bits of what is allowed already."""
    wide = problem("vlen <= 2048; mesh in 1x1..64x64; matmul_ratio >= -0.3; stages >= 1; sc >= 1x1")
    plain = make_problem(TABLE, Request().resolved())
    asked = actions(32, seed)
    left, right = wide.evaluate(*asked), plain.evaluate(*asked)
    assert left.continuous.tobytes() == right.continuous.tobytes()
    assert np.array_equal(left.discrete, right.discrete)
    assert left.power_w.tobytes() == right.power_w.tobytes()


def test_the_plan_has_what_was_asked_for_on_the_tiles_of_the_operator():
    chips = problem("vlen = 256 for lm_head; vlen >= 1024 for attention; heterogeneity = 1; "
                    "matmul_ratio = 0.2; general_ratio = 0.2; mesh = 8x8; stages = 1; rows = 3; "
                    "dflit = 512; vdd = 0.6 V")  # fmt: skip
    found = chips.evaluate(*chips.start(1, np.random.default_rng(0)))
    plan = make_plan(chips.model, chips.decode(found.discrete, found.continuous), 85.0)
    assert (plan.chip.mesh_width, plan.chip.mesh_height, plan.chip.stages) == (8, 8, 1)
    assert (plan.chip.flit_bits, plan.chip.supply_v) == (512, 0.6)
    served = {tile.regions: tile.vlen for tile in plan.chip.classes}
    assert all(tile.rows == 3 for tile in plan.chip.classes)
    assert {v for r, v in served.items() if "matmul" in r} == {256}
    assert all(v >= 1024 for r, v in served.items() if "general" in r)


def test_tiles_that_serve_two_operators_that_contradict_are_infeasible():
    chips = problem("vlen = 256 for lm_head; vlen >= 1024 for attention; mesh = 8x8; stages = 1; "
                    "matmul_ratio = 0.7; general_ratio = 0.7")  # fmt: skip
    evaluation = chips.evaluate(*chips.start(16, np.random.default_rng(0)))
    assert not evaluation.feasible.any()
    assert (evaluation.violation >= 1.0).all()


def test_a_clock_is_moved_into_its_bounds_and_not_only_refused():
    chips = problem("clock in 300..400 MHz", power_w=1e4)
    evaluation = chips.evaluate(*chips.start(64, np.random.default_rng(1)))
    design = chips.decode(evaluation.discrete, evaluation.continuous)
    clock_hz = chips.model.evaluate(design).clock_hz
    assert clock_hz.min() >= 300e6 * (1 - 1e-9)
    assert clock_hz.max() <= 400e6 * (1 + 1e-9)


def test_bounded_memories_make_tiles_equal_whatever_is_asked_for():
    chips = problem("imem <= 64 KiB")
    assert (chips.decode(*actions(32, 5)).heterogeneity == 0).all()
    assert (problem("vlen <= 1024").decode(*actions(32, 5)).heterogeneity > 0).any()


def test_a_cluster_out_of_a_set_fits_its_mesh():
    chips = problem("sc_x in {1, 3}; mesh in 1x1..2x2; stages = 1")
    design = chips.decode(*actions(64, 2))
    assert (design.sc_x == 1).all()  # 3 are wider than the mesh, and 2 are not in the set


def test_scores_with_and_without_constraints_compare():
    plain, pinned = problem(""), problem("mesh = 8x8; vlen = 256; dmem <= 64 KiB")
    assert pinned.ranges == plain.ranges


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_regions_whose_operators_contradict_are_parted(seed):
    chips = problem("vlen = 256 for lm_head; vlen >= 1024 for attention; mesh in 4x4..24x24")
    evaluation = chips.evaluate(*actions(64, seed))
    design = chips.decode(evaluation.discrete, evaluation.continuous)
    bands = make_bands(design, chips.model.profile.has_conv)
    tall = bands.height >= 2
    assert tall.any()
    assert not (bands.member[:, :, 0] & bands.member[:, :, 2]).any(axis=1)[tall].any()
    again = chips.evaluate(evaluation.discrete, evaluation.continuous)
    np.testing.assert_allclose(again.continuous, evaluation.continuous, atol=1e-9)


def test_a_checkpoint_knows_the_constraints():
    """No start has more than 12 rows: by their outcome alone these would be one problem."""
    texts = ("", "rows <= 12", "rows <= 13")
    assert len({fingerprint(problem(text)) for text in texts}) == 3


def test_the_answer_to_nothing_names_the_constraints():
    with pytest.raises(UserError) as error:
        explore(TABLE, Request(constraints="mesh = 1x1; dmem <= 16 KiB", strategy="random",
                               evaluations=20))  # fmt: skip
    assert "the constraints may leave no room: mesh_width = 1; mesh_height = 1; dmem = 16 KiB" in (
        error.value.notes
    )


def test_a_bounded_memory_is_the_same_on_every_tile():
    chips = problem("dmem <= 256 KiB; heterogeneity <= 0.5")
    found = chips.evaluate(*chips.start(64, np.random.default_rng(0)))
    best = int(np.flatnonzero(found.feasible)[0])
    design = chips.decode(found.discrete[[best]], found.continuous[[best]])
    memories = {tile.dmem_bytes for tile in make_plan(chips.model, design, 85.0).chip.classes}
    assert len(memories) == 1
    assert memories.pop() <= 256 * 1024


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("mesh = 7x7; stages = 2", 13, "no number of stages"),
        ("sc = 4x4; mesh = 3x3", 1, "does not fit a mesh"),
        ("vdd = 2 V", 1, "no supply of 3nm"),
        ("rows = 3; vlen = 256 for nothing", 11, "no operator is called 'nothing'"),
        ("rows = 3 for lm_head; rows = 4 for attention", 1, "nothing keeps both"),
        ("dmem <= 64 KiB; heterogeneity = 1", 17, "heterogeneity must be 0"),
        ("vlen = 512; vlen = 256 for lm_head", 13, "nothing keeps 'vlen = 256 for lm_head'"),
    ],
)
def test_contradictions_with_the_workload_or_the_node_point_too(text, column, message):
    with pytest.raises(UserError) as error:
        problem(text)
    assert message in str(error.value)
    assert error.value.location.column == column


def test_options_and_constraints_may_not_differ():
    assert Request(constraints="kv in {8, 16}; dies <= 2").resolved().kv_bits == (16, 8)
    assert Request(constraints="dies <= 2", dies=2).resolved().dies == 2
    assert Request(constraints="clock = 1 GHz").resolved().clock_hz == 1e9
    assert Request(constraints="clock <= 5 MHz", mode="low-power").resolved().clock_hz is None
    assert Request(mode="low-power").resolved().clock_hz == 10e6
    once = Request(constraints="kv = 8; dies = 1; clock = 1 GHz").resolved()
    assert once.resolved() == once
    for options in ({"dies": 1}, {"kv_bits": (8,)}, {"clock_hz": 1e9}):
        with pytest.raises(UserError, match="both the constraints and the option"):
            Request(constraints="kv in {4, 16}; dies <= 2; clock <= 2 GHz", **options).resolved()


def test_a_goal_and_constraints_hold_together():
    chips = problem(
        "vlen <= 256; dies = 1", goal="minimize energy_per_token subject to latency <= 1 s"
    )
    evaluation = chips.evaluate(*chips.start(64, np.random.default_rng(0)))
    assert evaluation.feasible.any()
    assert_obeys(chips, evaluation)


def test_nearest_takes_the_smaller_of_two_that_are_as_close():
    allowed = np.array([1.0, 4.0, 16.0])
    assert nearest(np.array([0.5, 2.0, 2.01, 8.0, 99.0]), allowed).tolist() == [1, 1, 4, 4, 16]
    assert nearest(np.array([2.5, 2.6]), allowed, logarithmic=False).tolist() == [1, 4]


def test_limits_of_tiles_know_regions():
    sizes = np.array([128.0, 256.0, 512.0, 1024.0])
    limits = TileLimits.of({"vlen": sizes}, {"vlen": [sizes[:3], sizes[1:], None, sizes[:1]]})
    member = np.array([[[0, 0, 0], [1, 0, 0], [0, 0, 1], [1, 0, 1]]], dtype=bool)
    moved = limits.apply("vlen", np.full((1, 4), 1024.0), member)
    assert moved.tolist() == [[512.0, 512.0, 128.0, 1024.0]]  # the last contradicts: left alone
    assert limits.contradictions(member, np.array([[1.0, 1, 1, 1]])).tolist() == [1.0]
    assert limits.contradictions(member, np.array([[1.0, 1, 1, 0]])).tolist() == [0.0]


@pytest.mark.parametrize("name", strategy_names())
def test_every_strategy_obeys(name):
    chips = problem("mesh in 4x4..8x8; vlen in {256, 1024}; rows = 2; stages = 1")
    history = search(chips, name, evaluations=12, seed=1).history
    assert set(history["mesh_width"].tolist()) <= set(range(4, 9))
    design = chips.decode(
        np.stack([history[n] for n in chips.discrete_names], axis=1),
        np.stack([history[n] for n in chips.continuous_names], axis=1),
    )
    assert (design.rows == 2).all()
    assert np.isin(design.vlen, [256, 1024]).all()


def test_a_text_means_the_same_after_printing():
    text = "mesh = 8x8; rows 3..5 only for lm_head"
    stated = parse_constraints(text)
    assert problem(str(stated)).projection.restrictions == stated
