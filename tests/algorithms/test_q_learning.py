"""Q-learning's arithmetic on batches made by hand, and its policies."""

import dataclasses
from functools import cache
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from toy import NUM_ACTIONS, make_timestep

from swarmfield import networks
from swarmfield.algorithms import iql, mfq
from swarmfield.algorithms._perception import Recorded
from swarmfield.types import Discrete, Observation, SwarmfieldError, TeamSpec, Transitions

FEATURES = 3
KEY = jax.random.key(0)
PROGRESS = jnp.float32(0.5)
METHODS = {"iql": (iql.IQLConfig, iql.build), "mfq": (mfq.MFQConfig, mfq.build)}
BY_HAND = {"gamma": 0.9, "tau": 0.25, "learning_rate": 1e-2, "learning_rate_decay": 1.0}


def make_team(num_agents: int) -> TeamSpec:
    return TeamSpec("team", num_agents, Discrete(NUM_ACTIONS), None, FEATURES)


def unpack(timestep, index):
    return Observation(None, timestep.own["seen"][index])


@cache
def make_learner(method: str):
    """A learner whose target is not its network."""
    config, build = METHODS[method]
    algorithm = build(config(), make_team(5), unpack)
    learner, other = algorithm.init(KEY), algorithm.init(jax.random.key(1))
    return dataclasses.replace(learner, target=other.network)


@cache
def make(method: str, num_agents: int = 5, **options):
    """An algorithm, made once and so compiled once, and a learner."""
    config, build = METHODS[method]
    algorithm = build(config(**(BY_HAND | options)), make_team(num_agents), unpack)
    return algorithm, make_learner(method)


def make_steps(seed: int = 0, num_agents: int = 5, **fields):
    """Two steps of a team, `[M, N]`, with everything in them random."""
    random = np.random.default_rng(seed)
    shape = (2, num_agents)
    default = {
        "own": {"seen": jnp.asarray(random.normal(size=(*shape, FEATURES)), jnp.float32)},
        "first": [False] * 2,
        "alive": np.ones(shape, bool),
        "kind": np.zeros(shape, np.uint8),
        "position": np.zeros((*shape, 2), np.int16),
        "last_action": random.integers(0, NUM_ACTIONS, shape).astype(np.uint8),
        "reward": random.normal(size=shape).astype(np.float32),
        "terminated": np.zeros(shape, bool),
        "truncated": [False] * 2,
        "trained": np.ones(shape, bool),
    }
    return make_timestep(num_agents, **(default | fields))


def make_batch(now=None, after=None, agents=((0, 3), (4, 1)), weight=((1.0, 1.0), (1.0, 1.0))):
    now = make_steps(0) if now is None else now
    after = make_steps(1) if after is None else after
    none = Recorded(None)
    return Transitions(now, after, none, none, none, jnp.array(agents), jnp.array(weight))


def plain_layers(layers, x, activate_last: bool):
    for number, layer in enumerate(layers):
        x = x @ np.asarray(layer.weight) + np.asarray(layer.bias)
        x = np.maximum(x, 0) if activate_last or number < len(layers) - 1 else x
    return x


def plain_values(network, steps, row: int, agent: int) -> np.ndarray:
    """Q(o, mean action of the living team) in NumPy."""
    x = plain_layers([network.trunk.features], np.asarray(steps.own["seen"][row, agent]), True)
    if network.reader is not None:
        alive = np.asarray(steps.alive[row])
        one_hot = np.eye(NUM_ACTIONS + 1)[np.asarray(steps.last_action[row])][:, :NUM_ACTIONS]
        mean = one_hot[alive].sum(axis=0) / max(alive.sum(), 1)
        x = np.concatenate([x, plain_layers(network.reader.layers[0].layers, mean, True)])
    return plain_layers(network.head.layers, x, False)


