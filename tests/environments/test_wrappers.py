"""One environment's function as a flat batch, and episodes one after another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from programs import equations
from toy import NUM_ACTIONS, Toy, ToyConfig, make_timestep

from swarmfield.batching import flat_batched, vmapped
from swarmfield.environments.wrappers import AutoReset, episode_over


class Recorder:
    """A batched function that remembers the sizes it was called with."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.one = flat_batched(self.batched)

    def batched(self, x, scale):
        self.sizes.append(x["value"].shape[0])
        total = jnp.sum(x["value"], axis=1) * scale
        return {"total": total, "value": jnp.cumsum(x["value"], axis=1)}


def plain(x, scale):
    return {"total": jnp.sum(x["value"]) * scale, "value": jnp.cumsum(x["value"])}


def make_inputs(*axes: int):
    value = jax.random.normal(jax.random.key(0), (*axes, 5))
    scale = jax.random.normal(jax.random.key(1), axes)
    return {"value": value}, scale


def assert_close(ours, theirs) -> None:
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("axes", [(), (4,), (3, 4), (2, 3, 4), (1, 1)])
def test_nested_vmaps_are_one_flat_call(axes: tuple[int, ...]) -> None:
    recorder, reference = Recorder(), plain
    function = recorder.one
    for _ in axes:
        function, reference = jax.vmap(function), jax.vmap(reference)
    inputs = make_inputs(*axes)
    assert_close(jax.jit(function)(*inputs), reference(*inputs))
    assert recorder.sizes[-1] == np.prod(axes, dtype=int)


def test_arguments_that_no_vmap_maps_are_repeated() -> None:
    recorder = Recorder()
    x, _ = make_inputs(3, 4)
    scale = jnp.arange(3.0)
    ours = jax.vmap(jax.vmap(recorder.one, (0, None)), (0, 0))(x, scale)
    assert_close(ours, jax.vmap(jax.vmap(plain, (0, None)), (0, 0))(x, scale))
    ours = jax.vmap(jax.vmap(recorder.one, (0, None)), (0, None))(x, jnp.float32(2))
    assert_close(ours, jax.vmap(jax.vmap(plain, (0, None)), (0, None))(x, jnp.float32(2)))


@pytest.mark.parametrize("axes", [(), (2,), (2, 3)])
def test_mapped_over_a_batch_it_is_not_traced_for_one_element(axes: tuple[int, ...]) -> None:
    recorder = Recorder()
    inputs = make_inputs(*axes, 4)
    function, reference = vmapped(recorder.one), jax.vmap(plain)
    for _ in axes:
        function, reference = jax.vmap(function), jax.vmap(reference)
    assert_close(jax.jit(function)(*inputs), reference(*inputs))
    assert 1 not in recorder.sizes


def test_any_function_can_be_mapped_over_a_batch() -> None:
    np.testing.assert_array_equal(vmapped(jnp.sum)(jnp.eye(3)), jnp.ones(3))


def test_the_order_of_axes_is_that_of_the_vmaps() -> None:
    function = flat_batched(lambda x: x * 2)
    x = jnp.arange(24.0).reshape(2, 3, 4)
    ours = jax.vmap(jax.vmap(function, in_axes=1, out_axes=1))(x)
    np.testing.assert_array_equal(ours, 2 * x)


def test_random_keys_can_be_batched() -> None:
    function = flat_batched(jax.vmap(lambda key: jax.random.uniform(key, (2,))))
    keys = jax.vmap(lambda key: jax.random.split(key, 3))(jax.random.split(jax.random.key(0), 2))
    expected = jax.vmap(jax.vmap(lambda key: jax.random.uniform(key, (2,))))(keys)
    np.testing.assert_array_equal(jax.vmap(jax.vmap(function))(keys), expected)


def test_inside_loops_it_is_still_one_call() -> None:
    recorder = Recorder()

    def play(x, scale):
        def step(state, _):
            following = recorder.one({"value": state}, scale)
            return following["value"] / 5, following["total"]

        return jax.lax.scan(step, x["value"], None, length=3)

    def reference(x, scale):
        state, totals = x["value"], []
        for _ in range(3):
            following = plain({"value": state}, scale)
            state = following["value"] / 5
            totals.append(following["total"])
        return state, jnp.stack(totals)

    inputs = make_inputs(2, 3)
    ours = jax.jit(jax.vmap(jax.vmap(play)))(*inputs)
    assert_close(ours, jax.vmap(jax.vmap(reference))(*inputs))
    assert recorder.sizes[-1] == 6


def conditional(x):
    return jax.lax.cond(jnp.any(x > 0), lambda: x + 1, lambda: x)


def test_a_condition_of_the_whole_batch_stays_one() -> None:
    function = flat_batched(conditional)
    jaxpr = jax.make_jaxpr(jax.vmap(jax.vmap(function)))(jnp.ones((3, 4)))
    (equation,) = equations(jaxpr.jaxpr, "cond")
    assert equation.invars[0].aval.shape == ()
    assert equation.invars[1].aval.shape == (12,)


