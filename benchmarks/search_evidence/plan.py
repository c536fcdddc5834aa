"""Which strategies take part, with what budgets and how many seeds."""

from __future__ import annotations

from dataclasses import dataclass

from asic_compiler.explore.options import DEFAULT_EVALUATIONS
from asic_compiler.explore.strategies import resolve
from asic_compiler.explore.strategy import Strategy

SEEDS, FEW_SEEDS = 10, 5


@dataclass(frozen=True, slots=True)
class Entrant:
    """A strategy as it takes part."""

    strategy: str
    """The name it is resolved by."""
    options: str = ""
    """Of the learner, as its configuration reads them: an ablation."""
    policy: str = "none"
    """What the learner begins with; ``default`` is the shipped policy."""
    train: bool = True
    """Whether the learner learns."""
    seeds: int = SEEDS
    """:data:`FEW_SEEDS` where a run of the full budget takes over a minute."""
    most: int = 10**9
    """Evaluations that it can afford; where the budget is larger it runs with these."""

    def make(self) -> Strategy:
        """The strategy itself."""
        if not self.options and self.policy == "none":
            return resolve(self.strategy)
        from asic_compiler.explore.strategies.sac_moe.config import parse_config
        from asic_compiler.explore.strategies.sac_moe.strategy import SacMoe

        return SacMoe(parse_config(self.options), self.policy, self.train)

    def budget(self, evaluations: int) -> int:
        """What it gets of a budget."""
        return min(evaluations, self.most)


ENTRANTS: dict[str, Entrant] = {
    "random": Entrant("random"),
    "starts": Entrant("starts"),
    "grid": Entrant("grid"),
    "annealing": Entrant("annealing"),
    "cma-es": Entrant("cma-es"),
    "nsga2": Entrant("nsga2"),
    "nsga3": Entrant("nsga3"),
    "gradient": Entrant("gradient"),
    "tpe": Entrant("tpe", seeds=FEW_SEEDS),
    "bayesian": Entrant("bayesian", seeds=FEW_SEEDS, most=300),
    "sb3-ppo": Entrant("sb3-ppo"),
    "sb3-sac": Entrant("sb3-sac", seeds=FEW_SEEDS),
    "sac-moe": Entrant("sac-moe"),
}
"""What is compared at one budget."""

ABLATIONS: dict[str, Entrant] = {
    "sac-moe/no-experts": Entrant("sac-moe", "experts=1"),
    "sac-moe/no-priority": Entrant("sac-moe", "priority_exponent=0"),
    "sac-moe/no-mpc": Entrant("sac-moe", "mpc=false"),
    "sac-moe/no-surrogate": Entrant("sac-moe", "surrogate=false"),
    "sac-moe/no-refinement": Entrant("sac-moe", "refinements=0 start_refinements=0 proposals=32"),
    "sac-moe/no-elites": Entrant(
        "sac-moe", "elite_share=0 return_share=0 crossover_share=0 reshape_share=0"
    ),
    "sac-moe/one-mesh": Entrant("sac-moe", "elite_per_mesh=16"),
    "sac-moe/no-crossover": Entrant("sac-moe", "crossover_share=0"),
    "sac-moe/no-learning": Entrant("sac-moe", "updates_per_step=0 mpc=false"),
}
"""The learner from scratch without one of its parts."""

PACES: dict[str, Entrant] = {
    "sac-moe/one-pace": Entrant("sac-moe", "patient_budget=0", seeds=FEW_SEEDS),
    "sac-moe/brisk": Entrant(
        "sac-moe",
        "environments=64 proposals=4 refinements=4 start_refinements=8 surrogate_updates=4",
    ),
}
"""The learner from scratch that thinks about each design for as long at hundreds of evaluations as
at thousands, or less, for tens of thousands: where they are cheap and time is what counts."""

PRETRAINED: dict[str, Entrant] = {
    "sac-moe/pretrained": Entrant("sac-moe", policy="default", train=False),
    "sac-moe/refined": Entrant("sac-moe", policy="default"),
}
"""The learner with the shipped policy, as it is and trained further; ``sac-moe`` is without."""

EVERY = ENTRANTS | ABLATIONS | PACES | PRETRAINED

BEST_KNOWN = ("cma-es", "annealing", "gradient", "nsga2", "nsga3", "grid")
"""Those that can evaluate 100 times the budget in minutes."""

BUDGET = DEFAULT_EVALUATIONS
