"""Options of methods whose mixer rises with each value."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield import mixing
from swarmfield.algorithms._factored import FactoredConfig
from swarmfield.algorithms._options import require
from swarmfield.networks import trunk_size
from swarmfield.types import TeamSpec


@dataclass(frozen=True)
class MonotonicConfig(FactoredConfig):
    """Options of every method with a monotonic mixer."""

    mixer: mixing.Kind = "auto"
    """One network for the weights of all agents, or one for each agent's, whose size does not
    depend on their number; `auto`: the first up to 64 agents."""
    mixer_width: int = 32
    """Length of the mixer's hidden layer, at least 1."""
    mixer_hidden: int = 64
    """Width of the networks that give the mixer's weights, at least 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("mixer_width", "mixer_hidden"):
            require(self, name, lambda x: x >= 1, "a whole number of at least 1")


def monotonic_mixer(config: MonotonicConfig, team: TeamSpec) -> mixing.Mixer:
    """The mixer that the options ask for."""
    return mixing.monotonic(
        team.num_agents,
        trunk_size(config.trunk, team),
        kind=config.mixer,
        width=config.mixer_width,
        hidden=config.mixer_hidden,
    )
