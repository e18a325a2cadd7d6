"""MADDPG: actors that act alone, and critics of what everybody saw and did."""

import dataclasses
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_factored import make_batch
from test_learning import learn
from test_q_learning import FEATURES, KEY, PROGRESS, make_steps, make_team, unpack
from toy import NUM_ACTIONS, Drift, Toy, ToyConfig

from swarmfield.algorithms import maddpg
from swarmfield.algorithms._joint_loss import Parts, softened
from swarmfield.algorithms._joint_networks import judge, judge_own
from swarmfield.algorithms._perception import Senses
from swarmfield.types import Box, Discrete, Product, SwarmfieldError, TeamSpec

OPTIONS = {"gamma": 0.9, "tau": 0.25, "logit_penalty": 0.5}


@cache
def make(num_agents: int = 4, **options):
    """An algorithm, and a learner whose target is another's."""
    config = maddpg.MADDPGConfig(**(OPTIONS | options))
    algorithm = maddpg.build(config, make_team(num_agents), unpack)
    learner, other = algorithm.init(KEY), algorithm.init(jax.random.key(1))
    return algorithm, dataclasses.replace(learner, target=(other.network, other.critic))


def updated(batch, **options):
    algorithm, learner = make(**options)
    return jax.jit(algorithm.update)(learner, batch, KEY, PROGRESS)


def layers_of(everybody, agent: int):
    """One agent's own layers, as numbers."""
    layers = everybody.layers.layers
    if everybody.shared:
        return [(np.asarray(each.weight), np.asarray(each.bias)) for each in layers]
    return [(np.asarray(each.weight[agent]), np.asarray(each.bias[agent])) for each in layers]


def plain(everybody, agent: int, x, num_agents: int = 4):
    """What one agent's network says, layer by layer."""
    if everybody.shared:
        x = np.concatenate([x, np.eye(num_agents)[agent]])
    *hidden, (weight, bias) = layers_of(everybody, agent)
    for w, b in hidden:
        x = np.maximum(x @ w + b, 0)
    return x @ weight + bias


def one_hots(actions):
    return np.eye(NUM_ACTIONS)[np.asarray(actions)]


def everything(seen, done, alive):
    """What a critic reads."""
    return np.concatenate(
        [np.concatenate([o, u]) * a for o, u, a in zip(seen, done, alive, strict=True)]
    )


@pytest.mark.parametrize("shared", [False, True])
def test_the_critics_loss_by_hand(shared: bool) -> None:
    """Agent 3 is dead; agent 2 dies in the first step; the second step ends the game."""
    alive = np.array([[1, 1, 1, 0], [1, 1, 1, 0]], bool)
    alive_after = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)
    terminated = np.array([[0, 0, 1, 0], [1, 1, 1, 0]], bool)
    now = make_steps(0, 4, alive=alive)
    after = make_steps(1, 4, alive=alive_after, terminated=terminated)
    _, learner = make(share_parameters=shared)
    _, metrics = updated(make_batch(now, after, alive), share_parameters=shared)
    actor, critic = learner.target
    errors, values = [], []
    for m in range(2):
        seen, next_seen = (np.asarray(steps.own["seen"][m]) for steps in (now, after))
        done = one_hots(after.last_action[m])
        best = one_hots([np.argmax(plain(actor, i, next_seen[i])) for i in range(4)])
        for i in range(3):
            value = plain(critic, i, everything(next_seen, best, alive_after[m]))[0]
            y = float(after.reward[m, i]) + 0.9 * (0.0 if terminated[m, i] else value)
            q = plain(learner.critic, i, everything(seen, done, alive[m]))[0]
            errors.append((y - q) ** 2)
            values.append(q)
    assert float(metrics["critic_loss"]) == pytest.approx(np.mean(errors), rel=1e-4)
    assert float(metrics["q"]) == pytest.approx(np.mean(values), rel=1e-4)


