"""The off-policy loop: act, step, store, learn, all in one compiled program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from swarmfield import replay
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
from swarmfield.types import Algorithm, PRNGKey, Replay, Timestep

# Folded into a seed's key: times count up from 0, what is drawn once counts down from the top.
START, INIT = 2**32 - 1, 2**32 - 2


class Window(eqx.Module):
    """What has been counted since the last report, and the episodes still running.

    Index 0 of `P` players is the learner, 1 the opponent.
    """

    running: Float[Array, "P E"]
    returns: Float[Array, " P"]
    rewards: Float[Array, " P"]
    episodes: Int[Array, ""]
    agent_steps: Int[Array, " P"]
    updates: Int[Array, ""]
    metrics: dict[str, Float[Array, ""]]
    failed_at: Int[Array, ""]


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
    experience: Replay
    environment: AutoReset
    sides: Sides
    opponent: Policy | None
    num_envs: int
    scheduled_steps: int
    follows: bool

    @property
    def policies(self) -> tuple[Policy, Policy | None]:
        """How both players act."""
        return policy_of(self.algorithm), self.opponent

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
    if program.follows:
        opponent = jax.tree.map(jnp.copy, program.algorithm.policy(learner))
    keys = env_keys(key, START, program.num_envs)
    episodes, timesteps = jax.vmap(program.environment.reset)(keys.environment)
    memories = begin_both(program.sides, program.policies, (learner, opponent), timesteps, keys)
    home, _ = program.sides.split(timesteps)
    record = _record(program, learner, home, memories[0])
    first = replay.pack(home, record)
    length = replay.num_steps(program.experience, program.num_envs, home.alive.shape[1])
    ring = replay.write(replay.empty(first, length), first, jnp.int32(0))
    window = _empty_window(program, learner, ring)
    return Run(key, learner, opponent, episodes, timesteps, memories, ring, window)


def advance(program: Program, run: Run, time: Int[Array, ""], steps: Int[Array, ""]) -> Run:
    """`steps` steps of all environments, starting at `time`, with their updates."""
    return jax.lax.fori_loop(
        time, time + steps, lambda now, state: _advance_one(program, state, now), run
    )


def _advance_one(program: Program, run: Run, time: Int[Array, ""]) -> Run:
    explore = program.algorithm.explore(program.progress(time))
    num_updates = program.experience.updates
    keys, update_keys = split_keys(run.key, time, program.num_envs, 2 * num_updates)
    actions, memories, record = act_both(
        program.sides,
        program.policies,
        (run.learner, run.opponent),
        run.timesteps,
        run.memories,
        keys,
        (explore, explore if program.follows else jnp.zeros(())),
    )
    episodes, timesteps = jax.vmap(program.environment.step)(
        keys.environment, run.episodes, actions
    )
    before = program.sides.split(run.timesteps)
    after = program.sides.split(timesteps)
    ring = replay.write(run.ring, replay.pack(after[0], record), time + 1)
    over = jax.vmap(episode_over)(timesteps)
    window = _count(run.window, before, after, over)
    learner, window = _learn(
        program, update_keys.reshape(num_updates, 2), run.learner, ring, window, time
    )
    return Run(run.key, learner, run.opponent, episodes, timesteps, memories, ring, window)


def _learn(
    program: Program,
    keys: PRNGKey,
    learner: PyTree,
    ring: replay.PackedStep,
    window: Window,
    time: Int[Array, ""],
) -> tuple[PyTree, Window]:
    """The updates that are due; both conditions are the same in every seed."""
    experience = program.experience
    step_size = program.num_envs * ring.agent_flags.shape[-1]
    first = -(-experience.warmup // step_size)
    due = ((time + 1) % experience.every == 0) & (time + 1 >= first)

    def update(index: Int[Array, ""], state: tuple[PyTree, Window]) -> tuple[PyTree, Window]:
        learner, window = state
        to_sample, to_learn = keys[index]
        batch = replay.sample(ring, time + 1, experience, to_sample)
        learner, metrics = program.algorithm.update(
            learner, batch, to_learn, program.progress(time)
        )
        return learner, _measure(window, metrics, time)

    def updates() -> tuple[PyTree, Window]:
        return jax.lax.fori_loop(0, experience.updates, update, (learner, window))

    return jax.lax.cond(due, updates, lambda: (learner, window))


Pair = tuple[Timestep, Timestep | None]
"""The learner's timestep and the opponent's, if there is one."""


def _count(window: Window, before: Pair, after: Pair, over: Array) -> Window:
    players = [(old, new) for old, new in zip(before, after, strict=True) if old and new]
    rewards = jnp.stack([jnp.sum(new.reward, axis=1) for _, new in players])
    running = jnp.where(before[0].first, 0.0, window.running) + rewards
    # A step that resets is counted as a step, but nobody acted in it.
    acted = [jnp.sum(old.alive & ~new.first[:, None], dtype=jnp.int32) for old, new in players]
    return eqx.tree_at(
        lambda w: (w.running, w.returns, w.rewards, w.episodes, w.agent_steps),
        window,
        (
            running,
            window.returns + jnp.sum(jnp.where(over, running, 0.0), axis=1),
            window.rewards + jnp.sum(rewards, axis=1),
            window.episodes + jnp.sum(over, dtype=jnp.int32),
            window.agent_steps + jnp.stack(acted),
        ),
    )


def _measure(window: Window, metrics: dict[str, Array], time: Int[Array, ""]) -> Window:
    finite = jnp.stack([jnp.isfinite(value) for value in metrics.values()]).all()
    failed_at = jnp.where((window.failed_at < 0) & ~finite, time, window.failed_at)
    total = jax.tree.map(jnp.add, window.metrics, metrics)
    return eqx.tree_at(
        lambda w: (w.metrics, w.updates, w.failed_at),
        window,
        (total, window.updates + 1, failed_at),
    )


def close_window(program: Program, run: Run) -> tuple[Run, dict[str, Array]]:
    """The figures since the last report, and the run with an empty window.

    A self-play opponent follows here: if the learner's episodes that ended in the window
    earned more than the opponent's, it becomes 0.99 learner + 0.01 itself.
    """
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
    opponent = run.opponent
    if program.follows:
        ahead = (window.episodes > 0) & (window.returns[0] > window.returns[1])
        rate = jnp.where(ahead, 0.99, 0.0)
        opponent = jax.tree.map(
            lambda kept, new: rate * new + (1 - rate) * kept,
            opponent,
            program.algorithm.policy(run.learner),
        )
    empty = _empty_window(program, run.learner, run.ring)
    empty = eqx.tree_at(
        lambda w: (w.running, w.failed_at), empty, (window.running, window.failed_at)
    )
    return eqx.tree_at(
        lambda r: (r.opponent, r.window), run, (opponent, empty), is_leaf=lambda x: x is None
    ), row


def all_finite(learner: PyTree) -> Bool[Array, ""]:
    """A last update may spoil parameters without any loss to show it."""
    leaves = [x for x in jax.tree.leaves(learner) if jnp.issubdtype(x.dtype, jnp.floating)]
    return jnp.stack([jnp.all(jnp.isfinite(x)) for x in leaves]).all()


def _empty_window(program: Program, learner: PyTree, ring: replay.PackedStep) -> Window:
    players = 1 if program.sides.away is None else 2
    metrics = _metric_shapes(program, learner, ring)
    zero = jnp.int32(0)
    return Window(
        running=jnp.zeros((players, program.num_envs)),
        returns=jnp.zeros(players),
        rewards=jnp.zeros(players),
        episodes=zero,
        agent_steps=jnp.zeros(players, jnp.int32),
        updates=zero,
        metrics={name: jnp.zeros(()) for name in metrics},
        failed_at=jnp.int32(-1),
    )


def _metric_shapes(program: Program, learner: PyTree, ring: replay.PackedStep) -> list[str]:
    """Names of the metrics an update returns, without computing one."""

    def once(learner: PyTree, ring: replay.PackedStep) -> dict[str, Array]:
        key = jax.random.key(0)
        batch = replay.sample(ring, jnp.int32(1), program.experience, key)
        return program.algorithm.update(learner, batch, key, jnp.zeros(()))[1]

    return sorted(jax.eval_shape(once, learner, ring))


def _record(program: Program, learner: PyTree, home: Timestep, memory: PyTree) -> PyTree:
    """Zeros like what acting records: there is no act before the first timestep."""

    def once(one: Timestep, kept: PyTree) -> PyTree:
        explore = jnp.zeros(one.alive.shape)
        return program.algorithm.act(learner, one, kept, jax.random.key(0), explore)[2]

    shapes: Callable[..., Any] = jax.eval_shape(jax.vmap(once), home, memory)
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
