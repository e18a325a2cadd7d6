"""The properties that every environment must have, as a check that anyone can run on theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from swarmfield.environments.guarantees import (
    check_description,
    check_interface,
    check_life,
    check_limit,
    check_reset,
    check_traceable,
    require,
)
from swarmfield.types import (
    Actions,
    Box,
    Environment,
    PRNGKey,
    Product,
    TeamSpec,
    Timestep,
)

_NUM_WORLDS = 3
_UNPACK_TOLERANCE = 1e-5
_BATCH_TOLERANCE = 1e-5
"""Sums of a batch may be taken in another order."""


class _Compiled(NamedTuple):
    """An environment, compiled once for all checks."""

    environment: Environment
    reset: Callable[..., Any]
    step: Callable[..., Any]


class _Moment(NamedTuple):
    """One step of an episode, with all that it was made from."""

    key: PRNGKey
    before: Any
    actions: dict[str, Array]
    previous: dict[str, Timestep]
    state: Any
    timesteps: dict[str, Timestep]


def check_environment(environment: Environment, key: PRNGKey, num_steps: int = 32) -> None:
    """Play random legal actions and check what every environment must guarantee.

    Checked are: the description of its teams and sides; shapes and types of every timestep, and
    that they never change; what a reset looks like; that the dead stay dead, are paid nothing,
    and that their actions are ignored; that a life ends once; that numbers are finite; that
    positions are on the map, where there is one of cells; that the time limit holds; that some
    action is always legal; that everything follows from the key; that worlds in a batch are
    what they are alone; and that unpacked and exact observations have the announced shapes and
    agree.

    Args:
        environment: The environment.
        key: Where all randomness comes from.
        num_steps: Steps to play; episodes that end begin anew.

    Raises:
        SwarmfieldError: A property does not hold; the message says which.

    Example:
        >>> import jax
        >>> from swarmfield.environments import make
        >>> check_environment(make("battle", map_size=12), jax.random.key(0), num_steps=2)
    """
    check_interface(environment)
    check_description(environment)
    begun = check_traceable("reset", environment.reset, key)
    actions = jax.eval_shape(partial(_joint_actions, environment), begun[1], key)
    check_traceable("step", environment.step, key, begun[0], actions)
    compiled = _Compiled(environment, jax.jit(environment.reset), jax.jit(environment.step))
    key_play, key_batch = jax.random.split(key)
    moments = list(_play(compiled, key_play, num_steps))
    for moment in moments:
        for team in environment.teams:
            check_life(team, moment.previous[team.name], moment.timesteps[team.name])
        _check_repeatable(compiled, moment)
    for moment in moments[-1:]:
        _check_observations(environment, moment)
        _check_scene(environment, moment.state)
        _check_batch(compiled, key_batch, moment.actions)


def random_actions(team: TeamSpec, timestep: Timestep, key: PRNGKey) -> Array:
    """Uniformly random legal actions of a team."""
    return _draw(team.actions, team.num_agents, timestep.legal, key)


def _draw(actions: Actions, count: int, legal: Array | None, key: PRNGKey) -> Array:
    if isinstance(actions, Product):
        keys = jax.random.split(key, len(actions.parts))
        pairs = zip(actions.parts, keys, strict=True)
        drawn = [_draw(part, count, None, key) for part, key in pairs]
        return jnp.concatenate([x.reshape(count, -1).astype(jnp.float32) for x in drawn], axis=1)
    if isinstance(actions, Box):
        shape = (count, actions.dimensions)
        return jax.random.uniform(key, shape, minval=actions.low, maxval=actions.high)
    chance = jax.random.uniform(key, (count, actions.num_actions))
    return jnp.argmax(chance if legal is None else jnp.where(legal, chance, -1.0), axis=1)


def _play(compiled: _Compiled, key: PRNGKey, num_steps: int) -> Iterator[_Moment]:
    """Play, starting again where an episode ends."""
    environment = compiled.environment
    key, key_reset = jax.random.split(key)
    state, timesteps = compiled.reset(key_reset)
    check_reset(environment, timesteps)
    form, played = _form((state, timesteps)), 0
    for _ in range(num_steps):
        key, key_step, key_act, key_reset = jax.random.split(key, 4)
        actions = _joint_actions(environment, timesteps, key_act)
        before, previous = state, timesteps
        state, timesteps = compiled.step(key_step, state, actions)
        played += 1
        require(
            _form((state, timesteps)) == form,
            "step returns other shapes, types or measures than reset: they must be the same.",
        )
        check_limit(environment, timesteps, played)
        yield _Moment(key_step, before, actions, previous, state, timesteps)
        if _is_over(timesteps):
            state, timesteps = compiled.reset(key_reset)
            played = 0


def _joint_actions(
    environment: Environment, timesteps: Mapping[str, Timestep], key: PRNGKey
) -> dict[str, Array]:
    keys = jax.random.split(key, len(environment.teams))
    return {
        team.name: random_actions(team, timesteps[team.name], key)
        for team, key in zip(environment.teams, keys, strict=True)
    }


def _form(tree: Any) -> Any:
    return jax.tree.structure(tree), [(x.shape, x.dtype) for x in jax.tree.leaves(tree)]


def _is_over(timesteps: Mapping[str, Timestep]) -> bool:
    every = list(timesteps.values())
    lives = any(bool(np.any(t.alive & ~t.terminated)) for t in every)
    return bool(every[0].truncated) or not lives


def _check_repeatable(compiled: _Compiled, moment: _Moment) -> None:
    """The same key gives the same step, and actions of the dead change nothing."""
    again = compiled.step(moment.key, moment.before, moment.actions)
    _require_equal(again, (moment.state, moment.timesteps), "the same key gives different steps.")
    alive = {name: timestep.alive for name, timestep in moment.previous.items()}
    if all(bool(np.all(lives)) for lives in alive.values()):
        return
    others = {name: _only_of(alive[name], action) for name, action in moment.actions.items()}
    state, timesteps = moment.state, moment.timesteps
    other_state, told = compiled.step(moment.key, moment.before, others)
    for _ in range(_STEPS_AFTER_THE_DEAD):
        for name, timestep in timesteps.items():
            _require_equal(
                _outcome(told[name], alive[name]),
                _outcome(timestep, alive[name]),
                "the actions of the dead change what happens.",
            )
        state, timesteps = compiled.step(moment.key, state, others)
        other_state, told = compiled.step(moment.key, other_state, others)


_STEPS_AFTER_THE_DEAD = 3
"""Steps within which an action of the dead would show."""


def _only_of(alive: Bool[Array, " N"], actions: Array) -> Array:
    """Zero for the dead."""
    return jnp.where(alive.reshape(-1, *[1] * (actions.ndim - 1)), actions, 0)


def _outcome(timestep: Timestep, alive: Bool[Array, " N"]) -> tuple[Any, ...]:
    """All that is told, without what those did who were dead."""
    lived = np.asarray(alive)
    of_living = jax.tree.map(
        lambda x: np.asarray(x)[lived], (timestep.own, timestep.last_action, timestep.legal)
    )
    fields = ("shared", "alive", "kind", "position", "reward", "terminated", "measures")
    return (of_living, *(getattr(timestep, name) for name in fields))


def _check_observations(environment: Environment, moment: _Moment) -> None:
    for team in environment.teams:
        timestep = moment.timesteps[team.name]
        unpack = partial(environment.unpack, team.name, timestep)
        packed = jax.jit(jax.vmap(unpack))(jnp.arange(team.num_agents))
        exact = jax.jit(partial(environment.observe, team=team.name))(moment.state)
        features = (team.num_agents, team.features) if team.features else None
        view = (team.num_agents, *team.view) if team.view else None
        alive = np.asarray(timestep.alive)
        for part, shape in (("view", view), ("features", features)):
            found = [getattr(observation, part) for observation in (packed, exact)]
            require(
                all((None if x is None else x.shape) == shape for x in found),
                f"{part} of team {team.name} must be {shape}, as its specification says, both"
                " unpacked and observed.",
            )
            _check_agreement(f"{part} of team {team.name}", found[0], found[1], alive)


def _check_agreement(
    what: str, packed: Array | None, exact: Array | None, alive: np.ndarray
) -> None:
    if packed is None or exact is None:
        return
    require(packed.dtype == jnp.float32, f"{what} is {packed.dtype}, but must be float32.")
    error = np.abs(np.asarray(packed) - np.asarray(exact))[alive]
    require(error <= _UNPACK_TOLERANCE, f"{what} unpacks to something else than is observed.")


def _check_scene(environment: Environment, state: Any) -> None:
    scene = environment.scene(state)
    bodies = scene.alive.shape
    require(
        len(bodies) == 1
        and all(x.shape[:1] == bodies for x in (scene.position, scene.level, scene.size)),
        "scene must have one position, alive flag, level and size for each body.",
    )
    level = np.asarray(scene.level)[np.asarray(scene.alive)]
    require((level >= 0) & (level <= 1), "a level of scene is outside [0, 1].")


def _check_batch(compiled: _Compiled, key: PRNGKey, actions: dict[str, Array]) -> None:
    """Worlds in a batch are what they are alone, and what they are when traced anew."""
    environment = compiled.environment
    keys = jax.random.split(key, _NUM_WORLDS)
    alone = [compiled.reset(key) for key in keys]
    batch = jax.jit(jax.vmap(environment.reset))(keys)
    _require_close(batch, _stack(alone), _NOT_PURE.format("reset"))
    pairs = zip(keys, alone, strict=True)
    stepped = [compiled.step(key, state, actions) for key, (state, _) in pairs]
    steps = jax.jit(jax.vmap(environment.step, in_axes=(0, 0, None)))(keys, batch[0], actions)
    _require_close(steps, _stack(stepped), _NOT_PURE.format("stepped"))


_NOT_PURE = (
    "worlds {} in a batch differ from single ones: results may depend on arguments alone, not on "
    "NumPy's randomness nor on anything that Python keeps."
)


def _stack(trees: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def _require_close(left: Any, right: Any, sentence: str) -> None:
    """Numbers that are no whole ones may differ by what their sums' order makes."""
    for a, b in zip(
        *(map(np.asarray, jax.tree.leaves(tree)) for tree in (left, right)), strict=True
    ):
        if np.issubdtype(a.dtype, np.floating):
            require(np.isclose(a, b, _BATCH_TOLERANCE, _BATCH_TOLERANCE, equal_nan=True), sentence)
        else:
            require(np.array_equal(a, b), sentence)


def _require_equal(left: Any, right: Any, sentence: str) -> None:
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        require(_same(np.asarray(a), np.asarray(b)), sentence)


def _same(left: np.ndarray, right: np.ndarray) -> bool:
    """Equal; whether numbers are finite is looked at elsewhere."""
    return np.array_equal(left, right, equal_nan=np.issubdtype(left.dtype, np.floating))
