"""The learner's options: what they name, what is refused, and the pace of small budgets."""

import dataclasses

import pytest
from toy_problems import WalkAndTune

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.search import search
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig, parse_config
from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe


def test_options_change_what_they_name_and_nothing_else():
    config = parse_config("experts=1 mpc=false learning-rate=3e-4")
    assert (config.experts, config.mpc, config.learning_rate) == (1, False, 3e-4)
    rest = {k: v for k, v in config.describe().items()
            if k not in ("experts", "mpc", "learning_rate")}  # fmt: skip
    assert rest.items() <= SacMoeConfig().describe().items()
    assert parse_config("") == SacMoeConfig()


def test_a_small_budget_is_thought_about_longer():
    config = parse_config("environments=8 surrogate_updates=3 refinements=5 patient_budget=499")
    assert config.paced(500) is config
    slow = config.paced(499)
    assert (slow.environments, slow.surrogate_updates, slow.refinements) == (2, 12, 30)
    assert slow.known_share == 0.25
    assert parse_config("known_share=0").paced(10).known_share == 0.0
    assert slow.start_share == 0.6
    assert parse_config("start_share=0.7").paced(10).start_share == 0.7
    paced = ("environments", "surrogate_updates", "refinements", "start_share", "known_share")
    assert slow == dataclasses.replace(config, **{name: getattr(slow, name) for name in paced})
    assert parse_config("environments=3").paced(10).environments == 1
    most = parse_config("refinements=9999 surrogate_updates=9999").paced(10)
    assert (most.refinements, most.surrogate_updates) == (10**4, 10**4)
    for same in ("patient_budget=0", "surrogate=false"):
        assert parse_config(same).paced(10) == parse_config(same)


def test_a_search_that_learns_goes_by_the_pace_of_its_budget(monkeypatch):
    seen = []
    monkeypatch.setattr(SacMoeConfig, "paced", lambda config, budget: seen.append(budget) or config)
    search(WalkAndTune(), SacMoe(SacMoeConfig(hidden=16, batch=16)), 40)
    assert seen == [40]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("expert=1", "no option 'expert'"),
        ("experts", "not of the form"),
        ("experts=1.5", "a whole number"),
        ("experts=two", "a whole number"),
        ("gamma=high", "a number"),
        ("mpc=off", "true or false"),
        ("experts=0", "between 1 and 64"),
        ("gamma=1.5", "between 0 and 1"),
        ("gamma=nan", "between 0 and 1"),
        ("experts=2 experts=3", "given twice"),
    ],
)
def test_a_wrong_option_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        parse_config(text)
