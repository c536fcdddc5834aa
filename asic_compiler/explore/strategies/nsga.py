# pyright: basic
"""NSGA-II (Deb et al. 2002) and NSGA-III (Deb and Jain 2014) by pymoo, asked and told.

They evolve the front, not the score: performance, power and area, normalised as in the score, under
the constraint violation <= 0. The winner is picked from the archive by the weights, as for every
strategy. The first population are the starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.core.evaluator import Evaluator
from pymoo.core.problem import Problem as Space
from pymoo.core.termination import NoTermination
from pymoo.problems.static import StaticProblem
from pymoo.util.ref_dirs import get_reference_directions

from asic_compiler.explore.observer import Observer
from asic_compiler.explore.protocol import Problem
from asic_compiler.explore.reward import normalised
from asic_compiler.explore.strategies.flat import STARTS, FlatSearch
from asic_compiler.explore.strategy import SearchResult


@dataclass(frozen=True, slots=True)
class Nsga2:
    """Ranks by domination, then by crowding; pymoo's defaults."""

    @property
    def name(self) -> str:
        """``nsga2``."""
        return "nsga2"

    def run(
        self, problem: Problem, budget: int, seed: int, observer: Observer | None = None
    ) -> SearchResult:
        """Evaluates exactly ``budget`` designs."""
        flat = FlatSearch(problem, budget, seed, observer)
        starts: Any = flat.start_points()
        _evolve(NSGA2(pop_size=STARTS, sampling=starts), flat)
        return flat.conclude(self.name)


@dataclass(frozen=True, slots=True)
class Nsga3:
    """Ranks by domination, then by how empty the niche of a reference direction is."""

    partitions: int = 9
    """Of an objective among the reference directions: 55 directions (Das and Dennis 1998), the most
    that a population of 64 can serve."""

    @property
    def name(self) -> str:
        """``nsga3``."""
        return "nsga3"

    def run(
        self, problem: Problem, budget: int, seed: int, observer: Observer | None = None
    ) -> SearchResult:
        """Evaluates exactly ``budget`` designs."""
        flat = FlatSearch(problem, budget, seed, observer)
        directions = get_reference_directions("das-dennis", 3, n_partitions=self.partitions)
        starts: Any = flat.start_points()
        _evolve(NSGA3(directions, pop_size=STARTS, sampling=starts), flat)
        return flat.conclude(self.name)


def _evolve(algorithm: Any, flat: FlatSearch) -> None:
    space = Space(n_var=flat.dimensions, n_obj=3, n_ieq_constr=1, xl=-1.0, xu=1.0)
    algorithm.setup(space, termination=NoTermination(), seed=flat.library_seed(), verbose=False)
    while flat.remaining:
        asked = algorithm.ask()
        if len(flat.evaluate(asked.get("X"))) < len(asked):
            return
        assert flat.last is not None
        minimised = normalised(flat.last, flat.problem) * (-1.0, 1.0, 1.0)
        outcome = StaticProblem(space, F=minimised, G=flat.last.violation[:, None])
        Evaluator().eval(outcome, asked)
        algorithm.tell(infills=asked)