def plain_loss(learner, batch, next_value) -> tuple[float, float]:
    """Weighted means of the squared error and of Q, one example after the other."""
    errors, values, weights = [], [], []
    for row, column in np.ndindex(*batch.agents.shape):
        agent = int(batch.agents[row, column])
        q = plain_values(learner.network, batch.now, row, agent)
        q = q[int(batch.next.last_action[row, agent])]
        online = plain_values(learner.network, batch.next, row, agent)
        target = plain_values(learner.target, batch.next, row, agent)
        alive = not batch.next.terminated[row, agent]
        y = float(batch.next.reward[row, agent]) + 0.9 * alive * next_value(online, target)
        errors.append((y - q) ** 2)
        values.append(q)
        weights.append(float(batch.weight[row, column]))
    return np.average(errors, weights=weights), np.average(values, weights=weights)


def double(online, target):
    return target[np.argmax(online)]


def boltzmann(_online, target):
    weights = np.exp((target - target.max()) / 0.5)
    return weights @ target / weights.sum()


def update(algorithm, learner, batch):
    return jax.jit(algorithm.update)(learner, batch, KEY, PROGRESS)


def assert_same(ours, theirs, **tolerance) -> None:
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        if tolerance:
            np.testing.assert_allclose(one, other, **tolerance)
        else:
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("method", "target"), [("iql", "double"), ("mfq", "double"), ("mfq", "boltzmann")]
)
def test_the_loss_by_hand(method: str, target: str) -> None:
    died = np.zeros((2, 5), bool)
    died[0, 3] = True
    batch = make_batch(
        make_steps(0, last_action=np.array([[0, 1, 1, 2, 3], [NUM_ACTIONS] * 5], np.uint8)),
        make_steps(1, alive=~died, terminated=died),
        weight=((1.0, 0.5), (0.25, 0.25)),
    )
    options = {} if target == "double" else {"target": target, "target_temperature": 0.5}
    algorithm, learner = make(method, **options)
    _, metrics = update(algorithm, learner, batch)
    loss, q = plain_loss(learner, batch, {"double": double, "boltzmann": boltzmann}[target])
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-5)
    np.testing.assert_allclose(metrics["q"], q, rtol=1e-5)


def test_one_step_of_adam_down_the_loss() -> None:
    """The target and the choice of the next action are held fixed."""
    algorithm, learner = make("mfq", max_gradient_norm=0.1)
    batch = make_batch()
    rows = [(m, int(agent)) for m in range(2) for agent in batch.agents[m]]
    targets = [
        float(batch.next.reward[m, i])
        + 0.9
        * double(
            plain_values(learner.network, batch.next, m, i),
            plain_values(learner.target, batch.next, m, i),
        )
        for m, i in rows
    ]

    steps, agents = jnp.array(rows).T
    seen = batch.now.own["seen"][steps, agents]
    taken = batch.next.last_action[steps, agents]
    mean = jnp.mean(jax.nn.one_hot(batch.now.last_action, NUM_ACTIONS), axis=1)[steps]

    def loss(network):
        q = jax.vmap(network)(Observation(None, seen), (mean,))
        return jnp.mean((jnp.array(targets) - q[jnp.arange(4), taken]) ** 2)

    gradients = jax.jit(jax.grad(loss))(learner.network)
    norm = optax.tree.norm(gradients)
    assert norm > 0.1
    clipped = jax.tree.map(lambda x: x * 0.1 / norm, gradients)
    # Adam's first step is the learning rate times the sign, but for its epsilon.
    expected = jax.tree.map(
        lambda x, g: x - 1e-2 * g / (jnp.abs(g) + 1e-8), learner.network, clipped
    )
    updated, metrics = update(algorithm, learner, batch)
    np.testing.assert_allclose(metrics["gradient_norm"], norm, rtol=1e-4)
    assert_same(updated.network, expected, rtol=1e-3, atol=1e-5)


def test_the_target_moves_by_tau() -> None:
    algorithm, learner = make("iql")
    updated, _ = update(algorithm, learner, make_batch())
    expected = jax.tree.map(
        lambda new, old: 0.25 * new + 0.75 * old, updated.network, learner.target
    )
    assert_same(updated.target, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("progress", "share"), [(0.0, 1.0), (0.5, 0.55), (1.0, 0.1)])
def test_the_learning_rate_falls_in_a_straight_line(progress: float, share: float) -> None:
    batch, moves = make_batch(), []
    for decay in (1.0, 0.1):
        algorithm, learner = make("iql", learning_rate_decay=decay)
        updated, _ = algorithm.update(learner, batch, KEY, jnp.float32(progress))
        moves.append(jax.tree.map(jnp.subtract, updated.network, learner.network))
    assert_same(moves[1], jax.tree.map(lambda x: share * x, moves[0]), rtol=1e-3, atol=1e-7)


