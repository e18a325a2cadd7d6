"""The loop: what it counts, when it learns, and that nothing depends on how it is cut."""

from functools import cache, partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from programs import equations
from toy import NUM_ACTIONS, Toy, ToyConfig, WeatherVanes, answering, make_algorithm, make_program

from swarmfield.batching import for_each
from swarmfield.training import program as loop
from swarmfield.training.program import Program, Run
from swarmfield.types import Algorithm, Replay

NUM_ENVS, ROWS, LIVING, EPISODE = 4, 4, 3, 5
KEY = jax.random.key(0)
RIGHT, WRONG = answering(0), answering(1)
# Three steps of 16 rows are the 48 agent-transitions before the first update.
EXPERIENCE = Replay("agents", capacity=200, batch_size=8, warmup=48)
FAILS_AT = 33


def make_toy(**options) -> Toy:
    default = {"num_agents": ROWS, "num_dead": ROWS - LIVING, "max_steps": EPISODE}
    return Toy(ToyConfig(**default | options))


TRACES: list[jax.Array] = []
"""One entry for each time that an update was traced."""


def counting(experience: Replay = EXPERIENCE) -> Algorithm:
    """Counts its updates instead of learning, and answers wrongly before the first."""

    def act(learner, timestep, memory, _key, explore):
        wrong = (learner == 0).astype(jnp.uint8)
        return (timestep.own["shown"] + wrong) % NUM_ACTIONS, memory, {"strength": explore}

    def update(learner, batch, _key, progress):
        TRACES.append(learner)
        loss = jnp.where(learner == FAILS_AT, jnp.nan, batch.weight.max())
        return learner + 1, {"loss": loss, "progress": progress}

    return Algorithm(
        experience=experience,
        init=lambda _: jnp.zeros(()),
        begin=lambda *_: None,
        act=act,
        update=update,
        explore=lambda progress: 1 - progress,
        policy=lambda learner: learner,
    )


@cache
def compiled(program: Program):
    """Functions that start and advance it and close its window, compiled once."""
    start = jax.jit(lambda key: loop.start(program, None, key))
    advance = jax.jit(partial(loop.advance, program))
    return start, advance, jax.jit(partial(loop.close_window, program))


def play(program: Program, *pieces: int, key: jax.Array = KEY) -> Run:
    """A run advanced by some steps, and some more."""
    start, advance, _ = compiled(program)
    run, time = start(key), 0
    for steps in pieces:
        run = advance(run, jnp.int32(time), jnp.int32(steps))
        time += steps
    return run


def figures(program: Program, run: Run):
    return compiled(program)[2](run)


@cache
def make_counting(opponent="right", experience: Replay = EXPERIENCE, **options) -> Program:
    opponent = {"right": RIGHT, "wrong": WRONG}.get(opponent, opponent)
    algorithm = counting(experience)
    return make_program(algorithm, make_toy(**options), NUM_ENVS, 40 * NUM_ENVS, opponent)


def assert_bitwise(ours, theirs) -> None:
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        if jnp.issubdtype(one.dtype, jax.dtypes.prng_key):
            one, other = jax.random.key_data(one), jax.random.key_data(other)
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


# An episode of 5 steps and its reset take 6: at step 6, 12, ... nobody acts.
@pytest.mark.parametrize("steps", [1, 2, 5, 6, 7, 12, 13, 31])
def test_every_number_of_steps_is_made_and_counted(steps: int) -> None:
    run = play(make_counting(), steps)
    acted = steps - steps // (EPISODE + 1)
    assert run.window.agent_steps[0] == acted * NUM_ENVS * LIVING
    assert run.window.episodes == (steps + 1) // (EPISODE + 1) * NUM_ENVS
    np.testing.assert_array_equal(run.episodes.state.time, [steps % (EPISODE + 1)] * NUM_ENVS)


def test_no_steps_change_nothing() -> None:
    assert_bitwise(play(make_counting(), 3, 0), play(make_counting(), 3))


