"""Who plays which team: sides, keys, and players acting in chunks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy import NUM_ACTIONS, Toy, ToyConfig, WeatherVanes, make_algorithm, make_timestep

from swarmfield.training import matchup
from swarmfield.training.matchup import Policy, Sides, policy_of, random_policy, sides_of
from swarmfield.types import Box, SwarmfieldError

TOY = Toy(ToyConfig(num_agents=3))
KEY = jax.random.key(0)


def numbered(num_envs: int):
    """Timesteps whose rewards say which team's they are, and which environment's."""
    fields = {"first": [True] * num_envs, "truncated": [False] * num_envs}
    return {
        team: make_timestep(
            3,
            **fields,
            alive=jnp.ones((num_envs, 3), bool),
            kind=jnp.zeros((num_envs, 3), jnp.uint8),
            position=jnp.zeros((num_envs, 3, 2), jnp.int16),
            last_action=jnp.zeros((num_envs, 3), jnp.uint8),
            reward=jnp.tile(jnp.arange(float(num_envs))[:, None] + 100 * row, (1, 3)),
            terminated=jnp.zeros((num_envs, 3), bool),
            trained=jnp.ones((num_envs, 3), bool),
        )
        for row, team in enumerate(("left", "right"))
    }


def test_the_learner_plays_each_side_in_half_of_the_environments() -> None:
    learner, opponent = sides_of(TOY).split(numbered(4))
    np.testing.assert_array_equal(learner.reward[:, 0], [0, 1, 102, 103])
    np.testing.assert_array_equal(opponent.reward[:, 0], [100, 101, 2, 3])


def test_of_an_odd_number_the_first_side_has_one_more() -> None:
    learner, _ = sides_of(TOY).split(numbered(5))
    np.testing.assert_array_equal(learner.reward[:, 0], [0, 1, 2, 103, 104])


def test_sides_that_are_not_interchangeable_stay() -> None:
    sides = sides_of(TOY)._replace(swapped=False)
    learner, opponent = sides.split(numbered(4))
    np.testing.assert_array_equal(learner.reward[:, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(opponent.reward[:, 0], [100, 101, 102, 103])


@pytest.mark.parametrize("swapped", [True, False])
@pytest.mark.parametrize("num_envs", [1, 2, 5, 8])
def test_joining_undoes_splitting(num_envs: int, swapped: bool) -> None:
    timesteps = numbered(num_envs)
    sides = sides_of(TOY)._replace(swapped=swapped)
    learner, opponent = sides.split(timesteps)
    joined = sides.join(learner.reward, opponent.reward)
    assert list(joined) == ["left", "right"]
    for team, reward in joined.items():
        np.testing.assert_array_equal(reward, timesteps[team].reward)


def test_a_cooperative_environment_has_one_player() -> None:
    sides = sides_of(WeatherVanes())
    assert sides.away is None
    timestep = numbered(2)["left"]
    learner, opponent = sides.split({"flock": timestep})
    assert learner is timestep
    assert opponent is None
    assert list(sides.join(timestep.reward, None)) == ["flock"]


def test_a_side_of_several_teams_is_refused() -> None:
    environment = Toy(ToyConfig())
    environment.name, environment.sides = "war", (("a", "b"), ("c",))
    with pytest.raises(SwarmfieldError, match=r"'war' are \(\('a', 'b'\), \('c',\)\)"):
        sides_of(environment)


def test_every_key_is_its_own() -> None:
    keys = [matchup.env_keys(KEY, time, 5) for time in (0, 1, 7, 2**32 - 1)]
    numbers = [jax.random.key_data(part) for one in keys for part in one]
    rows = np.concatenate(numbers)
    assert rows.shape == (4 * 3 * 5, 2)
    assert len({tuple(row) for row in rows.tolist()}) == len(rows)


def test_a_time_gives_the_same_keys_when_it_is_traced() -> None:
    traced = jax.jit(lambda time: matchup.env_keys(KEY, time, 4))(jnp.int32(9))
    for one, other in zip(traced, matchup.env_keys(KEY, 9, 4), strict=True):
        np.testing.assert_array_equal(jax.random.key_data(one), jax.random.key_data(other))


def test_random_actions_are_uniform_over_the_legal() -> None:
    team = TOY.teams[0]._replace(num_agents=30_000)
    legal = jnp.tile(jnp.array([True, False, True, True]), (30_000, 1))
    act = random_policy(team).act
    timestep = make_timestep(30_000, legal=legal)
    actions, memory, record = act(None, timestep, None, KEY, jnp.zeros(30_000))
    share = np.bincount(actions, minlength=NUM_ACTIONS) / 30_000
    np.testing.assert_allclose(share, [1 / 3, 0, 1 / 3, 1 / 3], atol=0.012)
    assert memory is None
    assert record is None


def test_random_real_actions_are_uniform_over_the_box() -> None:
    team = TOY.teams[0]._replace(num_agents=30_000, actions=Box(2, -1.0, 3.0))
    act = random_policy(team).act
    actions, _, _ = act(None, make_timestep(30_000), None, KEY, jnp.zeros(30_000))
    assert actions.shape == (30_000, 2)
    assert actions.min() >= -1
    assert actions.max() <= 3
    np.testing.assert_allclose(actions.mean(0), 1, atol=0.03)
    np.testing.assert_allclose(actions.var(0), 4**2 / 12, atol=0.03)


def counting_policy() -> Policy:
    """Remembers how many steps it has acted in since the reset, and records it."""

    def act(learner, timestep, memory, key, explore):
        drawn = jax.random.randint(key, explore.shape, 0, NUM_ACTIONS)
        strength = jnp.where(explore > 0, learner, 0)
        return (drawn + strength) % NUM_ACTIONS, memory + 1, {"count": memory}

    return Policy(lambda *_: jnp.int32(0), act)


def play_once(policy: Policy, learner, memory, num_envs: int = 7):
    keys = matchup.env_keys(KEY, 3, num_envs)
    _, timesteps = jax.vmap(TOY.reset)(keys.environment)
    home, _ = sides_of(TOY).split(timesteps)
    return jax.jit(lambda: matchup.act(policy, learner, home, memory, keys.learner, jnp.ones(())))()


@pytest.mark.parametrize("at_once", [1, 7])
def test_chunks_change_nothing(monkeypatch, at_once: int) -> None:
    memory = jnp.arange(7, dtype=jnp.int32)
    expected = play_once(counting_policy(), jnp.int32(2), memory)
    monkeypatch.setattr(matchup, "AGENTS_AT_ONCE", {"cpu": at_once})
    chunked = play_once(counting_policy(), jnp.int32(2), memory)
    for one, other in zip(jax.tree.leaves(chunked), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(one, other)


def test_chunks_of_a_network_change_no_action(monkeypatch) -> None:
    algorithm = make_algorithm("mfq", TOY)
    learner = algorithm.init(KEY)
    expected = play_once(policy_of(algorithm), learner, None)
    monkeypatch.setattr(matchup, "AGENTS_AT_ONCE", {"cpu": 6})
    chunked = play_once(policy_of(algorithm), learner, None)
    np.testing.assert_array_equal(chunked[0], expected[0])


def test_memory_begins_anew_at_a_reset() -> None:
    first = jnp.array([True, False, False, True])
    timestep = numbered(4)["left"]
    timestep = type(timestep)(**{**vars(timestep), "first": first})
    keys = matchup.env_keys(KEY, 0, 4).learner
    memory = jnp.array([4, 5, 6, 7], jnp.int32)
    policy = counting_policy()
    _, memory, record = matchup.act(policy, jnp.int32(0), timestep, memory, keys, jnp.ones(()))
    np.testing.assert_array_equal(record["count"], [0, 5, 6, 0])
    np.testing.assert_array_equal(memory, [1, 6, 7, 1])
    begun = matchup.begin(policy, None, timestep, keys)
    np.testing.assert_array_equal(begun, [0, 0, 0, 0])


def test_both_players_act_with_their_own() -> None:
    """Each side's actions come from its own parameters, key, memory and exploration."""
    sides = sides_of(TOY)
    policy = counting_policy()
    keys = matchup.env_keys(KEY, 0, 4)
    timesteps = numbered(4)
    parameters = (jnp.int32(1), jnp.int32(2))
    memories = matchup.begin_both(sides, (policy, policy), parameters, timesteps, keys)
    actions, memories, records = matchup.act_both(
        sides,
        (policy, policy),
        parameters,
        timesteps,
        memories,
        keys,
        (jnp.ones(()), jnp.zeros(())),
    )
    draw = jax.vmap(lambda key: jax.random.randint(key, (3,), 0, NUM_ACTIONS))
    learner, opponent = (draw(keys.learner) + 1) % NUM_ACTIONS, draw(keys.opponent)
    expected = sides.join(learner, opponent)
    for team in ("left", "right"):
        np.testing.assert_array_equal(actions[team], expected[team])
    np.testing.assert_array_equal(memories[0], [1, 1, 1, 1])
    assert [set(record) for record in records] == [{"count"}] * 2


