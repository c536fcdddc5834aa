"""One definition of an option gives its field, its help, its check and what is told of it."""

import dataclasses

import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.options import ABOUT, SearchOptions
from asic_compiler.explore.request import Request
from asic_compiler.passes.explore import ExplorePass
from asic_compiler.passes.rl_explore import RLExplorePass

CONSTRAINTS = "vdd <= 0.6 V; mesh = 4x2"
SHOWN = "mesh_width = 4; mesh_height = 2; vdd <= 0.6 V"


@pytest.mark.parametrize("kind", [ExplorePass, RLExplorePass, Request])
def test_whoever_has_options_of_a_search_has_all_of_them(kind):
    names = [field.name for field in dataclasses.fields(kind)]
    assert names[: len(ABOUT)] == list(ABOUT)
    assert all(field.metadata["help"] for field in dataclasses.fields(kind))


def test_a_request_is_what_the_pass_was_given():
    given = {"node": "7nm", "seed": 3, "weights": (1.0, 1.0, 2.0), "strategy": "annealing"}
    assert Request.of(ExplorePass(quiet=True, **given)) == Request(**given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"power_w": -1.0}, "power_w must be positive, not -1.0"),
        ({"kv_page": 0}, "kv_page must be at least one token"),
        ({"goal": "maximize joy"}, "unknown objective"),
        ({"constraints": "mesh = 0x3"}, "mesh"),
        ({"learner": "experts=none"}, "experts"),
    ],
)
def test_a_wrong_value_is_told_before_a_model_is_read(options, message):
    with pytest.raises(UserError, match=message):
        RLExplorePass(**options)


def test_hardware_json_is_told_in_the_order_of_the_definition():
    options = SearchOptions(constraints=CONSTRAINTS, clock_hz=1e9)
    assert list(options.told("constraints").items()) == [
        ("goal", None), ("power_w", None), ("area_mm2", None), ("dies", None),
        ("tokens_per_s", None), ("clock_hz", 1e9), ("variables", SHOWN),
    ]  # fmt: skip
    assert "variables" not in SearchOptions().told("constraints")
    assert list(options.told("search")) == [
        "mode", "strategy", "seed", "evaluations", "weights", "weight_bits", "kv_bits",
        "activation_bits", "weight_store", "kv_window", "kv_page", "policy", "train", "learner",
    ]  # fmt: skip


def test_options_of_one_strategy_are_neither_taken_nor_told_of_another():
    other = SearchOptions(strategy="annealing", policy="none")
    assert not {"policy", "train", "learner"} & set(other.told("search"))
    assert other.of_strategy == {}
    assert set(SearchOptions().of_strategy) == {"policy", "train", "learner"}
    with pytest.raises(UserError, match="train is an option of sac-moe, not of annealing"):
        _ = SearchOptions(strategy="annealing", train=False).of_strategy
