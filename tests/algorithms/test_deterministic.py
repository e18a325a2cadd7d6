"""Deterministic policy gradients' arithmetic on batches made by hand, and their policies."""

import dataclasses
from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy import make_timestep

from swarmfield import networks
from swarmfield.algorithms import ALGORITHMS
from swarmfield.algorithms._by_actions import PolicyConfig
from swarmfield.algorithms._deterministic import deterministic
from swarmfield.algorithms._deterministic_loss import actor_gradient, critic_gradient, examples_of
from swarmfield.algorithms._interaction import alone
from swarmfield.algorithms._perception import Recorded
from swarmfield.types import (
    Box,
    Discrete,
    Observation,
    SwarmfieldError,
    TeamSpec,
    Transitions,
)

FEATURES, M, N = 3, 2, 5
BOX = Box(2, -1.0, 2.0)
KEY = jax.random.key(0)
PROGRESS = jnp.float32(0.5)
METHODS = ("ac", "mfac", "gatmf")
SEEING = {"ac": {}, "mfac": {"actor_uses_field": True}, "gatmf": {}}
BY_HAND = {"gamma": 0.9, "tau": 0.25, "learning_rate": 1e-2, "learning_rate_decay": 1.0}
RING = np.stack([np.arange(N) - 1, np.arange(N) + 1], axis=1) % N
NEIGHBOURS = (np.arange(N) == RING[..., None]).any(axis=1)


def make_team(num_agents: int, graph=None) -> TeamSpec:
    return TeamSpec("team", num_agents, BOX, None, FEATURES, graph=graph)


def unpack(timestep, index):
    return Observation(None, timestep.own["seen"][index])


def build(method: str, num_agents: int = N, graph=RING, **options):
    entry = ALGORITHMS[method]
    config = entry.config(**(BY_HAND | SEEING.get(method, {}) | options))
    return entry.build(config, make_team(num_agents, graph), unpack)


@cache
def make(method: str):
    """An algorithm, and a learner whose targets are not its networks."""
    algorithm = build(method)
    learner, other = (algorithm.init(jax.random.key(seed)) for seed in (0, 1))
    return algorithm, dataclasses.replace(learner, target=other.target)


def make_steps(seed: int = 0, num_agents: int = N, **fields):
    """Two steps of a team, `[M, N]`, with everything in them random."""
    random = np.random.default_rng(seed)
    shape = (M, num_agents)
    default = {
        "own": {"seen": jnp.asarray(random.normal(size=(*shape, FEATURES)), jnp.float32)},
        "first": [False] * M,
        "alive": np.ones(shape, bool),
        "kind": np.zeros(shape, np.uint8),
        "position": random.integers(0, 50, (*shape, 2)).astype(np.int16),
        "last_action": random.uniform(BOX.low, BOX.high, (*shape, 2)).astype(np.float32),
        "reward": random.normal(size=shape).astype(np.float32),
        "terminated": np.zeros(shape, bool),
        "truncated": [False] * M,
        "trained": np.ones(shape, bool),
    }
    return make_timestep(num_agents, **(default | fields))


def make_batch(now=None, after=None, weight=None):
    now = make_steps(0) if now is None else now
    after = make_steps(1) if after is None else after
    shape, none = now.alive.shape, Recorded(None)
    agents = jnp.broadcast_to(jnp.arange(shape[1]), shape)
    weight = jnp.ones(shape) if weight is None else jnp.asarray(weight, jnp.float32)
    return Transitions(now, after, none, none, none, agents, weight)


def dying():
    """Agent 3 of the first step dies on the way; agent 1 of the second has been dead before."""
    alive, died = np.ones((M, N), bool), np.zeros((M, N), bool)
    alive[1, 1], died[0, 3] = False, True
    weight = np.where(alive, 1.0, 0.0)
    return make_batch(
        make_steps(0, alive=alive),
        make_steps(1, alive=alive & ~died, terminated=died, truncated=[False, True]),
        weight,
    )


