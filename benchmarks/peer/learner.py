"""The reference code's network, and double Q-learning on it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from peer.replay import Replay
from peer.settings import NUM_ACTIONS, VIEW, Settings


class Network(nn.Module):
    """Q(observation, mean action), of the reference code's sizes."""

    def __init__(self, settings: Settings, num_features: int) -> None:
        super().__init__()
        height, width, channels = VIEW
        self.channels_last = settings.memory_format == "channels_last"
        self.convolutions = None
        size = height * width * channels
        if settings.trunk == "mfrl":
            self.convolutions = nn.Sequential(
                nn.Conv2d(channels, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU()
            )
            size = (height - 4) * (width - 4) * 32
        self.view = nn.Sequential(nn.Linear(size, 256), nn.ReLU())
        self.features = nn.Sequential(nn.Linear(num_features, 32), nn.ReLU())
        self.field = nn.Sequential(
            nn.Linear(NUM_ACTIONS, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU()
        )
        self.head = nn.Sequential(
            nn.Linear(320, 128),
            nn.ReLU(),
            nn.Linear(128, 64),
            nn.ReLU(),
            nn.Linear(64, NUM_ACTIONS),
        )
        if self.channels_last:
            self.to(memory_format=torch.channels_last)

    def forward(self, view: Tensor, features: Tensor, mean_action: Tensor) -> Tensor:
        if self.convolutions is not None:
            view = view.permute(0, 3, 1, 2)
            view = self.convolutions(view if self.channels_last else view.contiguous())
            # As stored, so that flattening copies nothing; only the order of weights differs.
            view = view.permute(0, 2, 3, 1) if self.channels_last else view
        parts = [self.view(view.flatten(1)), self.features(features), self.field(mean_action)]
        return self.head(torch.cat(parts, dim=1))


class Learner:
    def __init__(self, settings: Settings, num_features: int) -> None:
        self.settings = settings
        self.network = Network(settings, num_features)
        self.target = Network(settings, num_features).requires_grad_(False)
        self.target.load_state_dict(self.network.state_dict())
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=settings.learning_rate, fused=True
        )

    @torch.inference_mode()
    def act(self, observation: tuple[Tensor, ...], temperature: float) -> np.ndarray:
        """Boltzmann actions `[E * N]`, by the exponential race; greedy at temperature 0."""
        chunks = zip(*(x.split(self.settings.chunk) for x in observation), strict=True)
        q = torch.cat([self.network(*chunk) for chunk in chunks])
        if temperature > 0:
            probabilities = torch.softmax(q / temperature, dim=1)
            q = probabilities / torch.empty_like(q).exponential_()
        return q.argmax(dim=1).to(torch.int32).numpy()

    def update(self, replay: Replay, progress: float) -> None:
        """One step of Adam on a batch, in pieces that fit the cache: the same gradient."""
        share = 1 + (self.settings.learning_rate_decay - 1) * progress
        self.optimizer.param_groups[0]["lr"] = share * self.settings.learning_rate
        indices = torch.from_numpy(replay.sample(self.settings.batch_size))
        self.optimizer.zero_grad(set_to_none=True)
        for index in indices.split(self.settings.chunk):
            self._accumulate(replay, index)
        parameters = list(self.network.parameters())
        nn.utils.clip_grad_norm_(parameters, self.settings.max_gradient_norm)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(self.target.parameters()), parameters, self.settings.tau)

    def _accumulate(self, replay: Replay, index: Tensor) -> None:
        flat = replay.flat
        with torch.no_grad():
            after = replay.observation(replay.next_index(index))
            best = self.network(*after).argmax(dim=1, keepdim=True)
            value = self.target(*after).gather(1, best)[:, 0]
            reward = flat["reward"][index]
            # Not by a product: a dead agent's next view is not its own and may hold NaN.
            y = torch.where(flat["terminated"][index], reward, reward + self.settings.gamma * value)
        q = self.network(*replay.observation(index)).gather(1, flat["action"][index, None])[:, 0]
        (torch.sum((y - q) ** 2) / self.settings.batch_size).backward()
