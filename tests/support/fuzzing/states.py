"""Targets that read states: checkpoints of searches, and policies.

Two kinds of change: of the bytes, which the digests tell; and of values, with digests that are
right again, as someone who writes such files would have them.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from toy_problems import WalkAndTune

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.checkpoint import container
from asic_compiler.explore.checkpoint.keeper import KIND, Keeper
from asic_compiler.explore.checkpoint.state import StateError
from asic_compiler.explore.strategies.random_search import RandomSearch
from fuzzing.changes import changed_bytes
from fuzzing.target import Target

BUDGET = 64
_VALUES: tuple[Any, ...] = (
    0, -1, 1, 2**31, 2**63, 2**64, 10**30, 1e308, -1e308, 5e-324, True, False, "", "a", "x" * 300,
    "\x1b[31m\n", {}, "f" * 32,
)  # fmt: skip
_ELEMENTS = (0, 1, -1, 2**31, 2**62, 1e308, -1e308, float("nan"), float("inf"), 0.5)


def changed_state(state: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """A copy of a state with one to three changes."""
    copy = _copied(state)
    for _ in range(1 if draw.random() < 0.6 else draw.randint(2, 3)):
        level: dict[str, Any] = copy
        while level:
            name = draw.choice(sorted(level))
            if not isinstance(level[name], dict) or draw.random() < 0.1:
                _change(level, name, draw)
                break
            level = level[name]
    return copy


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _copied(value) if isinstance(value, dict) else value for name, value in state.items()
    }


def _change(level: dict[str, Any], name: str, draw: random.Random) -> None:
    value = level[name]
    if isinstance(value, np.ndarray) and draw.random() < 0.8:
        level[name] = _changed_array(value, draw)
        return
    match draw.randrange(5):
        case 0:
            del level[name]
        case 1:
            level[draw.choice(["a", f"{name}x"])] = value
        case 2 if type(value) is int:
            level[name] = value + draw.choice([-1, 1, 1000])
        case _:
            level[name] = draw.choice(_VALUES)


def _changed_array(array: np.ndarray[Any, Any], draw: random.Random) -> np.ndarray[Any, Any]:
    match draw.randrange(5):
        case 0 if array.size:
            out = array.copy()
            with np.errstate(all="ignore"):
                value = np.array(draw.choice(_ELEMENTS), np.float64).astype(array.dtype)
            out.reshape(-1)[draw.randrange(array.size)] = value
            return out
        case 1:
            with np.errstate(all="ignore"):
                return array.astype(draw.choice([np.float64, np.float32, np.int64, np.uint8]))
        case 2 if array.ndim:
            return array[: len(array) // 2]
        case 3:
            return array.reshape(-1)
        case _:
            return np.zeros(draw.choice([(), (0,), (3,), (2, 2), (0, 7)]), array.dtype)


def _written(
    kind: str, file: Callable[[], bytes], state: Callable[[], dict[str, Any]]
) -> Callable[[random.Random], bytes]:
    def make(draw: random.Random) -> bytes:
        if draw.random() < 0.3:
            return changed_bytes(file(), draw)
        if draw.random() < 0.1:
            return _other_header(file(), draw)
        return container.encode(kind, changed_state(state(), draw))

    return make


def _other_header(data: bytes, draw: random.Random) -> bytes:
    """A container whose own facts are changed: its schema, version, kind, digests."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    document = json.loads(header["__metadata__"]["checkpoint"])
    document[draw.choice(sorted(document))] = draw.choice([0, 2, -1, "", None, [], {}, "x" * 300])
    header["__metadata__"]["checkpoint"] = json.dumps(document)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


@cache
def _search_file() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.ckpt"
        RandomSearch(16).run_kept(WalkAndTune(), BUDGET, 3, None, Keeper(path, None, 1))
        return path.read_bytes()


@cache
def _search_state() -> dict[str, Any]:
    return container.decode(KIND, _search_file())


def _resume(data: bytes, folder: Path) -> None:
    path = folder / "run.ckpt"
    path.write_bytes(data)
    RandomSearch(16).run_kept(WalkAndTune(), BUDGET, 3, None, Keeper(None, path, 10**9))


@cache
def _learner() -> Any:
    from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
    from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe

    return SacMoe(SacMoeConfig(hidden=16, batch=16, environments=8, experts=2))


@cache
def _learner_file() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.ckpt"
        _learner().run_kept(WalkAndTune(), BUDGET, 3, None, Keeper(path, None, 1))
        return path.read_bytes()


@cache
def _learner_state() -> dict[str, Any]:
    return container.decode(KIND, _learner_file())


def _resume_learner(data: bytes, folder: Path) -> None:
    path = folder / "run.ckpt"
    path.write_bytes(data)
    _learner().run_kept(WalkAndTune(), BUDGET, 3, None, Keeper(None, path, 10**9))


@cache
def _policy_file() -> bytes:
    import torch

    from asic_compiler.explore.protocol import Problem
    from asic_compiler.explore.strategies.evolution.known import KnownDesigns
    from asic_compiler.explore.strategies.sac_moe.networks import Actor, dimensions_of
    from asic_compiler.explore.strategies.sac_moe.policy_file import save_policy

    problem: Problem = WalkAndTune()
    generator = torch.Generator()
    generator.manual_seed(0)
    actor = Actor(dimensions_of(problem), _learner().config, generator)
    rng = np.random.default_rng(0)
    known = KnownDesigns(
        np.zeros((3, 0), np.float32),
        rng.integers(1, 4, (3, 4)),
        rng.uniform(-1, 1, (3, 30)).astype(np.float32),
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "policy.safetensors"
        save_policy(path, actor, known, problem, {"evaluations": 1})
        return path.read_bytes()


@cache
def _policy_state() -> dict[str, Any]:
    return container.decode("policy", _policy_file())


def _begin(data: bytes, folder: Path) -> None:
    from asic_compiler.explore.strategies.sac_moe.policy_file import load_policy

    path = folder / "policy.safetensors"
    path.write_bytes(data)
    try:
        load_policy(path, WalkAndTune(), _learner().config)
    except StateError as error:
        raise UserError(f"cannot use the policy: {error}") from error


STATES = {
    "checkpoint": Target(_written(KIND, _search_file, _search_state), _resume, 15),
    "learner-state": Target(_written(KIND, _learner_file, _learner_state), _resume_learner, 1, 40),
    "policy": Target(_written("policy", _policy_file, _policy_state), _begin, 6),
}
