"""Environments that are not arrays: stepped by Python, outside of the compiled program.

Acting and learning stay compiled; a step leaves the program for the environments' answers and
comes back. That costs more than all the rest, so that what can be written for arrays should be.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Integer, Num, Shaped, UInt32

from swarmfield.types import (
    Environment,
    Observation,
    PRNGKey,
    Scene,
    SwarmfieldError,
    Timestep,
)


class HostTimestep(NamedTuple):
    """A `Timestep` of one team on the host, by fields of the same names.

    `own` is a dictionary of what the agents see; `*M` is empty for one world.
    """

    own: dict[str, Shaped[np.ndarray, "*M N ..."]]
    first: Bool[np.ndarray, "*M"]
    alive: Bool[np.ndarray, "*M N"]
    legal: Bool[np.ndarray, "*M N A"] | None
    kind: Integer[np.ndarray, "*M N"]
    position: Num[np.ndarray, "*M N D"]
    last_action: Num[np.ndarray, "*M N ..."]
    reward: Float[np.ndarray, "*M N"]
    terminated: Bool[np.ndarray, "*M N"]
    truncated: Bool[np.ndarray, "*M"]
    measures: dict[str, Float[np.ndarray, "*M"]]

    @property
    def is_last(self) -> bool:
        """Of one world: whether nobody has a future there, or the time limit was reached."""
        return bool(self.truncated) or not np.any(self.alive & ~self.terminated)


class World(Protocol):
    """One environment on the host, with a state of its own."""

    def reset(self, seed: int) -> dict[str, HostTimestep]:
        """Start an episode; the seed, of 32 bits, is its only source of randomness."""
        ...

    def step(self, actions: Mapping[str, Shaped[np.ndarray, "N ..."]]) -> dict[str, HostTimestep]:
        """Advance by one step. Actions of the dead are ignored."""
        ...

    def close(self) -> None:
        """Let go of what is held."""
        ...


class NotCompiledError(SwarmfieldError):
    """Something needs an environment as a part of a compiled program, and this one is none."""


class HostedEnvironment(Environment, ABC):
    """An `Environment` whose worlds are stepped on the host.

    Everything that is fixed about it is as for any other; `reset` is what there is to know before
    a world has begun, and the first step of a session begins its episodes.
    """

    @abstractmethod
    def world(self) -> World:
        """A world of its own."""

    @abstractmethod
    def blank(self) -> dict[str, HostTimestep]:
        """Every team before its first episode: `first`, and nobody lives yet."""

    @abstractmethod
    def unpack(self, team: str, timestep: Timestep, index: Int[Array, ""]) -> Observation:
        """One agent's network input, from its team's timestep. Pure; vmapped over agents."""

    def reset(self, key: PRNGKey) -> tuple[tuple[()], dict[str, Timestep]]:
        """No state, and blank timesteps."""
        del key  # nothing has begun
        return (), on_device(self.blank())

    def step(self, key: PRNGKey, state: Any, actions: Mapping[str, Array]) -> NoReturn:
        """Not here.

        Raises:
            NotCompiledError: Always; worlds are stepped.
        """
        del key, state, actions
        raise self._refusal()

    def observe(self, state: Any, team: str) -> NoReturn:
        """Not here.

        Raises:
            NotCompiledError: Always; timesteps hold what is seen.
        """
        del state, team
        raise self._refusal()

    def scene(self, state: Any) -> Scene:
        """Not here.

        Raises:
            NotCompiledError: Always; a world may draw itself.
        """
        del state
        raise self._refusal()

    def _refusal(self) -> NotCompiledError:
        return NotCompiledError(
            f"{self.name} is stepped by Python, outside of the compiled program: it can be trained "
            "in, evaluated and played by duels, but not recorded, drawn or divided over devices; "
            "choose an environment of `swarmfield list` for that."
        )


class Worlds:
    """Parallel worlds, of which those whose episode is over can begin another.

    Args:
        environment: Whose worlds.
        number: M.
    """

    def __init__(self, environment: HostedEnvironment, number: int) -> None:
        self._worlds = [environment.world() for _ in range(number)]
        self._last: list[dict[str, HostTimestep]] = [environment.blank()] * number
        self._over = np.ones(number, bool)

    def begin(self, seeds: UInt32[np.ndarray, " M"]) -> dict[str, HostTimestep]:
        """All begin an episode: timesteps `[M, ...]`."""
        self._over[:] = True
        return self.step({}, seeds)

    def step(
        self,
        actions: Mapping[str, Shaped[np.ndarray, "M N ..."]],
        seeds: UInt32[np.ndarray, " M"] | None = None,
    ) -> dict[str, HostTimestep]:
        """A step of all; those that are over begin anew if there are seeds, or stay as they are.

        What a world returns in the step that ends its episode is returned as it is.
        """
        for number, world in enumerate(self._worlds):
            if not self._over[number]:
                own = {team: action[number] for team, action in actions.items()}
                self._last[number] = world.step(own)
            elif seeds is not None:
                self._last[number] = world.reset(int(seeds[number]))
            else:
                continue
            self._over[number] = all(team.is_last for team in self._last[number].values())
        return jax.tree.map(lambda *each: np.stack(each), *self._last)

    @property
    def are_over(self) -> bool:
        """Whether all episodes are."""
        return bool(self._over.all())

    def close(self) -> None:
        """Close all."""
        for world in self._worlds:
            world.close()


def on_device(timesteps: Mapping[str, HostTimestep], *sizes: int) -> dict[str, Timestep]:
    """Timesteps of M worlds as programs take them.

    Args:
        timesteps: Of each team, `[M, ...]`, or of one world if there are no sizes.
        sizes: Axes to take M apart into.
    """

    def put(array: np.ndarray) -> Array:
        return jnp.asarray(array.reshape(*sizes, *array.shape[1:]) if sizes else array)

    def of_team(team: HostTimestep) -> Timestep:
        fields = jax.tree.map(put, team)._asdict()
        return Timestep(shared=None, trained=jnp.ones_like(fields["alive"]), **fields)

    return {name: of_team(team) for name, team in timesteps.items()}
