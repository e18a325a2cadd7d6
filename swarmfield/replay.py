"""Replay: the last steps of all environments, packed, and samples of their transitions.

A step stores what all agents share once and what differs between them as small integers; the
observation at t + 1 is the next step's, actions and rewards are the ones it carries, and mean
fields are computed again. On a 40 x 40 Battle that makes about 40 bytes an agent-transition.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree, Shaped, UInt8

from swarmfield.types import PRNGKey, Replay, Timestep, Transitions

AGENTS_A_SAMPLE = 256
"""Agents of a step for each that is sampled of it: with 1,024, MFQ takes 1.2 times as long a step
at 1,000 agents and 1.3 at 5,000, and BMF's Q-learning 1.4 and 1.5."""


class PackedStep(eqx.Module):
    """A timestep as replay keeps it: one bit a flag, and no measures."""

    shared: PyTree
    own: PyTree
    flags: UInt8[Array, "*E"]
    agent_flags: UInt8[Array, "*E N"]
    legal: Bool[Array, "*E N A"] | None
    kind: Shaped[Array, "*E N"]
    position: Shaped[Array, "*E N D"]
    last_action: Shaped[Array, "*E N ..."]
    reward: Float[Array, "*E N"]
    record: PyTree


def pack(timestep: Timestep, record: PyTree) -> PackedStep:
    """Drop what learning never reads and put the flags into bits."""
    return PackedStep(
        timestep.shared,
        timestep.own,
        _to_bits(timestep.first, timestep.truncated),
        _to_bits(timestep.alive, timestep.terminated, timestep.trained),
        timestep.legal,
        timestep.kind,
        timestep.position,
        timestep.last_action,
        timestep.reward,
        record,
    )


def unpack(packed: PackedStep) -> Timestep:
    """The timestep again, with empty measures."""
    first, truncated = _from_bits(packed.flags, 2)
    alive, terminated, trained = _from_bits(packed.agent_flags, 3)
    return Timestep(
        packed.shared,
        packed.own,
        first,
        alive,
        packed.legal,
        packed.kind,
        packed.position,
        packed.last_action,
        packed.reward,
        terminated,
        truncated,
        trained,
        {},
    )


def num_steps(experience: Replay, num_envs: int, num_agents: int) -> int:
    """Steps of all environments that a capacity in agent transitions amounts to, at least 3."""
    return max(3, -(-experience.capacity // (num_envs * num_agents)) + 1)


def empty(step: PackedStep, length: int) -> PackedStep:
    """A ring of `length` steps, all zero, for steps like the given one `[E, ...]`."""
    return jax.tree.map(lambda x: jnp.zeros((length, *x.shape), x.dtype), step)


def bytes_per_transition(ring: PackedStep) -> float:
    """Memory of the ring for each agent transition it can hold."""
    total = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(ring))
    return total / ring.agent_flags.size


def write(ring: PackedStep, step: PackedStep, time: Int[Array, ""]) -> PackedStep:
    """Put a step where its time belongs, over the oldest."""
    slot = time % ring.flags.shape[0]
    return jax.tree.map(
        lambda kept, new: jax.lax.dynamic_update_index_in_dim(kept, new, slot, 0), ring, step
    )


def sample(ring: PackedStep, time: Int[Array, ""], experience: Replay, key: PRNGKey) -> Transitions:
    """Draw transitions uniformly, with replacement.

    Args:
        ring: The stored steps.
        time: Of the newest step; steps count up from 0.
        experience: Says how many, and whether a sample is an agent's or a team's.
        key: Draws M steps, and C living, learning agents of each.

    Returns:
        Transitions whose weights sum to 0 where none of a step's agents had one, and which are
        proportional to the number of agents that had one: agent transitions count alike.
    """
    length, num_envs, num_agents = ring.agent_flags.shape
    num_samples, num_chosen = _sample_shape(experience, num_agents)
    uniform = jax.random.uniform(key, (2 + num_chosen, num_samples))
    # What acting at `next` recorded is stored with the step after it, which must be there.
    youngest = 2 if jax.tree.leaves(ring.record) else 1
    oldest = jnp.minimum(time, length - 1)
    choice = (oldest - youngest + 1).astype(jnp.float32)
    age = youngest + (uniform[0] * choice).astype(jnp.int32)
    before = jnp.maximum(time - jnp.minimum(age, oldest), 0)
    env = jnp.minimum((uniform[1] * num_envs).astype(jnp.int32), num_envs - 1)
    slots = jnp.concatenate([before, jnp.minimum(before + 1, time)]) % length
    both = _read(ring, slots, jnp.concatenate([env, env]))
    now, record_before = jax.tree.map(lambda x: x[:num_samples], both)
    after, record = jax.tree.map(lambda x: x[num_samples:], both)
    later = jnp.minimum(before + 2, time) % length
    record_after = jax.tree.map(lambda x: x[later, env], ring.record)
    is_there = time >= youngest
    valid = now.alive & now.trained & ~after.first[:, None] & is_there
    if experience.unit == "steps":
        agents = jnp.broadcast_to(jnp.arange(num_agents), valid.shape)
        weight = valid.astype(jnp.float32)
    else:
        agents = jax.vmap(_choose)(valid, uniform[2:].T)
        weight = jnp.mean(valid.astype(jnp.float32), axis=1, keepdims=True)
        weight = jnp.broadcast_to(weight, agents.shape)
    return Transitions(now, after, record_before, record, record_after, agents, weight)


def _sample_shape(experience: Replay, num_agents: int) -> tuple[int, int]:
    """Steps and agents of each, M and C.

    Reading a step costs O(N), learning from an agent a network's pass; several agents share a
    step where reading it would otherwise be a large part.
    """
    if experience.unit == "steps":
        return experience.batch_size, num_agents
    shared = min(max(1, num_agents // AGENTS_A_SAMPLE), experience.batch_size)
    return -(-experience.batch_size // shared), shared


def _read(ring: PackedStep, slot: Int[Array, " M"], env: Int[Array, " M"]) -> tuple[Timestep, Any]:
    packed = jax.tree.map(lambda x: x[slot, env], ring)
    return unpack(packed), packed.record


def _choose(valid: Bool[Array, " N"], uniform: Float[Array, " C"]) -> Int[Array, " C"]:
    """Indices of valid agents, each equally likely; any index where none is valid."""
    cumulative = jnp.cumsum(valid.astype(jnp.int32))
    rank = (uniform * cumulative[-1].astype(jnp.float32)).astype(jnp.int32)
    index = jnp.searchsorted(cumulative, rank, side="right")
    return jnp.minimum(index, valid.shape[0] - 1).astype(jnp.int32)


def _to_bits(*flags: Bool[Array, ...]) -> UInt8[Array, ...]:
    bits = [flag.astype(jnp.uint8) << position for position, flag in enumerate(flags)]
    return sum(bits[1:], start=bits[0])


def _from_bits(bits: UInt8[Array, ...], count: int) -> list[Bool[Array, ...]]:
    return [(bits >> position) & 1 != 0 for position in range(count)]
