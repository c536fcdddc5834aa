"""The learner apart from chips: our SAC beside stable-baselines3's at equal steps.

    python benchmarks/learner.py [--steps 5000] [--seeds 5] [--tasks pendulum,gears] [--table]

Two tasks. ``pendulum`` is gymnasium's Pendulum-v1, one continuous action. ``gears`` has a discrete
action too: one of five gears, which differ in strength and direction, and a throttle; a mass is to
be brought to a mark and held there. stable-baselines3 plays ``gears`` through a box of six numbers:
the largest of five is the gear. Ours is the agent that designs chips (asic_compiler.explore.
strategies.sac_moe) with its experts, prioritised replay and two temperatures, in a loop that does
nothing but collect and learn: one update a step, as stable-baselines3 does.

One run is one line of benchmarks/data/learner.json, written when it ends; runs that are there are
not repeated, so that the script goes on where it was stopped. Ours hold a digest of the agent's
code and are made again where it has changed. The return of a run is the mean of 20 episodes of the
final policy at its mode. ``--table`` prints what the file holds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium
import numpy as np
import torch
from search_evidence.runs import statements

from asic_compiler.explore import strategies
from asic_compiler.explore.strategies.sac_moe.agent import Agent
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.networks import Dimensions
from asic_compiler.explore.strategies.sac_moe.replay import Replay
from asic_compiler.files import write_atomic

RESULTS = Path(__file__).parent / "data" / "learner.json"
LEARNERS = ("ours", "sb3")
PARTS = (
    "sac_moe/agent", "sac_moe/distributions", "sac_moe/networks", "sac_moe/replay",
    "learning/adam", "learning/layers",
)  # fmt: skip
"""Modules of the learner that this script runs."""
EPISODES = 20
WARM_UP = 100
"""Steps with uniform actions: stable-baselines3's default."""
OURS = SacMoeConfig(actor_period=1, discrete_target_share=0.2)
"""What differs from the chip's configuration: no update of the actor is saved, and a gear is to be
chosen, not five of them tried."""


class Gears(gymnasium.Env[np.ndarray, dict[str, Any]]):
    """A mass on a line: a gear of five and a throttle in [-1, 1] push it to a mark.

    The throttle pushes by ``gain * (throttle - offset)`` of the gear. Gear 4 brakes. What a
    throttle does depends on the gear, so that neither can be learned alone.
    """

    GAIN = np.array([1.0, -1.0, 3.0, -3.0, 0.0])
    OFFSET = np.array([0.5, 0.5, -0.5, -0.5, 0.0])
    LENGTH = 100

    def __init__(self) -> None:
        self.observation_space = gymnasium.spaces.Box(-10.0, 10.0, (3,), np.float32)
        self.action_space = gymnasium.spaces.Dict(
            gear=gymnasium.spaces.Discrete(5),
            throttle=gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32),
        )
        self.state = np.zeros(3)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """A position and a mark, both in [-1, 1], at rest."""
        super().reset(seed=seed)
        position, mark = self.np_random.uniform(-1.0, 1.0, 2)
        self.state = np.array([position, 0.0, mark])
        return self.state.astype(np.float32), {}

    def step(self, action: dict[str, Any]) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """A tenth of a second."""
        gear, throttle = int(action["gear"]), float(np.ravel(action["throttle"])[0])
        position, speed, mark = self.state
        braking = 0.5 if gear == 4 else 0.0
        push = self.GAIN[gear] * (throttle - self.OFFSET[gear])
        speed = np.clip((speed + 0.1 * push) * (1.0 - braking), -2.0, 2.0)
        position = np.clip(position + 0.1 * speed, -2.0, 2.0)
        self.state = np.array([position, speed, mark])
        reward = -((position - mark) ** 2) - 0.05 * speed**2 - 0.01 * throttle**2
        return self.state.astype(np.float32), float(reward), False, False, {}


class Boxed(gymnasium.ActionWrapper[np.ndarray, np.ndarray, dict[str, Any]]):
    """Gears for a learner that knows boxes alone: the largest of five numbers is the gear."""

    def __init__(self, env: Gears) -> None:
        super().__init__(env)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (6,), np.float32)

    def action(self, action: np.ndarray) -> dict[str, Any]:
        """Gear and throttle."""
        return {"gear": int(np.argmax(action[:5])), "throttle": action[5:]}


def make(task: str, learner: str) -> gymnasium.Env[Any, Any]:
    """A task as a learner sees it, cut at its episode's length."""
    if task == "pendulum":
        return gymnasium.make("Pendulum-v1")
    env: gymnasium.Env[Any, Any] = Gears() if learner == "ours" else Boxed(Gears())
    return gymnasium.wrappers.TimeLimit(env, Gears.LENGTH)


def hybrid(task: str, choices: np.ndarray, values: np.ndarray) -> Any:
    """Our action as the environment takes it."""
    if task == "pendulum":
        return 2.0 * values  # torque in [-2, 2]
    return {"gear": int(choices[0]), "throttle": values}


