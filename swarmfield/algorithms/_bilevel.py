"""Options of the two-level mean field, and the field they describe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from swarmfield.algorithms._options import NOT_NEGATIVE, POSITIVE, PROBABILITY, require
from swarmfield.mean_field import MeanField, action_size, bilevel
from swarmfield.mean_field.groups import Levels, Weights
from swarmfield.mean_field.representation import (
    KL,
    Inputs,
    Kind,
    Prediction,
    RepresentationConfig,
)
from swarmfield.mean_field.tracking import MOST_GROUPS, GroupingConfig, How, dynamic_groups
from swarmfield.networks import trunk_size
from swarmfield.options import LARGEST_FLOAT
from swarmfield.types import TeamSpec


@dataclass(frozen=True)
class BilevelOptions:
    """Options of dynamic groups and of what passes between them."""

    num_groups: int = 4
    """Groups K of a team, at most 255."""
    group_interval: int = 50
    """Steps between one assignment to groups and the next."""
    grouping: How = "kmeans"
    """Group agents that are alike, or at random, which shows what grouping is worth."""
    representation: Kind = "vae"
    """What is grouped by: a variational or a plain autoencoder's code, or its raw input."""
    encodes: Inputs = "embedding"
    """What is encoded with the last action: the trunk's embedding, or the raw observation."""
    latent_size: int = 32
    """Numbers of a representation."""
    beta: float = 0.1
    """Weight of the KL term, >= 0."""
    kl: KL = "elbo"
    """The KL term of each agent, or as the authors' code has it, under which codes collapse."""
    prediction: Prediction = "td"
    """What a code must predict: r + gamma V(s'), V(s'), the printed equation's vector, nothing."""
    reconstruction_weight: float = 1.0
    """Of the reconstruction and the KL term in the representation's loss, >= 0."""
    prediction_weight: float = 1.0
    """Of the prediction in the representation's loss, >= 0."""
    sample_codes: bool = False
    """Group by samples of the code instead of its mean, as the authors' code does."""
    freeze_after: float = 1.0
    """Share of the run after which the autoencoder is learned no more, in [0, 1]."""
    delay: bool = True
    """Fields of the last actions; without, of provisional ones, chosen by the last ones' field."""
    include_self: bool = True
    """Whether an agent's own action counts in its group's mean, as in the authors' code."""
    levels: Literal["two_level", "merged"] = "two_level"
    """Own group and other groups apart, as in the paper, or in one vector as in its code."""
    weights: Weights = "softmax_cos"
    """How other groups weigh: by softmax of cosines, by cosines, or by learned attention."""
    weight_temperature: float = 0.5
    """Temperature of the softmax of cosines, > 0."""


def check_bilevel(config: BilevelOptions) -> None:
    """Refuse values that are not allowed."""
    require(config, "num_groups", lambda x: 1 <= x <= MOST_GROUPS, f"from 1 to {MOST_GROUPS}")
    for name in ("group_interval", "latent_size"):
        require(config, name, lambda x: x >= 1, "a whole number of at least 1")
    for name in ("beta", "reconstruction_weight", "prediction_weight"):
        require(config, name, lambda x: 0 <= x <= LARGEST_FLOAT, NOT_NEGATIVE)
    require(config, "freeze_after", lambda x: 0 <= x <= 1, PROBABILITY)
    require(config, "weight_temperature", lambda x: 0 < x <= LARGEST_FLOAT, POSITIVE)
    if config.levels == "merged":
        wanted = "softmax_cos or cosine_raw with --algo.levels merged"
        require(config, "weights", lambda x: x != "learned", wanted)
        require(config, "include_self", lambda x: x, "true with --algo.levels merged")


def bilevel_field(config: Any, team: TeamSpec) -> MeanField:
    """The field of a method's options, which are `BilevelOptions` and have a trunk and gamma."""
    represented = RepresentationConfig(
        kind=config.representation,
        inputs=config.encodes,
        size=config.latent_size,
        prediction=config.prediction,
        kl=config.kl,
        beta=config.beta,
        reconstruction_weight=config.reconstruction_weight,
        prediction_weight=config.prediction_weight,
        gamma=config.gamma,
        sample=config.sample_codes,
        freeze_after=config.freeze_after,
    )
    levels = Levels(
        config.weights, config.weight_temperature, config.levels == "merged", config.include_self
    )
    num_groups = config.num_groups
    grouping = GroupingConfig(config.grouping, num_groups, config.group_interval, levels)
    size = trunk_size(config.trunk, team)
    tracker, code_size = dynamic_groups(grouping, represented, team, action_size(team), size)
    return bilevel(team, tracker, num_groups, code_size, levels)._replace(delayed=config.delay)
