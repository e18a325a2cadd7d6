"""JaxMARL's environments: the same steps as JaxMARL's own, deaths, time limits and options."""

import dataclasses
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jaxmarl
import numpy as np
import pytest
import tiny
from jaxmarl.environments import spaces

from swarmfield.environments import find, make
from swarmfield.environments.conformance import check_environment, random_actions
from swarmfield.environments.spread import contact
from swarmfield.interop import jaxmarl_names
from swarmfield.interop.jaxmarl import JaxMARL
from swarmfield.interop.jaxmarl_agents import Agents
from swarmfield.training.run_folder import default_path
from swarmfield.types import Box, Discrete, SwarmfieldError

KEY = jax.random.key(0)
SPREAD = "jaxmarl:MPE_simple_spread_v3"


def played(world, actions, steps, key=KEY):
    """Timesteps of the team that always does the same, the reset first."""
    state, timesteps = world.reset(key)
    found, step = [timesteps["agents"]], jax.jit(world.step)
    for i in range(steps):
        key_step = jax.random.fold_in(key, i)
        state, timesteps = step(key_step, state, {"agents": jnp.asarray(actions)})
        found.append(timesteps["agents"])
    return found


def their_dones(identifier, steps, action=0, **options):
    """What JaxMARL reports to a team that always does the same."""
    theirs = jaxmarl.make(identifier, **options)
    actions = {name: jnp.int32(action) for name in theirs.agents}
    with jax.numpy_rank_promotion("allow"):
        _, state = theirs.reset(KEY)
        step, found = jax.jit(theirs.step_env), []
        for i in range(steps):
            _, state, _, done, _ = step(jax.random.fold_in(KEY, i), state, actions)
            found.append(bool(done["__all__"]))
    return found


@pytest.mark.parametrize(
    ("identifier", "options", "steps"),
    [
        ("MPE_simple_spread_v3", {"num_agents": 4}, 25),
        ("switch_riddle", {"num_agents": 4}, 20),
        ("coin_game", {"cnn": True, "num_inner_steps": 4, "num_outer_steps": 3}, 12),
        ("HeuristicEnemySMAX", {"num_allies": 3, "num_enemies": 3}, 40),
    ],
)
def test_it_is_jaxmarls_step_by_step(identifier, options, steps):
    """Rewards, observations and ends of those who live, with the same actions and keys."""
    theirs, ours = jaxmarl.make(identifier, **options), make(f"jaxmarl:{identifier}", **options)
    their_step, step, team = jax.jit(theirs.step_env), jax.jit(ours.step), ours.teams[0]

    def rows(values):
        return np.stack([values[name] for name in theirs.agents])

    def require_same_sight(seen, alive):
        observed = ours.observe(state, "agents")
        shown = observed.features if observed.view is None else observed.view
        np.testing.assert_allclose(shown[alive], rows(seen)[alive], rtol=1e-4, atol=1e-5)

    with jax.numpy_rank_promotion("allow"):
        seen, their_state = theirs.reset(KEY)
    state, timesteps = jax.jit(ours.reset)(KEY)
    require_same_sight(seen, np.ones(team.num_agents, bool))
    time, ends, paid_sum = 0, 0, 0.0
    for i in range(steps):
        key = jax.random.fold_in(KEY, i)
        before = np.asarray(timesteps["agents"].alive)
        actions = random_actions(team, timesteps["agents"], key)
        told = dict(zip(theirs.agents, actions, strict=True))
        with jax.numpy_rank_promotion("allow"):
            seen, their_state, paid, done, _ = their_step(key, their_state, told)
        state, timesteps = step(key, state, {"agents": actions})
        now, time = timesteps["agents"], time + 1
        ended = before & (rows(done) | bool(done["__all__"])) & (time < ours.max_steps)
        np.testing.assert_array_equal(now.terminated, ended)
        np.testing.assert_array_equal(now.alive, before & ~ended)
        np.testing.assert_allclose(now.reward, np.where(before, rows(paid), 0), rtol=1e-4)
        require_same_sight(seen, np.asarray(now.alive))
        ends, paid_sum = ends + ended.sum(), paid_sum + np.abs(now.reward).sum()
        if not now.alive.any() or now.truncated:
            with jax.numpy_rank_promotion("allow"):
                _, their_state = theirs.reset(key)
            state, timesteps = jax.jit(ours.reset)(key)
            time = 0
    assert paid_sum > 0
    assert (ends > 0) == (identifier in ("switch_riddle", "HeuristicEnemySMAX"))


