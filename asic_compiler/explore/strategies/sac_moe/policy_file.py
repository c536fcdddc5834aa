"""A trained policy as a file, and which one a search begins with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.checkpoint import container
from asic_compiler.explore.checkpoint.state import State, StateError, StateReader
from asic_compiler.explore.protocol import Problem
from asic_compiler.explore.strategies.evolution.known import KnownDesigns
from asic_compiler.explore.strategies.learning.tensor_state import module_state, restore_module
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.networks import Actor, dimensions_of

KIND = "policy"
SHIPPED = Path(__file__).with_name("policy.safetensors")
"""The policy that comes with the package."""


@dataclass(frozen=True)
class TrainedPolicy:
    """Parameters of an actor, the designs found in its training, and how they came about."""

    parameters: dict[str, Tensor]
    known: KnownDesigns
    made: dict[str, Any]
    """What its maker says of it; nothing depends on it."""

    @property
    def digest(self) -> str:
        """SHA-256 of parameters and designs."""
        told = hashlib.sha256()
        for name in sorted(self.parameters):
            told.update(name.encode() + self.parameters[name].numpy().tobytes())
        for array in (self.known.context, self.known.discrete, self.known.continuous):
            told.update(array.tobytes())
        return told.hexdigest()


def variables_of(problem: Problem) -> str:
    """What a policy sees and moves, by name and in order: another order needs another policy."""
    names: dict[str, list[str]] = {
        "observed": [problem.feature_names[i] for i in problem.observed],
        "context": list(getattr(problem, "context_names", ())),
        "discrete": list(problem.discrete_names),
        "continuous": list(problem.continuous_names),
    }
    return json.dumps(names)


def save_policy(
    path: Path, actor: Actor, known: KnownDesigns, problem: Problem, made: dict[str, Any]
) -> None:
    """Writes the policy of ``actor``, which has learned on problems like ``problem``.

    Raises:
        OSError: The file cannot be written.
    """
    state: State = {
        "actor": module_state(actor),
        "known": known.state(),
        "variables": variables_of(problem),
        "made": json.dumps(made, sort_keys=True),
    }
    container.write(path, KIND, state)


def load_policy(path: Path, problem: Problem, config: SacMoeConfig) -> TrainedPolicy:
    """The policy in a file, for an actor of ``config`` on ``problem``.

    Raises:
        StateError: The file holds no policy, or one of other shapes or variables.
        OSError: It cannot be read.
    """
    reader = StateReader(container.read(path, KIND))
    made = reader.text("made")
    if reader.text("variables") != variables_of(problem):
        raise StateError("it knows other variables than this problem has")
    actor = Actor(dimensions_of(problem), config, torch.Generator())
    restore_module(actor, reader.part("actor"))
    known = KnownDesigns.restored(reader.part("known"), problem)
    reader.finish()
    try:
        told: Any = json.loads(made)
    except (ValueError, RecursionError) as error:
        raise StateError("what it says of itself is not JSON") from error
    parameters = {name: p.detach().clone() for name, p in actor.named_parameters()}
    said = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    return TrainedPolicy(parameters, known, said)


def choose_policy(
    choice: str, problem: Problem, config: SacMoeConfig
) -> tuple[TrainedPolicy | None, str | None]:
    """The policy that a search begins with, and a note where it is not the one asked for.

    Args:
        choice: ``none``, ``default`` (the shipped one if there is one that fits), or a path.
        problem: What is searched.
        config: Of the actor.

    Raises:
        UserError: The file at a path is no policy that fits.
    """
    if choice == "none":
        return None, None
    path = SHIPPED if choice == "default" else Path(choice)
    try:
        return load_policy(path, problem, config), None
    except (StateError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        if choice != "default":
            raise UserError(
                f"cannot use the policy '{path}': {reason}",
                notes=["policy=none trains from nothing, policy=default takes the shipped one"],
            ) from error
        missing = "no policy is shipped" if not path.exists() else f"the shipped policy: {reason}"
        return None, f"trained from nothing ({missing})"
