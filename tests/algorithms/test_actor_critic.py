"""Actor-critic's arithmetic on rollouts made by hand, and its policies."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy import NUM_ACTIONS, make_timestep

from swarmfield import networks
from swarmfield.algorithms import ac, bmf_ac, mfac
from swarmfield.algorithms._ac_loss import Parts, evaluate
from swarmfield.algorithms._actor_critic import _last_value
from swarmfield.algorithms._bilevel import bilevel_field
from swarmfield.algorithms._descent import descent
from swarmfield.algorithms._interaction import through_field
from swarmfield.algorithms._perception import Recorded, Senses, embed
from swarmfield.mean_field.groups import Grouping
from swarmfield.types import Discrete, Observation, SwarmfieldError, TeamSpec, Trajectory

FEATURES, T, E, N = 3, 4, 2, 5
KEY = jax.random.key(0)
PROGRESS = jnp.float32(0.5)
METHODS = {"ac": (ac.ACConfig, ac.build), "mfac": (mfac.MFACConfig, mfac.build)}
BY_HAND = {"gamma": 0.9, "gae_lambda": 0.8, "entropy_weight": 0.3, "value_weight": 0.7}


def make_team(num_agents: int) -> TeamSpec:
    return TeamSpec("team", num_agents, Discrete(NUM_ACTIONS), None, FEATURES)


def unpack(timestep, index):
    return Observation(None, timestep.own["seen"][index])


@cache
def make(method: str, num_agents: int = N, **options):
    config, build = METHODS[method]
    algorithm = build(config(**(BY_HAND | options)), make_team(num_agents), unpack)
    return algorithm, algorithm.init(KEY)


def rollout(num_agents: int = N, weight=None, legal=None, **fields) -> Trajectory:
    random = np.random.default_rng(0)
    shape = (T + 1, E, num_agents)
    default = {
        "own": {"seen": jnp.asarray(random.normal(size=(*shape, FEATURES)), jnp.float32)},
        "first": np.zeros(shape[:2], bool),
        "alive": np.ones(shape, bool),
        "kind": np.zeros(shape, np.uint8),
        "position": np.zeros((*shape, 2), np.int16),
        "last_action": random.integers(0, NUM_ACTIONS, shape).astype(np.uint8),
        "reward": random.normal(size=shape).astype(np.float32),
        "terminated": np.zeros(shape, bool),
        "truncated": np.zeros(shape[:2], bool),
        "trained": np.ones(shape, bool),
    }
    steps = make_timestep(num_agents, legal=legal, **(default | fields))
    value = jnp.asarray(random.normal(size=(T, E, num_agents)), jnp.float32)
    weight = jnp.ones((T, E, num_agents)) if weight is None else jnp.asarray(weight)
    record = {"value": value, "recorded": Recorded(None)}
    return Trajectory(steps, jax.tree.map(lambda x: x[0], record), record, weight)


def update(algorithm, learner, batch):
    return jax.jit(algorithm.update)(learner, batch, KEY, PROGRESS)


def plain(layers, x, activate_last=False):
    for number, layer in enumerate(layers):
        x = x @ np.asarray(layer.weight) + np.asarray(layer.bias)
        x = np.maximum(x, 0) if activate_last or number < len(layers) - 1 else x
    return x


def heads(network, steps, t, e, i):
    """Log-probabilities and the value in NumPy."""
    seen = np.asarray(steps.own["seen"][t, e, i])
    x = told = plain([network.trunk.features], seen, True)
    if network.interaction is not None:
        one_hot = np.eye(NUM_ACTIONS + 1)[np.asarray(steps.last_action[t, e])][:, :NUM_ACTIONS]
        mean = one_hot[np.asarray(steps.alive[t, e])].mean(axis=0)
        told = np.concatenate([x, plain(network.interaction.layers[0].layers, mean, True)])
    logits = plain(network.actor.layers, x)
    log_policy = logits - np.log(np.exp(logits).sum())
    return log_policy, plain(network.critic.layers, told)[0]


def plain_metrics(learner, batch, gamma=0.9, lambda_=0.8):
    """Everything that an update measures, one agent's step after the other."""
    steps, weight = batch.steps, np.asarray(batch.weight)
    value = np.asarray(batch.record["value"])
    rows = []
    for e, i in np.ndindex(E, weight.shape[2]):
        advantage = 0.0
        for t in reversed(range(T)):
            end = heads(learner.network, steps, T, e, i)[1]
            after = end if t == T - 1 else value[t + 1, e, i]
            after = 0.0 if steps.terminated[t + 1, e, i] else after
            delta = float(steps.reward[t + 1, e, i]) + gamma * after - value[t, e, i]
            advantage = (delta + gamma * lambda_ * advantage) if weight[t, e, i] else 0.0
            log_policy, v = heads(learner.network, steps, t, e, i)
            action = int(steps.last_action[t + 1, e, i])
            actor = -advantage * log_policy[action] if weight[t, e, i] else 0.0
            critic = (advantage + value[t, e, i] - v) ** 2
            entropy = -(np.exp(log_policy) * log_policy).sum()
            rows.append((weight[t, e, i], actor, critic, entropy, v))
    rows = np.array(rows, np.float64)
    means = np.average(rows[:, 1:], axis=0, weights=rows[:, 0])
    return dict(zip(("actor_loss", "critic_loss", "entropy", "value"), means, strict=True))