@pytest.mark.parametrize(
    ("identifier", "options"),
    [
        ("MPE_simple_spread_v3", {"num_agents": 4, "max_steps": 5}),
        ("switch_riddle", {}),
        *[
            pytest.param(identifier, options, marks=pytest.mark.slow)
            for identifier, options in (
                ("MPE_simple_spread_v3", {"action_type": "Continuous", "max_steps": 5}),
                ("MPE_simple_facmac_v1", {"max_steps": 5}),
                ("HeuristicEnemySMAX", {"num_allies": 3, "num_enemies": 3}),
                ("coin_game", {"cnn": True, "num_inner_steps": 3, "num_outer_steps": 2}),
                ("overcooked_v2", {"max_steps": 5}),
                ("hanabi", {}),
            )
        ],
    ],
)
def test_it_keeps_the_guarantees(identifier, options):
    check_environment(make(f"jaxmarl:{identifier}", **options), KEY, 9)


def test_our_spread_pays_the_same():
    theirs = make(SPREAD, num_agents=4, num_landmarks=4)
    ours = make("spread", num_agents=4, reward="jaxmarl", integration="explicit")
    their_state, _ = theirs.reset(KEY)
    places = their_state.theirs.p_pos
    there = {"position": places[:4], "contact": contact(places[:4]), "landmarks": places[4:]}
    state = dataclasses.replace(ours.reset(KEY)[0], **there)
    their_step, our_step = jax.jit(theirs.step), jax.jit(ours.step)
    for i in range(10):
        key = jax.random.fold_in(KEY, i)
        actions = {"agents": jax.random.randint(key, (4,), 0, 5)}
        their_state, their_timesteps = their_step(key, their_state, actions)
        state, timesteps = our_step(key, state, actions)
        np.testing.assert_allclose(
            timesteps["agents"].reward, their_timesteps["agents"].reward, rtol=2e-4
        )
        np.testing.assert_allclose(
            timesteps["agents"].position, their_timesteps["agents"].position, rtol=1e-3, atol=1e-4
        )


def test_their_25_steps_are_26_and_ours_are_25():
    assert their_dones("MPE_simple_spread_v3", 26) == [False] * 25 + [True]
    found = played(make(SPREAD), [0, 0, 0], 25)
    assert [bool(t.truncated) for t in found] == [False] * 25 + [True]
    assert not any(t.terminated.any() for t in found)
    assert all(t.alive.all() for t in found)


@pytest.mark.parametrize(
    ("identifier", "options", "limit"),
    [
        ("switch_riddle", {}, 6),
        ("coin_game", {"num_inner_steps": 3, "num_outer_steps": 2}, 6),
        pytest.param("overcooked_v2", {"max_steps": 4}, 4, marks=pytest.mark.slow),
    ],
)
def test_what_they_report_at_the_limit_is_no_end(identifier, options, limit):
    assert their_dones(identifier, limit, **options) == [False] * (limit - 1) + [True]
    world = make(f"jaxmarl:{identifier}", **options)
    assert world.max_steps == limit
    found = played(world, [0] * world.teams[0].num_agents, limit)
    assert [bool(t.truncated) for t in found] == [False] * limit + [True]
    assert not any(t.terminated.any() for t in found)


def test_an_end_at_the_limit_is_an_end():
    """Whoever tells ends the riddle, also with the last step there is."""
    told = played(make("jaxmarl:switch_riddle", max_steps=1), [2, 2, 2], 1)[-1]
    assert told.terminated.all()
    assert told.truncated


