"""What a tracker learns beside a policy, and measures."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from swarmfield.algorithms._descent import Descent
from swarmfield.mean_field import Tracker
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


def measure(tracker: Tracker | None, timestep: Timestep, record: Any, next_record: Any) -> Metrics:
    """Means of what a tracker measures over stored steps `[M, ...]`."""
    if tracker is None:
        return {}
    measured = jax.vmap(tracker.measure)(timestep, record, next_record)
    return {name: jnp.mean(values) for name, values in measured.items()}


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
    learns = progress <= tracker.learning.until
    return jax.tree.map(
        lambda new, old: jnp.where(learns, new, old), (parameters, optimizer), followed
    ), metrics
