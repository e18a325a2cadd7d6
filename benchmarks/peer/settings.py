"""What can be set; the defaults are those of `swarmfield train mfq battle`."""

from __future__ import annotations

from dataclasses import dataclass

NUM_ACTIONS = 21
ID_BITS = 10
VIEW = (13, 13, 7)


@dataclass(frozen=True)
class Settings:
    env_steps: int = 250_000
    num_envs: int = 16
    map_size: int = 40
    max_steps: int = 400
    trunk: str = "mfrl"
    memory_format: str = "channels_last"
    batch_size: int = 1024
    updates_per_step: int = 1
    capacity: int = 262_144
    warmup: int = 8192
    learning_rate: float = 5e-4
    learning_rate_decay: float = 0.1
    gamma: float = 0.95
    tau: float = 0.01
    max_gradient_norm: float = 10.0
    explore_start: float = 1.0
    explore_end: float = 0.05
    explore_fraction: float = 0.7
    id_bits: bool = False
    chunk: int = 256
    threads: int = 2
    seed: int = 0
    report_every: int = 8000
    evaluation_episodes: int = 20
