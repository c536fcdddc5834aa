"""The Gymnasium environment: its contract, its episodes, its budget."""

from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from toy_problems import WalkAndTune

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.gym_env import ID, BudgetSpentError, ChipDesignEnv, FlatActions
from asic_compiler.explore.recorder import Recorder
from asic_compiler.explore.reward import reward

MODEL = Path(__file__).parents[1] / "lit" / "rl-explore" / "mlp.mlir"
STAY = (np.full(4, 2), np.zeros(30, np.float32))


def make(**options):
    return gymnasium.make(ID, model=str(MODEL), **options)


def test_the_chip_environment_keeps_gymnasiums_contract():
    env = make(node="7nm")
    check_env(env.unwrapped)
    assert env.action_space[0].nvec.tolist() == [5, 5, 5, 5]
    assert env.action_space[1].shape == (30,)
    assert env.observation_space.shape[0] >= 52


def test_the_flat_environment_keeps_gymnasiums_contract():
    env = FlatActions(ChipDesignEnv(WalkAndTune()))
    assert env.action_space.shape == (34,)
    env.reset(seed=0)
    for _ in range(3):
        observation, *_ = env.step(env.action_space.sample())
        assert env.observation_space.contains(observation)


def test_importing_by_name_is_enough():
    env = gymnasium.make(f"asic_compiler.explore.gym_env:{ID}", model=str(MODEL), mode="low-power")
    assert env.reset(seed=0)[1]["power_w"] > 0.0


def test_node_mode_and_goal_change_what_a_design_is_worth():
    options = [{}, {"node": "28nm"}, {"mode": "low-power"}, {"goal": "minimize die_area"}]
    infos = []
    for option in options:
        env = make(**option)
        _, info = env.reset(seed=3)
        infos.append((info["performance"], info["power_w"], info["score"]))
    assert len(set(infos)) == len(options)


def test_the_seed_decides_the_start():
    env = ChipDesignEnv(WalkAndTune())
    first, again = env.reset(seed=1), env.reset(seed=1)
    other, further = env.reset(seed=2), env.reset()
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(other[0], further[0])


def test_a_step_is_that_of_the_decision_process():
    problem = WalkAndTune()
    env = ChipDesignEnv(problem)
    _, before = env.reset(seed=1)
    knobs = np.linspace(-1, 1, 30, dtype=np.float32)
    observation, worth, terminated, truncated, info = env.step((np.array([4, 3, 2, 1]), knobs))
    expected = np.clip(before["discrete"] + [2, 1, 0, -1], 1, problem.discrete_high)
    np.testing.assert_array_equal(info["discrete"], expected)
    np.testing.assert_allclose(info["continuous"], knobs)
    found = problem.evaluate(info["discrete"][None], info["continuous"][None])
    assert worth == reward(found, problem)[0]
    np.testing.assert_allclose(observation[:52], found.features[0, problem.observed], rtol=1e-6)
    assert (terminated, truncated) == (False, False)


def test_an_episode_is_truncated_after_its_length():
    env = ChipDesignEnv(WalkAndTune(), episode_length=3)
    for _ in range(2):
        env.reset(seed=0)
        assert [env.step(STAY)[3] for _ in range(3)] == [False, False, True]


def test_with_a_recorder_every_step_and_reset_counts_and_the_end_is_told():
    problem = WalkAndTune()
    recorder = Recorder(problem, 4)
    env = ChipDesignEnv(problem, recorder=recorder)
    env.reset(seed=0)
    env.step(STAY)
    env.step(STAY)
    env.reset()
    assert recorder.remaining == 0
    for ask in (lambda: env.step(STAY), env.reset):
        with pytest.raises(BudgetSpentError):
            ask()
    assert sum(problem.calls) == 4


@pytest.mark.parametrize(
    ("coordinate", "choice"),
    [(-1.0, 0), (-0.61, 0), (-0.59, 1), (0.0, 2), (0.59, 3), (0.61, 4), (1.0, 4)],
)
def test_a_flat_action_is_cut_into_five_equal_choices(coordinate, choice):
    env = FlatActions(ChipDesignEnv(WalkAndTune()))
    choices, continuous = env.action(np.full(34, coordinate, np.float32))
    assert choices.tolist() == [choice] * 4
    np.testing.assert_array_equal(continuous, np.full(30, coordinate, np.float32))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"node": "2nm"}, "unknown process node '2nm'"),
        ({"mode": "fast"}, "unknown mode 'fast'"),
        ({"colour": "red"}, "unknown option 'colour'"),
        ({"model": "nothing.mlir"}, "cannot read 'nothing.mlir'"),
    ],
)
def test_what_a_user_gets_wrong_is_told(options, message):
    with pytest.raises(UserError, match=message):
        gymnasium.make(ID, **{"model": str(MODEL), **options})
