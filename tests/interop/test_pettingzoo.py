"""PettingZoo's environments in training: arrays of what its dictionaries say, and learning."""

import json
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from pettingzoo import ParallelEnv

import swarmfield as sf
from swarmfield.environments import find, make
from swarmfield.environments.hosted import NotCompiledError, Worlds
from swarmfield.interop import parallel_env
from swarmfield.interop.pettingzoo import PettingZoo
from swarmfield.interop.pettingzoo_names import entry
from swarmfield.types import Box, Discrete, SwarmfieldError

BATTLE = "pettingzoo:magent2.environments.battle_v4"


class Scripted(ParallelEnv):
    """Does what its class says, step by step: who is left, who ends, and how."""

    metadata: ClassVar = {"name": "scripted"}
    possible_agents = ("red_0", "red_1", "blue_0")
    sees = spaces.Box(0, 255, (2,), np.float32)
    acts = spaces.Discrete(3, start=1)
    # Of each step: who is there after it, who is terminated, who is truncated.
    story = (
        (["red_0", "red_1", "blue_0"], [], []),
        (["red_0", "blue_0"], ["red_1"], []),
        ([], [], ["red_0", "blue_0"]),
    )

    def observation_space(self, agent):
        return self.sees

    def action_space(self, agent):
        return self.acts

    def _seen(self, names):
        return {n: np.array([self.time, self.possible_agents.index(n)], np.float32) for n in names}

    def reset(self, seed=None, options=None):
        self.time, self.seed, self.agents = 0, seed, list(self.possible_agents)
        return self._seen(self.agents), {}

    def step(self, actions):
        assert sorted(actions) == sorted(self.agents)
        assert all(self.acts.contains(a) for a in actions.values()), actions
        acted, (self.agents, ended, cut) = list(self.agents), self.story[self.time]
        self.time += 1
        return (
            self._seen(acted),
            {n: 10.0 * self.time + self.possible_agents.index(n) for n in acted},
            {n: n in ended for n in acted},
            {n: n in cut for n in acted},
            {n: {} for n in acted},
        )


TEAMS = {"red": ("red_0", "red_1"), "blue": ("blue_0",)}


def scripted(kind=Scripted, max_steps=100, teams=None):
    return PettingZoo("scripted", kind, teams or TEAMS, max_steps)


def played(environment, steps, actions):
    worlds = Worlds(environment, 1)
    yield worlds.begin(np.array([7], np.uint32))
    for _ in range(steps):
        yield worlds.step(actions)


ACTIONS = {"red": np.array([[0, 2]]), "blue": np.array([[1]])}


def test_dictionaries_become_arrays():
    first, second, third, last = played(scripted(), 3, ACTIONS)
    red = [now["red"] for now in (first, second, third, last)]
    assert [bool(now.first) for now in red] == [True, False, False, False]
    np.testing.assert_array_equal(red[0].last_action[0], [3, 3])
    np.testing.assert_array_equal(red[1].last_action[0], [0, 2])
    np.testing.assert_array_equal(red[1].own["features"][0], [[1, 0], [1, 1]])
    np.testing.assert_array_equal(red[1].reward[0], [10, 11])
    # It dies in the second step, is paid for it, sees nothing and is no longer there.
    np.testing.assert_array_equal(red[2].alive[0], [True, False])
    np.testing.assert_array_equal(red[2].terminated[0], [False, True])
    np.testing.assert_array_equal(red[2].reward[0], [20, 21])
    np.testing.assert_array_equal(red[2].own["features"][0], [[2, 0], [0, 0]])
    # Cut off: who lived still does, and nobody's future is over.
    assert red[3].truncated.all()
    np.testing.assert_array_equal(red[3].alive[0], [True, False])
    assert not red[3].terminated.any()
    np.testing.assert_array_equal(red[3].reward[0], [30, 0])
    np.testing.assert_array_equal(red[3].last_action[0], [0, 3])
    assert [float(now["red"].measures["alive"][0]) for now in (first, third, last)] == [2, 1, 1]


def test_our_time_limit_cuts_off():
    *_, last = played(scripted(max_steps=1), 1, ACTIONS)
    assert last["red"].truncated.all()
    assert last["red"].alive.all()
    assert not last["red"].terminated.any()


class Vanishing(Scripted):
    story = ((["red_0", "blue_0"], [], ["red_1"]),)


