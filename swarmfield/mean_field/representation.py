"""What an agent is like, in a few numbers: an autoencoder trained beside the policy.

    z ~ N(mu(x), sigma(x)^2),   x = (embedding or observation, last action u), normalised
    L = w_r ( sum_dims (x_hat(z) - x)^2 + beta sum_dims KL(N(mu, sigma) || N(0, 1)) )
      + w_p ( p(z, e) - y )^2,        y = r + gamma (1 - d) V(s'),   e the policy's embedding

Source: Zheng et al. 2025, Eq. 7. Departures, each with its reason:

- The KL term, which the equation lacks and a variational autoencoder needs, is weighed per
  agent. The released code adds it up over the batch against a mean over entries: then mu
  collapses to a constant and groups are random (`kl="official"` shows it).
- The prediction's target is a scalar with the sign of the Bellman equation; the printed one
  subtracts a vector and has r on the wrong side (`prediction="literal"`).
- By default x is the embedding that the policy's own trunk makes of the observation, with no
  gradient into it: four times cheaper than raw observations (`inputs="observation"`).
- Groups are formed by mu, not by a sample (`sample=True`).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from swarmfield.mean_field.field import action_vectors, observed_and_done, observed_size
from swarmfield.networks import MLP, Glimpse
from swarmfield.randomness import drawn_flat
from swarmfield.types import PRNGKey, TeamSpec

Kind = Literal["vae", "ae", "raw"]
Inputs = Literal["embedding", "observation"]
Prediction = Literal["td", "next_value", "literal", "none"]
KL = Literal["elbo", "official"]


class RepresentationConfig(NamedTuple):
    """How agents are represented.

    Attributes:
        kind: Variational autoencoder, plain autoencoder, or x itself.
        inputs: What is encoded, beside the last action.
        size: Numbers Z of a representation (of `raw`: as many as x has).
        hidden: Width of the encoder's, the decoder's and the predictor's layer.
        prediction: Target of the prediction, `none` without.
        kl: Weight of the KL term per agent, or as the released code has it.
        beta: Weight of the KL term.
        reconstruction_weight: w_r.
        prediction_weight: w_p.
        gamma: Discount of the prediction's target.
        sample: Group by samples z instead of mu.
        freeze_after: The fraction of the run after which nothing is learned any more.
    """

    kind: Kind = "vae"
    inputs: Inputs = "embedding"
    size: int = 32
    hidden: int = 64
    prediction: Prediction = "td"
    kl: KL = "elbo"
    beta: float = 0.1
    reconstruction_weight: float = 1.0
    prediction_weight: float = 1.0
    gamma: float = 0.95
    sample: bool = False
    freeze_after: float = 1.0


class Outcome(NamedTuple):
    """What came of a step, for the prediction.

    Attributes:
        reward: r.
        value: V(s'), 0 where the agent has no future.
        embedding: The embedding of s'.
    """

    reward: Float[Array, " B"]
    value: Float[Array, " B"]
    embedding: Float[Array, "B X"]


class Scale(eqx.Module):
    """Running mean and variance of x."""

    mean: Float[Array, " D"]
    variance: Float[Array, " D"]


class Encoder(eqx.Module):
    """Everything a representation learns."""

    encoder: MLP
    decoder: MLP
    predictor: MLP | None
    scale: Scale


def input_size(
    config: RepresentationConfig, team: TeamSpec, num_actions: int, embedding_size: int
) -> int:
    """D, the numbers of x."""
    if config.inputs == "embedding":
        return embedding_size + num_actions
    return observed_size(team) + num_actions


def init(
    config: RepresentationConfig,
    team: TeamSpec,
    num_actions: int,
    embedding_size: int,
    key: PRNGKey,
) -> Encoder | None:
    """New parameters; None where there is nothing to learn."""
    if config.kind == "raw":
        return None
    keys = jax.random.split(key, 3)
    inputs, outputs = input_size(config, team, num_actions, embedding_size), config.size
    predictor = None
    if config.prediction != "none":
        predicted = embedding_size if config.prediction == "literal" else 1
        predictor = MLP(outputs + embedding_size, config.hidden, predicted, key=keys[2])
    return Encoder(
        MLP(inputs, config.hidden, outputs * (2 if config.kind == "vae" else 1), key=keys[0]),
        MLP(outputs, config.hidden, inputs, key=keys[1]),
        predictor,
        Scale(jnp.zeros(inputs), jnp.ones(inputs)),
    )


def inputs_of(
    config: RepresentationConfig, num_actions: int, glimpse: Glimpse
) -> Float[Array, "*B D"]:
    """x, not normalised yet. Nothing learned here changes what the policy sees."""
    if config.inputs == "observation":
        return observed_and_done(glimpse.observation, glimpse.last_action, num_actions)
    action = action_vectors(glimpse.last_action, num_actions)
    return jax.lax.stop_gradient(jnp.concatenate([glimpse.embedding, action], axis=-1))


def encode(
    config: RepresentationConfig, encoder: Encoder, x: Float[Array, "*B D"]
) -> tuple[Float[Array, "*B Z"], Float[Array, "*B Z"]]:
    """Mu and log sigma^2 (of a plain autoencoder: minus infinity) of normalised x."""
    code = encoder.encoder(x)
    if config.kind == "ae":
        return code, jnp.full_like(code, -jnp.inf)
    mean, log_variance = jnp.split(code, 2, axis=-1)
    # Bounded, so that a first step gone wrong cannot overflow.
    return mean, jnp.clip(log_variance, -10.0, 5.0)


def represent(
    config: RepresentationConfig,
    num_actions: int,
    encoder: Encoder | None,
    glimpse: Glimpse,
    keys: PRNGKey,
) -> Float[Array, "B Z"]:
    """Mu of each agent, or a sample; x itself where nothing is learned."""
    x = inputs_of(config, num_actions, glimpse)
    if encoder is None:
        return x
    mean, log_variance = encode(config, encoder, normalise(encoder.scale, x))
    if not config.sample:
        return mean
    noise = jax.vmap(lambda key: jax.random.normal(key, mean.shape[1:]))(keys)
    return mean + jnp.exp(0.5 * log_variance) * noise


def normalise(scale: Scale, x: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
    """Each number with mean 0 and spread 1; what hardly varies stays small.

    Mean and variance are measured, not learned.
    """
    scale = jax.lax.stop_gradient(scale)
    lead = (1,) * (x.ndim - 1)
    deviation = jnp.sqrt(scale.variance + 1e-2)
    return (x - scale.mean.reshape(*lead, -1)) / deviation.reshape(*lead, -1)


def losses(
    config: RepresentationConfig,
    encoder: Encoder,
    x: Float[Array, "B D"],
    embedding: Float[Array, "B X"],
    outcome: Outcome,
    key: PRNGKey,
) -> dict[str, Float[Array, " B"]]:
    """Each agent's reconstruction error, KL divergence and squared prediction error.

    Args:
        config: What is learned.
        encoder: The parameters.
        x: As `inputs_of` gives it.
        embedding: The trunk's, that the prediction sees beside z.
        outcome: What came of it.
        key: Draws z.
    """
    scaled = normalise(encoder.scale, x)
    mean, log_variance = encode(config, encoder, scaled)
    noise = drawn_flat(jax.random.normal, key, mean.shape)
    z = mean + jnp.exp(0.5 * log_variance) * noise
    error = encoder.decoder(z) - scaled
    kl = kl_to_standard_normal(mean, log_variance) if config.kind == "vae" else jnp.zeros(len(x))
    predicted = jnp.zeros(len(x))
    if encoder.predictor is not None:
        guess = encoder.predictor(jnp.concatenate([z, embedding], axis=-1))
        predicted = jnp.sum((guess - _target(config, outcome)) ** 2, axis=-1)
    return {"reconstruction": jnp.sum(error**2, axis=-1), "kl": kl, "prediction": predicted}


def kl_to_standard_normal(
    mean: Float[Array, "*B Z"], log_variance: Float[Array, "*B Z"]
) -> Float[Array, "*B"]:
    """KL(N(mu, sigma^2) || N(0, 1)) = 1/2 sum (sigma^2 + mu^2 - 1 - log sigma^2)."""
    return 0.5 * jnp.sum(jnp.exp(log_variance) + mean**2 - 1 - log_variance, axis=-1)


def total(
    config: RepresentationConfig,
    parts: dict[str, Float[Array, "*B"]],
    num_inputs: int,
    batch_size: int,
) -> Float[Array, "*B"]:
    """What is minimised: of each agent, or of means over agents, in which it is linear.

    Args:
        config: The weights.
        parts: Of `losses`, or their means.
        num_inputs: D.
        batch_size: Agents in the whole batch.
    """
    reconstruction, kl = parts["reconstruction"], parts["kl"]
    if config.kl == "official":
        # The released code: the mean of all entries, against a sum over batch and dimensions.
        evidence = reconstruction / num_inputs + batch_size * kl
    else:
        evidence = reconstruction + config.beta * kl
    return config.reconstruction_weight * evidence + config.prediction_weight * parts["prediction"]


def _target(config: RepresentationConfig, outcome: Outcome) -> Any:
    """y, as a vector of one number; a constant to the gradient."""
    if config.prediction == "literal":
        y = config.gamma * outcome.embedding - outcome.reward[:, None]
    elif config.prediction == "next_value":
        y = outcome.value[:, None]
    else:
        y = (outcome.reward + config.gamma * outcome.value)[:, None]
    return jax.lax.stop_gradient(y)