def layers_of(layers, x, activate_last: bool = False):
    for number, layer in enumerate(layers):
        x = x @ np.asarray(layer.weight, np.float64) + np.asarray(layer.bias, np.float64)
        x = np.maximum(x, 0) if activate_last or number < len(layers) - 1 else x
    return x


def attention(module, x, alive):
    """Weights of all agents for all others around a ring."""
    query, key = (x @ np.asarray(w, np.float64) for w in (module.query, module.key))
    weight = np.zeros((len(x), len(x)))
    for i, j in np.argwhere(alive[None] & NEIGHBOURS):
        weight[i, j] = (query[i] @ key[j]) ** 2
    return weight / (weight.sum(axis=1, keepdims=True) + 0.001)


def told(method: str, network, steps, m: int, x, judged):
    """What an actor is told (`judged` None), or a critic of the actions that it judges."""
    alive = np.asarray(steps.alive[m])
    if method == "mfac":
        mean = np.asarray(steps.last_action[m], np.float64)[alive].mean(axis=0)
        read = layers_of(network.interaction.layers[0].layers, mean, True)
        return [np.tile(read, (len(x), 1))]
    if method == "gatmf" and judged is None:
        return [attention(network.interaction.actor, x, alive) @ x]
    if method == "gatmf":
        weight = attention(network.interaction.critic, x, alive)
        return [weight @ x, weight @ judged]
    return []


def plain_mu(method: str, actor, steps, m: int) -> np.ndarray:
    """Actions of all agents, in NumPy."""
    x = layers_of([actor.trunk.features], np.asarray(steps.own["seen"][m], np.float64), True)
    inputs = np.concatenate([x, *told(method, actor, steps, m, x, None)], axis=1)
    return 0.5 + 1.5 * np.tanh(layers_of(actor.head.layers, inputs))


def plain_q(method: str, critic, steps, m: int, actions) -> np.ndarray:
    """Values of all agents' actions, in NumPy."""
    x = layers_of([critic.trunk.features], np.asarray(steps.own["seen"][m], np.float64), True)
    actions = np.asarray(actions, np.float64)
    others = told(method, critic, steps, m, x, actions)
    return layers_of(critic.head.layers, np.concatenate([x, actions, *others], axis=1))[:, 0]


def plain_critic_loss(method: str, learner, batch) -> tuple[float, float]:
    """Weighted means of (y - Q)^2 and of Q."""
    errors, values = np.zeros((M, N)), np.zeros((M, N))
    for m in range(M):
        next_actions = plain_mu(method, learner.target[0], batch.next, m)
        future = plain_q(method, learner.target[1], batch.next, m, next_actions)
        future = np.where(batch.next.terminated[m], 0.0, future)
        y = np.asarray(batch.next.reward[m]) + 0.9 * future
        values[m] = plain_q(method, learner.critic, batch.now, m, batch.next.last_action[m])
        errors[m] = (y - values[m]) ** 2
    weights = np.asarray(batch.weight)
    return np.average(errors, weights=weights), np.average(values, weights=weights)


def plain_actor_loss(method: str, actor, critic, batch) -> float:
    values = [
        plain_q(method, critic, batch.now, m, plain_mu(method, actor, batch.now, m))
        for m in range(M)
    ]
    return -np.average(np.array(values), weights=np.asarray(batch.weight))


@cache
def update_of(method: str):
    return jax.jit(make(method)[0].update)


def update(method: str, batch, learner=None):
    learner = make(method)[1] if learner is None else learner
    return update_of(method)(learner, batch, KEY, PROGRESS)


def same(ours, theirs, **tolerance) -> None:
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(one, other, **tolerance)


