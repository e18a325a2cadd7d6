"""Agents of PettingZoo's that are all alike: what they see and may do, as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Bool, Num, Shaped

from swarmfield.interop.agent_spaces import MASK
from swarmfield.types import Box, Discrete, Observation, SwarmfieldError

BYTES = 255
"""What images of bytes are divided by."""


@dataclass(frozen=True, eq=False)
class Agents:
    """The agents of one team, in the order of their rows.

    Args:
        names: Theirs.
        sees: Their observation space.
        acts: Their action space.

    Raises:
        SwarmfieldError: They see several images, or do something else than choose one of several
            actions or a vector with bounds.
    """

    names: tuple[str, ...]
    sees: spaces.Space[Any]
    acts: spaces.Space[Any]

    def __post_init__(self) -> None:
        if sum(map(_is_image, self._parts.values())) > 1:
            raise SwarmfieldError(f"{self.names[0]} sees several images at once ({self.sees})")
        if isinstance(self.acts, spaces.Discrete):
            return
        bounded = isinstance(self.acts, spaces.Box) and self.acts.is_bounded("both")
        if not bounded or len(self.acts.shape or ()) != 1:
            raise SwarmfieldError(
                f"{self.names[0]} must choose one of several actions or a vector with bounds, but "
                f"what it may do is {self.acts}"
            )

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def rows(self) -> dict[str, int]:
        """Each agent's row."""
        return {name: row for row, name in enumerate(self.names)}

    @cached_property
    def _parts(self) -> dict[str | None, spaces.Space[Any]]:
        """What they see, by name, without the mask of actions; without a name if it is one."""
        if isinstance(self.sees, spaces.Dict):
            return {name: part for name, part in self.sees.spaces.items() if name != MASK}
        return {None: self.sees}

    @cached_property
    def _image(self) -> str | None:
        return next((name for name, part in self._parts.items() if _is_image(part)), None)

    @property
    def view(self) -> tuple[int, int, int] | None:
        """Height, width and channels of what they see, if that is an image."""
        shape = self._parts[self._image].shape if self._has_image else None
        return None if shape is None else (shape[0], shape[1], shape[2])

    @cached_property
    def _has_image(self) -> bool:
        return any(map(_is_image, self._parts.values()))

    @cached_property
    def _others(self) -> dict[str | None, spaces.Space[Any]]:
        return {name: part for name, part in self._parts.items() if not _is_image(part)}

    @property
    def features(self) -> int:
        """Numbers of everything else that they see, side by side."""
        return sum(spaces.flatdim(part) for part in self._others.values())

    @property
    def are_masked(self) -> bool:
        """Whether they are told which actions are allowed."""
        return isinstance(self.sees, spaces.Dict) and MASK in self.sees.spaces

    @cached_property
    def actions(self) -> Discrete | Box:
        """What one of them may do; entries with bounds of their own are chosen from [-1, 1]."""
        if isinstance(self.acts, spaces.Discrete):
            return Discrete(int(self.acts.n))
        low, high = self._bounds
        alike = bool((low == low[0]).all() and (high == high[0]).all())
        return Box(len(low), float(low[0]), float(high[0])) if alike else Box(len(low))

    @cached_property
    def _bounds(self) -> Num[np.ndarray, "2 D"]:
        assert isinstance(self.acts, spaces.Box)
        return np.stack([self.acts.low, self.acts.high])

    @cached_property
    def no_action(self) -> Num[np.ndarray, "N ..."]:
        """The last actions where there were none."""
        if isinstance(self.actions, Discrete):
            number = self.actions.num_actions
            return np.full(len(self), number, np.min_scalar_type(number))
        return np.zeros((len(self), self.actions.dimensions), np.float32)

    def told(self, action: Num[np.ndarray, "N ..."]) -> Num[np.ndarray, "N ..."]:
        """Actions as PettingZoo takes them."""
        if isinstance(self.acts, spaces.Discrete):
            return action.astype(self.acts.dtype) + self.acts.start
        assert isinstance(self.actions, Box)
        low, high = self._bounds
        within = (action - self.actions.low) / (self.actions.high - self.actions.low)
        return (low + within * (high - low)).astype(self.acts.dtype)

    def nothing_seen(self) -> dict[str, Shaped[np.ndarray, "N ..."]]:
        """Zeros of what all see."""
        seen = {}
        if self.view is not None:
            dtype = np.uint8 if self._parts[self._image].dtype == np.uint8 else np.float32
            seen["view"] = np.zeros((len(self), *self.view), dtype)
        if self.features:
            seen["features"] = np.zeros((len(self), self.features), np.float32)
        return seen

    def seen(self, observations: Mapping[str, Any], names: list[str]) -> dict[str, np.ndarray]:
        """What some see, and zeros for the others."""
        seen, rows = self.nothing_seen(), [self.rows[name] for name in names]
        if not names:
            return seen
        if "view" in seen:
            seen["view"][rows] = [_part(observations[name], self._image) for name in names]
        if "features" in seen:
            seen["features"][rows] = [self._flat(observations[name]) for name in names]
        return seen

    def _flat(self, observation: Any) -> Num[np.ndarray, " F"]:
        parts = (
            spaces.flatten(space, _part(observation, name)) for name, space in self._others.items()
        )
        flat = [np.asarray(part, np.float32) for part in parts]
        return flat[0] if len(flat) == 1 else np.concatenate(flat)

    def legal(
        self, observations: Mapping[str, Any], names: list[str]
    ) -> Bool[np.ndarray, "N A"] | None:
        """Which actions are allowed, all of them where nobody says so; None if nobody ever does."""
        if not self.are_masked:
            return None
        assert isinstance(self.actions, Discrete)
        legal = np.ones((len(self), self.actions.num_actions), bool)
        for name in names:
            legal[self.rows[name]] = np.asarray(observations[name][MASK], bool)
        return legal

    def observation(self, seen: Mapping[str, Shaped[Array, "*E ..."]]) -> Observation:
        """What is stored of what they see, as networks read it."""
        view = seen.get("view")
        if view is not None and view.dtype == np.uint8:
            view = view.astype(np.float32) / BYTES
        return Observation(view, seen.get("features"))


def _is_image(space: spaces.Space[Any]) -> bool:
    return isinstance(space, spaces.Box) and len(space.shape) == 3


def _part(observation: Any, name: str | None) -> Any:
    return observation if name is None else observation[name]
