"""Policies: trained on many problems, kept in a file, and begun with."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_problems import WalkAndTune
from workloads import transformer

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.checkpoint import container
from asic_compiler.explore.checkpoint.state import StateError
from asic_compiler.explore.request import Request
from asic_compiler.explore.reward import score
from asic_compiler.explore.run import make_problem
from asic_compiler.explore.search import search
from asic_compiler.explore.strategies.evolution.known import KnownDesigns
from asic_compiler.explore.strategies.sac_moe import policy_file
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.policy_file import load_policy, save_policy
from asic_compiler.explore.strategies.sac_moe.pretrain import pretrain
from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe

CONFIG = SacMoeConfig(
    hidden=32, batch=64, environments=8, updates_per_step=4, patient_budget=0, surrogate_hidden=16,
    surrogate_start=20, surrogate_updates=2,
)  # fmt: skip


class Goal(WalkAndTune):
    """The same space for a goal that the context tells: more throughput, or less power."""

    def __init__(self, performance, **options):
        rest = (1.0 - performance) / 2
        super().__init__(weights=(performance, rest, rest), **options)
        self.context = np.array([2 * performance - 1])
        self.context_names = ("performance",)


GOALS = [Goal(0.9), Goal(0.1)]


@pytest.fixture(scope="module")
def trained():
    actor, designs = pretrain(GOALS, 400, CONFIG)
    return actor, KnownDesigns.of(GOALS, designs)


@pytest.fixture
def path(trained, tmp_path):
    target = tmp_path / "policy.safetensors"
    save_policy(target, *trained, Goal(0.9), {"evaluations": 400})
    return target


def test_one_policy_serves_two_goals(tmp_path):
    # Without learning, without elite designs, the policy alone: it walks up for one goal, down for
    # the other.
    actor, designs = pretrain(GOALS, 3000, replace(CONFIG, updates_per_step=8, gamma=0.9))
    path = tmp_path / "policy.safetensors"
    save_policy(path, actor, KnownDesigns.of(GOALS, designs), Goal(0.9), {})
    tiles = {}
    alone = SacMoeConfig(
        hidden=32, environments=8, elite_share=0.0, return_share=0.0, greedy_share=1.0,
        crossover_share=0.0, epsilon_end=0.0, epsilon_acting=0.0, known_share=0.0, asked_share=1.0,
    )  # fmt: skip
    for performance in (0.9, 0.1):
        walk = search(Goal(performance), SacMoe(alone, str(path), train=False), 136)
        tiles[performance] = np.median(walk.history["area_mm2"][-32:])
    assert tiles[0.9] > 3 * tiles[0.1]


def test_a_policy_that_does_not_learn_is_asked_for_an_episode_before_anything_else(path):
    runs = {}
    for acting in (0.0, 1.0):
        config = replace(CONFIG, episode_length=4, epsilon_acting=acting, asked_share=1.0)
        runs[acting] = search(Goal(0.9), SacMoe(config, str(path), train=False), 64).history
    first, other = runs[0.0]["area_mm2"], runs[1.0]["area_mm2"]
    assert (first[:40] == other[:40]).all()  # 8 starts and an episode of 32
    assert (first[40:] != other[40:]).any()


def test_of_a_small_budget_only_a_share_goes_to_asking_the_policy(path):
    runs = {}
    for acting in (0.0, 1.0):
        config = replace(CONFIG, epsilon_acting=acting, asked_share=0.25)
        runs[acting] = search(Goal(0.9), SacMoe(config, str(path), train=False), 64).history
    first, other = runs[0.0]["area_mm2"], runs[1.0]["area_mm2"]
    assert (first[:24] == other[:24]).all()  # 8 starts and a quarter of 64
    assert (first[24:32] != other[24:32]).any()


def test_training_is_reproducible():
    (first, found), (again, same) = (pretrain(GOALS, 400, CONFIG, seed=4) for _ in range(2))
    other, _ = pretrain(GOALS, 400, CONFIG, seed=5)
    for one, two in zip(found, same, strict=True):
        assert one.continuous.tobytes() == two.continuous.tobytes()
    for a, b, c in zip(first.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_every_problem_gets_its_share():
    problems = [Goal(0.9), Goal(0.5), Goal(0.1)]
    seen = []
    pretrain(problems, 600, CONFIG, watch=seen.append)
    assert [sum(p.calls) for p in problems] == [200, 200, 200]
    assert seen[-1].evaluations == 600
    assert len(seen[-1].scores) == 3


@pytest.mark.parametrize(
    ("problems", "evaluations", "message"),
    [
        ([], 1000, "nothing to train on"),
        ([Goal(0.9)], 15, "too few"),
        ([Goal(0.9), WalkAndTune()], 1000, "differ in their variables"),
    ],
)
def test_what_cannot_be_trained_is_refused(problems, evaluations, message):
    with pytest.raises(UserError, match=message):
        pretrain(problems, evaluations, CONFIG)


def test_the_best_designs_of_every_problem_are_told(trained):
    _, known = trained
    for problem in GOALS:
        scores = score(problem.evaluate(*known.nearest(problem, 4)), problem)
        drawn = problem.evaluate(*problem.start(64, np.random.default_rng(0)))
        assert scores[0] > score(drawn, problem).max()


def test_a_policy_comes_back_as_it_was(trained, path):
    actor, known = trained
    loaded = load_policy(path, Goal(0.2), CONFIG)
    assert np.array_equal(loaded.known.continuous, known.continuous)
    assert loaded.made == {"evaluations": 400}
    for name, parameter in actor.named_parameters():
        assert torch.equal(loaded.parameters[name], parameter)


def test_training_refines_the_policy_and_leaving_it_does_not(path):
    still = search(Goal(0.9), SacMoe(CONFIG, str(path), train=False), 300)
    moved = search(Goal(0.9), SacMoe(CONFIG, str(path), train=True), 300)
    again = search(Goal(0.9), SacMoe(CONFIG, str(path), train=False), 300)
    assert still.history["power_w"].tobytes() == again.history["power_w"].tobytes()
    assert still.history["power_w"].tobytes() != moved.history["power_w"].tobytes()
    assert np.unique(still.signals["gate.0"]).size > 1  # it acts
    assert "loss.critic" not in still.signals  # and does not learn
    assert "loss.critic" in moved.signals


def test_a_run_with_a_policy_resumes_with_that_policy_alone(path, tmp_path):
    checkpoint = tmp_path / "run.ckpt"
    strategy = SacMoe(CONFIG, str(path), train=False)
    search(Goal(0.9), strategy, 100, checkpoint=checkpoint)
    search(Goal(0.9), strategy, 100, resume=checkpoint)
    with pytest.raises(UserError, match="policy="):
        search(Goal(0.9), SacMoe(CONFIG), 100, resume=checkpoint)


def test_without_a_shipped_policy_the_default_trains_and_says_so(tmp_path, monkeypatch, path):
    monkeypatch.setattr(policy_file, "SHIPPED", tmp_path / "absent")
    default = search(Goal(0.9), SacMoe(CONFIG, "default", train=False), 200)
    nothing = search(Goal(0.9), SacMoe(CONFIG), 200)
    assert default.history["power_w"].tobytes() == nothing.history["power_w"].tobytes()
    assert default.notes == ("trained from nothing (no policy is shipped)",)
    assert nothing.notes == ()
    # With one that fits nothing is said; one that does not fit is told.
    monkeypatch.setattr(policy_file, "SHIPPED", path)
    assert search(Goal(0.9), SacMoe(CONFIG, "default", train=False), 50).notes == ()
    other = search(WalkAndTune(), SacMoe(CONFIG, "default", train=False), 50)
    assert "other variables" in other.notes[0]


def test_neither_policy_nor_training_is_refused():
    with pytest.raises(UserError, match="nothing to act with"):
        search(WalkAndTune(), SacMoe(CONFIG, "none", train=False), 50)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"problem": WalkAndTune()}, "other variables"),
        ({"strategy": SacMoeConfig(hidden=16)}, "has shape"),
        ({"strategy": SacMoeConfig(hidden=32, experts=2)}, "has shape"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused(path, change, message):
    strategy = SacMoe(change.get("strategy", CONFIG), str(path))
    with pytest.raises(UserError, match=message):
        search(change.get("problem", Goal(0.9)), strategy, 50)


def test_what_is_no_policy_is_refused(tmp_path, path):
    with pytest.raises(UserError, match="there is no such file"):
        search(Goal(0.9), SacMoe(CONFIG, str(tmp_path / "absent")), 50)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="cannot be read"):
        search(Goal(0.9), SacMoe(CONFIG, str(path)), 50)


def test_a_policy_with_a_number_that_is_none_is_refused(trained, tmp_path):
    actor, known = trained
    path = tmp_path / "policy.safetensors"
    with torch.no_grad():
        kept = actor.w1[0, 0].item()
        actor.w1[0, 0] = float("nan")
        save_policy(path, actor, known, Goal(0.9), {})
        actor.w1[0, 0] = kept
    with pytest.raises(StateError, match="not finite"):
        load_policy(path, Goal(0.9), CONFIG)


def test_a_policy_is_small_and_holds_no_replay(path):
    state = container.read(path, policy_file.KIND)
    assert set(state) == {"actor", "known", "variables", "made"}
    assert path.stat().st_size < 5e6


def test_the_policy_of_the_package_fits_chips_and_is_small():
    assert policy_file.SHIPPED.stat().st_size < 5_000_000
    request = Request(node="10nm", evaluations=1024).resolved()
    table = transformer(layers=2, hidden=256, heads=4, kv_heads=2, head_dim=64, ffn=512, vocab=512)
    chips = make_problem(table, request)
    found = search(chips, SacMoe(policy="default", train=False), 1024)
    assert found.notes == ()  # it fits, or a note would say why not
    assert np.unique(found.signals["gate.0"]).size > 1