def test_without_an_opponent_one_side_acts() -> None:
    sides = Sides(WeatherVanes().teams[0], None, False)
    policy = counting_policy()
    keys = matchup.env_keys(KEY, 0, 4)
    timesteps = {"flock": numbered(4)["left"]}
    memories = matchup.begin_both(sides, (policy, None), (jnp.int32(0), None), timesteps, keys)
    assert memories[1] is None
    explore = (jnp.zeros(()), jnp.zeros(()))
    actions, memories, _ = matchup.act_both(
        sides, (policy, None), (jnp.int32(0), None), timesteps, memories, keys, explore
    )
    assert list(actions) == ["flock"]
    assert memories[1] is None


def grouping_policy(shift: int) -> Policy:
    """Its record holds groups: each agent's number and a shift."""
    policy = random_policy(TOY.teams[0])
    return policy._replace(groups=lambda timestep, record: record + jnp.uint8(shift))


@pytest.mark.parametrize("swapped", [False, True])
def test_both_players_groups_are_told_by_team(swapped: bool) -> None:
    sides = sides_of(TOY)._replace(swapped=swapped)
    record = jnp.tile(jnp.arange(3, dtype=jnp.uint8), (4, 1))
    policies = (grouping_policy(0), grouping_policy(10))
    groups = matchup.groups_both(sides, policies, numbered(4), (record, record))
    assert groups is not None
    lowest = {team: labels[:, 0].tolist() for team, labels in groups.items()}
    assert lowest["left"] == ([0, 0, 10, 10] if swapped else [0] * 4)
    assert lowest["right"] == ([10, 10, 0, 0] if swapped else [10] * 4)


def test_a_player_without_groups_is_in_none() -> None:
    record = jnp.full((4, 3), 254, jnp.uint8)
    policies = (grouping_policy(0), random_policy(TOY.teams[1]))
    sides = sides_of(TOY)._replace(swapped=False)
    groups = matchup.groups_both(sides, policies, numbered(4), (record, None))
    assert groups is not None
    np.testing.assert_array_equal(groups["left"], np.full((4, 3), 254))
    np.testing.assert_array_equal(groups["right"], np.full((4, 3), -1))
    alone = Sides(WeatherVanes().teams[0], None, False)
    flock = {"flock": numbered(4)["left"]}
    groups = matchup.groups_both(alone, (policies[0], None), flock, (record, None))
    assert groups is not None
    assert list(groups) == ["flock"]


def test_without_groups_nothing_is_told() -> None:
    policies = (random_policy(TOY.teams[0]), random_policy(TOY.teams[1]))
    assert matchup.groups_both(sides_of(TOY), policies, numbered(4), (None, None)) is None
