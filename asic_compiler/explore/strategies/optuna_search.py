"""TPE (Bergstra et al. 2011) and Bayesian optimisation with Gaussian processes, both by Optuna."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, create_trial

from asic_compiler.explore.observer import Observer
from asic_compiler.explore.protocol import FloatArray, Problem
from asic_compiler.explore.reward import score
from asic_compiler.explore.strategies.flat import FlatSearch
from asic_compiler.explore.strategies.learning.torch_state import one_deterministic_thread
from asic_compiler.explore.strategy import SearchResult


@dataclass(frozen=True, slots=True)
class Tpe:
    """Tree-structured Parzen estimator over all variables together, told the merit."""

    batch: int = 8
    """Designs asked for before any of them is told; the library assumes a bad outcome meanwhile."""

    @property
    def name(self) -> str:
        """``tpe``."""
        return "tpe"

    def run(
        self, problem: Problem, budget: int, seed: int, observer: Observer | None = None
    ) -> SearchResult:
        """Evaluates exactly ``budget`` designs."""
        flat = FlatSearch(problem, budget, seed, observer)
        with _silent():
            sampler = _RememberingTpe(
                seed=flat.library_seed(), multivariate=True, n_startup_trials=1
            )
            _tell_merits(sampler, flat, self.batch)
        return flat.conclude(self.name)


@dataclass(frozen=True, slots=True)
class Bayesian:
    """Gaussian processes of score and violation, constrained log expected improvement.

    Score (clipped to [-1, 1]) and log(1 + violation) are modelled apart: a single process of the
    merit has to fit the cliff between feasible and infeasible, and found less on Llama at 200
    designs. The time of a design grows with the square of those before: affordable to some
    hundreds of designs.
    """

    @property
    def name(self) -> str:
        """``bayesian``."""
        return "bayesian"

    def run(
        self, problem: Problem, budget: int, seed: int, observer: Observer | None = None
    ) -> SearchResult:
        """Evaluates exactly ``budget`` designs."""
        flat = FlatSearch(problem, budget, seed, observer)
        with _silent(), one_deterministic_thread():
            sampler = GPSampler(seed=flat.library_seed(), n_startup_trials=1)
            _tell_score_and_violation(sampler, flat)
        return flat.conclude(self.name)


class _RememberingTpe(TPESampler):
    """The library's sampler, which converts the parameters of a finished trial once.

    The library does so for all trials at every question, a quarter of its time after 4,000
    designs. The numbers are the same. Should it rename the method, this is slower and no worse.
    """

    def __init__(self, *, seed: int, multivariate: bool, n_startup_trials: int) -> None:
        super().__init__(seed=seed, multivariate=multivariate, n_startup_trials=n_startup_trials)
        self._rows: dict[int, list[float]] = {}

    def _get_internal_repr(
        self, trials: list[FrozenTrial], search_space: dict[str, BaseDistribution], study: Study
    ) -> dict[str, FloatArray]:
        """Of each variable, its values in ``trials``, [N] each."""
        rows: list[list[float]] = []
        for trial in trials:
            row = self._rows.get(trial.number)
            if row is None:
                params = self._get_params(trial, study)
                if not search_space.keys() <= params.keys():
                    continue
                row = [one.to_internal_repr(params[name]) for name, one in search_space.items()]
                if trial.state.is_finished():
                    self._rows[trial.number] = row
            rows.append(row)
        table = np.array(rows).reshape(len(rows), len(search_space))
        return dict(zip(search_space, np.ascontiguousarray(table.T), strict=True))


def _tell_merits(sampler: BaseSampler, flat: FlatSearch, batch: int) -> None:
    space = _space(flat)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    for point, value in zip(*flat.start(), strict=True):
        params = dict(zip(space, point.tolist(), strict=True))
        study.add_trial(create_trial(params=params, distributions=space, value=float(value)))
    while flat.remaining:
        trials = [study.ask(space) for _ in range(min(batch, flat.remaining))]
        points = np.array([[trial.params[name] for name in space] for trial in trials])
        for trial, value in zip(trials, flat.evaluate(points), strict=True):
            study.tell(trial, float(value))


def _tell_score_and_violation(sampler: BaseSampler, flat: FlatSearch) -> None:
    space = _space(flat)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    points, _ = flat.start()
    for point, value, excess in zip(points, *_score_and_violation(flat), strict=True):
        study.add_trial(
            create_trial(
                params=dict(zip(space, point.tolist(), strict=True)),
                distributions=space,
                value=float(value),
                constraints={"violation": float(excess)},
            )
        )
    while flat.remaining:
        trial = study.ask(space)
        flat.evaluate(np.array([[trial.params[name] for name in space]]))
        value, excess = _score_and_violation(flat)
        trial.set_constraint("violation", float(excess[0]))
        study.tell(trial, float(value[0]))


def _score_and_violation(flat: FlatSearch) -> tuple[FloatArray, FloatArray]:
    assert flat.last is not None
    return np.clip(score(flat.last, flat.problem), -1.0, 1.0), np.log1p(flat.last.violation)


def _space(flat: FlatSearch) -> dict[str, BaseDistribution]:
    return {f"x{i}": FloatDistribution(-1.0, 1.0) for i in range(flat.dimensions)}


@contextmanager
def _silent() -> Generator[None, None, None]:
    """Optuna logs every trial; its verbosity is global, and restored."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
