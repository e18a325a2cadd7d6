"""Representations: the loss by hand, and that they tell planted kinds of agents apart."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.metrics import adjusted_rand_score

from swarmfield.mean_field import representation
from swarmfield.mean_field.clustering import best_of, spread_out
from swarmfield.mean_field.representation import (
    Outcome,
    RepresentationConfig,
    encode,
    inputs_of,
    kl_to_standard_normal,
    losses,
    normalise,
    total,
)
from swarmfield.mean_field.representation_learning import learning
from swarmfield.networks import Glimpse
from swarmfield.types import Discrete, Observation, TeamSpec

KEY = jax.random.key(0)
X, A, KINDS = 12, 4, 4
TEAM = TeamSpec("team", 64, Discrete(A), (2, 3, 2), 5)
SMALL = RepresentationConfig(size=4, hidden=16)


def make(config: RepresentationConfig):
    return representation.init(config, TEAM, A, X, KEY)


def glimpse(count: int, seed: int = 0) -> Glimpse:
    random = np.random.default_rng(seed)
    seen = Observation(
        jnp.asarray(random.normal(size=(count, *TEAM.view)), jnp.float32),
        jnp.asarray(random.normal(size=(count, TEAM.features)), jnp.float32),
    )
    embedding = jnp.asarray(random.normal(size=(count, X)), jnp.float32)
    return Glimpse(seen, embedding, jnp.asarray(random.integers(0, A, count), jnp.uint8))


def outcome(count: int) -> Outcome:
    random = np.random.default_rng(9)
    reward, value = jnp.asarray(random.normal(size=(2, count)), jnp.float32)
    return Outcome(reward, value, jnp.asarray(random.normal(size=(count, X)), jnp.float32))


def test_the_divergence_by_hand() -> None:
    """Of N(1, 4) and N(0, 1): (4 + 1 - 1 - log 4) / 2; of N(0, 1): 0."""
    mean, log_variance = jnp.array([[1.0, 0.0]]), jnp.log(jnp.array([[4.0, 1.0]]))
    kl = kl_to_standard_normal(mean, log_variance)
    np.testing.assert_allclose(kl, [(4 - np.log(4)) / 2], rtol=1e-6)


def test_what_is_encoded() -> None:
    some = glimpse(3)
    action = np.eye(A)[np.asarray(some.last_action)]
    embedded = inputs_of(SMALL, A, some)
    np.testing.assert_allclose(embedded, np.concatenate([some.embedding, action], 1), rtol=1e-6)
    seen = inputs_of(SMALL._replace(inputs="observation"), A, some)
    view, features = some.observation
    expected = np.concatenate([np.asarray(view).reshape(3, -1), features, action], 1)
    np.testing.assert_allclose(seen, expected, rtol=1e-6)
    sizes = [
        representation.input_size(SMALL._replace(inputs=inputs), TEAM, A, X)
        for inputs in ("embedding", "observation")
    ]
    assert sizes == [embedded.shape[1], seen.shape[1]]


def test_nothing_learned_here_reaches_the_policy() -> None:
    encoder = make(SMALL)

    def loss(embedding):
        some = glimpse(3)._replace(embedding=embedding)
        return jnp.sum(encode(SMALL, encoder, inputs_of(SMALL, A, some))[0])

    assert not jax.grad(loss)(glimpse(3).embedding).any()


@pytest.mark.parametrize(
    ("prediction", "target"),
    [
        ("td", lambda o: (o.reward + 0.9 * o.value)[:, None]),
        ("next_value", lambda o: o.value[:, None]),
        ("literal", lambda o: 0.9 * o.embedding - o.reward[:, None]),
    ],
)
def test_the_loss_by_hand(prediction: str, target) -> None:
    """Eq. 7 of a plain autoencoder, which draws nothing."""
    config = SMALL._replace(kind="ae", prediction=prediction, gamma=0.9, prediction_weight=3.0)
    encoder, some, came = make(config), glimpse(5), outcome(5)
    x = inputs_of(config, A, some)
    scaled = np.asarray(x) / np.sqrt(1.01)
    z = encoder.encoder(jnp.asarray(scaled))
    reconstruction = np.sum((np.asarray(encoder.decoder(z)) - scaled) ** 2, axis=1)
    guess = encoder.predictor(jnp.concatenate([z, some.embedding], axis=1))
    predicted = np.sum((np.asarray(guess) - np.asarray(target(came))) ** 2, axis=1)
    parts = losses(config, encoder, x, some.embedding, came, KEY)
    np.testing.assert_allclose(parts["reconstruction"], reconstruction, rtol=1e-4)
    np.testing.assert_allclose(parts["prediction"], predicted, rtol=1e-4)
    np.testing.assert_allclose(
        total(config, parts, x.shape[1], 5), reconstruction + 3 * predicted, rtol=1e-4
    )


def test_the_evidence_is_weighed_per_agent() -> None:
    parts = {
        name: jnp.array([x])
        for name, x in {"reconstruction": 6.0, "kl": 5.0, "prediction": 7.0}.items()
    }
    config = SMALL._replace(beta=0.1, reconstruction_weight=2.0, prediction_weight=0.5)
    np.testing.assert_allclose(total(config, parts, 3, 10), [2 * (6 + 0.5) + 3.5], rtol=1e-6)
    official = config._replace(kl="official")
    np.testing.assert_allclose(total(official, parts, 3, 10), [2 * (2 + 50) + 3.5], rtol=1e-6)


def test_running_statistics_follow_the_batch() -> None:
    part = learning(SMALL, A)
    encoder = make(SMALL)
    some, share = glimpse(200), jnp.full(200, 1 / 200)

    @jax.jit
    def follow(encoder):
        _, sums = part.loss(encoder, some, outcome(200), share, 200, KEY)
        return part.settle(encoder, sums)[0]

    for _ in range(300):
        encoder = follow(encoder)
    x = np.asarray(inputs_of(SMALL, A, some))
    np.testing.assert_allclose(encoder.scale.mean, x.mean(0), atol=0.01)
    np.testing.assert_allclose(encoder.scale.variance, x.var(0), atol=0.02)
    scaled = np.asarray(normalise(encoder.scale, jnp.asarray(x)))
    assert np.abs(scaled.mean(0)).max() < 0.02


def test_running_statistics_are_not_learned() -> None:
    part, encoder = learning(SMALL, A), make(SMALL)
    share = jnp.full(9, 1 / 9)
    gradient, _ = jax.grad(part.loss, has_aux=True)(encoder, glimpse(9), outcome(9), share, 9, KEY)
    assert all(not leaf.any() for leaf in jax.tree.leaves(gradient.scale))
    learned = (gradient.encoder, gradient.decoder, gradient.predictor)
    assert all(leaf.any() for leaf in jax.tree.leaves(learned))


def test_what_has_no_share_has_no_influence() -> None:
    part, encoder = learning(SMALL, A), make(SMALL)
    some, came = glimpse(4), outcome(4)
    share = jnp.array([0.5, 0.0, 0.5, 0.0])
    spoiled = some._replace(embedding=some.embedding.at[1].set(jnp.nan))
    ours = part.loss(encoder, some, came, share, 4, KEY)
    theirs = part.loss(encoder, spoiled, came, share, 4, KEY)
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(one, other)


def planted(seed: int, count: int = 256):
    """Agents of four kinds, who see and do different things, and much noise."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, KINDS, count)
    embedding = 2.0 * np.eye(KINDS, X)[kind] + 0.5 * random.normal(size=(count, X))
    some = glimpse(count, seed)._replace(last_action=jnp.asarray(kind, jnp.uint8))
    return some._replace(embedding=jnp.asarray(embedding, jnp.float32)), kind


