"""``explore``: the same search with whatever strategy is named, to compare them."""

from __future__ import annotations

from dataclasses import dataclass, field

from asic_compiler.passes.rl_explore import RLExplorePass


@dataclass(frozen=True)
class ExplorePass(RLExplorePass):
    """Does what rl-explore does, with the strategy named: cma-es, nsga2, tpe, annealing and others.

    ``rl-explore`` is this with ``strategy=sac-moe``.
    """

    name = "explore"

    strategy: str = field(
        default="sac-moe",
        metadata={
            "help": "annealing, bayesian, cma-es, gradient, grid, nsga2, nsga3, random, sac-moe, "
            "sb3-ppo, sb3-sac, starts, tpe (docs/explorer.md)"
        },
    )
