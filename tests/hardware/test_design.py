"""Actions to designs: quantisation, projection, the stage grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asic_compiler.hardware.design import Freedom, decode, encode_projection
from asic_compiler.hardware.space import (
    CONTINUOUS,
    DISCRETE,
    INDEX,
    STAGE_GRIDS,
    TILE_PARAMETERS,
    Scale,
    pick,
)
from asic_compiler.technology.library import load_node

NODE = load_node("7nm")
action = st.floats(-1.0, 1.0)
actions = st.lists(action, min_size=30, max_size=30)
positions = st.tuples(
    st.integers(-3, 70), st.integers(-3, 70), st.integers(0, 6), st.integers(0, 6)
)


def one(position, x, freedom=None):
    return decode(np.array([position]), np.array([x]), NODE, freedom or Freedom())


def test_the_space_has_the_published_shape():
    assert len(DISCRETE) == 4
    assert len(CONTINUOUS) == 30
    assert len({v.name for v in CONTINUOUS}) == 30
    assert len(TILE_PARAMETERS) == 15
    groups = [v.group for v in CONTINUOUS]
    sizes = {group: groups.count(group) for group in dict.fromkeys(groups)}
    assert sizes == {
        "tile": 15, "memory": 4, "partition": 3, "streaming": 2, "workload": 2, "mapping": 4,
    }  # fmt: skip


@pytest.mark.parametrize("variable", CONTINUOUS, ids=lambda v: v.name)
@given(x=action)
def test_decoded_values_are_on_the_grid_and_survive_a_round_trip(variable, x):
    value = variable.decode(np.array([x]))
    assert variable.low <= value[0] <= variable.high
    assert variable.quantise(value)[0] == pytest.approx(value[0], rel=1e-12)
    again = variable.decode(variable.encode(value))
    assert again[0] == pytest.approx(value[0], rel=1e-9, abs=1e-12)
    if variable.step < 0:
        assert np.log2(value[0]) == np.rint(np.log2(value[0]))


@pytest.mark.parametrize("variable", CONTINUOUS, ids=lambda v: v.name)
def test_ends_of_the_action_are_ends_of_the_range(variable):
    low, high = variable.decode(np.array([-1.0, 1.0]))
    assert (low, high) == pytest.approx((variable.low, variable.high))
    if variable.scale is Scale.LOG:
        assert variable.low > 0


@given(position=positions, x=actions)
def test_mesh_is_snapped_to_the_stage_grid(position, x):
    d = one(position, x)
    columns, rows = STAGE_GRIDS[int(d.stage_grid[0])]
    assert d.mesh_width[0] % columns == 0
    assert d.mesh_height[0] % rows == 0
    assert 1 <= d.mesh_width[0] <= 64
    assert 1 <= d.mesh_height[0] <= 64
    assert 1 <= d.sc_x[0] <= min(4, d.mesh_width[0])
    assert 1 <= d.sc_y[0] <= min(4, d.mesh_height[0])
    assert d.stages[0] == columns * rows
    # Snapping moves a side by less than one stage.
    if 1 <= position[0] <= 64:
        assert abs(d.mesh_width[0] - position[0]) < columns


@given(position=positions, x=actions)
def test_decoding_what_was_decoded_changes_nothing(position, x):
    d = one(position, x)
    at = np.stack([d.mesh_width, d.mesh_height, d.sc_x, d.sc_y], axis=1).astype(np.int64)
    projected = encode_projection(np.array([x]), d)
    again = decode(at, projected, NODE, Freedom())
    for name in sorted(set(d.__dataclass_fields__) - {"limits"}):
        np.testing.assert_allclose(getattr(again, name), getattr(d, name), rtol=1e-9, err_msg=name)
    assert np.array_equal(encode_projection(projected, again), projected) or np.allclose(
        encode_projection(projected, again), projected, atol=1e-12
    )


@given(x=actions)
def test_shares_and_supply(x):
    d = one((8, 8, 1, 1), x)
    total = d.dmem_input[0] + d.dmem_output[0] + d.dmem_scratch[0]
    assert total == pytest.approx(1.0)
    assert NODE.voltage.minimum <= d.vdd[0] <= NODE.voltage.maximum
    assert d.vdd[0] * 100 == pytest.approx(round(d.vdd[0] * 100))
    assert 0.0 <= d.rho_matmul[0] <= 1.0


@given(x=actions, most=st.integers(1, 16))
def test_no_more_stages_than_allowed(x, most):
    assert one((64, 64, 1, 1), x, Freedom(max_stages=most)).stages[0] <= most


def test_precision_is_chosen_among_what_the_user_allows():
    x = np.zeros((2, 30))
    x[:, INDEX["weight_precision"]] = [-1.0, 1.0]
    position = np.array([[4, 4, 1, 1]] * 2)
    assert list(decode(position, x, NODE, Freedom()).weight_bits) == [16.0, 16.0]
    assert list(decode(position, x, NODE, Freedom(weight_bits=(16, 8))).weight_bits) == [16.0, 8.0]


def test_pick_gives_equal_shares():
    x = np.linspace(0.0, 1.0, 8001)
    counts = np.bincount(pick(x, 8), minlength=8)
    assert counts.min() >= 1000
    assert counts.max() <= 1001


def test_take_and_with_keep_the_rest():
    rng = np.random.default_rng(0)
    d = decode(rng.integers(1, 65, (5, 4)), rng.uniform(-1, 1, (5, 30)), NODE, Freedom())
    part = d.take(np.array([3, 1]))
    assert len(part) == 2
    assert part.vlen[0] == d.vlen[3]
    changed = part.with_(vlen=np.array([128.0, 128.0]))
    assert list(changed.vlen) == [128.0, 128.0]
    assert np.array_equal(changed.dflit, part.dflit)