def test_returns_are_those_of_the_episodes_that_ended() -> None:
    """The opponent is right at every step, the learner from its first update on."""
    run = play(make_counting(), 2 * (EPISODE + 1) + 2)
    _, row = figures(make_counting(), run)
    assert row["episodes"] == 2 * NUM_ENVS
    whole = LIVING * EPISODE
    np.testing.assert_allclose(row["returns"], [whole - LIVING * 3 / 2, whole])
    # Two steps of the third episode have been paid, but it has not ended.
    np.testing.assert_allclose(row["rewards"], [9 / 12, 1], rtol=1e-6)


def test_an_episode_counts_in_the_window_in_which_it_ends() -> None:
    start, advance, close = compiled(make_counting())
    run, row = close(advance(start(KEY), jnp.int32(0), jnp.int32(3)))
    assert row["episodes"] == 0
    assert np.isnan(row["returns"]).all()
    assert row["agent_steps"] == 3 * NUM_ENVS * LIVING
    run, row = close(advance(run, jnp.int32(3), jnp.int32(EPISODE)))
    assert row["episodes"] == NUM_ENVS
    assert row["returns"][1] == LIVING * EPISODE
    assert row["agent_steps"] == 4 * NUM_ENVS * LIVING
    _, row = close(run)
    assert row["agent_steps"] == row["episodes"] == row["updates"] == 0


def test_both_sides_are_counted_as_the_players_they_are() -> None:
    """Sides are swapped in half of the environments; the opponent never is right."""
    program = make_counting("wrong", min_steps=2)
    run, row = figures(program, play(program, 30))
    assert row["episodes"] > 3 * NUM_ENVS
    assert row["returns"][0] > 0
    assert row["returns"][1] == 0
    assert run.opponent is None, "only in self-play does the opponent follow"


def test_a_cooperative_environment_has_one_return() -> None:
    def act(_learner, timestep, memory, _key, _explore):
        return jnp.zeros(timestep.alive.shape, jnp.int32), memory, None

    program = make_program(counting()._replace(act=act), WeatherVanes(), 2, 80)
    run = play(program, 10)
    _, row = figures(program, run)
    assert row["returns"].shape == (1,)
    assert row["episodes"] == 2
    assert run.opponent is None


def test_the_first_update_waits_for_the_warmup() -> None:
    for steps, updates in ((2, 0), (3, 1), (7, 5)):
        run = play(make_counting(), steps)
        assert run.learner == run.window.updates == updates


def test_several_updates_every_few_steps() -> None:
    # 65 agent-transitions are there after the fifth step, so the first is the sixth.
    experience = EXPERIENCE._replace(every=2, updates=3, warmup=65)
    for steps, updates in ((5, 0), (6, 3), (7, 3), (10, 9)):
        run = play(make_counting(experience=experience), steps)
        assert run.learner == run.window.updates == updates


def test_metrics_are_means_over_updates() -> None:
    _, row = figures(make_counting(), play(make_counting(), 5))
    # Scheduled are 40 steps; updates were made at 2, 3 and 4 of them.
    np.testing.assert_allclose(row["metrics"]["progress"], 3 / 40, rtol=1e-6)
    # Three of four rows live.
    np.testing.assert_allclose(row["metrics"]["loss"], 3 / 4)
    assert row["failed_at"] == -1


def test_the_schedule_is_over_when_its_steps_are() -> None:
    program = make_counting()
    assert program.student.progress(20) == 0.5
    assert program.student.progress(40) == program.student.progress(4000) == 1.0


def test_exploration_is_recorded_beside_what_followed() -> None:
    program = make_counting()
    run = play(program, 5)
    strength = np.asarray(run.ring.record["strength"])[:6, 0, 0]
    # Acting at t is recorded with the step it led to.
    np.testing.assert_allclose(strength, [0, 1, 39 / 40, 38 / 40, 37 / 40, 36 / 40], rtol=1e-6)


def test_the_first_failure_is_kept() -> None:
    start, advance, close = compiled(make_counting())
    run, row = close(advance(start(KEY), jnp.int32(0), jnp.int32(38)))
    assert row["failed_at"] == FAILS_AT + 2
    _, row = close(advance(run, jnp.int32(38), jnp.int32(2)))
    assert row["failed_at"] == FAILS_AT + 2