def dying() -> Trajectory:
    """Agent 3 of the first world dies at step 2; the second world's limit is at step 1."""
    terminated, alive = np.zeros((2, T + 1, E, N), bool)
    terminated[2, 0, 3] = True
    alive[:] = True
    alive[2:, 0, 3] = False
    weight = np.ones((T, E, N), np.float32)
    weight[2:, 0, 3] = 0
    weight[1, 1] = 0
    actions = np.random.default_rng(1).integers(0, NUM_ACTIONS, (T + 1, E, N)).astype(np.uint8)
    actions[2, 1] = NUM_ACTIONS
    return rollout(weight=weight, terminated=terminated, alive=alive, last_action=actions)


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_by_hand(method: str) -> None:
    algorithm, learner = make(method)
    batch = dying()
    _, metrics = update(algorithm, learner, batch)
    expected = plain_metrics(learner, batch)
    for name, value in expected.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-4, err_msg=name)
    loss = expected["actor_loss"] + 0.7 * expected["critic_loss"] - 0.3 * expected["entropy"]
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-4)


def same(ours, theirs, **tolerance) -> None:
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(one, other, **tolerance)


@pytest.mark.parametrize("fields", [{"reward": jnp.nan}, {"terminated": True}], ids=str)
def test_what_has_no_weight_has_no_influence(fields) -> None:
    algorithm, learner = make("ac")
    batch = dying()
    ((name, value),) = fields.items()
    steps = batch.steps
    spoiled = getattr(steps, name).at[2, 1].set(value)
    spoiled = type(steps)(**{**vars(steps), name: spoiled})
    other = eqx.tree_at(lambda b: b.steps, batch, spoiled)
    same(update(algorithm, learner, other), update(algorithm, learner, batch), rtol=0)


def test_no_weight_at_all_changes_no_parameter() -> None:
    algorithm, learner = make("mfac")
    updated, metrics = update(algorithm, learner, rollout(weight=np.zeros((T, E, N), np.float32)))
    assert metrics["gradient_norm"] == 0
    same(updated.network, learner.network, rtol=0)


def test_a_rollout_in_chunks_is_the_same_rollout(monkeypatch) -> None:
    algorithm, learner = make("mfac", actor_uses_field=True)
    batch = dying()
    expected = update(algorithm, learner, batch)
    chunked, _ = make("mfac", actor_uses_field=True, max_gradient_norm=0.49)
    for chunk in (2 * N, 2):
        monkeypatch.setitem(networks.TRUNKS, "mlp", networks.TRUNKS["mlp"]._replace(chunk=chunk))
        ours = jax.jit(chunked.update)(learner, batch, KEY, PROGRESS)
        same(ours[1], expected[1], rtol=1e-4, atol=1e-6)


def test_the_newest_step_is_judged_in_the_groups_of_the_one_before() -> None:
    config, team = bmf_ac.BMFACConfig(num_groups=2, latent_size=3), make_team(N)
    learner = bmf_ac.build(config, team, unpack).init(KEY)
    interaction = through_field(bilevel_field(config, team), actor_sees=True)
    senses = Senses(team, unpack, config.trunk, interaction.tracker)
    parts = Parts(config, senses, NUM_ACTIONS, interaction, descent(config))
    random = np.random.default_rng(1)
    label = random.integers(0, 2, (T, E, N)).astype(np.uint8)
    weight = jnp.asarray(random.uniform(size=(T, E, 2, 2)), jnp.float32)

    def last_value(label):
        record = {"recorded": Recorded(Grouping(jnp.asarray(label), weight))}
        batch = eqx.tree_at(lambda b: b.record, rollout(), record)
        return batch, np.asarray(_last_value(parts, learner, batch, KEY))[0]

    batch, value = last_value(label)
    for e in range(E):
        newest = at(batch, T, e)
        x = embed(senses, learner.network.trunk, newest)
        before = jax.tree.map(lambda leaf, e=e: leaf[-1, e], batch.record["recorded"])
        expected = evaluate(parts, learner.network, x, newest, before)[1]
        np.testing.assert_allclose(value[e], expected, rtol=1e-5, atol=1e-6)
    older, newer = label.copy(), label.copy()
    older[:-1], newer[-1, :, 0] = 1 - older[:-1], 1 - newer[-1, :, 0]
    np.testing.assert_array_equal(last_value(older)[1], value)
    assert not np.allclose(last_value(newer)[1], value)


