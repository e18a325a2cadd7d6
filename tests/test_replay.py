"""Replay: packed and unpacked alike, transitions only, and each as likely as any other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy import make_timestep

from swarmfield import replay
from swarmfield.environments import make
from swarmfield.types import Replay, Timestep, Transitions

pytestmark = pytest.mark.usefixtures("strict_dtypes")

NUM_ENVS, NUM_AGENTS, LENGTH = 2, 4, 6
AGENTS = Replay("agents", capacity=100, batch_size=4096)
STEPS = AGENTS._replace(unit="steps", batch_size=64)

write = jax.jit(replay.write)
sample = jax.jit(replay.sample, static_argnums=2)


def moment(time: int, **fields) -> Timestep:
    """All environments at a time; rewards say which agent's of which environment at which time."""
    numbers = jnp.arange(NUM_ENVS * NUM_AGENTS).reshape(NUM_ENVS, NUM_AGENTS)
    default = {
        "shared": {"time": jnp.full(NUM_ENVS, time), "env": jnp.arange(NUM_ENVS)},
        "first": jnp.zeros(NUM_ENVS, bool),
        "alive": jnp.ones((NUM_ENVS, NUM_AGENTS), bool),
        "kind": jnp.zeros((NUM_ENVS, NUM_AGENTS), jnp.uint8),
        "position": jnp.zeros((NUM_ENVS, NUM_AGENTS, 2), jnp.int16),
        "last_action": jnp.full((NUM_ENVS, NUM_AGENTS), time % 256, jnp.uint8),
        "reward": (100 * time + numbers).astype(jnp.float32),
        "terminated": jnp.zeros((NUM_ENVS, NUM_AGENTS), bool),
        "truncated": jnp.zeros(NUM_ENVS, bool),
        "trained": jnp.ones((NUM_ENVS, NUM_AGENTS), bool),
    }
    return make_timestep(NUM_AGENTS, **(default | fields))


def stored(moments: list[Timestep], length: int = LENGTH) -> tuple[replay.PackedStep, jax.Array]:
    """A ring after all moments, and the time of the last."""
    packed = [replay.pack(one, None) for one in moments]
    ring = replay.empty(packed[0], length)
    for time, step in enumerate(packed):
        ring = write(ring, step, jnp.int32(time))
    return ring, jnp.int32(len(moments) - 1)


def drawn(moments: list[Timestep], experience: Replay = AGENTS, seed: int = 0) -> Transitions:
    ring, time = stored(moments)
    return sample(ring, time, experience, jax.random.key(seed))


def weights(batch: Transitions) -> dict[tuple[int, int, int], float]:
    """Total weight of every (time, environment, agent) that has any."""
    agents = np.asarray(batch.agents)
    times, envs = (
        np.broadcast_to(np.asarray(batch.now.shared[name])[:, None], agents.shape)
        for name in ("time", "env")
    )
    keys = np.stack([times, envs, agents], axis=-1).reshape(-1, 3)
    total: dict[tuple[int, int, int], float] = {}
    for key, weight in zip(keys.tolist(), np.asarray(batch.weight).ravel().tolist(), strict=True):
        total[tuple(key)] = total.get(tuple(key), 0.0) + weight
    return {key: weight for key, weight in total.items() if weight > 0}


def flags(*rows: list[int]) -> jax.Array:
    return jnp.array(rows, bool)


