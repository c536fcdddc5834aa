"""One run of SAC-MoE: propose, screen, walk, remember, learn."""

from __future__ import annotations

import numpy as np
import torch

from asic_compiler.explore.archive import concatenate, take
from asic_compiler.explore.checkpoint.keeper import Keeper
from asic_compiler.explore.checkpoint.state import State, StateReader, generator_state
from asic_compiler.explore.environment import LARGEST_STEP, DesignEnvironment, Transition
from asic_compiler.explore.protocol import (
    BoolArray,
    Evaluation,
    FloatArray,
    IntArray,
    niche_of,
    tied_of,
)
from asic_compiler.explore.recorder import Recorder
from asic_compiler.explore.strategies.evolution.candidates import Candidates
from asic_compiler.explore.strategies.evolution.elite import Elite
from asic_compiler.explore.strategies.evolution.moves import (
    RESHAPED,
    crossed,
    exploring_actions,
    refining,
    reshaped,
)
from asic_compiler.explore.strategies.evolution.refinement import Move, refined
from asic_compiler.explore.strategies.evolution.surrogate import Surrogate
from asic_compiler.explore.strategies.flat import merit
from asic_compiler.explore.strategies.sac_moe.agent import Agent
from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig
from asic_compiler.explore.strategies.sac_moe.epsilon import EpsilonSchedule
from asic_compiler.explore.strategies.sac_moe.imagination.planner import Planner
from asic_compiler.explore.strategies.sac_moe.imagination.world_model import WorldModel
from asic_compiler.explore.strategies.sac_moe.networks import dimensions_of
from asic_compiler.explore.strategies.sac_moe.policy_file import TrainedPolicy
from asic_compiler.explore.strategies.sac_moe.replay import Replay
from asic_compiler.explore.strategies.sac_moe.reward_scale import RewardScale


