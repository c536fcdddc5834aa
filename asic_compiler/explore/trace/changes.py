"""What each variable did: the best design with one variable at a time set back."""

from __future__ import annotations

from typing import Any

import numpy as np

from asic_compiler.explore.protocol import FloatArray, IntArray
from asic_compiler.explore.trace.values import NAMES, differing, shown
from asic_compiler.explore.trace.variants import Variants, outcome

Json = dict[str, Any]


def ablation(
    variants: Variants, evaluation: int, discrete: IntArray, continuous: FloatArray
) -> Json:
    """The best design compared with an earlier one, variable by variable.

    One variable of the best is set back to its value in the earlier design, the others stay; what
    that loses is the variable's effect. Effects do not add up where variables act together.

    Args:
        variants: Around the best design.
        evaluation: When the earlier design was evaluated.
        discrete: [4] of the earlier design.
        continuous: [30].
    """
    best, scores = variants.evaluate(variants.discrete[None], variants.continuous[None])
    earlier, earlier_scores = variants.evaluate(discrete[None], continuous[None])
    here, there = shown(variants.problem, best)[0], shown(variants.problem, earlier)[0]
    names = differing(there, here)
    if variants.fastest_clock:  # no decision: it follows from the others
        names = [name for name in names if name != "clock"]
    if not names:
        return {"reference": _reference(evaluation, earlier, earlier_scores), "variables": []}
    moved = [_set_back(variants, name, discrete, continuous) for name in names]
    found, values = variants.evaluate(
        np.array([d for d, _ in moved]), np.array([c for _, c in moved])
    )
    rows: list[Json] = []
    for i, name in enumerate(names):
        lost = float(scores[0] - values[i]) if np.isfinite(values[i]) else None
        rows.append(
            {
                "variable": name,
                "from": there[name],
                "to": here[name],
                "score_lost": lost,
                "set_back": outcome(found, i, float(values[i])),
            }
        )
    # What cannot be set back at all comes first, then what loses most.
    rows.sort(key=lambda r: (r["score_lost"] is not None, -(r["score_lost"] or 0.0), r["variable"]))
    return {"reference": _reference(evaluation, earlier, earlier_scores), "variables": rows}


def _reference(evaluation: int, earlier: Any, scores: FloatArray) -> Json:
    return {"evaluation": evaluation, **outcome(earlier, 0, float(scores[0]))}


def _set_back(
    variants: Variants, name: str, discrete: IntArray, continuous: FloatArray
) -> tuple[IntArray, FloatArray]:
    at = NAMES.index(name)
    own_discrete, own_continuous = variants.discrete.copy(), variants.continuous.copy()
    if at < len(own_discrete):
        own_discrete[at] = discrete[at]
    else:
        own_continuous[at - len(own_discrete)] = continuous[at - len(own_discrete)]
    return own_discrete, own_continuous