def test_the_time_limit_still_bootstraps() -> None:
    algorithm, learner = make("iql")
    plain = make_batch()
    limited = make_batch(after=make_steps(1, truncated=[True, True]))
    assert_same(update(algorithm, learner, plain), update(algorithm, learner, limited))


def spoil(steps, row: int, agent: int, **values):
    """The same steps with other values of one agent."""
    changed = {name: getattr(steps, name).at[row, agent].set(x) for name, x in values.items()}
    return type(steps)(**{**vars(steps), **changed})


WEIGHT = ((1.0, 1.0), (0.0, 1.0))


@pytest.mark.parametrize(
    "values",
    [
        {"reward": 1e30},
        {"reward": jnp.nan},
        {"last_action": NUM_ACTIONS},
        {"last_action": 255},
        {"terminated": True},
    ],
    ids=str,
)
def test_what_has_no_weight_has_no_influence(values) -> None:
    """Agent 4 of the second step is sampled, but without weight."""
    algorithm, learner = make("iql")
    after = spoil(make_steps(1), 1, 4, **values)
    ours = update(algorithm, learner, make_batch(after=after, weight=WEIGHT))
    assert_same(ours, update(algorithm, learner, make_batch(weight=WEIGHT)))


def test_the_dead_who_may_do_nothing_have_no_influence() -> None:
    algorithm, learner = make("iql")
    legal = np.ones((2, 5, NUM_ACTIONS), bool)
    expected = update(algorithm, learner, make_batch(weight=WEIGHT))
    legal[1, 4] = False
    steps = [make_steps(seed, legal=legal) for seed in (0, 1)]
    assert_same(update(algorithm, learner, make_batch(*steps, weight=WEIGHT)), expected)


def test_no_weight_at_all_changes_no_parameter() -> None:
    algorithm, learner = make("mfq")
    updated, metrics = update(algorithm, learner, make_batch(weight=((0.0, 0.0), (0.0, 0.0))))
    assert metrics["loss"] == metrics["q"] == metrics["gradient_norm"] == 0
    assert_same(updated.network, learner.network)


def test_a_batch_in_chunks_is_the_same_batch(monkeypatch) -> None:
    """The last chunk is filled up; with legal actions given, nothing is legal in its rows."""
    algorithm, learner = make("mfq")
    legal = np.random.default_rng(2).random((2, 5, NUM_ACTIONS)) < 0.5
    np.put_along_axis(legal, np.asarray(make_steps(1).last_action)[..., None], True, axis=2)
    batch = make_batch(*(make_steps(seed, legal=legal) for seed in (0, 1)))
    expected = update(algorithm, learner, batch)
    assert jnp.isfinite(expected[1]["loss"])
    algorithm = make("mfq", max_gradient_norm=9.0)[0]
    monkeypatch.setitem(networks.TRUNKS, "mlp", networks.TRUNKS["mlp"]._replace(chunk=3))
    ours = update(algorithm, learner, batch)
    assert_same(ours[1], expected[1], rtol=1e-5)
    assert_same(ours[0].network, expected[0].network, rtol=1e-3, atol=1e-5)


NEIGHBOURHOODS = {"team": {}, "knn": {"neighbourhood": "knn", "num_neighbours": 2}}


def first_steps(steps):
    return jax.tree.map(lambda x: x[0], steps)


def pad(steps, count: int):
    """Dead agents behind the others, with numbers that must not matter."""
    team = [name for name in vars(steps) if getattr(steps, name) is not None]
    filler = {"alive": False, "trained": False, "reward": 9.0}

    def widen(name: str, x):
        if name in ("shared", "measures", "first", "truncated"):
            return x
        rows = [(0, 0), (0, count)] + [(0, 0)] * (x.ndim - 2)
        return jnp.pad(x, rows, constant_values=filler.get(name, 1))

    wide = {
        name: {"seen": widen(name, steps.own["seen"])}
        if name == "own"
        else widen(name, getattr(steps, name))
        for name in team
    }
    return type(steps)(**{"legal": None, **wide})