def test_one_trace_serves_every_time_and_length() -> None:
    program = make_counting()
    play(program, 1)
    traced = len(TRACES)
    play(program, 5, 2)
    play(program, 3, key=jax.random.key(1))
    assert len(TRACES) == traced


def test_the_opponent_follows_only_when_the_learner_is_ahead() -> None:
    start, advance, close = compiled(make_counting("self"))
    run = start(KEY)
    assert run.opponent == 0
    run, row = close(advance(run, jnp.int32(0), jnp.int32(4)))
    assert row["episodes"] == 0
    assert run.opponent == 0, "no episode has ended"
    run, row = close(advance(run, jnp.int32(4), jnp.int32(2)))
    assert row["returns"][0] > row["returns"][1] == 0
    np.testing.assert_allclose(run.opponent, 0.99 * 4, rtol=1e-6)
    following = run.opponent
    run, row = close(advance(run, jnp.int32(6), jnp.int32(6)))
    assert row["returns"][0] == row["returns"][1] == LIVING * EPISODE
    assert run.learner == 10
    assert run.opponent == following, "a tie is not ahead"


def test_one_hundredth_of_the_opponent_stays() -> None:
    program = make_counting("self")
    run = play(program, EPISODE)
    run = eqx.tree_at(lambda r: (r.learner, r.opponent), run, (jnp.float32(10), jnp.float32(4)))
    run, _ = figures(program, run)
    np.testing.assert_allclose(run.opponent, 0.99 * 10 + 0.01 * 4, rtol=1e-6)


@cache
def learning() -> Program:
    """A real learner against itself."""
    environment = make_toy(min_steps=2)
    options = {"batch_size": 16, "capacity": 300, "warmup": 20, "learning_rate": 1e-3}
    algorithm = make_algorithm("iql", environment, **options)
    return make_program(algorithm, environment, NUM_ENVS, 40 * NUM_ENVS, "self")


@pytest.mark.parametrize("pieces", [(1, 29), (13, 17), (10, 10, 10)])
def test_in_pieces_as_in_one_go_bitwise(pieces: tuple[int, ...]) -> None:
    assert_bitwise(play(learning(), *pieces), play(learning(), 30))


def test_another_key_is_another_run() -> None:
    run, other = play(learning(), 5), play(learning(), 5, key=jax.random.key(1))
    assert (run.ring.reward != other.ring.reward).any()


def test_seeds_side_by_side_are_as_they_are_alone() -> None:
    """Equal to 1e-5: batched matrix products add up in another order."""
    start, _, _ = compiled(learning())
    keys = [jax.random.key(seed) for seed in (3, 4)]
    runs = jax.tree.map(lambda *parts: jnp.stack(parts), *[start(key) for key in keys])
    advance = jax.jit(for_each(partial(loop.advance, learning())))
    together = advance(runs, jnp.int32(0), jnp.int32(12))
    for row, key in enumerate(keys):
        alone = play(learning(), 12, key=key)
        ours = jax.tree.map(lambda x, row=row: x[row], together)
        np.testing.assert_array_equal(ours.ring.last_action, alone.ring.last_action)
        np.testing.assert_array_equal(ours.ring.reward, alone.ring.reward)
        np.testing.assert_array_equal(ours.window.agent_steps, alone.window.agent_steps)
        pairs = zip(jax.tree.leaves(ours.learner), jax.tree.leaves(alone.learner), strict=True)
        for one, other in pairs:
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_an_update_that_is_not_due_is_not_computed() -> None:
    """No condition has an axis of seeds or environments: none becomes a selection."""
    program = learning()
    keys = jnp.stack([jax.random.key(seed) for seed in (0, 1)])
    runs = jax.eval_shape(jax.vmap(lambda key: loop.start(program, None, key)), keys)
    advance = for_each(partial(loop.advance, program))
    jaxpr = jax.make_jaxpr(advance)(runs, jnp.int32(0), jnp.int32(1))
    conditionals = equations(jaxpr.jaxpr, "cond")
    assert len(conditionals) >= 2
    assert all(each.invars[0].aval.shape == () for each in conditionals)
