"""The loop: act, step, store, learn, all in one compiled program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from swarmfield import replay
from swarmfield.batching import vmapped
from swarmfield.environments.wrappers import AutoReset, episode_over
from swarmfield.training.matchup import (
    Policy,
    Sides,
    act_both,
    begin_both,
    env_keys,
    policy_of,
    split_keys,
)
from swarmfield.training.practice import Practice
from swarmfield.training.terms import Terms
from swarmfield.training.updates import Updates, updates_of
from swarmfield.training.window import (
    Window,
    all_finite,
    count,
    empty_window,
    measure,
    next_window,
)
from swarmfield.types import Algorithm, PRNGKey, Replay, Rollout, Timestep

# Folded into a seed's key: times count up from 0, what is drawn once counts down from the top.
START, INIT = 2**32 - 1, 2**32 - 2


class Run(eqx.Module):
    """All that a run is: saved and restored, it goes on as if it had never stopped."""

    key: PRNGKey
    learner: PyTree
    opponent: PyTree
    episodes: PyTree
    timesteps: dict[str, Timestep]
    memories: tuple[PyTree, PyTree]
    ring: replay.PackedStep
    window: Window


class Program(NamedTuple):
    """What the compiled loop is made of. All static: closed over, never traced."""

    algorithm: Algorithm
    experience: Replay | Rollout
    environment: AutoReset
    sides: Sides
    opponent: Policy | None
    num_envs: int
    scheduled_steps: int
    practice: Practice
    terms: Terms

    @property
    def policies(self) -> tuple[Policy, Policy | None]:
        """How both players act."""
        return self.terms.policy(policy_of(self.algorithm)), self.opponent

    @property
    def updates(self) -> Updates:
        """When the learner is updated and with what."""
        num_agents = self.sides.home.num_agents
        return updates_of(self.experience, self.num_envs, num_agents, self.scheduled_steps)

    def progress(self, time: Array | int) -> Float[Array, ""]:
        """The fraction of the scheduled run that is over; 1 beyond it."""
        return jnp.minimum(time / self.scheduled_steps, 1.0).astype(jnp.float32)


def start(program: Program, opponent: PyTree, key: PRNGKey) -> Run:
    """A run at time 0: everything reset, nothing learned.

    Args:
        program: Its parts.
        opponent: A frozen opponent's parameters; in self-play they are the learner's instead.
        key: The run's only source of randomness.
    """
    learner = program.algorithm.init(jax.random.fold_in(key, INIT))
    opponent = program.practice.first(program.algorithm.policy(learner), opponent)
    playing = program.practice.playing(opponent)
    keys = env_keys(key, START, program.num_envs)
    episodes, timesteps = jax.vmap(program.environment.reset)(keys.environment)
    timesteps = _marked(program, timesteps, jnp.int32(0))
    memories = begin_both(program.sides, program.policies, (learner, playing), timesteps, keys)
    home, _ = program.sides.split(timesteps)
    record = _record(program, learner, home, memories[0])
    first = replay.pack(home, record)
    ring = replay.write(replay.empty(first, program.updates.ring_steps), first, jnp.int32(0))
    players = 1 if program.sides.away is None else 2
    names = _metric_names(program, learner, ring)
    window = empty_window(players, program.num_envs, names)
    return Run(key, learner, opponent, episodes, timesteps, memories, ring, window)


def advance(program: Program, run: Run, time: Int[Array, ""], steps: Int[Array, ""]) -> Run:
    """`steps` steps of all environments, starting at `time`, with their updates."""
    return jax.lax.fori_loop(
        time, time + steps, lambda now, state: _advance_one(program, state, now), run
    )


def _advance_one(program: Program, run: Run, time: Int[Array, ""]) -> Run:
    progress = program.progress(time)
    explore = program.algorithm.explore(progress)
    num_updates = program.updates.times
    keys, update_keys = split_keys(run.key, time, program.num_envs, 2 * num_updates)
    actions, memories, (record, _) = act_both(
        program.sides,
        program.policies,
        (run.learner, program.practice.playing(run.opponent)),
        run.timesteps,
        run.memories,
        keys,
        (
            program.terms.explore(progress, explore),
            explore if program.practice.is_own else jnp.zeros(()),
        ),
    )
    episodes, timesteps = vmapped(program.environment.step)(keys.environment, run.episodes, actions)
    timesteps = _marked(program, timesteps, time + 1)
    before = program.sides.split(run.timesteps)
    after = program.sides.split(timesteps)
    ring = replay.write(run.ring, replay.pack(program.terms.paid(after[0]), record), time + 1)
    over = jax.vmap(episode_over)(timesteps)
    window = count(run.window, before, after, over)
    learner, window = _learn(
        program,
        update_keys.reshape(num_updates, 2),
        run.learner,
        ring,
        window,
        time,
    )
    return Run(run.key, learner, run.opponent, episodes, timesteps, memories, ring, window)


def _marked(
    program: Program, timesteps: dict[str, Timestep], time: Int[Array, ""]
) -> dict[str, Timestep]:
    """Timesteps that say who of the learner's team learns at that time."""
    if not program.terms.incremental.is_on:
        return timesteps
    home, away = program.sides.split(timesteps)
    home = program.terms.marked(home, program.progress(time))
    return timesteps | program.sides.join(home, away)