@pytest.mark.parametrize("neighbourhood", NEIGHBOURHOODS)
def test_the_dead_are_inert(neighbourhood: str) -> None:
    algorithm, learner = make("mfq", **NEIGHBOURHOODS[neighbourhood])
    alive = np.ones((2, 5), bool)
    alive[:, 2] = False
    steps = [make_steps(seed, alive=alive) for seed in (0, 1)]
    other = [
        spoil(one, slice(None), 2, last_action=3, reward=7.0, position=1, kind=1) for one in steps
    ]
    assert_same(
        update(algorithm, learner, make_batch(*other)),
        update(algorithm, learner, make_batch(*steps)),
    )
    explore = jnp.array([0.0, 1.0, 1.0, 1.0, 0.0])
    drawn = [act(algorithm, learner, first_steps(group[0]), explore) for group in (steps, other)]
    np.testing.assert_array_equal(drawn[0][alive[0]], drawn[1][alive[0]])


@pytest.mark.parametrize("neighbourhood", NEIGHBOURHOODS)
def test_padding_is_inert(neighbourhood: str) -> None:
    options = NEIGHBOURHOODS[neighbourhood]
    small, learner = make("mfq", **options)
    large, _ = make("mfq", 8, **options)
    steps = [make_steps(seed) for seed in (0, 1)]
    padded = [pad(one, 3) for one in steps]
    ours = update(large, learner, make_batch(*padded))
    assert_same(ours, update(small, learner, make_batch(*steps)), rtol=1e-5, atol=1e-7)
    actions = act(small, learner, first_steps(steps[0]), jnp.ones(5))
    with_padding = act(large, learner, first_steps(padded[0]), jnp.ones(8))
    np.testing.assert_array_equal(with_padding[:5], actions)


EXPLORATIONS = {"boltzmann": {}, "epsilon": {"exploration": "epsilon"}}


def crowd(num_agents: int, legal=None):
    """Many agents who see the same."""
    seen = jnp.tile(jnp.array([[0.5, -1.0, 2.0]]), (num_agents, 1))
    return make_timestep(num_agents, own={"seen": seen}, legal=legal)


def one_row(network, timestep) -> np.ndarray:
    steps = SimpleNamespace(
        own={"seen": timestep.own["seen"][None]},
        alive=timestep.alive[None],
        last_action=timestep.last_action[None],
    )
    return plain_values(network, steps, 0, 0)


def act(algorithm, learner, timestep, explore):
    actions, memory, record = jax.jit(algorithm.act)(learner, timestep, None, KEY, explore)
    assert memory is None
    assert not jax.tree.leaves(record)
    return np.asarray(actions)


@pytest.mark.parametrize("exploration", EXPLORATIONS)
def test_greedy_without_exploration(exploration: str) -> None:
    algorithm, learner = make("mfq", **EXPLORATIONS[exploration])
    timestep = first_steps(make_steps(3))
    steps = make_steps(3)
    best = [np.argmax(plain_values(learner.network, steps, 0, agent)) for agent in range(5)]
    np.testing.assert_array_equal(act(algorithm, learner, timestep, jnp.zeros(5)), best)


def test_the_policy_acts_as_the_learner_does() -> None:
    algorithm, learner = make("mfq")
    timestep = first_steps(make_steps(3))
    policy = algorithm.policy(learner)
    explore = jnp.ones(5)
    np.testing.assert_array_equal(
        act(algorithm, policy, timestep, explore), act(algorithm, learner, timestep, explore)
    )
    assert algorithm.policy(policy) is policy


@pytest.mark.parametrize("exploration", EXPLORATIONS)
def test_exploring_draws_follow_the_policy(exploration: str) -> None:
    num_agents = 40_000
    algorithm, learner = make("iql", num_agents, **EXPLORATIONS[exploration])
    timestep = crowd(num_agents)
    q = one_row(learner.network, timestep)
    if exploration == "boltzmann":
        expected = np.exp(q / 0.3) / np.exp(q / 0.3).sum()
    else:
        expected = 0.3 / NUM_ACTIONS + 0.7 * (np.arange(NUM_ACTIONS) == np.argmax(q))
    drawn = act(algorithm, learner, timestep, jnp.full(num_agents, 0.3))
    share = np.bincount(drawn, minlength=NUM_ACTIONS) / num_agents
    deviation = np.sqrt(expected * (1 - expected) / num_agents)
    assert (np.abs(share - expected) <= 4 * deviation).all()