@pytest.mark.parametrize("method", METHODS)
def test_the_losses_by_hand(method: str) -> None:
    """The actor is judged by the critic that has just been updated."""
    learner, batch = make(method)[1], dying()
    updated, metrics = update(method, batch)
    critic_loss, q = plain_critic_loss(method, learner, batch)
    actor_loss = plain_actor_loss(method, learner.network, updated.critic, batch)
    np.testing.assert_allclose(metrics["critic_loss"], critic_loss, rtol=1e-4)
    np.testing.assert_allclose(metrics["q"], q, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(metrics["actor_loss"], actor_loss, rtol=1e-4, atol=1e-6)


def test_a_target_on_paper() -> None:
    """r = 1, gamma = 0.9, Q_target = 2: y = 2.8, or 1 after death; Q = 0.5 everywhere."""
    algorithm, learner = make("ac")
    blank = jax.tree.map(jnp.zeros_like, learner)

    def saying(network, value):
        return eqx.tree_at(lambda net: net.head.layers[-1].bias, network, jnp.array([value]))

    learner = dataclasses.replace(
        blank,
        critic=saying(blank.critic, 0.5),
        target=(blank.target[0], saying(blank.target[1], 2.0)),
    )
    died = np.zeros((M, N), bool)
    died[0] = True
    after = make_steps(1, terminated=died, reward=np.ones((M, N), np.float32))
    _, metrics = jax.jit(algorithm.update)(learner, make_batch(after=after), KEY, PROGRESS)
    np.testing.assert_allclose(metrics["critic_loss"], (0.5**2 + 2.3**2) / 2, rtol=1e-6)
    np.testing.assert_allclose(metrics["q"], 0.5, rtol=1e-6)


def slope(loss, network, where, index) -> float:
    """Of a loss in NumPy, along one parameter of a network."""
    step = 1e-4

    def moved(by: float) -> float:
        leaf = np.array(where(network), np.float64)
        leaf[index] += by
        return loss(eqx.tree_at(where, network, leaf))

    return (moved(step) - moved(-step)) / (2 * step)


PARAMETERS = {
    "head": (lambda net: net.head.layers[0].weight, (1, 2)),
    "trunk": (lambda net: net.trunk.features.weight, (0, 1)),
    "own attention": (lambda net: net.interaction.actor.query, (3, 4)),
    "critic's attention": (lambda net: net.interaction.critic.query, (3, 4)),
}


def parts_of(method: str):
    """What the algorithm's `act` was made with."""
    return make(method)[0].act.args[0]


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_actors_gradient_runs_through_what_all_do_and_nothing_else(name: str) -> None:
    """Means of actions follow the actor; the critic's weights and means of states are fixed."""
    where, index = PARAMETERS[name]
    learner, batch = make("gatmf")[1], dying()
    actor, critic = learner.network, learner.critic
    _, gradient = actor_gradient(parts_of("gatmf"), (actor, critic), examples_of(batch), KEY)
    wanted = slope(lambda net: plain_actor_loss("gatmf", net, critic, batch), actor, where, index)
    found = float(where(gradient)[index])
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=1e-7)
    assert (found == 0) == (name == "critic's attention")


def test_the_critics_gradient_is_that_of_its_own_attention() -> None:
    learner, batch = make("gatmf")[1], dying()
    pair = learner.network, learner.critic
    _, (gradient, _) = critic_gradient(
        parts_of("gatmf"), pair, learner.target, None, examples_of(batch), KEY
    )
    where, index = PARAMETERS["critic's attention"]

    def loss(critic) -> float:
        changed = dataclasses.replace(learner, critic=critic)
        return plain_critic_loss("gatmf", changed, batch)[0]

    wanted = slope(loss, learner.critic, where, index)
    np.testing.assert_allclose(where(gradient)[index], wanted, rtol=2e-3)
    assert not np.asarray(gradient.interaction.actor.query).any()


@pytest.mark.parametrize("method", METHODS)
def test_targets_move_by_tau(method: str) -> None:
    learner = make(method)[1]
    updated, _ = update(method, make_batch())
    expected = jax.tree.map(
        lambda new, old: 0.25 * new + 0.75 * old, (updated.network, updated.critic), learner.target
    )
    same(updated.target, expected, rtol=1e-5, atol=1e-7)