def _learn(
    program: Program,
    keys: PRNGKey,
    learner: PyTree,
    ring: replay.PackedStep,
    window: Window,
    time: Int[Array, ""],
) -> tuple[PyTree, Window]:
    """The updates that are due; the conditions are the same in every seed."""
    updates = program.updates

    def update(index: Int[Array, ""], state: tuple[PyTree, Window]) -> tuple[PyTree, Window]:
        learner, window = state
        to_sample, to_learn = keys[index]
        batch = updates.batch(ring, time + 1, to_sample)
        learner, metrics = program.algorithm.update(
            learner, batch, to_learn, program.progress(time)
        )
        return learner, measure(window, metrics, time)

    def all_updates() -> tuple[PyTree, Window]:
        return jax.lax.fori_loop(0, updates.times, update, (learner, window))

    return jax.lax.cond(updates.due(time), all_updates, lambda: (learner, window))


def close_window(program: Program, run: Run) -> tuple[Run, dict[str, Array]]:
    """The figures since the last report, and the run with an empty window and its next opponent."""
    window = run.window
    episodes = jnp.maximum(window.episodes, 1)
    row = {
        "agent_steps": window.agent_steps[0],
        "episodes": window.episodes,
        "returns": jnp.where(window.episodes > 0, window.returns / episodes, jnp.nan),
        "rewards": window.rewards / jnp.maximum(window.agent_steps, 1),
        "updates": window.updates,
        "failed_at": window.failed_at,
        "finite": all_finite(run.learner),
        "metrics": jax.tree.map(lambda x: x / jnp.maximum(window.updates, 1), window.metrics),
    }
    policy = program.algorithm.policy(run.learner)
    met = window.episodes > 0
    opponent = program.practice.next(run.opponent, policy, met, window.returns, run.key)
    following = (opponent, next_window(window))
    return eqx.tree_at(
        lambda r: (r.opponent, r.window), run, following, is_leaf=lambda x: x is None
    ), row


def _metric_names(program: Program, learner: PyTree, ring: replay.PackedStep) -> list[str]:
    """Names of the metrics an update returns, without computing one."""

    def once(learner: PyTree, ring: replay.PackedStep) -> dict[str, Array]:
        key = jax.random.key(0)
        batch = program.updates.batch(ring, jnp.int32(1), key)
        return program.algorithm.update(learner, batch, key, jnp.zeros(()))[1]

    return sorted(jax.eval_shape(once, learner, ring))


def _record(program: Program, learner: PyTree, home: Timestep, memory: PyTree) -> PyTree:
    """Zeros like what acting records: there is no act before the first timestep."""

    def once(one: Timestep, kept: PyTree) -> PyTree:
        explore = jnp.zeros(one.alive.shape)
        return program.algorithm.act(learner, one, kept, jax.random.key(0), explore)[2]

    shapes: Callable[..., Any] = jax.eval_shape(jax.vmap(once), home, memory)
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
