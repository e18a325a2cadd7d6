"""Rules, those who tell them to a crowd, and the limit of infinitely many agents."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from swarmfield.environments import make
from swarmfield.environments.conformance import check_environment, random_actions
from swarmfield.environments.m3fc.control import CONTROLLER, MeanFieldControl
from swarmfield.environments.m3fc.crowd import Bins
from swarmfield.environments.m3fc.limit import Limit
from swarmfield.environments.m3fc.rules import CategoricalRule, GaussianRule, Table, squashed
from swarmfield.types import Box, Discrete, Product, SwarmfieldError

GOLDEN = json.loads((Path(__file__).parents[2] / "data" / "m3fc_golden.json").read_text())
KEY = jax.random.key(0)
SIZES = {
    "two_gaussians": (196, Box(196)),
    "formation": (196, Product((Box(196), Box(2)))),
    "beach_bar": (125, Product((Box(125), Discrete(5)))),
    "foraging": (392, Product((Box(392), Box(2)))),
    "potential": (14, Product((Box(14), Box(1)))),
}
"""Numbers of a rule, and a controller's actions, as published."""


def floats(values):
    return jnp.asarray(np.array(values), jnp.float32)


def rule_of(model, **options):
    table = Table(model.bins)
    if isinstance(model.actions, Discrete):
        return CategoricalRule(table, model.actions, **options)
    return GaussianRule(table, model.actions, **options)


def controlled(name, execution="centralised", **options):
    world = make(name, **options)
    return MeanFieldControl(world, rule_of(world.model), execution)


def test_gaussian_rules_are_those_published():
    golden = GOLDEN["2G"]
    rule = rule_of(make("two_gaussians").model, squash="clip_tanh")
    mean, deviation = rule.moments(floats(golden["upper_action"]), floats(golden["x"]))
    np.testing.assert_allclose(mean, golden["mean"], atol=1e-5)
    np.testing.assert_allclose(deviation, golden["std"], atol=1e-5)


def test_categorical_rules_are_those_published():
    golden = GOLDEN["Beach"]
    rule = rule_of(make("beach_bar").model)
    state = jnp.asarray(np.array(golden["x"]), jnp.int32)
    found = rule.probabilities(floats(golden["upper_action"]), state)
    np.testing.assert_allclose(found, golden["probs_at_x"], atol=1e-5)


def test_softmax_of_numbers_as_they_are():
    rule = rule_of(make("beach_bar").model, chances="softmax")
    numbers = jnp.zeros((25, 5)).at[7].set(jnp.array([0.0, 3.0, 0.0, 0.0, 0.0])).reshape(-1)
    there = jnp.array([[1, 2], [0, 0]])
    found = rule.probabilities(numbers, there)
    np.testing.assert_allclose(found[0, 1], np.exp(3) / (np.exp(3) + 4), rtol=1e-5)
    np.testing.assert_allclose(found[1], 0.2, rtol=1e-5)


def test_where_no_action_is_wanted_all_are_as_likely():
    """Compiled as well, where 1 and 1e-10 might be added up first."""
    rule = rule_of(make("beach_bar").model)
    numbers = jnp.zeros((25, 5)).at[3].set(-2.0).reshape(-1)
    found = jax.jit(rule.probabilities)(numbers, jnp.array([[0, 3], [0, 0]]))
    np.testing.assert_allclose(found, 0.2, rtol=1e-5)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("clip", [-1, 0.5, 1]),
        ("clip_tanh", np.tanh([-1, 0.5, 1])),
        ("tanh", np.tanh([-3, 0.5, 2])),
    ],
)
def test_ways_to_squash(how, expected):
    np.testing.assert_allclose(squashed(jnp.array([-3.0, 0.5, 2.0]), how), expected, rtol=1e-6)


