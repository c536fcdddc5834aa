"""Evaluated designs as state, and back."""

from __future__ import annotations

import dataclasses

import numpy as np

from asic_compiler.explore.checkpoint.state import State, StateError, StateReader
from asic_compiler.explore.protocol import Evaluation, Problem

_FIELDS = tuple(field.name for field in dataclasses.fields(Evaluation))
_MATRICES = ("discrete", "continuous", "features")


def evaluation_state(evaluation: Evaluation) -> State:
    """Every column of N designs."""
    return {name: np.asarray(getattr(evaluation, name)) for name in _FIELDS}


def read_evaluation(
    reader: StateReader, problem: Problem, count: int | None = None, features: bool = True
) -> Evaluation:
    """N designs that ``problem`` could have evaluated.

    Args:
        reader: Of what :func:`evaluation_state` gave.
        problem: What was searched.
        count: N, if it is known.
        features: Whether features were kept; without, they have no columns.

    Raises:
        StateError: A column is missing, of another type or length, or out of its range.
    """
    low, high = problem.discrete_low, problem.discrete_high
    discrete = reader.array("discrete", np.int64, (count, len(low)))
    if len(discrete) and not ((discrete >= low) & (discrete <= high)).all():
        raise StateError("a discrete variable is outside its range")
    count = len(discrete)
    variables = len(problem.continuous_names)
    continuous = reader.array("continuous", np.float64, (count, variables), -1.0, 1.0)
    width = len(problem.feature_names) if features else 0
    vectors = {
        name: reader.array(name, np.bool_ if name == "feasible" else np.float64, (count,))
        for name in _FIELDS
        if name not in _MATRICES
    }
    return Evaluation(
        discrete=discrete,
        continuous=continuous,
        features=reader.array("features", np.float64, (count, width)),
        **vectors,
    )