def test_each_agent_is_judged_by_what_it_would_do_while_others_did_what_they_did() -> None:
    _, learner = make()
    random = np.random.default_rng(0)
    seen = random.normal(size=(4, FEATURES)).astype(np.float32)
    done, own = (one_hots(random.integers(0, NUM_ACTIONS, 4)).astype(np.float32) for _ in range(2))
    alive = np.array([1, 1, 0, 1], bool)
    arrays = [jnp.asarray(x) for x in (seen, done, own, alive)]
    got = judge_own(learner.critic, *arrays)
    for i in range(4):
        mixed = done.copy()
        mixed[i] = own[i]
        expected = plain(learner.critic, i, everything(seen, mixed, alive))[0]
        assert float(got[i]) == pytest.approx(float(expected), rel=1e-4)
    same = judge_own(learner.critic, arrays[0], arrays[1], arrays[1], arrays[3])
    plainly = judge(learner.critic, arrays[0], arrays[1], arrays[3])
    np.testing.assert_allclose(same, plainly, rtol=1e-5)


def test_actors_learn_from_their_own_critic_and_nobody_elses() -> None:
    """Where one agent's critic says the same of everything, only the penalty moves its actor."""
    algorithm, learner = make(logit_penalty=0.0)
    batch = make_batch()

    def silence(x):
        return x.at[1].set(0.0)

    # The critics learn first; with nothing to learn from, what is silent stays so.
    frozen = maddpg.build(
        maddpg.MADDPGConfig(**(OPTIONS | {"logit_penalty": 0.0, "learning_rate": 1e-30})),
        make_team(4),
        unpack,
    )
    del algorithm
    silent = dataclasses.replace(learner, critic=jax.tree.map(silence, learner.critic))
    after, _ = frozen.update(silent, batch, KEY, PROGRESS)

    def moved(agent: int) -> float:
        pairs = zip(jax.tree.leaves(learner.network), jax.tree.leaves(after.network), strict=True)
        return max(float(jnp.max(jnp.abs(x[agent] - y[agent]))) for x, y in pairs)

    assert moved(1) < 1e-9
    assert all(moved(agent) > 1e-5 for agent in (0, 2, 3))


def make_parts(actions) -> Parts:
    team = TeamSpec("team", 4, actions, None, FEATURES)
    config = maddpg.MADDPGConfig(gumbel_temperature=0.7)
    return Parts(config, Senses(team, unpack, "mlp", None), None, None)


def test_drawn_actions_are_one_hots_with_the_derivative_of_a_softmax() -> None:
    parts = make_parts(Discrete(NUM_ACTIONS))
    said = jax.random.normal(KEY, (4, NUM_ACTIONS))
    drawn = softened(parts, said, KEY)
    np.testing.assert_allclose(jnp.sort(drawn, axis=1)[:, -1], 1.0, rtol=1e-5)
    np.testing.assert_allclose(jnp.sum(drawn, axis=1), 1.0, rtol=1e-5)
    noise = jax.random.gumbel(KEY, said.shape)
    weight = jax.random.normal(jax.random.key(1), said.shape)
    got = jax.grad(lambda x: jnp.sum(weight * softened(parts, x, KEY)))(said)
    soft = jax.grad(lambda x: jnp.sum(weight * jax.nn.softmax((x + noise) / 0.7, axis=-1)))(said)
    np.testing.assert_allclose(got, soft, rtol=1e-4, atol=1e-6)


def test_an_action_in_a_box_is_learned_through_as_it_is() -> None:
    parts = make_parts(Box(2, 0.0, 4.0))
    said = jnp.array([[0.0, 100.0]] * 4)
    np.testing.assert_allclose(softened(parts, said, KEY), [[2.0, 4.0]] * 4, rtol=1e-6)


