"""Every hyper-parameter of SAC-MoE, each part's switch, and what the seed paper says of them."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from difflib import get_close_matches

from asic_compiler.diagnostics import UserError


@dataclass(frozen=True, slots=True)
class SacMoeConfig:
    """Seed paper: R. Ganti and S. Xu, arXiv 2604.07526, 2026. "Ours" marks what it leaves open.

    What switches a part off: ``experts=1``, ``balance=0``, ``priority_exponent=0``,
    ``adaptive_epsilon=false``, ``mpc=false`` (the world model with it), ``surrogate=false``,
    ``elite_share=0``, ``return_share=0``, ``niche_share=0``, ``reshape_share=0``,
    ``greedy_share=0``, ``crossover_share=0``, ``known_share=0``, ``asked_share=0``,
    ``refinements=0``, ``start_refinements=0``, ``patient_budget=0``.
    """

    hidden: int = 256
    """Width of both hidden layers of actor and critics. Seed: actor 52-256-256, GELU."""
    experts: int = 4
    """K experts on the policy head; 1 is a plain policy. Ours: the seed gives no K; not tuned."""
    balance: float = 0.01
    """lambda in ``lambda * K * sum(mean gate^2)``. Ours: as in the Switch Transformer (Fedus 2021).

    The loss is lambda at a uniform gate and K lambda when one expert takes all.
    """
    log_std_low: float = -20.0
    """Seed: -20."""
    log_std_high: float = 2.0
    """Seed: 2."""

    learning_rate: float = 1e-3
    """Of Adam, for actor and critics. Seed: 3e-4, with which the toy problem's optimum is missed by
    more: a budget of 4,613 leaves time for few updates only."""
    gamma: float = 0.99
    """Discount. Seed: 0.99."""
    tau: float = 0.005
    """Polyak rate of the target critics. Seed: 0.005."""
    batch: int = 256
    """Transitions in an update. Seed: 256."""
    reward_scale: float = 1.0
    """Factor on the standardised reward (see :class:`RewardScale`). Ours."""
    actor_period: int = 2
    """Critic updates between two updates of the actor (Fujimoto et al. 2018). Ours, to save
    time."""

    alpha: float = 0.2
    """Initial temperature of both entropies. Seed: 0.2, auto-tuned."""
    alpha_learning_rate: float = 1e-2
    """Of Adam, for both log temperatures. Ours: at 3e-4 alpha hardly leaves 0.2 within a budget and
    the policy stays near uniform; at 3e-2 it narrowed before the critics knew enough."""
    target_entropy: float = -1.0
    """Of the continuous part, nat a dimension. Seed: -30 for 30 dimensions."""
    discrete_target_share: float = 0.5
    """Target of the discrete part as a share of its largest entropy, 4 ln 5 = 6.44 nat. Ours."""
    log_alpha_limit: float = 10.0
    """Both log temperatures stay in [-limit, limit]. Seed: [-10, 10]."""

    environments: int = 16
    """Designs walked side by side. Ours."""
    patient_budget: int = 600
    """Evaluations up to which a search that learns thinks longer about each design than
    ``environments``, ``surrogate_updates`` and ``refinements`` say (see :meth:`paced`), which takes
    no longer than thousands of evaluations do; 0 is one pace for all. Ours."""
    episode_length: int = 16
    """Steps until the designs start anew, most of them at the best so far. Ours."""
    updates_per_step: int = 1
    """Updates after each step of all environments. Ours: bounded by the time of a run."""
    warm_up: int = 400
    """Evaluations with exploring actions before learning. Seed: 1,000. Ours: begun earlier, the
    search is ahead after 1,000 evaluations and about even in the end (docs/log/search.md)."""
    warm_up_share: float = 0.25
    """No more of the budget than this goes into the warm-up. Ours, for small budgets."""

    start_share: float = 0.0
    """Share of the warm-up that is starts of the problem and no walk, where nothing is known from
    training; small budgets have more (see :meth:`paced`). Ours."""

    replay_capacity: int = 100_000
    """Transitions kept. Seed: 100,000."""
    priority_exponent: float = 0.6
    """Transitions are drawn by their temporal-difference error to this power; 0 draws uniformly.
    Seed: 0.6 (Schaul et al. 2016)."""
    importance_start: float = 0.4
    """Exponent of the importance weights at first, 1 at the end of the budget. Seed: 0.4 to 1."""

    adaptive_epsilon: bool = True
    """Whether epsilon falls with the budget and waits for feasible designs; else it is
    ``epsilon_end`` throughout."""
    epsilon_start: float = 0.5
    """Share of exploring actions at first. Seed: 0.5."""
    epsilon_end: float = 0.1
    """Share of exploring actions in the end. Seed: 0.1."""
    epsilon_decays: float = 2.5
    """Time constants of the decay in one budget: exp(-2.5) of the way is left at its end, and the
    last sixth is below ``mpc_epsilon``. Ours."""
    epsilon_acting: float = 0.8
    """Share of exploring actions beside a policy that does not learn, after its first episode, in
    which it is ``epsilon_end``. Ours."""
    asked_share: float = 0.0625
    """A policy that knows something is asked, undisturbed, for the first episode, but for no more
    of the budget than this. Ours."""
    known_share: float = 0.75
    """Share of a policy's first starts that are designs found in its training, those of the
    problems most like the one that is searched. Ours."""
    epsilon_slowdown: float = 10.0
    """How much slower epsilon falls while nothing feasible was found. Seed: 10."""
    elite: int = 16
    """Best designs that walks go back to. Ours."""
    elite_per_mesh: int = 2
    """Of these, designs of one mesh at most: as many as ``elite`` is no limit. Ours."""
    elite_share: float = 0.9
    """Share of the exploring actions (warm-up and epsilon) that change a few variables of the
    design they stand at, which is mostly one of the best; the others are uniform, as all of them
    are at 0. Ours."""
    return_share: float = 0.7
    """Chance that a walk goes on from one of the best designs so far, drawn before each step, and
    share of the walks that begin an episode there and not at a fresh start. What is known of these
    designs is kept: going back costs no evaluation. Ours, after "first return, then explore"
    (Ecoffet et al. 2021)."""
    niches: int = 8
    """Kinds of design of which the best is kept, beside the best of all. Ours."""
    niche_share: float = 1.0
    """Of the walks that go back, those that go to the best design of a kind and not to one of the
    best of all: so many half way through the budget, none at its beginning and end (times
    4 x (1 - x) after a share x of it). Ours, after the cells of the same paper and of MAP-Elites
    (Mouret and Clune 2015)."""
    reshape_share: float = 0.75
    """Share of the fresh starts of later episodes that are one of the best designs on a mesh of
    other proportions. Ours."""
    greedy_share: float = 0.5
    """Share of the policy's actions taken at its mode and not sampled. Ours.

    A search is judged by its best design, and a sample of 30 dimensions is never at the mode.
    """
    crossover_share: float = 0.9
    """Share of the policy's actions of which only some variables are taken, the others staying
    those of the design it stands at; from the second episode on. Ours.

    A search in 30 dimensions ends in moves along a few of them.
    """

    mpc: bool = True
    """Whether a world model is learned, and the policy's tile parameters are planned over it."""
    mpc_epsilon: float = 0.15
    """Epsilon below which there is planning. Seed: 0.15."""
    mpc_candidates: int = 64
    """Sequences of actions tried in a plan. Seed: 64."""
    mpc_horizon: int = 5
    """Steps of a sequence. Seed: 5."""
    mpc_noise: float = 0.3
    """Standard deviation of the candidates' tile parameters around the policy's. Seed: 0.3."""
    mpc_share: float = 0.7
    """Weight of the plan in the tile parameters; the rest is the policy's. Seed: 0.7."""
    world_rate: float = 0.5
    """Learning rate of the world model over the critics'. Seed: 0.5."""

    surrogate: bool = True
    """Whether heads for performance, power, area and violation are learned, by which several
    proposals are screened before one is evaluated."""
    ensemble: int = 4
    """Members that must agree. Ours."""
    surrogate_hidden: int = 128
    """Width of both hidden layers of a member. Ours."""
    surrogate_learning_rate: float = 3e-3
    """Of Adam. Ours: with 1e-3 it is behind the search."""
    surrogate_updates: int = 10
    """Updates of the surrogate after each step of all environments. Ours."""
    surrogate_start: int = 300
    """Updates of the surrogate when the warm-up ends. Ours."""
    proposals: int = 16
    """Actions proposed for each one that is evaluated. Ours."""
    refinements: int = 10
    """Moves by which each proposal is made better in imagination before one of them is chosen; 0
    only screens. Ours."""
    start_refinements: int = 20
    """The same for fresh starts of later episodes, whose mesh may change by more. Ours."""
    disagreement: float = 0.1
    """Largest standard deviation among the members at which a prediction counts: of the score, and
    of the reward while nothing feasible was found. The seed has a threshold and gives none."""

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:  # NaN fails too
                raise UserError(f"{name} must be between {low:g} and {high:g}, not {value}")

    def paced(self, budget: int) -> SacMoeConfig:
        """What a learner's search of so many evaluations goes by.

        Up to ``patient_budget`` a quarter of the designs are walked side by side, each step is
        followed by four times the updates of the surrogate, proposals are refined six times as
        long, 0.6 of the warm-up are starts (four walks would hardly see any), and no more than a
        quarter of a policy's first starts are known designs. Without a surrogate there is nothing
        to think with, and nothing changes.
        """
        if budget > self.patient_budget or not self.surrogate:
            return self
        return dataclasses.replace(
            self,
            environments=max(self.environments // 4, 1),
            surrogate_updates=_capped("surrogate_updates", 4 * self.surrogate_updates),
            refinements=_capped("refinements", 6 * self.refinements),
            start_share=max(self.start_share, 0.6),
            # Of four walks one: known designs may all break a constraint of a new problem.
            known_share=min(self.known_share, 0.25),
        )

    def describe(self) -> dict[str, int | float | bool]:
        """Every option and its value."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


_SHARE = (0.0, 1.0)
_COUNT = (1, 10**6)
_RANGES: dict[str, tuple[float, float]] = {
    "hidden": (1, 8192), "experts": (1, 64), "balance": (0.0, math.inf),
    "log_std_low": (-100.0, 10.0), "log_std_high": (-10.0, 10.0),
    "learning_rate": (0.0, 1.0), "gamma": _SHARE, "tau": _SHARE, "batch": (1, 65536),
    "reward_scale": (0.0, 1e6), "actor_period": _COUNT, "alpha": (1e-9, 1e6),
    "alpha_learning_rate": _SHARE, "target_entropy": (-100.0, 1.0), "discrete_target_share": _SHARE,
    "log_alpha_limit": (0.0, 80.0), "environments": (1, 4096),
    "patient_budget": (0, 10**9), "episode_length": _COUNT,
    "updates_per_step": (0, 10**4), "warm_up": (0, 10**9),
    "warm_up_share": _SHARE, "start_share": _SHARE,
    "replay_capacity": (1, 10**7), "priority_exponent": _SHARE, "importance_start": _SHARE,
    "epsilon_start": _SHARE, "epsilon_end": _SHARE,
    "epsilon_decays": (0.0, 1e3), "epsilon_acting": _SHARE, "epsilon_slowdown": (1.0, 1e6),
    "asked_share": _SHARE, "known_share": _SHARE,
    "elite": (1, 4096), "elite_per_mesh": (1, 4096), "niches": (1, 4096), "niche_share": _SHARE,
    "elite_share": _SHARE, "return_share": _SHARE, "greedy_share": _SHARE,
    "crossover_share": _SHARE, "reshape_share": _SHARE, "mpc_epsilon": _SHARE,
    "mpc_candidates": (1, 4096), "mpc_horizon": (1, 100), "mpc_noise": (0.0, 2.0),
    "mpc_share": _SHARE, "world_rate": (0.0, 100.0), "ensemble": (2, 64),
    "surrogate_hidden": (1, 8192), "surrogate_updates": (0, 10**4), "surrogate_start": (1, 10**5),
    "surrogate_learning_rate": _SHARE, "proposals": (1, 4096),
    "refinements": (0, 10**4), "start_refinements": (0, 10**4),
    "disagreement": (0.0, math.inf),
}  # fmt: skip


def _capped(name: str, value: int) -> int:
    return min(value, int(_RANGES[name][1]))


def parse_config(text: str, base: SacMoeConfig | None = None) -> SacMoeConfig:
    """A configuration from ``"experts=1 mpc=false"``.

    Args:
        text: Options and values, separated by spaces.
        base: What holds where the text says nothing; the default configuration if None.

    Raises:
        UserError: An option is unknown or given twice, or its value is none it can have.
    """
    start = base or SacMoeConfig()
    known = start.describe()
    changes: dict[str, int | float | bool] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        name = name.replace("-", "_")
        if not equals:
            raise UserError(f"'{word}' is not of the form option=value")
        if name not in known:
            near = get_close_matches(name, known, n=1)
            notes = [f"did you mean '{near[0]}'?"] if near else []
            raise UserError(
                f"the learner has no option '{name}'", notes=[*notes, f"it has: {', '.join(known)}"]
            )
        if name in changes:
            raise UserError(f"the learner's option '{name}' is given twice")
        changes[name] = _value(name, value, type(known[name]))
    return dataclasses.replace(start, **changes)  # pyright: ignore[reportArgumentType]


def _value(name: str, text: str, kind: type) -> int | float | bool:
    if kind is bool:
        if text not in ("true", "false"):
            raise UserError(f"the learner's option '{name}' is true or false, not '{text}'")
        return text == "true"
    try:
        return kind(text)
    except ValueError as error:
        what = "a whole number" if kind is int else "a number"
        raise UserError(f"the learner's option '{name}' is {what}, not '{text}'") from error
