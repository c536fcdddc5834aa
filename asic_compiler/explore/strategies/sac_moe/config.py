"""Every hyper-parameter of SAC-MoE, with what the seed paper says of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SacMoeConfig:
    """Seed paper: R. Ganti and S. Xu, arXiv 2604.07526, 2026. "Ours" marks what it leaves open."""

    hidden: int = 256
    """Width of both hidden layers of actor and critics. Seed: actor 52-256-256, GELU."""
    experts: int = 4
    """K experts on the policy head. Ours: the seed gives no K; not tuned."""
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
    target_entropy: float = -30.0
    """Of the continuous part, nat: minus its dimension. Seed: -30."""
    discrete_target_share: float = 0.5
    """Target of the discrete part as a share of its largest entropy, 4 ln 5 = 6.44 nat. Ours."""
    log_alpha_limit: float = 10.0
    """Both log temperatures stay in [-limit, limit]. Seed: [-10, 10]."""
    gumbel_temperature: float = 1.0
    """Of the straight-through sample of the discrete action in the actor's loss. Ours."""

    environments: int = 16
    """Designs walked side by side. Ours."""
    episode_length: int = 16
    """Steps until the designs start anew, most of them at the best so far. Ours."""
    updates_per_step: int = 2
    """Updates after each step of all environments. Ours: bounded by the time of a run."""
    warm_up: int = 1000
    """Evaluations with uniform actions before learning. Seed: 1,000."""
    warm_up_share: float = 0.25
    """No more of the budget than this goes into the warm-up. Ours, for small budgets."""
    replay_capacity: int = 100_000
    """Transitions kept. Seed: 100,000 (prioritised there, uniform here)."""

    epsilon_start: float = 0.5
    """Share of uniformly random actions at first. Seed: 0.5."""
    epsilon_end: float = 0.1
    """Share of uniformly random actions in the end. Seed: 0.1."""
    epsilon_decays: float = 1.5
    """Time constants of the decay in one budget: exp(-1.5) of the way is left at its end. Ours."""
    epsilon_slowdown: float = 10.0
    """How much slower epsilon falls while nothing feasible was found. Seed: 10."""
    elite: int = 16
    """Best designs that exploring actions may start from. Ours."""
    elite_share: float = 0.9
    """Share of the exploring actions (warm-up and epsilon) that perturb a good design; the others
    are uniform, as all of them are at 0. Ours."""
    return_share: float = 0.75
    """Share of the designs that begin a later episode at one of the best so far, not at a fresh
    start: walking back to a good mesh takes most of an episode. Ours, after "first return, then
    explore" (Ecoffet et al. 2021)."""
    greedy_share: float = 0.5
    """Share of the policy's actions taken at its mode and not sampled. Ours.

    A search is judged by its best design, and a sample of 30 dimensions is never at the mode.
    """
