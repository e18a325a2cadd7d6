"""Incremental learning: ever more of a team learn, while the others act at random."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from swarmfield.options import require


@dataclass(frozen=True)
class IncrementalConfig:
    """Options of incremental learning. Those with the lowest numbers learn first."""

    start: float = 1.0
    """Share of the team that learns at first, above 0; 1: all of it, always."""
    step: float = 0.2
    """Share that joins each time, above 0."""
    every: float = 0.15
    """Share of the run between times, above 0."""
    reward_scope: Literal["learners", "all"] = "learners"
    """Whose rewards a team's reward (--reward team) is the mean of."""
    newcomers_explore: float = 0.0
    """Who has just joined explores at least so much (a temperature or epsilon, as the
    algorithm's), falling to 0 until the next join."""

    def __post_init__(self) -> None:
        check = partial(require, self, prefix="incremental.")
        for name in ("start", "step", "every"):
            check(name, lambda x: 0 < x <= 1, "above 0 and at most 1")
        check("newcomers_explore", lambda x: 0 <= x < 1e6, "at least 0")

    @property
    def is_on(self) -> bool:
        """Whether there is a time at which not all learn."""
        return self.start < 1


def number_learning(
    config: IncrementalConfig, num_agents: int, stage: Int[Array, ""]
) -> Int[Array, ""]:
    """Agents that learn at a stage: n = round(N min(1, start + step stage)), at least 1."""
    share = jnp.minimum(config.start + config.step * stage, 1.0)
    return jnp.maximum(jnp.round(share * num_agents), 1).astype(jnp.int32)


def learning(
    config: IncrementalConfig, num_agents: int, progress: Float[Array, ""]
) -> Bool[Array, " N"]:
    """Who learns when a fraction `progress` of the run is over.

    A stage lasts `every` of the run; with each, `step` of the team joins.

    Source: Balsells et al. 2025, who leave sizes and times open.
    """
    count = number_learning(config, num_agents, _stage(config, progress))
    return jnp.arange(num_agents) < count


def exploring(
    config: IncrementalConfig,
    num_agents: int,
    progress: Float[Array, ""],
    explore: Float[Array, ""],
) -> Float[Array, " N"]:
    """How much each agent explores: newcomers at least as much as they are told to."""
    stage = _stage(config, progress)
    old = number_learning(config, num_agents, stage - 1)
    is_new = (jnp.arange(num_agents) >= old) & (stage > 0)
    left = jnp.clip(1.0 - (progress / config.every - stage), 0.0, 1.0)
    # Those who joined last go on until everybody's next stage would have come.
    return jnp.maximum(explore, jnp.where(is_new, config.newcomers_explore * left, 0.0))


def _stage(config: IncrementalConfig, progress: Float[Array, ""]) -> Int[Array, ""]:
    """Joins until then; a fraction that is rounded down from a join's own time is at it."""
    return jnp.floor(progress / config.every + 1e-5).astype(jnp.int32)
