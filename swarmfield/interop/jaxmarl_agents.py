"""Between JaxMARL's dictionaries of agents and rows of arrays."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Num, Shaped

from swarmfield.types import Box, Discrete, SwarmfieldError

LEGAL_ACTIONS = ("get_avail_actions", "get_legal_moves")
"""Names under which JaxMARL's environments tell what is allowed."""


@contextlib.contextmanager
def their_promotion() -> Iterator[None]:
    """JaxMARL's code promotes ranks and types, whatever is asked of ours."""
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


@dataclass(frozen=True, eq=False)
class Agents:
    """The agents of one of JaxMARL's environments, who are all alike, in its order.

    Args:
        theirs: The environment.

    Raises:
        SwarmfieldError: Agents differ in what they see or may do, or may do something else than
            choose one of several actions or a vector with bounds.
    """

    theirs: Any

    def __post_init__(self) -> None:
        alike = defaultdict(list)
        for name in self.theirs.agents:
            alike[f"{self._sees(name)} and {self._may(name)}"].append(str(name))
        if len(alike) > 1:
            each = "; ".join(f"{', '.join(names)}: {what}" for what, names in alike.items())
            raise SwarmfieldError(f"its agents are not all alike ({each})")

    def __len__(self) -> int:
        return len(self.theirs.agents)

    @cached_property
    def shapes(self) -> tuple[Any, Any]:
        """What JaxMARL shows at a reset, and its state, as shapes."""
        with their_promotion():
            return jax.eval_shape(self.theirs.reset, jax.random.key(0))

    @cached_property
    def actions(self) -> Discrete | Box:
        """What one agent may do; entries with bounds of their own are chosen from [-1, 1]."""
        space = self._space(self.theirs.agents[0])
        if getattr(space, "n", None) is not None:
            return Discrete(int(space.n))
        low, high = self._bounds
        alike = bool((low == low[0]).all() and (high == high[0]).all())
        return Box(len(low), float(low[0]), float(high[0])) if alike else Box(len(low))

    @property
    def none(self) -> Num[Array, "N ..."]:
        """The last action where there was none."""
        if isinstance(self.actions, Discrete):
            num_actions = self.actions.num_actions
            return jnp.full(len(self), num_actions, np.min_scalar_type(num_actions))
        return jnp.zeros((len(self), len(self._bounds[0])))

    def row(self, values: Mapping[Any, Any]) -> Shaped[Array, "N ..."]:
        """What is given agent by agent; several arrays of one are laid end to end."""

        def of_one(value: Any) -> Array:
            leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(value)]
            return leaves[0] if len(leaves) == 1 else jnp.concatenate([x.ravel() for x in leaves])

        return jnp.stack([of_one(values[name]) for name in self.theirs.agents])

    def seen(self, values: Mapping[Any, Any]) -> Shaped[Array, "N ..."]:
        """What the agents see: images, or vectors."""
        seen = self.row(values)
        return seen if seen.ndim in (2, 4) else seen.reshape(len(self), -1)

    def legal(self, state: Any) -> Bool[Array, "N A"] | None:
        """What is allowed in a state of JaxMARL's; None where it does not tell."""
        if self._legal is None:
            return None
        with their_promotion():
            return self.row(self._legal(state)).astype(bool)

    def executed(
        self,
        action: Num[Array, "N ..."],
        alive: Bool[Array, " N"],
        legal: Bool[Array, "N A"] | None,
    ) -> Num[Array, "N ..."]:
        """Actions within their bounds; of the dead the first that is legal, or the nearest to 0."""
        if isinstance(self.actions, Discrete):
            first = 0 if legal is None else jnp.argmax(legal, axis=1)
            return jnp.where(alive, action, first).astype(self.none.dtype)
        bounds = self.actions.low, self.actions.high
        return jnp.clip(jnp.where(alive[:, None], action, 0.0), *bounds)

    def told(self, action: Num[Array, "N ..."]) -> dict[Any, Array]:
        """Actions as JaxMARL takes them: agent by agent, and in its bounds."""
        if isinstance(self.actions, Discrete):
            taken = action.astype(jnp.int32)
        elif (self._bounds == [[self.actions.low], [self.actions.high]]).all():
            taken = action
        else:
            low, high = self._bounds
            taken = low[None] + (action + 1) / 2 * (high - low)[None]
        return dict(zip(self.theirs.agents, taken, strict=True))

    @cached_property
    def _bounds(self) -> np.ndarray:
        """The lowest and the highest of each entry of an action."""
        space = self._space(self.theirs.agents[0])
        return np.stack([np.broadcast_to(x, space.shape) for x in (space.low, space.high)])

    @cached_property
    def _legal(self) -> Callable[[Any], Mapping[Any, Any]] | None:
        """Tells what is allowed; some have a function that does not, or tells something else."""
        if not isinstance(self.actions, Discrete):
            return None
        functions = [getattr(self.theirs, name, _nothing) for name in LEGAL_ACTIONS]
        fitting = (len(self), self.actions.num_actions)
        return next((tell for tell in functions if self._shape_told(tell) == fitting), None)

    def _shape_told(self, tell: Callable[[Any], Mapping[Any, Any]]) -> tuple[int, ...] | None:
        """Of what is told of a state, if anything is."""
        with their_promotion(), contextlib.suppress(NotImplementedError, KeyError):
            return jax.eval_shape(lambda state: self.row(tell(state)), self.shapes[1]).shape
        return None

    def _space(self, name: Any) -> Any:
        return self.theirs.action_space(name)

    def _sees(self, name: Any) -> str:
        seen = self.shapes[0]
        if not isinstance(seen, Mapping) or name not in seen:
            raise SwarmfieldError("it does not tell agent by agent what is seen")
        return " + ".join(str(list(leaf.shape)) for leaf in jax.tree.leaves(seen[name]))

    def _may(self, name: Any) -> str:
        space = self._space(name)
        if getattr(space, "n", None) is not None:
            return f"{space.n} actions"
        low, high = getattr(space, "low", -np.inf), getattr(space, "high", np.inf)
        if len(space.shape) != 1 or not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise SwarmfieldError(
                f"{name} must choose one of several actions or a vector with bounds, but chooses"
                f" from {type(space).__name__}"
            )
        return f"{space.shape[0]} numbers from {np.asarray(low)} to {np.asarray(high)}"


def _nothing(state: Any) -> dict[Any, Any]:
    """What an environment tells that has no such function."""
    del state
    return {}
