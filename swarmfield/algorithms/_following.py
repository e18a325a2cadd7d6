"""What a tracker learns beside a policy, and measures."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from swarmfield.algorithms._descent import Descent
from swarmfield.algorithms._perception import Senses, embed_steps, see_steps
from swarmfield.mean_field import Outcome, Tracker
from swarmfield.networks import Glimpse, Trunk
from swarmfield.types import PRNGKey, Timestep

Followed = tuple[Any, Any]
"""A tracker's parameters, and its optimizer's state; None for what there is not."""

Metrics = dict[str, Float[Array, ""]]


def start_following(tracker: Tracker | None, descent: Descent, key: PRNGKey) -> Followed:
    """New parameters."""
    parameters = None if tracker is None else tracker.init(key)
    return parameters, None if parameters is None else descent.init(parameters)


def begin(tracker: Tracker | None, timestep: Timestep) -> Any:
    """The tracker's memory where an episode starts."""
    return None if tracker is None else tracker.begin(timestep)


def measure(tracker: Tracker | None, timestep: Timestep, before: Any, record: Any) -> Metrics:
    """Means of what a tracker measures over stored steps `[M, ...]`."""
    if tracker is None:
        return {}
    measured = jax.vmap(tracker.measure)(timestep, before, record)
    return {name: jnp.mean(values) for name, values in measured.items()}


class Steps(NamedTuple):
    """Whole steps to learn from, and those after them.

    `value_next` is V at the step after, 0 where an agent has no future; `share` each agent's
    part of the mean.
    """

    now: Timestep
    after: Timestep
    value_next: Float[Array, "M N"]
    share: Float[Array, "M N"]


def loss_of_steps(
    senses: Senses,
    learned: tuple[Trunk, Any],
    x: Float[Array, "M N X"],
    steps: Steps,
    batch_size: int,
    key: PRNGKey,
) -> tuple[Float[Array, ""], Any]:
    """The tracker's part of the loss, and its sums; 0 and None where it learns nothing.

    Args:
        senses: How the team perceives, and its tracker.
        learned: The policy's trunk, which gets no gradient, and the tracker's parameters.
        x: What the trunk makes of all agents at `steps.now`.
        steps: Some of the batch.
        batch_size: Agents in the whole batch.
        key: Draws what the loss draws.
    """
    learning, (trunk, parameters) = senses.learning, learned
    if learning is None:
        return jnp.zeros(()), None
    x_next = jnp.zeros_like(x)
    if learning.looks_ahead:
        x_next = embed_steps(senses, trunk, steps.after)
    glimpse = Glimpse(see_steps(senses, steps.now), x, steps.now.last_action)
    outcome = Outcome(steps.after.reward, steps.value_next, x_next)
    flat = jax.tree.map(
        lambda y: jax.lax.stop_gradient(y).reshape(-1, *y.shape[2:]),
        (glimpse, outcome, steps.share),
    )
    return learning.loss(parameters, *flat, batch_size, key)


def follow(
    tracker: Tracker | None,
    descent: Descent,
    followed: Followed,
    gradients: Any,
    sums: Any,
    progress: Float[Array, ""],
) -> tuple[Followed, Metrics]:
    """A step of the tracker's own optimizer.

    Args:
        tracker: The tracker.
        descent: How to descend.
        followed: Its parameters and its optimizer's state.
        gradients: Of the parameters.
        sums: What its loss added up over the batch.
        progress: The fraction of the run that is over.
    """
    if tracker is None or tracker.learning is None:
        return followed, {}
    parameters, optimizer, _ = descent.step(followed[0], gradients, followed[1], progress)
    parameters, metrics = tracker.learning.settle(parameters, sums)
    # Never held back: then a choice for every leaf is not even compiled.
    if tracker.learning.until >= 1:
        return (parameters, optimizer), metrics
    learns = progress <= tracker.learning.until
    return jax.tree.map(
        lambda new, old: jnp.where(learns, new, old), (parameters, optimizer), followed
    ), metrics
