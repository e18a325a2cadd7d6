"""Values of a team: the loss on a batch made by hand, and the games that tell mixers apart."""

import dataclasses
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from team_games import NOT_MONOTONIC, TWO_STEPS, PayoffGame
from test_q_learning import KEY, PROGRESS, make_steps, make_team, unpack
from toy import make_algorithm, make_program

from swarmfield.algorithms import ALGORITHMS, mfvfd
from swarmfield.algorithms._perception import Recorded
from swarmfield.mixing import Chosen
from swarmfield.training import program as loop
from swarmfield.training.evaluate import play_all
from swarmfield.training.matchup import policy_of, sides_of
from swarmfield.training.playing import Match
from swarmfield.types import SwarmfieldError, Transitions

BY_HAND = {"gamma": 0.9, "tau": 0.25, "learning_rate": 1e-2, "learning_rate_decay": 1.0}
METHODS = ["vdn", "qmix", "mfqmix", "mfvfd"]


@cache
def make(name: str, num_agents: int = 4, **options):
    """An algorithm, and a learner whose target is another's."""
    entry = ALGORITHMS[name]
    algorithm = entry.build(entry.config(**(BY_HAND | options)), make_team(num_agents), unpack)
    learner, other = algorithm.init(KEY), algorithm.init(jax.random.key(1))
    return algorithm, dataclasses.replace(learner, target=(other.network, other.mixer))


def make_batch(now=None, after=None, weight=None, num_agents: int = 4) -> Transitions:
    now = make_steps(0, num_agents) if now is None else now
    after = make_steps(1, num_agents) if after is None else after
    none = Recorded(None)
    agents = jnp.broadcast_to(jnp.arange(num_agents), (2, num_agents))
    weight = jnp.ones((2, num_agents)) if weight is None else jnp.asarray(weight, jnp.float32)
    return Transitions(now, after, none, none, none, agents, weight)


def updated(name: str, batch: Transitions, **options):
    algorithm, learner = make(name, batch.weight.shape[1], **options)
    return jax.jit(algorithm.update)(learner, batch, KEY, PROGRESS)


def values_of(network, steps, m: int, agents) -> np.ndarray:
    """Q of some agents at one step, without a field."""
    seen = steps.own["seen"][m]
    one = [network(unpack_row(seen, i), None) for i in agents]
    return np.stack([np.asarray(q) for q in one])


def unpack_row(seen, i):
    return unpack(make_row(seen), jnp.int32(i))


def make_row(seen):
    class Row:
        own = {"seen": seen}  # noqa: RUF012

    return Row


def test_the_loss_of_a_sum_by_hand() -> None:
    """Agent 3 is dead; agent 2 dies in the first step; the second step ends the game."""
    alive = np.array([[1, 1, 1, 0], [1, 1, 1, 0]], bool)
    alive_after = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)
    terminated = np.array([[0, 0, 1, 0], [1, 1, 1, 0]], bool)
    now = make_steps(0, 4, alive=alive)
    after = make_steps(1, 4, alive=alive_after, terminated=terminated)
    _, learner = make("vdn")
    _, metrics = updated("vdn", make_batch(now, after, alive))
    losses, means = [], []
    for m in range(2):
        members = [0, 1, 2]
        action = np.asarray(after.last_action[m])
        q = values_of(learner.network, now, m, members)[np.arange(3), action[:3]].sum()
        reward = float(np.asarray(after.reward[m]).sum())
        future = 0.0
        if m == 0:
            online = values_of(learner.network, after, m, [0, 1])
            target = values_of(learner.target[0], after, m, [0, 1])
            future = target[np.arange(2), online.argmax(1)].sum()
        losses.append(((reward + 0.9 * future - q) / 3) ** 2)
        means.append(q / 3)
    assert float(metrics["loss"]) == pytest.approx(np.mean(losses), rel=1e-4)
    assert float(metrics["q"]) == pytest.approx(np.mean(means), rel=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_who_is_no_member_changes_nothing(name: str) -> None:
    """The dead and those that do not learn: whatever they see and do."""
    alive = np.array([[1, 1, 0, 1], [1, 0, 0, 1]], bool)
    trained = np.array([[1, 1, 1, 0]] * 2, bool)
    weight = alive & trained

    def batch(seen: float) -> Transitions:
        steps = [make_steps(seed, 4, alive=alive, trained=trained) for seed in (0, 1)]
        hidden = ~(alive & trained)[..., None]
        changed = [
            dataclasses.replace(step, own={"seen": jnp.where(hidden, seen, step.own["seen"])})
            for step in steps
        ]
        return make_batch(*changed, weight)

    one, _ = updated(name, batch(0.0))
    other, _ = updated(name, batch(5.0))
    jax.tree.map(np.testing.assert_array_equal, one.network, other.network)
    jax.tree.map(np.testing.assert_array_equal, one.mixer, other.mixer)


@pytest.mark.parametrize("name", METHODS)
def test_a_step_of_nobody_teaches_nothing(name: str) -> None:
    """A reset in the first row: what is learned is of the second alone."""
    weight = np.array([[0] * 4, [1] * 4], np.float32)
    worse = make_steps(1, 4)
    worse = dataclasses.replace(worse, reward=worse.reward.at[0].set(np.nan))
    one, metrics = updated(name, make_batch(weight=weight))
    other, _ = updated(name, make_batch(after=worse, weight=weight))
    jax.tree.map(np.testing.assert_array_equal, one.network, other.network)
    assert all(bool(jnp.isfinite(value)) for value in metrics.values())


def test_a_sum_learns_in_chunks_what_it_learns_at_once(monkeypatch) -> None:
    whole, _ = updated("qmix", make_batch())
    monkeypatch.setattr("swarmfield.networks.TRUNKS", tiny_trunks())
    algorithm, learner = make.__wrapped__("qmix", 4)
    pieces, _ = algorithm.update(learner, make_batch(), KEY, PROGRESS)
    close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6)
    jax.tree.map(close, whole.network, pieces.network)


