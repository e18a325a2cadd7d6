"""Whom a learner trains against, when that changes: itself, its past, or another learner."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from swarmfield.replay import PackedStep
from swarmfield.training.pool import Pool, Sampling, first_pool, next_opponent
from swarmfield.training.window import Tally, next_tally
from swarmfield.types import PRNGKey

OWN = ("self", "pool")
"""Opponents that are the learner itself, at some time."""

RIVAL = "rival"
"""An opponent that learns by a method of its own."""

_DRAW = 2**32 - 5
"""Folded into a run's key for draws from its pool."""


class Rival(eqx.Module):
    """What an opponent is that learns too, by a method of its own.

    Attributes:
        learner: All that it learned and learns with.
        ring: Its experience.
        tally: What its updates came to since the last report.
    """

    learner: PyTree
    ring: PackedStep
    tally: Tally


class Practice(NamedTuple):
    """How the opponent of a run changes. Static.

    Attributes:
        kind: `self` follows the learner, `pool` is one of its past selves, `rival` learns by
            itself at every step; others stay as they are.
        pool_size: Past selves that are kept.
        pool_sampling: How one of them is drawn.
    """

    kind: str
    pool_size: int = 8
    pool_sampling: Sampling = "uniform"

    @property
    def is_own(self) -> bool:
        """Whether the opponent is the learner at some time: it explores as the learner does."""
        return self.kind in OWN

    def first(self, policy: PyTree, given: PyTree) -> PyTree:
        """The opponent at the start: the learner's policy, or what was given."""
        if self.kind == "pool":
            return first_pool(policy, self.pool_size)
        return jax.tree.map(jnp.copy, policy) if self.kind == "self" else given

    def playing(self, opponent: PyTree) -> PyTree:
        """The parameters by which an opponent plays."""
        if isinstance(opponent, Rival):
            return opponent.learner
        return opponent.playing if isinstance(opponent, Pool) else opponent

    def next(
        self,
        opponent: PyTree,
        policy: PyTree,
        met: Bool[Array, ""],
        returns: Float[Array, " P"],
        key: PRNGKey,
    ) -> PyTree:
        """The opponent after a report.

        In self-play, if the learner's episodes earned more than the opponent's, it becomes
        0.99 learner + 0.01 itself. From a pool, one is drawn anew. Of a rival's updates the
        count begins anew.

        Args:
            opponent: As it was.
            policy: The learner's.
            met: Whether any episode ended since the last report.
            returns: Of both players in those.
            key: The run's.
        """
        if self.kind == "pool":
            key = jax.random.fold_in(jax.random.fold_in(key, _DRAW), opponent.joined)
            ahead = returns[1] > returns[0]
            return next_opponent(opponent, policy, met, ahead, self.pool_sampling, key)
        if isinstance(opponent, Rival):
            return eqx.tree_at(lambda r: r.tally, opponent, next_tally(opponent.tally))
        if self.kind != "self":
            return opponent
        rate = jnp.where(met & (returns[0] > returns[1]), 0.99, 0.0)
        return jax.tree.map(lambda kept, new: rate * new + (1 - rate) * kept, opponent, policy)