def test_who_is_gone_while_others_play_on_is_terminated():
    *_, last = played(scripted(Vanishing), 1, ACTIONS)
    np.testing.assert_array_equal(last["red"].terminated[0], [False, True])
    assert not last["red"].truncated.any()


class Won(Scripted):
    story = ((["red_0", "red_1", "blue_0"], [], []), ([], ["red_0", "red_1", "blue_0"], []))


def test_who_took_part_in_the_last_step_of_a_game_is_counted():
    *_, last = played(scripted(Won), 2, ACTIONS)
    assert last["red"].terminated.all()
    assert not last["red"].alive.any()
    assert float(last["red"].measures["alive"][0]) == 2


def test_worlds_that_are_over_begin_anew_only_with_seeds():
    worlds = Worlds(scripted(), 2)
    worlds.begin(np.array([1, 2], np.uint32))
    for _ in range(3):
        ended = worlds.step({team: np.repeat(x, 2, 0) for team, x in ACTIONS.items()})
    assert worlds.are_over
    both = {team: np.repeat(x, 2, 0) for team, x in ACTIONS.items()}
    jax.tree.map(np.testing.assert_array_equal, worlds.step(both), ended)
    assert worlds.step(both, np.array([3, 4], np.uint32))["red"].first.all()
    assert not worlds.are_over


class Images(Scripted):
    sees = spaces.Dict(
        {
            "picture": spaces.Box(0, 255, (3, 4, 3), np.uint8),
            "choice": spaces.Discrete(4),
            "action_mask": spaces.MultiBinary(3),
        }
    )

    def _seen(self, names):
        one = {"picture": np.full((3, 4, 3), 255, np.uint8), "choice": 2}
        return {n: {**one, "action_mask": np.array([1, 0, 1], np.int8)} for n in names}


def test_images_choices_and_masks_are_read():
    environment = scripted(Images)
    red = environment.teams[0]
    assert (red.view, red.features, red.actions) == ((3, 4, 3), 4, Discrete(3))
    (first,) = played(environment, 0, ACTIONS)
    np.testing.assert_array_equal(first["red"].legal[0], [[True, False, True]] * 2)
    assert first["red"].own["view"].dtype == np.uint8
    timestep = environment.reset(jax.random.key(0))[1]["red"]
    assert environment.unpack("red", timestep, jnp.int32(0)).view.dtype == jnp.float32
    seen = {name: jnp.asarray(part[0, 0]) for name, part in first["red"].own.items()}
    observation = environment.agents["red"].observation(seen)
    np.testing.assert_array_equal(observation.view, np.ones((3, 4, 3)))
    np.testing.assert_array_equal(observation.features, [0, 0, 1, 0])


class Vectors(Scripted):
    acts = spaces.Box(np.array([0, -2], np.float32), np.array([1, 2], np.float32))


def test_vectors_are_told_in_their_own_bounds():
    agents = scripted(Vectors).agents["red"]
    assert agents.actions == Box(2)
    np.testing.assert_allclose(agents.told(np.array([[-1, -1], [1, 0.5]])), [[0, -2], [1, 1]])


class Endless(Scripted):
    acts = spaces.Box(-np.inf, np.inf, (2,))


class Different(Scripted):
    def action_space(self, agent):
        return spaces.Discrete(3 if agent == "red_0" else 4)


@pytest.mark.parametrize(
    ("kind", "teams", "said"),
    [
        (Endless, None, "red_0 must choose one of several actions or a vector with bounds"),
        (Different, None, "agents of a team must be alike, but red_1"),
        (Scripted, {n: (n,) for n in Scripted.possible_agents}, "--env.teams one"),
    ],
)
def test_what_cannot_be_played_is_refused(kind, teams, said):
    with pytest.raises(SwarmfieldError, match=said):
        scripted(kind, teams=teams)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("nobody.nothing_v0", {}, "there is no module 'nobody.nothing_v0'"),
        ("json", {}, "module json has no parallel_env"),
        ("mpe.simple_spread_v3", {}, "cannot be made"),
        (BATTLE[11:], {"map_size": 3}, "with map_size=3 cannot be played"),
        (BATTLE[11:], {"max_steps": 0}, "max-steps is 0"),
        (BATTLE[11:], {"arguments": "[1]"}, "an object in JSON"),
        (BATTLE[11:], {"size": 3}, "map_size"),
    ],
)
def test_names_and_options_that_are_wrong(name, options, said):
    with pytest.raises(SwarmfieldError, match=said):
        make(f"pettingzoo:{name}", **options)