def test_actions_are_drawn_as_the_rule_says():
    rule = GaussianRule(Table(Bins((-1.0,), (1.0,), (2,))), Box(1))
    numbers = jnp.array([0.5, -1.0, -0.5, 0.0])
    state = jnp.repeat(jnp.array([[-0.5], [0.5]]), 4000, axis=0)
    drawn = rule.draw(numbers, state, KEY)[:, 0]
    np.testing.assert_allclose(drawn[:4000], 0.5, atol=1e-5)
    np.testing.assert_allclose(jnp.mean(drawn[4000:]), -0.5, atol=0.02)
    np.testing.assert_allclose(jnp.std(drawn[4000:]), 0.25, atol=0.02)
    certain = rule.draw(jnp.array([1.0, 1.0, 1.0, 1.0]), state, KEY)
    assert float(jnp.max(certain)) == 1.0


def test_kernels_go_smoothly_from_a_cell_to_the_next():
    table = Table(Bins((0.0,), (4.0,), (4,)), "kernel", width=0.5)
    values = jnp.array([[0.0], [1.0], [2.0], [3.0]])
    at = table.at(values, jnp.array([[1.0], [1.5], [2.0]]))[:, 0]
    assert abs(float(at[0]) - 0.5) < 0.05, "half-way between two centres"
    assert abs(float(at[1]) - 1.0) < 0.05, "at a centre, between two that are alike"
    assert abs(float(at[2]) - 1.5) < 0.05


def test_kernels_know_where_a_space_wraps_around():
    table = Table(Bins((0.0,), (4.0,), (4,), wraps=True), "kernel", width=0.5)
    values = jnp.array([[1.0], [0.0], [0.0], [5.0]])
    at = table.at(values, jnp.array([[0.0], [4.0]]))[:, 0]
    np.testing.assert_allclose(at, 3.0, atol=0.15)


def test_narrow_kernels_are_cells():
    bins = Bins((-2.0, -2.0), (2.0, 2.0), (3, 4))
    values = jax.random.normal(KEY, (12, 2))
    state = jax.random.uniform(jax.random.key(1), (50, 2), minval=-2, maxval=2)
    smooth = Table(bins, "kernel", width=1e-3).at(values, state)
    np.testing.assert_allclose(smooth, Table(bins).at(values, state), atol=1e-5)


@pytest.mark.parametrize("name", SIZES)
def test_actions_are_as_long_as_published(name):
    control = controlled(name, num_agents=3, parity=True)
    assert (control.rule.size, control.teams[0].actions) == SIZES[name]


@pytest.mark.parametrize("name", ["formation", "beach_bar", "potential"])
@pytest.mark.parametrize("execution", ["centralised", "decentralised"])
def test_controlled_crowds_keep_the_guarantees(name, execution):
    control = controlled(name, execution, num_agents=3, max_steps=4)
    assert control.teams[0].num_agents == (1 if execution == "centralised" else 3)
    check_environment(control, KEY, num_steps=6)


def test_a_controller_is_paid_what_all_share_and_moves_the_major_agent():
    control = controlled("formation", num_agents=6)
    state, timesteps = control.reset(KEY)
    action = jnp.zeros((1, 198)).at[0, 196:].set(jnp.array([2.0, 0.0]))
    after, timesteps = control.step(KEY, state, {CONTROLLER: action})
    assert float(timesteps[CONTROLLER].reward[0]) == float(after.shared_return)
    moved = after.world.major - state.world.major
    assert 0 <= float(moved[0]) <= 0.2 + 1e-6
    assert float(moved[1]) == 0


def test_decentralised_agents_act_each_by_its_own_rule():
    control = controlled("beach_bar", "decentralised", num_agents=3)
    state, _ = control.reset(KEY)
    wishes = jnp.array([1, 2, 0])
    numbers = jnp.full((3, 25, 5), -1.0).at[jnp.arange(3), :, wishes].set(1.0).reshape(3, -1)
    action = jnp.concatenate([numbers, jnp.array([[3.0], [4.0], [4.0]])], axis=1)
    after, _ = control.step(KEY, state, {CONTROLLER: action})
    assert after.last_action.tolist() == [1, 2, 0, 3], "the major agent heeds the first row"