@pytest.mark.parametrize("exploration", EXPLORATIONS)
@pytest.mark.parametrize("explore", [0.0, 1.0])
def test_nobody_does_what_is_not_legal(exploration: str, explore: float) -> None:
    num_agents = 500
    algorithm, learner = make("iql", num_agents, **EXPLORATIONS[exploration])
    best = int(np.argmax(one_row(learner.network, crowd(num_agents))))
    legal = np.ones((num_agents, NUM_ACTIONS), bool)
    legal[:, best] = False
    drawn = act(algorithm, learner, crowd(num_agents, legal), jnp.full(num_agents, explore))
    assert best not in drawn
    assert len(set(drawn.tolist())) == (NUM_ACTIONS - 1 if explore else 1)


def test_every_agent_explores_as_much_as_it_is_told() -> None:
    num_agents = 200
    algorithm, learner = make("iql", num_agents)
    best = int(np.argmax(one_row(learner.network, crowd(num_agents))))
    explore = jnp.where(jnp.arange(num_agents) < 100, 0.0, 1e6)
    drawn = act(algorithm, learner, crowd(num_agents), explore)
    assert (drawn[:100] == best).all()
    assert len(set(drawn[100:].tolist())) == NUM_ACTIONS


def test_exploration_follows_its_schedule() -> None:
    linear, _ = make("iql", explore_start=1.0, explore_end=0.1, explore_fraction=0.5)
    mfrl, _ = make("iql", schedule="mfrl", explore_start=1.0, explore_end=0.1)
    progress = [0.0, 0.25, 0.5, 0.8, 1.0]
    values = [[float(x.explore(jnp.float32(p))) for p in progress] for x in (linear, mfrl)]
    np.testing.assert_allclose(values[0], [1, 0.55, 0.1, 0.1, 0.1], rtol=1e-5)
    np.testing.assert_allclose(values[1], [1, 0.75, 0.5, 0.2, 0.1], rtol=1e-5)


def test_experience_is_what_the_options_say() -> None:
    options = {"capacity": 10, "batch_size": 3, "updates": 2, "every": 4, "warmup": 5}
    algorithm, _ = make("iql", **options)
    experience = algorithm.experience._asdict()
    assert experience == {"unit": "agents", **options}


NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("learning_rate", 0.0, "above 0 and at most 3.403e+38"),
        ("learning_rate", NAN, "above 0 and at most 3.403e+38"),
        ("learning_rate", float("inf"), "above 0 and at most 3.403e+38"),
        ("learning_rate", 1e39, "above 0 and at most 3.403e+38"),
        ("gamma", 1.5, "a number from 0 to 1"),
        ("gamma", NAN, "a number from 0 to 1"),
        ("learning_rate_decay", -0.1, "a number from 0 to 1"),
        ("learning_rate_decay", 1.1, "a number from 0 to 1"),
        ("tau", 0.0, "above 0 and at most 1"),
        ("tau", 2.0, "above 0 and at most 1"),
        ("explore_fraction", -0.1, "a number from 0 to 1"),
        ("explore_end", -1.0, "from 0 to 3.403e+38"),
        ("batch_size", 0, "a whole number of at least 1"),
        ("warmup", -1, "a whole number of at least 0"),
        ("target_temperature", 0.0, "above 0 and at most 3.403e+38"),
        ("max_gradient_norm", NAN, "above 0 and at most 3.403e+38"),
        ("num_neighbours", 0, "at least 1"),
        ("radius", 0.0, "above 0 and at most 3.403e+38"),
        ("radius", NAN, "above 0 and at most 3.403e+38"),
    ],
)
def test_values_out_of_range_are_named(name: str, value: float, wanted: str) -> None:
    option = "--algo." + name.replace("_", "-")
    with pytest.raises(SwarmfieldError) as caught:
        mfq.MFQConfig(**{name: value})
    assert str(caught.value) == f"{option} is {value}, but must be {wanted}."
