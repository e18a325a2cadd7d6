"""What the description and the timesteps of every environment must satisfy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from swarmfield.types import Box, Discrete, Environment, SwarmfieldError, TeamSpec, Timestep

_TYPES = {
    "first": np.bool_,
    "alive": np.bool_,
    "kind": np.integer,
    "reward": np.floating,
    "terminated": np.bool_,
    "truncated": np.bool_,
    "trained": np.bool_,
}
_SCALARS = ("first", "truncated")


def require(holds: Any, sentence: str) -> None:
    """Refuse with a sentence unless everything holds."""
    if not bool(np.all(holds)):
        raise SwarmfieldError(sentence)


def check_interface(environment: Any) -> None:
    """It has everything that an environment has."""
    lacks = [name for name in _PARTS if not hasattr(environment, name)]
    require(
        not lacks and not isinstance(environment, type),
        f"{environment!r} is no environment (it lacks {', '.join(lacks) or 'an instance'}): give "
        "what the class returns, with all that `swarmfield.types.Environment` lists.",
    )


_PARTS = (
    *("name", "teams", "sides", "interchangeable", "max_steps", "extent", "description"),
    *("reset", "step", "observe", "unpack", "scene"),
)


def check_traceable(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """It can be compiled, and returns a state and timesteps.

    Returns:
        Shapes of both.
    """
    try:
        found = jax.eval_shape(function, *arguments)
    except SwarmfieldError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        raise SwarmfieldError(
            f"{what} cannot be compiled ({reason}): compute with jax.numpy on its arguments alone, "
            "and choose by jnp.where, not by `if`."
        ) from error
    pair = isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], Mapping)
    require(
        pair and all(isinstance(each, Timestep) for each in found[1].values()),
        f"{what} must return the state and a dictionary with a Timestep of each team.",
    )
    return found


def check_description(environment: Environment) -> None:
    """Teams and sides are named once, and interchangeable ones are equal."""
    names = [team.name for team in environment.teams]
    require(len(set(names)) == len(names), f"two teams have the same name: {names}.")
    sided = [name for side in environment.sides for name in side]
    require(
        sorted(sided) == sorted(names),
        f"the sides are {environment.sides}, but must name each of the teams {names} once.",
    )
    require(environment.max_steps >= 1, f"max_steps is {environment.max_steps}, not positive.")
    if environment.interchangeable:
        specs = {
            name: team._replace(name="")
            for name, team in zip(names, environment.teams, strict=True)
        }
        sides = [[specs[name] for name in side] for side in environment.sides]
        require(
            all(side == sides[0] for side in sides),
            "the sides are interchangeable, but their teams differ: set interchangeable=False.",
        )


def check_reset(environment: Environment, timesteps: Mapping[str, Timestep]) -> None:
    """Nothing has happened yet."""
    names = [team.name for team in environment.teams]
    require(
        sorted(timesteps) == sorted(names),
        f"reset returns {sorted(timesteps)}, but the teams are {names}.",
    )
    for team in environment.teams:
        timestep = timesteps[team.name]
        _check_shapes(team, timestep)
        at = f"at the reset of team {team.name}"
        require(timestep.first, f"first is false {at}.")
        require(np.asarray(timestep.reward) == 0, f"there is a reward {at}: it must be 0.")
        require(~np.asarray(timestep.terminated), f"somebody is terminated {at}.")
        require(~np.asarray(timestep.truncated), f"truncated is true {at}.")
        require(np.asarray(timestep.trained), f"trained is not all true {at}.")
        if isinstance(team.actions, Discrete):
            none = np.asarray(timestep.last_action) == team.actions.num_actions
            require(none, f"last_action is not num_actions, which means none, {at}.")
        if isinstance(team.actions, Box):
            none = np.asarray(timestep.last_action) == 0
            require(none, f"last_action is not zero, which means none, {at}.")


def _check_shapes(team: TeamSpec, timestep: Timestep) -> None:
    n, actions = team.num_agents, team.actions
    expected: dict[str, tuple[tuple[int, ...], type]] = {
        name: (() if name in _SCALARS else (n,), kind) for name, kind in _TYPES.items()
    }
    if isinstance(actions, Discrete):
        expected["last_action"] = ((n,), np.integer)
    if isinstance(actions, Box):
        expected["last_action"] = ((n, actions.dimensions), np.floating)
    if isinstance(actions, Discrete) and timestep.legal is not None:
        expected["legal"] = ((n, actions.num_actions), np.bool_)
    for name, (shape, kind) in expected.items():
        value = getattr(timestep, name)
        require(
            value.shape == shape and jnp.issubdtype(value.dtype, kind),
            f"{name} of team {team.name} is {value.dtype}{list(value.shape)}, but must be"
            f" {kind.__name__}{list(shape)}.",
        )
    shape = timestep.position.shape
    require(
        len(shape) == 2 and shape[0] == n,
        f"position of team {team.name} has shape {list(shape)}, but must be [{n}, D].",
    )
    _check_cells(team, timestep)


def _check_cells(team: TeamSpec, timestep: Timestep) -> None:
    """Who is said to stand on the cells of a map does."""
    if team.cells is None:
        return
    place = np.asarray(timestep.position)
    on_map = np.issubdtype(place.dtype, np.integer) and place.shape[1] == len(team.cells)
    require(
        on_map and bool(((place >= 0) & (place < team.cells)).all()),
        f"a position of team {team.name} is no cell of its map of {team.cells[0]} columns and"
        f" {team.cells[1]} rows.",
    )


def check_limit(environment: Environment, timesteps: Mapping[str, Timestep], played: int) -> None:
    """An episode is cut off at the time limit, if not before."""
    for name, timestep in timesteps.items():
        require(
            bool(timestep.truncated) or played < environment.max_steps,
            f"truncated of team {name} is false after {played} steps, but max_steps is"
            f" {environment.max_steps}.",
        )


def check_life(team: TeamSpec, old: Timestep, new: Timestep) -> None:
    """A life ends once, without return and without pay."""
    was_alive, alive = np.asarray(old.alive), np.asarray(new.alive)
    reward, terminated = np.asarray(new.reward), np.asarray(new.terminated)
    of = f"of team {team.name}"
    require(~new.first, f"first {of} is true after a step.")
    require(was_alive | ~alive, f"an agent {of} comes back to life.")
    require(np.isfinite(reward), f"a reward {of} is not finite.")
    require(reward[~was_alive] == 0, f"an agent {of} that was dead before the step is paid.")
    require(was_alive | ~terminated, f"an agent {of} that was dead already is terminated again.")
    died = was_alive & ~alive
    require(terminated[died], f"an agent {of} dies without being terminated.")
    _check_cells(team, new)
    for name, value in new.measures.items():
        require(value.shape == () and np.isfinite(value), f"measure {name} {of} is not a number.")
    if new.legal is not None:
        require(np.asarray(new.legal)[alive].any(axis=1), f"an agent {of} has no legal action.")
    if isinstance(team.actions, Discrete):
        last = np.asarray(new.last_action)[was_alive]
        in_range = (last >= 0) & (last <= team.actions.num_actions)
        require(in_range, f"a last_action {of} is no action: it must be in 0 ... num_actions.")
    if isinstance(team.actions, Box):
        last = np.asarray(new.last_action)[was_alive]
        low, high = team.actions.low, team.actions.high
        in_range = (last >= low) & (last <= high)
        require(in_range, f"a last_action {of} is no action: it must be in {low} ... {high}.")