def trained(config: RepresentationConfig, steps: int = 400):
    part, encoder = learning(config, A), make(config)
    some, _ = planted(0)
    count = len(some.last_action)
    optimizer = optax.adam(3e-3)
    share, came = jnp.full(count, 1 / count), outcome(count)

    def step(carry, key):
        encoder, state = carry
        loss = partial(
            part.loss, glimpse=some, outcome=came, share=share, batch_size=count, key=key
        )
        gradient, sums = jax.grad(loss, has_aux=True)(encoder)
        changes, state = optimizer.update(gradient, state)
        encoder, metrics = part.settle(optax.apply_updates(encoder, changes), sums)
        return (encoder, state), metrics

    keys = jax.random.split(KEY, steps)
    (encoder, _), metrics = jax.jit(partial(jax.lax.scan, step))(
        (encoder, optimizer.init(encoder)), keys
    )
    return encoder, {name: float(values[-1]) for name, values in metrics.items()}


def agreement(config: RepresentationConfig, encoder) -> float:
    """How well groups of unseen agents agree with their kinds (adjusted Rand index)."""
    some, kind = planted(1)
    keys = jax.random.split(KEY, len(kind))
    z = representation.represent(config, A, encoder, some, keys)
    everyone = jnp.ones(len(kind), bool)

    def start(number):
        return spread_out(z, everyone, KINDS, jax.random.fold_in(KEY, number))

    found = best_of(z, everyone, start, KINDS, jnp.int32(0), jnp.int32(3), 10)
    return adjusted_rand_score(kind, found.label)


@pytest.mark.parametrize("kind", ["vae", "ae"])
def test_planted_kinds_are_told_apart(kind: str) -> None:
    config = SMALL._replace(kind=kind)
    encoder, metrics = trained(config)
    assert agreement(config, encoder) >= 0.95
    assert metrics["active_units"] >= 2


def test_the_released_loss_collapses() -> None:
    """Why it is not the default: the code of every agent is the same."""
    config = SMALL._replace(kl="official", sample=True)
    encoder, metrics = trained(config)
    assert metrics["active_units"] == 0
    assert metrics["spread"] < 0.02
    assert abs(agreement(config, encoder)) < 0.1
