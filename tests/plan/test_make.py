"""A chip spelled out, and every operator on it, agree with the model that chose them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workloads import table, transformer

from asic_compiler.hardware.design import Freedom, decode
from asic_compiler.hardware.legality import Constraints
from asic_compiler.hardware.weight_store import WeightStore
from asic_compiler.mapping.profile import Profile
from asic_compiler.plan.make import make_plan
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.ppa.model import PPAModel
from asic_compiler.technology.library import load_node
from asic_compiler.workload.table import OperatorClass, OperatorKind

NODE = load_node("5nm")
PROFILE = Profile(
    transformer(
        layers=3, hidden=256, heads=4, kv_heads=2, head_dim=64, ffn=512, vocab=1024, batch=2,
        context=256,
    )
)  # fmt: skip
MODEL = PPAModel(PROFILE, NODE, Conditions(constraints=Constraints(power_w=5.0)))


def random_design(seed, count=1):
    rng = np.random.default_rng(seed)
    discrete = np.stack([*rng.integers(1, 65, (2, count)), *rng.integers(1, 5, (2, count))], axis=1)
    return decode(discrete, rng.uniform(-1, 1, (count, 30)), NODE, Freedom())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_classes_tile_the_mesh_and_hold_what_the_model_counted(seed):
    design = random_design(seed)
    plan = make_plan(MODEL, design, 85.0)
    chip = plan.chip
    grid = chip.tile_map()  # raises unless every tile has exactly one class
    assert len(grid) == design.mesh_height[0]
    assert len(grid[0]) == design.mesh_width[0]
    assert sum(c.tiles for c in chip.classes) == design.tiles[0]
    assert sum(c.tiles * c.wmem_bytes for c in chip.classes) >= PROFILE.weight_bytes
    assert len({c.stage for c in chip.classes}) == chip.stages == design.stages[0]
    names = [c.name for c in chip.classes]
    assert len(set(names)) == len(names)
    if plan.metrics.legal[0]:
        dmem = sum(c.tiles * c.dmem_bytes for c in chip.classes)
        assert dmem >= PROFILE.total_kv_bytes * chip.stages


def test_the_chip_names_its_weight_store_and_its_format():
    """They were written into the chip later, by whoever had a breakdown at hand."""
    freedom = Freedom(precision=("w8a8",), weight_stores=(WeightStore.LPDDR5X,))
    design = decode(np.array([[8, 8, 1, 1]]), np.zeros((1, 30)), NODE, freedom)
    plan = make_plan(MODEL, design, 85.0)
    assert (plan.chip.precision, plan.chip.weight_store) == ("w8a8", "lpddr5x")
    assert plan.chip.dram_devices == plan.metrics.dram_devices[0] > 0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_operator_has_a_place_and_a_time(seed):
    design = random_design(seed)
    plan = make_plan(MODEL, design, 85.0)
    mesh = (design.mesh_width[0], design.mesh_height[0])
    assert [a.position for a in plan.assignments] == list(range(len(PROFILE.table.sequence)))
    stages = [a.stage for a in plan.assignments]
    assert stages == sorted(stages)  # program order is pipeline order
    end: dict[int, float] = {}
    for a in plan.assignments:
        assert a.region.x + a.region.width <= mesh[0]
        assert a.region.y + a.region.height <= mesh[1]
        assert a.split_m * a.split_n * a.split_k <= a.region.tiles
        assert a.start_cycle == pytest.approx(end.get(a.stage, 0.0))
        assert a.cycles > 0
        end[a.stage] = a.start_cycle + a.cycles
        # It runs where its region's tiles are, in its own stage.
        here = [c for c in plan.chip.classes if c.stage == a.stage]
        kind = ("matmul", "conv", "general")[a.region_kind]
        mine = [p for c in here if kind in c.regions for p in c.places]
        assert sum(p.tiles for p in mine) == a.region.tiles
        assert all(a.region.contains(p) for p in mine)
    assert max(end.values()) <= plan.period_cycles * (1 + 1e-12)


def test_a_plan_is_the_evaluation_of_the_same_design():
    batch = random_design(7, 50)
    metrics = MODEL.evaluate(batch)
    for i in range(0, 50, 7):
        plan = make_plan(MODEL, batch.take(np.array([i])), 85.0)
        assert plan.metrics.tokens_per_s[0] == metrics.tokens_per_s[i]
        assert plan.metrics.area_mm2[0] == metrics.area_mm2[i]
        assert plan.chip.clock_hz == metrics.clock_hz[i]
        assert plan.chip.dies == metrics.dies[i]


def test_a_plan_is_of_one_design():
    with pytest.raises(ValueError, match="one design, not 3"):
        make_plan(MODEL, random_design(0, 3), 85.0)


def most_room_needed(plan):
    """Bytes of matmul weights on each tile, laid out slice by slice, and what each tile has."""
    chip, table = plan.chip, plan.table
    held = np.zeros((chip.mesh_height, chip.mesh_width))
    for place in plan.assignments:
        work = table.classes[table.sequence[place.position]]
        if work.kind is not OperatorKind.MATMUL:
            continue
        columns = -(-work.batch * work.n // place.split_n)
        depth = -(-work.k // place.split_k)
        region = place.region
        parts = place.split_m * place.split_n * place.split_k
        ranks = np.arange(region.tiles) - place.first
        busy = (ranks % region.tiles < parts).reshape(region.height, region.width)
        rows = slice(region.y, region.y + region.height)
        held[rows, region.x : region.x + region.width] += busy * columns * depth * 2.0
    room = np.array([[chip.classes[c].wmem_bytes for c in row] for row in chip.tile_map()])
    return held, room


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_weights_laid_out_as_assigned_fit_every_single_tile(seed):
    held, room = most_room_needed(make_plan(MODEL, random_design(seed), 85.0))
    assert (held <= room).all()


def test_operators_smaller_than_their_region_take_turns_on_its_rows():
    """Six products of four columns on 4 x 4 tiles: a row each, so two slices at most on a tile."""
    narrow = OperatorClass(
        OperatorKind.MATMUL, 1, 1, 4, 65536, weight_bytes=8 * 65536, input_bytes=2 * 65536
    )
    model = PPAModel(Profile(table([narrow] * 6)), NODE, Conditions())
    design = random_design(3).with_(
        mesh_width=np.array([4.0]), mesh_height=np.array([4.0]), rho_matmul=np.ones(1),
        rho_general=np.ones(1), k_split=np.zeros(1), stage_grid=np.zeros(1, np.int64),
    )  # fmt: skip
    plan = make_plan(model, design, 85.0)
    assert [a.first // a.region.width for a in plan.assignments] == [0, 1, 2, 3, 0, 1]
    held, room = most_room_needed(plan)
    assert held.max() == 2 * 2 * 65536
    assert (held <= room).all()