def test_options_are_those_of_the_constructor():
    config = find(BATTLE).config()
    assert (config.map_size, config.max_cycles, config.teams, config.max_steps) == (
        45,
        1000,
        "names",
        None,
    )
    environment = make(BATTLE, map_size=20, max_cycles=50, arguments='{"dead_penalty": -0.5}')
    assert environment.max_steps == 50
    assert environment.interchangeable
    assert environment.teams[0].view == (13, 13, 5)
    assert environment.teams[0].placed
    assert entry(BATTLE[11:]) is entry(BATTLE[11:])


def test_our_own_environment_comes_back_as_it_was():
    ours = sf.make("battle", map_size=18, max_steps=30)
    there, seats = parallel_env(ours), {}
    for name in there.possible_agents:
        seats[name] = name.rsplit("_", 1)[0], int(name.rsplit("_", 1)[1])
    names = {t: tuple(n for n in seats if seats[n][0] == t) for t in ("red", "blue")}
    worlds = Worlds(PettingZoo("ours", lambda: parallel_env(ours), names, 30), 1)
    rng, now = np.random.default_rng(0), worlds.begin(np.array([5], np.uint32))
    observations, _ = there.reset(seed=5)
    while there.agents:
        for name in there.agents:
            team, row = seats[name]
            for part in ("view", "features"):
                seen = now[team].own[part][0, row]
                np.testing.assert_array_equal(seen, observations[name][part])
        actions = {team: rng.integers(0, 21, (1, len(names[team]))) for team in names}
        chosen = {n: actions[seats[n][0]][0, seats[n][1]] for n in there.agents}
        observations, rewards, ended, _, _ = there.step(chosen)
        now = worlds.step(actions)
        for name, reward in rewards.items():
            team, row = seats[name]
            assert now[team].reward[0, row] == np.float32(reward)
            assert now[team].terminated[0, row] == ended[name]
    assert worlds.are_over


SMALL = {"map_size": 12, "max_cycles": 20}
RUN = {"num_envs": 2, "env_steps": 200, "evaluations": 1, "evaluation_episodes": 2, "quiet": True}


def figures(run):
    rows = [json.loads(x) for x in (run.path / "metrics.jsonl").read_text().splitlines()]
    timed = ("wall_seconds", "agent_steps_per_second")
    return [{name: x for name, x in row.items() if name not in timed} for row in rows]


def test_two_runs_of_a_seed_are_the_same(tmp_path):
    runs = [
        sf.train("mfq", BATTLE, env=SMALL, seeds="0:2", run_dir=tmp_path / str(n), **RUN)
        for n in range(2)
    ]
    assert figures(runs[0]) == figures(runs[1])
    summary = runs[0].summary["evaluation"]["learner"]
    assert 0 < summary["alive"] <= 6
    assert np.isfinite(sf.evaluate(runs[0].path, episodes=2)["learner"]["return_mean"])


@pytest.mark.parametrize(("algorithm", "opponent"), [("iql", "mfq"), ("mfqmix", "pool")])
def test_other_ways_to_learn(tmp_path, algorithm, opponent):
    run = sf.train(algorithm, BATTLE, env=SMALL, opponent=opponent, run_dir=tmp_path / "run", **RUN)
    assert np.isfinite(run.summary["evaluation"]["learner"]["return_mean"])


def test_a_run_goes_on_with_new_episodes_and_is_not_recorded(tmp_path):
    run = sf.train("ippo", BATTLE, env=SMALL, opponent="random", run_dir=tmp_path / "run", **RUN)
    more = sf.resume(run.path, env_steps=320, quiet=True)
    assert more.summary["env_steps"] == 320
    with pytest.raises(NotCompiledError, match="stepped by Python"):
        sf.write_replay(run.path, "html")


def test_devices_are_refused(tmp_path):
    with pytest.raises(SwarmfieldError, match="--devices is 2"):
        sf.train("iql", BATTLE, env=SMALL, devices=2, run_dir=tmp_path / "two", **RUN)


def test_neighbours_need_places(tmp_path):
    from swarmfield.mean_field import nearest

    with pytest.raises(SwarmfieldError, match="does not say where its agents are"):
        nearest(scripted().teams[0], 1)
