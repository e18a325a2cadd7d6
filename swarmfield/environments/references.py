"""Scripted players, by the name of their environment and their own."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from swarmfield.environments import (
    bar_reference,
    firefighter_reference,
    miners_reference,
    pursuit_evasion_reference,
    spread_reference,
)
from swarmfield.environments.m3fc import reference as m3fc_reference
from swarmfield.environments.scripted import Choose
from swarmfield.types import Box, Environment, SwarmfieldError

SCRIPTED: dict[str, Mapping[str, Choose]] = {
    "firefighter": firefighter_reference.POLICIES,
    "miners": miners_reference.POLICIES,
    "bar": bar_reference.POLICIES,
    "spread": spread_reference.POLICIES,
    "pursuit_evasion": pursuit_evasion_reference.POLICIES,
    **m3fc_reference.POLICIES,
}
"""A player of either kind of actions only is among them too."""


def scripted_players(world: Environment) -> dict[str, Choose]:
    """Those who can act in a world.

    Raises:
        SwarmfieldError: Its environment has none, or none that acts as this one asks.
    """
    if world.name not in SCRIPTED:
        raise SwarmfieldError(
            f"{world.name!r} has no scripted players; choose one of {', '.join(SCRIPTED)}."
        )
    players = SCRIPTED[world.name]
    able = {name: choose for name, choose in players.items() if _can_act(choose, world)}
    if not able:
        kind = "continuous" if isinstance(world.teams[0].actions, Box) else "discrete"
        raise SwarmfieldError(
            f"No scripted player of {world.name!r} has {kind} actions; choose the other kind by "
            "an --env option."
        )
    return able


def _can_act(choose: Choose, world: Environment) -> bool:
    """Whether what a player returns is a team's actions."""
    (team,) = world.teams
    state, _ = jax.eval_shape(world.reset, jax.random.key(0))
    said = jax.eval_shape(lambda state, key: choose(world, state, key), state, jax.random.key(0))
    if isinstance(team.actions, Box):
        return said.shape == (team.num_agents, team.actions.dimensions)
    return said.shape == (team.num_agents,) and jnp.issubdtype(said.dtype, jnp.integer)
