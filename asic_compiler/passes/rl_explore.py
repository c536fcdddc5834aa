"""``rl-explore``: the search of ``explore`` by reinforcement learning."""

from __future__ import annotations

from dataclasses import dataclass

from asic_compiler.explore.options import option
from asic_compiler.passes.explore import ExplorePass


@dataclass(frozen=True)
class RLExplorePass(ExplorePass):
    """Chooses mesh, tiles and placement of the program together, and writes them into the IR.

    It is ``explore`` with ``strategy=sac-moe``, the learner of the published experiments.
    """

    name = "rl-explore"

    strategy: str = option("sac-moe", "how to search; explore --help names all", group="search")