def zero(control, state):
    del state
    return jnp.zeros((control.teams[0].num_agents, control.rule.size + 1))


def returns(control, episodes, key):
    """Shared returns if a controller always says zero."""

    def play(key):
        state, timesteps = control.reset(key)

        def step(carry, key):
            state, _ = carry
            return control.step(key, state, {CONTROLLER: zero(control, state)}), None

        keys = jax.random.split(jax.random.fold_in(key, 9), control.max_steps)
        (state, _), _ = jax.lax.scan(step, (state, timesteps), keys)
        return state.shared_return

    return np.asarray(jax.jit(jax.vmap(play))(jax.random.split(key, episodes)))


def test_the_beach_returns_what_it_must_if_all_move_at_random():
    found = returns(controlled("beach_bar", num_agents=20), 300, KEY)
    error = found.std(ddof=1) / np.sqrt(len(found))
    assert abs(found.mean() - (-624.7201 - 288 / 20)) < 3 * error


def test_the_limit_is_what_many_agents_come_near():
    """The same world, the same rule: shares differ by what is left to chance."""
    world = make("beach_bar", num_agents=200_000)
    control = MeanFieldControl(world, rule_of(world.model))
    limit = Limit(world.model)
    numbers = jax.random.normal(jax.random.key(3), (125,))
    state, _ = control.reset(KEY)
    exact = limit.begin(KEY)
    move = jax.jit(control.step)
    go_on = jax.jit(
        lambda key, state: limit.led(key, state, control.rule, numbers[None], jnp.int32(2))
    )
    for time in range(5):
        key = jax.random.fold_in(KEY, time)
        action = jnp.append(numbers, 2.0)[None]
        state, timesteps = move(key, state, {CONTROLLER: action})
        exact, reward = go_on(key, exact)
        there = world.model.bins.histogram(world.crowd(state))
        np.testing.assert_allclose(exact.shares, there, atol=5e-3)
        np.testing.assert_allclose(timesteps[CONTROLLER].reward[0], reward, atol=0.02)
        np.testing.assert_array_equal(exact.world.target, state.world.target)
    assert float(jnp.max(exact.shares)) > 0.08, "something has happened"
    np.testing.assert_allclose(jnp.sum(exact.shares), 1, rtol=1e-5)


def test_the_limit_is_exact_where_shares_are_whole_numbers_of_agents():
    """Agents that are certain of what they do are their own limit."""
    model = make("beach_bar", num_agents=25).model
    limit = Limit(model)
    numbers = jnp.full((25, 5), -1.0).at[:, 3].set(1.0).reshape(-1)
    state = limit.begin(KEY)
    rule = rule_of(model)
    after, _ = limit.led(KEY, state, rule, numbers[None], jnp.int32(0))
    np.testing.assert_allclose(after.shares, 1 / 25, rtol=1e-6)


def test_who_controls_infinitely_many_agents_is_as_one_who_controls_some():
    world = make("beach_bar", max_steps=4)
    control = MeanFieldControl(Limit(world.model), rule_of(world.model))
    assert control.teams == MeanFieldControl(world, rule_of(world.model)).teams
    check_environment(control, KEY, num_steps=6)


def test_infinitely_many_agents_cannot_draw_a_rule_each():
    model = make("beach_bar").model
    control = MeanFieldControl(Limit(model), rule_of(model), "decentralised")
    with pytest.raises(SwarmfieldError, match="--execution is 'decentralised', but infinitely"):
        _ = control.teams


def test_there_is_no_exact_limit_of_infinitely_many_states():
    with pytest.raises(SwarmfieldError, match="'potential' has infinitely many states"):
        Limit(make("potential").model)


def test_random_controllers_say_something_for_all_parts():
    control = controlled("beach_bar", num_agents=3)
    _, timesteps = control.reset(KEY)
    drawn = random_actions(control.teams[0], timesteps[CONTROLLER], KEY)
    assert drawn.shape == (1, 126)
    assert float(drawn[0, 125]) in range(5)
