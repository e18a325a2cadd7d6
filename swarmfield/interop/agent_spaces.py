"""What one agent does and sees, in Gymnasium's spaces."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Bool, Float, Integer, Num

from swarmfield.types import Box, Discrete, Observation, SwarmfieldError, TeamSpec

MASK = "action_mask"
"""Where PettingZoo looks for the actions that are allowed, inside of an observation."""


class Seen(eqx.Module):
    """What there is to know of a team's N agents at one step."""

    observation: Observation
    legal: Bool[Array, "N A"] | None
    kind: Integer[Array, " N"]
    alive: Bool[Array, " N"]
    reward: Float[Array, " N"]
    terminated: Bool[Array, " N"]
    truncated: Bool[Array, ""]


def action_space(team: TeamSpec) -> spaces.Space[Any]:
    """What one agent of a team may do.

    Raises:
        SwarmfieldError: Something of several kinds at once.
    """
    actions = team.actions
    if isinstance(actions, Discrete):
        return spaces.Discrete(actions.num_actions)
    if isinstance(actions, Box):
        return spaces.Box(actions.low, actions.high, (actions.dimensions,), np.float32)
    raise SwarmfieldError(
        f"An action of team {team.name!r} is of several kinds at once, which PettingZoo has no "
        "form for: control minor agents one by one instead."
    )


def observation_space(team: TeamSpec, seen: Seen) -> spaces.Space[Any]:
    """What one agent of a team sees.

    Args:
        team: The team.
        seen: What there is to know of it, as shapes.

    Raises:
        SwarmfieldError: That is nothing.
    """
    parts: dict[str, spaces.Space[Any]] = {}
    if team.view is not None:
        parts["view"] = spaces.Box(-np.inf, np.inf, team.view, np.float32)
    if team.features:
        parts["features"] = spaces.Box(-np.inf, np.inf, (team.features,), np.float32)
    if not parts:
        raise SwarmfieldError(f"Team {team.name!r} sees nothing: it has no view and no features.")
    if seen.legal is not None:
        return spaces.Dict({**parts, MASK: spaces.MultiBinary(seen.legal.shape[-1])})
    return spaces.Dict(parts) if len(parts) > 1 else next(iter(parts.values()))


def as_action(team: TeamSpec, action: Any) -> Any:
    """An action as its space has it, from numbers in any form; None if they are not numbers."""
    try:
        numbers = np.asarray(action)
    except (TypeError, ValueError):
        return None
    if isinstance(team.actions, Box) and numbers.dtype.kind in "fiu":
        with np.errstate(over="ignore"):
            return numbers.astype(np.float32)
    if isinstance(team.actions, Discrete) and numbers.dtype.kind in "iu" and not numbers.shape:
        return int(numbers)
    return None


def no_actions(team: TeamSpec) -> Num[np.ndarray, "N ..."]:
    """A team's actions, all 0."""
    if isinstance(team.actions, Box):
        return np.zeros((team.num_agents, team.actions.dimensions), np.float32)
    return np.zeros(team.num_agents, np.int32)


def observed(now: Seen, row: int) -> Any:
    """What one agent sees, as its space has it."""
    observation = now.observation
    parts = {"view": observation.view, "features": observation.features}
    rows = {name: part[row] for name, part in parts.items() if part is not None}
    if now.legal is not None:
        return {**rows, MASK: now.legal[row].astype(np.int8)}
    return rows if len(rows) > 1 else next(iter(rows.values()))
