"""What the next-best designs trade against the chosen one."""

from __future__ import annotations

from typing import Any

import numpy as np

from asic_compiler.explore.archive import ParetoArchive, concatenate, take
from asic_compiler.explore.reward import score
from asic_compiler.explore.trace.values import differing, shown
from asic_compiler.explore.trace.variants import Variants

Json = dict[str, Any]

NEXT_BEST = 5


def trades(variants: Variants, archive: ParetoArchive) -> list[Json]:
    """The next-best members by score and the ends of the front, each against the chosen design.

    Ratios above 1 are more of the quantity than the chosen design has.
    """
    members = archive.members
    if members is None:
        return []
    scores = score(members, variants.problem)
    order = np.lexsort((np.arange(len(members)), -scores)).tolist()[1:]
    ends = {
        "fastest": int(np.argmax(members.performance)),
        "least power": int(np.argmin(members.power_w)),
        "smallest": int(np.argmin(members.area_mm2)),
    }
    names: dict[int, list[str]] = {
        row: [f"next best {i + 1}"] for i, row in enumerate(order[:NEXT_BEST])
    }
    for name, row in ends.items():
        if row in order:  # else the chosen design itself stands there
            names.setdefault(row, []).append(name)
    if not names:
        return []
    chosen = [(", ".join(labels), row) for row, labels in names.items()]
    rows = take(members, np.array([row for _, row in chosen]))
    best = variants.best
    here, *values = shown(variants.problem, concatenate([best, rows]))
    return [
        {
            "name": name,
            "score": float(scores[row]),
            "performance": float(members.performance[row]),
            "power_w": float(members.power_w[row]),
            "area_mm2": float(members.area_mm2[row]),
            "performance_ratio": float(members.performance[row] / best.performance[0]),
            "power_ratio": float(members.power_w[row] / best.power_w[0]),
            "area_ratio": float(members.area_mm2[row] / best.area_mm2[0]),
            "differs": [
                {"variable": n, "chosen": here[n], "other": values[i][n]}
                for n in differing(here, values[i])
            ],
        }
        for i, (name, row) in enumerate(chosen)
    ]
