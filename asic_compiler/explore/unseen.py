"""Whether a policy was trained on a workload and a goal: where not, learning is worth its time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asic_compiler.explore.protocol import Problem, context_of
from asic_compiler.explore.strategy import Learning

OF_THE_NODE = ("node_feature", "node_energy", "node_leakage")
"""Left aside: what is known of one node leads to the next."""

NEAR = 0.01
"""Values of two contexts, in [-1, 1], that are the same to a policy: of a power budget 7 %."""

LEARNS = (
    "the policy was not trained on this workload and goal, so it learns in this search; "
    "train=false takes a tenth of the time and may find less"
)
ACTS = (
    "the policy was not trained on this workload and goal; without train=false it would learn in "
    "this search, in ten to twenty times the time, and may find more"
)


def is_unseen(problem: Problem, trained: NDArray[np.floating]) -> bool:
    """Whether no problem of the training had about this workload and goal.

    Args:
        problem: What is to be searched; it is never unseen where its context has no names.
        trained: [K, C] contexts of the problems trained on.
    """
    names: tuple[str, ...] = getattr(problem, "context_names", ())
    compared = [index for index, name in enumerate(names) if name not in OF_THE_NODE]
    apart = np.abs(trained - context_of(problem))[:, compared]
    return bool((apart > NEAR).any(axis=1).all())


def told_of(learning: Learning, chosen: bool) -> tuple[str, ...]:
    """What is to be said of a search with a policy.

    Args:
        learning: What became of the policy.
        chosen: Whether the user has said that it is, or is not, to learn.
    """
    if not learning.unseen or (learning.trained and chosen):
        return ()
    return (LEARNS,) if learning.trained else (ACTS,)