def test_the_limit_may_be_earlier_or_later_than_theirs():
    for limit in (3, 9):
        found = played(make("jaxmarl:switch_riddle", max_steps=limit), [0, 0, 0], limit)
        assert [bool(t.truncated) for t in found] == [False] * limit + [True]
        assert not any(t.terminated.any() for t in found)
    assert make(SPREAD, max_steps=40).max_steps == 40
    assert make("jaxmarl:hanabi").max_steps == 1000


class StubState(NamedTuple):
    time: jax.Array
    actions: jax.Array


class Stub:
    """Three agents as JaxMARL would have them: the second dies at the second step, all at 4."""

    agents = ("b", "a", "c")

    def __init__(
        self, space, shown=lambda state, i: {"it": jnp.ones((2, 2)) * i, "at": state.time}
    ):
        self.space, self.shown = space, shown

    def action_space(self, agent):
        return self.space

    def observed(self, state):
        return {name: self.shown(state, i) for i, name in enumerate(self.agents)} | {"all": 0}

    def reset(self, key):
        state = StubState(0, jnp.zeros((3, *self.space.shape)))
        return self.observed(state), state

    def step_env(self, key, state, actions):
        taken = jnp.stack([actions[name] for name in self.agents])
        state = StubState(state.time + 1, taken.astype(jnp.float32))
        done = {"b": False, "a": state.time == 2, "c": False, "__all__": state.time == 4}
        paid = {name: i + 1 for i, name in enumerate(self.agents)}
        return self.observed(state), state, paid, done, {}


def stub(space, max_steps=9, **options):
    return JaxMARL("stub", Agents(Stub(space, **options)), max_steps, reports_limit=False)


def test_the_dead_are_not_paid_and_see_nothing():
    world = stub(spaces.Discrete(3))
    check_environment(world, KEY, 9)
    assert world.teams[0].features == 5  # two arrays, end to end
    found = played(world, [1, 2, 0], 4)
    assert [t.alive.tolist() for t in found[1:]] == [[1, 1, 1], [1, 0, 1], [1, 0, 1], [0, 0, 0]]
    assert [t.terminated.tolist() for t in found[1:]] == [
        [0, 0, 0],
        [0, 1, 0],
        [0, 0, 0],
        [1, 0, 1],
    ]
    assert [t.reward.tolist() for t in found] == [[0, 0, 0], *[[1, 2, 3]] * 2, *[[1, 0, 3]] * 2]
    np.testing.assert_array_equal(found[1].own["seen"][1], [1, 1, 1, 1, 1])
    np.testing.assert_array_equal(found[2].own["seen"][1], 0)
    assert found[3].last_action.tolist() == [1, 0, 0]


def test_actions_are_within_bounds():
    equal = stub(spaces.Box(0.0, 2.0, (2,)))
    assert equal.teams[0].actions == Box(2, 0.0, 2.0)
    check_environment(equal, KEY, 9)
    state, _ = equal.reset(KEY)
    state, timesteps = equal.step(KEY, state, {"agents": jnp.full((3, 2), 5.0)})
    assert (state.theirs.actions == 2).all()
    assert (timesteps["agents"].last_action == 2).all()
    own = stub(spaces.Box(jnp.array([0.0, -4.0]), jnp.array([1.0, 4.0]), (2,)))
    assert own.teams[0].actions == Box(2, -1.0, 1.0)
    state, _ = own.reset(KEY)
    state, _ = own.step(KEY, state, {"agents": jnp.tile(jnp.array([[0.5, -1.0]]), (3, 1))})
    np.testing.assert_allclose(state.theirs.actions[0], [0.75, -4.0])


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (2, 3, 1)])
def test_observations_are_vectors_or_images(shape):
    world = stub(spaces.Discrete(3), shown=lambda state, i: jnp.full(shape, i, jnp.int8))
    check_environment(world, KEY, 2)
    team = world.teams[0]
    assert (team.view == shape) if len(shape) == 3 else (team.features == np.prod(shape))
    state, timesteps = world.reset(KEY)
    assert timesteps["agents"].own["seen"].dtype == jnp.int8
    assert float(sum(jnp.mean(x[2]) for x in jax.tree.leaves(world.observe(state, "agents")))) == 2


