"""One run: a strategy, a problem, a seed and a budget in, a small record out."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import platform
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from asic_compiler.explore.protocol import FloatArray, Problem
from asic_compiler.explore.reward import normalised, score
from asic_compiler.explore.search import search
from asic_compiler.explore.strategy import SearchResult

from .figures import hypervolume
from .plan import EVERY
from .workloads import ROOT, problem_of

Record = dict[str, Any]

SLACK = 2e-4
"""A step of the curve is kept when it is higher than the last kept one by so much; the last always.
Of the default ranges 2e-4 is 0.1 % of the figure of merit."""

LIBRARIES = ("numpy", "torch", "cma", "pymoo", "optuna", "scipy", "gymnasium", "stable-baselines3")
_EXPLORE = ROOT / "asic_compiler" / "explore"
_STRATEGIES = "asic_compiler.explore.strategies."
_SHARED = ("reward.py", "strategies/flat.py")
_WALKS = ("environment.py", "features.py")
_OWN = {"sb3": (*_WALKS, "gym_env.py"), "strategy": (*_WALKS, "foresight.py", "problem.py")}
"""What a strategy depends on besides, by the name of its module."""


@dataclass(frozen=True, slots=True)
class Task:
    """A run to be made."""

    workload: str
    node: str
    label: str
    seed: int
    limit: str
    """Evaluations ("4613"), or processor seconds ("20s")."""
    hint: int = 512
    """With a limit in seconds: evaluations that are tried first."""

    @property
    def key(self) -> tuple[str, str, str, int, str]:
        """What a record of it is found by."""
        return (self.workload, self.node, self.label, self.seed, self.limit)


def run(task: Task) -> tuple[Record, Record]:
    """Runs one search.

    Returns:
        Its record, and the best design found for ``best_known.json`` (empty if none is feasible).
    """
    problem = problem_of(task.workload, task.node)
    _ = problem.ranges  # worked out before the clock starts
    if task.limit.endswith("s"):
        result, wall, processor = _within(float(task.limit[:-1]), task, problem)
    else:
        result, wall, processor = _timed(task, problem, EVERY[task.label].budget(int(task.limit)))
    record: Record = {
        "workload": task.workload,
        "node": task.node,
        "strategy": task.label,
        "seed": task.seed,
        "limit": task.limit,
        "evaluations": result.evaluations,
        "model": model_digest(task.workload, task.node),
        "code": code_digest(task.label),
        **outcome(result, problem),
        "wall_s": round(wall, 2),
        "cpu_s": round(processor, 2),
        "versions": versions(),
    }
    return record, _design(record, result)


def searched(problem: Problem, label: str, budget: int, seed: int) -> SearchResult:
    """One search of an entrant.

    Raises:
        ValueError: Its policy does not fit the problem: the learner would go on without, and its
            result pass for the policy's.
    """
    result = search(problem, EVERY[label].make(), budget, seed)
    if EVERY[label].policy != "none" and result.notes:
        raise ValueError(f"{label}: {'; '.join(result.notes)}")
    return result


def _timed(task: Task, problem: Problem, budget: int) -> tuple[SearchResult, float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    result = searched(problem, task.label, budget, task.seed)
    return result, time.perf_counter() - wall, time.process_time() - processor


def _within(seconds: float, task: Task, problem: Problem) -> tuple[SearchResult, float, float]:
    """The run whose budget takes about so many processor seconds.

    Strategies plan for a budget of evaluations (temperatures, epsilon, grids), so that a run cut
    short would not be one: the budget is sought instead, in a few whole runs. One thread each:
    processor seconds are the wall time of a core that does nothing else.

    Raises:
        ValueError: None was found.
    """
    budget, low, high = task.hint, 1, 10**9
    found = _timed(task, problem, budget)
    for _ in range(7):
        pace = seconds / max(found[2], 1e-3)
        if 0.9 <= pace <= 1.1:
            return found
        low, high = (budget, high) if pace > 1.0 else (low, budget)
        budget = int(budget * min(pace, 8.0))
        if not low < budget < high:  # its time does not grow with the budget, but faster
            budget = max(int((low * high) ** 0.5), 1)
        found = _timed(task, problem, budget)
    if 0.67 <= seconds / max(found[2], 1e-3) <= 1.5:
        return found
    raise ValueError(f"no budget takes {seconds:g} s: {found[0].evaluations} took {found[2]:.2f}")


def outcome(result: SearchResult, problem: Problem) -> Record:
    """Everything of a record that follows from the result alone."""
    front = result.archive.members
    share = float(result.history["feasible_share"][-1])
    figures: Record = {
        "score": None,
        "hypervolume": 0.0,
        "feasible": round(share, 4),
        "front": len(result.archive),
        "curve": curve(result.history["best_score"].astype(np.float64)),
    }
    if result.best is None or front is None:
        return figures
    best = result.best
    return figures | {
        "score": _rounded(result.best_score),
        "per_s": _rounded(best.performance[0]),
        "power_w": _rounded(best.power_w[0]),
        "area_mm2": _rounded(best.area_mm2[0]),
        "mesh": [int(v) for v in best.discrete[0, :2]],
        "hypervolume": round(hypervolume(normalised(front, problem)), 5),
    }


def curve(best: FloatArray) -> list[list[float]]:
    """Where the best score so far rose: [evaluation, score], each a step of at least SLACK."""
    steps: list[list[float]] = []
    previous = -np.inf
    for index in np.flatnonzero(np.diff(best, prepend=np.nan) != 0.0):
        # NaN differs from everything, so that the first feasible design is among these.
        value = float(best[index])
        if value > previous and (value - previous >= SLACK or value == best[-1]):
            steps.append([int(index) + 1, round(value, 6)])
            previous = value
    return steps


def _design(record: Record, result: SearchResult) -> Record:
    if result.best is None:
        return {}
    keys = ("workload", "node", "strategy", "seed", "limit", "model", "per_s", "power_w",
            "area_mm2")  # fmt: skip
    return {
        **{key: record[key] for key in keys},
        "score": result.best_score,
        "discrete": result.best.discrete[0].tolist(),
        "continuous": result.best.continuous[0].tolist(),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.7g}")


@cache
def model_digest(workload: str, node: str) -> str:
    """Of what the cost model says of 512 fixed designs: another model gives another digest.

    Eight digits count, so that the last bit of another machine's arithmetic does not.
    """
    problem = problem_of(workload, node)
    rng = np.random.default_rng(512)
    discrete, continuous = problem.start(256, rng)
    low, high = problem.discrete_low, problem.discrete_high
    discrete = np.concatenate([discrete, rng.integers(low, high + 1, (256, len(low)))])
    continuous = np.concatenate([continuous, rng.uniform(-1.0, 1.0, (256, continuous.shape[1]))])
    found = problem.evaluate(discrete, continuous)
    columns = (score(found, problem), found.performance, found.power_w, found.area_mm2,
               found.violation, found.feasible.astype(float))  # fmt: skip
    told = hashlib.sha256(repr(problem.weights).encode())
    for column in columns:
        told.update(" ".join(f"{value:.8g}" for value in column).encode())
    return told.hexdigest()[:12]


@cache
def code_digest(label: str) -> str:
    """Of the source that a strategy is made of, its options and its policy.

    That is its own module, the modules of ``strategies/`` that it imports, directly or not, and
    what is listed above. A statement that moves from one of them to another is no change.

    Raises:
        FileNotFoundError: It begins with the shipped policy, and none is shipped.
    """
    entrant = EVERY[label]
    module = sys.modules[type(entrant.make()).__module__]
    assert module.__file__ is not None
    own = Path(module.__file__)
    files = {*_within_strategies(own), *(_EXPLORE / name for name in _SHARED)}
    files |= {_EXPLORE / name for name in _OWN.get(own.stem, ())}
    told = hashlib.sha256(repr((entrant.options, entrant.policy, entrant.train)).encode())
    if entrant.policy == "default":
        told.update((own.parent / "policy.safetensors").read_bytes())
    for statement in sorted(one for path in files for one in statements(path.read_text())):
        told.update(statement.encode())
    return told.hexdigest()[:12]


def _within_strategies(own: Path) -> set[Path]:
    """A module and the modules of strategies that it is made of."""
    found: set[Path] = set()
    open_files = [own]
    while open_files:
        path = open_files.pop()
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_STRATEGIES):
                parts = (node.module or "").removeprefix(_STRATEGIES).split(".")
                other = _EXPLORE.joinpath("strategies", *parts).with_suffix(".py")
                if other.exists() and other not in found:
                    open_files.append(other)
    return found


def statements(source: str) -> list[str]:
    """The statements of a module as trees, without docstrings and imports of our own modules."""
    return [ast.dump(one) for one in _bare_tree(source).body if not _is_of_ours(one)]


def bare(source: str) -> str:
    """Source as a tree without docstrings: rewording is no change."""
    return ast.dump(_bare_tree(source))


def _bare_tree(source: str) -> ast.Module:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not _is_text(one)]  # type: ignore[attr-defined]
    return tree


def _is_of_ours(statement: ast.stmt) -> bool:
    """Whether it imports names of this package under their own names."""
    match statement:
        case ast.ImportFrom(module=str() as module, names=names):
            return module.startswith("asic_compiler.") and all(one.asname is None for one in names)
        case _:
            return False


def _is_text(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
        case _:
            return False


@cache
def versions() -> str:
    """Python, machine and the libraries that are installed."""
    parts = [f"python {platform.python_version()} {platform.machine()}"]
    for name in LIBRARIES:
        try:
            parts.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(parts)
