"""What a team's agents see, embedded by a trunk and followed by a tracker: at acting time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from swarmfield.batching import for_each
from swarmfield.chunks import in_chunks
from swarmfield.mean_field import Learning, Tracker
from swarmfield.networks import Glimpse, Trunk, TrunkName, agents_at_once
from swarmfield.types import Groups, Observation, PRNGKey, TeamSpec, Timestep, Unpack


class Senses(NamedTuple):
    """How a team perceives. All static."""

    team: TeamSpec
    unpack: Unpack
    trunk: TrunkName
    tracker: Tracker | None

    @property
    def agents_at_once(self) -> int:
        """Agents to look through at a time."""
        return agents_at_once(self.trunk)

    @property
    def steps_at_once(self) -> int:
        """Whole steps of the team to look through at a time."""
        return max(1, self.agents_at_once // self.team.num_agents)

    @property
    def learning(self) -> Learning | None:
        """How the tracker's parameters are learned, if it has any."""
        return None if self.tracker is None else self.tracker.learning


class Player(eqx.Module):
    """The part of a learner that acts."""

    network: Any
    tracker: Any


def player_of(learner: Any) -> Player:
    """The part of a learner that acts; of a player, itself."""
    return learner if isinstance(learner, Player) else Player(learner.network, learner.tracker)


class Recorded(NamedTuple):
    """What acting leaves for learning, that no timestep holds.

    Attributes:
        tracked: The tracker's record.
        provisional: Actions that the field is made of instead of the last ones, or None.
    """

    tracked: Any
    provisional: Any = None


def groups_of(groups: Groups | None, recorded_of: Callable[[Any], Recorded]) -> Groups | None:
    """Everybody's group from the record of acting, where there are groups.

    Args:
        groups: Those of a mean field, from its tracker's record; None where there are none.
        recorded_of: What was recorded for the field, from all that acting records.
    """
    if groups is None:
        return None
    return lambda timestep, record: groups(timestep, recorded_of(record).tracked)


PROVISIONAL, SAMPLING, TRACKING = 2, 3, 4
"""Folded into a key of acting: for provisional actions, for codes and for groups."""


Choose = Callable[[Recorded, PRNGKey], Array]
"""`(recorded, key) -> actions [N]`, by the field of what is recorded."""


def decide(
    choose: Choose, tracked: Any, timestep: Timestep, key: PRNGKey, *, delayed: bool
) -> tuple[Array, Recorded]:
    """Actions, and what is recorded for the field they are chosen by; arguments of `to_record`."""
    recorded = to_record(choose, tracked, timestep, key, delayed=delayed)
    return choose(recorded, key), recorded


def to_record(
    choose: Choose, tracked: Any, timestep: Timestep, key: PRNGKey, *, delayed: bool
) -> Recorded:
    """What a field is made of: the last actions, or provisional ones chosen by the last ones'.

    Args:
        choose: How actions are chosen.
        tracked: The tracker's record.
        timestep: What is acted on.
        key: Draws the actions.
        delayed: As a `MeanField`'s.
    """
    recorded = Recorded(tracked)
    if delayed:
        return recorded
    provisional = choose(recorded, jax.random.fold_in(key, PROVISIONAL))
    return Recorded(tracked, provisional.astype(timestep.last_action.dtype))


def as_if_done(timestep: Timestep, recorded: Recorded) -> Timestep:
    """The timestep with provisional actions, where there are any, as the last ones."""
    if recorded.provisional is None:
        return timestep
    return eqx.tree_at(lambda t: t.last_action, timestep, recorded.provisional)


def see(senses: Senses, timestep: Timestep, agents: Int[Array, " C"]) -> Observation:
    """Some agents' observations."""
    seen = jax.vmap(lambda index: senses.unpack(timestep, index))(agents)
    # Without the barrier XLA unpacks again for every layer that reads the view.
    return jax.lax.optimization_barrier(seen)


def see_steps(senses: Senses, steps: Timestep) -> Observation:
    """All agents' observations at several steps."""
    agents = jnp.arange(senses.team.num_agents)
    return for_each(lambda step: see(senses, step, agents))(steps)


def embed(senses: Senses, trunk: Trunk, timestep: Timestep) -> Float[Array, "N X"]:
    """All agents' embeddings; on the way back views are read again rather than kept."""
    num_agents, chunk = senses.team.num_agents, senses.agents_at_once

    def embed_some(agents: Int[Array, " C"]) -> Float[Array, "C X"]:
        return trunk(see(senses, timestep, agents))

    some = jax.checkpoint(embed_some) if num_agents > chunk else embed_some
    return in_chunks(some, jnp.arange(num_agents), chunk)


def embed_steps(senses: Senses, trunk: Trunk, steps: Timestep) -> Float[Array, "M N X"]:
    """All agents' embeddings at several steps; at once, where all agents of one step are."""
    if senses.team.num_agents > senses.agents_at_once:
        return for_each(partial(embed, senses, trunk))(steps)
    return trunk(see_steps(senses, steps))


def perceive(
    senses: Senses,
    trunk: Trunk,
    parameters: Any,
    timestep: Timestep,
    memory: Any,
    key: PRNGKey,
) -> tuple[Float[Array, "N X"], Any, Any]:
    """All agents' embeddings, the tracker's memory, and what it records.

    Args:
        senses: How the team perceives.
        trunk: The network's.
        parameters: The tracker's.
        timestep: What is to be seen.
        memory: The tracker's so far.
        key: Draws what the tracker draws.
    """
    tracker = senses.tracker
    if tracker is None:
        return embed(senses, trunk, timestep), memory, None

    # Two keys and no split: where one is not used, none of it is computed.
    key_represent, key_track = (jax.random.fold_in(key, use) for use in (SAMPLING, TRACKING))

    def look(agents: Int[Array, " C"]) -> tuple[Float[Array, "C X"], Float[Array, "C Z"]]:
        observation = see(senses, timestep, agents)
        x = trunk(observation)
        keys = jax.vmap(lambda index: jax.random.fold_in(key_represent, index))(agents)
        glimpse = Glimpse(observation, x, timestep.last_action[agents])
        return x, tracker.represent(parameters, glimpse, keys)

    x, z = in_chunks(look, jnp.arange(senses.team.num_agents), senses.agents_at_once)
    memory, record = tracker.track(parameters, timestep, z, memory, key_track)
    return x, memory, record