def test_the_time_limit_still_bootstraps() -> None:
    limited = make_batch(after=make_steps(1, truncated=[True, True]))
    same(update("gatmf", limited), update("gatmf", make_batch()), rtol=0)


def spoil(steps, row: int, agent: int, **values):
    changed = {name: getattr(steps, name).at[row, agent].set(x) for name, x in values.items()}
    return type(steps)(**{**vars(steps), **changed})


@pytest.mark.parametrize("values", [{"reward": jnp.nan}, {"terminated": True}], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_what_has_no_weight_has_no_influence(method: str, values) -> None:
    batch = dying()
    other = dataclasses.replace(batch, next=spoil(batch.next, 1, 1, **values))
    same(update(method, other), update(method, batch), rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_no_weight_at_all_changes_no_parameter(method: str) -> None:
    learner = make(method)[1]
    updated, metrics = update(method, make_batch(weight=np.zeros((M, N))))
    assert metrics["critic_loss"] == metrics["actor_loss"] == metrics["gradient_norm"] == 0
    same((updated.network, updated.critic), (learner.network, learner.critic), rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_the_dead_are_inert(method: str) -> None:
    batch = dying()
    changed = [
        spoil(steps, 1, 1, last_action=jnp.array([2.0, -1.0]), reward=7.0, position=1, kind=1)
        for steps in (batch.now, batch.next)
    ]
    seen = [
        dataclasses.replace(one, own={"seen": one.own["seen"].at[1, 1].set(9.0)}) for one in changed
    ]
    other = dataclasses.replace(batch, now=seen[0], next=seen[1])
    same(update(method, other), update(method, batch), rtol=1e-6)


def pad(steps, count: int):
    """Dead agents behind the others, with numbers that must not matter."""

    def widen(x, value=1):
        rows = [(0, 0), (0, count)] + [(0, 0)] * (x.ndim - 2)
        return jnp.pad(x, rows, constant_values=value)

    wide = {
        name: widen(getattr(steps, name))
        for name in ("kind", "position", "last_action", "reward", "terminated")
    }
    never = {name: widen(getattr(steps, name), False) for name in ("alive", "trained")}
    own = {"seen": widen(steps.own["seen"], 9.0)}
    return type(steps)(**{**vars(steps), **wide, **never, "own": own})


PADDED = {
    "ac": {},
    "mfac": {},
    "gatmf": {"graph": "full"},
    "bmf_ac": {"num_groups": 2, "delay": False},
}


def build_padded(method: str, num_agents: int):
    """A method that works for any number of agents."""
    entry = ALGORITHMS[method]
    config = entry.config(**(BY_HAND | SEEING.get(method, {}) | PADDED[method]))
    return entry.build(config, make_team(num_agents), unpack)


def act(algorithm, learner, steps, explore, m: int = 0):
    timestep = jax.tree.map(lambda x: x[m], steps)
    memory = algorithm.begin(learner, timestep, None, KEY)
    actions, _, record = jax.jit(algorithm.act)(learner, timestep, memory, KEY, explore)
    return np.asarray(actions), record


@pytest.mark.parametrize("method", PADDED)
def test_padding_is_inert(method: str) -> None:
    small, large = (build_padded(method, n) for n in (N, N + 3))
    learner = small.init(KEY)
    steps = [make_steps(seed) for seed in (0, 1)]
    padded = [pad(one, 3) for one in steps]
    actions, _ = act(small, learner, steps[0], jnp.ones(N))
    with_padding, _ = act(large, learner, padded[0], jnp.ones(N + 3))
    np.testing.assert_allclose(with_padding[:N], actions, rtol=1e-5, atol=1e-6)
    if method == "bmf_ac":
        return
    weight = np.pad(np.ones((M, N)), ((0, 0), (0, 3)))
    ours = jax.jit(large.update)(learner, make_batch(*padded, weight), KEY, PROGRESS)
    theirs = jax.jit(small.update)(learner, make_batch(*steps), KEY, PROGRESS)
    same(ours[1], theirs[1], rtol=1e-4, atol=1e-6)
    same(ours[0].network, theirs[0].network, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("method", ["ac", "mfac", "gatmf"])
def test_agents_permuted_are_actions_permuted(method: str) -> None:
    algorithm = build_padded(method, N)
    learner, steps, order = algorithm.init(KEY), make_steps(2), np.array([3, 0, 4, 1, 2])
    each = ("alive", "kind", "position", "last_action", "reward", "terminated", "trained")
    turned = {name: getattr(steps, name)[:, order] for name in each}
    own = {"seen": steps.own["seen"][:, order]}
    other = type(steps)(**{**vars(steps), **turned, "own": own})
    plain, permuted = (act(algorithm, learner, s, jnp.zeros(N))[0] for s in (steps, other))
    np.testing.assert_allclose(permuted, plain[order], rtol=1e-4, atol=1e-6)
    metrics = [
        jax.jit(algorithm.update)(learner, make_batch(s, s), KEY, PROGRESS)[1]
        for s in (steps, other)
    ]
    same(*metrics, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("method", ["mfac", "gatmf"])
def test_a_batch_in_chunks_is_the_same_batch(method: str, monkeypatch) -> None:
    batch = dying()
    expected = update(method, batch)
    monkeypatch.setitem(networks.TRUNKS, "mlp", networks.TRUNKS["mlp"]._replace(chunk=2))
    ours = jax.jit(build(method).update)(make(method)[1], batch, KEY, PROGRESS)
    same(ours[1], expected[1], rtol=1e-4, atol=1e-6)
    same(ours[0].network, expected[0].network, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_greedy_actions_by_hand(method: str) -> None:
    algorithm, learner = make(method)
    batch = dying()
    actions, _ = act(algorithm, learner, batch.now, jnp.zeros(N), m=1)
    expected = plain_mu(method, learner.network, batch.now, 1)
    np.testing.assert_allclose(actions, expected, rtol=1e-4, atol=1e-6)
    player = algorithm.policy(learner)
    np.testing.assert_array_equal(act(algorithm, player, batch.now, jnp.zeros(N), m=1)[0], actions)
    assert algorithm.policy(player) is player


def test_noise_is_as_large_as_asked_for_and_stays_in_the_box() -> None:
    count = 20_000
    algorithm = build("ac", count, None)
    learner = algorithm.init(KEY)
    steps = make_steps(0, count, own={"seen": jnp.ones((M, count, FEATURES))})
    greedy, _ = act(algorithm, learner, steps, jnp.zeros(count))
    noisy, _ = act(algorithm, learner, steps, jnp.full(count, 0.1))
    np.testing.assert_allclose((noisy - greedy).std(axis=0), 0.15, rtol=0.05)
    np.testing.assert_allclose((noisy - greedy).mean(axis=0), 0, atol=0.005)
    wild, _ = act(algorithm, learner, steps, jnp.full(count, 9.0))
    assert (wild.min(), wild.max()) == (BOX.low, BOX.high)
    half = jnp.where(jnp.arange(count) < 5, 0.0, 1.0)
    np.testing.assert_array_equal(act(algorithm, learner, steps, half)[0][:5], greedy[:5])


def test_noise_follows_its_schedule() -> None:
    algorithm = build("ac", explore_start=0.8, explore_end=0.2, explore_fraction=0.5)
    values = [float(algorithm.explore(jnp.float32(p))) for p in (0.0, 0.25, 0.5, 1.0)]
    np.testing.assert_allclose(values, [0.8, 0.5, 0.2, 0.2], rtol=1e-5)


def test_without_delay_fields_are_of_provisional_actions() -> None:
    """Of those that are chosen by the field of the last ones; and they are recorded."""
    options = {"num_groups": 1, "representation": "raw", "actor_uses_field": True}
    at_once, delayed = (build("bmf_ac", delay=delay, **options) for delay in (False, True))
    learner, steps = at_once.init(KEY), make_steps(0)
    first, _ = act(delayed, learner, steps, jnp.zeros(N))
    second, record = act(at_once, learner, steps, jnp.zeros(N))
    np.testing.assert_allclose(record.provisional, first, rtol=1e-6)
    done = dataclasses.replace(steps, last_action=jnp.tile(first[None], (M, 1, 1)))
    again = np.asarray(learner.network.interaction.layers[0].layers[0].weight)
    assert again.shape[0] == 2
    expected, _ = act(delayed, learner, done, jnp.zeros(N))
    np.testing.assert_allclose(second, expected, rtol=1e-4, atol=1e-5)


def test_one_trace_serves_all_updates() -> None:
    function = jax.jit(make("gatmf")[0].update)
    learner = make("gatmf")[1]
    for number in range(3):
        learner, _ = function(learner, make_batch(), jax.random.key(number), number / 3 + PROGRESS)
    assert function._cache_size() == 1


def test_experience_is_what_the_options_say() -> None:
    algorithm = build("mfac", batch_size=11, capacity=100, updates=2, every=4, warmup=5)
    expected = {"unit": "steps", "batch_size": 3, "updates": 2, "every": 4, "warmup": 5}
    assert algorithm.experience._asdict() == {"capacity": 100, **expected}


@pytest.mark.parametrize("method", ["iql", "mfq", "bmf_q", "mtmfq", "mtmfac"])
def test_methods_for_discrete_actions_say_so(method: str) -> None:
    entry = ALGORITHMS[method]
    with pytest.raises(SwarmfieldError, match=r"needs discrete actions.*choose .* ac, mfac, gatmf"):
        entry.build(entry.config(), make_team(N), unpack)


def test_deterministic_policies_need_continuous_actions() -> None:
    team = make_team(N)._replace(actions=Discrete(3))
    with pytest.raises(SwarmfieldError, match="needs continuous actions"):
        deterministic(PolicyConfig(), team, unpack, alone())


@pytest.mark.parametrize("method", ["ac", "mfac", "gatmf", "bmf_ac"])
@pytest.mark.parametrize(
    ("actions", "option", "words"),
    [
        (BOX, {"rollout_length": 32}, "--algo.rollout-length is 32, but is an option for discrete"),
        (BOX, {"entropy_weight": 0.0}, "--algo.entropy-weight is 0.0, .* has Box"),
        (Discrete(3), {"tau": 0.5}, "--algo.tau is 0.5, but is an option for continuous"),
        (Discrete(3), {"batch_size": 9}, "--algo.batch-size is 9, .* has Discrete.*; leave"),
    ],
    ids=str,
)
def test_options_for_the_other_kind_of_action_are_refused(method, actions, option, words) -> None:
    entry = ALGORITHMS[method]
    team = make_team(N)._replace(actions=actions)
    entry.build(entry.config(gamma=0.5, learning_rate=1e-3), team, unpack)
    with pytest.raises(SwarmfieldError, match=words):
        entry.build(entry.config(**option), team, unpack)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("tau", 0.0, "above 0 and at most 1"),
        ("batch_size", 0, "a whole number of at least 1"),
        ("explore_start", -0.1, "from 0 to"),
        ("explore_end", float("nan"), "from 0 to"),
        ("explore_fraction", 1.1, "a number from 0 to 1"),
        ("gae_lambda", 1.1, "a number from 0 to 1"),
        ("learning_rate", 0.0, "above 0"),
    ],
)
def test_options_that_are_not_allowed(name: str, value: float, wanted: str) -> None:
    with pytest.raises(SwarmfieldError, match=f"--algo.{name.replace('_', '-')} is .*{wanted}"):
        PolicyConfig(**{name: value})
