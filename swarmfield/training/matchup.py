"""Who plays which team: the learner on one side, an opponent on the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int16, Key

from swarmfield import distributions
from swarmfield.batching import for_each
from swarmfield.chunks import in_chunks
from swarmfield.devices import apart, num_apart
from swarmfield.mean_field import action_size
from swarmfield.types import (
    Algorithm,
    Box,
    Environment,
    Groups,
    PRNGKey,
    SwarmfieldError,
    TeamSpec,
    Timestep,
)

AGENTS_AT_ONCE = {"cpu": 1024}
"""Agents, of all environments, that act at a time: what they compute stays in a CPU's cache.
65536 on an accelerator. It changes no result."""


class Policy(NamedTuple):
    """How one player acts: `begin`, `act`, `groups` of an `Algorithm`, for one environment."""

    begin: Callable[..., Any]
    act: Callable[..., tuple[Array, Any, Any]]
    groups: Groups | None = None


def policy_of(algorithm: Algorithm) -> Policy:
    """How a learner acts."""
    return Policy(algorithm.begin, algorithm.act, algorithm.groups)


def random_policy(team: TeamSpec) -> Policy:
    """Uniform over the legal actions, or over a box; needs no parameters."""
    shape = team.num_agents, action_size(team)

    def act(
        _learner: Any, timestep: Timestep, memory: None, key: PRNGKey, _explore: Float[Array, " N"]
    ) -> tuple[Array, None, None]:
        if isinstance(team.actions, Box):
            low, high = team.actions.low, team.actions.high
            return jax.random.uniform(key, shape, minval=low, maxval=high), memory, None
        probabilities = distributions.uniform(shape, timestep.legal)
        return distributions.sample(probabilities, key), memory, None

    return Policy(lambda *_: None, act)


class Sides(NamedTuple):
    """The teams of a match.

    Where sides are interchangeable, the learner plays the first side in the first half of the
    parallel environments and the second side in the rest, so that no advantage of a side is
    taken for skill.

    Attributes:
        home: Team on the learner's side.
        away: Team on the other side, None in a cooperative environment.
        swapped: Whether sides are swapped in half of the environments.
    """

    home: TeamSpec
    away: TeamSpec | None
    swapped: bool

    def split(self, timesteps: dict[str, Timestep]) -> tuple[Timestep, Timestep | None]:
        """The learner's and the opponent's timesteps `[E, ...]`."""
        if self.away is None:
            return timesteps[self.home.name], None
        first, second = timesteps[self.home.name], timesteps[self.away.name]
        if not self.swapped:
            return first, second
        return _cross(first, second), _cross(second, first)

    def join(self, learner: Any, opponent: Any) -> dict[str, Any]:
        """Actions `[E, N]`, or anything else, of both, under their teams' names."""
        if self.away is None or opponent is None:
            return {self.home.name: learner}
        if self.swapped:
            return {
                self.home.name: _cross(learner, opponent),
                self.away.name: _cross(opponent, learner),
            }
        return {self.home.name: learner, self.away.name: opponent}


def sides_of(environment: Environment, team: str | None = None) -> Sides:
    """Who plays which team.

    Args:
        environment: Where they play.
        team: The learner's, where sides are not interchangeable; the first side's if None.

    Raises:
        SwarmfieldError: If a side has several teams, or the learner's cannot be chosen so.
    """
    if any(len(side) != 1 for side in environment.sides):
        raise SwarmfieldError(
            f"The sides of {environment.name!r} are {environment.sides}, but a side must be one "
            "team to be trained."
        )
    teams = {team.name: team for team in environment.teams}
    players = [teams[side[0]] for side in environment.sides]
    if team is not None:
        _require_choice(environment, team)
        players.sort(key=lambda player: player.name != team)
    away = players[1] if len(players) > 1 else None
    return Sides(players[0], away, environment.interchangeable)


def _require_choice(environment: Environment, team: str) -> None:
    """Refuse to choose the learner's team where there is no choice, or one that there is not."""
    names = [name for side in environment.sides for name in side]
    if environment.interchangeable or len(names) == 1:
        played = "both sides" if environment.interchangeable else "the only one"
        raise SwarmfieldError(
            f"--team is {team!r}, but in {environment.description} the learner plays {played};"
            " leave the option out."
        )
    if team not in names:
        raise SwarmfieldError(f"--team is {team!r}, but must be one of: {', '.join(names)}.")