def act(algorithm, learner, timestep, explore, key=KEY):
    actions, memory, record = jax.jit(algorithm.act)(learner, timestep, None, key, explore)
    assert memory is None
    return np.asarray(actions), record


def at(batch: Trajectory, t: int, e: int):
    return jax.tree.map(lambda x: x[t, e], batch.steps)


@pytest.mark.parametrize("method", METHODS)
def test_values_are_recorded_and_the_greedy_action_is_the_likeliest(method: str) -> None:
    algorithm, learner = make(method)
    batch = rollout()
    actions, record = act(algorithm, learner, at(batch, 1, 0), jnp.zeros(N))
    expected = [heads(learner.network, batch.steps, 1, 0, i) for i in range(N)]
    np.testing.assert_array_equal(actions, [np.argmax(policy) for policy, _ in expected])
    np.testing.assert_allclose(record["value"], [v for _, v in expected], rtol=1e-5, atol=1e-6)


def test_draws_follow_the_policy() -> None:
    count = 40_000
    algorithm, learner = make("ac", count)
    seen = jnp.tile(jnp.array([[0.5, -1.0, 2.0]]), (count, 1))
    drawn, _ = act(algorithm, learner, make_timestep(count, own={"seen": seen}), jnp.ones(count))
    steps = make_timestep(1, own={"seen": seen[None, None]})
    policy = np.exp(heads(learner.network, steps, 0, 0, 0)[0])
    share = np.bincount(drawn, minlength=NUM_ACTIONS) / count
    assert (np.abs(share - policy) <= 4 * np.sqrt(policy * (1 - policy) / count)).all()


@pytest.mark.parametrize("explore", [0.0, 1.0])
def test_nobody_does_what_is_not_legal(explore: float) -> None:
    algorithm, learner = make("mfac", 300)
    legal = np.ones((300, NUM_ACTIONS), bool)
    legal[:, 1] = False
    seen = jnp.ones((300, FEATURES))
    timestep = make_timestep(300, own={"seen": seen}, legal=legal)
    drawn, _ = act(algorithm, learner, timestep, jnp.full(300, explore))
    assert 1 not in drawn


def test_the_policy_acts_as_the_learner_does() -> None:
    algorithm, learner = make("mfac")
    player = algorithm.policy(learner)
    timestep = at(rollout(), 0, 1)
    ours, theirs = (act(algorithm, one, timestep, jnp.ones(N))[0] for one in (player, learner))
    np.testing.assert_array_equal(ours, theirs)
    assert algorithm.policy(player) is player


@pytest.mark.parametrize("method", METHODS)
def test_the_dead_are_inert(method: str) -> None:
    algorithm, learner = make(method)
    batch = dying()
    steps = batch.steps
    dead = ~steps.alive
    changed = {
        "last_action": jnp.where(dead, jnp.uint8(1), steps.last_action),
        "own": {"seen": jnp.where(dead[..., None], 9.0, steps.own["seen"])},
    }
    # Actions arrive with the step after, at which who took them may have died.
    changed["last_action"] = changed["last_action"].at[2].set(steps.last_action[2])
    other = eqx.tree_at(lambda b: b.steps, batch, type(steps)(**{**vars(steps), **changed}))
    same(update(algorithm, learner, other), update(algorithm, learner, batch), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("learning_rate", 0.0, "above 0"),
        ("gamma", 1.5, "a number from 0 to 1"),
        ("gae_lambda", -0.1, "a number from 0 to 1"),
        ("rollout_length", 0, "a whole number of at least 1"),
        ("entropy_weight", float("nan"), "from 0 to"),
        ("value_weight", -1.0, "from 0 to"),
        ("max_gradient_norm", 0.0, "above 0"),
        ("learning_rate_decay", 2.0, "a number from 0 to 1"),
    ],
)
def test_options_that_are_not_allowed(name: str, value: float, wanted: str) -> None:
    with pytest.raises(SwarmfieldError, match=f"--algo.{name.replace('_', '-')} is .*{wanted}"):
        ac.ACConfig(**{name: value})