CONFIG = ToyConfig(num_agents=3, max_steps=4, min_steps=2)
ENVIRONMENT = AutoReset(Toy(CONFIG))
step = jax.jit(jax.vmap(ENVIRONMENT.step))
reset = jax.jit(jax.vmap(ENVIRONMENT.reset))
NUM_ENVS = 6


def keys(seed: int) -> jax.Array:
    return jax.random.split(jax.random.key(seed), NUM_ENVS)


def act(seed: int) -> dict[str, jax.Array]:
    shape = (2, NUM_ENVS, CONFIG.num_agents)
    left, right = jax.random.randint(jax.random.key(seed), shape, 0, NUM_ACTIONS)
    return {"left": left, "right": right}


def pick(tree, index):
    return jax.tree.map(lambda x: x[index], tree)


def play(num_steps: int, seed: int = 0):
    """Everything returned, step after step."""
    episode, timesteps = reset(keys(1000 + seed))
    history = [(episode, timesteps)]
    for time in range(num_steps):
        episode, timesteps = step(keys(100 * seed + time), episode, act(100 * seed + time))
        history.append((episode, timesteps))
    return history


def test_an_episode_starts_ends_and_starts_again() -> None:
    lengths = [0] * NUM_ENVS
    for episode, timesteps in play(15):
        left = timesteps["left"]
        for env in range(NUM_ENVS):
            lengths[env] = 0 if left.first[env] else lengths[env] + 1
            limit = episode.state.limit[env]
            assert left.truncated[env] == (lengths[env] == limit)
            assert episode.over[env] == left.truncated[env]
            assert lengths[env] <= limit


def test_the_last_timestep_is_returned_as_it_is() -> None:
    history = play(4)
    plain_step = jax.jit(jax.vmap(ENVIRONMENT.environment.step))
    for time, (episode, _) in enumerate(history[:-1]):
        state, timesteps = plain_step(keys(time), episode.state, act(time))
        for env in np.flatnonzero(~np.asarray(episode.over)):
            ours = pick((history[time + 1][0].state, history[time + 1][1]), env)
            assert_equal(ours, pick((state, timesteps), env))


def test_the_call_after_the_end_resets_and_ignores_the_actions() -> None:
    episode, _ = play(4)[3]
    over = np.asarray(episode.over)
    assert 0 < over.sum() < NUM_ENVS
    one, other = (step(keys(7), episode, act(seed)) for seed in (1, 2))
    fresh = jax.jit(jax.vmap(ENVIRONMENT.environment.reset))(keys(7))
    for env in np.flatnonzero(over):
        assert_equal(pick(one, env), pick(other, env))
        assert_equal(pick((one[0].state, one[1]), env), pick(fresh, env))
        assert one[1]["left"].first[env]
        assert not one[0].over[env]
        assert not one[1]["left"].reward[env].any()


def at_their_end(history):
    """Every environment's episode when it was first over."""
    episodes = jax.tree.map(lambda *moments: jnp.stack(moments), *[one for one, _ in history])
    time = jnp.argmax(episodes.over, axis=0)
    return jax.tree.map(lambda x: x[time, jnp.arange(NUM_ENVS)], episodes)


def test_nothing_depends_on_what_came_before_the_reset() -> None:
    before = [at_their_end(play(CONFIG.max_steps, seed)) for seed in (0, 1)]
    assert before[0].over.all()
    assert before[1].over.all()
    after = [step(keys(7), episode, act(seed)) for seed, episode in enumerate(before)]
    later = [step(keys(8), episode, act(3)) for episode, _ in after]
    assert_equal(after[0], after[1])
    assert_equal(later[0], later[1])


def test_placement_is_computed_only_where_some_episode_is_over() -> None:
    episode, _ = reset(keys(0))
    jaxpr = jax.make_jaxpr(jax.vmap(ENVIRONMENT.step))(keys(1), episode, act(0))
    (equation,) = equations(jaxpr.jaxpr, "cond")
    assert equation.invars[0].aval.shape == ()


def assert_equal(ours, theirs) -> None:
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("alive", "terminated", "truncated", "over"),
    [
        ([[1, 1], [1, 1]], [[0, 0], [0, 0]], False, False),
        ([[1, 1], [1, 1]], [[0, 0], [0, 0]], True, True),
        # One team is dead; it is for the environment to say whether that ends the game.
        ([[0, 0], [1, 1]], [[1, 1], [0, 0]], False, False),
        ([[0, 0], [1, 1]], [[1, 1], [1, 1]], False, True),
        ([[0, 0], [0, 0]], [[0, 1], [1, 1]], False, True),
        ([[1, 0], [0, 1]], [[1, 0], [0, 0]], False, False),
    ],
)
def test_when_an_episode_is_over(alive, terminated, truncated: bool, over: bool) -> None:
    timesteps = {
        name: make_timestep(
            2,
            alive=np.asarray(alive[row], bool),
            terminated=np.asarray(terminated[row], bool),
            truncated=truncated,
        )
        for row, name in enumerate(("left", "right"))
    }
    assert episode_over(timesteps) == over