def _cross(first: Any, second: Any) -> Any:
    """The first half of the environments from one, the rest from the other."""

    def cross(x: Array, y: Array) -> Array:
        half = -(-x.shape[0] // 2)
        if num_apart() == 1:
            return jnp.concatenate([x[:half], y[half:]])
        # Nothing moves from one environment to another, and so from one device to another.
        in_first = jnp.arange(x.shape[0]) < half
        return jnp.where(in_first.reshape(-1, *[1] * (x.ndim - 1)), x, y)

    return jax.tree.map(cross, first, second)


_BEGIN = 1
"""Folded into a key of acting for what a new episode's memory draws."""


def act(
    policy: Policy,
    learner: Any,
    timestep: Timestep,
    memory: Any,
    key: PRNGKey,
    explore: Float[Array, ...],
) -> tuple[Array, Any, Any]:
    """Actions of one player in all environments `[E, ...]`, in chunks of environments.

    How much to explore is one number, or each agent's.
    """
    num_agents = timestep.alive.shape[1]
    at_once = AGENTS_AT_ONCE.get(jax.default_backend(), 65_536)

    def act_in_one(
        inputs: tuple[Timestep, Any, PRNGKey], learner: Any, explore: Array
    ) -> tuple[Array, Any, Any]:
        one, kept, key_one = inputs
        begun = policy.begin(learner, one, kept, jax.random.fold_in(key_one, _BEGIN))
        kept = jax.tree.map(lambda new, old: jnp.where(one.first, new, old), begun, kept)
        return policy.act(learner, one, kept, key_one, jnp.broadcast_to(explore, (num_agents,)))

    def act_in_all(shared: tuple[Any, Array], each: Any) -> Any:
        act_in_some = for_each(act_in_one)
        return in_chunks(
            lambda some: act_in_some(some, *shared), each, max(1, at_once // num_agents)
        )

    return apart(act_in_all)((learner, explore), (timestep, memory, key))


def begin(policy: Policy, learner: Any, timestep: Timestep, key: PRNGKey) -> Any:
    """The memory of one player at the very first timestep `[E, ...]`."""

    def begin_in_all(learner: Any, each: tuple[Timestep, PRNGKey]) -> Any:
        return jax.vmap(lambda one, k: policy.begin(learner, one, None, k))(*each)

    return apart(begin_in_all)(learner, (timestep, key))


class Keys(NamedTuple):
    """What each environment draws from at one time, by purpose: `[E]` each."""

    environment: PRNGKey
    learner: PRNGKey
    opponent: PRNGKey


Both = tuple[Any, Any]
"""Something of the learner's and of the opponent's; None where there is no opponent."""


def begin_both(
    sides: Sides,
    policies: tuple[Policy, Policy | None],
    parameters: Both,
    timesteps: dict[str, Timestep],
    keys: Keys,
) -> Both:
    """Both players' memories at the very first timesteps `[E, ...]`."""
    home, away = sides.split(timesteps)
    memory = begin(policies[0], parameters[0], home, keys.learner)
    if policies[1] is None or away is None:
        return memory, None
    return memory, begin(policies[1], parameters[1], away, keys.opponent)


def act_both(
    sides: Sides,
    policies: tuple[Policy, Policy | None],
    parameters: Both,
    timesteps: dict[str, Timestep],
    memories: Both,
    keys: Keys,
    explore: tuple[Array, Array],
) -> tuple[dict[str, Array], Both, Both]:
    """Both players' actions `[E, N]` by team, their memories, and their records."""
    home, away = sides.split(timesteps)
    actions, memory, record = act(
        policies[0], parameters[0], home, memories[0], keys.learner, explore[0]
    )
    if policies[1] is None or away is None:
        return sides.join(actions, None), (memory, None), (record, None)
    answers, other, its_record = act(
        policies[1], parameters[1], away, memories[1], keys.opponent, explore[1]
    )
    return sides.join(actions, answers), (memory, other), (record, its_record)


def have_groups(policies: tuple[Policy, Policy | None]) -> bool:
    """Whether any player acts in groups."""
    return any(policy is not None and policy.groups is not None for policy in policies)


def groups_both(
    sides: Sides,
    policies: tuple[Policy, Policy | None],
    timesteps: dict[str, Timestep],
    records: Both,
) -> dict[str, Int16[Array, "E N"]] | None:
    """The group in which each agent of both players acted, by team, -1 for none.

    None where nobody has groups.
    """

    def label(policy: Policy | None, timestep: Timestep, record: Any) -> Int16[Array, "E N"]:
        if policy is None or policy.groups is None:
            return jnp.full(timestep.alive.shape, -1, jnp.int16)
        return jax.vmap(policy.groups)(timestep, record).astype(jnp.int16)

    if not have_groups(policies):
        return None
    home, away = sides.split(timesteps)
    learner = label(policies[0], home, records[0])
    return sides.join(learner, None if away is None else label(policies[1], away, records[1]))


def env_keys(key: PRNGKey, time: Array | int, num_envs: int) -> Keys:
    """Keys of a time, each environment's and purpose's its own."""
    return split_keys(key, time, num_envs, 0)[0]


def split_keys(
    key: PRNGKey, time: Array | int, num_envs: int, num_more: int
) -> tuple[Keys, Key[Array, " M"]]:
    """The same and some more keys `[num_more]` of that time, in one draw."""
    now = jax.random.fold_in(key, time)
    num_keys = len(Keys._fields) * num_envs
    numbers = jnp.arange(num_keys + num_more)
    keys = jax.vmap(lambda number: jax.random.fold_in(now, number))(numbers)
    return Keys(*keys[:num_keys].reshape(-1, num_envs)), keys[num_keys:]
