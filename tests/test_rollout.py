"""Rollouts: in order, each transition once, and only what is one."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_replay import NUM_AGENTS, NUM_ENVS, moment
from toy import Toy, ToyConfig, make_program

from swarmfield import replay, rollout
from swarmfield.training import program as loop
from swarmfield.types import Algorithm, Rollout

LENGTH = 3
cut = jax.jit(rollout.trajectory)


def ring_after(moments, length: int = LENGTH):
    """A ring of `length` transitions after all moments, what acting recorded being the time."""
    record = jnp.zeros((NUM_ENVS, NUM_AGENTS), jnp.int32)
    packed = [replay.pack(one, record + time) for time, one in enumerate(moments)]
    ring = replay.empty(packed[0], length + 1)
    for time, step in enumerate(packed):
        ring = replay.write(ring, step, jnp.int32(time))
    return ring, jnp.int32(len(moments) - 1)


@pytest.mark.parametrize("last", [3, 4, 5, 6, 11])
def test_steps_are_in_order_whatever_slot_they_are_in(last: int) -> None:
    ring, time = ring_after([moment(t) for t in range(last + 1)])
    batch = cut(ring, time, jnp.int32(LENGTH))
    expected = np.arange(last - LENGTH, last + 1)
    np.testing.assert_array_equal(batch.steps.shared["time"][:, 0], expected)
    # What acting on a step recorded was stored with the step after it.
    np.testing.assert_array_equal(batch.record[:, 0, 0], expected[1:])
    assert batch.record_before[0, 0] == expected[0]
    np.testing.assert_array_equal(batch.weight, np.ones((LENGTH, NUM_ENVS, NUM_AGENTS)))


@pytest.mark.parametrize("new", [1, 2, 3])
def test_only_what_is_new_counts(new: int) -> None:
    ring, time = ring_after([moment(t) for t in range(8)])
    weight = cut(ring, time, jnp.int32(new)).weight
    np.testing.assert_array_equal(weight[:, 0, 0], np.arange(LENGTH) >= LENGTH - new)


def test_only_transitions_of_the_living_and_learning_count() -> None:
    alive = np.ones((NUM_ENVS, NUM_AGENTS), bool)
    alive[0, 1] = False
    trained = np.ones((NUM_ENVS, NUM_AGENTS), bool)
    trained[1, 2] = False
    moments = [
        moment(0),
        moment(1, alive=jnp.asarray(alive)),
        moment(2, first=jnp.array([False, True])),
        moment(3, trained=jnp.asarray(trained)),
    ]
    ring, time = ring_after(moments)
    weight = np.asarray(cut(ring, time, jnp.int32(3)).weight)
    expected = np.ones((3, NUM_ENVS, NUM_AGENTS))
    expected[1, 0, 1] = 0  # dead at step 1
    expected[1, 1, :] = 0  # step 2 is the second world's reset
    np.testing.assert_array_equal(weight, expected)


def summing(length: int) -> Algorithm:
    """Adds up the weight of everything it is given."""

    def act(learner, timestep, memory, _key, _explore):
        return timestep.own["shown"], memory, {"learned": learner["updates"]}

    def update(learner, batch, _key, _progress):
        stale = (batch.record["learned"] < learner["updates"]) & (batch.weight.max((1, 2)) > 0)[
            :, None
        ]
        learner = {
            "updates": learner["updates"] + 1,
            "weight": learner["weight"] + batch.weight.sum(),
        }
        return learner, {"loss": stale.any().astype(jnp.float32)}

    return Algorithm(
        experience=Rollout(length),
        init=lambda _: {"updates": jnp.zeros(()), "weight": jnp.zeros(())},
        begin=lambda *_: None,
        act=act,
        update=update,
        explore=lambda _: jnp.ones(()),
        policy=lambda learner: learner,
    )


@cache
def play(length: int):
    """A function of a number of steps that gives the run after them."""
    toy = Toy(ToyConfig(num_agents=3, num_dead=1, max_steps=5))
    program = make_program(summing(length), toy, 4, 80)
    run = loop.start(program, None, jax.random.key(0))
    return jax.jit(lambda steps: loop.advance(program, run, jnp.int32(0), steps))


# Episodes of 5 steps and a reset; 2 of 3 rows live; 4 environments; 20 steps are scheduled.
@pytest.mark.parametrize(
    ("length", "steps", "updates", "learned"),
    [(4, 3, 0, 0), (4, 4, 1, 4), (4, 20, 5, 20), (7, 20, 3, 20), (7, 21, 4, 21), (7, 27, 4, 21)],
)
def test_every_transition_is_learned_from_once(length, steps, updates, learned) -> None:
    run = play(length)(jnp.int32(steps))
    assert run.learner["updates"] == run.window.updates == updates
    # Every sixth step is a reset and no transition.
    assert run.learner["weight"] == (learned - learned // 6) * 4 * 2
    assert run.window.metrics["loss"] == 0, "nothing was chosen by an older policy"
