"""One that learns: what it keeps of what it lives through, and when and how that changes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from swarmfield import replay
from swarmfield.training.matchup import Policy, policy_of
from swarmfield.training.terms import Terms
from swarmfield.training.updates import Updates, updates_of
from swarmfield.training.window import Counted, measure
from swarmfield.types import Algorithm, PRNGKey, Replay, Rollout, Timestep


class Student(NamedTuple):
    """How one player learns. Static: closed over, never traced.

    Attributes:
        algorithm: What learns.
        experience: What it is updated with.
        terms: Who of its team learns, and from whose rewards.
        num_envs: Parallel environments.
        scheduled_steps: Steps of all environments that the run is to make.
    """

    algorithm: Algorithm
    experience: Replay | Rollout
    terms: Terms
    num_envs: int
    scheduled_steps: int

    @property
    def policy(self) -> Policy:
        """How it acts while it learns."""
        return self.terms.policy(policy_of(self.algorithm))

    @property
    def updates(self) -> Updates:
        """When it is updated and with what."""
        num_agents = self.terms.team.num_agents
        return updates_of(self.experience, self.num_envs, num_agents, self.scheduled_steps)

    def progress(self, time: Array | int) -> Float[Array, ""]:
        """The fraction of the scheduled run that is over; 1 beyond it."""
        return jnp.minimum(time / self.scheduled_steps, 1.0).astype(jnp.float32)

    def explore(self, time: Int[Array, ""]) -> Array:
        """How much to explore: one number, or each agent's."""
        progress = self.progress(time)
        return self.terms.explore(progress, self.algorithm.explore(progress))

    def marked(self, timestep: Timestep, time: Int[Array, ""]) -> Timestep:
        """Its team's timesteps `[E, ...]`, which say who learns at that time."""
        if not self.terms.incremental.is_on:
            return timestep
        return self.terms.marked(timestep, self.progress(time))

    def first_ring(self, learner: PyTree, timestep: Timestep, memory: PyTree) -> replay.PackedStep:
        """Experience at the very first timestep `[E, ...]`."""
        first = replay.pack(timestep, self._no_record(learner, timestep, memory))
        return replay.write(replay.empty(first, self.updates.ring_steps), first, jnp.int32(0))

    def _no_record(self, learner: PyTree, timestep: Timestep, memory: PyTree) -> PyTree:
        """Zeros like what acting records: there is no act before the first timestep."""

        def once(one: Timestep, kept: PyTree) -> PyTree:
            explore = jnp.zeros(one.alive.shape)
            return self.algorithm.act(learner, one, kept, jax.random.key(0), explore)[2]

        shapes: Callable[..., Any] = jax.eval_shape(jax.vmap(once), timestep, memory)
        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    def metric_names(self, learner: PyTree, ring: replay.PackedStep) -> list[str]:
        """Names of the metrics an update returns, without computing one."""

        def once(learner: PyTree, ring: replay.PackedStep) -> dict[str, Array]:
            key = jax.random.key(0)
            batch = self.updates.batch(ring, jnp.int32(1), key)
            return self.algorithm.update(learner, batch, key, jnp.zeros(()))[1]

        return sorted(jax.eval_shape(once, learner, ring))

    def keep(
        self, ring: replay.PackedStep, timestep: Timestep, record: PyTree, time: Int[Array, ""]
    ) -> replay.PackedStep:
        """Experience with the timesteps that an act led to, and what acting recorded."""
        return replay.write(ring, replay.pack(self.terms.paid(timestep), record), time)

    def learn(
        self,
        keys: PRNGKey,
        learner: PyTree,
        ring: replay.PackedStep,
        counted: Counted,
        time: Int[Array, ""],
    ) -> tuple[PyTree, Counted]:
        """The updates that are due; the conditions are the same in every seed.

        Args:
            keys: `[updates, 2]` of them.
            learner: As it was.
            ring: Its experience.
            counted: What updates measure is added to.
            time: Of the step that was made.
        """
        updates = self.updates

        def update(index: Int[Array, ""], state: tuple[PyTree, Counted]) -> tuple[PyTree, Counted]:
            learner, counted = state
            to_sample, to_learn = keys[index]
            batch = updates.batch(ring, time + 1, to_sample)
            progress = self.progress(time)
            learner, metrics = self.algorithm.update(learner, batch, to_learn, progress)
            return learner, measure(counted, metrics, time)

        def all_updates() -> tuple[PyTree, Counted]:
            return jax.lax.fori_loop(0, updates.times, update, (learner, counted))

        return jax.lax.cond(updates.due(time), all_updates, lambda: (learner, counted))
