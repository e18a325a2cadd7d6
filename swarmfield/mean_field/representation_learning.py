"""How a representation is learned beside a policy: its loss, and what it measures."""

from __future__ import annotations

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from swarmfield.batching import mean_of
from swarmfield.mean_field.field import Learning
from swarmfield.mean_field.representation import (
    Encoder,
    Outcome,
    RepresentationConfig,
    Scale,
    encode,
    inputs_of,
    losses,
    normalise,
    total,
)
from swarmfield.networks import Glimpse
from swarmfield.types import PRNGKey

_SETTLING_RATE = 0.02
ACTIVE_VARIANCE = 0.01
"""A latent number is active if it varies more than this over agents (Burda et al. 2016)."""


def learning(config: RepresentationConfig, num_actions: int) -> Learning | None:
    """How the parameters of a representation are learned; None if it has none."""
    if config.kind == "raw":
        return None
    looks_ahead = config.prediction == "literal"
    loss = partial(_loss, config, num_actions)
    return Learning(loss, _settle, looks_ahead, config.freeze_after)


def _loss(
    config: RepresentationConfig,
    num_actions: int,
    encoder: Encoder,
    glimpse: Glimpse,
    outcome: Outcome,
    share: Float[Array, " B"],
    batch_size: int,
    key: PRNGKey,
) -> tuple[Float[Array, ""], dict[str, Any]]:
    x = inputs_of(config, num_actions, glimpse)
    parts = losses(config, encoder, x, glimpse.embedding, outcome, key)
    mean, _ = encode(config, encoder, normalise(encoder.scale, x))
    moments = {"x": x, "x2": x**2, "z": mean, "z2": mean**2}
    sums = mean_of(share, parts | jax.lax.stop_gradient(moments))
    return total(config, sums, x.shape[-1], batch_size), sums


def _settle(encoder: Encoder, sums: dict[str, Any]) -> tuple[Encoder, dict[str, Float[Array, ""]]]:
    """Running means that follow the batch's, and the figures of a report."""
    rate, scale = _SETTLING_RATE, encoder.scale
    variance = jnp.maximum(sums["x2"] - sums["x"] ** 2, 0.0)
    followed = Scale(
        scale.mean + rate * (sums["x"] - scale.mean),
        scale.variance + rate * (variance - scale.variance),
    )
    spread = jnp.maximum(sums["z2"] - sums["z"] ** 2, 0.0)
    metrics = {name: sums[name] for name in ("reconstruction", "kl", "prediction")}
    metrics |= {
        "active_units": jnp.sum(spread > ACTIVE_VARIANCE).astype(jnp.float32),
        "spread": jnp.mean(jnp.sqrt(spread)),
    }
    return eqx.tree_at(lambda e: e.scale, encoder, followed), metrics