def evaluate(env: gymnasium.Env[Any, Any], act: Any) -> float:
    """Mean return of ``EPISODES`` episodes with seeds of their own."""
    returns = []
    for episode in range(EPISODES):
        observation, _ = env.reset(seed=10_000 + episode)
        total, over = 0.0, False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(act(observation))
            total += float(reward)
            over = terminated or truncated
        returns.append(total)
    return float(np.mean(returns))


def train_ours(task: str, steps: int, seed: int) -> float:
    """Our agent on one environment, an update a step."""
    env = make(task, "ours")
    discrete = 0 if task == "pendulum" else 1
    sizes = Dimensions(env.observation_space.shape[0], discrete, 1)  # pyright: ignore
    agent = Agent(sizes, OURS, torch.Generator().manual_seed(seed))
    rng = np.random.default_rng(seed)
    replay = Replay(OURS.replay_capacity, sizes.observed, discrete, 1, rng, OURS.priority_exponent)
    mode = np.ones(1, np.bool_)
    observation, _ = env.reset(seed=seed)
    for step in range(steps):
        if step < WARM_UP:
            choices, values = rng.integers(0, 5, (1, discrete)), rng.uniform(-1, 1, (1, 1))
        else:
            choices, values = agent.act(observation[None], ~mode)
        arrived, reward, terminated, truncated, _ = env.step(hybrid(task, choices[0], values[0]))
        replay.add(
            observation[None], choices, values, np.array([reward]), arrived[None], terminated
        )
        observation = env.reset()[0] if terminated or truncated else arrived
        if step >= WARM_UP:
            done = step / steps
            batch = replay.sample(OURS.batch, OURS.importance_start * (1 - done) + done)
            replay.learned(batch.rows, agent.update(batch))  # pyright: ignore

    def act(observation: np.ndarray) -> Any:
        choices, values = agent.act(observation[None], mode)
        return hybrid(task, choices[0], values[0])

    return evaluate(env, act)


def train_sb3(task: str, steps: int, seed: int) -> float:
    """stable-baselines3's SAC with its defaults, but our learning rate: its own is 3e-4."""
    from stable_baselines3 import SAC

    model = SAC(
        "MlpPolicy", make(task, "sb3"), seed=seed, device="cpu", learning_rate=OURS.learning_rate
    )
    model.learn(steps)
    return evaluate(make(task, "sb3"), lambda seen: model.predict(seen, deterministic=True)[0])


def code_digest() -> str:
    """Of the agent's source, without comments and docstrings, and of the options that it reads.

    Options of what only a search of chips has (proposals, niches) change nothing here.
    """
    sources = [(Path(strategies.__path__[0]) / f"{name}.py").read_text() for name in PARTS]
    read = set(re.findall(r"\bconfig\.(\w+)", "".join(sources)))
    read |= set(re.findall(r"\bOURS\.(\w+)", Path(__file__).read_text()))
    options = {name: value for name, value in OURS.describe().items() if name in read}
    told = hashlib.sha256(repr(options).encode())
    for statement in sorted(one for source in sources for one in statements(source)):
        told.update(statement.encode())
    return told.hexdigest()[:12]


def load() -> list[dict[str, Any]]:
    """Runs of stable-baselines3, and those of ours as it is now."""
    runs = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    return [run for run in runs if run["learner"] != "ours" or run.get("code") == code_digest()]


def table(runs: list[dict[str, Any]]) -> None:
    """Mean and standard deviation of the returns, a row a task and learner."""
    print("| task | learner | steps | seeds | mean return | standard deviation | worst | s a run |")
    print("|" + " --- |" * 8)
    groups = sorted({(r["task"], r["learner"], r["steps"]) for r in runs})
    for key in groups:
        mine = [r for r in runs if (r["task"], r["learner"], r["steps"]) == key]
        returns = np.array([r["return"] for r in mine])
        task, learner, steps = key
        print(
            f"| {task} | {learner} | {steps:,} | {len(mine)} | {returns.mean():.1f} "
            f"| {returns.std(ddof=1) if len(mine) > 1 else 0.0:.1f} | {returns.min():.1f} "
            f"| {np.median([r['seconds'] for r in mine]):.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tasks", default="pendulum,gears")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    runs = load()
    for task in [] if args.table else args.tasks.split(","):
        for seed in range(args.seeds):
            for learner in LEARNERS:
                key = {"task": task, "learner": learner, "steps": args.steps, "seed": seed}
                if any(all(run[k] == v for k, v in key.items()) for run in runs):
                    continue
                began = time.perf_counter()
                train = train_ours if learner == "ours" else train_sb3
                result = train(task, args.steps, seed)
                seconds = time.perf_counter() - began
                # Read again: another process may work on another task.
                runs = load()
                code = {"code": code_digest()} if learner == "ours" else {}
                found = {"return": round(result, 3), "seconds": round(seconds, 1)}
                runs.append({**key, **found, **code})
                RESULTS.parent.mkdir(exist_ok=True)
                lines = ",\n".join(" " + json.dumps(run) for run in runs)
                write_atomic(RESULTS, f"[\n{lines}\n]\n")
                print(json.dumps(runs[-1]), flush=True)
    print(f"Python {platform.python_version()}, torch {torch.__version__}, one thread")
    table(runs)


if __name__ == "__main__":
    main()