@pytest.mark.filterwarnings("ignore:max_dist_to_goal:UserWarning", "ignore:scatter:FutureWarning")
def test_what_is_legal():
    """Hanabi tells by another name, JaxNav something that is not of its actions."""
    state, timesteps = jax.jit(make("jaxmarl:hanabi").reset)(KEY)
    legal = np.asarray(timesteps["agents"].legal)
    theirs = jaxmarl.make("hanabi").get_legal_moves(state.theirs)
    np.testing.assert_array_equal(legal, [theirs["agent_0"], theirs["agent_1"]])
    assert Agents(jaxmarl.make("jaxnav", act_type="Discrete")).legal(None) is None
    assert make(SPREAD).reset(KEY)[1]["agents"].legal is None


def test_pictures():
    spread, riddle = make(SPREAD, num_agents=4), make("jaxmarl:switch_riddle")
    battle = make("jaxmarl:HeuristicEnemySMAX", num_allies=3, num_enemies=4)
    assert (spread.extent, riddle.extent, battle.extent) == ((3.0, 3.0), (3.0, 1.0), (32.0, 32.0))
    for world, bodies in ((spread, 7), (riddle, 3), (battle, 7)):
        scene = world.scene(world.reset(KEY)[0])
        assert scene.position.shape == (bodies, 2)
        assert ((scene.position > 0) & (scene.position < jnp.array([world.extent]))).all()
        assert scene.level.tolist().count(1.0) == world.teams[0].num_agents
    state, timesteps = spread.reset(KEY)
    np.testing.assert_array_equal(timesteps["agents"].position, state.theirs.p_pos[:4])
    assert riddle.reset(KEY)[1]["agents"].position.tolist() == [[0.5, 0.5], [1.5, 0.5], [2.5, 0.5]]
    state, _ = battle.reset(KEY)
    inner = state.theirs.state.replace(unit_alive=jnp.arange(7) < 5)
    fallen = dataclasses.replace(state, theirs=state.theirs.replace(state=inner))
    assert battle.scene(fallen).alive.tolist() == [True] * 5 + [False] * 2


def test_a_constructors_parameters_are_options():
    config = find(SPREAD).config
    assert find(SPREAD).config is config
    options = {item.name: item.default for item in dataclasses.fields(config)}
    assert options["num_agents"] == options["num_landmarks"] == 3
    assert (options["local_ratio"], options["action_type"]) == (0.5, "Discrete")
    # Those of the base class that the constructor hands on, but for what it chooses itself.
    assert options["max_steps"] == 25
    assert "dim_c" not in options
    with pytest.raises(dataclasses.FrozenInstanceError):
        config().num_agents = 4
    world = make(SPREAD, num_agents=5, local_ratio=1)
    assert (world.teams[0].num_agents, world.agents.theirs.local_ratio) == (5, 1.0)
    assert world.name == SPREAD
    inner = {item.name for item in dataclasses.fields(find("jaxmarl:HeuristicEnemySMAX").config)}
    assert {"attack_mode", "num_allies", "max_steps"} <= inner
    riddle = find("jaxmarl:switch_riddle").config()
    assert riddle.max_steps is None
    assert make("jaxmarl:switch_riddle", num_agents=5).max_steps == 14


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        (SPREAD[:-1], {}, "named 'MPE_simple_spread_v'; did you mean 'MPE_simple_spread_v3'"),
        ("jaxmarl:chess", {}, "choose one of MPE_simple_v3, .*coin_game"),
        ("jaxmarl", {}, "no environment named 'jaxmarl'"),
        (
            "jaxmarl:MPE_simple_tag_v3",
            {},
            r"MPE_simple_tag_v3 with its defaults cannot be played: its agents are not all alike "
            r"\(adversary_0, adversary_1, adversary_2: \[16\] and 5 actions; agent_0: \[14\]",
        ),
        ("jaxmarl:MPE_simple_speaker_listener_v4", {}, "3 actions; listener_0: .* 5 actions"),
        ("jaxmarl:LearnedPolicyEnemySMAX", {}, "cannot be played: .*missing 2 required"),
        ("jaxmarl:storm_2p", {}, "not tell agent by agent"),
        (SPREAD, {"num_agent": 5}, "no option env.num_agent; did you mean 'num_agents'"),
        (SPREAD, {"num_agents": "five"}, "env.num_agents is 'five'"),
        (SPREAD, {"num_agents": 0}, "--env.num-agents is 0: choose"),
        (SPREAD, {"max_steps": 0}, "--env.max-steps is 0: choose"),
        (SPREAD, {"num_agents": 2, "max_steps": 1.5}, "env.max_steps is 1.5"),
        (SPREAD, {"local_ratio": 3.0}, "local_ratio=3.0 cannot be played: local_ratio must be"),
        ("jaxmarl:switch_riddle", {"num_agents": 2}, "num_agents=2 cannot be played"),
        ("jaxmarl:coin_game", {"max_steps": 101}, "is 101, but JaxMARL's coin_game ends after 100"),
    ],
)
def test_refusals(name, options, said):
    with pytest.raises(SwarmfieldError, match=said):
        make(name, **options)