def test_packing_loses_only_the_measures() -> None:
    random = np.random.default_rng(0)
    fields = {
        name: jnp.asarray(random.random(shape) < 0.5)
        for name, shape in {
            "first": (NUM_ENVS,),
            "truncated": (NUM_ENVS,),
            "alive": (NUM_ENVS, NUM_AGENTS),
            "terminated": (NUM_ENVS, NUM_AGENTS),
            "trained": (NUM_ENVS, NUM_AGENTS),
            "legal": (NUM_ENVS, NUM_AGENTS, 3),
        }.items()
    }
    timestep = moment(7, **fields)
    again = replay.unpack(replay.pack(timestep, None))
    assert jax.tree.structure(again) == jax.tree.structure(timestep)
    for ours, theirs in zip(jax.tree.leaves(again), jax.tree.leaves(timestep), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def test_measures_are_dropped() -> None:
    timestep = moment(0, measures={"kills": jnp.zeros(NUM_ENVS)})
    assert replay.unpack(replay.pack(timestep, None)).measures == {}


def test_the_ring_keeps_the_newest() -> None:
    ring, _ = stored([moment(time) for time in range(9)])
    np.testing.assert_array_equal(ring.shared["time"][:, 0], [6, 7, 8, 3, 4, 5])


def test_records_are_stored_beside_their_step() -> None:
    ring = replay.empty(replay.pack(moment(0), {"label": jnp.zeros((NUM_ENVS, 1))}), 3)
    for time in range(5):
        record = {"label": jnp.full((NUM_ENVS, 1), 10.0 * time)}
        ring = write(ring, replay.pack(moment(time), record), jnp.int32(time))
    batch = sample(ring, jnp.int32(4), AGENTS._replace(batch_size=32), jax.random.key(0))
    time = 10.0 * batch.now.shared["time"][:, None].astype(jnp.float32)
    np.testing.assert_array_equal(batch.record_before["label"], time)
    np.testing.assert_array_equal(batch.record["label"], time + 10.0)


@pytest.mark.parametrize("num_moments", [2, 5, 6, 7, 20])
def test_what_follows_is_the_next_step_of_the_same_environment(num_moments: int) -> None:
    batch = drawn([moment(time) for time in range(num_moments)])
    now, after = batch.now.shared, batch.next.shared
    np.testing.assert_array_equal(after["time"], now["time"] + 1)
    np.testing.assert_array_equal(after["env"], now["env"])
    assert (batch.weight == 1).all()
    times = np.asarray(now["time"])
    oldest = max(0, num_moments - LENGTH)
    assert sorted(set(times.tolist())) == list(range(oldest, num_moments - 1))


def test_before_the_second_step_there_is_no_transition() -> None:
    assert not drawn([moment(0)]).weight.any()


def test_no_transition_leads_into_a_reset() -> None:
    moments = [moment(time) for time in range(5)]
    moments[2] = moment(2, first=jnp.array([False, True]))
    found = weights(drawn(moments))
    assert {(time, env) for time, env, _ in found} == {
        (time, env) for time in range(4) for env in range(2)
    } - {(1, 1)}


def test_only_the_living_who_learn_are_sampled() -> None:
    alive, trained = flags([1, 1, 0, 1], [1, 1, 1, 1]), flags([1, 1, 1, 0], [0, 1, 1, 1])
    found = weights(drawn([moment(0, alive=alive, trained=trained), moment(1)]))
    assert set(found) == {(0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 2), (0, 1, 3)}


def test_where_nobody_can_be_sampled_there_is_no_weight() -> None:
    alive = flags([0, 0, 0, 0], [1, 0, 0, 0])
    found = weights(drawn([moment(0, alive=alive), moment(1)]))
    assert set(found) == {(0, 1, 0)}


def test_a_death_is_learned_from_and_is_terminal() -> None:
    dead = flags([1, 0, 1, 1], [1, 1, 1, 1])
    died = flags([0, 1, 0, 0], [0, 0, 0, 0])
    moments = [moment(0), moment(1, alive=dead, terminated=died), moment(2, alive=dead)]
    batch = drawn(moments)
    found = weights(batch)
    assert (0, 0, 1) in found
    assert (1, 0, 1) not in found
    terminated = jnp.take_along_axis(batch.next.terminated, batch.agents, axis=1)[:, 0]
    of_the_dead = (
        (batch.now.shared["time"] == 0) & (batch.now.shared["env"] == 0) & (batch.agents[:, 0] == 1)
    )
    np.testing.assert_array_equal(terminated, of_the_dead)


def test_the_time_limit_is_not_terminal() -> None:
    over = moment(1, truncated=jnp.ones(NUM_ENVS, bool))
    batch = drawn([moment(0), over, moment(2, first=jnp.ones(NUM_ENVS, bool))])
    weighted = batch.weight[:, 0] > 0
    np.testing.assert_array_equal(weighted, batch.now.shared["time"] == 0)
    assert batch.next.truncated[weighted].all()
    assert not batch.next.terminated.any()


def test_every_transition_is_equally_likely() -> None:
    """A sample's weight times its probability is the same for each, at 4 standard errors."""
    moments = [
        moment(0, alive=flags([1, 1, 1, 1], [1, 0, 0, 0])),
        moment(1, alive=flags([1, 0, 1, 0], [0, 0, 0, 0])),
        moment(2, first=jnp.array([False, True]), alive=flags([0, 0, 1, 0], [1, 1, 1, 1])),
        moment(3, alive=flags([1, 1, 1, 0], [1, 1, 0, 1])),
        moment(4),
    ]
    num_samples = 60_000
    found = weights(drawn(moments, AGENTS._replace(batch_size=num_samples), seed=1))
    # 4 + 2 + 1 + 3 agents of the first environment; 1 of the second's first step leads nowhere
    # but to the end of its team, and its reset at 2 is followed by 4 and 3 living.
    assert len(found) == 10 + 1 + 4 + 3
    values = np.array(list(found.values()))
    # Four steps, two environments, four agents: each one's mean weight is 1 / 32. A weight's
    # variance is largest where all live, and is then a count's; that is taken for all.
    expected = num_samples / 32
    deviation = np.sqrt(num_samples * (1 / 32 - 1 / 32**2))
    assert (np.abs(values - expected) <= 4 * deviation).all()


def test_many_agents_share_a_step_and_stay_equally_likely() -> None:
    num_agents, valid = 2 * replay.AGENTS_A_SAMPLE, 100
    alive = jnp.arange(num_agents) % (num_agents // valid) == 0
    step = replay.pack(make_timestep(num_agents, alive=alive), None)
    step = jax.tree.map(lambda x: x[None], step)
    ring = replay.empty(step, 2)
    for time in range(2):
        ring = write(ring, step, jnp.int32(time))
    batch = sample(ring, jnp.int32(1), AGENTS._replace(batch_size=50_000), jax.random.key(0))
    assert batch.agents.shape == (25_000, 2)
    counts = np.bincount(np.asarray(batch.agents).ravel(), minlength=num_agents)
    living = np.asarray(alive)
    assert counts[~living].sum() == 0
    expected = 50_000 / living.sum()
    assert (np.abs(counts[living] - expected) <= 5 * np.sqrt(expected)).all()


def test_whole_steps_keep_every_agent_in_its_place() -> None:
    alive = flags([1, 0, 1, 1], [0, 0, 0, 0])
    batch = drawn([moment(0, alive=alive), moment(1), moment(2)], STEPS)
    assert batch.agents.shape == (64, NUM_AGENTS)
    np.testing.assert_array_equal(batch.agents, np.tile(np.arange(NUM_AGENTS), (64, 1)))
    expected = np.where(
        np.asarray(batch.now.shared["time"] == 0)[:, None],
        np.asarray(alive, np.float32)[np.asarray(batch.now.shared["env"])],
        1.0,
    )
    np.testing.assert_array_equal(batch.weight, expected)


def test_padding_changes_no_sample() -> None:
    moments = [moment(time) for time in range(4)]
    batch = drawn(moments)
    rows = [(0, 0), (0, 3)]
    padded = [
        make_timestep(
            NUM_AGENTS + 3,
            shared=one.shared,
            first=one.first,
            truncated=one.truncated,
            alive=jnp.pad(one.alive, rows),
            kind=jnp.pad(one.kind, rows),
            position=jnp.pad(one.position, [*rows, (0, 0)]),
            last_action=jnp.pad(one.last_action, rows),
            reward=jnp.pad(one.reward, rows),
            terminated=jnp.pad(one.terminated, rows),
            trained=jnp.pad(one.trained, rows),
        )
        for one in moments
    ]
    with_padding = drawn(padded)
    np.testing.assert_array_equal(with_padding.agents, batch.agents)
    np.testing.assert_array_equal(with_padding.now.reward[:, :NUM_AGENTS], batch.now.reward)
    # Weights count for what they are next to each other.
    np.testing.assert_allclose(with_padding.weight * 7 / 4, batch.weight, rtol=1e-6)


@pytest.mark.parametrize(
    ("capacity", "num_envs", "num_agents", "steps"),
    [(1000, 10, 10, 11), (1001, 10, 10, 12), (1, 16, 64, 3), (100, 1, 1, 101)],
)
def test_a_capacity_is_enough_steps_for_so_many_transitions(
    capacity: int, num_envs: int, num_agents: int, steps: int
) -> None:
    experience = AGENTS._replace(capacity=capacity)
    assert replay.num_steps(experience, num_envs, num_agents) == steps


def test_battle_takes_at_most_forty_bytes_a_transition() -> None:
    environment = make("battle")
    assert [team.num_agents for team in environment.teams] == [64, 64]

    def make_ring(key: jax.Array) -> replay.PackedStep:
        _, timesteps = jax.vmap(environment.reset)(jax.random.split(key, 16))
        return replay.empty(replay.pack(timesteps["red"], None), 100)

    with jax.numpy_dtype_promotion("standard"):
        ring = jax.eval_shape(make_ring, jax.random.key(0))
    assert replay.bytes_per_transition(ring) <= 40


def test_bytes_are_those_of_the_arrays() -> None:
    ring, _ = stored([moment(0)])
    size = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(ring))
    assert replay.bytes_per_transition(ring) == size / (LENGTH * NUM_ENVS * NUM_AGENTS)


def test_compiled_and_eager_samples_are_the_same() -> None:
    ring, time = stored([moment(step) for step in range(8)])
    few = AGENTS._replace(batch_size=16)
    ours, theirs = (draw(ring, time, few, jax.random.key(4)) for draw in (sample, replay.sample))
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(one, other)
