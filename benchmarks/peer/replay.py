"""A replay that holds each observation once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from peer.settings import NUM_ACTIONS, VIEW, Settings


class Replay:
    """A ring of T steps of all games; an observation is stored once and is also the next one."""

    def __init__(self, settings: Settings, num_agents: int, num_features: int) -> None:
        self.num_steps = settings.capacity // (settings.num_envs * num_agents)
        self.games, self.agents = settings.num_envs, num_agents
        steps = (self.num_steps, self.games)
        self.view = np.zeros((*steps, num_agents, *VIEW), np.float32)
        self.features = np.zeros((*steps, num_agents, num_features), np.float32)
        self.mean_action = np.zeros((*steps, NUM_ACTIONS), np.float32)
        self.action = np.zeros((*steps, num_agents), np.int64)
        self.reward = np.zeros((*steps, num_agents), np.float32)
        self.terminated = np.zeros((*steps, num_agents), bool)
        self.valid = np.zeros((*steps, num_agents), bool)
        self.random = np.random.default_rng(settings.seed + 1)
        self.size = 0
        self.now = -1
        self.flat = {
            name: torch.from_numpy(array).flatten(0, 1 if name == "mean_action" else 2)
            for name, array in vars(self).items()
            if isinstance(array, np.ndarray)
        }

    def advance(self) -> None:
        """Go to the next row. What it held is gone; its predecessor's next is being written."""
        self.now = (self.now + 1) % self.num_steps
        self.size = min(self.size + 1, self.num_steps)
        self.valid[self.now] = False

    def sample(self, batch_size: int) -> np.ndarray:
        """Flat indices of transitions, uniformly; the newest row has no next yet."""
        row = self.games * self.agents
        valid = self.valid.reshape(-1)
        found = np.empty(0, np.int64)
        while len(found) < batch_size:
            drawn = self.random.integers(self.size * row, size=2 * batch_size)
            keep = valid[drawn] & (drawn // row != self.now)
            found = np.concatenate([found, drawn[keep]])
        return found[:batch_size]

    def observation(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        flat = self.flat
        shared = flat["mean_action"].index_select(0, index // self.agents)
        return flat["view"].index_select(0, index), flat["features"].index_select(0, index), shared

    def next_index(self, index: Tensor) -> Tensor:
        row = self.games * self.agents
        return (index + row) % (self.num_steps * row)

    def current(self) -> tuple[Tensor, Tensor, Tensor]:
        """The newest observations `[E * N, ...]`, without a copy of the views."""
        view, features = self.view[self.now], self.features[self.now]
        shared = torch.from_numpy(self.mean_action[self.now]).repeat_interleave(self.agents, 0)
        return (
            torch.from_numpy(view).flatten(0, 1),
            torch.from_numpy(features).flatten(0, 1),
            shared,
        )
