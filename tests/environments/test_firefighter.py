"""Firefighter: its rules by hand, its guarantees, and what scripted fighters earn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmfield.environments import make
from swarmfield.environments.conformance import check_environment
from swarmfield.environments.firefighter import FirefighterState
from swarmfield.environments.firefighter_reference import POLICIES
from swarmfield.environments.scripted import play_scripted
from swarmfield.types import SwarmfieldError

KEY = jax.random.key(0)
ALWAYS, NEVER = 0.0, 0.999


def burn(world, fire, actions, chance):
    """The next levels, with the draws given: [H, 2], growth and quenching."""
    left, right = jnp.asarray(actions) == 0, jnp.asarray(actions) == 1
    crew = world.per_house(left, right)
    advance = world.burn_in_turn if world.config.sequential else world.burn_at_once
    return advance(jnp.asarray(fire), crew, jnp.asarray(chance)).tolist()


def every(world, grows, quenched):
    return [[grows, quenched]] * world.num_houses


@pytest.mark.parametrize(
    ("fire", "actions", "grows", "quenched", "expected"),
    [
        # Fighters 0 1 2 3 stand between houses 01 12 23 30; pairs put houses 1 and 3 out.
        ([3, 3, 3, 3], [1, 0, 1, 0], ALWAYS, ALWAYS, [4, 0, 4, 0]),
        ([3, 3, 3, 3], [1, 0, 1, 0], NEVER, ALWAYS, [3, 0, 3, 0]),
        # One each, beside fire: +1 with 0.8, -1 with 0.6.
        ([3, 3, 3, 3], [0, 0, 0, 0], ALWAYS, ALWAYS, [3, 3, 3, 3]),
        ([3, 3, 3, 3], [0, 0, 0, 0], ALWAYS, NEVER, [4, 4, 4, 4]),
        ([3, 3, 3, 3], [0, 0, 0, 0], NEVER, ALWAYS, [2, 2, 2, 2]),
        # Alone (no neighbour burns), a single fighter always takes one off, growth is 0.4;
        # houses 1 and 3 are beside its fire, and grow with 0.8.
        ([2, 0, 0, 0], [0, 0, 0, 0], NEVER, NEVER, [1, 0, 0, 0]),
        ([2, 0, 0, 0], [0, 0, 0, 0], 0.39, NEVER, [2, 1, 0, 1]),
        ([2, 0, 0, 0], [0, 0, 0, 0], 0.41, NEVER, [1, 1, 0, 1]),
        # Fire spreads to neighbours (houses 3 and 1), not further, and not through two fighters.
        ([2, 0, 0, 0], [1, 0, 1, 0], ALWAYS, ALWAYS, [3, 0, 0, 0]),
        ([2, 0, 0, 0], [1, 1, 0, 0], ALWAYS, NEVER, [3, 1, 0, 1]),
        ([0, 0, 0, 0], [0, 0, 0, 0], ALWAYS, ALWAYS, [0, 0, 0, 0]),
    ],
)
def test_a_step_by_hand(fire, actions, grows, quenched, expected):
    world = make("firefighter", num_agents=4)
    assert burn(world, fire, actions, every(world, grows, quenched)) == expected


def test_a_line_ends():
    """Five houses, four fighters: neither end is beside the other."""
    world = make("firefighter", num_agents=4, topology="line")
    fire = [3, 0, 0, 0, 0]
    assert burn(world, fire, [1, 1, 1, 1], every(world, ALWAYS, NEVER)) == [4, 1, 0, 0, 0]


def test_in_turn_a_house_sees_its_left_neighbour_as_it_has_become():
    fire, actions = [2, 0, 0, 0], [1, 1, 0, 0]
    at_once = make("firefighter", num_agents=4)
    in_turn = make("firefighter", num_agents=4, sequential=True)
    assert burn(at_once, fire, actions, every(at_once, ALWAYS, NEVER)) == [3, 1, 0, 1]
    # House 1 catches fire first, so house 2 (two fighters) is beside it but stays out.
    assert burn(in_turn, fire, actions, every(in_turn, ALWAYS, NEVER)) == [3, 1, 0, 1]
    # Without fighters house 2 catches fire from house 1 in the same step.
    assert burn(at_once, fire, [0, 0, 1, 0], every(at_once, ALWAYS, NEVER)) == [2, 1, 0, 0]
    assert burn(in_turn, fire, [0, 0, 1, 0], every(in_turn, ALWAYS, NEVER)) == [2, 1, 1, 0]


def test_a_deterministic_fire_always_grows():
    world = make("firefighter", num_agents=4, growth="deterministic")
    assert burn(world, [3, 0, 0, 0], [1, 1, 1, 1], every(world, NEVER, NEVER))[3] == 1


@pytest.mark.parametrize("topology", ["ring", "line"])
@pytest.mark.parametrize("reward", ["local", "shared"])
def test_rewards_add_up_to_the_teams(topology, reward):
    world = make("firefighter", num_agents=5, topology=topology, reward=reward)
    state, _ = world.reset(KEY)
    state, timesteps = world.step(KEY, state, {"fighters": jnp.array([0, 1, 1, 0, 1])})
    paid = timesteps["fighters"].reward
    assert float(paid.sum()) == pytest.approx(-float(state.fire.sum()), rel=1e-6)
    assert float(timesteps["fighters"].measures["final_value"]) == -float(state.fire.sum())


def test_local_rewards_by_hand():
    ring, line = (make("firefighter", num_agents=3, topology=t) for t in ("ring", "line"))
    assert ring.pay(jnp.array([2, 4, 6])).tolist() == [-3.0, -5.0, -4.0]
    # The ends of a line have one fighter, who pays all of them.
    assert line.pay(jnp.array([2, 4, 6, 8])).tolist() == [-4.0, -5.0, -11.0]


def test_levels_are_seen_up_to_ten():
    world = make("firefighter", num_agents=3, observation="level")
    fire = jnp.array([0, 5, 25])
    seen = world.look(fire, KEY)
    state = FirefighterState(fire, seen, seen, jnp.int32(0))
    features = np.asarray(world.observe(state, "fighters").features)
    np.testing.assert_allclose(features[:, :2], [[0, 0.5], [0.5, 1], [1, 0]], atol=1e-7)
    angle = 2 * np.pi * np.arange(3) / 3
    np.testing.assert_allclose(features[:, 2:], np.stack([np.sin(angle), np.cos(angle)], 1), 1e-5)


def test_bits_are_as_likely_as_the_source_says():
    world = make("firefighter", num_agents=3)
    keys = jax.random.split(KEY, 20_000)
    seen = jax.vmap(lambda key: world.look(jnp.array([0, 1, 3]), key))(keys)
    left, right = np.divmod(np.asarray(seen), 11)
    wanted = 1 - np.exp(-np.array([0.0, 1.0, 3.0]))
    np.testing.assert_allclose(left.mean(0), wanted, atol=0.015)
    np.testing.assert_allclose(right.mean(0), np.roll(wanted, -1), atol=0.015)


def test_the_graph_is_who_shares_a_house():
    ring, line = (make("firefighter", num_agents=4, topology=t) for t in ("ring", "line"))
    assert ring.teams[0].graph.tolist() == [[3, 1], [0, 2], [1, 3], [2, 0]]
    assert line.teams[0].graph.tolist() == [[-1, 1], [0, 2], [1, 3], [2, -1]]


@pytest.mark.parametrize(
    ("topology", "sequential", "observation"),
    [
        ("ring", False, "level"),
        ("ring", True, "source"),
        ("line", False, "source"),
        ("line", True, "level"),
    ],
)
def test_every_variant_keeps_the_guarantees(topology, sequential, observation):
    options = {"topology": topology, "sequential": sequential, "observation": observation}
    check_environment(make("firefighter", num_agents=4, max_steps=5, **options), KEY, 7)


@given(shift=st.integers(0, 5), seed=st.integers(0, 2**16))
def test_a_ring_has_no_beginning(shift, seed):
    """Turning houses, fighters and draws turns what comes of them."""
    world = make("firefighter", num_agents=6)
    key_fire, key_act, key_chance = jax.random.split(jax.random.key(seed), 3)
    fire = jax.random.randint(key_fire, (6,), 0, 4)
    actions = jax.random.randint(key_act, (6,), 0, 2)
    chance = jax.random.uniform(key_chance, (6, 2))
    turned = burn(world, *(jnp.roll(x, shift, 0) for x in (fire, actions, chance)))
    assert turned == jnp.roll(jnp.array(burn(world, fire, actions, chance)), shift).tolist()


REFERENCE = {
    # Mean and spread over 20 episodes of 50 fighters, measured apart from this code.
    ("ring", 100, False): {
        "random": (-3613, 493),
        "all_left": (-66130, 2750),
        "greedy": (-612, 123),
        "pairs": (-1910, 35),
    },
    ("ring", 20, False): {
        "random": (-1197, 134),
        "all_left": (-5140, 200),
        "greedy": (-482, 42),
        "pairs": (-442, 25),
    },
    ("line", 100, True): {
        "random": (-5779, 552),
        "all_left": (-69683, 2750),
        "greedy": (-4776, 1982),
        "pairs": (-2393, 607),
    },
}


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("setting", REFERENCE)
def test_scripted_fighters_earn_what_is_known(setting, name):
    topology, max_steps, sequential = setting
    world = make("firefighter", topology=topology, max_steps=max_steps, sequential=sequential)
    returns = play_scripted(world, POLICIES[name], 40, KEY).returns
    mean, spread = REFERENCE[setting][name]
    error = np.hypot(spread / np.sqrt(20), float(returns.std()) / np.sqrt(40))
    assert abs(float(returns.mean()) - mean) < 4 * error


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_agents": 1}, "--env.num-agents is 1"),
        ({"max_steps": 0}, "--env.max-steps is 0"),
        ({"topology": "star"}, "topology"),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(SwarmfieldError, match=words):
        make("firefighter", **options)
