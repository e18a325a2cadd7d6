"""Steps and observations of the major-minor models, as the published code makes them."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from swarmfield.environments.m3fc import (
    beach_bar,
    foraging,
    formation,
    potential,
    two_gaussians,
)
from swarmfield.environments.m3fc.crowd import Crowd
from swarmfield.environments.m3fc.square import walk

GOLDEN = json.loads((Path(__file__).parents[2] / "data" / "m3fc_golden.json").read_text())
KEY = jax.random.key(0)
NOTHING = jnp.zeros(())


def floats(values):
    return jnp.asarray(np.array(values), jnp.float32)


def ints(values):
    return jnp.asarray(np.array(values), jnp.int32)


def agree(found, golden):
    np.testing.assert_allclose(np.asarray(found), np.array(golden), rtol=0, atol=1e-5)


def test_two_gaussians():
    golden = GOLDEN["2G"]
    model = two_gaussians.TwoGaussians(
        two_gaussians.TwoGaussiansConfig(num_agents=6, transport="exact")
    )
    crowd, world = Crowd(floats(golden["x"])), two_gaussians.Users(floats(golden["users"]), ints(0))
    action = floats(golden["u"])
    agree(model.reward(crowd, world, action, NOTHING), golden["reward"])
    agree(walk(crowd.state, action), golden["next_x_no_noise"])
    np.testing.assert_array_equal(model.bins.indices(crowd.state), golden["bin"])
    seen = np.zeros((7, 7, 2))
    for row, column, channel, value in golden["obs_nonzero"]:
        seen[int(row), int(column), int(channel)] = value
    agree(model.public(crowd, world).reshape(7, 7, 2), seen)


def test_users_of_every_step():
    numbers = [100, 99, 98, 96, 93, 90, 86, 81, 76, 71, 65, 59, 53, 46, 40, 34, 28, 23, 18, 13]
    numbers += [9, 6, 3, 1, 0, 0]
    left = jax.vmap(two_gaussians.number_on_the_left)(jnp.arange(51))
    assert left[:26].tolist() == numbers
    assert left[25:].tolist() == numbers[::-1]


def test_formation():
    golden = GOLDEN["Formation"]
    model = formation.Formation(formation.FormationConfig(num_agents=6, transport="exact"))
    places = (floats(golden[name]) for name in ("y", "target", "users"))
    crowd, world = Crowd(floats(golden["x"])), formation.Lead(*places)
    action, major = floats(golden["u"]), floats(golden["u_major"])
    agree(model.reward(crowd, world, action, major), golden["reward"])
    agree(model.move(KEY, crowd, world, action), golden["next_x"])
    agree(model.change(KEY, crowd, world, major).major, golden["next_y"])


def test_beach_bar():
    golden = GOLDEN["Beach"]
    model = beach_bar.BeachBar(beach_bar.BeachBarConfig(num_agents=6))
    as_published = beach_bar.BeachBar(beach_bar.BeachBarConfig(num_agents=6, parity=True))
    crowd = Crowd(ints(golden["x"]))
    world = beach_bar.Bar(ints(golden["y"]), ints(golden["target"]))
    action, major = ints(golden["u"]), ints(golden["u_major"])
    agree(model.reward(crowd, world, action, major), golden["reward"])
    agree(model.move(KEY, crowd, world, action), golden["next_x"])
    agree(model.change(KEY, crowd, world, major).major, golden["next_y"])
    agree(model.public(crowd, world)[:25].reshape(5, 5), golden["hist_joint"])
    agree(as_published.public(crowd, world)[:25].reshape(5, 5), golden["hist_author_bug"])


def test_foraging():
    golden = GOLDEN["Foraging"]
    model = foraging.Foraging(foraging.ForagingConfig(num_agents=6))
    place, left = np.zeros((5, 2)), np.zeros(5)
    place[:3], left[:3] = golden["task_pos"], golden["task_len"]
    crowd = Crowd(floats(golden["x"]))
    world = foraging.Depot(floats(golden["y"]), floats(place), floats(left))
    action, major = floats(golden["u"]), floats(golden["u_major"])
    agree(model.reward(crowd, world, action, major), golden["reward"])
    agree(model.move(KEY, crowd, world, action), golden["next_x"])
    agree(model.change(KEY, crowd, world, major).major, golden["next_y"])
    survivors = foraging.harvest(crowd, world).left[:3]
    agree(survivors[survivors > 0], golden["remaining_len_of_survivors"])


def test_potential():
    golden = GOLDEN["Potential"]
    model = potential.Potential(potential.PotentialConfig(num_agents=6))
    crowd = Crowd(floats(golden["x"]))
    world = potential.Pushed(floats(golden["y"]), floats(golden["target"]))
    action = floats(golden["u"])
    agree(model.reward(crowd, world, action, floats([0])), golden["reward"])
    agree(model.move(KEY, crowd, world, action), golden["next_x"])
    agree(model.change(KEY, crowd, world, floats([0])).major, golden["next_y"])