def tiny_trunks():
    from swarmfield.networks import TRUNKS

    return {name: shape._replace(chunk=4) for name, shape in TRUNKS.items()}


def test_identity_tells_agents_apart_and_nothing_else() -> None:
    same = make_steps(0, 4)
    same = dataclasses.replace(same, own={"seen": jnp.ones_like(same.own["seen"])})
    one = jax.tree.map(lambda x: x[0], same)
    one = dataclasses.replace(one, alive=jnp.ones(4, bool))
    for kind, differ in (("none", False), ("learned", True), ("onehot", True)):
        algorithm, learner = make("vdn", identity=kind)
        q = jax.vmap(lambda i, learner=learner: values_by(learner, i))(jnp.arange(4))
        assert (float(jnp.ptp(q, axis=0).max()) > 1e-6) == differ
        actions, _, _ = algorithm.act(learner, one, None, KEY, jnp.zeros(4))
        assert actions.shape == (4,)


def mixed(actions, alive=(True, True, True, True)) -> np.ndarray:
    """What mfvfd makes of values that are 0."""
    algorithm, learner = make("mfvfd")
    del algorithm
    seen = jax.random.normal(KEY, (4, 32))
    members = jnp.asarray(alive, bool)
    chosen = Chosen(jnp.zeros(4), jnp.asarray(actions, jnp.int32), members, seen)
    mixer = mfvfd.others(mfvfd.MFVFDConfig(), make_team(4))
    return np.asarray(mixer.mix(learner.mixer, chosen))


def test_what_others_add_does_not_depend_on_ones_own_action() -> None:
    one, other = mixed([0, 1, 2, 3]), mixed([3, 1, 2, 3])
    assert one[0] == other[0]
    assert (one[1:] != other[1:]).all()


def test_the_dead_and_oneself_are_not_heard() -> None:
    one, other = mixed([0, 1, 2, 3], [1, 1, 0, 0]), mixed([0, 1, 0, 0], [1, 1, 0, 0])
    np.testing.assert_array_equal(one, other)
    alone, changed = mixed([0, 1, 2, 3], [1, 0, 0, 0]), mixed([1, 0, 0, 1], [1, 0, 0, 0])
    assert alone[0] == changed[0]


def test_what_looks_at_all_pairs_refuses_a_large_team() -> None:
    with pytest.raises(SwarmfieldError, match="mfvfd looks at all pairs"):
        mfvfd.build(mfvfd.MFVFDConfig(), make_team(2049), unpack)


def values_by(learner, index):
    part = None if learner.network.reader is None else (None, index)
    return learner.network(unpack_row(jnp.ones((4, 3)), 0), part)


def greedy_return(name: str, game: PayoffGame, steps: int, **options) -> float:
    """What a team earns greedily after learning from actions at random."""
    default = {
        "batch_size": 64,
        "warmup": 500,
        "learning_rate": 3e-3,
        "gamma": 0.99,
        "exploration": "epsilon",
        "explore_start": 1.0,
        "explore_end": 1.0,
    }
    algorithm = make_algorithm(name, game, **(default | options))
    program = make_program(algorithm, game, 8, steps * 8)
    run = jax.jit(partial(loop.advance, program))(
        loop.start(program, None, jax.random.key(0)), jnp.int32(0), jnp.int32(steps)
    )
    match = Match(game, sides_of(game), policy_of(algorithm), None)
    episodes = play_all(match, 1, algorithm.policy(run.learner), None, KEY)
    return float(episodes.returns["learner"][0])


@pytest.mark.parametrize(("name", "earned"), [("vdn", 7.0), ("qmix", 8.0), ("mfqmix", 8.0)])
def test_only_a_mixture_sees_that_coordination_is_worth_it(name: str, earned: float) -> None:
    assert greedy_return(name, PayoffGame(TWO_STEPS), 1500) == earned


@pytest.mark.parametrize("name", ["vdn", "qmix"])
def test_what_is_not_monotonic_is_beyond_both(name: str) -> None:
    """Best next to worst, as their authors and others say."""
    assert greedy_return(name, PayoffGame(NOT_MONOTONIC), 800) == 0.0
