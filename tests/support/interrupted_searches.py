"""Searches that end before their time, for tests of checkpoints."""

import hashlib

import pytest
from toy_problems import WalkAndTune

from asic_compiler.explore.checkpoint.keeper import Keeper
from asic_compiler.explore.strategies.random_search import RandomSearch
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe

BUDGET = 240
SMALL = SacMoe(
    SacMoeConfig(
        hidden=16, batch=16, environments=8, episode_length=4, experts=2, surrogate_hidden=16,
        proposals=4, mpc_candidates=4, mpc_horizon=2, mpc_epsilon=0.4, patient_budget=0,
    )
)  # fmt: skip
PLAIN = SacMoe(
    SacMoeConfig(
        hidden=16, batch=16, environments=8, experts=1, mpc=False, surrogate=False,
        priority_exponent=0.0,
    )
)  # fmt: skip
STRATEGIES = {"random": RandomSearch(batch=16), "full": SMALL, "plain": PLAIN}


class Interrupted(Exception):  # noqa: N818
    """Stands for SIGKILL: the process ends between two evaluations."""


class Breaks(WalkAndTune):
    """Is interrupted at the first evaluation after so many designs."""

    def __init__(self, after, **options):
        self.after = None
        super().__init__(**options)
        self.after = after

    def evaluate(self, discrete, continuous):
        if self.after is not None and sum(self.calls) >= self.after:
            raise Interrupted
        return super().evaluate(discrete, continuous)


def digest(result):
    """Of everything that a result holds."""
    told = hashlib.sha256()
    for name in sorted(result.history):
        told.update(name.encode() + result.history[name].tobytes())
    for name, column in result.signals.items():
        told.update(name.encode() + column.tobytes())
    for design in (result.archive.members, result.best, result.nearest):
        if design is not None:
            for field in ("discrete", "continuous", "features", "performance", "feasible"):
                told.update(getattr(design, field).tobytes())
    return told.hexdigest()


def interrupted(strategy, path, after, interval=16):
    with pytest.raises(Interrupted):
        strategy.run_kept(Breaks(after + 16), BUDGET, 3, None, Keeper(path, None, interval))