@pytest.mark.parametrize("shared", [False, True])
def test_acting_uses_what_an_agent_sees_itself_and_nothing_else(shared: bool) -> None:
    algorithm, learner = make(6, share_parameters=shared)
    large = {"seen": 30 * jax.random.normal(KEY, (2, 6, FEATURES))}
    steps = make_steps(0, 6, own=large)
    one, other = (jax.tree.map(lambda x, m=m: x[m], steps) for m in range(2))
    seen = other.own["seen"].at[2].set(one.own["seen"][2])
    other = dataclasses.replace(other, own={"seen": seen})
    act = jax.jit(algorithm.act)
    first, second = (act(learner, step, None, KEY, jnp.zeros(6))[0] for step in (one, other))
    assert int(first[2]) == int(second[2])
    assert not np.array_equal(first, second)


def test_exploring_draws_from_the_softmax_of_what_actors_say() -> None:
    algorithm, learner = make(2)
    step = jax.tree.map(lambda x: x[0], make_steps(0, 2))
    keys = jax.random.split(KEY, 4000)
    act = jax.jit(jax.vmap(lambda key: algorithm.act(learner, step, None, key, jnp.ones(2))[0]))
    drawn = np.asarray(act(keys))
    for agent in range(2):
        said = plain(learner.network, agent, np.asarray(step.own["seen"][agent]))
        expected = np.exp(said) / np.exp(said).sum()
        share = np.bincount(drawn[:, agent], minlength=NUM_ACTIONS) / len(drawn)
        np.testing.assert_allclose(share, expected, atol=0.03)


def test_who_is_no_member_changes_nothing() -> None:
    alive = np.array([[1, 1, 0, 1], [1, 0, 0, 1]], bool)

    def learned(seen: float):
        steps = [make_steps(seed, 4, alive=alive) for seed in (0, 1)]
        steps = [
            dataclasses.replace(
                step, own={"seen": jnp.where(alive[..., None], step.own["seen"], seen)}
            )
            for step in steps
        ]
        return updated(make_batch(*steps, alive))[0]

    one, other = learned(0.0), learned(5.0)
    for name in ("network", "critic"):
        jax.tree.map(
            np.testing.assert_array_equal,
            jax.tree.leaves(getattr(one, name)),
            jax.tree.leaves(getattr(other, name)),
        )


@pytest.mark.parametrize("shared", [False, True])
def test_discrete_actors_learn_what_they_see(shared: bool) -> None:
    environment = Toy(ToyConfig(num_agents=3))
    most = environment.num_agents * environment.max_steps
    options = {
        "batch_size": 192,
        "warmup": 500,
        "learning_rate": 3e-3,
        "actor_learning_rate": 3e-3,
        "gamma": 0.5,
        "explore_end": 0.0,
        "explore_fraction": 0.5,
        "share_parameters": shared,
    }
    assert learn("maddpg", environment, 800, options) >= 0.9 * most


def test_continuous_actors_learn_what_they_see() -> None:
    environment = Drift(shown=True)
    options = {
        "batch_size": 192,
        "warmup": 500,
        "learning_rate": 3e-3,
        "gamma": 0.5,
        "explore_start": 0.5,
        "explore_end": 0.0,
        "explore_fraction": 0.5,
    }
    assert learn("maddpg", environment, 800, options) >= 0.85 * environment.best_return


def test_a_large_team_and_several_actions_at_once_are_refused() -> None:
    with pytest.raises(SwarmfieldError, match="maddpg has a critic of everybody for each agent"):
        make(33)
    both = TeamSpec("team", 4, Product((Discrete(2), Box(1))), None, FEATURES)
    with pytest.raises(SwarmfieldError, match="discrete actions"):
        maddpg.build(maddpg.MADDPGConfig(), both, unpack)


@pytest.mark.parametrize(
    ("option", "value"),
    [("gumbel_temperature", 0.0), ("logit_penalty", -1.0), ("hidden", 0)],
)
def test_options_out_of_range_are_refused(option: str, value) -> None:
    with pytest.raises(SwarmfieldError, match=f"--algo.{option.replace('_', '-')}"):
        maddpg.MADDPGConfig(**{option: value})