def test_only_bounded_vectors_may_be_chosen():
    for space in (spaces.Box(-jnp.inf, 1.0, (2,)), spaces.Box(0, 1, (2, 2))):
        with pytest.raises(SwarmfieldError, match=r"b must choose .* chooses from Box"):
            Agents(Stub(space))


def test_without_jaxmarl_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "jaxmarl", None)
    jaxmarl_names.entry.cache_clear()
    with pytest.raises(
        SwarmfieldError, match=r'install it by `pip install "swarmfield\[interop\]"'
    ):
        make(SPREAD)
    assert make("bar").name == "bar"


def test_importing_it_leaves_what_is_printed_alone(monkeypatch, capsys):
    """JaxMARL prints on its import, and puts the terminal in place of what Python prints to."""
    for name in [name for name in sys.modules if name.split(".")[0] == "jaxmarl"]:
        if name in ("jaxmarl", "jaxmarl.environments", "jaxmarl.environments.mabrax"):
            monkeypatch.delitem(sys.modules, name)
    before = sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__
    jaxmarl_names._library("any")
    assert (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__) == before
    assert capsys.readouterr().out == ""


def test_from_the_command_line():
    """Trained, evaluated at another size of the limit, replayed, and gone on with."""
    command = f"train mfq {SPREAD} --env.max-steps 6 --num-envs 2 --env-steps 80 {tiny.LEARNING}"
    run = tiny.finished(command)
    assert '"environment": "jaxmarl:MPE_simple_spread_v3"' in (run / "config.json").read_text()
    said = tiny.swarmfield(f"evaluate {run} --episodes 2 --env.max-steps 4")
    assert said.code == 0, said.err
    assert f"{SPREAD}: 3 agents, 4 steps" in said.out
    said = tiny.swarmfield(f"replay {run} --format gif")
    assert said.code == 0, said.err
    said = tiny.swarmfield(f"resume {run}")
    assert said.code == 0, said.err
    said = tiny.swarmfield(f"train {SPREAD} mfq")
    assert f"The algorithm comes first: swarmfield train mfq {SPREAD}." in said.err
    assert "jaxmarl:NAME" in tiny.swarmfield("list environments").out
    said = tiny.swarmfield(f"train mfq {SPREAD} --help")
    assert "--env.local-ratio FLOAT" in said.out


def test_runs_are_named_as_files_can_be():
    name = default_path("mfq", "jaxmarl:humanoid_9|8", 0).name
    assert name.startswith("mfq-jaxmarl-humanoid_9-8-seed0-")


def test_discrete_actions_take_as_few_bytes_as_they_can():
    state, _ = stub(spaces.Discrete(300)).reset(KEY)
    assert state.last_action.dtype == jnp.uint16
    assert stub(spaces.Discrete(300)).teams[0].actions == Discrete(300)