class Loop:
    """The moving parts of one run.

    Args:
        config: What the run is made of; a learner goes by what it is at this budget.
        recorder: Evaluates and counts.
        seed: Of every random number.
        resumed: What :meth:`state` told, to go on from there.
        policy: What training has left, to begin from.
        train: Whether to learn; otherwise the policy stays what it is.

    Raises:
        StateError: ``resumed`` is no state of such a run.
    """

    def __init__(
        self,
        config: SacMoeConfig,
        recorder: Recorder,
        seed: int,
        resumed: StateReader | None = None,
        policy: TrainedPolicy | None = None,
        train: bool = True,
    ) -> None:
        problem, budget = recorder.problem, recorder.budget
        if train:
            config = config.paced(budget)
        # One seed, several streams: what one part draws does not shift what another gets.
        streams = np.random.SeedSequence(seed).spawn(7)
        starts, actions, draws, network, world, plan, heads = streams
        self._config = config
        self._recorder = recorder
        self._train = train
        self._rng = np.random.default_rng(actions)
        self._sizes = dimensions_of(problem)
        self._replay = Replay(
            min(config.replay_capacity, max(budget, config.environments)),
            self._sizes.observed,
            self._sizes.discrete,
            self._sizes.continuous,
            np.random.default_rng(draws),
            config.priority_exponent,
        )
        self._agent = Agent(self._sizes, config, _torch_generator(network))
        if policy is not None:
            self._agent.actor.load_state_dict(policy.parameters)
        self._world: WorldModel | None = None
        self._planner: Planner | None = None
        self._surrogate: Surrogate | None = None
        if config.mpc and train:
            self._world = WorldModel(self._sizes, config, _torch_generator(world))
            self._planner = Planner(
                self._agent, self._world, config, problem.tile_parameters, _torch_generator(plan)
            )
        if config.surrogate and train:
            self._surrogate = Surrogate(problem, config, _torch_generator(heads))
        self._epsilon = EpsilonSchedule(config, budget)
        # A policy that knows something needs no warm-up to be better than chance.
        self._warm_up = min(config.warm_up, int(config.warm_up_share * budget))
        self._known = None if policy is None else policy.known
        # Evaluations until the first episode ends, its starts among them.
        self._first_episode = config.environments * (1 + config.episode_length)
        if policy is not None:
            asked = config.environments + int(config.asked_share * budget)
            self._first_episode = min(self._first_episode, asked)
        self._elite = Elite(config.elite, config.elite_per_mesh)
        self._niches = Elite(config.niches, 1, lambda designs: niche_of(problem, designs))
        self._tied = tied_of(problem)
        self._signals: dict[str, float] = {}
        rng = np.random.default_rng(starts)
        if resumed is None:
            self._look_around(rng)
        self._environment = self._walk(rng, resumed)
        if resumed is None:
            self._offer_starts()
        else:
            self._restore(resumed)

    def to_the_end(self, keeper: Keeper) -> None:
        """Walks and learns until the budget is spent, and has ``keeper`` write checkpoints."""
        while not self._environment.exhausted:
            self._signals = {}
            self._go_back()
            observation = self._environment.observation
            choices, continuous = self._act(observation)
            destination = self._environment.destination(choices)
            transition = self._environment.step(choices, continuous)
            self._remember(observation, choices, destination, continuous, transition)
            count = len(transition.reward)
            self._epsilon.advance(count, self._recorder.feasible > 0)
            # After the last step there is nobody left to act on what would be learned.
            if self._train and self._warm and not self._environment.exhausted:
                self._learn()
            if transition.truncated:
                self._note()
            keeper.offer(self._recorder.evaluations, self.state)

    def state(self) -> State:
        """Everything that the rest of the run depends on."""
        state: State = {
            "recorder": self._recorder.state(),
            "environment": self._environment.state(),
            "rng": generator_state(self._rng),
            "replay": self._replay.state(),
            "agent": self._agent.state(),
            "epsilon": self._epsilon.state(),
            "elite": self._elite.state(),
            "niches": self._niches.state(),
        }
        for name, part in self._models.items():
            state[name] = part.state()
        return state

    def _restore(self, reader: StateReader) -> None:
        self._rng = reader.generator("rng")
        self._replay.restore(reader.part("replay"))
        self._agent.restore(reader.part("agent"))
        self._epsilon.restore(reader.part("epsilon"))
        self._elite.restore(reader.part("elite"), self._recorder.problem)
        self._niches.restore(reader.part("niches"), self._recorder.problem)
        for name, part in self._models.items():
            part.restore(reader.part(name))

    @property
    def _models(self) -> dict[str, WorldModel | Planner | Surrogate]:
        """The parts that a configuration may leave out."""
        parts = {"world": self._world, "planner": self._planner, "surrogate": self._surrogate}
        return {name: part for name, part in parts.items() if part is not None}

    def _walk(self, rng: np.random.Generator, resumed: StateReader | None) -> DesignEnvironment:
        if resumed is not None:
            self._recorder.restore(resumed.part("recorder"))
        returning = int(self._config.return_share * self._config.environments)
        return DesignEnvironment(
            self._recorder,
            self._config.environments,
            self._config.episode_length,
            rng,
            returns=lambda count: self._elite.best(min(count, returning)),
            starts=self._fresh,
            resumed=None if resumed is None else resumed.part("environment"),
        )

    def _fresh(self, count: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """Starts of the problem, some of them replaced by good designs on other meshes.

        At first there are none; some are replaced by what training has found. Once there is a
        surrogate, each is the best of several that were refined in imagination: the mesh of a walk
        moves by small steps, and it is here that a search gets to another.
        """
        problem = self._recorder.problem
        tries = self._config.proposals if self._screening and len(self._elite) else 1
        discrete, continuous = problem.start(tries * count, rng)
        if not len(self._elite):
            if self._known is not None:
                known = self._known.nearest(problem, int(self._config.known_share * count))
                discrete[: len(known[0])], continuous[: len(known[1])] = known
            return discrete, continuous
        good = self._elite.drawn(len(discrete), rng)
        others = Candidates(*reshaped(good, problem, rng))
        rows = rng.random(len(discrete)) < self._config.reshape_share
        starts = others.where(rows, Candidates(discrete, continuous))
        if self._screening:

            def move(now: Candidates) -> Candidates:
                near = refining(now, problem.discrete_low, problem.discrete_high, rng, self._tied)
                shaped = Candidates(reshaped(now, problem, rng)[0], near.continuous)
                return shaped.where(rng.random(len(now)) < RESHAPED, near)

            starts = self._most_promising(starts, move, self._config.start_refinements, count)
        return starts.discrete, starts.continuous

    def _look_around(self, rng: np.random.Generator) -> None:
        """Evaluates starts before the first walk, of which the best are then gone on from."""
        count = int(self._config.start_share * self._warm_up)
        if not count or self._known is not None:
            return
        starts = self._recorder.evaluate(*self._recorder.problem.start(count, rng))
        if self._surrogate is not None:
            self._surrogate.add(starts.discrete, starts.continuous, starts)
        self._offer(starts)

    @property
    def _warm(self) -> bool:
        return self._recorder.evaluations >= self._warm_up

    def _offer_starts(self) -> None:
        self._offer(self._environment.current)

    def _offer(self, outcome: Evaluation) -> None:
        merits = merit(outcome, self._recorder.problem)
        self._elite.offer(outcome, merits)
        self._niches.offer(outcome, merits)

    def _remember(
        self,
        observation: FloatArray,
        choices: IntArray,
        destination: IntArray,
        continuous: FloatArray,
        transition: Transition,
    ) -> None:
        count = len(transition.reward)
        self._replay.add(
            observation[:count],
            choices[:count],
            continuous[:count],
            transition.reward,
            transition.next_observation,
            transition.terminated,
        )
        if self._surrogate is not None:
            self._surrogate.add(destination[:count], continuous[:count], transition.evaluation)
        self._offer(transition.evaluation)
        if transition.truncated:
            self._offer_starts()

    def _go_back(self) -> None:
        """Has most walks go on from one of the best designs, drawn anew for each.

        Half way through the budget these are the best of their kind: what is behind now may be
        ahead once it is tuned, and one kind is hardly reached from another. Before there is a good
        design they would be of little use, and in the end the best of all is tuned.
        """
        if self._asked:
            return
        count = len(self._environment.current)
        rows = np.flatnonzero(self._rng.random(count) < self._config.return_share)
        left = self._recorder.remaining / self._recorder.budget
        share = self._config.niche_share * 4.0 * left * (1.0 - left)
        kinds = int((self._rng.random(len(rows)) < share).sum())
        best = self._elite.drawn(len(rows) - kinds, self._rng)
        others = self._niches.drawn(kinds, self._rng)
        self._environment.go_back(rows, concatenate([best, others]))

    @property
    def _asked(self) -> bool:
        """Whether a policy that knows something is being asked, undisturbed, for an episode."""
        return self._known is not None and self._recorder.evaluations < self._first_episode

    def _act(self, observation: FloatArray) -> tuple[IntArray, FloatArray]:
        """One action a design: the most promising of several proposals, or the only one."""
        count = len(observation)
        tries = self._config.proposals if self._screening else 1
        # Each proposal explores or is the policy's: what is worth more is for the surrogate to say.
        explores = self._rng.random(tries * count) < self._exploring
        near = self._rng.random(count) < self._config.elite_share
        here = take(self._environment.current, np.tile(np.arange(count), tries))
        others = self._elite.drawn(len(here), self._rng)
        choices, continuous = exploring_actions(
            here, others, np.tile(near, tries), self._rng, self._tied
        )
        if not explores.all():
            policy_choices, policy_continuous = self._policy(observation, here, explores)
            exploring = explores[:, None]
            choices = np.where(exploring, choices, policy_choices)
            continuous = np.where(exploring, continuous, policy_continuous)
        if not self._screening:
            return choices, continuous
        # What is drawn uniformly is to tell what the ensemble does not know: it is not screened.
        blind = explores[:count] & ~near
        return self._screened(choices, continuous, blind)

    @property
    def _exploring(self) -> float:
        """Share of exploring actions. A policy that does not learn is asked first, for an episode;
        from then on what it knows is best used in crossing.
        """
        if not self._train:
            return self._config.epsilon_end if self._asked else self._config.epsilon_acting
        return self._epsilon.value if self._warm or self._known is not None else 1.0

    def _policy(
        self, observation: FloatArray, here: Evaluation, explores: BoolArray
    ) -> tuple[IntArray, FloatArray]:
        """An action of the policy for each of ``here``: n designs, repeated as a whole.

        Of the first n, one a design, those that do not explore are planned.
        """
        count = len(observation)
        tries = len(here) // count
        greedy = np.zeros(tries * count, dtype=np.bool_)
        greedy[:count] = self._rng.random(count) < self._config.greedy_share
        choices, continuous = self._agent.act(np.tile(observation, (tries, 1)), greedy)
        planning = (
            self._planner is not None
            and self._warm
            and self._epsilon.value < self._config.mpc_epsilon
        )
        rows = np.flatnonzero(~explores[:count])
        if planning and self._planner is not None and len(rows):
            planned = self._planner.improve(
                torch.as_tensor(observation[rows], dtype=torch.float32),
                torch.as_tensor(choices[rows]),
                torch.as_tensor(continuous[rows], dtype=torch.float32),
            )
            continuous[rows] = np.clip(planned.numpy().astype(np.float64), -1.0, 1.0)
        if self._recorder.evaluations < self._first_episode:
            return choices, continuous
        few = crossed(here, choices, continuous, self._rng)
        crosses = (self._rng.random(len(here)) < self._config.crossover_share)[:, None]
        return np.where(crosses, few[0], choices), np.where(crosses, few[1], continuous)

    @property
    def _screening(self) -> bool:
        """Whether there is a surrogate that has learned anything."""
        return self._surrogate is not None and self._surrogate.begun

    def _screened(
        self, choices: IntArray, continuous: FloatArray, blind: BoolArray
    ) -> tuple[IntArray, FloatArray]:
        """Of each design's proposals, refined, the one that promises most beyond the best so far.

        Of those that are ``blind`` [n] the first as it is.
        """
        count, problem = len(blind), self._recorder.problem
        here = np.tile(self._environment.current.discrete, (len(choices) // count, 1))
        low = np.maximum(here - LARGEST_STEP, problem.discrete_low)
        high = np.minimum(here + LARGEST_STEP, problem.discrete_high)
        proposals = Candidates(self._environment.destination(choices), continuous)
        chosen = self._most_promising(
            proposals,
            lambda now: refining(now, low, high, self._rng, self._tied),
            self._config.refinements,
            count,
        ).where(~blind, proposals.take(np.arange(count)))
        return chosen.discrete - here[:count] + LARGEST_STEP, chosen.continuous

    def _most_promising(
        self, proposals: Candidates, move: Move, rounds: int, count: int
    ) -> Candidates:
        """For each of ``count`` designs the best of its proposals, repeated as a whole."""
        assert self._surrogate is not None
        surrogate = self._surrogate
        best = float(self._elite.merit[0]) if self._recorder.feasible else None
        proposals, worth = refined(proposals, move, lambda now: surrogate.worth(now, best), rounds)
        self._signals["surrogate.trusted"] = float(np.isfinite(worth).mean())
        # Where none is trusted this is the first.
        rows = worth.reshape(-1, count).argmax(axis=0)
        return proposals.take(rows * count + np.arange(count))

    def _learn(self) -> None:
        config = self._config
        self._agent.reward_scale = RewardScale.of(self._replay.rewards)
        spent = self._recorder.evaluations / self._recorder.budget
        importance = config.importance_start + (1.0 - config.importance_start) * spent
        for _ in range(config.updates_per_step):
            batch = self._replay.sample(config.batch, importance)
            error = self._agent.update(batch)
            assert batch.rows is not None
            self._replay.learned(batch.rows, error)
            self._signals["loss.critic"] = float(error.mean())
            if self._world is not None:
                self._signals["loss.world"] = self._world.learn(batch)
        if self._surrogate is not None:
            begins = not self._surrogate.begun
            updates = config.surrogate_start if begins else config.surrogate_updates
            for _ in range(updates):
                self._signals["loss.surrogate"] = self._surrogate.learn()

    def _note(self) -> None:
        """What the learner knows of itself, for the decision trace."""
        continuous, discrete = self._agent.alpha
        gate = self._agent.gate(self._environment.observation)
        self._recorder.signal(
            {
                "epsilon": self._epsilon.value,
                "temperature.continuous": continuous,
                "temperature.discrete": discrete,
                **{f"gate.{k}": float(weight) for k, weight in enumerate(gate)},
                **self._signals,
            }
        )


def _torch_generator(stream: np.random.SeedSequence) -> torch.Generator:
    return torch.Generator().manual_seed(int(stream.generate_state(1, np.uint64)[0]) >> 1)
