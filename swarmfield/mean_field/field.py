"""What a mean field is: a function of a timestep, with one part for each agent."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num, PyTree

from swarmfield.networks import FieldReader, Glimpse
from swarmfield.types import (
    Box,
    Discrete,
    Groups,
    Observation,
    PRNGKey,
    SwarmfieldError,
    TeamSpec,
    Timestep,
)

FEW = 32
"""Fewer agents than these are better looked at one by one than from tables of the whole team."""

Part = PyTree
"""What of a field concerns one agent: a tuple of vectors, or what the field's reader takes."""


class Learning(NamedTuple):
    """How a tracker's parameters are learned, beside a policy and in its batches.

    Attributes:
        loss: `(parameters, glimpse, outcome, share [B], batch_size, key) -> part of the loss,
            sums`, of some of the batch; both are added up over all of it.
        looks_ahead: Whether the loss needs the next step's embedding.
        until: The fraction of the run after which nothing is learned any more.
        settle: `(parameters, sums) -> parameters, metrics`, after a step down the loss.
    """

    loss: Callable[..., tuple[Float[Array, ""], Any]]
    settle: Callable[[Any, Any], tuple[Any, dict[str, Float[Array, ""]]]]
    looks_ahead: bool
    until: float


class Tracker(NamedTuple):
    """What follows a team from step to step, for fields that are no function of one timestep.

    What it finds out is recorded, so that the field of a stored step can be computed again.

    Attributes:
        init: `(key) -> parameters`.
        begin: `(timestep) -> memory`, where an episode starts.
        represent: `(parameters, glimpse, keys [B]) -> z [B, Z]` of any agents.
        track: `(parameters, timestep, z [N, Z], memory, key) -> memory, record`.
        learning: How the parameters are learned, or None where there are none.
        measure: `(timestep, record_before, record) -> metrics` of one stored step, from what was
            recorded on the way to it and at it.
    """

    init: Callable[[PRNGKey], Any]
    begin: Callable[[Timestep], Any]
    represent: Callable[[Any, Glimpse, PRNGKey], Float[Array, "B Z"]]
    track: Callable[..., tuple[Any, Any]]
    learning: Learning | None
    measure: Callable[..., dict[str, Float[Array, ""]]]


class MeanField(NamedTuple):
    """A summary of the others.

    Attributes:
        compute: `(timestep, record) -> field`, of one environment; `record` is the tracker's.
        at: `(field, index) -> part`, one agent's, of what `compute` or `compute_for_few` gave.
        reader: `(key) -> module` that turns parts into numbers for a network; None for no field.
        tracker: What must be followed from step to step, if anything.
        delayed: The field is made of the last step's actions. If not, everybody first chooses
            provisionally by it, and then by the field of those choices.
        groups: `(timestep, record) -> group [N]` of a field that sorts agents into groups, for
            people to see; None for any other.
        compute_for_few: The same as `compute`, to the bit, where few agents are asked for and
            what pays for many does not; None where it is all one.
    """

    compute: Callable[[Timestep, Any], Any]
    at: Callable[[Any, Int[Array, ""]], Part]
    reader: Callable[[PRNGKey], Any] | None
    tracker: Tracker | None = None
    delayed: bool = True
    groups: Groups | None = None
    compute_for_few: Callable[[Timestep, Any], Any] | None = None


def parts_of(
    field: MeanField, timestep: Timestep, record: Any, num_asked: int
) -> Callable[[Int[Array, " C"]], Part]:
    """A function that gives agents' parts of a field at a timestep.

    Args:
        field: The field.
        timestep: A step of one environment.
        record: What the field's tracker recorded at it.
        num_asked: Agents that it will be called on, in all.
    """
    few = field.compute_for_few if num_asked < FEW else None
    value = (few or field.compute)(timestep, record)
    return jax.vmap(partial(field.at, value))


def none() -> MeanField:
    """No field: independent learners."""
    return MeanField(lambda _timestep, _record: None, lambda _field, _index: None, None)


def read_vectors(*sizes: int) -> Callable[[PRNGKey], FieldReader]:
    """A reader of parts that are tuples of vectors of these sizes."""
    return lambda key: FieldReader(sizes, key)


def num_actions(team: TeamSpec) -> int:
    """Number of a team's discrete actions; anything else is refused."""
    if not isinstance(team.actions, Discrete):
        raise SwarmfieldError(
            f"This method needs discrete actions, but team {team.name!r} has {team.actions}; "
            "choose an algorithm for continuous actions: ac, mfac, gatmf or bmf_ac."
        )
    return team.actions.num_actions


def action_size(team: TeamSpec) -> int:
    """Numbers of an action's vector u: of a one-hot, or of a continuous action itself.

    Raises:
        SwarmfieldError: The team takes several actions at once.
    """
    if isinstance(team.actions, Box):
        return team.actions.dimensions
    return num_actions(team)


def action_vectors(action: Num[Array, ...], size: int) -> Float[Array, "... A"]:
    """u: one-hots of whole numbers, zero where out of range; real vectors as they are.

    Args:
        action: Discrete actions `[...]`, or continuous ones `[..., A]`.
        size: A, as `action_size` gives it.
    """
    if jnp.issubdtype(action.dtype, jnp.floating):
        return action
    return jax.nn.one_hot(action, size)


def observed_size(team: TeamSpec) -> int:
    """Numbers of an observation, its view laid out in a row."""
    return math.prod(team.view or (0,)) + team.features


def in_a_row(observation: Observation) -> Float[Array, "... D"]:
    """All that was seen, as one vector."""
    view, features = observation
    parts = [] if view is None else [view.reshape(*view.shape[:-3], -1)]
    return jnp.concatenate([*parts, *([] if features is None else [features])], axis=-1)


def observed_and_done(
    observation: Observation, action: Num[Array, ...], size: int
) -> Float[Array, "... D"]:
    """(o, u) of agents, as one vector: all they saw, and the action's vector.

    Args:
        observation: What they saw.
        action: What they did, as `action_vectors` takes it.
        size: A, as `action_size` gives it.
    """
    return jnp.concatenate([in_a_row(observation), action_vectors(action, size)], axis=-1)
