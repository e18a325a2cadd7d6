"""Proximal policy optimisation: hand numbers, symmetries, and small games it learns."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy import (
    Drift,
    Toy,
    ToyConfig,
    learned_return,
    make_algorithm,
    make_program,
    make_timestep,
)

from swarmfield.action_distributions import family_of
from swarmfield.algorithms import _ppo_loss as ppo_loss
from swarmfield.algorithms._perception import Senses
from swarmfield.algorithms._ppo import adapted
from swarmfield.algorithms._ppo_config import PPOConfig
from swarmfield.environments import make
from swarmfield.environments.m3fc.crowd import Bins
from swarmfield.environments.m3fc.minor_major import MinorMajor
from swarmfield.environments.m3fc.model import Marks
from swarmfield.policy_networks import ByKind, PooledCritic, unit_columns
from swarmfield.training import program as loop
from swarmfield.training.config import make_job
from swarmfield.training.control import controlled
from swarmfield.types import Box, Discrete, Observation, SwarmfieldError, TeamSpec

KEY = jax.random.key(0)
KERNEL = {"rule": "kernel", "kernel_width": 1.0}
QUICK = {"rollout_length": 8, "learning_rate": 3e-3, "gamma": 0.5, "hidden": 32}


class Says:
    """A network that says the same to all."""

    def __init__(self, *numbers):
        self.numbers = jnp.array(numbers)

    def __call__(self, observation, kind, members=None):
        shape = observation.features.shape[:-1]
        if members is not None:
            return jnp.broadcast_to(self.numbers[0], shape)
        return jnp.broadcast_to(self.numbers, (*shape, *self.numbers.shape))


def parts_of(**options):
    team = TeamSpec("team", 2, Discrete(2), None, 1)
    senses = Senses(team, lambda *_: Observation(None, jnp.zeros(1)), "mlp", None)
    return ppo_loss.Parts(PPOConfig(**options), senses, family_of(team.actions), None)


def examples(action, advantage, value, target, weight):
    two = lambda x: jnp.array([x, x])[None]  # noqa: E731
    step = jax.tree.map(lambda x: x[None], make_timestep(2))
    return ppo_loss.Examples(
        step,
        jnp.array([[[float(a)] for a in action]]),
        jnp.zeros((1, 2, 2)),  # both were as likely
        two(value),
        jnp.array([advantage], jnp.float32),
        two(target),
        jnp.array([weight], jnp.float32),
    )


def test_the_loss_by_hand():
    """Two agents; the first did what became twice as likely, the second what became rarer."""
    parts = parts_of(entropy_weight=0.1, value_weight=0.5, value_clip=1.0, kl_weight=0.3)
    new = Says(float(np.log(3)), 0.0)
    some = examples([0, 1], [1.0, -1.0], 2.0, 5.0, [1.0, 1.0])
    loss, sums = ppo_loss._loss(parts, jnp.float32(0.3), jnp.float32(2), (new, Says(4.0)), some)
    # Ratios 0.75 / 0.5 = 1.5, held at 1.2, and 0.25 / 0.5 = 0.5, of which the worse counts, 0.8.
    actor = -(1.2 * 1 + 0.8 * -1) / 2
    # The value moved by 2, of which 1 counts: (2 + 1 - 5)^2 is worse than (4 - 5)^2.
    critic = 4.0
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    kl = 0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25)
    np.testing.assert_allclose(sums["actor_loss"], actor, rtol=1e-5)
    np.testing.assert_allclose(sums["critic_loss"], critic, rtol=1e-5)
    np.testing.assert_allclose(sums["entropy"], entropy, rtol=1e-5)
    np.testing.assert_allclose(sums["kl"], kl, rtol=1e-5)
    assert float(sums["clipped"]) == 1
    np.testing.assert_allclose(loss, actor + 0.5 * critic - 0.1 * entropy + 0.3 * kl, rtol=1e-5)


def test_who_has_no_weight_adds_nothing():
    parts = parts_of()
    networks = (Says(1.0, 0.0), Says(4.0))
    both = examples([0, 1], [1.0, np.nan], 2.0, 5.0, [1.0, 0.0])
    loss, _ = ppo_loss._loss(parts, jnp.float32(0), jnp.float32(1), networks, both)
    other = examples([0, 0], [1.0, 7.0], 2.0, 5.0, [1.0, 0.0])
    its, _ = ppo_loss._loss(parts, jnp.float32(0), jnp.float32(1), networks, other)
    assert np.isfinite(loss)
    np.testing.assert_allclose(loss, its, rtol=1e-6)


def test_advantages_are_standardised_among_those_who_count():
    values, weight = jnp.array([1.0, 3.0, 99.0]), jnp.array([1.0, 1.0, 0.0])
    np.testing.assert_allclose(ppo_loss.standardised(values, weight), [-1, 1, 0], atol=1e-6)
    assert ppo_loss.standardised(jnp.ones(3), jnp.ones(3)).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("kl", "expected"), [(0.07, 0.3), (0.05, 0.2), (0.02, 0.2), (0.01, 0.1), (0.0, 0.1)]
)
def test_moving_far_becomes_dearer_and_hardly_moving_cheaper(kl, expected):
    found = adapted(jnp.float32(0.2), jnp.float32(kl), 0.03)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_weights_to_each_output_have_one_norm():
    layer = unit_columns(5, 7, 0.01, KEY)
    np.testing.assert_allclose(jnp.linalg.norm(layer.weight, axis=0), 0.01, rtol=1e-5)
    assert not np.any(layer.bias)


def critic_of(number, num_kinds=1):
    team = TeamSpec("team", number, Box(1), None, 3, num_kinds)
    return PooledCritic("none", team, 8, KEY)


def test_a_pooled_critic_is_as_large_for_any_team():
    few, many = (
        jax.tree.map(jnp.shape, jax.tree.leaves(critic_of(number))) for number in (2, 10_000)
    )
    assert few == many


def test_a_pooled_critic_ignores_order_and_the_dead():
    critic = critic_of(4)
    seen = jax.random.normal(KEY, (4, 3))
    kind, members = jnp.zeros(4, jnp.int32), jnp.array([True, True, True, False])
    value = critic(Observation(None, seen), kind, members)
    order = jnp.array([2, 0, 1, 3])
    other = critic(Observation(None, seen[order]), kind, members)
    np.testing.assert_allclose(other[:3], value[order][:3], rtol=1e-5)
    changed = critic(Observation(None, seen.at[3].set(9.0)), kind, members)
    np.testing.assert_allclose(changed[:3], value[:3], rtol=1e-6)
    noticed = critic(Observation(None, seen.at[2].set(9.0)), kind, members)
    assert not np.allclose(noticed[0], value[0])


def test_kinds_have_policies_of_their_own():
    team = TeamSpec("team", 3, Discrete(2), None, 2, num_kinds=2)
    both = ByKind("none", team, 8, 2, 2, KEY)
    seen = Observation(None, jax.random.normal(KEY, (3, 2)))
    found = both(seen, jnp.array([0, 1, 0]))
    first, second = (network(seen) for network in both.networks)
    np.testing.assert_array_equal(found, jnp.stack([first[0], second[1], first[2]]))


@pytest.mark.parametrize("name", ["ippo", "mappo"])
def test_what_is_seen_is_learned(name):
    environment = Toy(ToyConfig())
    most = environment.num_agents * environment.max_steps
    algorithm = make_algorithm(name, environment, **QUICK)
    assert learned_return(algorithm, environment, 300) >= 0.9 * most


@pytest.mark.parametrize("name", ["ippo", "mappo"])
def test_real_numbers_are_learned(name):
    environment = Drift(shown=True)
    algorithm = make_algorithm(name, environment, **QUICK, entropy_weight=0.0)
    assert learned_return(algorithm, environment, 800) > environment.blind_return


class Steps(NamedTuple):
    num_agents: int = 10
    max_steps: int = 8
    parity: bool = False


class ToTheRight:
    """A crowd on a line is paid by how far to the right it is."""

    name = "to_the_right"
    description = "to the right"
    config = Steps()
    actions = Box(1)
    has_major = False
    bins = Bins((-1.0,), (1.0,), (2,))
    dimensions = num_own = 1
    num_public = num_controlled = 2
    extent = (2.0, 2.0)
    cells = None
    names_of_marks = ()
    published_squash = "clip"

    def begin(self, key, number):
        return jax.random.uniform(key, (number, 1), minval=-1.0)

    def found(self, key):
        del key
        return jnp.zeros(())

    def move(self, key, crowd, world, action):
        del key, world
        return jnp.clip(crowd.state + 0.3 * action, -1.0, 1.0)

    def change(self, key, crowd, world, major):
        del key, crowd, major
        return world

    def reward(self, crowd, world, action, major):
        del world, action, major
        return crowd.mean(crowd.state[:, 0])

    def public(self, crowd, world):
        del world
        return self.bins.histogram(crowd)

    def own(self, state):
        return state

    def place_of_major(self, world):
        del world
        return jnp.zeros(1)

    def marks(self, world):
        del world
        return Marks(jnp.zeros((0, 1)), jnp.zeros(0, bool), jnp.zeros(0), np.zeros(0, int))

    def drawn(self, place):
        return jnp.concatenate([place, place], axis=1)


@pytest.mark.parametrize(
    ("name", "options", "least"),
    [("m3fppo", {}, 2.0), ("m3fa2c", {"learning_rate": 3e-2}, 1.0), ("m3fppo", KERNEL, 2.0)],
)
def test_who_controls_a_crowd_learns_where_to_send_it(name, options, least):
    """At random a crowd earns 0; if all go at once, about 5 in eight steps."""
    options = QUICK | {"gamma": 0.9} | options
    config = make_job(name, "potential", algo=options).config.algo
    environment = controlled(MinorMajor(ToTheRight()), config, name)
    algorithm = make_algorithm(name, environment, **options)
    assert learned_return(algorithm, environment, 400) > least


def test_only_crowds_are_controlled():
    config = make_job("m3fppo", "potential").config.algo
    with pytest.raises(SwarmfieldError, match="m3fppo controls crowds by rules, but 'battle' has"):
        controlled(make("battle"), config, "m3fppo")
    with pytest.raises(SwarmfieldError, match="The opponent is 'm3fppo', which controls crowds"):
        make_job("mfq", "battle", opponent="m3fppo")


def test_a_rollout_moves_the_policy_and_the_weight_of_moving():
    environment = Toy(ToyConfig())
    algorithm = make_algorithm("ippo", environment, **QUICK, kl_weight=0.2)
    program = make_program(algorithm, environment, 4, 64)
    run = loop.start(program, None, KEY)
    after = jax.jit(partial(loop.advance, program))(run, jnp.int32(0), jnp.int32(8))
    assert float(after.learner.kl_weight) in [np.float32(0.2 * x) for x in (0.5, 1.0, 1.5)]
    moved = jax.tree.map(lambda x, y: bool(np.any(x != y)), run.learner.actor, after.learner.actor)
    assert all(jax.tree.leaves(moved))


def test_illegal_actions_are_never_taken():
    parts = parts_of()
    step = make_timestep(2, legal=jnp.array([[True, False], [False, True]]))
    logits = ppo_loss.allowed(parts, jnp.zeros((2, 2)), step)
    drawn = parts.family.sample(logits, KEY)
    assert drawn.tolist() == [[0.0], [1.0]]
    assert np.isfinite(parts.family.divergence(logits, logits)).all()
    assert np.isfinite(parts.family.entropy(logits)).all()


@pytest.mark.parametrize(
    ("option", "value"),
    [("clip", 0.0), ("epochs", 0), ("gamma", 1.5), ("kl_target", -1.0), ("minibatches", 0)],
)
def test_impossible_options_are_refused(option, value):
    with pytest.raises(SwarmfieldError, match=f"--algo.{option.replace('_', '-')} is {value}"):
        PPOConfig(**{option: value})
